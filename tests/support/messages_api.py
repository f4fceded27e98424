"""A real HTTP server on loopback that speaks Anthropic's Messages API strictly: it refuses what the API refuses.

What it answers is scripted; without a script it abstains on every event. `whydenied_draft` writes answers.
"""

import json
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

KEY = "sk-ant-test-0123456789abcdef"
MODEL = "claude-sonnet-5-5"
WITHOUT_EFFORT = {"claude-haiku-4-5"}
_VERSIONS = {"2023-06-01", "2026-10-21"}
_FIELDS = {
    *("model", "max_tokens", "messages", "system", "output_config", "metadata", "stop_sequences", "stream"),
    *("thinking", "tool_choice", "tools", "service_tier", "cache_control", "speed", "container", "inference_geo"),
}
_SCHEMA_WORDS = {
    *("type", "properties", "required", "additionalProperties", "items", "enum", "const", "anyOf", "$defs", "$ref"),
    *("description", "title", "minItems", "format"),
}


def whydenied_draft(**fields: Any) -> dict[str, Any]:
    """An answer in the form the service asks for; it abstains where `fields` do not say otherwise."""
    return {
        "verdict": "unknown",
        "cause": None,
        "system": None,
        "evidence": [],
        "principal": None,
        "action": None,
        "resource": None,
        "missing_permissions": [],
        "confidence": "unknown" if fields.get("verdict", "unknown") == "unknown" else "likely",
        "title": "Not clear from the event",
        "explanation": "The event does not say what refused the call.",
        "fix": None,
        "verify": None,
        **fields,
    }


@dataclass(frozen=True)
class Reply:
    """One scripted answer. `body` goes out as it is, or `breaks_off`; `delay` in seconds; `hang` never answers."""

    body: Any = None
    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict)
    delay: float = 0.0
    hang: bool = False
    breaks_off: bool = False


def message(text: str, stop_reason: str = "end_turn", **usage: int) -> Reply:
    """A successful answer with this text."""
    return Reply(
        {
            "id": "msg_01",
            "type": "message",
            "role": "assistant",
            "model": MODEL,
            "content": [{"type": "text", "text": text}] if text else [],
            "stop_reason": stop_reason,
            "stop_sequence": None,
            "usage": {"input_tokens": 1200, "output_tokens": 300, **usage},
        }
    )


def answer(**fields: Any) -> Reply:
    """A successful answer with a draft."""
    return message(json.dumps(whydenied_draft(**fields)))


def refuse(status: int, kind: str, text: str, headers: Mapping[str, str] | None = None, **details: str) -> Reply:
    """An error in the API's own envelope."""
    error: dict[str, Any] = {"type": kind, "message": text}
    if details:
        error["details"] = details
    return Reply({"type": "error", "error": error, "request_id": "req_01"}, status, headers or {})


class MessagesApi:
    """The server's script and its memory."""

    def __init__(self) -> None:
        self.script: list[Reply] = []
        self.default = answer()
        self.obey: Callable[[dict[str, Any]], Reply] | None = None
        self.requests: list[dict[str, Any]] = []
        self.refused: list[str] = []
        self.in_flight = self.most_in_flight = 0
        self.open = threading.Event()
        self.open.set()
        self.ended = threading.Event()
        self.arrived = threading.Condition()
        self.url = ""

    def wait_for_requests(self, count: int, seconds: float = 60.0) -> None:
        """Return once `count` valid requests have come in, whether answered or not."""
        with self.arrived:
            assert self.arrived.wait_for(lambda: len(self.requests) >= count, seconds), f"{len(self.requests)} came"

    def next_reply(self, request: dict[str, Any]) -> Reply:
        with self.arrived:
            self.requests.append(request)
            self.in_flight += 1
            self.most_in_flight = max(self.most_in_flight, self.in_flight)
            reply = self.script.pop(0) if self.script else self.obey(request) if self.obey else self.default
            self.arrived.notify_all()
        self.open.wait()
        return reply

    def leave(self) -> None:
        with self.arrived:
            self.in_flight -= 1


@contextmanager
def serve_messages_api() -> Iterator[MessagesApi]:
    """Run the server for the length of a `with` block."""
    with serve_script(_problem) as api:
        yield api


@contextmanager
def serve_script(find_problem: Callable[[str, Mapping[str, str], bytes], Reply | None]) -> Iterator[MessagesApi]:
    """Run a server that gives scripted replies to requests in which `find_problem` finds none."""
    api = MessagesApi()

    class Handler(_Handler):
        memory = api
        problem_of = staticmethod(find_problem)

    server = _Server(("127.0.0.1", 0), Handler)
    api.url = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    try:
        yield api
    finally:
        api.open.set()
        api.ended.set()
        server.shutdown()
        thread.join()
        server.server_close()


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 256

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Let a killed client go; everything else is printed."""
        if not isinstance(sys.exception(), ConnectionError):
            super().handle_error(request, client_address)


class _Handler(BaseHTTPRequestHandler):
    memory: MessagesApi
    problem_of: Callable[[str, Mapping[str, str], bytes], Reply | None]
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    wbufsize = -1

    def log_message(self, *args: Any) -> None:
        """Stay quiet."""

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers.get("content-length", 0)))
        problem = self.problem_of(self.path, self.headers, body)
        if problem:
            self.memory.refused.append(json.dumps(problem.body))
            self._send(problem)
            return
        reply = self.memory.next_reply({"headers": dict(self.headers), **json.loads(body)})
        try:
            if reply.hang:
                self.memory.ended.wait()
                self.close_connection = True
                return
            time.sleep(reply.delay)
            self._send(reply)
        finally:
            self.memory.leave()

    def _send(self, reply: Reply) -> None:
        raw = isinstance(reply.body, bytes)
        body = reply.body if raw else json.dumps(reply.body).encode()
        try:
            self.send_response(reply.status)
            self.send_header("content-type", "text/html" if raw else "application/json")
            self.send_header("content-length", str(len(body)))
            self.send_header("request-id", "req_01")
            for name, value in reply.headers.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(body[: len(body) // 2] if reply.breaks_off else body)
            self.wfile.flush()
            self.close_connection = self.close_connection or reply.breaks_off
        except OSError:
            self.close_connection = True


def _problem(path: str, headers: Mapping[str, str], body: bytes) -> Reply | None:
    if path != "/v1/messages":
        return refuse(404, "not_found_error", "Not found")
    if headers.get("anthropic-version") not in _VERSIONS:
        return refuse(400, "invalid_request_error", "anthropic-version: header is required")
    key = headers.get("x-api-key") or headers.get("authorization", "").removeprefix("Bearer ")
    if key != KEY:
        return refuse(401, "authentication_error", "invalid x-api-key")
    try:
        request = json.loads(body)
    except ValueError:
        return refuse(400, "invalid_request_error", "The request body is not valid JSON")
    fault = next(_faults(request), None)
    return refuse(400, "invalid_request_error", fault) if fault else None


def _faults(request: dict[str, Any]) -> Iterator[str]:
    for name in sorted(set(request) - _FIELDS):
        yield f"{name}: Extra inputs are not permitted"
    for name in ("model", "max_tokens", "messages"):
        if name not in request:
            yield f"{name}: Field required"
            return
    if not isinstance(request["max_tokens"], int) or request["max_tokens"] < 1:
        yield "max_tokens: must be greater than or equal to 1"
    yield from _message_faults(request["messages"])
    yield from _system_faults(request.get("system", "x"))
    yield from _output_faults(request.get("output_config", {}), request["model"])


def _message_faults(messages: list[dict[str, Any]]) -> Iterator[str]:
    if not messages or messages[0].get("role") != "user":
        yield 'messages: first message must use the "user" role'
    for number, one in enumerate(messages):
        if set(one) != {"role", "content"}:
            yield f"messages.{number}: role and content are required, nothing else is permitted"
        elif one["role"] not in {"user", "assistant"}:
            yield f"messages.{number}.role: Input should be 'user' or 'assistant'"
        elif not one["content"]:
            yield f"messages.{number}: content must be non-empty"


def _system_faults(system: Any) -> Iterator[str]:
    if isinstance(system, str):
        return
    for number, block in enumerate(system):
        if set(block) - {"type", "text", "cache_control"} or block.get("type") != "text" or not block.get("text"):
            yield f"system.{number}: must be a non-empty text block"
        elif block.get("cache_control", {"type": "ephemeral"}).get("type") != "ephemeral":
            yield f"system.{number}.cache_control.type: Input should be 'ephemeral'"


def _output_faults(config: dict[str, Any], model: str) -> Iterator[str]:
    if extra := set(config) - {"effort", "format"}:
        yield f"output_config.{extra.pop()}: Extra inputs are not permitted"
    if "effort" in config and model in WITHOUT_EFFORT:
        yield "This model does not support the effort parameter."
    if config.get("effort", "low") not in {"low", "medium", "high", "xhigh", "max"}:
        yield "output_config.effort: Input should be 'low', 'medium', 'high', 'xhigh' or 'max'"
    form = config.get("format")
    if form is None:
        return
    if set(form) != {"type", "schema"} or form["type"] != "json_schema":
        yield "output_config.format: must be a json_schema with a schema"
        return
    yield from _schema_faults(form["schema"])
    if len(list(_unions(form["schema"]))) > 16:
        yield "output_config.format.schema: Schemas contains too many parameters with union types"


def _schema_faults(schema: Any) -> Iterator[str]:
    if isinstance(schema, list):
        for one in schema:
            yield from _schema_faults(one)
    if not isinstance(schema, dict):
        return
    for word in sorted(set(schema) - _SCHEMA_WORDS):
        yield f"output_config.format.schema: For this type, property '{word}' is not supported"
    if schema.get("type") == "object" and schema.get("additionalProperties") is not False:
        yield "output_config.format.schema: For 'object' type, 'additionalProperties' must be explicitly set to false"
    for name in ("properties", "$defs"):
        for one in schema.get(name, {}).values():
            yield from _schema_faults(one)
    for name in ("items", "anyOf"):
        yield from _schema_faults(schema.get(name))


def _unions(schema: Any) -> Iterator[Any]:
    if isinstance(schema, dict):
        if "anyOf" in schema:
            yield schema
        for one in schema.values():
            yield from _unions(one)
    elif isinstance(schema, list):
        for one in schema:
            yield from _unions(one)
