"""Roles and bindings as an artifact: the denied request becomes allowed, its neighbours stay denied."""

import re
from collections.abc import Iterator

from service.domain import Artifact
from service.proof.claim import Denied, Proof, Unknown, judge
from service.proof.rbac_policy import Access, Manifests, allows, read_manifests, rules_of

FAMILY = "kubernetes rbac"
_MISSING = re.compile(r"([a-z]+) ([a-z0-9-]+)((?:\.[a-z0-9-]+)*)(/[a-z-]+)?(?:/(\S+))?\Z")
_MISSING_PATH = re.compile(r"([a-z]+) nonResourceURL (/\S*)\Z")
_TEXT_LIMIT = 20_000
_NAMESPACE = re.compile(r'in the namespace "([^"\s]{1,63})"')
_GROUP = re.compile(r'in API group "([^"\s]{0,253})"')
_NAMED = re.compile(r'\bresource "[^"\s]{1,80}" in API|^(?:\S+) "([^"\s]{1,253})"\Z')
_NAMELESS = frozenset({"list", "watch", "create", "deletecollection"})
_CORE = frozenset(
    "bindings configmaps endpoints events limitranges namespaces nodes persistentvolumeclaims persistentvolumes pods "
    "podtemplates replicationcontrollers resourcequotas secrets serviceaccounts services".split()
)
_VERBS = (
    "get",
    "list",
    "watch",
    "create",
    "update",
    "patch",
    "delete",
    "deletecollection",
    "bind",
    "escalate",
    "impersonate",
)


def prove_rbac(artifact: Artifact, denied: Denied) -> Proof:
    """Raises `InvalidArtifact` and `Unknown`."""
    manifests = read_manifests(artifact.content)
    wanted = tuple(_requests_of(denied, manifests))
    if not wanted:
        raise Unknown(f"which verb on which resource {', '.join(denied.missing) or 'the event'} means")
    short = next((_say(one) for one in wanted if not _is_allowed(manifests, one, artifact.placeholders)), None)
    return judge(FAMILY, short=short, overgrants=tuple(_find_beside(manifests, wanted)))


def _requests_of(denied: Denied, manifests: Manifests) -> Iterator[Access]:
    """The denied requests, from the permissions that the answer names; the rest from the API server's sentence."""
    for permission in denied.missing:
        request = _read_permission(permission)
        if request is None:
            continue
        named = _NAMED.search(denied.resource or "")
        name = named[1] if named and request.verb not in _NAMELESS else None
        yield request.but(
            subject=denied.principal,
            name=request.name or name,
            namespace=None if request.path else _namespace_of(denied, manifests),
            group=_group_of(denied, request, manifests),
        )


def _read_permission(permission: str) -> Access | None:
    if path := _MISSING_PATH.match(permission):
        return Access(path[1], path=path[2])
    found = _MISSING.match(permission)
    if not found:
        return None
    verb, plural, group, subresource, name = found.groups()
    if verb == "approve" and plural == "signers":
        return Access(
            verb, group=group[1:], resource=plural, name="/".join(filter(None, ((subresource or "")[1:], name)))
        )
    return Access(verb, group=group[1:], resource=plural + (subresource or ""))


def _namespace_of(denied: Denied, manifests: Manifests) -> str | None:
    """The event's namespace; where it names none, the artifact's own is as good as any."""
    stated = _NAMESPACE.search(denied.text[:_TEXT_LIMIT])
    if stated:
        return stated[1]
    own = {binding.namespace for binding in manifests.bindings}
    return own.pop() if len(own) == 1 else None


def _group_of(denied: Denied, request: Access, manifests: Manifests) -> str:
    """The event's API group; where nobody names one and the resource is not of the core, the artifact's own."""
    stated = _GROUP.search(denied.text[:_TEXT_LIMIT])
    if stated and len(denied.missing) == 1:
        return stated[1]
    if request.group or request.resource.partition("/")[0] in _CORE:
        return request.group
    own = {one for rules in manifests.roles.values() for rule in rules for one in rule.groups if rule.resources}
    return own.pop() if len(own) == 1 else ""


def _is_allowed(manifests: Manifests, access: Access, placeholders: tuple[str, ...]) -> bool:
    """What the event does not say stands as a placeholder, and matches."""
    subjects = {subject for binding in manifests.bindings for subject in binding.subjects}
    if any(name in subject for subject in subjects for name in placeholders):
        access = access.but(subject=None)
    names = {one for rules in manifests.roles.values() for rule in rules for one in rule.names}
    return any(
        allows(manifests, access.but(name=name)) for name in (access.name, *(names if access.name is None else ()))
    )


def _find_beside(manifests: Manifests, wanted: tuple[Access, ...]) -> Iterator[str]:
    """Neighbouring requests that the manifests allow as well."""
    asked = {(one.verb, one.group, one.resource, one.path) for one in wanted}
    for binding in manifests.bindings:
        for rule in rules_of(manifests, binding):
            for verb in rule.verbs:
                pairs = [(verb, group, resource, None) for group in rule.groups for resource in rule.resources]
                listed = [*pairs, *((verb, "", "", path) for path in rule.paths)]
                yield from (f"allows {_name(*one)} too, which was not denied" for one in listed if one not in asked)
    for one in wanted:
        for probe, words in _neighbours(one):
            if not _same(probe, wanted) and allows(manifests, probe):
                yield f"allows {words} too"


def _neighbours(base: Access) -> Iterator[tuple[Access, str]]:
    for verb in _VERBS:
        yield base.but(verb=verb), f"{verb} of the same"
    yield base.but(subject="system:serviceaccount:neighbour:neighbour"), "another service account"
    yield base.but(subject="neighbour"), "another user"
    for group in ("system:authenticated", "system:serviceaccounts", "system:unauthenticated"):
        yield base.but(subject="neighbour", groups=(group,)), f"the group {group}"
    if base.path is not None:
        yield base.but(path=base.path.rstrip("/") + "/neighbour"), "a path below it"
        yield base.but(path="/neighbour"), "another path"
        return
    yield base.but(resource="neighbours"), "another resource"
    yield base.but(resource=base.resource.partition("/")[0] + "/neighbour"), "another subresource"
    yield base.but(group="neighbour.example.com"), "another API group"
    if base.namespace is not None:
        yield base.but(namespace="neighbour"), "another namespace"
    if base.name is not None:
        yield base.but(name="neighbour"), "another object of that kind"


def _same(probe: Access, wanted: tuple[Access, ...]) -> bool:
    return any(
        (probe.verb, probe.group, probe.resource, probe.path, probe.subject, probe.namespace, probe.name)
        == (one.verb, one.group, one.resource, one.path, one.subject, one.namespace, one.name)
        for one in wanted
    )


def _name(verb: str, group: str, resource: str, path: str | None) -> str:
    return f"{verb} {path or resource + ('.' + group if group else '')}"


def _say(access: Access) -> str:
    where = f" in namespace {access.namespace}" if access.namespace else ""
    named = f" {access.name}" if access.name else ""
    who = access.subject or "the caller"
    return f"{_name(access.verb, access.group, access.resource, access.path)}{named}{where} by {who} stays denied"
