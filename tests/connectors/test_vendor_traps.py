"""What is easily got wrong of a vendor's proof, one test for each trap."""

import base64
import gzip
import hmac
import json
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from public_keys import certificate_of, key_set_of, new_key, token_of

from connectors import discover
from connectors.aws_signature import signed_text
from connectors.base import Auth, Delivery, KeyNeeded, Unauthenticated, Unparseable
from connectors.codings import decode

NOW = datetime(2026, 3, 2, 10, 0, tzinfo=UTC)
KEY = new_key()
SECRET = "a-signing-secret-for-tests"
CONNECTORS = discover()


def delivery(raw: bytes = b"{}", **more: Any) -> Delivery:
    return replace(Delivery("POST", "", {}, {}, raw, raw, NOW), **more)


def accepts(name: str, given: Delivery, auth: Auth) -> bool:
    try:
        CONNECTORS[name].authenticate(given, auth)
    except Unauthenticated:
        return False
    return True


def digest(signed: bytes) -> str:
    return hmac.new(SECRET.encode(), signed, "sha256").hexdigest()


def test_any_signature_in_pagerdutys_list_may_be_the_right_one() -> None:
    right, wrong, auth = f"v1={digest(b'{}')}", f"v1={'0' * 64}", Auth("signature", (SECRET,))
    for listed, expected in ((f"{wrong},{right}", True), (f"{right}, {wrong}", True), (f"{wrong},{wrong}", False)):
        assert accepts("pagerduty", delivery(headers={"x-pagerduty-signature": listed}), auth) is expected


@pytest.mark.parametrize(
    ("signed", "stamp", "expected"),
    [(b"{}", None, True), (b"1772445600:{}", "1772445600", True), (b"{}", "1772445600", False)],
)
def test_grafana_signs_the_time_only_where_it_sends_one(signed: bytes, stamp: str | None, expected: bool) -> None:
    headers = {"x-grafana-alerting-signature": digest(signed)}
    headers |= {"x-grafana-alerting-timestamp": stamp} if stamp else {}
    assert accepts("grafana", delivery(headers=headers), Auth("signature", (SECRET,))) is expected


# --- Amazon SNS

TOPIC = "arn:aws:sns:eu-west-1:111122223333:alarms"
CERTIFICATE = "https://sns.eu-west-1.amazonaws.com/SimpleNotificationService-1.pem"
SNS = Auth("signature", senders=(TOPIC,))


def message(**more: Any) -> dict[str, Any]:
    return {
        "Type": "Notification",
        "MessageId": "m-1",
        "TopicArn": TOPIC,
        "Message": "permission denied for table orders",
        "Timestamp": "2026-03-02T09:59:59.000Z",
        "SignatureVersion": "2",
        "SigningCertURL": CERTIFICATE,
        **more,
    }


def signed(told: dict[str, Any]) -> dict[str, Any]:
    return {**told, "Signature": base64.b64encode(KEY.sign(signed_text(told), PKCS1v15(), hashes.SHA256())).decode()}


def from_sns(told: dict[str, Any], **more: Any) -> Delivery:
    return delivery(json.dumps(told).encode(), keys={CERTIFICATE: certificate_of(KEY)}, **more)


@pytest.mark.parametrize(
    "address",
    [
        "https://sns.eu-west-1.amazonaws.com.attacker.example/a.pem",
        "https://sns.eu-west-1.amazonaws.com@attacker.example/a.pem",
        "https://attacker.example/sns.eu-west-1.amazonaws.com/a.pem",
        "https://snsXeu-west-1.amazonaws.com/a.pem",
        "https://my-bucket.s3.amazonaws.com/a.pem",
        "https://sns.eu-west-1.amazonaws.com:8443/a.pem",
        "http://sns.eu-west-1.amazonaws.com/a.pem",
        "https://sns.eu-west-1.amazonaws.com/a.pem.txt",
    ],
)
def test_no_address_but_amazons_own_is_asked_for_a_certificate_or_visited(address: str) -> None:
    assert not accepts("aws-sns", from_sns(signed(message(SigningCertURL=address))), SNS)
    if address.endswith(".pem"):
        begun = message(Type="SubscriptionConfirmation", Token="t", SubscribeURL=address)
        with pytest.raises(Unparseable):
            CONNECTORS["aws-sns"].parse(from_sns(begun))


def test_a_null_subject_is_signed_like_an_absent_one_and_the_token_with_the_subscription() -> None:
    for told in (message(), message(Subject=None), message(Subject="ALARM")):
        assert accepts("aws-sns", from_sns(signed(told)), SNS)
    begun = signed(message(Type="SubscriptionConfirmation", Token="t-1", SubscribeURL="https://sns.example/"))
    assert accepts("aws-sns", from_sns(begun), SNS)
    assert not accepts("aws-sns", from_sns({**begun, "Token": "t-2"}), SNS)


def test_raw_delivery_carries_no_signature_and_is_refused_where_one_is_wanted() -> None:
    raw = delivery(b"permission denied", headers={"x-amz-sns-rawdelivery": "true", "x-amz-sns-topic-arn": TOPIC})
    assert not accepts("aws-sns", raw, SNS)


def test_the_certificate_is_asked_for_only_after_the_topic_is_known() -> None:
    with pytest.raises(KeyNeeded):
        CONNECTORS["aws-sns"].authenticate(replace(from_sns(signed(message())), keys={}), SNS)
    stranger = replace(from_sns(signed(message(TopicArn=f"{TOPIC}-2"))), keys={})
    assert not accepts("aws-sns", stranger, SNS)


# --- Google


@pytest.mark.parametrize(
    ("claims", "expected"),
    [({}, True), ({"email": "other@x.example"}, False), ({"email_verified": False}, False), ({"aud": "x"}, False)],
)
def test_any_customer_can_have_googles_token_for_our_address_so_the_account_decides(
    claims: dict[str, Any], expected: bool
) -> None:
    whole = {
        "iss": "https://accounts.google.com",
        "aud": "https://whydenied.example/ingest/gcp",
        "email": "pusher@acme.example",
        "email_verified": True,
        "iat": int(NOW.timestamp()) - 10,
        "exp": int(NOW.timestamp()) + 600,
        **claims,
    }
    auth = Auth("signature", senders=("pusher@acme.example",), audience="https://whydenied.example/ingest/gcp")
    keys = {"https://www.googleapis.com/oauth2/v3/certs": key_set_of(KEY)}
    given = delivery(headers={"authorization": f"Bearer {token_of(KEY, whole)}"}, keys=keys)
    assert accepts("gcp-pubsub", given, auth) is expected


# --- Amazon Firehose


def test_a_compressed_request_of_compressed_records_is_answered_in_firehoses_words() -> None:
    lines = {
        "messageType": "DATA_MESSAGE",
        "logGroup": "/ecs/etl",
        "logEvents": [{"id": "1", "timestamp": 1772445600000, "message": "permission denied for table orders"}],
    }
    record = base64.b64encode(gzip.compress(json.dumps(lines).encode())).decode()
    raw = gzip.compress(json.dumps({"requestId": "r-1", "timestamp": 1, "records": [{"data": record}]}).encode())
    parsed = CONNECTORS["aws-firehose"].parse(delivery(raw, body=decode(raw, "gzip")))
    assert [event.text for event in parsed.events] == ["permission denied for table orders"]
    answer = json.loads(parsed.reply.body)
    assert (parsed.reply.status, answer["requestId"], type(answer["timestamp"])) == (200, "r-1", int)
