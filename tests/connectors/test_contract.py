"""What every connector keeps to; a new one is held to it as soon as its module and its payload pairs are there."""

import base64
import contextlib
import json
import os
from dataclasses import fields, replace
from datetime import UTC, timedelta
from pathlib import Path
from typing import Any

import pytest
from fuzzing import bounded
from hypothesis import given, note
from hypothesis import strategies as st
from public_keys import OTHER_KEYS
from shipped_rules import MATCHER

import connectors
from connectors.base import (
    Auth,
    BodyTooLarge,
    Connector,
    Delivery,
    ErrorEvent,
    KeyNeeded,
    Parsed,
    Unauthenticated,
    Unparseable,
)
from connectors.recording import EXPECTED_SUFFIX, Recording, find_recordings, read_recording
from service.pipeline import context_of

PAYLOADS = Path(__file__).parent / "payloads"
UPDATE = "WHYDENIED_UPDATE_EXPECTED"
CONNECTORS = connectors.discover()
RECORDINGS = [read_recording(path) for path in find_recordings(PAYLOADS)]
SIGNED = [one for one in RECORDINGS if any("signature" in name for name in one.delivery.headers)]
SIGNED_TIMES = {"webhook-timestamp", "svix-timestamp", "x-slack-request-timestamp", "x-grafana-alerting-timestamp"}
PUBLIC = [one for one in RECORDINGS if one.delivery.keys]
SECRETS = [one for one in RECORDINGS if one.auth.secrets]
DENIALS = [one for one in RECORDINGS if one.denial]
SHARED_SCHEMES = [
    (connector, scheme)
    for connector in CONNECTORS.values()
    for scheme in connector.schemes
    if scheme not in ("signature", "none")
]


def each(recordings: list[Recording]) -> pytest.MarkDecorator:
    return pytest.mark.parametrize("one", recordings, ids=[f"{one.connector}/{one.case}" for one in recordings])


each_shared_scheme = pytest.mark.parametrize(
    ("connector", "scheme"), SHARED_SCHEMES, ids=[f"{connector.name}-{scheme}" for connector, scheme in SHARED_SCHEMES]
)
each_connector = pytest.mark.parametrize("connector", CONNECTORS.values(), ids=CONNECTORS)


def accepts(connector: Connector, delivery: Delivery, auth: Auth) -> bool:
    refusal = ""
    try:
        connector.authenticate(delivery, auth)
    except KeyNeeded:
        return False
    except Unauthenticated as error:
        refusal = str(error)
    assert not any(len(secret) > 8 and secret in refusal for secret in auth.secrets), "a refusal names a secret"
    return not refusal


def connector_of(one: Recording) -> Connector:
    return CONNECTORS[one.connector]


def printable(parsed: Parsed) -> dict[str, Any]:
    """What `.expected.json` holds: each event's fields that differ from their default, and the reply."""
    body = parsed.reply.body.decode() or None
    body = json.loads(body) if body and body.startswith("{") else body
    return {
        "events": [printable_event(event) for event in parsed.events],
        "reply": {"status": parsed.reply.status, "body": body},
    }


def printable_event(event: ErrorEvent) -> dict[str, Any]:
    told = {field.name: getattr(event, field.name) for field in fields(event)}
    told["time"] = event.time.isoformat()
    told["attributes"] = dict(event.attributes)
    return {name: value for name, value in told.items() if value not in (None, {})}


# --- the proof that comes with a connector


@each_connector
def test_every_connector_brings_at_least_two_payload_pairs_one_of_them_a_known_denial(connector):
    pairs = [one for one in RECORDINGS if one.connector == connector.name]
    assert len(pairs) >= 2, f"record deliveries in {PAYLOADS.name}/{connector.name}/, see docs/connectors.md"
    assert any(one.denial for one in pairs), "give one its `denial`"


@each_connector
def test_a_connector_that_lists_signatures_brings_a_signed_delivery(connector):
    signed = [one for one in [*SIGNED, *PUBLIC] if one.connector == connector.name]
    assert signed or "signature" not in connector.schemes
    assert connector.public_key == any(one in PUBLIC for one in signed)


def test_every_payload_belongs_to_a_connector_and_every_expectation_to_a_payload():
    assert {path.parent.name for path in PAYLOADS.glob("*/*")} == set(CONNECTORS)
    expected = {path.name.removesuffix(EXPECTED_SUFFIX) for path in PAYLOADS.glob(f"*/*{EXPECTED_SUFFIX}")}
    assert expected <= {one.case for one in RECORDINGS}


@each(RECORDINGS)
def test_a_recorded_delivery_is_accepted_and_read_as_expected(one):
    path = PAYLOADS / one.connector / f"{one.case}{EXPECTED_SUFFIX}"
    connector_of(one).authenticate(one.delivery, one.auth)
    got = printable(connector_of(one).parse(one.delivery))
    if os.environ.get(UPDATE):
        path.write_text(json.dumps(got, ensure_ascii=False, indent=2) + "\n", encoding="utf-8")
    assert path.exists(), f"{path.name} is missing; {UPDATE}=1 writes it, then read it as a reviewer would"
    assert got == json.loads(path.read_text(encoding="utf-8"))


@each(DENIALS)
def test_a_denial_is_answered_as_its_bare_text_is(one):
    bare = MATCHER.match(one.denial, {})
    assert bare, "no rule knows this denial"
    found = [MATCHER.match(event.text, context_of(event)) for event in connector_of(one).parse(one.delivery).events]
    answers = {(match.verdict, match.cause, match.system) for match in found if match}
    assert (bare.verdict, bare.cause, bare.system) in answers, answers


@each(RECORDINGS)
def test_events_can_be_stored_as_they_are(one):
    for event in connector_of(one).parse(one.delivery).events:
        assert event.time.tzinfo is UTC
        assert event.text.strip()
        assert event.id
        assert event.type
        assert all(isinstance(value, str | int | float | bool) for value in event.attributes.values())


@each(RECORDINGS)
def test_a_repeated_delivery_gives_equal_ids_and_one_delivery_gives_different_ones(one):
    later = replace(one.delivery, received_at=one.delivery.received_at + timedelta(minutes=1))
    ids = [event.id for event in connector_of(one).parse(one.delivery).events]
    assert [event.id for event in connector_of(one).parse(later).events] == ids
    assert len(set(ids)) == len(ids)


def reserialised(raw: bytes) -> bytes:
    """The same JSON, or the same form, in other bytes."""
    return (
        json.dumps(json.loads(raw), indent=1).encode() if is_one_json_value(raw) else raw.replace(b"%20", b"+") + b"&"
    )


def is_one_json_value(body: bytes) -> bool:
    with contextlib.suppress(ValueError):
        return isinstance(json.loads(body), dict | list)
    return False


# --- signatures


@each(SIGNED)
@pytest.mark.parametrize(
    "forge",
    [
        pytest.param(lambda raw: raw[:-1], id="truncated"),
        pytest.param(lambda raw: raw + b" ", id="longer"),
        pytest.param(lambda raw: b"", id="emptied"),
        pytest.param(lambda raw: raw[:9] + bytes([raw[9] ^ 1]) + raw[10:], id="one bit changed"),
        pytest.param(reserialised, id="re-serialised"),
    ],
)
def test_a_signature_holds_for_the_exact_bytes_only(one, forge):
    forged = forge(one.delivery.raw)
    assert forged != one.delivery.raw
    assert not accepts(connector_of(one), replace(one.delivery, raw=forged, body=forged), one.auth)


@each(SIGNED)
@pytest.mark.parametrize(
    "forge",
    [
        pytest.param(lambda value: "", id="empty"),
        pytest.param(lambda value: value[:-4], id="truncated"),
        pytest.param(lambda value: value[::-1], id="reversed"),
        pytest.param(lambda value: value + "é\x00", id="not ascii"),
    ],
)
def test_no_other_signature_is_accepted(one, forge):
    headers = {name: forge(value) if "signature" in name else value for name, value in one.delivery.headers.items()}
    assert not accepts(connector_of(one), replace(one.delivery, headers=headers), one.auth)
    missing = {name: value for name, value in headers.items() if "signature" not in name}
    assert not accepts(connector_of(one), replace(one.delivery, headers=missing), one.auth)


@each([one for one in SIGNED if not SIGNED_TIMES.isdisjoint(one.delivery.headers)])
@pytest.mark.parametrize("age", [-301, 301, 86_400])
def test_a_signed_time_must_be_near_in_both_directions(one, age):
    signed_at = next(int(value) for name, value in one.delivery.headers.items() if name in SIGNED_TIMES)
    moment = one.delivery.received_at.fromtimestamp(signed_at + age, UTC)
    assert not accepts(connector_of(one), replace(one.delivery, received_at=moment), one.auth)
    assert accepts(connector_of(one), replace(one.delivery, received_at=moment), replace(one.auth, tolerance=abs(age)))


@each(SIGNED)
def test_a_signed_delivery_cannot_be_replayed_under_new_headers(one):
    """What is kept of a delivery must come from what was signed, else a replay would pass for a new event."""
    kept = ("webhook-", "svix-", "content-")
    loose = [name for name in one.delivery.headers if not name.startswith(kept) and "timestamp" not in name]
    changed = {name: "replayed" for name in loose if "signature" not in name}
    replayed = replace(one.delivery, headers=one.delivery.headers | changed)
    assert accepts(connector_of(one), replayed, one.auth)
    ids = [event.id for event in connector_of(one).parse(one.delivery).events]
    assert [event.id for event in connector_of(one).parse(replayed).events] == ids


@each(SIGNED)
def test_a_secret_shown_openly_does_not_replace_a_signature(one):
    for scheme in ("bearer", "basic", "header", "url-token"):
        bare = replace(one.delivery, headers={"content-type": "application/json"})
        shown, _ = prove(bare, scheme, one.auth.secrets[0])
        assert not accepts(connector_of(one), shown, one.auth)


# --- signatures by a vendor's own key


@each(PUBLIC)
def test_a_public_key_is_asked_for_at_an_address_that_the_sender_cannot_choose(one):
    bare = replace(one.delivery, keys={})
    with pytest.raises(KeyNeeded) as needed:
        connector_of(one).authenticate(bare, one.auth)
    assert needed.value.url in one.delivery.keys


@each(PUBLIC)
def test_another_public_key_does_not_prove_the_sender(one):
    other = {url: OTHER_KEYS["pem" if b"BEGIN" in key else "jwks"] for url, key in one.delivery.keys.items()}
    assert not accepts(connector_of(one), replace(one.delivery, keys=other), one.auth)
    damaged = dict.fromkeys(one.delivery.keys, b"{}")
    assert not accepts(connector_of(one), replace(one.delivery, keys=damaged), one.auth)


@each(PUBLIC)
def test_only_the_senders_of_the_connection_are_accepted(one):
    for senders in ((), ("somebody-else",), tuple(sender + "x" for sender in one.auth.senders)):
        assert not accepts(connector_of(one), one.delivery, replace(one.auth, senders=senders))


@each(PUBLIC)
def test_a_signature_by_a_vendors_key_ends_after_a_while(one):
    late = replace(one.delivery, received_at=one.delivery.received_at + timedelta(hours=3))
    assert not accepts(connector_of(one), late, one.auth)


# --- secrets of any scheme


@each(SECRETS)
def test_two_secrets_can_live_side_by_side(one):
    right = one.auth.secrets
    for secrets in ((*right, "the-next-secret"), ("the-last-secret", *right)):
        assert accepts(connector_of(one), one.delivery, replace(one.auth, secrets=secrets))
    assert not accepts(connector_of(one), one.delivery, replace(one.auth, secrets=("another-secret",)))


@each(SECRETS)
def test_an_empty_secret_refuses_everything(one):
    for secrets in ((), ("",), ("", "  "), ("whsec_",)):
        assert not accepts(connector_of(one), one.delivery, replace(one.auth, secrets=secrets)), secrets


@each_connector
def test_a_scheme_that_the_connector_does_not_list_is_refused(connector):
    one = next(one for one in RECORDINGS if one.connector == connector.name)
    for scheme in {"signature", "bearer", "basic", "header", "url-token", "none"} - set(connector.schemes):
        assert not accepts(connector, one.delivery, Auth(scheme, ("secret",)))


@each_connector
def test_scheme_none_accepts_any_sender(connector):
    one = next(one for one in RECORDINGS if one.connector == connector.name)
    assert accepts(connector, one.delivery, Auth("none")) == ("none" in connector.schemes)


def prove(delivery: Delivery, scheme: str, secret: str) -> tuple[Delivery, Auth]:
    """The delivery with the proof of a shared secret as a client would send it, and the connection's setting."""
    headers, query = dict(delivery.headers), dict(delivery.query)
    auth = Auth("bearer", (secret,))
    if scheme == "bearer":
        headers["authorization"] = f"Bearer {secret}"
    elif scheme == "basic":
        headers["authorization"] = "Basic " + base64.b64encode(f"sender:{secret}".encode()).decode()
        auth = Auth("basic", (secret,), username="sender")
    elif scheme == "header":
        headers["x-secret"] = secret
        auth = Auth("header", (secret,), name="X-Secret")
    else:
        query["token"] = secret
        auth = Auth("url-token", (secret,))
    return replace(delivery, headers=headers, query=query), auth


BARE = Delivery("POST", "", {}, {}, b"{}", b"{}", RECORDINGS[0].delivery.received_at)


@each_shared_scheme
def test_a_shared_secret_is_accepted_and_nothing_near_it(connector, scheme):
    for secret in ("s3cret-token", "pass:with:colons", "geheim-äöü", "\U0001f511"):
        proven, auth = prove(BARE, scheme, secret)
        assert accepts(connector, proven, auth), secret
        for wrong in (secret[:-1], secret + "x", secret.upper() + "x", "", "\x00", "é" * 9, "\udc80"):
            presented, _ = prove(BARE, scheme, wrong) if wrong != "\udc80" or scheme != "basic" else (BARE, auth)
            assert not accepts(connector, presented, auth), f"{wrong!r} was accepted for {secret!r}"


@each_shared_scheme
def test_a_shared_secret_counts_only_where_its_scheme_puts_it(connector, scheme):
    _, auth = prove(BARE, scheme, "s3cret-token")
    for other in {"bearer", "basic", "header", "url-token"} - {scheme}:
        presented, _ = prove(BARE, other, "s3cret-token")
        assert not accepts(connector, presented, auth)


# --- hostile input


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=12), inner, max_size=4),
    max_leaves=12,
)
HEADERS = st.dictionaries(
    st.sampled_from(
        "content-type authorization x-sentry-auth sentry-hook-signature sentry-hook-resource webhook-id "
        "webhook-timestamp webhook-signature content-encoding x-secret idempotency-key".split()
    ),
    st.text(max_size=30)
    | st.sampled_from(
        ["application/json", "application/x-www-form-urlencoded", "Bearer x", "Basic !", "gzip", "v1,", "9"]
    ),
)
PATHS = st.sampled_from(["", "/", "/api/1/envelope/", "/api/1/store/", "/api/v2/alerts", "/api/1/minidump/", "/x"])
FUZZ = bounded(80)


def read_hostile(connector: Connector, delivery: Delivery) -> None:
    """Anything may be refused; nothing may break."""
    note(connector.name)
    for scheme in connector.schemes:
        accepts(connector, delivery, Auth(scheme, ("s3cret",), username="u", name="X-Secret"))
    try:
        parsed = connector.parse(delivery)
    except (Unparseable, BodyTooLarge):
        return
    for event in parsed.events:
        assert event.time.tzinfo is UTC
        told = printable_event(event)
        json.dumps(told, allow_nan=False, ensure_ascii=False).encode()
        texts = [*told.values(), *told.get("attributes", {}), *told.get("attributes", {}).values()]
        assert not any("\x00" in text for text in texts if isinstance(text, str))


@FUZZ
@given(
    body=st.binary(max_size=60) | st.text(max_size=60).map(lambda text: text.encode("utf-8", "replace")),
    headers=HEADERS,
    path=PATHS,
)
def test_arbitrary_bytes_are_refused_or_read(body, headers, path):
    delivery = Delivery("POST", path, {"token": "x"}, headers, body, body, BARE.received_at)
    for connector in CONNECTORS.values():
        read_hostile(connector, delivery)


@FUZZ
@given(value=JSON, headers=HEADERS, path=PATHS)
def test_arbitrary_json_is_refused_or_read(value, headers, path):
    body = json.dumps(value).encode()
    delivery = Delivery("POST", path, {}, headers, body, body, BARE.received_at)
    for connector in CONNECTORS.values():
        read_hostile(connector, delivery)


def places(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """The path of every member of a JSON value."""
    members = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    return [path, *(place for key, member in members for place in places(member, (*path, key)))]


def put(value: Any, path: tuple[Any, ...], new: Any) -> Any:
    """A copy of the value with another member at the path."""
    if not path:
        return new
    copy = value.copy()
    copy[path[0]] = put(value[path[0]], path[1:], new)
    return copy


@each([one for one in RECORDINGS if is_one_json_value(one.delivery.body)])
@bounded(20)
@given(data=st.data())
def test_a_known_delivery_with_one_member_of_another_type_is_refused_or_read(one, data):
    body = json.loads(one.delivery.body)
    place = data.draw(st.sampled_from(places(body)))
    changed = json.dumps(put(body, place, data.draw(JSON))).encode()
    read_hostile(connector_of(one), replace(one.delivery, raw=changed, body=changed))
