"""Names one distinct failure, however many events report it. Equal in every process and on every machine.

A known denial is named by what was denied (`of_denial`), since two missing permissions are two failures even when
their sentences differ by one word. An unknown text is named by its words without what varies (`of_text`).
"""

import json
import re
from collections.abc import Callable
from functools import lru_cache
from hashlib import blake2b

FINGERPRINT_VERSION = 1
"""Grows with every change that gives an old event a new name; it is part of the name."""

_DENIAL = f"denial/{FINGERPRINT_VERSION}".encode()
_TEXT = f"text/{FINGERPRINT_VERSION}".encode()
_MOST_TEXT = 8192
_LONGEST_CACHED = 64
_LONGEST_FACT = 1024


def of_denial(
    system: str | None, cause: str | None, principal: str | None, action: str | None, resource: str | None
) -> str:
    """The name of a denial: 32 hex digits.

    The same denial on other objects is one failure: session names, pod hashes, object keys, dates and ids are folded.
    Another action, role, account, bucket, namespace or table is another failure.
    """
    facts = (
        _lower(system),
        _lower(cause),
        _cut(_principal, principal),
        _cut(_action, action),
        _cut(_resource, resource),
    )
    return _digest(_DENIAL, json.dumps(facts))


def of_text(text: str) -> str:
    """The name of an unknown failure: 32 hex digits. Reads 8,192 characters; folds what varies."""
    head = text[:_MOST_TEXT]
    if "\x1b" in head:
        head = _COLOUR.sub("", head)
    if "[redacted:" in head:
        head = _MASK.sub("~", head)
    words = [word if word.isalpha() else _fold_word(word) for word in head.split()]
    return _digest(_TEXT, "\x1f".join([" ".join(words), *_CODE.findall(head)]))


def _digest(person: bytes, content: str) -> str:
    return blake2b(content.encode("utf-8", "surrogatepass"), digest_size=16, person=person).hexdigest()


# --- denials ---------------------------------------------------------------------------------------------------------

_UUID = r"[0-9a-fA-F]{8}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{12}"
_HASH = "[bcdfghjklmnpqrstvwxz2456789]"
_ADDRESS = r"(?<![0-9.])(?:[0-9]{1,3}\.){3}[0-9]{1,3}(?![0-9.])"
_POD = (
    rf"-(?:(?=[a-z]{{0,9}}[0-9])(?:{_HASH}{{8,10}}-[a-z0-9]{{5}}|{_HASH}{{6,10}}(?:-{_HASH}{{5}})?)|(?=[a-z]+[0-9]+[a-z]|[0-9]+[a-z]+[0-9]){_HASH}{{5}})"
    r"(?![a-z0-9-])"
)
_DATE = r"(?<![0-9])20[0-9]{2}(?:[-_./]?[01][0-9](?:[-_./]?[0-3][0-9])?|[-_./][01]?[0-9][-_./][0-3]?[0-9])(?![0-9])"
_ID = re.compile(
    rf"(?P<pod>{_POD})|(?P<address>{_ADDRESS})|(?P<date>{_DATE})|(?P<uuid>{_UUID})"
    r"|(?P<hex>(?<![A-Za-z0-9])(?=[a-fA-F]*[0-9])(?=[0-9]*[a-fA-F])[0-9a-fA-F]{8,}(?![A-Za-z0-9]))"
    r"|(?P<number>(?<![0-9])(?:[0-9]{7,11}|[0-9]{13,})(?![0-9]))"
)
_ARN = re.compile(r"(arn:[\w-]*:)([\w-]*)(:[^:\s]*:[^:\s]*:)(.*)", re.DOTALL)
_SESSION = re.compile(r"(:assumed-role/[^/\s]+)/.*|^((?:AROA|ASIA)[A-Z0-9]+):.*", re.DOTALL)
_NODE = re.compile(r"system:node:.*|\bip-[0-9]+-[0-9]+-[0-9]+-[0-9]+[\w.-]*")
_INSTANCE = re.compile(r"(?<![A-Za-z0-9])i-[0-9a-f]{8,17}(?![A-Za-z0-9])")
_OBJECT_STORE = re.compile(r"((?:s3a?|s3n|gs|abfss?|wasbs?|r2|oss)://[^/\s]+)/.*", re.DOTALL)
_CONTAINER = re.compile(r"(https?://[\w.-]+\.(?:blob|dfs|file)\.core\.[\w.]+/[^/?#\s]+)/.*", re.DOTALL)
_OBJECTS = re.compile(r"(/objects|/blobs|:log-stream|/object)[/:].*", re.DOTALL)
_WHOLE = re.compile(rf"{_UUID}|{_ADDRESS}(?::[0-9]+)?")
_MODEL = re.compile(r"(?i)(?<![a-z])(?:claude|gemini|gpt|grok|llama|mistral|nova|titan)-[a-z0-9]")
_NAMING = frozenset(
    "accounts buckets datasets folders keys managementgroups namespaces organizations projects resourcegroups "
    "subscriptions tenants".split()
)


def _lower(value: str | None) -> str | None:
    return None if value is None else " ".join(value.lower().split())


def _cut(fold: Callable[[str], str], value: str | None) -> str | None:
    return None if value is None else fold(value[:_LONGEST_FACT])


def _tidy(value: str) -> str:
    value = " ".join(value.split()).rstrip(".,;")
    quoted = len(value) > 1 and value[0] == value[-1] and value[0] in "\"'`" and value.count(value[0]) == 2
    return value[1:-1].rstrip(".,;") if quoted else value


@lru_cache(maxsize=4096)
def _principal(value: str) -> str:
    tidy = _tidy(value)
    if _WHOLE.fullmatch(tidy):
        return tidy
    folded = _SESSION.sub(lambda session: f"{session.group(1) or session.group(2)}/*", tidy)
    folded = _INSTANCE.sub("i-*", _NODE.sub("node", folded))
    return re.sub(_ADDRESS, "<address>", re.sub(_POD, "-*", folded))


@lru_cache(maxsize=4096)
def _action(value: str) -> str:
    return _fold_segments(_tidy(value).lower())


@lru_cache(maxsize=4096)
def _resource(value: str) -> str:
    tidy = _tidy(value)
    if _WHOLE.fullmatch(tidy):
        return tidy
    arn = _ARN.fullmatch(tidy)
    if arn:
        return arn.group(1) + arn.group(2) + arn.group(3) + _named_by_arn(arn.group(2), arn.group(4))
    if "/subscriptions/" in tidy.lower():
        tidy = tidy.lower()
    for objects in (_OBJECT_STORE, _CONTAINER):
        tidy = objects.sub(r"\1/*", tidy)
    if _MODEL.search(tidy):
        return tidy
    return _fold_segments(_without_query(_OBJECTS.sub(r"\1/*", tidy)))


def _named_by_arn(service: str, name: str) -> str:
    if service == "s3" and not name.startswith("accesspoint/"):
        bucket, slash, _ = name.partition("/")
        return bucket + "/*" if slash else bucket
    if service in {"bedrock", "iam", "kms", "organizations", "secretsmanager"}:
        return name
    return _fold_segments(_OBJECTS.sub(r"\1/*", name))


def _without_query(value: str) -> str:
    return re.split(r"[?#]", value, maxsplit=1)[0] if "://" in value or value.startswith("/") else value


def _fold_segments(value: str) -> str:
    """Fold ids between slashes, except in what follows a collection that names its members (`projects/...`)."""
    segments = value.split("/")
    return "/".join(
        segment if before.lower() in _NAMING else "<number>" if segment.isdigit() and before else _fold_ids(segment)
        for before, segment in zip(["", *segments], segments, strict=False)
    )


def _fold_ids(value: str) -> str:
    return _ID.sub(lambda found: "-*" if found.lastgroup == "pod" else f"<{found.lastgroup}>", value)


# --- texts -----------------------------------------------------------------------------------------------------------

_COLOUR = re.compile(r"\x1b\[[0-9;]{0,16}[A-Za-z]")
_MASK = re.compile(r"\[redacted:[a-z0-9_]{1,40}:[0-9a-f]{4}\]")
_CODE = re.compile(
    r"(?:errno|Errno|code|Code|CODE|status|Status|SQLSTATE|HTTP)(?:/[0-9.]{1,4})?[^A-Za-z0-9\n]{1,4}"
    r"([0-9][0-9A-Z]{0,4})(?![\w.])"
)
_VARIABLE = re.compile(rf"(?<![A-Za-z0-9])(?:{_UUID}|[A-Za-z]*+[0-9][A-Za-z0-9]*+)|{_POD}")
_HEX = re.compile(r"[0-9a-f]{8,}|[0-9A-F]{8,}")
_BLOB = re.compile(r"[A-Za-z0-9+/_=-]{32,}")
_SWITCH = re.compile(r"[a-z](?=[A-Z])|[A-Za-z](?=[0-9])|[0-9](?=[A-Za-z])")


@lru_cache(maxsize=32768)
def _fold_short(word: str) -> str:
    return _VARIABLE.sub(_fold_run, word)


def _fold_word(word: str) -> str:
    if len(word) <= _LONGEST_CACHED:
        return _fold_short(word)
    return _VARIABLE.sub(_fold_run, _BLOB.sub(_fold_blob, word))


def _fold_run(found: re.Match[str]) -> str:
    """`#` for a number, time or id; a name with a number (`step2`, `utf8`) and a code (`ORA-01031`) stay."""
    run = found.group()
    if run[0] in "0123456789":
        return run if _is_code(found) else "#"
    if run[0] == "-" or _HEX.fullmatch(run) or (len(run) >= 12 and len(_SWITCH.findall(run)) >= 2):
        return "#"
    return run


def _is_code(found: re.Match[str]) -> bool:
    start = found.start()
    prefix = found.string[max(0, start - 3) : start]
    return len(prefix) == 3 and prefix[2] == "-" and prefix[:2].isupper() and len(found.group()) <= 6


def _fold_blob(found: re.Match[str]) -> str:
    blob = found.group()
    return "#" if len(_SWITCH.findall(blob)) > len(blob) * 0.15 else blob
