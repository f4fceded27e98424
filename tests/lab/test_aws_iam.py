"""AWS policies on a server that enforces IAM: a denied call is explained, the first artifact applied, and it passes.

The server checks resources for S3, SQS, IAM and STS; for other services it enforces the action alone, so these
cases are calls whose action takes no resource.
"""

import json
from collections.abc import Callable, Iterator
from itertools import count
from typing import Any

import boto3
import pytest
from botocore.config import Config
from botocore.exceptions import ClientError
from moto.core import enable_iam_authentication
from moto.server import ThreadedMotoServer
from remedy import explain, remedies

ACCOUNT, REGION = "123456789012", "eu-west-1"
ROLE = f"arn:aws:iam::{ACCOUNT}:role/"
_NUMBERS = count()

Call = Callable[["Cloud"], Any]


class Cloud:
    """The clients of one identity. `name` is its user's."""

    def __init__(self, url: str, name: str, key: str, secret: str, token: str | None = None) -> None:
        self.name = name
        self.url, self._keys = url, (key, secret, token)

    def client(self, service: str) -> Any:
        """A client that asks once."""
        key, secret, token = self._keys
        return boto3.client(
            service,
            endpoint_url=self.url,
            region_name=REGION,
            aws_access_key_id=key,
            aws_secret_access_key=secret,
            aws_session_token=token,
            config=Config(retries={"total_max_attempts": 1}, s3={"addressing_style": "path"}),
        )

    def queue(self, name: str) -> str:
        """The address of a queue, which the admin told."""
        return f"{self.url}/{ACCOUNT}/{name}"


@pytest.fixture(scope="module")
def admin() -> Iterator[Cloud]:
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    cloud = Cloud(f"http://{host}:{port}", "admin", "admin", "admin")
    _furnish(cloud)
    yield cloud
    server.stop()


def _furnish(cloud: Cloud) -> None:
    store, queues, iam = cloud.client("s3"), cloud.client("sqs"), cloud.client("iam")
    for bucket in ("reports", "salaries"):
        store.create_bucket(Bucket=bucket, CreateBucketConfiguration={"LocationConstraint": REGION})
        for key in ("2031/q1.csv", "2031/q2.csv"):
            store.put_object(Bucket=bucket, Key=key, Body=b"1")
    for queue in ("jobs", "payments"):
        queues.create_queue(QueueName=queue)
    for role in ("deploy", "audit"):
        trust = {"Effect": "Allow", "Principal": {"AWS": "*"}, "Action": "sts:AssumeRole"}
        policy = {"Version": "2012-10-17", "Statement": [trust]}
        iam.create_role(RoleName=role, AssumeRolePolicyDocument=json.dumps(policy))


@pytest.fixture
def user(admin: Cloud) -> Cloud:
    """A new user who may do nothing."""
    return _new_user(admin)


def _new_user(admin: Cloud) -> Cloud:
    name = f"clerk-{next(_NUMBERS)}"
    admin.client("iam").create_user(UserName=name)
    key = admin.client("iam").create_access_key(UserName=name)["AccessKey"]
    return Cloud(admin.url, name, key["AccessKeyId"], key["SecretAccessKey"])


def refusal(user: Cloud, call: Call) -> str | None:
    """The error that the SDK raises, as a log has it; None where the call passes."""
    with enable_iam_authentication():
        try:
            call(user)
        except ClientError as error:
            return f"botocore.exceptions.ClientError: {error}"
    return None


def attach(admin: Cloud, user: Cloud, policy: str) -> None:
    admin.client("iam").put_user_policy(UserName=user.name, PolicyName=f"p{next(_NUMBERS)}", PolicyDocument=policy)


Q1 = {"BUCKET": "reports", "OBJECT_KEY": "2031/q1.csv"}
JOBS = {
    "REGION": REGION,
    "ACCOUNT_ID": ACCOUNT,
    "QUEUE": "jobs",
    "RESOURCE_ARN": f"arn:aws:sqs:{REGION}:{ACCOUNT}:jobs",
}
DEPLOY = {"ROLE_ARN": ROLE + "deploy", "RESOURCE_ARN": ROLE + "deploy", "ACCOUNT_ID": ACCOUNT, "ROLE_NAME": "deploy"}
CASES: dict[str, tuple[Call, Call, dict[str, str]]] = {
    "s3:GetObject": (
        lambda c: c.client("s3").get_object(Bucket="reports", Key="2031/q1.csv"),
        lambda c: c.client("s3").get_object(Bucket="reports", Key="2031/q2.csv"),
        Q1,
    ),
    "s3:GetObject by HeadObject": (
        lambda c: c.client("s3").head_object(Bucket="reports", Key="2031/q1.csv"),
        lambda c: c.client("s3").head_object(Bucket="salaries", Key="2031/q1.csv"),
        Q1,
    ),
    "s3:PutObject": (
        lambda c: c.client("s3").put_object(Bucket="reports", Key="2031/q1.csv", Body=b"2"),
        lambda c: c.client("s3").get_object(Bucket="reports", Key="2031/q1.csv"),
        Q1,
    ),
    "s3:DeleteObject": (
        lambda c: c.client("s3").delete_object(Bucket="reports", Key="2031/q1.csv"),
        lambda c: c.client("s3").delete_object(Bucket="reports", Key="2031/q2.csv"),
        Q1,
    ),
    "s3:ListBucket": (
        lambda c: c.client("s3").list_objects_v2(Bucket="reports"),
        lambda c: c.client("s3").list_objects_v2(Bucket="salaries"),
        Q1,
    ),
    "s3:ListAllMyBuckets": (
        lambda c: c.client("s3").list_buckets(),
        lambda c: c.client("s3").list_objects_v2(Bucket="salaries"),
        {},
    ),
    "sqs:SendMessage": (
        lambda c: c.client("sqs").send_message(QueueUrl=c.queue("jobs"), MessageBody="x"),
        lambda c: c.client("sqs").send_message(QueueUrl=c.queue("payments"), MessageBody="x"),
        JOBS,
    ),
    "sqs:ReceiveMessage": (
        lambda c: c.client("sqs").receive_message(QueueUrl=c.queue("jobs")),
        lambda c: c.client("sqs").purge_queue(QueueUrl=c.queue("jobs")),
        JOBS,
    ),
    "sqs:GetQueueAttributes": (
        lambda c: c.client("sqs").get_queue_attributes(QueueUrl=c.queue("jobs")),
        lambda c: c.client("sqs").get_queue_attributes(QueueUrl=c.queue("payments")),
        JOBS,
    ),
    "iam:GetRole": (
        lambda c: c.client("iam").get_role(RoleName="deploy"),
        lambda c: c.client("iam").get_role(RoleName="audit"),
        DEPLOY,
    ),
    "iam:ListRolePolicies": (
        lambda c: c.client("iam").list_role_policies(RoleName="deploy"),
        lambda c: c.client("iam").delete_role(RoleName="deploy"),
        DEPLOY,
    ),
    "iam:ListUsers": (lambda c: c.client("iam").list_users(), lambda c: c.client("iam").list_roles(), {}),
    "ec2:DescribeInstances": (
        lambda c: c.client("ec2").describe_instances(),
        lambda c: c.client("ec2").describe_vpcs(),
        {},
    ),
    "ec2:DescribeSubnets": (
        lambda c: c.client("ec2").describe_subnets(),
        lambda c: c.client("ec2").create_vpc(CidrBlock="10.0.0.0/16"),
        {},
    ),
    "sns:ListTopics": (lambda c: c.client("sns").list_topics(), lambda c: c.client("sns").create_topic(Name="x"), {}),
    "dynamodb:ListTables": (
        lambda c: c.client("dynamodb").list_tables(),
        lambda c: c.client("dynamodb").describe_table(TableName="x"),
        {},
    ),
    "kms:ListKeys": (lambda c: c.client("kms").list_keys(), lambda c: c.client("kms").create_key(), {}),
    "secretsmanager:ListSecrets": (
        lambda c: c.client("secretsmanager").list_secrets(),
        lambda c: c.client("secretsmanager").get_secret_value(SecretId="x"),
        {},
    ),
    "ssm:DescribeParameters": (
        lambda c: c.client("ssm").describe_parameters(),
        lambda c: c.client("ssm").get_parameter(Name="x"),
        {},
    ),
    "ecr:GetAuthorizationToken": (
        lambda c: c.client("ecr").get_authorization_token(),
        lambda c: c.client("ecr").describe_repositories(),
        {},
    ),
    "logs:DescribeLogGroups": (
        lambda c: c.client("logs").describe_log_groups(),
        lambda c: c.client("logs").create_log_group(logGroupName="x"),
        {},
    ),
    "sts:AssumeRole": (
        lambda c: c.client("sts").assume_role(RoleArn=ROLE + "deploy", RoleSessionName="session"),
        lambda c: c.client("sts").assume_role(RoleArn=ROLE + "audit", RoleSessionName="session"),
        DEPLOY,
    ),
}


@pytest.mark.parametrize("name", list(CASES))
def test_the_first_artifact_lets_the_denied_call_pass_and_no_neighbour(name: str, admin: Cloud, user: Cloud) -> None:
    call, neighbour, known = CASES[name]
    text = refusal(user, call)
    assert text
    assert explain(text).missing_permissions == (name.partition(" ")[0],)
    attach(admin, user, remedies(text, known)[0])
    assert refusal(user, call) is None
    assert refusal(user, neighbour)


def test_a_role_that_does_not_trust_the_caller_trusts_him_and_nobody_else_afterwards(admin: Cloud, user: Cloud) -> None:
    role = f"closed-{user.name}"
    trust = {"Effect": "Allow", "Principal": {"AWS": ROLE + "nobody"}, "Action": "sts:AssumeRole"}
    admin.client("iam").create_role(RoleName=role, AssumeRolePolicyDocument=_policy_of(trust))

    def assume(cloud: Cloud) -> object:
        return cloud.client("sts").assume_role(RoleArn=ROLE + role, RoleSessionName="session")

    text = refusal(user, assume)
    assert text
    of_caller, of_role, *_ = remedies(text, {"ROLE_ARN": ROLE + role})
    attach(admin, user, of_caller)
    assert refusal(user, assume), "the caller's own policy is half of it"
    admin.client("iam").update_assume_role_policy(RoleName=role, PolicyDocument=_policy_of(json.loads(of_role)))
    assert refusal(user, assume) is None
    other = _new_user(admin)
    attach(admin, other, of_caller)
    assert refusal(other, assume)


def _policy_of(statement: object) -> str:
    return json.dumps({"Version": "2012-10-17", "Statement": [statement]})
