"""What the real sentry-sdk sends to a DSN that points at a connection is authentic and read whole."""

import json
import subprocess
import sys
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qsl, urlsplit

import pytest
import sentry_sdk
from sentry_sdk.utils import event_from_exception

from connectors.base import Auth, Delivery, ErrorEvent, Unauthenticated
from connectors.codings import decode
from connectors.sentry import CONNECTOR

KEY = "0d6c2f5e9b8a4713a1e4c7d05f92b368"
PREFIX = "/ingest/sentry-prod"
DENIED = {
    "type": "error",
    "error": {"type": "permission_error", "message": "Your API key does not have permission to use the resource."},
    "request_id": "req_011CWk3mT8vXq2LrYbNdP5Hs",
}


@dataclass
class Receiver:
    """A real server that keeps what it was sent and answers as the connector says."""

    deliveries: list[Delivery] = field(default_factory=list)
    port: int = 0

    @property
    def dsn(self) -> str:
        return f"http://{KEY}@127.0.0.1:{self.port}{PREFIX}/42"

    def events(self) -> list[ErrorEvent]:
        return [event for delivery in self.deliveries for event in CONNECTOR.parse(delivery).events]


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    kept = Receiver()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            raw = self.rfile.read(int(self.headers["content-length"]))
            split = urlsplit(self.path)
            if not split.path.startswith(PREFIX):
                return self.answer(403, json.dumps(DENIED).encode())
            headers = {name.lower(): value for name, value in self.headers.items()}
            body = decode(raw, headers.get("content-encoding", ""))
            path, query = split.path.removeprefix(PREFIX), dict(parse_qsl(split.query))
            kept.deliveries.append(Delivery("POST", path, query, headers, raw, body, datetime.now(UTC)))
            return self.answer(200, CONNECTOR.parse(kept.deliveries[-1]).reply.body)

        def answer(self, status: int, body: bytes) -> None:
            self.send_response(status)
            self.send_header("content-type", "application/json")
            self.send_header("content-length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *args: object) -> None:
            """Keep the test's output quiet."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    kept.port = server.server_address[1]
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    yield kept
    server.shutdown()
    thread.join()
    server.server_close()


def storage_failure() -> Exception:
    """An exception of the application, raised because of one of its storage library."""

    class AccessDenied(Exception):
        __module__ = "botocore.errorfactory"

    def get_object(**_: str) -> None:
        raise AccessDenied("An error occurred (AccessDenied) when calling the GetObject operation: Access Denied")

    try:
        try:
            get_object(
                Bucket="meridian-report-templates",
            )
        except AccessDenied as cause:
            raise RuntimeError("could not render invoice 20418") from cause
    except RuntimeError as error:
        return error
    raise AssertionError


@pytest.mark.parametrize(("coding", "experiments"), [("br", {}), ("gzip", {"transport_compression_algo": "gzip"})])
def test_an_exception_arrives_with_its_cause_and_its_source_lines(receiver, coding, experiments):
    client = sentry_sdk.Client(
        dsn=receiver.dsn,
        environment="production",
        release="reports@1.4",
        default_integrations=False,
        _experiments=experiments,
    )
    scope = sentry_sdk.Scope(client=client)
    scope.set_tag("service", "report-worker")
    event, hint = event_from_exception(storage_failure(), client_options=client.options)
    sent_id = client.capture_event(event, hint, scope)
    client.close(timeout=10)

    (delivery,) = receiver.deliveries
    assert delivery.headers["content-encoding"] == coding
    CONNECTOR.authenticate(replace(delivery, body=delivery.raw), Auth("signature", ("client-secret", KEY)))
    with pytest.raises(Unauthenticated):
        CONNECTOR.authenticate(delivery, Auth("signature", ("client-secret",)))

    (got,) = receiver.events()
    assert got.id == sent_id
    assert got.text.startswith(
        "botocore.errorfactory.AccessDenied: An error occurred (AccessDenied) when calling the GetObject operation: "
        "Access Denied\nRuntimeError: could not render invoice 20418\n"
    )
    assert 'Bucket="meridian-report-templates",' in got.text
    assert got.exception_type == "botocore.errorfactory.AccessDenied"
    assert (got.service_name, got.environment, got.severity) == ("report-worker", "production", "error")
    assert abs((got.time - datetime.now(UTC)).total_seconds()) < 60
    assert json.loads(CONNECTOR.parse(delivery).reply.body) == {"id": sent_id}


def test_a_logged_message_arrives_with_its_arguments(receiver):
    client = sentry_sdk.Client(dsn=receiver.dsn, default_integrations=False)
    logentry = {"message": "permission denied for table %s", "params": ["orders"]}
    client.capture_event({"logentry": logentry, "level": "error"}, scope=sentry_sdk.Scope(client=client))
    client.close(timeout=10)
    (event,) = receiver.events()
    assert event.text == "permission denied for table orders"


def test_sessions_and_traces_are_answered_and_hold_nothing(receiver):
    client = sentry_sdk.Client(dsn=receiver.dsn, default_integrations=False, traces_sample_rate=1.0)
    scope = sentry_sdk.Scope(client=client)
    with sentry_sdk.scope.use_isolation_scope(scope), sentry_sdk.scope.use_scope(scope):
        with sentry_sdk.start_transaction(name="GET /", op="http.server"):
            pass
        scope.start_session()
        scope.end_session()
    client.close(timeout=10)
    assert receiver.deliveries
    assert receiver.events() == []


PROGRAM = """
import sys
import anthropic, sentry_sdk
from sentry_sdk.integrations.anthropic import AnthropicIntegration
dsn, base_url = sys.argv[1:]
sentry_sdk.init(dsn=dsn, traces_sample_rate=1.0, auto_enabling_integrations=False,
                integrations=[AnthropicIntegration()])
client = anthropic.Anthropic(api_key="recorded", base_url=base_url, max_retries=0)
try:
    client.messages.create(model="claude-opus-5-5", max_tokens=8, messages=[{"role": "user", "content": "hi"}])
except anthropic.PermissionDeniedError as error:
    sentry_sdk.capture_exception(error)
sentry_sdk.flush(10)
"""


def test_a_refusal_that_the_sdks_own_integration_reports_arrives_once_with_the_providers_words(receiver):
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, receiver.dsn, f"http://127.0.0.1:{receiver.port}"],
        capture_output=True,
        text=True,
        timeout=90,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    (event,) = receiver.events()
    assert event.exception_type == "anthropic.PermissionDeniedError"
    assert "Error code: 403 - {'type': 'error', 'error': {'type': 'permission_error'" in event.text
    assert DENIED["error"]["message"] in event.text
    assert "Stack of anthropic.PermissionDeniedError" in event.text
