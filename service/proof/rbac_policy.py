"""Kubernetes RBAC: manifests read strictly, and the authorizer's question asked of them.

Source: "Using RBAC Authorization" (kubernetes.io/docs/reference/access-authn-authz/rbac/) and its API reference.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError

from service.proof.claim import InvalidArtifact, Unknown

_GROUP = "rbac.authorization.k8s.io"
_ROLES = frozenset({"Role", "ClusterRole"})
_BINDINGS = frozenset({"RoleBinding", "ClusterRoleBinding"})
_SUBJECTS = frozenset({"User", "Group", "ServiceAccount"})
_RULE_KEYS = frozenset({"apiGroups", "resources", "resourceNames", "nonResourceURLs", "verbs"})
_NAME = re.compile(r"[^/%\s]{1,253}\Z")


@dataclass(frozen=True)
class Access:
    """One request: a resource (`group`, `resource` with its subresource, `name`) or a `path`.

    `subject` is the user name that the API server sees; None matches every subject. `namespace` None is cluster-wide.
    """

    verb: str
    subject: str | None = None
    group: str = ""
    resource: str = ""
    name: str | None = None
    namespace: str | None = None
    path: str | None = None
    groups: tuple[str, ...] = ()

    def but(self, **changes: Any) -> "Access":
        """The same request with one thing changed."""
        return replace(self, **changes)


@dataclass(frozen=True)
class Rule:
    verbs: tuple[str, ...]
    groups: tuple[str, ...] = ()
    resources: tuple[str, ...] = ()
    names: tuple[str, ...] = ()
    paths: tuple[str, ...] = ()

    def covers(self, access: Access) -> bool:
        """Whether the rule lists the request."""
        if not _lists(self.verbs, access.verb):
            return False
        if access.path is not None:
            return any(_covers_path(one, access.path) for one in self.paths)
        named = not self.names or (access.name is not None and access.name in self.names)
        return _lists(self.groups, access.group) and self._covers_resource(access.resource) and named

    def _covers_resource(self, resource: str) -> bool:
        _, slash, subresource = resource.partition("/")
        return _lists(self.resources, resource) or (bool(slash) and f"*/{subresource}" in self.resources)


@dataclass(frozen=True)
class Binding:
    """Who gets which role where; `namespace` None is the whole cluster."""

    subjects: tuple[str, ...]
    role: tuple[str, str]
    namespace: str | None


@dataclass(frozen=True)
class Manifests:
    """Roles by kind, namespace and name; the bindings beside them."""

    roles: Mapping[tuple[str, str | None, str], tuple[Rule, ...]] = field(default_factory=dict)
    bindings: tuple[Binding, ...] = ()


def read_manifests(content: str) -> Manifests:
    """Roles and bindings of a YAML stream. Raises `InvalidArtifact`, and `Unknown` for aggregated roles."""
    roles: dict[tuple[str, str | None, str], tuple[Rule, ...]] = {}
    bindings: list[Binding] = []
    for document in read_documents(content):
        kind = document.get("kind")
        _require(str(document.get("apiVersion", "")).startswith(f"{_GROUP}/"), f"{kind} needs apiVersion {_GROUP}/v1")
        name, namespace = _read_metadata(document, needs_namespace=kind in {"Role", "RoleBinding"})
        if kind in _ROLES:
            roles[str(kind), namespace, name] = _read_rules(document)
        elif kind in _BINDINGS:
            bindings.append(_read_binding(document, namespace))
        else:
            raise Unknown(f"a {kind}")
    return Manifests(roles, tuple(bindings))


def read_documents(content: str) -> list[Mapping[str, Any]]:
    """The mappings of a YAML stream. Raises `InvalidArtifact`."""
    yaml = YAML(typ="safe", pure=True)
    yaml.composer.warn_double_anchors = False
    try:
        documents = list(yaml.load_all(content))
    except (YAMLError, ValueError, TypeError, RecursionError, AttributeError, KeyError) as error:
        raise InvalidArtifact(f"is not YAML ({str(error).splitlines()[:1]})") from None
    _require(bool(documents) and all(isinstance(one, dict) for one in documents), "a manifest is a YAML mapping")
    return documents


def is_rbac(content: str) -> bool:
    """Whether a YAML text is about roles and bindings."""
    return f"apiVersion: {_GROUP}/" in content


def allows(manifests: Manifests, access: Access) -> bool:
    """Whether the roles and bindings let the request pass. Raises `Unknown` for a role that is not among them."""
    for binding in manifests.bindings:
        reaches = binding.namespace is None or (access.path is None and binding.namespace == access.namespace)
        held = rules_of(manifests, binding) if reaches and _is_subject(binding, access) else ()
        if any(rule.covers(access) for rule in held):
            return True
    return False


def rules_of(manifests: Manifests, binding: Binding) -> tuple[Rule, ...]:
    """The rules that a binding hands out. Raises `Unknown`."""
    kind, name = binding.role
    held = manifests.roles.get((kind, binding.namespace if kind == "Role" else None, name))
    if held is None:
        raise Unknown(f"what the present {kind} {name} allows")
    return held


def _is_subject(binding: Binding, access: Access) -> bool:
    return access.subject is None or bool({access.subject, *access.groups} & set(binding.subjects))


def _read_metadata(document: Mapping[str, Any], *, needs_namespace: bool) -> tuple[str, str | None]:
    metadata = _mapping(document.get("metadata"), "metadata")
    name, namespace = metadata.get("name"), metadata.get("namespace")
    _require(isinstance(name, str) and bool(_NAME.match(name)), f"metadata.name {name!r} is no name")
    _require(not needs_namespace or (isinstance(namespace, str) and bool(namespace)), "metadata.namespace is missing")
    return str(name), str(namespace) if needs_namespace else None


def _read_rules(document: Mapping[str, Any]) -> tuple[Rule, ...]:
    if document.get("aggregationRule"):
        raise Unknown("an aggregated ClusterRole")
    return tuple(_read_rule(one) for one in _items(document.get("rules"), "rules"))


def _read_rule(data: Any) -> Rule:
    _require(isinstance(data, dict), "a rule is a mapping")
    _require(not (extra := data.keys() - _RULE_KEYS), f"{', '.join(map(str, extra))} is no field of a rule")
    rule = Rule(*(_texts(data.get(key, []), key) for key in ("verbs", "apiGroups", "resources", "resourceNames")))
    rule = replace(rule, paths=_texts(data.get("nonResourceURLs", []), "nonResourceURLs"))
    _require(bool(rule.verbs), "a rule needs verbs")
    _require(bool(rule.paths) != bool(rule.resources), "a rule has either resources or nonResourceURLs")
    _require(bool(rule.paths) or bool(rule.groups), "a rule with resources needs apiGroups")
    return rule


def _read_binding(document: Mapping[str, Any], namespace: str | None) -> Binding:
    role = _mapping(document.get("roleRef"), "roleRef")
    _require(role.get("kind") in list(_ROLES), "roleRef.kind is Role or ClusterRole")
    _require(role.get("apiGroup") == _GROUP and isinstance(role.get("name"), str), "roleRef needs apiGroup and name")
    _require(namespace is not None or role["kind"] == "ClusterRole", "a ClusterRoleBinding binds a ClusterRole")
    subjects = tuple(_read_subject(one) for one in _items(document.get("subjects"), "subjects"))
    return Binding(subjects, (role["kind"], role["name"]), namespace)


def _read_subject(data: Any) -> str:
    _require(
        isinstance(data, dict) and data.get("kind") in list(_SUBJECTS), "a subject is a User, Group or ServiceAccount"
    )
    name = data.get("name")
    _require(isinstance(name, str) and bool(name), "a subject needs a name")
    if data["kind"] == "ServiceAccount":
        _require(isinstance(data.get("namespace"), str), "a ServiceAccount needs its namespace")
        return f"system:serviceaccount:{data['namespace']}:{name}"
    _require(data.get("apiGroup", _GROUP) == _GROUP, f"a {data['kind']} is of apiGroup {_GROUP}")
    return str(name)


def _covers_path(pattern: str, path: str) -> bool:
    return path.startswith(pattern[:-1]) if pattern.endswith("*") else pattern == path


def _lists(held: tuple[str, ...], wanted: str) -> bool:
    return "*" in held or wanted in held


def _mapping(value: Any, name: str) -> Mapping[str, Any]:
    _require(isinstance(value, dict), f"{name} is a mapping")
    found: Mapping[str, Any] = value
    return found


def _items(value: Any, name: str) -> list[Any]:
    _require(isinstance(value, list) and bool(value), f"{name} is a list")
    return list(value)


def _texts(value: Any, name: str) -> tuple[str, ...]:
    _require(isinstance(value, list) and all(isinstance(one, str) for one in value), f"{name} is a list of texts")
    return tuple(value)


def _require(held: bool, message: str) -> None:
    if not held:
        raise InvalidArtifact(message)
