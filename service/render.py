"""Templates of rules, rendered so that no author has to quote: the kind of output decides how a value is written.

Event text is hostile. Templates run in Jinja's sandbox with strict undefined names; a value that a kind cannot hold
safely raises `UnsafeValue`, and the caller drops that artifact.
"""

import json
import re
import shlex
from collections.abc import Callable, Mapping
from functools import cache
from typing import Any
from urllib.parse import quote

import re2
from jinja2 import StrictUndefined, Template, TemplateError, pass_context
from jinja2.runtime import Context
from jinja2.sandbox import ImmutableSandboxedEnvironment

from service.domain import ArtifactKind

MISSING = "NOT_STATED"
"""Written where a template uses a value that the event does not state. The rule checks refuse it in examples."""

_USED = "_placeholders_used"
_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u200b-\u200f\u2028-\u202e\u2066-\u2069\ufeff]")
_YAML_PLAIN = re.compile(r"[A-Za-z][\w./-]*\Z", re.ASCII)
_YAML_WORDS = frozenset({"y", "n", "yes", "no", "on", "off", "true", "false", "null"})
_BARE_WORD = re.compile(r"[^\s\"'`;{}\\]+\Z")
_KEYWORD = re.compile(r"[A-Za-z][A-Za-z_ ,]*\Z")
_PLACEHOLDER_NAME = re.compile(r"[A-Z][A-Z0-9_]+\Z")


class UnsafeValue(ValueError):
    """A value from the event cannot be written safely in this kind of output. The message says which and why."""


class TemplateFault(ValueError):
    """A template of a rule is wrong: bad syntax, an unknown name, or a value of the wrong type."""


class _Raw(str):
    """Text that is already written in the target language."""

    __slots__ = ()


class _Placeholder(str):
    __slots__ = ()


def strip_control(value: str) -> str:
    """Remove control, zero-width and bidirectional characters; line breaks and tabs stay."""
    return _CONTROL.sub("", value)


def render(kind: ArtifactKind | None, source: str, values: Mapping[str, Any], dialect: str = "ansi") -> str:
    """Render a template as `kind` (None: prose). Raises `UnsafeValue` or `TemplateFault`."""
    return render_with_placeholders(kind, source, values, dialect)[0]


def render_with_placeholders(
    kind: ArtifactKind | None, source: str, values: Mapping[str, Any], dialect: str = "ansi"
) -> tuple[str, tuple[str, ...]]:
    """Like `render`, and the placeholders that were written, in order."""
    if is_plain(source):
        return source, ()
    used: list[str] = []
    try:
        text = compile_template(kind, source, dialect).render({**values, _USED: used})
    except UnsafeValue:
        raise
    except (TemplateError, TypeError, ValueError, KeyError, AttributeError, ArithmeticError) as error:
        raise TemplateFault(f"{error}") from error
    return text, tuple(dict.fromkeys(used))


def is_plain(source: str) -> bool:
    """Whether a template is only text; most are, and compiling them costs a millisecond each."""
    return "{" not in source


@cache
def compile_template(kind: ArtifactKind | None, source: str, dialect: str = "ansi") -> Template:
    """Compile once per process: rules are few and constant. Raises `TemplateSyntaxError`."""
    return environment(kind, dialect).from_string(source)


@cache
def compile_expression(source: str) -> Callable[..., Any]:
    """A `derive` or `when` expression of a rule; undefined names give None."""
    return environment(None).compile_expression(source, undefined_to_none=True)


@cache
def _compile_derivations(expressions: tuple[tuple[str, str], ...]) -> Template:
    lines = (f"{{% set {name} = ({source}) | blank_as_none %}}" for name, source in expressions)
    return environment(None).from_string("".join(lines))


def evaluate_in_turn(expressions: tuple[tuple[str, str], ...], values: Mapping[str, Any]) -> dict[str, Any]:
    """The values of named expressions, each of which sees those before it; empty text is None.

    One template for all is many times faster than one each. Raises `TemplateFault` when any of them fails.
    """
    try:
        module = _compile_derivations(expressions).make_module({**values, _USED: []})
    except (TemplateError, TypeError, ValueError, KeyError, AttributeError, ArithmeticError) as error:
        raise TemplateFault(f"{error}") from error
    return {name: getattr(module, name) for name, _ in expressions}


def evaluate(source: str, values: Mapping[str, Any]) -> Any:
    """The value of an expression. Raises `TemplateFault`."""
    try:
        return compile_expression(source)(**{**values, _USED: []})
    except (TemplateError, TypeError, ValueError, KeyError, AttributeError, ArithmeticError) as error:
        raise TemplateFault(f"{source!r}: {error}") from error


@cache
def environment(kind: ArtifactKind | None, dialect: str = "ansi") -> ImmutableSandboxedEnvironment:
    """The sandbox that writes values as `kind` wants them."""
    writer = _sql_writer(dialect) if kind is ArtifactKind.SQL else _WRITERS[kind]

    @pass_context
    def finalize(context: Context, value: Any) -> str:
        if isinstance(value, _Raw):
            return value
        if isinstance(value, _Placeholder):
            return json.dumps(value) if kind is ArtifactKind.JSON_POLICY else value
        if value is None or (value == "" and kind is not None):
            context[_USED].append(MISSING)
            return MISSING
        return writer(value, context[_USED])

    env = ImmutableSandboxedEnvironment(
        undefined=StrictUndefined, finalize=finalize, keep_trailing_newline=False, trim_blocks=True, lstrip_blocks=True
    )
    env.filters.update(
        placeholder=_placeholder,
        literal=_literal,
        ident=lambda value: _Raw(_quote_identifier(value if isinstance(value, _Placeholder) else str(value), dialect)),
        keyword=_keyword,
        number=_number,
        path=lambda value: _Raw(quote(_clean(str(value)), safe="")),
        search=_search,
        blank_as_none=lambda value: None if value == "" else value,
        json=lambda value: _Raw(json.dumps(value, ensure_ascii=False)),
    )
    env.globals["placeholder"] = _placeholder_of
    return env


@pass_context
def _placeholder(context: Context, value: Any, name: str) -> Any:
    if value is None or value == "":
        return _placeholder_of(context, name)
    return value


@pass_context
def _placeholder_of(context: Context, name: str) -> _Placeholder:
    if not _PLACEHOLDER_NAME.match(name):
        raise TemplateFault(f"placeholder {name!r} must be UPPER_CASE")
    context[_USED].append(name)
    return _Placeholder(name)


def _literal(value: Any) -> _Raw:
    if isinstance(value, _Placeholder):
        return _Raw(f"'{value}'")
    if "\\" in str(value):
        raise UnsafeValue("a backslash means different things in different SQL servers")
    return _Raw("'" + _clean(str(value)).replace("'", "''") + "'")


def _keyword(value: Any) -> _Raw:
    if isinstance(value, _Placeholder):
        return _Raw(value)
    if not _KEYWORD.match(str(value)):
        raise UnsafeValue(f"{str(value)[:60]!r} is not a plain keyword")
    return _Raw(str(value))


def _number(value: Any) -> _Raw:
    if not re.fullmatch(r"[0-9]{1,20}", str(value)):
        raise UnsafeValue(f"{str(value)[:60]!r} is not a number")
    return _Raw(str(value))


def _search(value: Any, pattern: str) -> str | None:
    if not value:
        return None
    found = _compile_search(pattern).search(str(value))
    if not found:
        return None
    return str(found.group(1)) if found.groups() and found.group(1) is not None else str(found.group(0))


@cache
def _compile_search(pattern: str) -> Any:
    return re2.compile(f"(?i){pattern}")


def _clean(value: str) -> str:
    if _CONTROL.search(value) or "\n" in value:
        raise UnsafeValue(f"{value[:60]!r} holds a line break or control character")
    return value


def _write_prose(value: Any, _used: list[str]) -> str:
    return strip_control(str(value) if not isinstance(value, list | tuple) else ", ".join(map(str, value)))


def _write_json(value: Any, _used: list[str]) -> str:
    return json.dumps(value, ensure_ascii=False)


def _write_yaml(value: Any, _used: list[str]) -> str:
    if isinstance(value, str) and _YAML_PLAIN.match(value) and value.lower() not in _YAML_WORDS:
        return value
    return json.dumps(value, ensure_ascii=False)


def _write_shell(value: Any, _used: list[str]) -> str:
    word = _clean(str(value))
    if word.startswith("-"):
        raise UnsafeValue(f"{word[:60]!r} would be read as an option")
    return shlex.quote(word)


def _write_word(value: Any, _used: list[str]) -> str:
    if not _BARE_WORD.match(_clean(str(value))):
        raise UnsafeValue(f"{str(value)[:60]!r} is not one plain word")
    return str(value)


_WRITERS: dict[ArtifactKind | None, Callable[[Any, list[str]], str]] = {
    None: _write_prose,
    ArtifactKind.JSON_POLICY: _write_json,
    ArtifactKind.HTTP: _write_json,
    ArtifactKind.MANIFEST: _write_yaml,
    ArtifactKind.SHELL: _write_shell,
    ArtifactKind.CONFIG: _write_word,
    ArtifactKind.REDIS_ACL: _write_word,
}

_QUOTES = {"mysql": ("`", "`"), "mssql": ("[", "]")}
_PLAIN_NAME = {
    "postgresql": re.compile(r"[a-z_][a-z0-9_$]*\Z"),
    "mysql": re.compile(r"[A-Za-z_][A-Za-z0-9_$]*\Z"),
    "mssql": re.compile(r"[A-Za-z_][A-Za-z0-9_]*\Z"),
    "oracle": re.compile(r"[A-Za-z][A-Za-z0-9_$#]*\Z"),
    "ansi": re.compile(r"[A-Za-z_][A-Za-z0-9_]*\Z"),
}
# What some dialect reserves; a quoted name is right in all of them.
RESERVED_WORDS = frozenset(
    "abort action add after all alter always analyse analyze and any array as asc asymmetric attach authorization "
    "autoincrement before begin between bigint binary both by call cascade case cast change char character check "
    "collate collation column commit concurrently condition conflict constraint continue convert create cross "
    "current_catalog current_date current_role current_schema current_time current_timestamp current_user cursor "
    "database databases dec decimal declare default deferrable deferred delayed delete desc describe detach "
    "distinct div do double drop dual each else elseif enclosed end escaped except exclude exclusive exists exit "
    "explain fail false fetch filter first float following for force foreign freeze from full fulltext generated "
    "get glob grant group grouping groups having high_priority if ignore ilike immediate in index indexed infile "
    "initially inner insert instead int integer intersect interval into is isnull iterate join key keys kill last "
    "lateral leading leave left like limit linear lines load localtime localtimestamp lock long loop match "
    "materialized mod modifies natural no not nothing notnull null nulls offset on only optimize option or order "
    "others out outer over overlaps partition placing plan pragma preceding precision primary procedure purge query "
    "raise range rank read real recursive references regexp reindex release rename repeat replace require resignal "
    "restrict returning revoke right rlike role rollback row rows savepoint schema schemas select sensitive "
    "separator session_user set show signal similar smallint some spatial sql ssl starting stored straight_join "
    "symmetric system table tablesample temp temporary terminated then ties tinyint to trailing transaction trigger "
    "true unbounded undo union unique unlock unsigned update usage use user using vacuum values varchar variadic "
    "varying verbose view virtual when where while window with within without write xor zerofill".split()
)
_NAME_PARTS = re.compile(r"\"((?:[^\"]|\"\")+)\"|`((?:[^`]|``)+)`|\[([^\]]+)\]|([^.\"`\[]+)")


def _sql_writer(dialect: str) -> Callable[[Any, list[str]], str]:
    def write(value: Any, used: list[str]) -> str:
        parts = [_unquote(found) for found in _NAME_PARTS.finditer(_clean(str(value)))]
        if not parts:
            raise UnsafeValue("an empty name is not an identifier")
        return ".".join(p if p in used else _quote_identifier(p, dialect) for p in parts)

    return write


def _unquote(part: re.Match[str]) -> str:
    quoted, ticked, *others = part.groups()
    if quoted or ticked:
        return quoted.replace('""', '"') if quoted else ticked.replace("``", "`")
    return next(text for text in others if text)


def _quote_identifier(name: str, dialect: str) -> str:
    if isinstance(name, _Placeholder):
        return name
    if _PLAIN_NAME[dialect].match(name) and name.lower() not in RESERVED_WORDS:
        return name
    opening, closing = _QUOTES.get(dialect, ('"', '"'))
    return opening + _clean(name).replace(closing, closing * 2) + closing
