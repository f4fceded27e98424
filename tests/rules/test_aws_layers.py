"""AWS says one sentence through many carriers: each must give the same layer, principal, action and resource."""

import html
import json
import textwrap
from collections.abc import Callable
from dataclasses import dataclass
from itertools import product

import pytest
from shipped_rules import MATCHER

from service.domain import Cause
from service.match.matcher import Matcher


@dataclass(frozen=True)
class Request:
    """Who asked for what, as the sentence prints it."""

    principal: str
    action: str
    resource: str | None
    permission: str

    def says(self, reason: str) -> str:
        quoted = f'"{self.resource}"' if self.action.startswith("s3:") else self.resource
        on = f" on resource: {quoted}" if self.resource else ""
        ending = reason.format(action=self.action)
        return f"User: {self.principal} is not authorized to perform: {self.action}{on}{ending and ' '}{ending}"


REQUESTS = {
    "role on table": Request(
        "arn:aws:sts::111122223333:assumed-role/orders-api/i-0a1b2c3d4e5f60718",
        "dynamodb:GetItem",
        "arn:aws:dynamodb:eu-west-1:111122223333:table/orders",
        "dynamodb:GetItem",
    ),
    "user on object": Request(
        "arn:aws:iam::111122223333:user/ops/lena",
        "s3:GetObject",
        "arn:aws:s3:::reports-eu/2031/q1,final+v2.csv",
        "s3:GetObject",
    ),
    "permission set in another partition": Request(
        "arn:aws-us-gov:sts::111122223333:assumed-role/AWSReservedSSO_Dev_0123456789abcdef/lena=ops@corp.example",
        "ec2:RunInstances",
        "arn:aws-us-gov:ec2:us-gov-west-1:111122223333:instance/*",
        "ec2:RunInstances",
    ),
    "federated on a topic elsewhere": Request(
        "arn:aws-cn:sts::111122223333:federated-user/broker-7",
        "SNS:Publish",
        "arn:aws-cn:sns:cn-north-1:444455556666:alerts",
        "sns:Publish",
    ),
    "lower-case action": Request(
        "arn:aws:sts::111122223333:assumed-role/feed/w1",
        "sqs:receivemessage",
        "arn:aws:sqs:us-east-1:111122223333:jobs",
        "sqs:ReceiveMessage",
    ),
    "masked accounts": Request(
        "arn:aws:sts::***:assumed-role/ci-deploy/GitHubActions",
        "secretsmanager:GetSecretValue",
        "arn:aws:secretsmanager:eu-west-1:***:secret:prod/db-a1B2c3",
        "secretsmanager:GetSecretValue",
    ),
    "IAM entity by name": Request(
        "arn:aws:iam::111122223333:user/lena", "iam:AttachRolePolicy", "role report-fn", "iam:AttachRolePolicy"
    ),
    "every resource": Request(
        "arn:aws:sts::111122223333:assumed-role/web-exec/4f",
        "ecr:GetAuthorizationToken",
        "*",
        "ecr:GetAuthorizationToken",
    ),
    "no resource": Request(
        "arn:aws:iam::111122223333:root", "codecommit:ListRepositories", None, "codecommit:ListRepositories"
    ),
}

_ALLOWS = "because no {layer} allows the {{action}} action"
_DENIES = "with an explicit deny in {layer}"
_SCP = "arn:aws:organizations::999988887777:policy/o-ab12cd34ef/service_control_policy/p-q1w2e3r4"
REASONS = {
    "identity": (_ALLOWS.format(layer="identity-based policy"), Cause.MISSING_GRANT),
    "resource": (_ALLOWS.format(layer="resource-based policy"), Cause.RESOURCE_POLICY),
    "boundary": (_ALLOWS.format(layer="permissions boundary"), Cause.PERMISSION_BOUNDARY),
    "session": (_ALLOWS.format(layer="session policy"), Cause.TOKEN_OR_KEY_RESTRICTED),
    "scp": (_ALLOWS.format(layer="service control policy"), Cause.ORG_POLICY),
    "rcp": (_ALLOWS.format(layer="resource control policy"), Cause.ORG_POLICY),
    "endpoint": (_ALLOWS.format(layer="VPC endpoint policy"), Cause.RESOURCE_POLICY),
    "trust": (_ALLOWS.format(layer="role trust policy"), Cause.RESOURCE_POLICY),
    "identity denies": (_DENIES.format(layer="an identity-based policy"), Cause.EXPLICIT_DENY),
    "resource denies": (_DENIES.format(layer="a resource-based policy"), Cause.EXPLICIT_DENY),
    "boundary denies": (_DENIES.format(layer="a permissions boundary"), Cause.PERMISSION_BOUNDARY),
    "session denies": (_DENIES.format(layer="a session policy"), Cause.TOKEN_OR_KEY_RESTRICTED),
    "scp denies": (_DENIES.format(layer="a service control policy"), Cause.ORG_POLICY),
    "rcp denies": (_DENIES.format(layer="a resource control policy"), Cause.ORG_POLICY),
    "endpoint denies": (_DENIES.format(layer="a VPC endpoint policy"), Cause.EXPLICIT_DENY),
    "trust denies": (_DENIES.format(layer="the role trust policy"), Cause.EXPLICIT_DENY),
    "identity denies, named": (
        _DENIES.format(layer="an identity-based policy: arn:aws:iam::111122223333:policy/Guard"),
        Cause.EXPLICIT_DENY,
    ),
    "boundary denies, named": (
        _DENIES.format(layer="a permissions boundary: arn:aws:iam::111122223333:policy/Ceiling"),
        Cause.PERMISSION_BOUNDARY,
    ),
    "scp denies, named": (_DENIES.format(layer=f"a service control policy: {_SCP}"), Cause.ORG_POLICY),
    "scp denies through an endpoint": (
        _DENIES.format(layer="a VPC endpoint policy transitively through a service control policy"),
        Cause.ORG_POLICY,
    ),
    "some layer denies": ("with an explicit deny", Cause.EXPLICIT_DENY),
    "no reason": ("", Cause.MISSING_GRANT),
}


def _boto(says: str) -> str:
    return f"botocore.exceptions.ClientError: An error occurred (AccessDenied) when calling the Ask operation: {says}"


def _cli(says: str) -> str:
    command = "$ aws --region eu-west-1 svc ask --id 7"
    return f"{command}\n\nAn error occurred (AccessDenied) when calling the Ask operation: {says}\n$ "


def _python_repr(says: str) -> str:
    return repr({"statusCode": 500, "body": _boto(says)})


def _java_v1(says: str) -> str:
    tail = "(Service: AmazonX; Status Code: 400; Error Code: AccessDeniedException; Request ID: 0F1E2D; Proxy: null)"
    return (
        f"com.amazonaws.services.x.model.AmazonXException: {says} {tail}\n\tat com.amazonaws.http.A.execute(A.java:1)"
    )


def _java_v2(says: str) -> str:
    return f"awssdk.services.x.model.XException: {says} (Service: X, Status Code: 403, Request ID: 0F1E2D)"


def _go_v1(says: str) -> str:
    return f"Error: error reading X: AccessDeniedException: {says}\n\tstatus code: 400, request id: 0f1e2d-33"


def _go_v2(says: str) -> str:
    head = "operation error X: Ask, https response error StatusCode: 403, RequestID: 0f1e, HostID: a/b="
    return f"{head}, api error AccessDenied: {says}"


def _javascript(says: str) -> str:
    return f"AccessDeniedException: {says}\n    at throwDefaultError (/srv/@smithy/smithy-client/index.js:8:22)"


def _ruby(says: str) -> str:
    return f"Aws::X::Errors::AccessDenied: {says}\n\tfrom /gems/aws-sdk-core/plugins/raise_response_errors.rb:17"


def _rust(says: str) -> str:
    error = f'Error {{ code: "AccessDeniedException", message: {json.dumps(says)} }}'
    return f"service error: unhandled error (AccessDeniedException): {error}"


def _docker(says: str) -> str:
    return f"Error response from daemon: pull access denied for shop/api: denied: {says}."


def _ecs(says: str) -> str:
    head = "ResourceInitializationError: unable to pull secrets or registry auth: execution resource retrieval failed"
    tried = "unable to retrieve secret from asm: service call has been retried 1 time(s)"
    return f"{head}: {tried}: AccessDeniedException: {says} status code: 400, request id: 7"


def _cloudformation(says: str) -> str:
    message = f'"{says} (Service: X, Status Code: 403, Request ID: 7)"'
    return f"Resource handler returned message: {message} (RequestToken: 1a2b, HandlerErrorCode: AccessDenied)"


def _cloudformation_old(says: str) -> str:
    return f"ROLLBACK  API: svc:Ask {says}"


def _terraform(says: str) -> str:
    place = 'on main.tf line 12, in resource "aws_x" "thing":'
    return f"╷\n│ Error: reading X (thing): {_go_v2(says)}\n│ \n│   with aws_x.thing,\n│   {place}\n╵"


def _terraform_narrow(says: str) -> str:
    text = f"Error: reading X: {_go_v2(says)}"
    lines = textwrap.wrap(text, width=60, break_long_words=False, break_on_hyphens=False)
    return "╷\n" + "\n".join(f"│ {line}" for line in lines) + "\n│ \n│   with aws_x.thing,\n╵"


def _cloudtrail(says: str) -> str:
    caller = {"type": "AssumedRole", "arn": "arn:aws:sts::777788889999:assumed-role/other/one"}
    event = {"eventSource": "x.amazonaws.com", "eventName": "Ask", "errorCode": "AccessDenied", "errorMessage": says}
    return json.dumps({"eventVersion": "1.09", "userIdentity": caller, **event, "requestParameters": None}, indent=2)


def _lambda_error(says: str) -> str:
    return json.dumps({"errorMessage": says, "errorType": "AccessDeniedException", "stackTrace": ["Object.x (a.js:4)"]})


def _doubly_escaped(says: str) -> str:
    inner = json.dumps({"level": "error", "message": f"call failed: {says}"})
    return json.dumps({"log": inner + "\n", "stream": "stderr"})


def _xml(says: str) -> str:
    return f"<Error><Code>AccessDenied</Code><Message>{html.escape(says)}</Message><RequestId>7</RequestId></Error>"


def _coloured(says: str) -> str:
    return f"\x1b[31mERROR\x1b[0m 2031-01-01T00:00:00Z job=7 \x1b[1m{says}\x1b[0m\r\n"


def _dotnet(says: str) -> str:
    inner = "Amazon.Runtime.Internal.HttpErrorResponseException: Exception of that type was thrown."
    return f"Amazon.X.AmazonXException: {says}\n ---> {inner}\n   at Amazon.Runtime.HttpWebRequestMessage.GetResponse()"


def _php(says: str) -> str:
    body = f"<ErrorResponse><Error><Code>AccessDenied</Code><Message>{says}</Message></Error></ErrorResponse>"
    head = 'Error executing "Ask" on "https://x.eu-west-1.amazonaws.com"; AWS HTTP error: Client error: 403 Forbidden'
    return f"PHP Fatal error: Uncaught Aws\\Exception\\AwsException: {head} AccessDenied (client): {says} - {body}"


def _json_body(says: str) -> str:
    return json.dumps({"__type": "com.amazon.coral.service#AccessDeniedException", "Message": says})


def _cdk(says: str) -> str:
    row = "shop |  3/9 | 10:11:12 AM | CREATE_FAILED        | AWS::X::Thing | Thing (Thing1A2B)"
    return f'{row} Resource handler returned message: "{says} (Service: X, Status Code: 403, Request ID: 7)"'


def _serverless(says: str) -> str:
    return f"Error:\nCREATE_FAILED: Thing (AWS::X::Thing)\n{says} (Service: X, Status Code: 403, Request ID: 7)\n"


def _pulumi(says: str) -> str:
    return f"error: 1 error occurred:\n\t* creating urn:pulumi:dev::app::aws:x/thing:Thing::t: {_go_v2(says)}\n"


def _step_functions(says: str) -> str:
    return json.dumps({"error": "X.AccessDeniedException", "cause": f"{says} (Service: X; Status Code: 403)"})


def _event_bus(says: str) -> str:
    detail = {"eventName": "Ask", "errorCode": "AccessDenied", "errorMessage": says}
    return json.dumps({"source": "aws.x", "detail-type": "AWS API Call via CloudTrail", "detail": detail})


def _controller_log(says: str) -> str:
    return f'time="2031-01-01T00:00:00Z" level=error msg="AccessDenied: {says}\\n\\tstatus code: 403, request id: 7"'


def _eksctl(says: str) -> str:
    return f"2031-01-01 00:00:00 [x]  AWS::X::Thing/T: CREATE_FAILED: {json.dumps(says)}\nError: failed to create"


def _codebuild(says: str) -> str:
    return f"ACCESS_DENIED: Service role does not allow AWS CodeBuild to write for build x:12. Error message: {says}"


def _authorization_id(says: str) -> str:
    return f"An error occurred (AccessDenied): {says}. Authorization ID: 7b1c2d3e-4f50-6172-8394-a5b6c7d8e9f0"


CARRIERS: list[Callable[[str], str]] = [
    str, _boto, _cli, _python_repr, _java_v1, _java_v2, _go_v1, _go_v2, _javascript, _ruby, _rust, _docker, _ecs,
    _cloudformation, _cloudformation_old, _terraform, _terraform_narrow, _cloudtrail, _lambda_error, _doubly_escaped,
    _xml, _coloured, _dotnet, _php, _json_body, _cdk, _serverless, _pulumi, _step_functions, _event_bus,
    _controller_log, _eksctl, _codebuild, _authorization_id,
]  # fmt: skip

OPERATIONS = {
    ("S3", "HeadObject"): "s3:GetObject",
    ("S3", "ListObjectsV2"): "s3:ListBucket",
    ("S3", "GetObjectLockConfiguration"): "s3:GetBucketObjectLockConfiguration",
    ("S3", "PutBucketEncryption"): "s3:PutEncryptionConfiguration",
    ("Lambda", "Invoke"): "lambda:InvokeFunction",
    ("SQS", "SendMessageBatch"): "sqs:SendMessage",
    ("Secrets Manager", "GetSecretValue"): "secretsmanager:GetSecretValue",
    ("CloudWatch Logs", "PutLogEvents"): "logs:PutLogEvents",
    ("SFN", "StartExecution"): "states:StartExecution",
    ("EC2", "DescribeInstances"): "ec2:DescribeInstances",
    ("IAM", "AttachRolePolicy"): "iam:AttachRolePolicy",
    ("Bedrock Runtime", "Converse"): "bedrock:InvokeModel",
    ("Elastic Load Balancing v2", "DescribeTargetGroups"): "elasticloadbalancing:DescribeTargetGroups",
}
BARE: dict[str, str] = {
    "boto": "An error occurred (AccessDenied) when calling the {operation} operation: Access Denied",
    "go": "operation error {client}: {operation}, https response error StatusCode: 403, RequestID: 7, api error "
    "AccessDenied: Access Denied",
    "javascript": "AccessDenied: Access Denied\n    at throwDefaultError (i.js:8)\n"
    "    at de_{operation}CommandError (a.js:1)",
    "php": 'Error executing "{operation}" on "https://x.example/"; AWS HTTP error: Client error: 403 Forbidden',
}


@pytest.fixture
def matcher() -> Matcher:
    return MATCHER


@pytest.mark.parametrize("carrier", CARRIERS, ids=lambda carrier: carrier.__name__.strip("_"))
def test_the_sentence_reads_the_same_in_every_carrier(matcher: Matcher, carrier: Callable[[str], str]) -> None:
    for (reason, (ending, cause)), (name, request) in product(REASONS.items(), REQUESTS.items()):
        match = matcher.match(carrier(request.says(ending)), {})

        assert match is not None, (reason, name)
        assert match.rule.id.startswith("aws."), (reason, name)
        assert (match.cause, match.principal, match.action, match.resource) == (
            cause,
            request.principal,
            request.action,
            request.resource,
        ), (reason, name, match.rule.id)


@pytest.mark.parametrize("reason", REASONS)
def test_each_layer_names_the_permission_as_iam_writes_it(matcher: Matcher, reason: str) -> None:
    for name, request in REQUESTS.items():
        match = matcher.match(request.says(REASONS[reason][0]), {})

        assert match is not None
        assert match.answer("a").missing_permissions == (request.permission,), name


@pytest.mark.parametrize("form", BARE)
@pytest.mark.parametrize(("client", "operation"), OPERATIONS)
def test_a_bare_operation_names_its_permission(matcher: Matcher, client: str, operation: str, form: str) -> None:
    match = matcher.match(BARE[form].format(client=client, operation=operation), {})

    assert match is not None
    answer = match.answer("a")
    assert (answer.action, answer.missing_permissions) == (operation, (OPERATIONS[client, operation],))
    assert answer.principal is None


def test_what_a_call_needs_next_is_offered_apart_and_never_granted(matcher: Matcher) -> None:
    reads = REQUESTS["user on object"].says(REASONS["identity"][0])
    match = matcher.match(reads, {})

    assert match is not None
    fix = match.answer("a").fix
    assert fix is not None
    first, offered = (one for one in fix.artifacts if one.kind == "json-policy")
    assert ("s3:GetObject" in first.content, "kms:Decrypt" in first.content) == (True, False)
    assert offered.title.startswith("Optional")
    assert ("kms:Decrypt" in offered.content, "KEY_ARN" in offered.placeholders) == (True, True)
    assert "kms:Decrypt: the object is encrypted" in offered.apply


@pytest.mark.parametrize(
    "reason", ["scp", "rcp denies", "identity denies", "boundary denies, named", "endpoint denies"]
)
def test_a_guardrail_offers_nothing_that_would_be_needed_next(matcher: Matcher, reason: str) -> None:
    match = matcher.match(REQUESTS["user on object"].says(REASONS[reason][0]), {})

    assert match is not None
    fix = match.answer("a").fix
    assert fix is not None
    assert not [one.title for one in fix.artifacts if one.title.startswith("Optional")]
