"""Values for the placeholders of an artifact, quoted so that each stays one value where it stands. Pure.

How a value is quoted follows from the artifact's kind and from the quotes around the placeholder; where no quoting is
known to be safe, only harmless characters are taken.
"""

import json
import re
import shlex
from collections.abc import Mapping

from service.domain import Artifact, ArtifactKind
from service.render import RESERVED_WORDS

LONGEST = 300
_HARMLESS = re.compile(r"[\w.:/@+=-]+", re.ASCII)
_SCALAR = re.compile(r"[A-Za-z0-9](?:[\w.:/@+-]*[A-Za-z0-9_])?", re.ASCII)
_NO_YAML_TEXT = re.compile(
    r"(?i).*:.*|true|false|yes|no|on|off|y|n|null|[\d._+-]*[._+-][\d._+-]*|[\d._]+e[\d+-]+|0[xob][\da-f_]+"
)
_NAME = re.compile(r"[a-z_][a-z0-9_]*", re.ASCII)
_PATH_OF_NAMES = re.compile(r"[A-Za-z_]\w*(?:\.[A-Za-z_]\w*){1,2}", re.ASCII)
_NAMES_OBJECT = re.compile(r"TABLE|VIEW|OBJECT|SEQUENCE|RESOURCE")
_NAMES_NUMBER = re.compile(r"PORT|SIZE")
_NAMES_KEYWORD = re.compile(r"PRIVILEGES?|PERMISSION|COMMAND")
_KEYWORDS = re.compile(r"(?:(?!(?:on|to|with|from|by)\b)[a-z_]+(?:, ?| |\Z))+", re.IGNORECASE | re.ASCII)
_BACKTICKS = ("mysql", "mariadb", "clickhouse", "gcp.bigquery", "bigquery", "databricks")

_UNSURE = "?"
_QUOTES = {ArtifactKind.SQL: "'\"`", ArtifactKind.JSON_POLICY: '"'}
# What begins a place whose end is not looked for: substitutions, here-documents, block scalars, dollar quotes.
_TRAPS = {
    ArtifactKind.SHELL: re.compile(r"<<|[<$]\(|\$['{]|`"),
    ArtifactKind.SQL: re.compile(r"\$\w*\$|\\|\[|#"),
    ArtifactKind.MANIFEST: re.compile(r"(?m)(?:^|[:-])[ \t]*[|>][-+0-9]*[ \t]*$"),
}
_COMMENTS = {
    ArtifactKind.SHELL: re.compile(r"(?<![^\s;&|(])#[^\n]*"),
    ArtifactKind.SQL: re.compile(r"--[^\n]*|/\*.*?(?:\*/|\Z)", re.DOTALL),
    ArtifactKind.MANIFEST: re.compile(r"(?<!\S)#[^\n]*"),
}
_BEFORE_SCALAR = re.compile(r"(?m)(?:^|[\[{,]|[:?-][ \t])[ \t]*\Z")


class UnsafeValue(ValueError):
    """The value cannot stand there safely. The message says what may."""


def fill(artifact: Artifact, values: Mapping[str, str], system: str | None = None) -> str:
    """The artifact's content with these values for its placeholders. Raises `UnsafeValue`."""
    words = sorted((one for one in artifact.placeholders if values.get(one)), key=len, reverse=True)
    if not words:
        return artifact.content
    for word in words:
        _check(word, values[word])
    pattern = re.compile(r"(?<![A-Za-z0-9_])(?:" + "|".join(map(re.escape, words)) + r")(?![A-Za-z0-9_])")
    content = artifact.content
    return pattern.sub(lambda found: _quoted(artifact.kind, content, found, values[found[0]], system), content)


def _check(word: str, value: str) -> None:
    if len(value) > LONGEST:
        raise UnsafeValue(f"{word}: at most {LONGEST} characters")
    if value.startswith("-"):
        raise UnsafeValue(f"{word}: no - at the start, which would make it an option")
    if not value.isprintable():
        raise UnsafeValue(f"{word}: one line, without invisible characters")


def _quoted(kind: ArtifactKind, content: str, found: re.Match[str], value: str, system: str | None) -> str:
    quote = _quote_around(content, found.start(), kind)
    if kind is ArtifactKind.SQL:
        return _in_sql(found[0], value, quote, system)
    harmless = _SCALAR if kind is ArtifactKind.MANIFEST and not quote else _HARMLESS
    if harmless.fullmatch(value):
        changes_type = kind is ArtifactKind.MANIFEST and not quote and _NO_YAML_TEXT.fullmatch(value)
        return json.dumps(value) if changes_type and _is_whole_scalar(content, found) else value
    if kind in (ArtifactKind.JSON_POLICY, ArtifactKind.MANIFEST) and quote == '"':
        return json.dumps(value, ensure_ascii=False)[1:-1]
    if kind is ArtifactKind.MANIFEST and quote == "'":
        return value.replace("'", "''")
    if kind is ArtifactKind.SHELL and not quote:
        return shlex.quote(value)
    raise UnsafeValue(f"{found[0]}: only letters, digits and . _ : / @ + = - are safe here")


def _is_whole_scalar(content: str, found: re.Match[str]) -> bool:
    start = content.rfind("\n", 0, found.start()) + 1
    before = _BEFORE_SCALAR.search(content, start, found.start())
    return before is not None and re.match(r"[ \t]*(?:$|[\n,\]}]|[ \t]#)", content[found.end() :]) is not None


def _in_sql(word: str, value: str, quote: str, system: str | None) -> str:
    if quote == _UNSURE and not re.fullmatch(r"\w+", value):
        raise UnsafeValue(f"{word}: only letters, digits and _ are safe here")
    if "\\" in value:
        raise UnsafeValue("a backslash is not safe in SQL")
    if quote:
        return value.replace(quote, quote * 2)
    if _NAMES_KEYWORD.fullmatch(word):
        if not _KEYWORDS.fullmatch(value):
            raise UnsafeValue(f"{word}: only key words of SQL, such as SELECT, are safe here")
        return value
    if _NAMES_NUMBER.search(word) and value.isdecimal():
        return value
    if _NAMES_OBJECT.search(word) and _PATH_OF_NAMES.fullmatch(value):
        return ".".join(_name(part, system) for part in value.split("."))
    return _name(value, system)


def _name(value: str, system: str | None) -> str:
    if _NAME.fullmatch(value) and value not in RESERVED_WORDS:
        return value
    system = system or ""
    opening, closing = ("[", "]") if system == "sqlserver" else ("`", "`") if system.startswith(_BACKTICKS) else '""'
    if "bigquery" in system and closing in value:
        raise UnsafeValue("a backtick is not safe in BigQuery")
    return opening + value.replace(closing, closing * 2) + closing


def _quote_around(content: str, at: int, kind: ArtifactKind) -> str:
    """The quotation mark that is open at this place (in a manifest: of its line), nothing, or `_UNSURE`."""
    if (trap := _TRAPS.get(kind)) and trap.search(content, 0, at):
        return _UNSURE
    start = content.rfind("\n", 0, at) + 1 if kind is ArtifactKind.MANIFEST else 0
    comments, quotes = _COMMENTS.get(kind), _QUOTES.get(kind, "'\"")
    quote, here = "", start
    while here < at:
        character = content[here]
        if character == "\\" and quote != "'" and kind is not ArtifactKind.SQL:
            here += 1
        elif quote:
            quote = "" if character == quote else quote
        elif comments and (comment := comments.match(content, here)):
            if comment.end() > at:
                return _UNSURE
            here = comment.end() - 1
        elif character in quotes and (kind is not ArtifactKind.MANIFEST or _BEFORE_SCALAR.search(content, start, here)):
            quote = character
        here += 1
    return quote
