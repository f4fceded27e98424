"""Alertmanager's webhook and API in the shapes that are easy to get wrong."""

import json
from datetime import UTC, datetime

import pytest

from connectors.alertmanager import CONNECTOR
from connectors.base import BodyTooLarge, Unparseable

ALERT = {
    "status": "firing",
    "labels": {"alertname": "Forbidden", "service": "tailer"},
    "annotations": {"summary": "refused"},
    "startsAt": "2026-03-02T08:15:02Z",
    "endsAt": "0001-01-01T00:00:00Z",
    "fingerprint": "8d2f61c0b7e943a5",
}


def webhook(*alerts, **group):
    return {"version": "4", "groupKey": "{}:{}", "status": "firing", "alerts": list(alerts), **group}


def read(delivery):
    (event,) = CONNECTOR.parse(delivery).events
    return event


def test_each_alert_of_a_delivery_is_an_event_of_its_own_state(deliver):
    other = {**ALERT, "fingerprint": "17c9", "status": "resolved", "endsAt": "2026-03-02T09:00:00Z"}
    firing, resolved = CONNECTOR.parse(deliver(webhook(ALERT, other))).events
    assert (firing.state, resolved.state) == ("firing", "resolved")
    assert firing.time.isoformat() == "2026-03-02T08:15:02+00:00"
    assert resolved.time.isoformat() == "2026-03-02T09:00:00+00:00"


def test_an_alert_sent_again_by_a_retry_or_a_twin_is_the_same_event(deliver):
    once = read(deliver(webhook(ALERT, externalURL="http://alertmanager-0")))
    twin = read(deliver(webhook({**ALERT, "generatorURL": "http://other"}, externalURL="http://alertmanager-1")))
    assert once.id == twin.id


@pytest.mark.parametrize(
    "changed", [{"status": "resolved"}, {"startsAt": "2026-03-02T11:00:00Z"}, {"fingerprint": "another"}]
)
def test_another_state_start_or_alert_is_another_event(deliver, changed):
    assert read(deliver(webhook(ALERT))).id != read(deliver(webhook({**ALERT, **changed}))).id


def test_a_resolved_alert_closes_what_the_firing_one_opened(deliver):
    over = {**ALERT, "status": "resolved"}
    assert read(deliver(webhook(ALERT))).grouping_key == read(deliver(webhook(over))).grouping_key


@pytest.mark.parametrize(
    ("ends_at", "state"),
    [
        (None, "firing"),
        ("0001-01-01T00:00:00Z", "firing"),
        ("2026-03-02T12:04:00Z", "firing"),
        ("2026-03-02T13:00:00Z", "firing"),
        ("2026-03-02T11:59:00Z", "resolved"),
    ],
)
def test_on_the_api_an_alert_is_over_once_its_end_has_passed(deliver, ends_at, state):
    alert = {"labels": ALERT["labels"], "startsAt": "2026-03-02T11:00:00Z", "endsAt": ends_at}
    assert read(deliver([alert], path="/api/v2/alerts")).state == state


def test_alerts_that_the_api_gets_every_minute_are_one_event_until_they_end(deliver):
    def sent(ends_at, **labels):
        alert = {"labels": labels, "startsAt": "2026-03-02T11:00:00Z", "endsAt": ends_at}
        return read(deliver([alert], path="/api/v2/alerts"))

    first, again = sent("2026-03-02T12:03:00Z", a="1", b="2"), sent("2026-03-02T12:04:00Z", b="2", a="1")
    over = sent("2026-03-02T11:58:00Z", a="1", b="2")
    assert first.id == again.id != over.id
    assert first.grouping_key == over.grouping_key != sent("2026-03-02T12:03:00Z", a="1").grouping_key


def test_the_api_is_answered_like_alertmanager_does(deliver):
    reply = CONNECTOR.parse(deliver([ALERT], path="/api/v2/alerts")).reply
    assert (reply.status, reply.body) == (200, b"")


def test_every_annotation_that_is_text_is_told_once_and_links_are_not(deliver):
    annotations = {
        "description": "pods is forbidden: User refused",
        "summary": "refused",
        "message": 7,
        "runbook_url": "https://runbooks.example/x",
        "log": "last line\u0000",
        "__dashboardUid__": "abc",
        "nothing": None,
    }
    event = read(deliver(webhook({**ALERT, "annotations": annotations})))
    assert event.text == "Forbidden: pods is forbidden: User refused\n7\nlast line\ufffd"
    assert event.url == "https://runbooks.example/x"


def test_labels_tell_service_environment_and_status(deliver):
    labels = {
        "job": "kubelet",
        "app": "tailer",
        "pod": "tailer-1",
        "cluster": "eu-1",
        "code": "403",
        "severity": "page",
    }
    event = read(deliver(webhook({**ALERT, "labels": labels})))
    assert (event.service_name, event.environment, event.http_status, event.severity) == (
        "kubelet",
        "eu-1",
        403,
        "page",
    )
    assert event.attributes == {name: value for name, value in labels.items() if name != "severity"}


def test_an_alert_with_nothing_in_it_is_still_kept(deliver):
    event = read(deliver(webhook({})))
    assert (event.text, event.type, event.state) == ("Alert without a name", "alert", "firing")
    assert event.time == datetime(2026, 3, 2, 12, 0, tzinfo=UTC)


@pytest.mark.parametrize("body", [{}, {"alerts": None}, {"alerts": {}}, {"text": "my own template"}, "x", [1, "a"], 5])
def test_a_payload_template_of_ones_own_is_refused_with_advice(deliver, body):
    with pytest.raises(Unparseable, match=r"generic|no objects"):
        CONNECTOR.parse(deliver(json.dumps(body)))


def test_more_alerts_than_fit_are_refused_with_advice(deliver):
    with pytest.raises(BodyTooLarge, match="max_alerts"):
        CONNECTOR.parse(deliver([{}] * 10_001))
