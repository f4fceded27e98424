"""Role bindings of Google Cloud and Azure as an artifact: one member, one role, the narrowest scope.

A role's contents are the cloud's: for the roles of `cloud_roles` they are known, for others the checker abstains.
"""

import json
import re
from collections.abc import Iterator

from service.domain import Artifact
from service.proof.claim import Denied, InvalidArtifact, Proof, Unknown, judge
from service.proof.cloud_roles import AZURE, GOOGLE
from service.proof.iam_condition import matches
from service.proof.shell_command import Command, read_commands

GCLOUD, AZ = "gcloud binding", "az role assignment"
_MEMBER = re.compile(r"(user|group|serviceAccount|principal|principalSet|domain)s?:\S+\Z")
_SCOPE = re.compile(r"/(subscriptions|providers/Microsoft\.Management/managementGroups)/[^/]+(/.+)?\Z", re.IGNORECASE)
_BASIC = frozenset({"roles/owner", "roles/editor", "roles/viewer"})
_BROAD = frozenset({"owner", "contributor", "reader", "user access administrator"})


def prove_gcloud(artifact: Artifact, denied: Denied) -> Proof:
    """Raises `InvalidArtifact` and `Unknown`."""
    commands = read_commands(artifact.content)
    made = _custom_roles(commands)
    binding = commands[-1]
    if not binding.words[-2:] or not any(word.endswith("add-iam-policy-binding") for word in binding.words):
        raise Unknown(f"what {' '.join(binding.words[:4])} allows")
    member, role = binding.option("--member") or "", binding.option("--role") or ""
    _require(
        len(binding.all("--member")) == 1 and len(binding.all("--role")) == 1, "a binding has one member and one role"
    )
    _require(
        _is_open(member, artifact) or bool(_MEMBER.match(member)),
        f"{member!r} is no member (user:..., serviceAccount:...)",
    )
    short = _find_other_member(member, denied, artifact) or _find_other_scope(binding.words[-1], denied, artifact)
    held = made.get(role.rpartition("/")[2]) or GOOGLE.get(role.removeprefix("roles/"))
    if role in _BASIC:
        return judge(GCLOUD, short=short, overgrants=(f"{role} is a basic role on everything",))
    if f"roles/{role.removeprefix('roles/')}" in denied.missing:
        return judge(GCLOUD, short=short)
    if held is None and not short:
        raise Unknown(f"what {role} contains; member and scope agree")
    extra = [one for one in made.get(role.rpartition("/")[2], ()) if one not in denied.missing]
    return judge(
        GCLOUD,
        short=short or _find_missing(held or (), denied.missing, role),
        overgrants=tuple(f"allows {one} too, which was not denied" for one in extra),
    )


def _custom_roles(commands: tuple[Command, ...]) -> dict[str, tuple[str, ...]]:
    """Roles that the script itself creates, with their permissions."""
    created = (command for command in commands if command.words[1:4] == ("iam", "roles", "create"))
    return {one.words[-1]: tuple((one.option("--permissions") or "").split(",")) for one in created}


def _find_other_member(member: str, denied: Denied, artifact: Artifact) -> str | None:
    stated = denied.principal or ""
    if not stated or _is_open(member, artifact) or member.rpartition(":")[2] in stated or stated in member:
        return None
    return f"it binds {member}, but {stated} was denied"


def _find_other_scope(target: str, denied: Denied, artifact: Artifact) -> str | None:
    """The binding stands on the denied resource, or on a part of its name above it."""
    name = target.removeprefix("gs://")
    if not denied.resource or _is_open(name, artifact) or name in re.split(r"[/:?#]", denied.resource):
        return None
    return None if name in denied.resource or name in denied.text else f"{target} is not {denied.resource}"


def _find_missing(held: tuple[str, ...], missing: tuple[str, ...], role: str) -> str | None:
    wanted = [one for one in missing if re.fullmatch(r"[\w.]+\.\w+", one)]
    if not wanted:
        raise Unknown(f"which permission {', '.join(missing) or 'the event'} means")
    lacking = [one for one in wanted if not any(matches(p.casefold(), one.casefold()) for p in held)]
    return f"{role} does not contain {', '.join(lacking)}" if lacking else None


def prove_az(artifact: Artifact, denied: Denied) -> Proof:
    """Raises `InvalidArtifact` and `Unknown`."""
    commands = read_commands(artifact.content)
    command = commands[0]
    if len(commands) > 1 or command.words[1:] != ("role", "assignment", "create"):
        raise Unknown(f"what {' '.join(command.words[:4])} allows")
    who = command.option("--assignee-object-id", "--assignee") or ""
    role, scope = command.option("--role") or "", command.option("--scope") or ""
    _require(bool(who) and bool(role), "an assignment has an assignee and a role")
    _require(_is_open(scope, artifact) or bool(_SCOPE.match(scope)), f"{scope!r} is no scope (/subscriptions/...)")
    overgrants: tuple[str, ...] = (f"{role} is a broad role",) if role.casefold() in _BROAD else ()
    short = None
    if denied.principal and who not in denied.principal and who not in denied.text and not _is_open(who, artifact):
        short = f"it assigns to {who}, but {denied.principal} was denied"
    if not short and denied.resource and scope not in (denied.resource, *_open_ones(scope, artifact)):
        short = None if denied.resource.casefold().startswith(scope.casefold()) else f"{scope} is not {denied.resource}"
        overgrants += (f"reaches beyond {denied.resource}",) if not short else ()
    return judge(AZ, short=short or _find_outside(role, denied), overgrants=overgrants)


def _find_outside(role: str, denied: Denied) -> str | None:
    if any(one.endswith(role) for one in denied.missing) and not any("/" in one for one in denied.missing):
        return None
    held = AZURE.get(role.casefold())
    if held is None:
        raise Unknown(f"what {role} contains; assignee and scope agree")
    wanted = [one for one in (*denied.missing, denied.action or "") if "/" in one or one in held]
    if not wanted:
        raise Unknown(f"which action {', '.join(denied.missing) or 'the event'} means; assignee and scope agree")
    covered = any(matches(pattern.casefold(), one.casefold()) for one in wanted for pattern in held)
    return None if covered else f"{role} does not contain {', '.join(wanted) or denied.action}"


def prove_custom_role(artifact: Artifact, denied: Denied) -> Proof:
    """An Azure custom role definition: the denied action and no other. Raises `InvalidArtifact`."""
    try:
        data = json.loads(artifact.content)
    except (ValueError, RecursionError) as error:
        raise InvalidArtifact(f"is not JSON ({error})") from None
    role = data if isinstance(data, dict) else {}
    _require(isinstance(role.get("AssignableScopes"), list), "a role has AssignableScopes")
    listed = [one for key in ("Actions", "DataActions") for one in role.get(key) or () if isinstance(one, str)]
    short = None if set(denied.missing) <= set(listed) else f"{', '.join(listed)} is not {', '.join(denied.missing)}"
    return judge("azure custom role", short=short, overgrants=tuple(_find_other_actions(listed, denied)))


def _find_other_actions(listed: list[str], denied: Denied) -> Iterator[str]:
    yield from (f"allows {one} too, which was not denied" for one in listed if one not in denied.missing)


def _is_open(value: str, artifact: Artifact) -> bool:
    return any(name in value for name in artifact.placeholders)


def _open_ones(value: str, artifact: Artifact) -> tuple[str, ...]:
    return (value,) if _is_open(value, artifact) else ()


def _require(held: bool, message: str) -> None:
    if not held:
        raise InvalidArtifact(message)
