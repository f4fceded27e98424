"""A request as an artifact: a request line, headers, and a JSON body. Two bodies are known well enough to be judged."""

import json
import re
from collections.abc import Mapping
from typing import Any

from service.domain import Artifact
from service.proof.claim import Denied, InvalidArtifact, Proof, Unknown, judge

FAMILY = "http request"
_LINE = re.compile(r"(GET|POST|PUT|PATCH|DELETE) (?P<target>[^\s\"'<>{}|\\^`]+)( HTTP/1\.1)?\Z")
_HEADER = re.compile(r"[A-Za-z][A-Za-z0-9-]*: \S")


def prove_request(artifact: Artifact, denied: Denied) -> Proof:
    """Raises `InvalidArtifact` and `Unknown`."""
    target, body = read_request(artifact.content)
    granted = _granted_by(target, body, artifact.placeholders)
    if not granted or not any(" ON " in one or one.startswith("api-key:") for one in denied.missing):
        raise Unknown(f"what the request to {target} allows")
    short = (
        None if granted & set(denied.missing) else f"{', '.join(sorted(granted))} is not {', '.join(denied.missing)}"
    )
    beside = tuple(f"allows {one} too, which was not denied" for one in sorted(granted - set(denied.missing)))
    return judge(FAMILY, short=short, overgrants=() if short else beside)


def read_request(content: str) -> tuple[str, Any]:
    """The target and the JSON body, None without one. Raises `InvalidArtifact`."""
    line, _, rest = content.strip().partition("\n")
    found = _LINE.match(line.strip())
    if not found:
        raise InvalidArtifact(f"starts with {line[:80]!r}, which is no request line (METHOD target)")
    head, body = _split(rest)
    for header in head:
        if not _HEADER.match(header):
            raise InvalidArtifact(f"has the header {header[:80]!r}, which is none (Name: value)")
    try:
        return found["target"], json.loads(body) if body else None
    except (ValueError, RecursionError) as error:
        raise InvalidArtifact(f"has a body that is not JSON ({error})") from None


def _split(rest: str) -> tuple[list[str], str]:
    lines = rest.split("\n")
    start = next((n for n, line in enumerate(lines) if not line.strip() or line.lstrip()[:1] in {"{", "["}), len(lines))
    return lines[:start], "\n".join(lines[start:]).strip()


def _granted_by(target: str, body: Any, placeholders: tuple[str, ...]) -> set[str]:
    """The permissions that a body hands out, in the rules' words; empty where its form is not known."""
    if not isinstance(body, Mapping):
        return set()
    key = body.get("apiKey")
    if "/api-keys/" in target and isinstance(key, Mapping) and isinstance(key.get("acls"), list):
        return {str(one) for one in key["acls"] if one not in placeholders}
    if "_security/role/" in target and isinstance(body.get("indices"), list):
        return {
            f"{right} ON {name}"
            for one in body["indices"]
            if isinstance(one, Mapping)
            for right in _texts(one.get("privileges"))
            for name in _texts(one.get("names"))
        }
    return set()


def _texts(value: Any) -> list[str]:
    return [one for one in value if isinstance(one, str)] if isinstance(value, list) else []
