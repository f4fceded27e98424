"""Traces: every stage is a span of the sender's trace, nothing of an event is in them, and unasked there are none."""

import builtins
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from api_client import ADMIN_KEY, client, connect
from otlp_receiver import Traces, facts, recording
from service_site import running_site
from structlog.testing import capture_logs

from connectors.base import Auth
from service import tracing

TRACE, PARENT = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"
HEADERS = {"traceparent": f"00-{TRACE}-{PARENT}-01"}
SECRET = "the-token-of-the-sender"
TEXT = "ERROR: permission denied for table orders, key sk-ant-api03-AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"
STAGES = ["ingest", "receive", "authenticate", "parse", "redact", "match", "commit"]


@pytest.fixture
def traces(monkeypatch: pytest.MonkeyPatch) -> Iterator[Traces]:
    with recording(monkeypatch) as found:
        yield found


def test_every_stage_of_a_delivery_is_a_span_of_the_senders_trace(traces: Traces, tmp_path: Path) -> None:
    with running_site(tmp_path, admin_api_key=ADMIN_KEY) as site, client(site) as admin:
        path = connect(site, "jobs", auth=Auth("url-token", (SECRET,)))
        assert admin.post(f"{path}?token={SECRET}", json={"message": TEXT}, headers=HEADERS).status_code == 202
        refused = admin.post(f"{path}?token=guess", json={"message": TEXT})
        admin.get("/api/v1/failures?q=searched-for")
    spans = traces.stop()
    ours = [span for span in spans if span.trace_id.hex() == TRACE]
    assert [span.name for span in ours] == STAGES
    assert ours[0].parent_span_id.hex() == PARENT
    assert {span.parent_span_id for span in ours[1:]} == {ours[0].span_id}
    assert facts(ours[0]) == {"whydenied.connection": "jobs", "whydenied.outcome": "accepted"}
    assert traces.resource["service.name"] == "whydenied"
    [unproven] = [facts(span) for span in spans if facts(span).get("whydenied.outcome") == "unauthenticated"]
    assert unproven["whydenied.request_id"] == refused.headers["x-request-id"]
    [read] = [facts(span) for span in spans if span.name == "GET /api/v1/failures"]
    assert read["http.response.status_code"] == 200
    for kept in (SECRET, "guess", "orders", "sk-ant", "searched-for", ADMIN_KEY):
        assert kept.encode() not in traces.raw


def test_an_error_is_told_by_its_type_alone(traces: Traces) -> None:
    with pytest.raises(ValueError, match="orders"), tracing.span("stage", {"whydenied.connection": "x" * 5_000}):
        raise ValueError("denied for table orders")
    [span] = traces.stop()
    assert (facts(span)["error.type"], span.status.code, list(span.events)) == ("ValueError", 2, [])
    assert len(str(facts(span)["whydenied.connection"])) == 200
    assert b"orders" not in traces.raw


def test_log_lines_carry_the_ids_of_their_span(traces: Traces) -> None:
    with tracing.span("stage", headers=[(b"traceparent", HEADERS["traceparent"].encode())]):
        inside = tracing.add_trace_ids(None, "info", {"event": "said inside"})
    assert inside["trace_id"] == TRACE
    assert len(inside["span_id"]) == 16
    assert tracing.add_trace_ids(None, "info", {"event": "said outside"}) == {"event": "said outside"}


@pytest.mark.parametrize(
    "headers", ["", "00-zork", f"ff-{TRACE}-{PARENT}-01", f"00-{'0' * 32}-{PARENT}-01", "\xff" * 9_000]
)
def test_a_damaged_parent_begins_a_trace_of_its_own(traces: Traces, headers: str) -> None:
    with tracing.span("stage", headers=[(b"traceparent", headers.encode("latin-1"))]):
        pass
    [span] = traces.stop()
    assert span.parent_span_id == b""


@pytest.mark.parametrize(
    "environment",
    [
        {},
        {"OTEL_EXPORTER_OTLP_ENDPOINT": ""},
        {"OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:9", "OTEL_SDK_DISABLED": "true"},
        {"OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:9", "OTEL_TRACES_EXPORTER": "none"},
    ],
)
def test_without_being_asked_for_nothing_is_recorded(environment: dict[str, str]) -> None:
    assert not tracing.start(environment)
    assert tracing.span("one") is tracing.span("other", kind="server")


def test_traces_that_are_not_installed_are_told_and_nothing_else_happens(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    find = builtins.__import__

    def without(name: str, *rest: Any) -> Any:
        if name.startswith("opentelemetry.exporter"):
            raise ImportError(name)
        return find(name, *rest)

    monkeypatch.setattr(builtins, "__import__", without)
    with capture_logs() as told:
        assert not tracing.start({"OTEL_TRACES_EXPORTER": "otlp"})
    assert "whydenied[otel]" in told[0]["event"]
    assert tracing.span("one") is tracing.span("other")
