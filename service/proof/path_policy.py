"""Vault, Consul and Nomad policies as an artifact: one path or name, the denied capability and no other.

Sources: developer.hashicorp.com/vault/docs/concepts/policies, /consul/docs/reference/acl/rule,
/nomad/docs/other-specifications/acl-policy.
"""

import re
from collections.abc import Iterator

from service.domain import Artifact
from service.proof.claim import Denied, InvalidArtifact, Proof, Unknown, judge
from service.proof.hcl import Block, read_hcl

_VAULT = frozenset("create read update patch delete list sudo deny subscribe recover".split())
_CONSUL = "key service node session query event agent".split()
_TYPES = {
    "path": "vault policy",
    "namespace": "nomad policy",
    **dict.fromkeys((*_CONSUL, *(f"{one}_prefix" for one in _CONSUL)), "consul policy"),
}


def family_of(content: str) -> str | None:
    """Whose policy a text is by its first word, or None."""
    word = (content.split(maxsplit=1) or [""])[0]
    return _TYPES.get(word) if re.match(r'\s*\w+\s+"', content) else None


def prove_path_policy(artifact: Artifact, denied: Denied) -> Proof:
    """Raises `InvalidArtifact` and `Unknown`."""
    blocks = read_hcl(artifact.content).blocks
    family = _TYPES.get(blocks[0].type) if blocks else None
    if family is None:
        raise InvalidArtifact("holds no rule")
    wanted = [found for one in denied.missing if (found := _read(one, family))]
    if not wanted:
        raise Unknown(f"which right {', '.join(denied.missing) or 'the event'} means")
    given = [(block, right) for block in blocks for right in _rights(block, artifact)]
    served = any(_serves(block, right, one, artifact) for one in wanted for block, right in given)
    short = None if served else f"{_say(given)} is not {', '.join(denied.missing)}"
    return judge(family, short=short, overgrants=tuple(_find_beside(given, wanted, artifact)))


def _rights(block: Block, artifact: Artifact) -> list[str]:
    held = block.attributes.get("capabilities", block.attributes.get("policy"))
    rights = held if isinstance(held, list) else [held]
    if len(block.labels) != 1 or not all(isinstance(one, str) and one for one in rights):
        raise InvalidArtifact(f"{block.type} needs a name and its capabilities or policy")
    if block.type == "path" and (odd := [r for r in rights if r not in _VAULT and r not in artifact.placeholders]):
        raise InvalidArtifact(f"{', '.join(odd)} is no capability")
    return rights


def _read(permission: str, family: str) -> tuple[frozenset[str], str] | None:
    """The rights, any of which was missing, and the path; "" where the event names none."""
    if family == "nomad policy":
        return (frozenset({permission}), "") if re.fullmatch(r"[a-z-]+", permission) else None
    right, link, path = permission.partition(" on ")
    if not link or " " in right:
        return None
    return frozenset(right.rpartition(":")[2].split("/")), path


def _serves(block: Block, right: str, wanted: tuple[frozenset[str], str], artifact: Artifact) -> bool:
    rights, path = wanted
    is_open = any(name in block.labels[0] for name in artifact.placeholders)
    return (right in rights or right in artifact.placeholders) and (not path or is_open or block.labels[0] == path)


def _find_beside(
    given: list[tuple[Block, str]], wanted: list[tuple[frozenset[str], str]], artifact: Artifact
) -> Iterator[str]:
    asked = frozenset().union(*(rights for rights, _ in wanted))
    for block, right in given:
        name = block.labels[0]
        if right not in asked and right not in artifact.placeholders:
            yield f"allows {right} too, which was not denied"
        if ("*" in name or "+" in name) and name not in {path for _, path in wanted}:
            yield f"allows every path like {name}"
        if block.type.endswith("_prefix") and name not in artifact.placeholders:
            yield f"allows every name that starts with {name!r}"


def _say(given: list[tuple[Block, str]]) -> str:
    return "; ".join(f"{right} on {block.labels[0]}" for block, right in given) or "nothing"
