"""Redis ACL rules as an artifact: one command, key pattern or channel for one user.

Source: redis.io/docs/latest/operate/oss_and_stack/management/security/acl/.
"""

import re
from collections.abc import Iterator

from service.domain import Artifact
from service.proof.claim import Denied, InvalidArtifact, Proof, Unknown, judge

FAMILY = "redis acl"
_COMMAND = re.compile(r"\+[a-z0-9._-]+(\|[a-z0-9._-]+)?\Z", re.IGNORECASE)
_PATTERN = re.compile(r"(~|%R~|%W~|%RW~|&)\S+\Z", re.IGNORECASE)
_NARROWING = re.compile(r"-@?[a-z0-9|._-]+\Z", re.IGNORECASE)


def prove_redis(artifact: Artifact, denied: Denied) -> Proof:
    """Raises `InvalidArtifact` and `Unknown`."""
    words = artifact.content.split()
    if [word.upper() for word in words[:2]] != ["ACL", "SETUSER"] or len(words) < 4:
        raise InvalidArtifact("is not ACL SETUSER with a user and a rule")
    user, rules = words[2], words[3:]
    for rule in rules:
        if not (_COMMAND.match(rule) or _PATTERN.match(rule) or _NARROWING.match(rule)):
            raise Unknown(f"the rule {rule!r}")
    if not any(one[:1] in "+~&%" for one in denied.missing if one):
        raise Unknown(f"which rule {', '.join(denied.missing) or 'the event'} means")
    return judge(
        FAMILY, short=_find_short(user, rules, artifact, denied), overgrants=tuple(_find_beside(rules, denied))
    )


def _find_short(user: str, rules: list[str], artifact: Artifact, denied: Denied) -> str | None:
    if denied.principal and user not in artifact.placeholders and user != denied.principal:
        return f"it is about {user}, but {denied.principal} was denied"
    held = {rule.casefold() for rule in rules}
    if not held & {one.casefold() for one in denied.missing}:
        return f"{' '.join(rules)} is not {', '.join(denied.missing)}"
    keys = [rule.partition("~")[2] for rule in rules if "~" in rule]
    if keys and denied.resource and not any(_covers(key, denied.resource, artifact) for key in keys):
        return f"{' '.join(keys)} does not cover {denied.resource}"
    return None


def _covers(pattern: str, key: str, artifact: Artifact) -> bool:
    if any(name in pattern for name in artifact.placeholders):
        return True
    return key.startswith(pattern[:-1]) if pattern.endswith("*") else pattern == key


def _find_beside(rules: list[str], denied: Denied) -> Iterator[str]:
    asked = {one.casefold() for one in denied.missing}
    for rule in rules:
        if rule.startswith("+@"):
            yield f"allows a whole category of commands ({rule})"
        elif not rule.startswith("-") and rule.casefold() not in asked:
            yield f"allows {rule} too, which was not denied"
        if rule.lstrip("%RWrw") in {"~*", "&*"}:
            yield f"allows everything ({rule})"
