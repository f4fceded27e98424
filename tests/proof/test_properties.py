"""Whatever an artifact says, a checker answers: hostile content, hostile names, absurd sizes."""

import contextlib
import json
import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from service.domain import Artifact, ArtifactKind, Cause
from service.proof.checker import find_excess, prove
from service.proof.claim import Denied, InvalidArtifact, Outcome, Proof, Unknown
from service.proof.hcl import Block, read_hcl, write_text
from service.proof.iam_policy import read_policy
from service.proof.terraform import read_terraform, write_terraform

STATED = st.none() | st.text(max_size=40) | st.sampled_from(["arn:aws:s3:::a/b", "pods", "public.orders", "User:x"])
DENIED = st.builds(
    Denied,
    cause=st.none() | st.sampled_from(Cause),
    system=st.just("aws.s3"),
    principal=STATED,
    action=STATED,
    resource=STATED,
    missing=st.lists(
        st.text(max_size=30)
        | st.sampled_from(
            ["s3:GetObject", "get pods", "SELECT ON t", "read on a", "+get", "id-token:write", "group x"]
        ),
        max_size=3,
    ).map(tuple),
    text=st.text(max_size=60),
)
SCALARS = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.text(max_size=12)
    | st.sampled_from(["*", "Allow", "arn:aws:s3:::a/*"])
)
KEYS = st.sampled_from(
    "Version Statement Effect Action NotAction Resource Principal AWS Condition StringLike Sid Actions "
    "AssignableScopes apiVersion kind metadata name namespace rules verbs resources apiGroups subjects roleRef "
    "permissions contents".split()
) | st.text(max_size=6)
TREES = st.recursive(
    SCALARS, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(KEYS, inner, max_size=5), max_leaves=25
)
HEADS = st.sampled_from(
    [
        "",
        "GRANT ",
        "ALTER ROLE ",
        "ACL SETUSER ",
        "permissions:\n  ",
        "apiVersion: rbac.authorization.k8s.io/v1\n",
        'path "',
        'data "aws_iam_policy_document" "x" {',
        "gcloud projects add-iam-policy-binding ",
        "az role assignment create ",
        "setfacl -m ",
        "kafka-acls --add ",
        "rabbitmqctl set_permissions ",
        "etcdctl role grant-permission ",
        "usermod -aG ",
        "setcap ",
        "gh auth refresh ",
    ]
)
WORDS = st.text(max_size=60) | st.lists(
    st.sampled_from(
        [
            "TO",
            "ON",
            ",",
            "(",
            ")",
            '"',
            "'",
            "`",
            "[",
            "]",
            "{",
            "}",
            "=",
            "--role",
            "*",
            "a",
            "a.b",
            "\n",
            ";",
            "u:x:rwx",
        ]
    ),
    max_size=20,
).map(" ".join)


def check(kind: ArtifactKind, content: str, denied: Denied, *placeholders: str) -> Proof:
    return prove(Artifact(kind=kind, title="t", content=content, placeholders=placeholders, apply="a"), denied)


@settings(deadline=None, max_examples=300)
@given(kind=st.sampled_from(ArtifactKind), head=HEADS, words=WORDS, denied=DENIED)
def test_any_text_gets_an_answer(kind: ArtifactKind, head: str, words: str, denied: Denied) -> None:
    proof = check(kind, head + words, denied, "ROLE_NAME")
    assert proof.family
    assert proof.outcome is Outcome.GRANTS or proof.reason


@settings(deadline=None, max_examples=300)
@given(tree=TREES, denied=DENIED)
def test_any_tree_gets_an_answer(tree: object, denied: Denied) -> None:
    text = json.dumps(tree)
    assert check(ArtifactKind.JSON_POLICY, text, denied).family
    assert check(ArtifactKind.MANIFEST, "# apiVersion: rbac.authorization.k8s.io/v1\n" + text, denied).family
    assert check(ArtifactKind.MANIFEST, "permissions: " + text, denied).family


@pytest.mark.parametrize(
    ("kind", "content"),
    [
        (ArtifactKind.JSON_POLICY, '{"Statement":' * 1_500),
        (ArtifactKind.JSON_POLICY, json.dumps({"Effect": "Allow", "Action": "s3:" + "*a" * 900, "Resource": "*"})),
        (ArtifactKind.MANIFEST, "apiVersion: rbac.authorization.k8s.io/v1\n" + "a: &a [*a,*a]\n" * 900),
        (ArtifactKind.MANIFEST, "permissions: " + "[" * 15_000),
        (ArtifactKind.SQL, "GRANT SELECT ON " + "[" * 19_000),
        (ArtifactKind.SQL, "GRANT " + '""' * 9_000 + '"'),
        (ArtifactKind.CONFIG, 'path "a" ' + "{ a = {" * 2_000),
        (ArtifactKind.CONFIG, 'path "' + "\\" * 19_000),
        (ArtifactKind.SHELL, "setfacl " + "'" * 19_001),
        (ArtifactKind.SHELL, "kafka-acls " + "--a " * 4_000),
        (ArtifactKind.SQL, "GRANT SELECT ON t TO r;" * 10_000),
    ],
)
def test_large_and_nested_content_is_answered_at_once(kind: ArtifactKind, content: str) -> None:
    begun = time.process_time()
    assert check(kind, content, Denied(missing=("s3:GetObject",))).outcome is not Outcome.GRANTS
    assert time.process_time() - begun < 10  # seconds of CPU, on a machine that does five other things


@given(text=st.text())
def test_a_text_written_as_hcl_reads_as_itself(text: str) -> None:
    assert read_hcl(f"a = {write_text(text)}").attributes == {"a": text}


@given(text=WORDS)
def test_hcl_is_read_or_refused(text: str) -> None:
    with contextlib.suppress(InvalidArtifact, Unknown):
        assert isinstance(read_hcl(text), Block)


NAMES = st.text(st.characters(codec="ascii", categories=["L", "N"]), min_size=1, max_size=8)
ANY = st.text(min_size=1, max_size=12)
STATEMENTS = st.fixed_dictionaries(
    {
        "Effect": st.sampled_from(["Allow", "Deny"]),
        "Action": st.lists(NAMES.map("s3:{}".format), min_size=1, max_size=3),
        "Resource": st.lists(ANY.map("arn:aws:s3:::{}".format), min_size=1, max_size=3),
    },
    optional={
        "Sid": NAMES,
        "Principal": st.just("*")
        | st.dictionaries(st.sampled_from(["AWS", "Service"]), st.lists(ANY, min_size=1, max_size=3), min_size=1),
        "Condition": st.dictionaries(
            st.sampled_from(["StringLike", "Bool"]),
            st.dictionaries(ANY, st.lists(ANY, min_size=1, max_size=3), min_size=1, max_size=3),
            min_size=1,
        ),
    },
)


@settings(deadline=None)
@given(statements=st.lists(STATEMENTS, min_size=1, max_size=3))
def test_a_policy_as_terraform_says_the_same(statements: list[object]) -> None:
    policy = read_policy(json.dumps({"Version": "2012-10-17", "Statement": statements}))
    assert read_terraform(write_terraform(policy)) == policy


def test_terraform_may_name_every_resource_only_where_the_action_takes_none() -> None:
    def document(action: str) -> str:
        statement = {"Effect": "Allow", "Action": action, "Resource": "*"}
        return write_terraform(read_policy(json.dumps(statement)))

    assert find_excess(ArtifactKind.CONFIG, document("ecr:GetAuthorizationToken")) == []
    assert find_excess(ArtifactKind.CONFIG, document("s3:GetObject")) == ["allows every resource"]
