"""Proof of a sender: what the contract test cannot say of every connector."""

import base64
import hashlib
import hmac
from dataclasses import replace
from datetime import UTC, datetime

import pytest
from standardwebhooks import Webhook

from connectors.base import Auth, Delivery, Unauthenticated
from connectors.signatures import (
    delivery_id,
    is_one_of,
    verify_hmac_sha256,
    verify_shared_secret,
    verify_standard_webhook,
)

NOW = datetime(2026, 3, 2, 12, 0, tzinfo=UTC)
BODY = '{"message": "größer als ∞"}'
KEY = "whsec_" + base64.b64encode(b"twenty-four bytes of key").decode()


def delivery(headers: dict[str, str], body: str = BODY) -> Delivery:
    return Delivery("POST", "", {}, headers, body.encode(), body.encode(), NOW)


def signed(secret: str, *, prefix: str = "webhook", message_id: str = "msg_1", at: datetime = NOW) -> Delivery:
    """A delivery signed by the reference library."""
    signature = Webhook(secret).sign(message_id, at.replace(tzinfo=UTC), BODY)
    stamp = str(int(at.timestamp()))
    return delivery({f"{prefix}-id": message_id, f"{prefix}-timestamp": stamp, f"{prefix}-signature": signature})


@pytest.mark.parametrize("prefix", ["webhook", "svix"])
@pytest.mark.parametrize("secret", [KEY, KEY.removeprefix("whsec_"), KEY.rstrip("=")])
def test_what_the_reference_library_signs_is_accepted(prefix, secret):
    verify_standard_webhook(signed(secret, prefix=prefix), Auth("signature", (secret,)))


def test_one_right_signature_of_a_list_separated_by_spaces_is_enough():
    right = signed(KEY)
    many = f"v1a,xyz v1,{'A' * 44} {right.headers['webhook-signature']} v2,abc garbage"
    verify_standard_webhook(
        replace(right, headers=right.headers | {"webhook-signature": many}), Auth("signature", (KEY,))
    )


@pytest.mark.parametrize("separator", [",", ";", ""])
def test_a_list_separated_otherwise_is_refused(separator):
    right = signed(KEY)
    many = f"v1,{'A' * 44}{separator}{right.headers['webhook-signature']}"
    with pytest.raises(Unauthenticated):
        verify_standard_webhook(
            replace(right, headers=right.headers | {"webhook-signature": many}), Auth("signature", (KEY,))
        )


def test_the_version_of_a_signature_counts():
    right = signed(KEY)
    for version in ("", "v2,", "V1,", "v1="):
        other = right.headers["webhook-signature"].replace("v1,", version)
        with pytest.raises(Unauthenticated):
            verify_standard_webhook(
                replace(right, headers=right.headers | {"webhook-signature": other}), Auth("signature", (KEY,))
            )


def test_a_plain_text_secret_signs_with_its_own_bytes():
    mac = hmac.new(b"not base64 at all!", f"m.{int(NOW.timestamp())}.{BODY}".encode(), hashlib.sha256)
    headers = {
        "webhook-id": "m",
        "webhook-timestamp": str(int(NOW.timestamp())),
        "webhook-signature": "v1," + base64.b64encode(mac.digest()).decode(),
    }
    verify_standard_webhook(delivery(headers), Auth("signature", ("not base64 at all!",)))


@pytest.mark.parametrize("stamp", ["", "soon", "1772452800.0", "-1", "٣٤٥", "9" * 30, " 1772452800"])
def test_a_time_that_is_no_whole_number_is_refused(stamp):
    right = signed(KEY)
    with pytest.raises(Unauthenticated, match="webhook-timestamp"):
        verify_standard_webhook(
            replace(right, headers=right.headers | {"webhook-timestamp": stamp}), Auth("signature", (KEY,))
        )


def test_an_id_with_a_full_stop_is_refused_for_it_could_shift_the_signed_parts():
    with pytest.raises(Unauthenticated, match="full stop"):
        verify_standard_webhook(signed(KEY, message_id="msg.1"), Auth("signature", (KEY,)))


def test_the_body_as_sent_is_what_is_signed_not_the_body_as_decoded():
    right = signed(KEY)
    verify_standard_webhook(replace(right, body=b"decompressed"), Auth("signature", (KEY,)))


def test_the_delivery_id_is_that_of_either_family_of_headers():
    assert delivery_id(delivery({"webhook-id": "a", "svix-id": "b"})) == "a"
    assert delivery_id(delivery({"svix-id": "b"})) == "b"
    assert delivery_id(delivery({})) is None


def test_a_hex_signature_may_be_in_capitals_and_must_be_there():
    right = hmac.new(b"s3cret", BODY.encode(), hashlib.sha256).hexdigest()
    auth = Auth("signature", ("s3cret",))
    verify_hmac_sha256(delivery({"x-signature": f" {right.upper()} "}), auth, "x-signature")
    with pytest.raises(Unauthenticated, match="x-signature is missing"):
        verify_hmac_sha256(delivery({}), auth, "x-signature")


@pytest.mark.parametrize(
    "header",
    ["", "Basic", "Basic ", "Basic !!!", "Basic " + base64.b64encode(b"no colon").decode(), "Bearer c2VuZGVyOnM=", "é"],
)
def test_a_malformed_basic_header_is_a_refusal_and_no_error(header):
    with pytest.raises(Unauthenticated):
        verify_shared_secret(delivery({"authorization": header}), Auth("basic", ("s",), username="sender"))


def test_basic_needs_the_right_user_too():
    header = {"authorization": "basic " + base64.b64encode(b"sender:s3cret").decode()}
    verify_shared_secret(delivery(header), Auth("basic", ("s3cret",), username="sender"))
    for username in ("other", "", None):
        with pytest.raises(Unauthenticated):
            verify_shared_secret(delivery(header), Auth("basic", ("s3cret",), username=username))


def test_a_header_scheme_without_a_header_name_refuses():
    with pytest.raises(Unauthenticated):
        verify_shared_secret(delivery({"": "s3cret", "none": "s3cret"}), Auth("header", ("s3cret",)))


def test_a_header_that_carries_utf8_bytes_equals_the_text_they_stand_for():
    assert is_one_of("geheim-ä".encode().decode("latin-1"), ["geheim-ä"])
    assert is_one_of("geheim-ä", ["geheim-ä"])
    assert not is_one_of("geheim-?", ["geheim-ä"])
    assert not is_one_of("geheim-ä", ["geheim-?"])
