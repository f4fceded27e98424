"""Kubernetes speaks through many carriers: each must give one answer, and a role that grants just what was denied."""

import html
import json
import textwrap
from collections.abc import Callable
from dataclasses import dataclass

import pytest
from ruamel.yaml import YAML
from shipped_rules import MATCHER

from service.domain import Answer, ArtifactKind, Cause, Verdict


def explain(text: str) -> Answer:
    match = MATCHER.match(text, {})
    assert match is not None, f"no rule knows {text!r}"
    return match.answer("test")


@dataclass(frozen=True)
class Denial:
    """What RBAC refused, and how the answer names it."""

    sentence: str
    principal: str
    action: str
    resource: str
    permission: str


DENIALS = {
    "list in a namespace": Denial(
        (
            'pods is forbidden: User "system:serviceaccount:shop:cart" cannot list resource "pods" in API '
            'group "" in the namespace "shop"'
        ),
        "system:serviceaccount:shop:cart",
        "list",
        "pods",
        "list pods",
    ),
    "one object of a custom kind": Denial(
        'widgets.example.com "left-7" is forbidden: User "oidc:lena@corp.example" cannot delete resource "widgets" '
        'in API group "example.com" at the cluster scope',
        "oidc:lena@corp.example",
        "delete",
        'widgets.example.com "left-7"',
        "delete widgets.example.com",
    ),
    "subresource": Denial(
        'deployments.apps "web" is forbidden: User "arn:aws:sts::111122223333:assumed-role/dev/lena" cannot patch '
        'resource "deployments/scale" in API group "apps" in the namespace "shop"',
        "arn:aws:sts::111122223333:assumed-role/dev/lena",
        "patch",
        "deployments/scale",
        "patch deployments.apps/scale",
    ),
    "authorizer adds a reason": Denial(
        'secrets is forbidden: User "lena" cannot watch resource "secrets" in API group "" in the namespace "shop": '
        'requires one of ["container.secrets.list"] permission(s).',
        "lena",
        "watch",
        "secrets",
        "watch secrets",
    ),
}


def _json_status(sentence: str) -> str:
    return json.dumps(
        {
            "kind": "Status",
            "apiVersion": "v1",
            "status": "Failure",
            "message": sentence,
            "reason": "Forbidden",
            "code": 403,
        }
    )


def _yaml_condition(sentence: str) -> str:
    lines = textwrap.wrap("message: '" + sentence + "'", 70, break_long_words=False, break_on_hyphens=False)
    return "  conditions:\n  - " + "\n      ".join(lines) + "\n    reason: FailedCreate\n"


CARRIERS: dict[str, Callable[[str], str]] = {
    "as it is": str,
    "kubectl": lambda s: f"Error from server (Forbidden): {s}\n",
    "kubectl create": lambda s: f'Error from server (Forbidden): error when creating "web.yaml": {s}',
    "reflector": lambda s: (
        f"E0102 03:04:05.678901       1 reflector.go:158] client-go/informers/factory.go:160: Failed to "
        f"watch *v1.Thing: failed to list *v1.Thing: {s}"
    ),
    "status object": _json_status,
    "status object in a log line": lambda s: json.dumps({"level": "error", "error": _json_status(s)}),
    "python client": lambda s: (
        f"kubernetes.client.exceptions.ApiException: (403)\nReason: Forbidden\nHTTP response headers: "
        f"HTTPHeaderDict({{}})\nHTTP response body: {_json_status(s)}\n"
    ),
    "java client": lambda s: (
        f"Failure executing: GET at: https://10.0.0.1/api/v1. Message: Forbidden!Configured service account "
        f"doesn't have access. {s}."
    ),
    "logfmt": lambda s: f"time=2031-01-02T03:04:05Z level=error msg=sync error={json.dumps(s)} controller=web",
    "helm": lambda s: f"Error: UPGRADE FAILED: query: failed to query with labels: {s}",
    "colours and CRLF": lambda s: f"\x1b[31mError from server (Forbidden):\x1b[0m {s}\r\nexit status 1\r\n",
    "web page": lambda s: f"<pre>{html.escape(s)}</pre>",
    "terraform": lambda s: "╷\n│ " + "\n│ ".join(textwrap.wrap(f"Error: {s}", 76)) + "\n│ \n╵",
    "wrapped condition": _yaml_condition,
}


@pytest.mark.parametrize("denial", DENIALS.values(), ids=DENIALS.keys())
@pytest.mark.parametrize("carrier", CARRIERS.values(), ids=CARRIERS.keys())
def test_every_carrier_gives_the_same_answer(carrier: Callable[[str], str], denial: Denial) -> None:
    answer = explain(carrier(denial.sentence))

    assert (answer.verdict, answer.cause) == (Verdict.PERMISSION, Cause.MISSING_GRANT)
    assert (answer.principal, answer.action, answer.resource) == (denial.principal, denial.action, denial.resource)
    assert denial.permission in answer.missing_permissions


@pytest.mark.parametrize(
    ("sentence", "kinds", "rule", "subject"),
    [
        pytest.param(
            (
                'secrets "db" is forbidden: User "system:serviceaccount:shop:cart" cannot get resource '
                '"secrets" in API group "" in the namespace "vault"'
            ),
            ["Role", "RoleBinding"],
            {"apiGroups": [""], "resources": ["secrets"], "resourceNames": ["db"], "verbs": ["get"]},
            {"kind": "ServiceAccount", "name": "cart", "namespace": "shop"},
            id="one secret for a service account of another namespace",
        ),
        pytest.param(
            (
                'pods "web-0" is forbidden: User "lena" cannot create resource "pods/exec" in API group "" in '
                'the namespace "shop"'
            ),
            ["Role", "RoleBinding"],
            {"apiGroups": [""], "resources": ["pods/exec"], "verbs": ["create"]},
            {"apiGroup": "rbac.authorization.k8s.io", "kind": "User", "name": "lena"},
            id="a subresource; pods have made-up names",
        ),
        pytest.param(
            (
                'nodes is forbidden: User "system:serviceaccount:ops:agent" cannot watch resource "nodes" in '
                'API group "" at the cluster scope'
            ),
            ["ClusterRole", "ClusterRoleBinding"],
            {"apiGroups": [""], "resources": ["nodes"], "verbs": ["watch"]},
            {"kind": "ServiceAccount", "name": "agent", "namespace": "ops"},
            id="the whole cluster",
        ),
        pytest.param(
            'forbidden: User "lena" cannot get path "/metrics/slis"',
            ["ClusterRole", "ClusterRoleBinding"],
            {"nonResourceURLs": ["/metrics/slis"], "verbs": ["get"]},
            {"apiGroup": "rbac.authorization.k8s.io", "kind": "User", "name": "lena"},
            id="a URL of the API server",
        ),
        pytest.param(
            (
                'jobs.batch is forbidden: User "a: {b}, [c] #d" cannot list resource "jobs" in API group '
                '"batch" in the namespace "shop"'
            ),
            ["Role", "RoleBinding"],
            {"apiGroups": ["batch"], "resources": ["jobs"], "verbs": ["list"]},
            {"apiGroup": "rbac.authorization.k8s.io", "kind": "User", "name": "a: {b}, [c] #d"},
            id="a user name that is YAML",
        ),
    ],
)
def test_role_grants_what_was_denied_and_nothing_else(
    sentence: str, kinds: list[str], rule: dict[str, object], subject: dict[str, str]
) -> None:
    answer = explain(sentence)
    assert answer.fix is not None
    (artifact,) = answer.fix.artifacts
    role, binding = YAML(typ="safe").load_all(artifact.content)

    assert artifact.kind is ArtifactKind.MANIFEST
    assert [role["kind"], binding["kind"]] == kinds
    assert role["rules"] == [rule]
    assert binding["subjects"] == [subject]
    assert binding["roleRef"]["name"] == role["metadata"]["name"]


@pytest.mark.parametrize(
    ("text", "verdict", "cause"),
    [
        (
            'User "system:anonymous" cannot list resource "pods" in API group "" in the namespace "shop"',
            "authentication",
            "authentication",
        ),
        ("error: You must be logged in to the server (Unauthorized)", "authentication", "authentication"),
        (
            'pods "w" is forbidden: exceeded quota: q, requested: pods=1, used: pods=9, limited: pods=9',
            "other",
            "quota_or_billing",
        ),
        (
            'pods "w" is forbidden: unable to create new content in namespace shop because it is being terminated',
            "other",
            "other",
        ),
        (
            'failed calling webhook "a.example.com": Post "https://a.b.svc:443/": context deadline exceeded',
            "other",
            "network",
        ),
        ('The Service "w" is invalid: spec.clusterIP: Forbidden: may not change once set', "other", "validation"),
        ("Readiness probe failed: HTTP probe failed with statuscode: 403", "other", "other"),
        (
            'pods "w" is forbidden: violates PodSecurity "restricted:latest": runAsNonRoot != true (pod must set it)',
            "permission",
            "admission_policy",
        ),
        (
            'admission webhook "validation.gatekeeper.sh" denied the request: [owner] no label',
            "permission",
            "admission_policy",
        ),
        (
            (
                'secrets is forbidden: User "system:node:n1" cannot list resource "secrets" in API group "" in the '
                'namespace "shop": can only read resources of this type'
            ),
            "permission",
            "token_or_key_restricted",
        ),
    ],
)
def test_look_alikes_get_no_role(text: str, verdict: str, cause: str) -> None:
    answer = explain(text)

    assert (answer.verdict, answer.cause) == (verdict, cause)
    for artifact in answer.fix.artifacts if answer.fix else ():
        assert "Role" not in artifact.content


@pytest.mark.parametrize("cut", range(60, 130, 10))
def test_cut_off_sentence_is_answered_right_or_not_for_certain(cut: int) -> None:
    sentence = (
        'pods is forbidden: User "lena" cannot list resource "pods" in API group "" in the namespace '
        '"shop-of-many-things-and-more"'
    )
    match = MATCHER.match(sentence[:cut], {})

    if match is not None and match.rule.id == "kubernetes.rbac-denied":
        assert (match.principal, match.action, match.resource) == ("lena", "list", "pods")
    else:
        assert match is None or match.rule.confidence == "likely"


def test_unknown_scope_gives_a_role_and_not_a_cluster_role() -> None:
    answer = explain('secrets is forbidden: User "lena" cannot list resource "secrets" in API group "" in the na')
    assert answer.fix is not None
    (artifact,) = answer.fix.artifacts

    assert "ClusterRole" not in artifact.content
    assert artifact.placeholders == ("NAMESPACE",)
