"""The evaluator of Kubernetes RBAC: what manifests allow, and what is allowed beside the denied request."""

import pytest

from service.domain import Artifact, ArtifactKind
from service.proof.checker import prove
from service.proof.claim import Denied, InvalidArtifact, Outcome, Proof, Unknown
from service.proof.rbac_policy import Access, allows, read_manifests

HEAD = "apiVersion: rbac.authorization.k8s.io/v1\n"


def role(
    rules: str = '- {apiGroups: [""], resources: [pods], verbs: [list]}', kind: str = "Role", bind: str = "RoleBinding"
) -> str:
    where = "" if kind == "ClusterRole" else "  namespace: shop\n"
    bound = "" if bind == "ClusterRoleBinding" else "  namespace: shop\n"
    return (
        f"{HEAD}kind: {kind}\nmetadata:\n  name: r\n{where}rules:\n{rules}\n---\n"
        f"{HEAD}kind: {bind}\nmetadata:\n  name: r\n{bound}subjects:\n"
        "- kind: ServiceAccount\n  name: web\n  namespace: shop\n"
        f"roleRef:\n  apiGroup: rbac.authorization.k8s.io\n  kind: {kind}\n  name: r\n"
    )


WEB = "system:serviceaccount:shop:web"
LIST = Access("list", WEB, "", "pods", namespace="shop")
GET = LIST.but(verb="get")


@pytest.mark.parametrize(
    ("rule", "access", "held"),
    [
        ('{apiGroups: [""], resources: [pods], verbs: [list]}', LIST, True),
        ('{apiGroups: [""], resources: [pods], verbs: [list]}', LIST.but(namespace="pay"), False),
        ('{apiGroups: [""], resources: [pods], verbs: [list]}', LIST.but(subject="ana"), False),
        ("{apiGroups: [apps], resources: [pods], verbs: [list]}", LIST, False),
        ('{apiGroups: ["*"], resources: ["*"], verbs: ["*"]}', LIST.but(resource="secrets", verb="delete"), True),
        ('{apiGroups: [""], resources: [pods], verbs: [get]}', GET.but(resource="pods/log"), False),
        ('{apiGroups: [""], resources: [pods/log], verbs: [get]}', GET.but(resource="pods/log"), True),
        ('{apiGroups: [""], resources: ["*/scale"], verbs: [get]}', GET.but(resource="rs/scale"), True),
        ('{apiGroups: [""], resources: [pods], resourceNames: [a], verbs: [get]}', GET.but(name="a"), True),
        ('{apiGroups: [""], resources: [pods], resourceNames: [a], verbs: [get]}', GET.but(name="b"), False),
        ('{apiGroups: [""], resources: [pods], resourceNames: [a], verbs: [list]}', LIST, False),
        ('{apiGroups: [""], resources: [users], verbs: [get]}', LIST.but(verb="impersonate", resource="users"), False),
    ],
)
def test_a_rule_covers_verb_group_resource_and_name(rule: str, access: Access, held: bool) -> None:
    assert allows(read_manifests(role(f"- {rule}")), access) is held


def test_a_cluster_role_reaches_as_far_as_its_binding() -> None:
    rules = '- {apiGroups: [""], resources: [pods], verbs: [list]}\n- {nonResourceURLs: [/metrics/*], verbs: [get]}'
    elsewhere, path = LIST.but(namespace="pay"), Access("get", WEB, path="/metrics/slis")
    narrow = read_manifests(role(rules, "ClusterRole", "RoleBinding"))
    wide = read_manifests(role(rules, "ClusterRole", "ClusterRoleBinding"))
    assert [allows(narrow, one) for one in (LIST, elsewhere, path)] == [True, False, False]
    assert [allows(wide, one) for one in (LIST, elsewhere, path)] == [True, True, True]


def test_groups_bind_their_members() -> None:
    manifests = read_manifests(role().replace("ServiceAccount\n  name: web\n  namespace: shop", "Group\n  name: ops"))
    assert allows(manifests, LIST.but(subject="ana", groups=("ops",)))
    assert not allows(manifests, LIST.but(subject="ana"))


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        ("{", "not YAML"),
        ("- a\n", "mapping"),
        (HEAD + "kind: Role\nmetadata: {name: r}\nrules: []\n", "namespace"),
        (HEAD + "kind: ClusterRole\nmetadata: {name: r}\nrules: []\n", "rules is a list"),
        (HEAD + "kind: ClusterRole\nmetadata: {name: a/b}\nrules: []\n", "no name"),
        (role("- {apiGroups: [''], resources: [pods]}"), "needs verbs"),
        (role("- {resources: [pods], verbs: [get]}"), "needs apiGroups"),
        (role("- {apiGroups: [''], resource: [pods], verbs: [get]}"), "no field"),
        (role().replace("  namespace: shop\nroleRef", "roleRef"), "needs its namespace"),
        (role(bind="ClusterRoleBinding"), "binds a ClusterRole"),
    ],
)
def test_a_manifest_that_the_api_server_would_refuse_is_refused(content: str, problem: str) -> None:
    with pytest.raises(InvalidArtifact, match=problem):
        read_manifests(content)


def test_it_abstains_on_what_it_cannot_see() -> None:
    aggregated = (
        HEAD + "kind: ClusterRole\nmetadata: {name: r}\naggregationRule: {clusterRoleSelectors: []}\nrules: []\n"
    )
    with pytest.raises(Unknown, match="aggregated"):
        read_manifests(aggregated)
    alone = (
        role().partition("---\n")[2].replace("kind: Role\n", "kind: ClusterRole\n").replace("name: r\n", "name: view\n")
    )
    with pytest.raises(Unknown, match="present ClusterRole view"):
        allows(read_manifests(alone), LIST)


TEXT = 'pods is forbidden: User "{}" cannot list resource "pods" in API group "" in the namespace "shop"'


def check(content: str, *missing: str, text: str = TEXT.format(WEB), resource: str = "pods") -> Proof:
    artifact = Artifact(kind=ArtifactKind.MANIFEST, title="t", content=content, apply="a")
    return prove(artifact, Denied(principal=WEB, resource=resource, missing=missing or ("list pods",), text=text))


def test_the_denied_request_becomes_allowed_and_nothing_beside_it() -> None:
    proof = check(role())
    assert (proof.outcome, proof.faults) == (Outcome.GRANTS, ())


def test_another_namespace_subject_or_verb_is_not_what_was_denied() -> None:
    for other in (
        role().replace("namespace: shop", "namespace: pay"),
        role().replace("name: web", "name: cart"),
        role().replace("[list]", "[get]"),
        role().replace('[""]', "[apps]"),
    ):
        assert check(other).outcome is Outcome.DOES_NOT_GRANT


@pytest.mark.parametrize(
    ("content", "beside"),
    [
        (role().replace("[list]", "[list, watch]"), "watch pods"),
        (role().replace("[list]", '["*"]'), "delete of the same"),
        (role().replace("[pods]", "[pods, secrets]"), "list secrets"),
        (role().replace("[pods]", '["*"]'), "another resource"),
        (role(kind="ClusterRole", bind="ClusterRoleBinding"), "another namespace"),
        (
            role().replace("subjects:\n", "subjects:\n- kind: Group\n  name: system:authenticated\n"),
            "system:authenticated",
        ),
    ],
)
def test_what_is_allowed_beside_it_is_named(content: str, beside: str) -> None:
    assert beside in " ".join(check(content).overgrants)


def test_a_named_object_is_the_only_one() -> None:
    rules = '- {{apiGroups: [""], resources: [secrets], {}verbs: [get]}}'
    text = TEXT.replace('list resource "pods"', 'get resource "secrets"').format(WEB)
    named = check(role(rules.format("resourceNames: [db], ")), "get secrets", text=text, resource='secrets "db"')
    unnamed = check(role(rules.format("")), "get secrets", text=text, resource='secrets "db"')
    assert (named.outcome, named.faults) == (Outcome.GRANTS, ())
    assert "another object" in " ".join(unnamed.overgrants)
