"""What makes two events the same failure.

A known denial is its meaning: system, cause, who, what, on which kind of thing. The same denial on another object of
the bucket, or by another pod of the deployment, is one failure; another action or role is another. A text that no
rule knows is its words with everything variable taken out.

Both are stable across processes; raise the version when they change.
"""

import re
from hashlib import blake2b

FINGERPRINT_VERSION = 1

_MAX_TEXT = 8_192
_HEX = "[0-9a-fA-F]"
_UUID = f"{_HEX}{{8}}-{_HEX}{{4}}-{_HEX}{{4}}-{_HEX}{{4}}-{_HEX}{{12}}"
_VARIABLE = re.compile(rf"{_UUID}|{_HEX}{{12,}}|\d+(?:[-_/:.,T]\d+)*Z?")
_MASK = re.compile(r"\[redacted:[a-z0-9_-]{1,40}:[0-9a-f]{4}\]")
_LONG_QUOTE = re.compile(r"\"[^\"\n]{40,}\"")
_SESSION = re.compile(r"(:assumed-role/[^/\s]+)/\S+")
_POD = re.compile(r"-[a-f0-9]{8,10}-[a-z0-9]{5}\b|-[a-z0-9]{9,10}-[a-z0-9]{5}$")
_BUCKET = re.compile(
    r"^(arn:aws[\w-]*:s3:::[^/*]+|s3://[^/]+|gs://[^/]+|//storage\.googleapis\.com/projects/_/buckets/[^/]+)/.+"
)
_ARN = re.compile(r"^(arn:[\w-]+:[\w-]*:[\w-]*:\d*:)(.*)$", re.DOTALL)


def of_denial(
    system: str | None, cause: str | None, principal: str | None, action: str | None, resource: str | None
) -> str:
    """The fingerprint of a known denial: 32 hex digits."""
    parts = (system, cause, _principal(principal), action, _resource(resource))
    return _hash("denial", *(part or "" for part in parts))


def of_text(text: str) -> str:
    """The fingerprint of a text that no rule knows: its words without times, ids, numbers, masks and long quotes."""
    words = text[:_MAX_TEXT]
    if "[redacted:" in words:
        words = _MASK.sub("#", words)
    if '"' in words:
        words = _LONG_QUOTE.sub("#", words)
    return _hash("text", " ".join(_VARIABLE.sub("#", words).split()))


def _principal(principal: str | None) -> str | None:
    if principal is None:
        return None
    return _fold(_SESSION.sub(r"\1/#", principal))


def _resource(resource: str | None) -> str | None:
    if resource is None:
        return None
    if bucket := _BUCKET.match(resource):
        return f"{bucket.group(1)}/#"
    return _fold(resource)


def _fold(name: str) -> str:
    head, rest = "", name
    if arn := _ARN.match(name):
        head, rest = arn.groups()  # the account is an identity, not a number that varies
    return head + _VARIABLE.sub(_fold_number, _POD.sub("-#", rest))


def _fold_number(found: re.Match[str]) -> str:
    digits = found.group()
    return digits if digits.isdigit() and len(digits) < 4 else "#"


def _hash(*parts: str) -> str:
    return blake2b("\x1f".join(parts).encode("utf-8", "surrogatepass"), digest_size=16).hexdigest()
