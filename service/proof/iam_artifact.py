"""A policy as an artifact: the denied request becomes allowed, its neighbours stay denied."""

import re
from collections.abc import Iterator
from dataclasses import replace

from service.domain import Artifact, Cause
from service.proof.claim import Denied, Outcome, Proof, Unknown, fill, judge
from service.proof.iam_condition import Context, matches, satisfying
from service.proof.iam_evaluation import Request, allows
from service.proof.iam_policy import Layer, Statement, layer_of, read_policy
from service.proof.iam_resource import find_wrong_form, is_open_ended
from service.proof.terraform import read_terraform

FAMILY = "iam policy"
_ACTION = re.compile(r"[a-z0-9-]+:[A-Za-z0-9]+\Z", re.IGNORECASE)
_OF_IDENTITY = frozenset({Cause.PERMISSION_BOUNDARY, Cause.TOKEN_OR_KEY_RESTRICTED})
_STRANGERS = (
    "arn:aws:iam::999988887777:role/neighbour",
    "arn:aws:iam::999988887777:user/neighbour",
    "neighbour.example.com",
)


def prove_policy(artifact: Artifact, denied: Denied) -> Proof:
    """Raises `InvalidArtifact` and `Unknown`."""
    return prove_statements(read_policy(artifact.content), artifact, denied, FAMILY)


def prove_terraform(artifact: Artifact, denied: Denied) -> Proof:
    """The same for a policy document in Terraform. Raises `InvalidArtifact` and `Unknown`."""
    return prove_statements(read_terraform(artifact.content), artifact, denied, "terraform iam")


def prove_statements(statements: tuple[Statement, ...], artifact: Artifact, denied: Denied, family: str) -> Proof:
    """Raises `Unknown`."""
    layer = layer_of(statements)
    allowing = [one for one in statements if one.allows]
    overgrants = tuple(_find_blunt(statements, denied))
    if not allowing:
        raise Unknown("it allows nothing; whether it narrows the right deny is not decided here")
    wanted = _wanted_actions(denied, allowing)
    short = _find_wrong_layer(layer, denied) or next(filter(None, map(_find_wrong_forms, allowing)), None)
    for action in wanted:
        short = short or _find_short(statements, action, artifact, denied)
    if _abstains_on_principal(layer, allowing, denied, artifact) and not short:
        reason = f"whether {denied.principal!r} is the service that the statement names"
        return Proof(family, Outcome.ABSTAINS, reason, (*overgrants, *_find_beside(statements, wanted)))
    return judge(family, short=short, overgrants=(*overgrants, *_find_beside(statements, wanted)))


def _wanted_actions(denied: Denied, allowing: list[Statement]) -> tuple[str, ...]:
    """The denied actions in AWS's terms; where the event names none, those of the artifact are all there is."""
    named = [name for name in (*denied.missing, denied.action or "") if _ACTION.match(name)]
    given = {action.lower(): action for one in allowing for action in one.actions}
    wanted = tuple(dict.fromkeys(given.get(name.lower(), name) for name in named))
    return wanted or tuple(action for action in given.values())


def _find_wrong_layer(layer: Layer, denied: Denied) -> str | None:
    if layer is Layer.IDENTITY and denied.cause is Cause.RESOURCE_POLICY:
        return "a resource's policy denied it, and this statement names no principal"
    if layer is not Layer.IDENTITY and denied.cause in _OF_IDENTITY:
        return f"a {str(denied.cause).replace('_', ' ')} holds no principals"
    return None


def _find_wrong_forms(statement: Statement) -> str | None:
    pairs = ((action, one) for action in statement.actions for one in statement.resources)
    return next(filter(None, (find_wrong_form(*pair) for pair in pairs)), None)


def _find_short(statements: tuple[Statement, ...], action: str, artifact: Artifact, denied: Denied) -> str | None:
    """Why one denied action stays denied, or None where it is allowed afterwards."""
    covering = [s for s in statements if s.allows and any(matches(a.lower(), action.lower()) for a in s.actions)]
    if not covering:
        return f"no statement allows {action}"
    wild = tuple(_with_placeholders_open(one, artifact.placeholders) for one in statements)
    for statement in covering:
        resource = _resource_of(statement, artifact, denied)
        if resource is None:
            continue
        request = Request(action, resource, _principal_of(denied), _context_of(statement))
        if allows(wild, request):
            return None
    return f"{action} on {denied.resource} by {denied.principal or 'the caller'} stays denied"


def _resource_of(statement: Statement, artifact: Artifact, denied: Denied) -> str | None:
    """The denied resource as an ARN: the stated one, or the artifact's own where that bears the stated name."""
    stated = denied.resource or ""
    if stated.startswith("arn:") and "*" * 4 not in stated:
        own = statement.resources
        pattern = own[0] if own else ""
        if any(find_wrong_form(action, stated) for action in statement.actions) and stated in pattern:
            return pattern  # the text names the group, the action takes the ARN with its suffix
        return stated
    own_one = statement.resources[0] if statement.resources else "*"
    return own_one if not stated or _bears(own_one, stated, artifact) else None


def _bears(pattern: str, stated: str, artifact: Artifact) -> bool:
    if pattern == "*" or any(name in pattern for name in artifact.placeholders) or not pattern.startswith("arn:"):
        return True
    words = [word for word in re.split(r"[:/\s\"']+", pattern.split(":", 5)[-1]) if word not in {"", "*"}]
    return any(word in stated for word in words)


def _with_placeholders_open(statement: Statement, placeholders: tuple[str, ...]) -> Statement:
    """What the event does not say may be anything for the denied request; for its neighbours it may not."""
    if not placeholders:
        return statement
    opened = dict.fromkeys(placeholders, "*")
    names = statement.principals and {
        kind: ("*",) if any(p in name for p in placeholders for name in held) else held
        for kind, held in statement.principals.items()
    }
    return replace(statement, resources=tuple(fill(one, opened) for one in statement.resources), principals=names)


def _principal_of(denied: Denied) -> str | None:
    stated = denied.principal or ""
    return stated if stated.startswith("arn:") else None


def _context_of(statement: Statement) -> Context:
    return satisfying(statement.conditions)


def _abstains_on_principal(layer: Layer, allowing: list[Statement], denied: Denied, artifact: Artifact) -> bool:
    if layer is Layer.IDENTITY or not denied.principal or denied.principal.startswith("arn:"):
        return False
    names = [name for one in allowing for held in (one.principals or {}).values() for name in held]
    return not any(p in name for p in artifact.placeholders for name in names) and denied.principal not in names


def _find_blunt(statements: tuple[Statement, ...], denied: Denied) -> Iterator[str]:
    for one in statements:
        if not one.allows:
            continue
        for pairs, element in ((one.not_actions, "NotAction"), (one.not_resources, "NotResource")):
            if pairs:
                yield f"allows everything but some ({element})"
        if one.not_principals is not None:
            yield "allows everybody but some (NotPrincipal)"
        for resource in one.resources:
            if _is_wild(resource) and not _is_as_wide_as_stated(resource, denied):
                yield f"allows every resource like {resource}"
        yield from (
            f"allows actions by a pattern ({action})" for action in one.actions if "*" in action or "?" in action
        )


def _is_as_wide_as_stated(resource: str, denied: Denied) -> bool:
    """Whether the event or the vendor leaves open what the pattern leaves open: a bucket named without an object."""
    if resource in {"*", denied.resource} or is_open_ended(resource):
        return True
    stem = resource.removesuffix("/*")
    name = stem.split(":", 5)[-1]
    return (
        not _is_wild(stem)
        and stem != resource
        and name in f"{denied.text} {denied.resource}"
        and f"{name}/" not in (denied.resource or "")
    )


def _find_beside(statements: tuple[Statement, ...], wanted: tuple[str, ...]) -> Iterator[str]:
    """Neighbouring requests that the document allows as well."""
    asked = {action.lower() for action in wanted}
    for one in (s for s in statements if s.allows):
        yield from (f"allows {a} too, which was not denied" for a in one.actions if a.lower() not in asked)
    for one in (s for s in statements if s.allows and s.actions):
        base = Request(one.actions[0], _example_of(one), _principal_in(one), _context_of(one))
        for probe, words in _neighbours(base, one):
            if allows(statements, probe):
                yield f"allows {words} too"


def _example_of(statement: Statement) -> str:
    return (statement.resources or ("arn:aws:example:::own",))[0].replace("*", "x").replace("?", "x")


def _principal_in(statement: Statement) -> str | None:
    return next((name for held in (statement.principals or {}).values() for name in held), None)


def _neighbours(base: Request, statement: Statement) -> Iterator[tuple[Request, str]]:
    service, _, name = base.action.partition(":")
    for action in (f"{service}:{name}Neighbour", f"{service}:DeleteNeighbour", "iam:CreateUser"):
        yield base.but(action=action), f"the action {action}"
    if statement.resources and statement.resources != ("*",):
        for resource in _near(base.resource):
            if not any(_is_wild(one) and matches(one, resource) for one in statement.resources):
                yield base.but(resource=resource), f"the resource {resource}"
    if statement.principals is not None:
        for principal in (*_STRANGERS, *_colleagues_of(base.principal or "")):
            yield base.but(principal=principal), f"the principal {principal}"
    for key in base.context:
        yield replace(base, context={**base.context, key: ("neighbour",)}), f"another value of {key}"


def _colleagues_of(principal: str) -> Iterator[str]:
    if principal.startswith("arn:") and principal.count(":") >= 5:
        yield ":".join((*principal.split(":", 5)[:5], "user/neighbour"))


def _is_wild(pattern: str) -> bool:
    return "*" in pattern or "?" in pattern


def _near(resource: str) -> Iterator[str]:
    yield resource + "-neighbour"
    parts = resource.split(":", 5)
    if len(parts) == 6:
        yield ":".join((*parts[:5], "neighbour"))
        yield (
            ":".join((*parts[:3], "eu-neighbour-1", "999988887777", parts[5]))
            if parts[4]
            else ":".join((*parts[:5], "neighbour/" + parts[5].rpartition("/")[2]))
        )
