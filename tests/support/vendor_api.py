"""A real HTTP server on loopback that plays a vendor's REST API: it answers what is scripted and refuses the rest.

A route is a method and a path; what it demands of headers, query and body is checked as the vendor would check it, so a
request that the vendor would refuse gets its refusal here.
"""

import json
import ssl
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlsplit


@dataclass(frozen=True)
class Asked:
    """One request as it came."""

    method: str
    path: str
    query: Mapping[str, str]
    headers: Mapping[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)


@dataclass(frozen=True)
class Answer:
    """What goes out; anything but bytes as JSON."""

    body: Any = None
    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict)


Route = Callable[[Asked], Answer]


@dataclass
class Vendor:
    """The server: its address, its routes, and what it was asked."""

    url: str
    routes: dict[tuple[str, str], Route] = field(default_factory=dict)
    asked: list[Asked] = field(default_factory=list)

    def route(self, method: str, path: str, answer: Route | Answer) -> None:
        self.routes[method, path] = answer if callable(answer) else lambda _: answer

    def paths(self) -> list[str]:
        return [one.path for one in self.asked]

    def answer(self, asked: Asked) -> Answer:
        self.asked.append(asked)
        route = self.routes.get((asked.method, asked.path))
        return route(asked) if route else Answer({"message": "Not Found"}, 404)


def needs(headers: Mapping[str, str], answer: Route | Answer, *, status: int = 401) -> Route:
    """The route for those who send these headers exactly, and a refusal for others."""

    def check(asked: Asked) -> Answer:
        if any(asked.headers.get(name) != value for name, value in headers.items()):
            return Answer({"message": "Bad credentials"}, status)
        return answer(asked) if callable(answer) else answer

    return check


@contextmanager
def vendor_api(certificate: Path | None = None) -> Iterator[Vendor]:
    """Run one; its address is `http://127.0.0.1:<port>`, or https with a `certificate`, a PEM of it and its key."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            length = int(self.headers.get("content-length") or 0)
            parts = urlsplit(self.path)
            headers = {name.lower(): value for name, value in self.headers.items()}
            asked = Asked(self.command, parts.path, dict(parse_qsl(parts.query)), headers, self.rfile.read(length))
            answer = vendor.answer(asked)
            body = answer.body if isinstance(answer.body, bytes) else json.dumps(answer.body).encode()
            self.send_response(answer.status)
            for name, value in {"Content-Length": str(len(body)), **answer.headers}.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(body)

        do_POST = do_GET  # noqa: N815

        def log_message(self, *_: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    if certificate:
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        context.load_cert_chain(certificate)
        server.socket = context.wrap_socket(server.socket, server_side=True)
    vendor = Vendor(f"{'https' if certificate else 'http'}://127.0.0.1:{server.server_port}")
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    try:
        yield vendor
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
