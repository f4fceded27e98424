"""What the generic connector makes of the many shapes that tools post."""

import json
import logging
from dataclasses import replace
from datetime import UTC, datetime
from logging.handlers import HTTPHandler
from urllib.parse import urlencode

import pytest

from connectors.base import BodyTooLarge, Unparseable
from connectors.fields import ALIASES, WRAPPERS
from connectors.generic import CONNECTOR

NOW = datetime(2026, 3, 2, 12, 0, tzinfo=UTC)


def read(delivery):
    (event,) = CONNECTOR.parse(delivery).events
    return event


def texts(delivery):
    return [event.text for event in CONNECTOR.parse(delivery).events]


@pytest.mark.parametrize("name", sorted({*ALIASES["message"], *ALIASES["error_message"], *ALIASES["title"]}))
def test_the_text_is_found_under_every_alias(deliver, name):
    for body in (
        nested(name, "permission denied"),
        {name: "permission denied"},
        {"data": nested(name, "permission denied")},
    ):
        assert "permission denied" in read(deliver({"service": "shop", **body})).text


@pytest.mark.parametrize(
    ("field", "value", "got"),
    [
        ("service", "shop", lambda event: event.service_name),
        ("environment", "prod", lambda event: event.environment),
        ("severity", "critical", lambda event: event.severity),
        ("link", "https://a.example/1", lambda event: event.url),
        ("http_status", "403", lambda event: str(event.http_status)),
        ("group", "g-7", lambda event: event.grouping_key),
        ("error_type", "Denied", lambda event: event.exception_type),
        ("stack", "at main", lambda event: event.stacktrace),
        ("time", "2026-03-02T11:00:00+00:00", lambda event: event.time.isoformat()),
        ("type", "alert.opened", lambda event: event.type),
        ("id", "id-7", lambda event: event.id),
    ],
)
def test_each_field_is_found_under_every_alias_flat_nested_and_wrapped(deliver, field, value, got):
    for name in ALIASES[field]:
        for body in (nested(name, value), {name: value}, {"payload": {"attributes": nested(name, value)}}):
            assert got(read(deliver({"msg": "denied", **body}))) == value, f"{name} in {body}"


def nested(name: str, value: object) -> dict[str, object]:
    for part in reversed(name.split(".")):
        value = {part: value}
    return value


def test_names_are_the_same_in_camel_case_snake_case_and_with_hyphens(deliver):
    for name in ("statusCode", "status_code", "status-code", "Status Code", "StatusCode"):
        assert read(deliver({"msg": "denied", name: 403})).http_status == 403


def test_wrappers_are_seen_through_and_the_outer_name_wins(deliver):
    for wrapper in WRAPPERS:
        assert read(deliver({wrapper: {"message": "denied", "service": "shop"}})).service_name == "shop"
    both = {"message": "denied", "service": "outer", "context": {"service": "inner", "provider": "xai"}}
    event = read(deliver(both))
    assert event.service_name == "outer"
    assert event.attributes == {"provider": "xai"}


def test_an_apis_bare_error_body_stays_the_json_it_is(deliver):
    body = {"code": "permission-denied", "error": "Access to the chat endpoint is denied."}
    assert json.loads(read(deliver(body)).text) == body
    github = {"message": "Not accessible", "documentation_url": "https://docs.example", "status": "403"}
    event = read(deliver(github))
    assert json.loads(event.text) == github
    assert event.http_status == 403


def test_an_error_object_inside_an_event_stays_json_when_it_says_more_than_type_and_message(deliver):
    plain = {"service": "shop", "message": "failed", "error": {"type": "Denied", "message": "no grant"}}
    assert read(deliver(plain)).text == "failed\nDenied: no grant"
    rich = {
        "service": "shop",
        "message": "failed",
        "error": {"type": "Denied", "message": "no grant", "param": "model"},
    }
    assert read(deliver(rich)).text == 'failed\n{"type": "Denied", "message": "no grant", "param": "model"}'


def test_nothing_is_said_twice(deliver):
    body = {"service": "shop", "title": "denied", "message": "table orders: denied", "error": "denied", "stack": "at x"}
    assert read(deliver(body)).text == "table orders: denied\nat x"


def test_an_object_without_known_names_is_kept_as_json(deliver):
    assert read(deliver({"foo": {"bar": 1}})).text == '{"foo": {"bar": 1}}'


def test_lists_json_lines_and_concatenated_json_give_an_event_each(deliver):
    two = [{"message": "one"}, {"message": "two"}]
    lines = "\n".join(json.dumps(item) for item in two)
    assert texts(deliver(two)) == texts(deliver(lines)) == texts(deliver(lines.replace("\n", ""))) == ["one", "two"]
    assert texts(deliver(["one", {"message": "two"}, None, "", {}, 5])) == ["one", "two"]


def test_equal_items_of_one_delivery_stay_apart(deliver):
    first, second, third = CONNECTOR.parse(deliver([{"message": "a"}, "b", {"message": "a"}])).events
    assert len({first.id, second.id, third.id}) == 3


@pytest.mark.parametrize(
    "content_type",
    ["", "text/plain", "application/x-www-form-urlencoded", "application/octet-stream", "text/plain; charset=x"],
)
def test_text_is_one_event_whatever_it_is_called(deliver, content_type):
    text = "[2026-03-02] ERROR a=1&b permission denied for table orders"
    assert texts(deliver(f"{text}\n", content_type=content_type)) == [text]


def test_json_is_read_without_or_with_a_wrong_content_type(deliver):
    for content_type in ("", "text/plain", "application/x-www-form-urlencoded"):
        assert texts(deliver('{"message": "denied"}', content_type=content_type)) == ["denied"]
    assert texts(deliver('"a bare JSON string"', content_type="application/json")) == ["a bare JSON string"]


def test_a_form_is_read_by_its_json_or_its_fields(deliver):
    form = "application/x-www-form-urlencoded; charset=utf-8"
    assert texts(deliver(urlencode({"payload": '{"text": "denied"}'}), content_type=form)) == ["denied"]
    event = read(deliver(urlencode({"message": "denied", "host": "web-1"}), content_type=form))
    assert (event.text, event.attributes) == ("denied", {"host": "web-1"})


@pytest.mark.parametrize(
    ("args", "text"),
    [
        ("('orders', 3)", "denied for orders, 3 tries, 100%"),
        ("()", "denied for %s, %d tries, 100%"),
        ("('orders',)", "denied for orders, %d tries, 100%"),
        ("__import__('os').abort()", "denied for __import__('os').abort(), %d tries, 100%"),
        ("(" * 900, f"denied for {'(' * 900}, %d tries, 100%"),
    ],
)
def test_pythons_log_records_have_their_arguments_put_in(deliver, args, text):
    record = {"name": "shop.db", "msg": "denied for %s, %d tries, 100%%", "args": args, "levelname": "ERROR"}
    body = urlencode({**record, "created": "1772452800.5", "exc_text": "None", "lineno": "7"})
    event = read(deliver(body, content_type="application/x-www-form-urlencoded"))
    assert event.text == (text if args != "()" else text.replace("100%", "100%%"))
    assert (event.severity, event.attributes["logger"], event.stacktrace) == ("error", "shop.db", None)


def test_what_the_standard_librarys_handler_sends_is_read(deliver):
    error = PermissionError(13, "Permission denied", "/srv/reports/out.csv")
    told = (PermissionError, error, None)
    record = logging.LogRecord("shop", logging.ERROR, "shop.py", 7, "no report for %s", ("eu",), told)
    logging.Formatter().format(record)
    sent = urlencode(HTTPHandler("localhost", "/").mapLogRecord(record))
    event = read(deliver(sent, content_type="application/x-www-form-urlencoded"))
    assert event.text == "no report for eu\nPermissionError: [Errno 13] Permission denied: '/srv/reports/out.csv'"


def test_a_width_in_a_log_record_cannot_ask_for_memory(deliver):
    body = urlencode({"msg": "%999999999s", "args": "('x',)", "levelname": "ERROR", "created": "1"})
    assert texts(deliver(body, content_type="application/x-www-form-urlencoded")) == ["x"]


@pytest.mark.parametrize(
    ("body", "content_type"),
    [
        (b"", ""),
        (b"  \n", "application/json"),
        (b"{broken", "application/json"),
        (b"7", "application/json"),
        (b"{}", "application/json"),
        (b"[null, {}]", "application/json"),
        (b"\x0a\x07\x00\x01proto", "application/x-protobuf"),
        (b"\x89\xff\xfe\xfd\x80\x81", "image/png"),
    ],
)
def test_what_holds_no_text_is_refused(deliver, body, content_type):
    with pytest.raises(Unparseable):
        CONNECTOR.parse(deliver(body, content_type=content_type))


def test_an_empty_list_is_understood_and_more_than_fit_are_refused(deliver):
    assert texts(deliver([])) == []
    with pytest.raises(BodyTooLarge, match="smaller batches"):
        CONNECTOR.parse(deliver(["x"] * 10_001))


@pytest.mark.parametrize("word", ["resolved", "OK", "Closed", "Recovered", "resolve"])
@pytest.mark.parametrize("name", ["status", "state", "transition", "alert_status"])
def test_an_end_is_told_by_many_words(deliver, name, word):
    assert read(deliver({"title": "403s", name: word})).state == "resolved"


@pytest.mark.parametrize(
    "state", [{"status": "firing"}, {"status": 403}, {"state": "alerting"}, {"resolved": False}, {}]
)
def test_anything_else_is_firing(deliver, state):
    assert read(deliver({"title": "403s", **state})).state == "firing"


def test_a_recovery_closes_what_its_alert_opened(deliver):
    pairs = [({"id": 7}, {"id": 7}), ({"cycle": "c"}, {"cycle": "c", "id": 9}), ({}, {})]
    for opened, closed in pairs:
        firing = read(deliver({"title": "403s", "status": "firing", **opened}))
        over = read(deliver({"title": "403s", "status": "resolved", **closed}))
        assert firing.grouping_key == over.grouping_key
        assert firing.id != over.id


def test_an_alert_that_fires_again_under_its_id_is_a_new_event(deliver):
    def fired(time, state="firing"):
        return read(deliver({"id": "monitor-7", "title": "403s", "state": state, "time": time})).id

    assert fired("2026-03-02T10:00:00Z") == fired("2026-03-02T10:00:00Z")
    assert len({fired("2026-03-02T10:00:00Z"), fired("2026-03-02T11:00:00Z"), fired(None, "ok")}) == 3


def test_the_senders_delivery_id_is_the_events_id(deliver):
    body = {"message": "denied", "id": "own"}
    assert read(deliver(body)).id == "own"
    for header in ("webhook_id", "svix_id", "idempotency_key"):
        assert read(deliver(body, **{header: "msg_1"})).id == "msg_1"
    two = CONNECTOR.parse(deliver([body, body], webhook_id="msg_1")).events
    assert [event.id for event in two] == ["msg_1", "msg_1:2"]
    assert len(read(deliver({"message": "x", "id": "y" * 5_000})).id) == 32


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("2026-03-02T11:00:00Z", "2026-03-02T11:00:00+00:00"),
        ("2026-03-02 12:00:00+02:00", "2026-03-02T10:00:00+00:00"),
        ("2026-03-02T11:00:00.123456789Z", "2026-03-02T11:00:00.123456+00:00"),
        (1772449200, "2026-03-02T11:00:00+00:00"),
        (1772449200000, "2026-03-02T11:00:00+00:00"),
        ("1772449200000000000", "2026-03-02T11:00:00+00:00"),
        ("2026-03-02T12:04:00Z", "2026-03-02T12:04:00+00:00"),
        ("9999-12-31T23:59:59Z", NOW.isoformat()),
        ("0001-01-01T00:00:00Z", NOW.isoformat()),
        (10**400, NOW.isoformat()),
        ("yesterday", NOW.isoformat()),
        (True, NOW.isoformat()),
    ],
)
def test_times_of_every_kind_become_aware_utc_and_wild_ones_the_time_of_receipt(deliver, value, expected):
    body = json.dumps({"message": "denied", "timestamp": value})
    assert read(deliver(body)).time.isoformat() == expected


def test_facts_that_are_no_field_are_kept_few_flat_and_short(deliver):
    body = {"message": "denied", "user": {"name": "ana"}, "long": "x" * 9_000, "text2": "y", "list": [1], "none": None}
    attributes = read(deliver(body)).attributes
    assert attributes == {"user.name": "ana", "long": "x" * 500, "text2": "y"}
    assert len(read(deliver({"message": "x", **{f"k{number}": number for number in range(200)}})).attributes) == 30


def test_facts_cannot_pose_as_fields(deliver):
    body = {"message": "denied", "x": {"http_status": 1}, "http_status": 403, "url": "javascript:alert(1)"}
    event = read(deliver(body))
    assert event.http_status == 403
    assert event.url is None
    assert not {"http_status", "url", "service", "environment"} & event.attributes.keys()


def test_deep_and_wide_objects_are_read_in_bounds(deliver):
    deep = {"message": "denied"}
    for _ in range(400):
        deep = {"a": deep}
    wide = {"message": "denied"} | {f"k{number}": {"message": "x"} for number in range(5_000)}
    assert read(deliver(deep)).text
    assert "denied" in read(deliver(wide)).text


def test_text_that_databases_refuse_is_repaired(deliver):
    assert read(deliver('{"message": "a\\u0000b \\ud800 c"}')).text == "a\ufffdb ? c"


def test_a_delivery_is_read_from_its_decoded_body(deliver):
    assert texts(replace(deliver({"message": "denied"}), raw=b"compressed")) == ["denied"]


def test_fields_that_stand_elsewhere_are_mapped_in_the_address(deliver):
    query = {"field.message": "outer.notes.1", "field.service": "meta.svc", "field.environment": "no.such"}
    body = {"outer": {"notes": ["first", "access denied"]}, "meta": {"svc": "billing"}, "message": "see notes"}
    event = read(replace(deliver(body), query=query))
    assert (event.text, event.service_name, event.environment) == ("access denied", "billing", None)


def test_a_mapping_of_what_is_no_field_is_said_to_be_wrong(deliver):
    with pytest.raises(Unparseable, match="maps 'colour', which is no field; fields are"):
        read(replace(deliver({"message": "x"}), query={"field.colour": "a"}))


def test_json_that_a_template_broke_is_read_as_text_where_it_tells_of_a_failure(deliver):
    broken = b'{"message": "CRITICAL - "billing": permission denied for table t", "service": "db"}'
    assert read(deliver(broken, content_type="application/json")).text == broken.decode()
    with pytest.raises(Unparseable):
        read(deliver(b'{"message": "all "good" now"}', content_type="application/json"))
