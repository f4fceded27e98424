"""Secrets known by their shape or their place: JWTs, PEM blocks, URL credentials, bearer and basic credentials, SQL."""

import base64
import binascii
import re
from collections.abc import Callable, Iterator
from typing import NamedTuple
from urllib.parse import unquote_to_bytes

from service.redact.span import Span, View
from service.redact.tokens import is_glued
from service.redact.values import is_harmless, looks_random


class Shape(NamedTuple):
    """`trigger` (RE2) occurs in every text that `pattern` matches; the last group of `pattern` is the secret.

    `accept` has the last word: it sees the text and the match. With `anchors`, lower-case literals, the pattern is
    tried only where one of them stands.
    """

    kind: str
    trigger: str
    pattern: re.Pattern[str]
    accept: Callable[[str, re.Match[str]], bool] | None = None
    anchors: tuple[str, ...] = ()


def find_shaped(shape: Shape, view: View) -> Iterator[Span]:
    """Every secret of one shape."""
    matches = _anchored(shape, view) if shape.anchors else shape.pattern.finditer(view.text)
    for match in matches:
        start, end = match.span(match.lastindex or 0)
        harmless = end <= start or is_harmless(view.text[start:end])
        if not harmless and (shape.accept is None or shape.accept(view.text, match)):
            yield Span(start, end, shape.kind)


def _anchored(shape: Shape, view: View) -> Iterator[re.Match[str]]:
    for anchor in shape.anchors:
        start = view.lower.find(anchor)
        while start >= 0:
            match = shape.pattern.match(view.text, start)
            if match:
                yield match
            start = view.lower.find(anchor, match.end() if match else start + 1)


def _is_bearer(text: str, match: re.Match[str]) -> bool:
    """A credential, and neither prose (`Bearer authentication`) nor a challenge (`Bearer realm="..."`)."""
    value = match.group(1)
    if re.match(r"[A-Za-z_]+=", value) and text[match.end(1) : match.end(1) + 1] in ('"', "'", "\\", ""):
        return False
    return looks_random(value, run=8) or (len(value) >= 12 and any(map(str.isdigit, value)))


def _is_basic(_text: str, match: re.Match[str]) -> bool:
    """Base64 that decodes to `user:password`."""
    encoded = unquote_to_bytes(match.group(1)).rstrip(b"=").translate(bytes.maketrans(b"-_", b"+/"))
    try:
        decoded = base64.b64decode(encoded + b"=" * (-len(encoded) % 4), validate=True).decode()
    except (binascii.Error, UnicodeDecodeError):
        return False
    return ":" in decoded and decoded.isprintable()


def _is_jwt(text: str, match: re.Match[str]) -> bool:
    """Not the middle of a name such as `publicKeyJwkThumbprint`."""
    return ".eyJ" in match.group(1) or not is_glued(text, match.start(1))


def _has_key_material(_text: str, match: re.Match[str]) -> bool:
    """Not only talk of a header that was expected."""
    return re.search(r"[A-Za-z0-9+/]{16}", match.group(1)) is not None


def _has_digit(_text: str, match: re.Match[str]) -> bool:
    return any(map(str.isdigit, match.group(match.lastindex or 0)))


def _is_random(_text: str, match: re.Match[str]) -> bool:
    return looks_random(match.group(match.lastindex or 0))


def _is_in_database_url(text: str, match: re.Match[str]) -> bool:
    return _DATABASE_SCHEME.search(text[max(0, match.start() - 32) : match.start()]) is not None


_WRAP = r"(?:(?:\\{1,4}[rn]|[\r\n])+[ \t>|+]{0,16}[A-Za-z0-9_-]{1,256}+){0,24}"
_LAST_LINES = r"(?:(?:\\{1,4}[rn]|[\r\n])+[ \t>|+]{0,16}[A-Za-z0-9_-]{8,256}+(?=[ \t]*(?:[\r\n\\\"']|$))){0,24}"
_JWT = (
    rf"(eyJ[A-Za-z0-9_-]{{12,}}+(?:{_WRAP}\.eyJ[A-Za-z0-9_-]*+{_WRAP}\.[A-Za-z0-9_-]*+{_LAST_LINES}"
    r"|(?:\.[A-Za-z0-9_-]*+){1,4}|[A-Za-z0-9+/_-]*+={0,2}))"
)
_PEM_HEADER = r"(?:Proc-Type|DEK-Info|Comment|Version): [^\n\\]{0,80}"
_PEM_LINES = rf"(?:\s|\\{{1,8}}[nrt\"']|[\"',+>|]|[A-Za-z0-9+/=]{{16,}}+|{_PEM_HEADER})*+"
_PEM_LABEL = r"[A-Z0-9 ]{0,40}PRIVATE KEY(?: BLOCK)?-----"
_PEM = (
    rf"(-----BEGIN {_PEM_LABEL}(?:(?:[^-]|-(?!----)){{0,8192}}+-----END {_PEM_LABEL}"
    rf"|{_PEM_LINES}(?:[A-Za-z0-9+/=]{{1,15}}+(?![A-Za-z]))?))"
)
_SLASHES = r":(?:\\{0,8}/){2}"
_AUTHORITY = r"[^\s\"'<>/@\\]*+"
_DATABASES = r"(?i:postgres(?:ql)?|mysql|mariadb|mongodb|rediss?|amqps?|mssql|oracle|clickhouse|ftp|smtp)"
_DATABASE_SCHEME = re.compile(rf"{_DATABASES}(?:\+[a-z]{{1,12}})?$")
_HEADER_GAP = r"(?:[ \t]|%(?:25)?20|\+|\\t|[\"'],[ \t]?[\"']){1,4}"
_CREDENTIAL = r"([^\s\"'`<>\\,;&)\]}]{8,16384}+)"
_QUOTED_SQL = r"(?:E|N)?'((?:[^'\\\n]|''|\\.){1,1024}+)'"

SHAPES = (
    Shape("jwt", r"eyJ[A-Za-z0-9_-]{12}", re.compile(_JWT), _is_jwt),
    Shape("private_key", r"-----BEGIN [A-Z0-9 ]{0,40}PRIVATE KEY", re.compile(_PEM), _has_key_material),
    Shape(
        "private_key",
        "LS0tLS1CRUdJTi",
        re.compile(
            r"(LS0tLS1CRUdJTi(?:BQUklWQVRF|BSU0Eg|BFQyBQ|BPUEVOU1NI|BFTkNSWVBU|BQR1AgUFJJ|BEU0Eg)[A-Za-z0-9+/=]{16,})"
        ),
    ),
    Shape(
        "aws_access_key_id",
        "(?:AKIA|ASIA)[A-Z0-9]{16}",
        re.compile(r"(?:AKIA|ASIA)([A-Z0-9]{12})(?=[A-Z0-9]{4})"),
    ),
    Shape(
        "aws_secret_key",
        r"(?:AKIA|ASIA)[A-Z0-9]{16}[^A-Za-z0-9/+]",
        re.compile(r"(?:AKIA|ASIA)[A-Z0-9]{16}(?:[\s,;:|\"'\\]|&quot;){1,12}([A-Za-z0-9/+]{40})(?![A-Za-z0-9/+=])"),
    ),
    Shape(
        "azure_client_secret",
        r"[0-9]Q~[A-Za-z0-9_~.-]{20}",
        re.compile(r"([A-Za-z0-9_~.-]{3}[0-9]Q~[A-Za-z0-9_~.-]{25,40})"),
    ),
    Shape("sendgrid_key", r"SG\.[A-Za-z0-9_-]{16}", re.compile(r"(SG\.[A-Za-z0-9_-]{16,}+\.[A-Za-z0-9_-]{16,}+)")),
    Shape(
        "vault_token",
        r"s\.[A-Za-z0-9]{24}",
        re.compile(r"(?<![A-Za-z0-9_.])(s\.[A-Za-z0-9]{24})(?![A-Za-z0-9_.(])"),
        _has_digit,
    ),
    Shape(
        "telegram_token",
        "[0-9]{8}(?::|%3A)AA[A-Za-z0-9_-]{30}",
        re.compile(r"(?<![0-9])([0-9]{8,10}(?::|%3A)AA[A-Za-z0-9_-]{30,}+)"),
    ),
    Shape(
        "discord_token",
        r"\.[A-Za-z0-9_-]{6}\.[A-Za-z0-9_-]{27}",
        re.compile(r"(?<![A-Za-z0-9_-])([MNO][A-Za-z0-9_-]{23,25}\.[A-Za-z0-9_-]{6}\.[A-Za-z0-9_-]{27,38})"),
    ),
    Shape(
        "mailchimp_key",
        r"[0-9a-f]{20}-us[0-9]",
        re.compile(r"(?<![0-9a-f])([0-9a-f]{32}-us[0-9]{1,2})(?![A-Za-z0-9-])"),
    ),
    Shape("terraform_token", r"\.atlasv1\.", re.compile(r"([A-Za-z0-9]{10,20}\.atlasv1\.[A-Za-z0-9_-]{40,})")),
    Shape("airtable_token", r"pat[A-Za-z0-9]{14}\.", re.compile(r"(pat[A-Za-z0-9]{14}\.[a-f0-9]{40,})")),
    Shape("hubspot_token", r"pat-[a-z]{2}[0-9]-[0-9a-f]{8}", re.compile(r"(pat-[a-z]{2}[0-9]-[0-9a-f-]{36})")),
    Shape(
        "webhook_url",
        r"hooks\.slack\.com|/api/webhooks/|webhook\.office\.com|hooks\.zapier\.com",
        re.compile(
            r"(?:hooks\.slack\.com/(?:services|workflows|triggers)/[A-Z0-9]{1,20}/[A-Z0-9]{1,20}/"
            r"|discord(?:app)?\.com/api(?:/v\d{1,2})?/webhooks/\d{1,24}/"
            r"|webhook\.office\.com/webhookb2/[0-9a-f@-]{1,80}/IncomingWebhook/|hooks\.zapier\.com/hooks/catch/\d{1,12}/)"
            r"([A-Za-z0-9_/-]{6,})"
        ),
    ),
    Shape(
        "password_hash",
        r"\$(?:[1256y7]|2[abxy]|apr1|argon2|pbkdf2|scrypt)[a-z0-9-]{0,12}\$|pbkdf2_sha|SCRAM-SHA|\{S?SHA|\*[0-9A-F]{40}",
        re.compile(
            r"(\$(?:[1256y7]|2[abxy]|apr1|argon2(?:id?|d)|pbkdf2[a-z0-9-]{0,12}|scrypt)\$[./A-Za-z0-9$=,+-]{20,}"
            r"|pbkdf2_sha\d{1,3}\$\d{1,8}\$[A-Za-z0-9./+=$]{20,}|SCRAM-SHA-\d{1,3}\$\d{1,8}:[A-Za-z0-9+/=$:]{20,}"
            r"|\{S?SHA\d{0,3}\}[A-Za-z0-9+/=]{20,}|(?<![A-Za-z0-9*])\*[0-9A-F]{40}(?![A-Za-z0-9]))"
        ),
    ),
    Shape(
        "url_password",
        _SLASHES + r"[^\s/\"'<>]*@",
        re.compile(
            rf"{_SLASHES}[^\s/?#:\"'<>|\\]{{0,256}}+:({_AUTHORITY}(?:@{_AUTHORITY})*?)@(?!sha256:|{_AUTHORITY}@)"
        ),
    ),
    Shape(
        "url_password",
        rf"{_DATABASES}(?:\+[a-z]{{1,12}})?{_SLASHES}[^\s\"'<>]*@",
        re.compile(
            rf"{_SLASHES}[^\s/?#@:\"'<>|\\]{{0,256}}+:(?!\d{{1,5}}/)"
            r"([^\s\"'<>]{1,256}?)@(?=[\w.-]{1,253}(?::\d+)?(?:[/?,\s\"'<)\\]|$))"
        ),
        _is_in_database_url,
    ),
    Shape(
        "url_token",
        _SLASHES + r"[A-Za-z0-9_.~-]{20}",
        re.compile(rf"{_SLASHES}([A-Za-z0-9_.~-]{{20,}}+)(?=:?[^\s/@:]{{0,256}}@)"),
        _is_random,
    ),
    Shape(
        "url_password",
        "%3[aA]%2[fF]%2[fF]",
        re.compile(r"%3[aA]%2[fF]%2[fF][^\s%&\"'<>]{0,64}%3[aA]((?:[^\s%&\"'<>]|%(?!40)[0-9A-Fa-f]{2}){1,256}?)%40"),
    ),
    Shape(
        "query_key",
        r"(?:[?&;]|%(?:25)?26|%(?:25)?3[fF]|u0026)(?:key|code|sas)(?:=|%(?:25)?3[dD])",
        re.compile(
            r"(?:[?&;]|%(?:25)?26|%(?:25)?3[fF]|u0026)(?:key|code|sas)(?:=|%(?:25)?3[dD])([^\s\"'<>&#\\;]{12,}+)"
        ),
        _is_random,
    ),
    Shape(
        "password",
        r"(?:[?&;]|%(?:25)?26|%(?:25)?3[fF]|u0026)(?:pass|pw|pin|auth)(?:=|%(?:25)?3[dD])",
        re.compile(
            r"(?:[?&;]|%(?:25)?26|%(?:25)?3[fF]|u0026)(?:pass|pw|pin|auth)(?:=|%(?:25)?3[dD])([^\s\"'<>&#\\;%]{4,}+)"
        ),
        _has_digit,
    ),
    Shape("token", r"[A-Z]_PAT=", re.compile(r"(?<=[A-Z]_PAT=)[\"']?([^\s\"']{8,})")),
    Shape(
        "secret",
        r"secret_id[\\\"']{0,8}\s?[:=]\s?[\\\"']{0,8}[0-9a-f]{8}-",
        re.compile(
            r"(?<![A-Za-z])secret_id[\\\"']{0,8}\s?[:=]\s?[\\\"']{0,8}([0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12})"
        ),
    ),
    Shape("token", r"(?i)bearer", re.compile(rf"(?i:bearer){_HEADER_GAP}{_CREDENTIAL}"), _is_bearer, ("bearer",)),
    Shape(
        "basic_auth",
        r"(?i)basic",
        re.compile(rf"(?i:basic){_HEADER_GAP}([A-Za-z0-9+/_-]{{6,}}+(?:=|%3[dD]){{0,2}})"),
        _is_basic,
        ("basic",),
    ),
    Shape(
        "password",
        r"(?i)(?:identified\s+by|password)\s*[( ]\s*(?:password\s*)?[EN]?'",
        re.compile(rf"(?i:identified\s{{1,8}}by(?:\s{{1,8}}password)?|password)\s{{0,8}}[( ]\s{{0,8}}{_QUOTED_SQL}"),
        anchors=("identified", "password"),
    ),
    Shape(
        "password",
        r"(?i)(?:requirepass|masterauth)",
        re.compile(r"(?i:requirepass|masterauth)[ \t]{1,8}\"?([^\s\"]+)"),
        anchors=("requirepass", "masterauth"),
    ),
    Shape(
        "password",
        r"(?i)(?:login|machine)\s+[^\s]+\s+password",
        re.compile(r"(?i:login|machine)\s{1,8}\S{1,128}\s{1,8}(?i:password)\s{1,8}(\S+)"),
        anchors=("login", "machine"),
    ),
    Shape(
        "password",
        r"(?:-u|--user|--proxy-user)[= ]|thin:",
        re.compile(
            r"(?:curl\b[^\n]{0,400}?\s(?:-u|--user|--proxy-user)[= ]{1,4}[\"']?[^\s:\"']{1,128}:([^\s\"']+)"
            r"|jdbc:oracle:thin:[^\s/@]{1,128}/([^\s@]+)@)"
        ),
    ),
    Shape(
        "password",
        r"(?:mysql|sshpass|mariadb)[a-z]*\s",
        re.compile(
            r"(?:(?:mysql|mariadb)[a-z]{0,8}\b[^\n]{0,300}?\s-p(?!ort\b|id|ro)|sshpass\s{1,4}-p\s{0,4})[\"']?([^\s\"'-][^\s\"']*)"
        ),
    ),
)

EMAIL = Shape(
    "email",
    "@",
    re.compile(r"(?<![\w.%+-])([\w.%+-]{1,64}@[A-Za-z0-9-]{1,63}(?:\.[A-Za-z0-9-]{1,63}){1,8})(?![\w@-])"),
)
