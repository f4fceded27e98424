"""Judges values: which are placeholders, references or words of prose, and which look like a secret."""

import re

_MASK = re.compile(r"\[redacted:[a-z0-9_]{1,40}:[0-9a-f]{4}\]")
FILLER = "\x7f"
"""Stands for each character of a mask: no letter, no digit, no delimiter."""


_AWS_KEY_ID = re.compile(rf"(?:AKIA|ASIA)(?:[A-Z0-9]{{16}}|{FILLER}+[A-Z0-9]{{4}})(?:(?:/|%2F)[\w/%.-]{{0,80}})?")
_STATUS = frozenset(
    "absent bad blank bool bytes denied disabled empty enabled error expired failed failure false filtered forbidden "
    "hidden ignored incorrect int integer invalid malformed masked mismatch missing n/a na needed nil no none not null "
    "number obj object ok omitted optional present private provided public redacted refused rejected removed required "
    "revoked sensitive set str string success timeout true unauthenticated unauthorized unavailable undefined "
    "unexpected unknown unset unsupported valid varchar wrong yes ok. on off".split()
)
_HOLLOW = re.compile(
    r"""
      [*xX.\#•…·_-]+                                   # ****, xxxx
    | <[^<>]{0,80}> | \{\{.{0,80}\}\} | \[[A-Za-z _-]{0,30}\]
    | \((?i:redacted|hidden|sensitive|filtered|masked)[^)]{0,20}\)
    | \$\{.{0,80}\} | \$\(.{0,80}\) | \$\{\{.{0,80}\}\} | \$[A-Za-z_]{1,60} | \$[A-Z][A-Z0-9_]{0,60}
    | \$\d{1,3} | \? | @p\d{1,3}
    | % \w{0,20} % | %\(\w{1,40}\)s | %[sdrv] | \#\{.{0,80}\} | \{\w{0,40}\}
    | (?i:your|insert|replace|enter)[-_ ][A-Za-z_ -]{0,40}
    """,
    re.VERBOSE | re.DOTALL,
)
_HINT = re.compile(r"[\w+/=-]{0,18}(?:(?:\*{3,}|•{3,}|[xX]{6,})[\w+/=-]{0,6}|(?:\.{3,}|…)[\w+/=-]{2,6})")
_REFERENCE = re.compile(
    r"""
      arn:[\w-]+: .*
    | [a-z][a-z0-9+.-]{1,20}://[^\s@?]*
    | @Microsoft\.KeyVault.* | (?:secretref:|vault:|file:|env:|ssm:|sm://|op://|projects/|subscriptions/|secrets?/).*
    | ~?/[a-z][a-z0-9._-]*(?:/[\w.@-]+)+ | [a-z._-]+(?:/[A-Za-z._-]+){2,}
    """,
    re.VERBOSE,
)
_QUALIFIED = re.compile(r"[a-z0-9][a-z0-9.-]*/[a-z0-9][a-z0-9.-]*")
_CODE = re.compile(r"[A-Za-z_]+(?:\.[A-Za-z_]+)*(?:[(\[][A-Za-z_.=]*)?")
_OBJECTS = tuple(f"{name}." for name in "self cls this config cfg settings conf os env process args opts".split())
_RUN = re.compile(r"[A-Za-z0-9+]{12,}")
_SWITCH = re.compile(r"[a-z](?=[A-Z])|[A-Za-z](?=[0-9])|[0-9](?=[A-Za-z])")
_UUID = re.compile(r"[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}")
_SAMPLE = 256
_LOOK = 128


def hollow(text: str) -> str:
    """The text with each earlier mask blanked out, so that a mask is neither a value nor a name to anyone.

    Masks in hostile text are no different: what they hold is no secret, what stands beside them is judged as ever.
    """
    if "[redacted:" not in text:
        return text
    return _MASK.sub(lambda mask: FILLER * len(mask.group()), text)


def is_harmless(value: str) -> bool:
    """Whether a value is a mask, a placeholder, a vendor's own hint (`xai-...ab12`), a status word or a reference."""
    if value.lower() in _STATUS or not value.strip(FILLER) or _AWS_KEY_ID.fullmatch(value):
        return True
    if len(value) > _SAMPLE:
        return False
    if _HOLLOW.fullmatch(value) or _HINT.fullmatch(value):
        return True
    return _REFERENCE.fullmatch(value) is not None and not looks_random(value)


def is_code(value: str) -> bool:
    """Whether an unquoted value is program text, such as `self.token`, `db_password` or `get_token()`."""
    if not _CODE.fullmatch(value[:_SAMPLE]):
        return False
    head = re.split(r"[(\[]", value, maxsplit=1)[0]
    called = len(head) < len(value) and ("_" in head or "." in head)
    named = head.lower().endswith(("password", "passwd", "secret", "token", "key", "pwd", "credentials"))
    return called or value.startswith(_OBJECTS) or (named and len(head) == len(value))


def is_qualified_name(value: str) -> bool:
    """Whether a value is a Kubernetes `namespace/name`."""
    return _QUALIFIED.fullmatch(value) is not None and not looks_random(value)


def is_uuid(value: str) -> bool:
    """Whether a value is a UUID."""
    return _UUID.fullmatch(value) is not None


def looks_random(value: str, run: int = 12) -> bool:
    """Whether a value holds `run` or more characters in a row that switch between letters and digits as keys do."""
    if _SWITCH.search(value, 0, _LOOK) is None:
        return False
    for part in _RUN.findall(value[:_LOOK]):
        if len(part) >= run and len(_SWITCH.findall(part)) >= max(3, len(part) * 0.2):
            return True
    return False
