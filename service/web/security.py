"""One pure ASGI layer around everything but ingest: request id, security headers, cross-site refusal, last resort.

Cross-site requests that change state are refused by what browsers say about themselves (`Sec-Fetch-Site`, then
`Origin`), so forms need no token. A request with its own `Authorization` header cannot be forged by a page.
"""

import re
import time
import uuid
from collections.abc import Mapping
from urllib.parse import urlsplit

import structlog
from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from service.tracing import Noted, span
from service.web.problems import MEDIA_TYPE, ProblemError, crash, problem_body

log = structlog.get_logger(__name__)

POLICY = "default-src 'self'; base-uri 'none'; object-src 'none'; form-action 'self'; frame-ancestors 'none'"
_HEADERS = [
    (b"content-security-policy", POLICY.encode()),
    (b"x-content-type-options", b"nosniff"),
    (b"x-frame-options", b"DENY"),
    (b"referrer-policy", b"same-origin"),
    (b"cross-origin-opener-policy", b"same-origin"),
    (b"cross-origin-resource-policy", b"same-origin"),
]
_HSTS = (b"strict-transport-security", b"max-age=31536000")
_SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})
_REQUEST_ID = re.compile(r"[A-Za-z0-9._-]{8,64}")
_PROBE_PATHS = frozenset({"/healthz", "/readyz", "/metrics"})


class Shield:
    """Wraps the application. `public_url` is what browsers use, where a proxy changes the Host header.

    `max_body` is in bytes.
    """

    def __init__(self, app: ASGIApp, *, max_body: int, public_url: str | None = None) -> None:
        self._app = app
        self._max_body = max_body
        self._public_host = urlsplit(public_url).netloc.lower() if public_url else None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        headers = _headers(scope)
        exchange = _Exchange(scope, send, request_id(headers))
        with span("request", kind="server", headers=scope["headers"]) as noted:
            await self._serve(exchange, headers, receive)
            exchange.tell(noted)

    async def _serve(self, exchange: "_Exchange", headers: Mapping[str, str], receive: Receive) -> None:
        scope = exchange.scope
        scope.setdefault("state", {})["request_id"] = exchange.request_id
        structlog.contextvars.bind_contextvars(request_id=exchange.request_id)
        try:
            if scope["method"] not in _SAFE_METHODS and self._is_cross_site(headers):
                await exchange.refuse(ProblemError(403, "cross-site-request", "A page of another site sent this."))
            elif _declared_length(headers) > self._max_body:
                await exchange.refuse(ProblemError(413, "content-too-large", self._too_large))
            else:
                await self._app(scope, self._capped(receive), exchange.send)
        except Exception:
            log.exception("request failed", method=scope["method"], path=scope["path"])
            if not exchange.status:
                await exchange.refuse(crash(exchange.request_id))
        finally:
            exchange.log()
            structlog.contextvars.unbind_contextvars("request_id")

    @property
    def _too_large(self) -> str:
        return f"The body is larger than {self._max_body} bytes."

    def _capped(self, receive: Receive) -> Receive:
        """A `receive` that ends the request when a body of undeclared length passes the limit."""
        read = 0

        async def receive_some() -> Message:
            nonlocal read
            message = await receive()
            read += len(message.get("body", b""))
            if read > self._max_body:
                raise HTTPException(413, self._too_large)
            return message

        return receive_some

    def _is_cross_site(self, headers: Mapping[str, str]) -> bool:
        if "authorization" in headers:
            return False
        site = headers.get("sec-fetch-site")
        if site is not None:
            return site not in {"same-origin", "none"}
        origin = headers.get("origin")
        if origin is None:
            return False
        host = urlsplit(origin).netloc.lower()
        return not host or host not in {headers.get("host", "").lower(), self._public_host}


class _Exchange:
    """One request and what was sent back for it."""

    def __init__(self, scope: Scope, send: Send, request_id: str) -> None:
        self.scope = scope
        self._send = send
        self._started = time.perf_counter()
        self.request_id = request_id
        self.status = 0

    async def send(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self.status = message["status"]
            present = {name.lower() for name, _ in message.get("headers", ())}
            extra = [pair for pair in _HEADERS if pair[0] not in present]
            if self.scope.get("scheme") == "https":
                extra.append(_HSTS)
            if b"cache-control" not in present:
                static = self.scope["path"].startswith("/static/")
                extra.append((b"cache-control", b"public, max-age=3600" if static else b"no-store"))
            extra.append((b"x-request-id", self.request_id.encode()))
            message = {**message, "headers": [*message.get("headers", ()), *extra]}
        await self._send(message)

    async def refuse(self, problem: ProblemError) -> None:
        body = problem_body(problem.status, problem.slug, problem.detail)
        headers = [(b"content-type", MEDIA_TYPE.encode()), (b"content-length", str(len(body)).encode())]
        await self.send({"type": "http.response.start", "status": problem.status, "headers": headers})
        await self.send({"type": "http.response.body", "body": body})

    def tell(self, noted: Noted) -> None:
        """What a trace says of the request: its route and not its address, which has what people searched for."""
        method, route = self.scope["method"], getattr(self.scope.get("route"), "path", None)
        noted.name(f"{method} {route or '(other)'}")
        noted.note(
            {
                "http.request.method": method,
                "http.route": route,
                "http.response.status_code": self.status,
                "whydenied.request_id": self.request_id,
            }
        )

    def log(self) -> None:
        path = self.scope["path"]
        write = log.debug if path in _PROBE_PATHS or path.startswith("/static/") else log.info
        elapsed = round((time.perf_counter() - self._started) * 1000, 1)
        write("request", method=self.scope["method"], path=path, status=self.status, ms=elapsed)


def _declared_length(headers: Mapping[str, str]) -> int:
    length = headers.get("content-length", "")
    return int(length) if length.isdigit() else 0


def _headers(scope: Scope) -> dict[str, str]:
    return {name.decode("latin-1"): value.decode("latin-1") for name, value in scope["headers"]}


def request_id(headers: Mapping[str, str]) -> str:
    """The caller's id where it is harmless, so that one id follows a request through a proxy; else a new one."""
    offered = headers.get("x-request-id", "")
    return offered if _REQUEST_ID.fullmatch(offered) else uuid.uuid4().hex
