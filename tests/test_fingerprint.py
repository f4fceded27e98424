"""The same denial is one failure, however many objects it hits; another missing permission is another failure."""

import random
import subprocess
import sys
import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from service.fingerprint import FINGERPRINT_VERSION, of_denial, of_text

ROLE = "arn:aws:sts::123456789012:assumed-role/checkout"
ECS = "arn:aws:ecs:us-east-1:123456789012"
EC2 = "arn:aws:ec2:us-east-1:123456789012"
LOGS = "arn:aws:logs:us-east-1:123456789012:log-group:/aws/lambda/resize"
SAME_PRINCIPAL = [
    (f"{ROLE}/i-0abc1234def567890", f"{ROLE}/botocore-session-1733303564"),
    (f"{ROLE}/alice@example.com", f'"{ROLE}/bob@example.com"'),
    ("AROAEXAMPLEID:session-1", "AROAEXAMPLEID:session-2"),
    ("system:node:ip-10-0-1-2.ec2.internal", "system:node:ip-10-0-9-9.ec2.internal"),
    ("'app'@'10.0.3.17'", "'app'@'10.0.4.2'"),
    ("web-7d9f8b6c5d-x2x4z", "web-bd9f8b6c54-zq8kp"),
]
DIFFERENT_PRINCIPAL = [
    (f"{ROLE}/s", "arn:aws:sts::123456789012:assumed-role/checkout-2/s"),
    (f"{ROLE}/s", "arn:aws:sts::210987654321:assumed-role/checkout/s"),
    ("arn:aws:iam::123456789012:user/app1", "arn:aws:iam::123456789012:user/app2"),
    ("system:serviceaccount:shop:checkout", "system:serviceaccount:shop2:checkout"),
    ("sa@proj-123456.iam.gserviceaccount.com", "sa@proj-654321.iam.gserviceaccount.com"),
    ("9b2d6e11-4f7a-4d0c-8a6e-1f2e3d4c5b6a", "0b2d6e11-4f7a-4d0c-8a6e-1f2e3d4c5b6a"),
    ("api_key:[redacted:google_api_key:3f9c]", "api_key:[redacted:google_api_key:11aa]"),
    ("203.0.113.74", "203.0.113.75"),
    ("app_rw", "app_ro"),
    ("app_rw", None),
    ("", None),
]
SAME_RESOURCE = [
    ("arn:aws:s3:::corp-docs/2024/a.pdf", "arn:aws:s3:::corp-docs/b/c.pdf"),
    ("s3://corp-docs/a", "s3://corp-docs/b/c"),
    ("gs://corp-docs/a", "gs://corp-docs/b"),
    ("projects/_/buckets/docs/objects/a.txt", "projects/_/buckets/docs/objects/b/c.txt"),
    ("https://acct.blob.core.windows.net/cont/a", "https://acct.blob.core.windows.net/cont/b?sv=1"),
    ('pods "web-7d9f8b6c5d-x2x4z"', 'pods "web-6c5d7d9f8b-b4bvm"'),
    ("jobs/backup-28391020-x7k2p", "jobs/backup-28391025-w4d9z"),
    (f"{ECS}:task/c/0123456789abcdef0123456789abcdef", f"{ECS}:task/c/fedcba9876543210fedcba9876543210"),
    (f"{EC2}:instance/i-0abc1234def567890", f"{EC2}:instance/i-0def4321abc567890"),
    (f"{LOGS}:log-stream:2024/01/15/[$LATEST]aa11", f"{LOGS}:log-stream:2024/01/16/[$LATEST]bb22"),
    ("https://api.example.com/v1/orders/123?trace=1", "https://api.example.com/v1/orders/77"),
    ("public.orders_2024_01_15", "public.orders_2024_01_16"),
    ("logs-2024.01.15", "logs-2024.12.31"),
    ("/operations/9b2d6e11-4f7a-4d0c-8a6e-1f2e3d4c5b6a", "/operations/0b2d6e11-4f7a-4d0c-8a6e-1f2e3d4c5b6b"),
    ("arn:aws:s3:::corp-docs/a.", '"arn:aws:s3:::corp-docs/b"'),
]
DIFFERENT_RESOURCE = [
    ("arn:aws:s3:::corp-docs/a", "arn:aws:s3:::corp-docs-2/a"),
    ("arn:aws:s3:::logs-111111111111/a", "arn:aws:s3:::logs-222222222222/a"),
    ("arn:aws:s3:::corp-docs", "arn:aws:s3:::corp-docs/a"),
    ("arn:aws:sqs:us-east-1:123456789012:jobs", "arn:aws:sqs:us-east-1:210987654321:jobs"),
    ("arn:aws:sqs:us-east-1:123456789012:jobs", "arn:aws:sqs:eu-west-1:123456789012:jobs"),
    (
        "arn:aws:kms:us-east-1:123456789012:key/9b2d6e11-4f7a-4d0c-8a6e-1f2e3d4c5b6a",
        "arn:aws:kms:us-east-1:123456789012:key/0b2d6e11-4f7a-4d0c-8a6e-1f2e3d4c5b6a",
    ),
    ("arn:aws:iam::123456789012:role/deploy-1", "arn:aws:iam::123456789012:role/deploy-2"),
    ("projects/149500152199/secrets/A", "projects/149500152198/secrets/A"),
    ("projects/149500152199/secrets/A", "projects/149500152199/secrets/B"),
    (
        "/subscriptions/9b2d6e11-4f7a-4d0c-8a6e-1f2e3d4c5b6a/resourceGroups/rg",
        "/subscriptions/0b2d6e11-4f7a-4d0c-8a6e-1f2e3d4c5b6a/resourceGroups/rg",
    ),
    ("anthropic.claude-sonnet-4-20250514-v1:0", "anthropic.claude-sonnet-4-20260101-v1:0"),
    ("9b2d6e11-4f7a-4d0c-8a6e-1f2e3d4c5b6a", "0b2d6e11-4f7a-4d0c-8a6e-1f2e3d4c5b6a"),
    ("namespaces/team-1/pods", "namespaces/team-2/pods"),
    ("public.orders", "public.orders_archive"),
    ("public.orders", "private.orders"),
    ("secrets", "configmaps"),
    ('secrets "db-password"', 'secrets "api-password"'),
    ("123456789012.dkr.ecr.us-east-1.amazonaws.com/app", "210987654321.dkr.ecr.us-east-1.amazonaws.com/app"),
    ("app-release20-prod", "app-release21-test"),
    (None, "*"),
]


def denial(principal: str | None = "app", action: str | None = "s3:GetObject", resource: str | None = "r") -> str:
    return of_denial("aws.s3", "missing_grant", principal, action, resource)


@pytest.mark.parametrize(("one", "other"), SAME_PRINCIPAL)
def test_sessions_nodes_and_pods_of_one_identity_are_one_failure(one: str, other: str) -> None:
    assert denial(principal=one) == denial(principal=other)


@pytest.mark.parametrize(("one", "other"), DIFFERENT_PRINCIPAL)
def test_another_identity_is_another_failure(one: str | None, other: str | None) -> None:
    assert denial(principal=one) != denial(principal=other)


@pytest.mark.parametrize(("one", "other"), SAME_RESOURCE)
def test_other_objects_of_one_resource_are_one_failure(one: str, other: str) -> None:
    assert denial(resource=one) == denial(resource=other)


@pytest.mark.parametrize(("one", "other"), DIFFERENT_RESOURCE)
def test_another_resource_is_another_failure(one: str | None, other: str | None) -> None:
    assert denial(resource=one) != denial(resource=other)


def test_another_action_system_or_cause_is_another_failure() -> None:
    names = {
        denial(),
        denial(action="s3:PutObject"),
        denial(action="s3:ListBucket"),
        denial(action=None),
        of_denial("aws.s3", "explicit_deny", "app", "s3:GetObject", "r"),
        of_denial("gcp.storage", "missing_grant", "app", "s3:GetObject", "r"),
        of_denial(None, None, "app", "s3:GetObject", "r"),
    }
    assert len(names) == 7


def test_an_actions_case_does_not_matter_since_vendors_mix_it() -> None:
    assert denial(action="sqs:ReceiveMessage") == denial(action="sqs:receivemessage")


def test_facts_cannot_slide_from_one_field_into_the_next() -> None:
    assert of_denial("a", "b", "c", "d e", "f") != of_denial("a", "b", "c d", "e", "f")
    assert of_denial("a", "b", 'c", "d', None, None) != of_denial("a", "b", "c", "d", None)


SAME_TEXT = [
    ("request 12 failed after 3.5s", "request 977 failed after 12.25s"),
    ("2024-12-04T09:12:44.118Z job failed", "2026-01-14T23:59:01.2Z job failed"),
    ("from 10.1.2.3:5432", "from 172.16.254.1:6543"),
    ("id 9b2d6e11-4f7a-4d0c-8a6e-1f2e3d4c5b6a", "id 0b2d6e11-aaaa-bbbb-8a6e-1f2e3d4c5b6a"),
    ("commit 3f2a9b7c1d4e", "commit a91b2c3d4e5f"),
    ("Request ID: DMQ1JBGWMB83PDQ0", "Request ID: AB12CD34EF56GH78"),
    ("at 0x7f3a2b1c00", "at 0x55aa"),
    ("pod web-7d9f8b6c5d-x2x4z", "pod web-bc5d7d9f8b-b4bvm"),
    ("key [redacted:xai_key:3f9c] refused", "key [redacted:xai_key:11aa] refused"),
    ("  two\n lines\t here", "two lines here"),
    ("\x1b[31mred\x1b[0m text", "red text"),
    ("line 87, in main", "line 88, in main"),
    ('{"request_id":"req_011CXw8h8A796q3f74EznTkv"}', '{"request_id":"req_011CZp4kLqW8nXv3YtHs7JdB"}'),
]
DIFFERENT_TEXT = [
    ("permission denied for table orders", "permission denied for table users"),
    ("ORA-01031: insufficient", "ORA-00942: insufficient"),
    ("[Errno 13] failed", "[Errno 1] failed"),
    ("Status Code: 403, x", "Status Code: 500, x"),
    ('"code": 7 x', '"code": 16 x'),
    ("AADSTS7000215: x", "AADSTS50105: x"),
    ("failed in step2", "failed in step3"),
    ("ERROR 1142 (42000)", "WARNING 1142 (42000)"),
]


@pytest.mark.parametrize(("one", "other"), SAME_TEXT)
def test_a_text_is_named_without_what_varies(one: str, other: str) -> None:
    assert of_text(one) == of_text(other)


@pytest.mark.parametrize(("one", "other"), DIFFERENT_TEXT)
def test_words_and_codes_tell_texts_apart(one: str, other: str) -> None:
    assert of_text(one) != of_text(other)


def test_only_the_head_of_a_long_text_counts() -> None:
    head = "word " * 1700
    assert of_text(head + "a") == of_text(head + "b")


def test_a_name_is_the_same_in_every_process() -> None:
    code = (
        "from service.fingerprint import of_denial, of_text\n"
        f"print(of_denial('aws.s3', 'missing_grant', '{ROLE}/s', 's3:GetObject', 'arn:aws:s3:::b/k'), of_text('x 1'))"
    )
    printed = {
        subprocess.run(
            [sys.executable, "-c", code], env={"PYTHONHASHSEED": seed}, capture_output=True, text=True, check=True
        ).stdout
        for seed in ("1", "2")
    }
    expected = of_denial("aws.s3", "missing_grant", f"{ROLE}/s", "s3:GetObject", "arn:aws:s3:::b/k"), of_text("x 1")
    assert printed == {" ".join(expected) + "\n"}


def test_names_are_pinned_to_the_version() -> None:
    assert FINGERPRINT_VERSION == 1
    assert denial() == "754dd36a398bc3b0bfaedac0319a3669"
    assert of_text("permission denied for table orders") == "8044d8d664fe5045897211638a5c1b18"


@given(st.text(max_size=300), st.text(max_size=300) | st.none(), st.text(max_size=300))
@settings(max_examples=150, deadline=None)
def test_any_unicode_has_a_name(one: str, two: str | None, three: str) -> None:
    for name in (of_text(one), of_denial(one, two, three, one, two)):
        assert len(name) == 32
        assert int(name, 16) >= 0


@given(st.from_regex(r"[a-z]{3,12}", fullmatch=True), st.text(max_size=40), st.text(max_size=40))
@settings(max_examples=100, deadline=None)
def test_object_keys_never_matter(bucket: str, one: str, other: str) -> None:
    assert denial(resource=f"arn:aws:s3:::{bucket}/{one}x") == denial(resource=f"arn:aws:s3:::{bucket}/{other}x")


@given(st.lists(st.from_regex(r"[a-zA-Z]{1,10}", fullmatch=True), min_size=1, max_size=8), st.data())
@settings(max_examples=100, deadline=None)
def test_only_numbers_fold_in_plain_words(words: list[str], data: st.DataObject) -> None:
    changed = [*words]
    changed[data.draw(st.integers(0, len(words) - 1))] += "x"
    assert of_text(" ".join(words)) != of_text(" ".join(changed))
    assert of_text(" ".join([*words, "17"])) == of_text(" ".join([*words, "4711"]))


HOSTILE = ["a", "1", "a1", "-", "-b4", "i-0", "/", "20", "2024-", "arn:aws:", "0x", "é", "A1b", ".", "1.1.", "code="]


@pytest.mark.parametrize("piece", HOSTILE)
def test_time_grows_with_the_text_and_not_faster(piece: str) -> None:
    def cost(length: int) -> float:
        text = (piece * length)[:length]
        times = []
        for extra in range(3):
            started = time.process_time()
            of_text(text[extra:])
            of_denial("s", "c", text[extra:], text[extra:], text[extra:])
            times.append(time.process_time() - started)
        return min(times)

    assert cost(8000) < 0.001 + 30 * cost(1000)


def test_a_message_costs_microseconds() -> None:
    rng = random.Random(7)
    numbers = [rng.randrange(10**6) for _ in range(4000)]
    messages = [f"user {number} on 10.0.{i % 255}.7 denied in step{i % 50}" for i, number in enumerate(numbers)]
    started = time.process_time()
    names = {of_text(message) for message in messages}
    assert len(names) == 50
    assert (time.process_time() - started) / len(messages) < 150e-6
