"""Which names promise a secret as their value: `DB_PASSWORD`, `clientSecret`, `X-Api-Key`, but not `secretName`."""

import re
from enum import IntEnum
from functools import lru_cache
from typing import NamedTuple


class Strength(IntEnum):
    """SURE: the value is a secret unless it says otherwise. MAYBE: only when the value looks like one."""

    MAYBE = 1
    SURE = 2


class Key(NamedTuple):
    """What a name promises. `bare` names are words of plain prose too (`token: expired`), others are identifiers."""

    kind: str
    strength: Strength
    bare: bool = False


_WORD = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|[0-9]+")
_PASSWORD = ("password", "passwd", "passphrase", "passcode", "passwort", "pwd", "dbpass", "userpass", "smtppass")
_GLUED_KEY = tuple(
    f"{qualifier}key" for qualifier in ("api", "secret", "access", "private", "account", "auth", "master", "signing")
)
_KEY_QUALIFIERS = frozenset(
    "access account admin aes api app application auth client deploy encrypt encryption hmac ingest integration jwt "
    "license licence master private secret service session shared sign signing ssh storage subscription webhook".split()
)
_PLAIN_TOKENS = frozenset(
    "after before cancel cancellation change continuation delta end eos idempotency input last lookup marker max next "
    "output page paging pagination pad per prompt request requested resume sequence start stop sync".split()
)
_PLAIN_GLUED = frozenset(("tokens", "nextpagetoken", "continuationtoken", "requesttoken", "nexttoken"))
_METADATA = frozenset(
    "age algorithm arn at cache class count date enabled endpoint env error errors exists expiration expired expires "
    "expiry field fields file files format header hint host id ids index issuer kind label last len length limit "
    "location manager method mode name names namespace path policy prefix provider ref reference region required "
    "reset rotation rule scope scopes size state status store stores suffix time total ttl type types uri url urls "
    "usage used user username validator value version versions volume".split()
)
_NOT_A_NAME = frozenset(
    "acquire bad check create decode decrypt err error expired fetch find generate get illegal incorrect invalid issue "
    "list load lookup malformed mint missing no null obtain parse put read reading refresh refreshing renew request "
    "resolve retrieve revoke revoked set unexpected unknown unsupported update validate verify wrong".split()
)
_SESSIONS = frozenset(("sessionid", "jsessionid", "phpsessid", "connectsid", "laravelsession", "xsrftoken"))
_STEMS = ("password", "passwd", "passphrase", "secret", "token", "apikey", "credential", "signature")


@lru_cache(maxsize=8192)
def classify(name: str) -> Key | None:
    """What the value of `name` is, or None where it is no secret. `name` may be camelCase, snake_case or a header."""
    words = [word.lower() for word in _WORD.findall(name)]
    while words and words[-1].isdigit():
        words.pop()
    if not words or _is_plain_token(words):
        return None
    key = _named_by_end(words) or _named_by_part(words)
    if key and words[0] in _NOT_A_NAME and len(words) > 1:
        return key._replace(strength=Strength.MAYBE)
    return key


def _named_by_end(words: list[str]) -> Key | None:
    last, before, bare = words[-1], words[-2] if len(words) > 1 else "", len(words) == 1
    if last.endswith(_PASSWORD) or (last in {"pass", "pw"} and not bare):
        return Key("password", Strength.SURE, bare and last in _PASSWORD)
    if last.endswith(("secret", "token")):
        kind = "secret" if last.endswith("secret") else "token"
        return Key(kind, Strength.SURE, bare and last == kind)
    if last == "key" and before in _KEY_QUALIFIERS:
        return Key("secret_key" if "secret" in words else f"{before}_key", Strength.SURE)
    if "".join(words) in _SESSIONS:
        return Key("session", Strength.SURE)
    return _special(words, last, before)


def _is_plain_token(words: list[str]) -> bool:
    """Page tokens, request tokens, LLM tokens: they open nothing."""
    return words[-1] in _PLAIN_GLUED or (words[-1] == "token" and len(words) > 1 and words[-2] in _PLAIN_TOKENS)


def _special(words: list[str], last: str, before: str) -> Key | None:
    if last.endswith(_GLUED_KEY):
        return Key("api_key", Strength.SURE)
    if last == "base" and before == "key" and "secret" in words:
        return Key("secret", Strength.SURE)
    if last in {"hash", "digest"} and before.endswith(_PASSWORD):
        return Key("password_hash", Strength.SURE)
    return _SINGLE.get(last)


_SINGLE = {
    "authorization": Key("authorization", Strength.SURE),
    **dict.fromkeys(("cookie", "cookies"), Key("cookie", Strength.SURE)),
    **dict.fromkeys(("sig", "signature", "hmac"), Key("signature", Strength.MAYBE)),
    "session": Key("session", Strength.MAYBE),
    **dict.fromkeys(
        ("auth", "credential", "credentials", "jwt", "assertion", "pass", "samlresponse", "bearer"),
        Key("credential", Strength.MAYBE),
    ),
}


def _named_by_part(words: list[str]) -> Key | None:
    if words[-1] in _METADATA:
        return None
    stem = next((stem for word in words for stem in _STEMS if stem in word), None)
    return Key("credential" if stem == "signature" else stem or "", Strength.MAYBE) if stem else None
