"""Finds secrets by the name before them: JSON, YAML, env, URL queries, headers, kwargs, command lines, prose."""

import re
from collections.abc import Iterator
from urllib.parse import unquote

from service.redact.headers import read_authorization, read_cookies
from service.redact.keys import Key, Strength, classify
from service.redact.lexer import QUOTE, Value, read_value, whole_end
from service.redact.span import Span, View
from service.redact.values import hollow, is_code, is_harmless, is_qualified_name, is_uuid, looks_random

STEMS = tuple("pass pw secret token key credential auth cookie sess sid sig jwt assertion saml hmac bearer".split())
"""What the names of secrets have in common; each is looked for on its own."""

_VALUED = r"(?:parameter|string|default)?[vV]alue"
_CONNECTIVE = r"(?:(?:provided|value|is|was|string|supplied|given)(?:[ \t]{1,4}|[:]))?(?:[:][ \t]{0,4}|[ \t]{0,4})"
_FOLLOWING = frozenset(":=>%&\\\"'`],; \t\r\n")
_TAIL = re.compile(r"(?:[a-z0-9_]|[.-](?=[a-z0-9_])){0,44}")
_NAME_CHARACTERS = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_.-"
_LONGEST_PREFIX = 48
_FEW_ESCAPES = 4
_TICKET = re.compile(r"[A-Za-z0-9_.+=%~-]{20,}")
_LONG_RUN = 16
_ESCAPED = re.compile(r"[nrtbf]|u00[0-9a-fA-F]{2}")
_QUALIFIER = re.compile(r"(?<![A-Za-z])((?i:api|access|account|secret|private|auth|encryption|signing) )$")
_SEPARATOR = re.compile(
    rf"""
      (?P<close>{QUOTE})?\]?[ \t]{{0,16}}
      (?P<assign>:=|=>|=(?!=)|:(?!:|//)|%(?:25){{0,2}}3[ADad]|&\#(?:58|61);|\\{{1,8}}u003[aAdD])
      (?P<gap>(?:[ \t]|%(?:25)?20){{0,32}}(?:\n[ \t]{{0,40}}(?=["']))?)
    | (?P<named>{QUOTE})?(?:[,;]|\\{{1,4}}[rn]|\s){{1,40}}{QUOTE}?{_VALUED}{QUOTE}?
      [ \t]{{0,8}}[:=][ \t]{{0,8}}
    | (?P<pair>{QUOTE})[ \t]{{0,8}},\s{{0,8}}(?=[bu]?{QUOTE})
    | (?P<element>>)
    | (?P<blank>[ \t]{{1,8}})
    """,
    re.VERBOSE | re.ASCII,
)
_CONNECTED = re.compile(_CONNECTIVE)
_AFTER_BLANK = re.compile(
    rf"""[ \t]{{1,16}}(?:[:=%&\\"'`\r\n]|{_CONNECTIVE}["'`\\]{{0,8}}[A-Za-z0-9+/_=.-]{{20}}|(?i:{_VALUED}))"""
)
_NAME = re.compile(r"[A-Za-z_-]+")
_WORDY = re.compile(r"[A-Za-z]?[a-z]*(?:[-_. ][A-Za-z]?[a-z]+)*")
_ENVIRONMENT = re.compile(r"[A-Z][A-Z0-9_]*=")
_MIXED = re.compile(r"(?=[^\s]*[A-Za-z])[^\s]*[0-9][^\s]*")


def trigger_of(stem: str) -> str:
    """RE2 that occurs in every text with a secret whose name contains `stem`."""
    before = "[a-z0-9][_. -]?" if stem == "key" else ""
    return (
        rf"(?i){before}{stem}[\w.-]{{0,44}}"
        r"""(?:[:=>%&\\"'`\],;]|[ \t]{1,16}[:=%&\\"'`]"""
        rf"|\s[,;\s\\rn]{{0,41}}[a-z]{{0,9}}value|[ \t]{{1,8}}{_CONNECTIVE}[A-Za-z0-9+/_=.-]{{20}})"
        rf"|-[a-z-]{{0,24}}{stem}[\w.-]{{0,44}}[ \t]"
    )


def find_assigned(stem: str, view: View) -> Iterator[Span]:
    """Every value whose name contains `stem`, and whose name, syntax and looks together say that it is a secret."""
    text, lower = view
    start = lower.find(stem)
    while start >= 0:
        tail = _TAIL.match(lower, start)
        resume = end = tail.end() if tail else start + 1
        if text[end : end + 1] in _FOLLOWING:
            for span in _spans_after(text, start, end):
                resume = max(resume, span.end)
                yield span
        start = lower.find(stem, resume)


def is_secret_attribute(key: Key, value: str) -> bool:
    """Whether the whole string under a key of a structured attribute is a secret."""
    return not _is_session_name(key, value) and _is_assigned_secret(key, hollow(value))


def _is_session_name(key: Key, content: str) -> bool:
    """Whether it names a session, as roles and jobs do, and is no ticket to one."""
    ticket = _TICKET.fullmatch(content) and looks_random(content, _LONG_RUN)
    return key.kind == "session" and key.strength is Strength.MAYBE and not ticket


def _spans_after(text: str, start: int, end: int) -> Iterator[Span]:
    start = _start_of_name(text, start)
    if text[end : end + 1] in " \t" and text[start] != "-" and not _AFTER_BLANK.match(text, end):
        return
    key = _key_named(text, start, end)
    separator = _SEPARATOR.match(text, end) if key else None
    if not key or not separator or (separator["element"] and text[start - 1 : start] not in ("<", ":")):
        return
    yield from _spans_of_value(text, start, key, separator)


def _key_named(text: str, start: int, end: int) -> Key | None:
    name = text[start:end]
    if name.lower() != "key":
        return classify(name)
    qualifier = _QUALIFIER.search(text[max(0, start - 12) : start])
    key = classify(qualifier.group(1) + name) if qualifier else None
    return key._replace(bare=True) if key else None


def _start_of_name(text: str, start: int) -> int:
    before = text[max(0, start - _LONGEST_PREFIX) : start]
    bare = before.rstrip(_NAME_CHARACTERS)
    first = start - (len(before) - len(bare))
    if bare.endswith("\\") and (escape := _ESCAPED.match(text, first)):
        return min(start, escape.end())
    return min(start, first + 2) if bare.endswith("%") else first


def _spans_of_value(text: str, start: int, key: Key, separator: re.Match[str]) -> Iterator[Span]:
    position = separator.end()
    if key.kind == "authorization" and not separator["blank"]:
        yield from read_authorization(text, position)
        return
    if key.kind == "cookie" and not separator["blank"]:
        yield from read_cookies(text, position)
        return
    if separator["blank"] and text[start] != "-":
        connective = _CONNECTED.match(text, position)
        position = connective.end() if connective else position
    if text[position : position + 1] in ("[", "("):
        position += 1
    assign = separator["assign"] or ""
    exported = assign == "=" and not separator["gap"] and _ENVIRONMENT.match(text, start) and _starts_line(text, start)
    value = read_value(text, position, encoded=assign.startswith("%"), word=bool(exported))
    content = _read_through(text[value.start : value.end]) if value else ""
    if value and not _is_session_name(key, content) and _decide(text, start, key, separator, value, content):
        yield Span(value.start, whole_end(text, value), key.kind)


def _read_through(content: str) -> str:
    """A value that is percent-encoded as a whole, decoded."""
    return unquote(content, errors="replace") if content.count("%") > _FEW_ESCAPES else content


def _decide(text: str, start: int, key: Key, separator: re.Match[str], value: Value, content: str) -> bool:
    flag = text[start] == "-" and text[start - 1 : start] in ("", " ", "\t", "\n", '"', "'", "[")
    if separator["blank"]:
        return _is_flag_secret(key, content) if flag else _is_prose_secret(key, content)
    if separator["pair"]:
        return _is_paired_secret(key, content, flag)
    colon = separator["assign"] == ":"
    if colon and not value.quoted:
        named = separator["close"] is not None
        if not separator["gap"] and not named:
            return _is_tight_secret(text, start, key, content)
        return _is_colon_secret(key, content, value.alone)
    spoken = colon and separator["gap"] and separator["close"] is None and not _starts_line(text, start)
    if spoken and key.bare and key.kind != "password":
        return not is_harmless(content) and looks_random(content)
    program = separator["assign"] == "=" and not value.quoted and _is_in_program(text, start, separator)
    return _is_assigned_secret(key, content) and not (program and is_code(content))


def _is_in_program(text: str, start: int, separator: re.Match[str]) -> bool:
    """Whether `name=value` is an argument in a call, or a statement with blanks around its `=`."""
    return bool(separator["gap"]) or text[max(0, start - 8) : start].rstrip()[-1:] in ("(", ",")


def _is_assigned_secret(key: Key, value: str) -> bool:
    """`name=value`, `"name": "value"`, `<name>value</name>`: the name decides, unless the value says otherwise."""
    if not value or is_harmless(value):
        return False
    if key.strength is Strength.MAYBE:
        return looks_random(value) and not is_uuid(value)
    if key.kind == "password":
        return True
    if value.isdigit() and len(value) < 8:
        return False
    return not (key.kind == "secret" and key.bare and is_qualified_name(value))


def _is_colon_secret(key: Key, value: str, alone: bool) -> bool:
    """`name: value` without quotes: YAML or headers when one word stands alone, else most likely a sentence."""
    if key.strength is Strength.MAYBE:
        return not is_harmless(value) and not is_uuid(value) and looks_random(value)
    if key.bare and key.kind != "password":
        return not is_harmless(value) and (is_uuid(value) or looks_random(value))
    if alone:
        return _is_assigned_secret(key, value)
    return not is_harmless(value) and (looks_random(value) or (len(value) > 6 and bool(_MIXED.fullmatch(value))))


def _is_tight_secret(text: str, start: int, key: Key, value: str) -> bool:
    """`name:value`: also the shape of scopes (`token:read`), ACLs (`api-key:model:*`) and ARNs."""
    if text[start - 1 : start] == ":" or is_harmless(value):
        return False
    if key.kind == "password":
        return not _WORDY.fullmatch(value)
    return looks_random(value)


def _is_flag_secret(key: Key, value: str) -> bool:
    """`--password value` on a command line, or words after a flag that is only talked about."""
    if key.strength is Strength.MAYBE or is_harmless(value) or value.startswith("-"):
        return False
    return not _WORDY.fullmatch(value) and not is_code(value)


def _is_paired_secret(key: Key, value: str, flag: bool) -> bool:
    """`["X-Api-Key", "value"]`: a header as a list, unless it is a list of names."""
    if is_harmless(value) or (_NAME.fullmatch(value) and classify(value)):
        return False
    certain = key.strength is Strength.SURE and (flag or not key.bare)
    return looks_random(value) or (certain and not _WORDY.fullmatch(value))


def _is_prose_secret(key: Key, value: str) -> bool:
    """`invalid token 3f9c...`: only a long random run counts; an id (`API key id ...`) is no secret."""
    if key.strength is Strength.MAYBE or key.kind == "password" or ":" in value or is_uuid(value):
        return False
    return not is_harmless(value) and looks_random(value, run=20)


def _starts_line(text: str, start: int) -> bool:
    line = text.rfind("\n", max(0, start - 80), start) + 1
    return text[max(line, start - 80) : start].strip(" \t-") in ("", "export")
