"""Sentry's deliveries in the shapes that are easy to get wrong."""

import gzip
import hashlib
import hmac
import json
import zlib
from dataclasses import replace

import pytest

from connectors.base import Auth, Unauthenticated, Unparseable
from connectors.envelopes import read_envelope
from connectors.sentry import CONNECTOR
from connectors.sentry_event import read_tags

KEY = "0d6c2f5e9b8a4713a1e4c7d05f92b368"
EVENT_ID = "9a27c5e80f4b4d1c8b36e0f7a5d21c94"


def read(delivery):
    (event,) = CONNECTOR.parse(delivery).events
    return event


def sdk_text(deliver, **event):
    return read(deliver({"event_id": EVENT_ID, **event}, path="/api/1/store/")).text


# --- who sent it


@pytest.mark.parametrize(
    ("query", "headers"),
    [
        pytest.param({"sentry_key": KEY}, {}, id="query"),
        pytest.param({}, {"x_sentry_auth": f"Sentry sentry_version=7, sentry_key={KEY}, sentry_secret=x"}, id="header"),
        pytest.param({}, {"authorization": f"Sentry sentry_key={KEY}"}, id="authorization"),
    ],
)
def test_the_dsn_key_is_found_wherever_sdks_put_it(deliver, query, headers):
    delivery = deliver(b"{}", path="/api/1/envelope/", query=query, **headers)
    CONNECTOR.authenticate(delivery, Auth("signature", ("client-secret", KEY)))
    with pytest.raises(Unauthenticated, match="not among the secrets"):
        CONNECTOR.authenticate(delivery, Auth("signature", ("client-secret",)))


@pytest.mark.parametrize(("coding", "encode"), [("", bytes), ("gzip", gzip.compress), ("deflate", zlib.compress)])
def test_the_envelopes_own_dsn_counts_too(deliver, coding, encode):
    body = encode(json.dumps({"dsn": f"https://{KEY}@errors.example/1"}).encode() + b"\n" + b" " * 20_000)
    delivery = deliver(body, path="/api/1/envelope/", **({"content_encoding": coding} if coding else {}))
    CONNECTOR.authenticate(delivery, Auth("signature", (KEY,)))
    with pytest.raises(Unauthenticated):
        CONNECTOR.authenticate(delivery, Auth("signature", ("other",)))


def test_the_query_counts_before_the_header(deliver):
    delivery = deliver(
        b"{}", path="/api/1/store/", query={"sentry_key": "wrong"}, x_sentry_auth=f"Sentry sentry_key={KEY}"
    )
    with pytest.raises(Unauthenticated):
        CONNECTOR.authenticate(delivery, Auth("signature", (KEY,)))


@pytest.mark.parametrize("path", ["", "/", "/api/1/minidump/", "/api/0/organizations/"])
def test_a_dsn_key_opens_only_the_sdks_paths(deliver, path):
    with pytest.raises(Unauthenticated):
        CONNECTOR.authenticate(deliver(b"{}", path=path, query={"sentry_key": KEY}), Auth("signature", (KEY,)))


def test_a_service_hook_is_signed_in_a_header_of_its_own(deliver):
    body = json.dumps({"project": {"slug": "shop"}, "group": {"id": "7"}, "event": {"eventID": EVENT_ID}})
    right = hmac.new(b"hook-secret", body.encode(), hashlib.sha256).hexdigest()
    CONNECTOR.authenticate(deliver(body, x_servicehook_signature=right), Auth("signature", ("hook-secret",)))
    with pytest.raises(Unauthenticated, match="x-servicehook-signature"):
        CONNECTOR.authenticate(deliver(f"{body} ", x_servicehook_signature=right), Auth("signature", ("hook-secret",)))


# --- webhooks


def test_the_unsigned_header_does_not_decide_what_a_webhook_is(deliver):
    body = {"action": "triggered", "data": {"event": {"event_id": EVENT_ID, "title": "denied"}}}
    for resource in ("event_alert", "installation", "issue", "", "nonsense"):
        event = read(deliver(body, sentry_hook_resource=resource))
        assert (event.type, event.id, event.text) == ("event_alert.triggered", EVENT_ID, "denied")


@pytest.mark.parametrize(
    ("resource", "body"),
    [
        ("installation", {"action": "deleted", "installation": {"uuid": "1"}, "data": {}}),
        ("comment", {"action": "created", "data": {"comment": "looking", "issue_id": 7}}),
        ("issue", {"action": "assigned", "data": {"issue": {"id": "7", "title": "denied"}}}),
        ("issue", {"action": "archived", "data": {"issue": {"id": "7", "title": "denied"}}}),
        ("seer", {"action": "root_cause_completed", "data": {"run_id": 3}}),
        ("preprod_artifact", {"action": "size_analysis_completed", "data": None}),
    ],
)
def test_what_says_nothing_of_a_failure_is_understood_and_not_kept(deliver, resource, body):
    assert CONNECTOR.parse(deliver(body, sentry_hook_resource=resource)).events == ()


def test_one_event_told_by_an_alert_an_error_hook_and_the_sdk_has_one_id(deliver):
    event = {"event_id": EVENT_ID, "title": "denied"}
    told = [
        deliver({"action": "triggered", "data": {"event": event, "triggered_rule": "a"}}),
        deliver({"action": "created", "data": {"error": event}}),
        deliver({**event, "event_id": EVENT_ID.upper()}, path="/api/1/store/"),
    ]
    assert {read(delivery).id for delivery in told} == {EVENT_ID}


def test_an_issue_that_is_resolved_closes_what_its_alert_opened_and_reopens(deliver):
    issue = {"id": 117, "title": "AccessDenied: no", "project": {"slug": "exports"}, "lastSeen": "2026-03-02T10:00:00Z"}
    firing = read(deliver({"action": "triggered", "data": {"event": {"event_id": EVENT_ID, "issue_id": "117"}}}))
    resolved = read(deliver({"action": "resolved", "data": {"issue": issue}}))
    again = read(deliver({"action": "unresolved", "data": {"issue": {**issue, "lastSeen": "2026-03-02T11:00:00Z"}}}))
    assert (resolved.state, again.state) == ("resolved", "firing")
    assert firing.grouping_key == resolved.grouping_key == again.grouping_key == "117"
    assert len({firing.id, resolved.id, again.id}) == 3


def test_a_service_hook_is_read_in_the_rest_apis_form(deliver):
    frame = {
        "filename": "store.py",
        "lineNo": 8,
        "function": "fetch",
        "inApp": True,
        "context": [[7, "def fetch():"], [8, "    get_object("], [9, '        Bucket="harbor-raw",'], [10, "    )"]],
    }
    values = [{"type": "AccessDenied", "value": "Access Denied", "stacktrace": {"frames": [None, frame]}}]
    body = {
        "project": {"slug": "shop", "name": "Shop"},
        "group": {"id": "7", "url": "https://sentry.example/issues/7/"},
        "event": {
            "eventID": EVENT_ID,
            "dateCreated": "2026-03-02T10:00:00Z",
            "entries": [{"type": "exception", "data": {"values": values}}, {"type": "request", "data": {}}],
            "tags": [{"key": "environment", "value": "prod"}],
        },
    }
    event = read(deliver(body))
    assert 'File "store.py", line 8, in fetch\n    get_object(\n        Bucket="harbor-raw",\n    )' in event.text
    assert (event.type, event.service_name, event.environment, event.grouping_key) == (
        "service_hook",
        "shop",
        "prod",
        "7",
    )
    assert event.url == "https://sentry.example/issues/7/"
    assert event.time.isoformat() == "2026-03-02T10:00:00+00:00"


@pytest.mark.parametrize("body", [[], "text", 7, None, {}, {"message": "denied"}, {"data": {"event": None}}])
def test_what_is_no_sentry_webhook_is_refused(deliver, body):
    with pytest.raises(Unparseable):
        CONNECTOR.parse(deliver(json.dumps(body)))


# --- the SDK protocol


def envelope(*lines: object) -> bytes:
    return b"\n".join(line if isinstance(line, bytes) else json.dumps(line).encode() for line in lines)


EVENT = json.dumps({"event_id": EVENT_ID, "message": "denied"}).encode()


@pytest.mark.parametrize(
    "body",
    [
        pytest.param(envelope({}, {"type": "event"}, EVENT), id="without length, without last newline"),
        pytest.param(envelope({}, {"type": "event", "length": len(EVENT)}, EVENT) + b"\n", id="with length"),
        pytest.param(envelope({}, {"type": "event", "length": "nine"}, EVENT), id="odd length"),
        pytest.param(envelope({}, {"type": "event", "length": 10**9}, EVENT), id="length past the end"),
        pytest.param(
            envelope({}, {"type": "attachment", "length": 7}, b"a\n{}\n\x00!", {"type": "event"}, EVENT),
            id="after a binary item",
        ),
        pytest.param(
            envelope({}, {"type": "span_v9"}, b"{}", b"", {"type": "event"}, EVENT), id="after an unknown item"
        ),
        pytest.param(envelope({}, {"type": "log", "item_count": 1}, b"{}", {"type": "event"}, EVENT), id="after a log"),
    ],
)
def test_the_event_is_found_in_any_envelope(deliver, body):
    delivery = deliver(body, path="/api/1/envelope/")
    assert read(delivery).text == "denied"
    assert json.loads(CONNECTOR.parse(delivery).reply.body) == {"id": EVENT_ID}
    assert CONNECTOR.parse(delivery).reply.status == 200


def test_an_event_without_an_id_takes_the_envelopes(deliver):
    body = envelope({"event_id": EVENT_ID}, {"type": "event"}, {"message": "denied"})
    assert read(deliver(body, path="/api/1/envelope/")).id == EVENT_ID


def test_an_event_without_any_id_is_known_by_its_content(deliver):
    ids = [read(deliver({"message": text}, path="/api/1/store/")).id for text in ("denied", "denied", "refused")]
    assert ids[0] == ids[1] != ids[2]


@pytest.mark.parametrize(
    "body", [b"", b"no json", b"[]", b"{}\nno json\n", b'{}\n{"type": "event"}\n{"cut": ', b"{}\n[]"]
)
def test_a_broken_envelope_says_where_it_broke(deliver, body):
    with pytest.raises(Unparseable, match="JSON"):
        CONNECTOR.parse(deliver(body, path="/api/1/envelope/"))


def test_an_envelope_of_endless_items_is_refused():
    with pytest.raises(Unparseable, match="1000 items"):
        read_envelope(b"{}\n" * 3_000)


def test_other_endpoints_of_the_protocol_are_named(deliver):
    with pytest.raises(Unparseable, match="only envelope and store"):
        CONNECTOR.parse(deliver(b"MDMP", path="/api/1/minidump/"))


# --- one event


def test_the_root_cause_stands_first_and_the_outer_exceptions_follow(deliver):
    values = [
        {"type": "AccessDenied", "module": "botocore.errorfactory", "value": "Access Denied"},
        None,
        {"type": "StorageError", "value": None},
        {"type": None, "value": 42},
        {"type": "ValueError", "module": "builtins", "value": "no report"},
    ]
    event = read(deliver({"exception": {"values": values}, "message": "export failed"}, path="/api/1/store/"))
    assert (
        event.text
        == "botocore.errorfactory.AccessDenied: Access Denied\nStorageError\n42\nValueError: no report\nexport failed"
    )
    assert event.exception_type == "botocore.errorfactory.AccessDenied"


@pytest.mark.parametrize(
    "event",
    [
        {"exception": {"values": [{"type": "Denied", "value": "no"}]}},
        {"exception": [{"type": "Denied", "value": "no"}]},
        {"exception": {"type": "Denied", "value": "no"}},
        {"sentry.interfaces.Exception": {"values": [{"type": "Denied", "value": "no"}]}},
        {"logentry": {"formatted": "Denied: no", "message": "%s: %s", "params": ["x", "y"]}},
        {"logentry": {"message": "%s: %s", "params": ["Denied", "no"]}},
        {"logentry": {"message": "Denied: %(why)s", "params": {"why": "no"}}},
        {"logentry": "Denied: no"},
        {"message": "Denied: no"},
        {"message": {"formatted": "Denied: no"}},
        {"sentry.interfaces.Message": {"message": "Denied: no"}},
        {"title": "Denied: no", "exception": {"values": None}, "logentry": None},
    ],
)
def test_the_error_is_found_in_every_generation_of_the_format(deliver, event):
    assert sdk_text(deliver, **event) == "Denied: no"


def test_only_the_applications_own_last_frames_stand_in_the_text_and_all_in_the_stack_trace(deliver):
    frames = [{"filename": f"f{number}.py", "lineno": number, "in_app": number % 2 == 0} for number in range(40)]
    values = [{"type": "Denied", "value": "no", "stacktrace": {"frames": frames}}]
    event = read(deliver({"exception": {"values": values}}, path="/api/1/store/"))
    assert "f38.py" in event.text
    assert "f37.py" not in event.text
    assert event.text.count("File ") == 8
    assert event.stacktrace is not None
    assert event.stacktrace.count("File ") == 40


def test_a_stack_without_own_frames_shows_its_last_ones(deliver):
    frames = [{"filename": "lib.py", "function": name, "in_app": False} for name in "abcdef"]
    assert sdk_text(deliver, exception=[{"type": "Denied", "stacktrace": {"frames": frames}}]).count("File ") == 4


def test_local_variables_are_never_kept(deliver):
    frame = {"filename": "a.py", "in_app": True, "vars": {"password": "hunter2"}}
    event = read(deliver({"exception": [{"type": "X", "stacktrace": {"frames": [frame]}}]}, path="/api/1/store/"))
    assert "hunter2" not in repr(event)


def test_tags_are_read_as_pairs_objects_and_mappings():
    expected = {"environment": "prod", "code": "7"}
    assert read_tags([["environment", "prod"], ["code", 7], ["broken"], None, ["none", None]]) == expected
    assert read_tags([{"key": "environment", "value": "prod"}, {"key": "code", "value": 7}, {}]) == expected
    assert read_tags({"environment": "prod", "code": 7, "none": None}) == expected
    assert read_tags("environment:prod") == {}


def test_the_status_of_the_refusal_is_kept_but_not_the_500_the_application_answered(deliver):
    def status(**event):
        return read(deliver({"message": "x", **event}, path="/api/1/store/")).http_status

    assert status(contexts={"response": {"status_code": 403}}) == 403
    assert status(contexts={"response": {"status_code": 500}}) is None
    assert status(contexts={"response": {"status_code": 500}}, tags={"http.status_code": "403"}) == 403
    assert status(contexts=None, tags=None) is None


def test_a_link_is_a_web_address_or_none(deliver):
    body = {"data": {"event": {"event_id": EVENT_ID, "title": "x", "web_url": "javascript:alert(1)"}}}
    assert read(deliver(body)).url is None


def test_a_delivery_in_another_coding_reads_its_decoded_body(deliver):
    delivery = replace(deliver(b"", path="/api/1/store/"), raw=gzip.compress(EVENT), body=EVENT)
    assert read(delivery).text == "denied"
