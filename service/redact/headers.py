"""Reads the values of `Authorization` and `Cookie` headers, whatever carries them."""

import re
from collections.abc import Iterator

from service.redact.lexer import QUOTE, open_quote, read_value
from service.redact.span import Span
from service.redact.values import is_harmless, looks_random

_BLANK = r"(?:[ \t]|%(?:25)?20|\+|\\t){1,4}"
_SCHEME = re.compile(rf"([A-Za-z][A-Za-z0-9-]{{1,24}}){_BLANK}")
_CREDENTIAL_SCHEMES = frozenset(
    "api-key apikey basic bearer bot dpop geniekey key negotiate ntlm oauth splunk ssws token zoho-oauthtoken".split()
)
_SIGNED_SCHEMES = frozenset(("aws", "sharedkey", "sharedkeylite", "goog1", "hmac-sha256", "hmac"))
_PARAMETER = re.compile(r"""([A-Za-z_-]{2,30})=\\{0,8}"?([^",;\s\\&']{1,512}+)\\{0,8}"?[,;\s]{0,4}""")
_SECRET_PARAMETERS = frozenset(
    "response mac hash signature token oauth_token oauth_signature sentry_secret cnonce".split()
)
_PARAMETERS = _SECRET_PARAMETERS | frozenset(
    "realm error error_description scope username uri nonce qop nc opaque algorithm credential signedheaders id ts ext "
    "keyid headers oauth_consumer_key oauth_nonce oauth_timestamp oauth_version oauth_signature_method sentry_key "
    "sentry_version sentry_client sentry_timestamp created expires service authorization_uri version".split()
)
_CREDENTIAL = re.compile(r"[^\s\"'`<>\\,;&)\]}]+")
_SAMPLE = 128
_PLAIN_WORD = re.compile(r"[A-Za-z]{0,24}[.:]?")
_STAND_INS = frozenset(("token", "auth", "authentication", "authorization", "realm", "scheme", "header", "credentials"))
_COOKIE = re.compile(
    r"""([\w!#$%&*+.^|~-]{1,128})(?:=\\{0,4}"?([^;,\s"'\\{}]{0,8192}+)(?:\\{0,4}"(?=;))?)?(?:;[ \t]{0,4}|$)?"""
)
_COOKIE_ATTRIBUTES = frozenset(("path", "domain", "expires", "max-age", "samesite", "priority", "version", "comment"))
_MEMBER = re.compile(rf"[{{,][ \t\n]{{0,40}}{QUOTE}([^\"'`\\]{{1,128}}){QUOTE}[ \t]{{0,4}}:[ \t]{{0,4}}(?={QUOTE})")
_MOST = 64


def read_authorization(text: str, position: int) -> Iterator[Span]:
    """The credential of an `Authorization` value. The scheme and a digest's user stay, they help to diagnose."""
    start = _start(text, position)
    scheme = _SCHEME.match(text, start)
    after = scheme.end() if scheme else start
    parameter = _PARAMETER.match(text, after)
    if parameter and parameter.group(1).lower() in _PARAMETERS and not parameter.group(2).startswith("="):
        yield from _read_parameters(text, after)
        return
    sample = _CREDENTIAL.match(text, after, after + _SAMPLE)
    if sample and _is_credential(text, scheme.group(1).lower() if scheme else "", sample):
        whole = _CREDENTIAL.match(text, after) or sample
        yield from _unless_harmless(text, *_secret_part(scheme, whole))


def _read_parameters(text: str, position: int) -> Iterator[Span]:
    for _ in range(_MOST):
        parameter = _PARAMETER.match(text, position)
        if not parameter:
            return
        if parameter.group(1).lower() in _SECRET_PARAMETERS:
            yield from _unless_harmless(text, *parameter.span(2), "signature")
        position = parameter.end()


def _is_credential(text: str, scheme: str, found: re.Match[str]) -> bool:
    value = found.group()
    if scheme in _SIGNED_SCHEMES:
        return ":" in value
    if scheme not in _CREDENTIAL_SCHEMES:
        return looks_random(value) or (len(value) >= 6 and any(map(str.isdigit, value)))
    in_sentence = text[found.end() : found.end() + 2].strip(" \t").isalpha()
    return not (_PLAIN_WORD.fullmatch(value) and (in_sentence or value.lower().rstrip(".:") in _STAND_INS))


def _secret_part(scheme: re.Match[str] | None, found: re.Match[str]) -> tuple[int, int, str]:
    name = scheme.group(1).lower() if scheme else ""
    signed = found.group().find(":") + 1 if name in _SIGNED_SCHEMES else 0
    return found.start() + signed, found.end(), "basic_auth" if name == "basic" else "token"


def read_cookies(text: str, position: int) -> Iterator[Span]:
    """The values of a `Cookie` or `Set-Cookie` header, or of a mapping of cookies."""
    if text[position : position + 1] == "{":
        yield from _read_mapping(text, position)
        return
    position = _start(text, position)
    for _ in range(_MOST):
        cookie = _COOKIE.match(text, position)
        if not cookie:
            return
        name, value = cookie.groups()
        if value is None and looks_random(name):
            yield from _unless_harmless(text, *cookie.span(1), "cookie")
        elif value and name.lower() not in _COOKIE_ATTRIBUTES:
            yield from _unless_harmless(text, *cookie.span(2), "cookie")
        if not cookie.group().rstrip(" \t").endswith(";"):
            return
        position = cookie.end()


def _read_mapping(text: str, position: int) -> Iterator[Span]:
    for _ in range(_MOST):
        member = _MEMBER.match(text, position)
        value = read_value(text, member.end()) if member else None
        if not value:
            return
        yield from _unless_harmless(text, value.start, value.end, "cookie")
        closing, _ = open_quote(text, value.end)
        position = closing


def _start(text: str, position: int) -> int:
    if text[position : position + 1] in ("[", "("):
        position += 1
    return open_quote(text, position)[0]


def _unless_harmless(text: str, start: int, end: int, kind: str) -> Iterator[Span]:
    if end > start and not is_harmless(text[start:end]):
        yield Span(start, end, kind)
