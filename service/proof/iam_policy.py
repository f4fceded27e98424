"""The grammar of AWS policy documents, read strictly.

Source: "Grammar of the IAM JSON policy language" and "IAM and STS quotas" of the IAM User Guide
(docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_grammar.html, reference_iam-quotas.html).
"""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from service.proof.claim import InvalidArtifact


class Layer(StrEnum):
    """Which document a policy is meant to be. Identity, boundary and session policies have one form."""

    IDENTITY = "identity policy"
    RESOURCE = "resource policy"
    TRUST = "trust policy"


Names = Mapping[str, tuple[str, ...]]
"""Principals by type (`AWS`, `Service`, `Federated`, `CanonicalUser`); `{"*": ("*",)}` is everybody."""


@dataclass(frozen=True)
class Statement:
    """One statement. Exactly one of each pair is set; `conditions` is operator to key to values."""

    allows: bool
    actions: tuple[str, ...]
    not_actions: tuple[str, ...]
    resources: tuple[str, ...]
    not_resources: tuple[str, ...]
    principals: Names | None
    not_principals: Names | None
    conditions: Mapping[str, Mapping[str, tuple[str, ...]]]
    sid: str = ""


_LARGEST = {Layer.IDENTITY: 6_144, Layer.TRUST: 4_096, Layer.RESOURCE: 20_480}
_POLICY_KEYS = frozenset({"Version", "Id", "Statement"})
_STATEMENT_KEYS = frozenset(
    {"Sid", "Effect", "Principal", "NotPrincipal", "Action", "NotAction", "Resource", "NotResource", "Condition"}
)
_PRINCIPAL_TYPES = frozenset({"AWS", "Service", "Federated", "CanonicalUser"})
_VERSIONS = ("2012-10-17", "2008-10-17")
_SID = re.compile(r"[A-Za-z0-9]*\Z")
_ACTION = re.compile(r"\*|[A-Za-z0-9-]+:[A-Za-z0-9*?-]+\Z")
_TRUST_ACTION = re.compile(r"sts:(AssumeRole\w*|TagSession|SetSourceIdentity|SetContext)\Z", re.IGNORECASE)


def read_policy(content: str) -> tuple[Statement, ...]:
    """The statements of a policy, or of one statement alone. Raises `InvalidArtifact`."""
    data = _read_json(content)
    if "Effect" not in data:
        _require(not (extra := data.keys() - _POLICY_KEYS), f"{', '.join(sorted(extra))} is no element of a policy")
        _require(data.get("Version", "2012-10-17") in _VERSIONS, "Version must be 2012-10-17")
        _require("Statement" in data, "a policy needs a Statement")
        statements = tuple(make_statement(one) for one in _as_list(data["Statement"]))
    else:
        statements = (make_statement(data),)
    _require(bool(statements), "a policy needs a Statement")
    size = len(re.sub(r"\s", "", content))
    layer = layer_of(statements)
    _require(size <= _LARGEST[layer], f"{size} characters; the most for one {layer} is {_LARGEST[layer]}")
    return statements


def layer_of(statements: tuple[Statement, ...]) -> Layer:
    """A document that names principals belongs to a resource; one that only lets assume a role is its trust policy."""
    if all(one.principals is None and one.not_principals is None for one in statements):
        return Layer.IDENTITY
    trust = all(_TRUST_ACTION.match(action) for one in statements for action in one.actions)
    return Layer.TRUST if trust and not any(one.resources for one in statements) else Layer.RESOURCE


def is_policy(content: str) -> bool:
    """Whether a JSON text is meant as a policy of this grammar at all."""
    try:
        data = _read_json(content)
    except InvalidArtifact:
        return False
    return "Statement" in data or "Effect" in data


def write_json(statements: tuple[Statement, ...]) -> str:
    """Effects, actions and resources of statements as a policy: what they allow, not under which conditions."""
    elements = ("Action", "actions"), ("NotAction", "not_actions"), ("Resource", "resources")
    listed = [
        {"Effect": "Allow" if one.allows else "Deny"} | {name: list(getattr(one, held)) for name, held in elements}
        for one in statements
    ]
    return json.dumps({"Statement": [{name: held for name, held in one.items() if held} for one in listed]})


def _read_json(content: str) -> Mapping[str, Any]:
    try:
        data = json.loads(content, object_pairs_hook=_unique)
    except RecursionError:
        raise InvalidArtifact("is not JSON (nested too deeply)") from None
    except ValueError as error:
        raise InvalidArtifact(f"is not JSON ({error})") from None
    _require(isinstance(data, dict), "a policy is a JSON object")
    found: Mapping[str, Any] = data
    return found


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    held = dict(pairs)
    _require(len(held) == len(pairs), "an element stands twice")
    return held


def make_statement(data: Any) -> Statement:
    """A statement from the elements of its JSON form. Raises `InvalidArtifact`."""
    _require(isinstance(data, dict), "a statement is a JSON object")
    _require(not (extra := data.keys() - _STATEMENT_KEYS), f"{', '.join(sorted(extra))} is no element of a statement")
    _require(data.get("Effect") in ("Allow", "Deny"), "Effect must be Allow or Deny")
    _require(isinstance(data.get("Sid", ""), str) and bool(_SID.match(data.get("Sid", ""))), "Sid takes A-Z a-z 0-9")
    _require(("Action" in data) != ("NotAction" in data), "a statement has either Action or NotAction")
    for one, other in (("Resource", "NotResource"), ("Principal", "NotPrincipal")):
        _require(not (one in data and other in data), f"a statement has either {one} or {other}")
    named = "Principal" in data or "NotPrincipal" in data
    _require(named or "Resource" in data or "NotResource" in data, "a statement without Principal needs a Resource")
    return Statement(
        data["Effect"] == "Allow",
        _read_actions(data.get("Action", [])),
        _read_actions(data.get("NotAction", [])),
        _read_resources(data.get("Resource", [])),
        _read_resources(data.get("NotResource", [])),
        _read_principals(data["Principal"]) if "Principal" in data else None,
        _read_principals(data["NotPrincipal"]) if "NotPrincipal" in data else None,
        _read_conditions(data.get("Condition", {})),
        data.get("Sid", ""),
    )


def _read_actions(value: Any) -> tuple[str, ...]:
    actions = _texts(value, "Action")
    for action in actions:
        placeholder = re.fullmatch(r"[A-Z][A-Z0-9_]+", action)
        _require(bool(placeholder or _ACTION.match(action)), f"{action!r} is no action (service:Name)")
    return actions


def _read_resources(value: Any) -> tuple[str, ...]:
    resources = _texts(value, "Resource")
    for one in resources:
        formed = one == "*" or re.fullmatch(r"[A-Z][A-Z0-9_]+", one) or (one.startswith("arn:") and one.count(":") >= 5)
        _require(bool(formed), f"{one!r} is no ARN")
    return resources


def _read_principals(value: Any) -> Names:
    if value == "*":
        return {"*": ("*",)}
    _require(isinstance(value, dict) and bool(value), "Principal is '*' or an object")
    _require(not (extra := value.keys() - _PRINCIPAL_TYPES), f"{', '.join(sorted(extra))} is no type of principal")
    return {kind: _texts(names, "Principal") for kind, names in value.items()}


def _read_conditions(value: Any) -> Mapping[str, Mapping[str, tuple[str, ...]]]:
    _require(isinstance(value, dict), "Condition is an object")
    for operator, keys in value.items():
        _require(isinstance(keys, dict) and bool(keys), f"condition {operator} needs a key and a value")
    return {
        operator: {key: _texts(held, f"condition {key}") for key, held in keys.items()}
        for operator, keys in value.items()
    }


def _texts(value: Any, name: str) -> tuple[str, ...]:
    found = tuple(str(one).lower() if isinstance(one, bool) else one for one in _as_list(value))
    _require(all(isinstance(one, str) and one for one in found), f"{name} takes texts")
    return found


def _as_list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]


def _require(held: bool, message: str) -> None:
    if not held:
        raise InvalidArtifact(message)
