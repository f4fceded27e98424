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
_NAME = re.compile(r"[a-z_][a-z0-9_]*", re.ASCII)
_BACKTICKS = ("mysql", "mariadb", "clickhouse", "gcp.bigquery", "bigquery", "databricks")


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
    harmless = _SCALAR if kind is ArtifactKind.MANIFEST and not quote else _HARMLESS
    if harmless.fullmatch(value) and (kind is not ArtifactKind.SQL or quote):
        return value
    if kind is ArtifactKind.JSON_POLICY and quote == '"':
        return json.dumps(value, ensure_ascii=False)[1:-1]
    if kind is ArtifactKind.SHELL and not quote and "<<" not in content:
        return shlex.quote(value)
    if kind is ArtifactKind.SQL:
        return _in_sql(value, quote, system)
    if kind is ArtifactKind.MANIFEST and quote:
        return value.replace("'", "''") if quote == "'" else json.dumps(value, ensure_ascii=False)[1:-1]
    raise UnsafeValue(f"{found[0]}: only letters, digits and . _ : / @ + = - are safe here")


def _in_sql(value: str, quote: str, system: str | None) -> str:
    if "\\" in value:
        raise UnsafeValue("a backslash is not safe in SQL")
    if quote:
        return value.replace(quote, quote * 2)
    if _NAME.fullmatch(value) and value not in RESERVED_WORDS:
        return value
    mark = "`" if (system or "").startswith(_BACKTICKS) else '"'
    return mark + value.replace(mark, mark * 2) + mark


def _quote_around(content: str, at: int, kind: ArtifactKind) -> str:
    """The quotation mark that is open at this place of its line (in a shell: of the whole), or nothing."""
    start = 0 if kind is ArtifactKind.SHELL else content.rfind("\n", 0, at) + 1
    quote, escaped = "", False
    for character in content[start:at]:
        if escaped:
            escaped = False
        elif character == "\\" and quote != "'" and kind is not ArtifactKind.SQL:
            escaped = True
        elif quote:
            quote = "" if character == quote else quote
        elif character in "'\"" or (character == "`" and kind is ArtifactKind.SQL):
            quote = character
    return quote
