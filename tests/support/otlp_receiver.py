"""An OpenTelemetry collector, as far as spans by OTLP over HTTP go: https://opentelemetry.io/docs/specs/otlp/."""

import contextlib
import gzip
import os
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.trace.v1.trace_pb2 import Span

from service import tracing


class Traces:
    """What arrived: `raw` as sent, `spans` once the sender has stopped."""

    def __init__(self) -> None:
        self.raw = b""
        self.resource: dict[str, str] = {}
        self._spans: list[Span] = []

    def take(self, body: bytes) -> None:
        self.raw += body
        for resource in ExportTraceServiceRequest.FromString(body).resource_spans:
            self.resource |= {one.key: one.value.string_value for one in resource.resource.attributes}
            self._spans += [span for scope in resource.scope_spans for span in scope.spans]

    def stop(self) -> list[Span]:
        """Record no more, and give all that was sent, in the order of their starts."""
        tracing.stop()
        return sorted(self._spans, key=lambda span: span.start_time_unix_nano)


def facts(span: Span) -> dict[str, str | int]:
    """The attributes of a span."""
    return {one.key: one.value.string_value or one.value.int_value for one in span.attributes}


@contextlib.contextmanager
def recording(monkeypatch: pytest.MonkeyPatch) -> Iterator[Traces]:
    """Record this process's spans and send them to a collector on loopback."""
    traces = Traces()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["content-length"]))
            traces.take(gzip.decompress(body) if self.headers.get("content-encoding") == "gzip" else body)
            self.send_response(200)
            self.send_header("content-length", "0")
            self.end_headers()

        def log_message(self, *_: object) -> None:
            """Nothing: tests read what arrived."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True)
    thread.start()
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", f"http://127.0.0.1:{server.server_port}")
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    assert tracing.start(os.environ)
    try:
        yield traces
    finally:
        tracing.stop()
        server.shutdown()
        server.server_close()
        thread.join()
