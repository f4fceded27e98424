"""The evaluator of AWS policies: what it allows, denies, refuses to read, and abstains on."""

import json
from typing import Any

import pytest

from service.domain import Artifact, ArtifactKind, Cause
from service.proof.checker import prove
from service.proof.claim import Denied, InvalidArtifact, Outcome, Proof, Unknown
from service.proof.iam_evaluation import Request, allows
from service.proof.iam_policy import Layer, layer_of, read_policy

ROLE = "arn:aws:iam::111122223333:role/orders"
SESSION = "arn:aws:sts::111122223333:assumed-role/orders/run-7"
TABLE = "arn:aws:dynamodb:eu-west-1:111122223333:table/orders"
READ = Request("dynamodb:GetItem", TABLE, SESSION)


def statement(**changes: Any) -> dict[str, Any]:
    base: dict[str, Any] = {"Effect": "Allow", "Action": "dynamodb:GetItem", "Resource": TABLE}
    return {name: value for name, value in (base | changes).items() if value is not None}


def allowed(*statements: dict[str, Any], request: Request = READ) -> bool:
    return allows(read_policy(json.dumps({"Version": "2012-10-17", "Statement": list(statements)})), request)


def test_what_no_statement_allows_is_denied() -> None:
    assert allowed(statement())
    assert not allowed(statement(Action="dynamodb:PutItem"))
    assert not allowed(statement(Resource=TABLE + "-archive"))


def test_an_explicit_deny_beats_every_allow() -> None:
    assert not allowed(statement(), statement(Effect="Deny", Action="dynamodb:*", Resource="*"))


def test_wildcards_cover_actions_in_any_case_and_resources_as_written() -> None:
    assert allowed(statement(Action="DynamoDB:get*"))
    assert allowed(statement(Action="dynamodb:GetIte?"))
    assert allowed(statement(Resource="arn:aws:dynamodb:*:111122223333:table/ord*"))
    assert not allowed(statement(Resource=TABLE.upper().replace("ARN:AWS", "arn:aws")))


def test_not_action_and_not_resource_cover_all_but_those_named() -> None:
    assert not allowed(statement(Action=None, NotAction="dynamodb:GetItem"))
    assert allowed(statement(Action=None, NotAction="s3:*"))
    assert not allowed(statement(Resource=None, NotResource=TABLE))
    assert allowed(statement(Resource=None, NotResource=TABLE + "-archive"))


@pytest.mark.parametrize(
    ("principal", "held"),
    [
        ({"AWS": ROLE}, True),
        ({"AWS": "arn:aws:iam::111122223333:role/service/orders"}, True),
        ({"AWS": SESSION}, True),
        ({"AWS": "111122223333"}, True),
        ({"AWS": ["arn:aws:iam::111122223333:root"]}, True),
        ("*", True),
        ({"AWS": "arn:aws:iam::111122223333:role/orders-admin"}, False),
        ({"AWS": "arn:aws:iam::444455556666:role/orders"}, False),
        ({"Service": "lambda.amazonaws.com"}, False),
    ],
)
def test_a_resource_policy_names_a_session_by_its_role_or_its_account(principal: Any, held: bool) -> None:
    assert allowed(statement(Principal=principal)) is held


def test_not_principal_leaves_those_named_out() -> None:
    assert not allowed(statement(NotPrincipal={"AWS": ROLE}))
    assert allowed(statement(NotPrincipal={"AWS": ROLE + "-admin"}))


@pytest.mark.parametrize(
    ("condition", "context", "held"),
    [
        (
            {"StringEquals": {"iam:PassedToService": "ecs.amazonaws.com"}},
            {"iam:passedtoservice": "ecs.amazonaws.com"},
            True,
        ),
        ({"StringEquals": {"iam:PassedToService": "ecs.amazonaws.com"}}, {}, False),
        ({"StringEqualsIfExists": {"aws:SourceVpc": "vpc-1"}}, {}, True),
        ({"StringNotEquals": {"aws:SourceVpc": "vpc-1"}}, {}, True),
        ({"StringLike": {"s3:prefix": "in/*"}}, {"s3:prefix": "in/a"}, True),
        ({"StringLike": {"s3:prefix": "in/*"}}, {"s3:prefix": "out/a"}, False),
        ({"ArnLike": {"aws:SourceArn": "arn:aws:s3:::media*"}}, {"aws:sourcearn": "arn:aws:s3:::media-eu"}, True),
        ({"ArnLike": {"aws:SourceArn": "arn:aws:*:media"}}, {"aws:sourcearn": "arn:aws:s3:::media"}, False),
        ({"Bool": {"aws:SecureTransport": False}}, {"aws:securetransport": "false"}, True),
        ({"IpAddress": {"aws:SourceIp": "10.0.0.0/8"}}, {"aws:sourceip": "10.2.3.4"}, True),
        ({"IpAddress": {"aws:SourceIp": "10.0.0.0/8"}}, {"aws:sourceip": "192.0.2.1"}, False),
        ({"NotIpAddress": {"aws:SourceIp": "10.0.0.0/8"}}, {"aws:sourceip": "192.0.2.1"}, True),
        ({"Null": {"aws:TokenIssueTime": "true"}}, {}, True),
        ({"ForAnyValue:StringEquals": {"aws:TagKeys": ["team"]}}, {"aws:tagkeys": "team"}, True),
        ({"ForAllValues:StringEquals": {"aws:TagKeys": ["team"]}}, {}, True),
    ],
)
def test_a_condition_holds_or_not_by_the_request(condition: Any, context: dict[str, str], held: bool) -> None:
    request = READ.but(context={key: (value,) for key, value in context.items()})
    assert allowed(statement(Condition=condition), request=request) is held


def test_it_abstains_on_an_operator_or_a_variable_that_it_does_not_know() -> None:
    with pytest.raises(Unknown, match="dateless"):
        allowed(
            statement(Condition={"DateLessThan": {"aws:CurrentTime": "2031-01-01"}}),
            request=READ.but(context={"aws:currenttime": ("2030",)}),
        )
    with pytest.raises(Unknown, match="variable"):
        allowed(statement(Resource="arn:aws:s3:::home/${aws:username}/*"))


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        ("{", "not JSON"),
        ("[]", "JSON object"),
        ('{"Version": "2020-01-01", "Statement": []}', "Version"),
        ('{"Statement": []}', "needs a Statement"),
        (json.dumps(statement(Effect="allow")), "Effect"),
        (json.dumps(statement(Sid="my statement")), "Sid"),
        (json.dumps(statement(Action="GetItem")), "no action"),
        (json.dumps(statement(Resource="orders")), "no ARN"),
        (json.dumps(statement(Resource=None)), "needs a Resource"),
        (json.dumps(statement(NotAction="s3:*")), "either Action or NotAction"),
        (json.dumps(statement(Principal={"Role": ROLE})), "no type of principal"),
        (json.dumps(statement(Actions="s3:*")), "no element"),
        ('{"Effect": "Allow", "Effect": "Deny", "Action": "s3:GetObject", "Resource": "*"}', "twice"),
        (json.dumps(statement(Resource=[TABLE + str(n) for n in range(200)])), "is 6144"),
        ("[" * 100_000, "nested too deeply"),
    ],
)
def test_a_document_that_aws_would_refuse_is_refused(content: str, problem: str) -> None:
    with pytest.raises(InvalidArtifact, match=problem):
        read_policy(content)


def test_the_layer_is_seen_from_the_form() -> None:
    def layer(**changes: Any) -> Layer:
        return layer_of(read_policy(json.dumps(statement(**changes))))

    assert layer() is Layer.IDENTITY
    assert layer(Principal={"AWS": ROLE}) is Layer.RESOURCE
    assert layer(Principal={"AWS": ROLE}, Action="sts:AssumeRole", Resource=None) is Layer.TRUST


def check(policy: dict[str, Any], denied: Denied, *placeholders: str) -> Proof:
    artifact = Artifact(
        kind=ArtifactKind.JSON_POLICY, title="t", content=json.dumps(policy), placeholders=placeholders, apply="a"
    )
    return prove(artifact, denied)


DENIED = Denied(Cause.MISSING_GRANT, "aws.dynamodb", SESSION, "dynamodb:GetItem", TABLE, ("dynamodb:GetItem",))


def test_the_denied_request_becomes_allowed_and_nothing_beside_it() -> None:
    proof = check(statement(), DENIED)
    assert (proof.outcome, proof.faults) == (Outcome.GRANTS, ())


@pytest.mark.parametrize(
    "changes",
    [
        {"Action": "dynamodb:PutItem"},
        {"Resource": TABLE + "-archive"},
        {"Resource": TABLE.replace("eu-west-1", "us-east-1")},
        {"Effect": "Deny", "Action": "s3:GetObject"},
    ],
)
def test_a_policy_that_misses_the_denied_request_is_not_proven(changes: dict[str, Any]) -> None:
    assert check(statement(**changes), DENIED).outcome in {Outcome.DOES_NOT_GRANT, Outcome.ABSTAINS}


@pytest.mark.parametrize(
    ("changes", "beside"),
    [
        ({"Action": ["dynamodb:GetItem", "dynamodb:DeleteItem"]}, "dynamodb:DeleteItem"),
        ({"Action": "dynamodb:Get*"}, "pattern"),
        ({"Action": None, "NotAction": "s3:*"}, "everything but some"),
        ({"Resource": TABLE + "*"}, "every resource like"),
        (
            {"Resource": None, "NotResource": "arn:aws:dynamodb:eu-west-1:111122223333:table/other"},
            "everything but some",
        ),
        ({"Principal": {"AWS": "arn:aws:iam::111122223333:root"}}, "user/neighbour"),
        ({"Principal": "*"}, "role/neighbour"),
    ],
)
def test_what_is_allowed_beside_it_is_named(changes: dict[str, Any], beside: str) -> None:
    assert beside in " ".join(check(statement(**changes), DENIED).overgrants)


@pytest.mark.parametrize(
    ("action", "resource", "fits"),
    [
        ("s3:GetObject", "arn:aws:s3:::media/logo.png", True),
        ("s3:GetObject", "arn:aws:s3:::media", False),
        ("s3:ListBucket", "arn:aws:s3:::media", True),
        ("s3:ListBucket", "arn:aws:s3:::media/*", False),
        ("kms:Decrypt", "arn:aws:kms:eu-west-1:111122223333:key/1a2b", True),
        ("kms:Decrypt", "arn:aws:kms:eu-west-1:111122223333:alias/app", False),
        ("logs:PutLogEvents", "arn:aws:logs:eu-west-1:111122223333:log-group:app:*", True),
        ("logs:PutLogEvents", "arn:aws:logs:eu-west-1:111122223333:log-group:app", False),
        ("sts:AssumeRole", "arn:aws:iam::111122223333:role/deploy", True),
        ("sts:AssumeRole", "arn:aws:iam::111122223333:user/deploy", False),
        ("ec2:DescribeInstances", "*", True),
        ("ec2:DescribeInstances", "arn:aws:ec2:eu-west-1:111122223333:instance/i-1", False),
    ],
)
def test_an_arn_has_the_form_that_its_action_takes(action: str, resource: str, fits: bool) -> None:
    proof = check(statement(Action=action, Resource=resource), Denied(action=action, missing=(action,)))
    assert (proof.outcome is Outcome.GRANTS) is fits


def test_the_layer_that_denied_decides_which_document_helps() -> None:
    by_queue = Denied(Cause.RESOURCE_POLICY, "aws", SESSION, "sqs:SendMessage", None, ("sqs:SendMessage",))
    queue = "arn:aws:sqs:eu-west-1:111122223333:jobs"
    without = statement(Action="sqs:SendMessage", Resource=queue)
    assert "names no principal" in check(without, by_queue).reason
    assert check(without | {"Principal": {"AWS": ROLE}}, by_queue).outcome is Outcome.GRANTS
    assert check(without | {"Principal": {"AWS": ROLE + "-x"}}, by_queue).outcome is Outcome.DOES_NOT_GRANT
    boundary = Denied(Cause.PERMISSION_BOUNDARY, "aws", SESSION, "dynamodb:GetItem", TABLE, ("dynamodb:GetItem",))
    assert check(statement(Principal={"AWS": ROLE}), boundary).outcome is Outcome.DOES_NOT_GRANT


def test_a_placeholder_stands_for_what_the_event_does_not_say() -> None:
    unsaid = Denied(Cause.MISSING_GRANT, "aws.s3", None, "s3:GetObject", None, ("s3:GetObject",))
    policy = statement(Action="s3:GetObject", Resource="arn:aws:s3:::BUCKET/OBJECT_KEY")
    assert check(policy, unsaid, "BUCKET", "OBJECT_KEY").outcome is Outcome.GRANTS
