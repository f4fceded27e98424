"""`/ingest/{connection}{path}`: the hot path from a webhook to a committed event, as one raw ASGI callable.

No routing, dependency or middleware machinery runs here. An answer of 2xx means: committed. Every refusal is a
problem document, and the reason is counted in `whydenied_deliveries_total`.
"""

import asyncio
import time
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any
from urllib.parse import parse_qsl

import msgspec
import structlog
from starlette.types import Receive, Scope, Send

from connectors.base import (
    BodyTooLarge,
    Connector,
    Delivery,
    KeyNeeded,
    Parsed,
    Reply,
    Unauthenticated,
    Unparseable,
)
from connectors.codings import decode
from service.metrics import Metrics
from service.pipeline import Accepted, Pipeline
from service.redact import RedactionFailed
from service.store.writer import Overloaded, StoreUnavailable, Unstorable
from service.tracing import Noted, span
from service.web.body import BodyReader, BodyRefused, answer_and_drain
from service.web.gate import Gate, Shut
from service.web.live import LiveConnection, LiveConnections
from service.web.problems import MEDIA_TYPE, problem_body
from service.web.public_keys import KeyUnavailable, PublicKeys
from service.web.refusals import Refusals
from service.web.security import request_id
from service.web.waiting_room import WaitingRoom

log = structlog.get_logger(__name__)

PREFIX = "/ingest/"
_ENCODE = msgspec.json.Encoder().encode
_METHODS = ("POST", "PUT")
_GREETINGS = ("GET", "HEAD", "OPTIONS")
_MOST_KEYS = 2
_BIG = 256 * 1024
_NOBODYS = "(unknown)"
_RETRY_UNAVAILABLE = 5
_RETRY_UNREDACTED = 60


class Refused(Exception):
    """Ends a delivery with a problem. `outcome` is its name in the metrics."""

    def __init__(self, outcome: str, status: int, slug: str, detail: str, headers: Mapping[str, str] | None = None):
        super().__init__(detail.rstrip(".") + ".")
        self.outcome = outcome
        self.status = status
        self.slug = slug
        self.headers = dict(headers or {})
        self.reply: Reply | None = None


class Gone(Exception):
    """The sender hung up before its body was complete; there is nobody to answer."""


class Ingest:
    """Serves every connection. Safe for one event loop; the pipeline does the waiting for the database."""

    def __init__(
        self,
        *,
        connections: LiveConnections,
        pipeline: Pipeline,
        metrics: Metrics,
        body_timeout: float,
        keys: PublicKeys,
        refusals: Refusals,
        waiting_room: WaitingRoom,
        gate: Gate,
    ) -> None:
        self._gate = gate
        self._connections = connections
        self._refusals = refusals
        self._keys = keys
        self._pipeline = pipeline
        self._waiting_room = waiting_room
        self._metrics = metrics
        self._bodies = BodyReader(timeout=body_timeout)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        with span("ingest", kind="server", headers=scope["headers"]) as noted:
            await self._serve(scope, receive, send, noted)

    async def _serve(self, scope: Scope, receive: Receive, send: Send, noted: Noted) -> None:
        started = time.perf_counter()
        name, _, rest = scope["path"][len(PREFIX) :].partition("/")
        live = self._connections.get(name)
        label = live.name if live else _NOBODYS
        try:
            outcome, reply = await self._take(live, f"/{rest}" if rest else "", scope, receive)
        except Refused as refusal:
            await self._refuse(live, refusal, scope, receive, send, noted)
        except Gone:
            self._metrics.delivery_counter(label, "cut").inc()
        except Exception:
            detail = "Something broke inside the service; the delivery was not accepted. Send it again."
            crash = Refused("error", 500, "internal-error", detail)
            await self._refuse(live, crash, scope, receive, send, noted)
        else:
            self._metrics.delivery_counter(label, outcome).inc()
            self._metrics.delivery_seconds.observe(time.perf_counter() - started)
            noted.note({"whydenied.connection": label, "whydenied.outcome": outcome})
            await _send(send, reply)

    async def _refuse(
        self, live: LiveConnection | None, refusal: Refused, scope: Scope, receive: Receive, send: Send, noted: Noted
    ) -> None:
        """Count, note and log a refusal, and send it with the id that the log has of it. Called while it is handled."""
        label = live.name if live else _NOBODYS
        self._metrics.delivery_counter(label, refusal.outcome).inc()
        self._note(live, refusal, scope)
        told = {"connection": label, "request_id": request_id(_headers(scope))}
        if refusal.outcome == "error":
            log.exception("delivery failed", **told)
        else:
            log.info("delivery refused", outcome=refusal.outcome, status=refusal.status, **told)
        noted.note(
            {f"whydenied.{name}": value for name, value in told.items()} | {"whydenied.outcome": refusal.outcome}
        )
        refusal.headers["X-Request-ID"] = told["request_id"]
        await _send_refusal(refusal, receive, send)

    def _note(self, live: LiveConnection | None, refusal: Refused, scope: Scope) -> None:
        if live is None:
            return
        given = {name: value.decode("latin-1") for name, value in scope["headers"]}
        self._refusals.note(
            live.name,
            outcome=refusal.outcome,
            status=refusal.status,
            detail=str(refusal),
            user_agent=given.get(b"user-agent", ""),
            length=given.get(b"content-length", ""),
        )

    async def _take(self, live: LiveConnection | None, path: str, scope: Scope, receive: Receive) -> tuple[str, Reply]:
        if live is None:
            raise Refused("unknown", 404, "unknown-connection", "No connection of this name receives here.")
        if scope["method"] in _METHODS:
            self._check_limits(live)
        with span("receive"):
            delivery = await self._receive(live, path, scope, receive)
        if delivery.method not in _METHODS:
            return "greeting", _greet(live, delivery)
        try:
            return await self._keep(live, await self._open(live, delivery))
        except Refused as refusal:
            refusal.reply = live.connector.refuse(delivery, refusal.status, str(refusal))
            raise

    def _check_limits(self, live: LiveConnection) -> None:
        try:
            self._gate.check(live.name, live.limits)
        except Shut as shut:
            raise Refused("limited", 429, "limit-reached", str(shut), _retry(shut.retry_after)) from None

    async def _open(self, live: LiveConnection, delivery: Delivery) -> "Parsed | Unparsed":
        """Read the delivery, in a thread if it is big, and with the sender's public key where it takes one."""
        for _ in range(_MOST_KEYS + 1):
            try:
                if len(delivery.raw) > _BIG:
                    return await asyncio.to_thread(open_delivery, live, delivery)
                return open_delivery(live, delivery)
            except KeyNeeded as needed:
                delivery = replace(delivery, keys={**delivery.keys, needed.url: await self._key(needed.url)})
        raise Refused("unauthenticated", 401, "unauthenticated", "The signature needs more public keys than one.")

    async def _key(self, url: str) -> bytes:
        try:
            return await self._keys.get(url)
        except KeyUnavailable as error:
            raise Refused("unavailable", 503, "key-unavailable", str(error), _retry(_RETRY_UNAVAILABLE)) from None

    async def _receive(self, live: LiveConnection, path: str, scope: Scope, receive: Receive) -> Delivery:
        headers = _headers(scope)
        try:
            raw = await self._bodies.read(receive, headers, live.max_body)
        except BodyRefused as refused:
            raise _body_refusal(refused, live.max_body) from None
        query = (
            dict(parse_qsl(scope["query_string"].decode("latin-1"), keep_blank_values=True))
            if scope["query_string"]
            else {}
        )
        return Delivery(scope["method"], path, query, headers, raw, raw, datetime.now(UTC))

    async def _keep(self, live: LiveConnection, parsed: "Parsed | Unparsed") -> tuple[str, Reply]:
        try:
            if isinstance(parsed, Unparsed):
                await self._pipeline.keep_unparsed(live.name, parsed.delivery, parsed.reason)
                self._gate.pay(live.name, live.limits, 1)
                log.warning("delivery unparsed", connection=live.name, reason=parsed.reason)
                return "unparsed", Reply(202, _ENCODE({"events": [], "unparsed": parsed.reason}))
            if parsed.passed_over:
                self._metrics.records_passed_over.labels(live.name).inc(parsed.passed_over)
            if parsed.confirm_url:
                self._keys.visit(parsed.confirm_url)
            if not parsed.events:
                return "empty", _filled(parsed.reply, ())
            aside = await self._waiting_room.take_aside(live.name, live.puller, parsed.events)
            now = [event for event in parsed.events if event.id not in aside] if aside else parsed.events
            accepted = await self._pipeline.accept(live.name, now) if now else []
        except Overloaded as error:
            raise _overloaded(error.retry_after) from None
        except StoreUnavailable:
            detail = "The database does not answer; nothing was accepted. Send it again later."
            raise Refused("unavailable", 503, "store-unavailable", detail, _retry(_RETRY_UNAVAILABLE)) from None
        except RedactionFailed:
            log.exception("redaction failed", connection=live.name)
            detail = "The delivery could not be cleared of secrets, so nothing of it was accepted or stored."
            raise Refused("unredacted", 503, "redaction-failed", detail, _retry(_RETRY_UNREDACTED)) from None
        except Unstorable:
            detail = "The database refuses this very delivery; sending it again will not help. The log has the cause."
            raise Refused("unstorable", 422, "unstorable", detail) from None
        self._gate.pay(live.name, live.limits, len(parsed.events))
        count_accepted(self._metrics, live.name, accepted)
        return "accepted", _filled(parsed.reply, accepted, len(aside))


def _greet(live: LiveConnection, delivery: Delivery) -> Reply:
    """The answer to a request that is no delivery. Raises `Refused` where the connector knows no such request."""
    reply = live.connector.greet(delivery) if delivery.method in _GREETINGS else None
    if reply is None:
        allow = {"Allow": ", ".join(_METHODS)}
        raise Refused("method", 405, "method-not-allowed", "Deliveries arrive by POST.", allow)
    return reply


class Unparsed:
    """An authentic delivery that its connector could not read."""

    def __init__(self, delivery: Delivery, reason: str) -> None:
        self.delivery = delivery
        self.reason = reason


def open_delivery(live: LiveConnection, delivery: Delivery) -> Parsed | Unparsed:
    """Authenticate the bytes as sent, then decompress under the cap, then read. Raises `Refused`."""
    connector: Connector = live.connector
    try:
        with span("authenticate"):
            connector.authenticate(delivery, live.auth)
    except Unauthenticated as error:
        challenge = {"WWW-Authenticate": "Basic" if live.auth.scheme == "basic" else "Bearer"}
        raise Refused("unauthenticated", 401, "unauthenticated", str(error), challenge) from None
    try:
        with span("parse"):
            encoding = delivery.headers.get("content-encoding")
            if encoding:
                delivery = replace(delivery, body=decode(delivery.raw, encoding, live.max_inflated))
            return connector.parse(delivery)
    except BodyTooLarge as error:
        raise Refused("too_large", 413, "content-too-large", str(error)) from None
    except Unparseable as error:
        return Unparsed(delivery, str(error))


def count_accepted(metrics: Metrics, connection: str, accepted: Sequence[Accepted]) -> None:
    """Count events by newness and new ones by what the rules said."""
    for one in accepted:
        metrics.event_counter(connection, one.kind).inc()
        if not one.duplicate:
            metrics.match_counter(one.match.verdict if one.match else "none").inc()


def accepted_document(accepted: Sequence[Accepted]) -> dict[str, Any]:
    """What a sender learns about its events."""
    return {"events": [_accepted_event(one) for one in accepted]}


def _accepted_event(one: Accepted) -> dict[str, Any]:
    match = one.match
    return {
        "event_id": one.event_id,
        "failure_id": one.failure_id,
        "duplicate": one.duplicate,
        "analysis_id": one.analysis_id,
        "verdict": match.verdict if match else None,
        "cause": match.cause if match else None,
        "title": match.title if match else None,
    }


def _filled(reply: Reply, accepted: Sequence[Accepted], waiting: int = 0) -> Reply:
    if reply.status == 202 and not reply.body:
        document = accepted_document(accepted) | ({"waiting": waiting} if waiting else {})
        return Reply(202, _ENCODE(document), reply.content_type, reply.headers)
    return reply


def _body_refusal(refused: BodyRefused, limit: int) -> Exception:
    if refused.reason == "cut":
        return Gone()
    if refused.reason == "too_large":
        return Refused("too_large", 413, "content-too-large", f"The body is larger than {limit} bytes.")
    if refused.reason == "timeout":
        return Refused("timeout", 408, "request-timeout", "The body did not arrive in time.")
    return _overloaded(1)


def _overloaded(retry_after: float) -> Refused:
    detail = "Too much is arriving at once; nothing was accepted. Send it again later."
    return Refused("overloaded", 503, "overloaded", detail, _retry(retry_after))


def _retry(seconds: float) -> dict[str, str]:
    return {"Retry-After": str(max(1, round(seconds)))}


def _headers(scope: Scope) -> dict[str, str]:
    headers = {name.decode("latin-1"): value.decode("latin-1") for name, value in scope["headers"]}
    if len(headers) == len(scope["headers"]):
        return headers
    headers.clear()
    for raw_name, raw_value in scope["headers"]:
        name, value = raw_name.decode("latin-1"), raw_value.decode("latin-1")
        headers[name] = f"{headers[name]}, {value}" if name in headers else value
    return headers


async def _send(send: Send, reply: Reply) -> None:
    await send(_start(reply.status, reply.content_type, reply.body, reply.headers))
    await send({"type": "http.response.body", "body": reply.body})


async def _send_refusal(refusal: Refused, receive: Receive, send: Send) -> None:
    if refusal.reply is not None:
        await _send(send, replace(refusal.reply, headers={**refusal.headers, **refusal.reply.headers}))
        return
    body = problem_body(refusal.status, refusal.slug, str(refusal))
    start = _start(refusal.status, MEDIA_TYPE, body, refusal.headers)
    if refusal.status in {408, 413}:
        await answer_and_drain(receive, send, start, body)
    else:
        await send(start)
        await send({"type": "http.response.body", "body": body})


def _start(status: int, content_type: str, body: bytes, extra: Mapping[str, str]) -> dict[str, Any]:
    headers = [
        (b"content-type", content_type.encode("latin-1")),
        (b"content-length", str(len(body)).encode()),
        (b"x-content-type-options", b"nosniff"),
        *((name.lower().encode("latin-1"), value.encode("latin-1")) for name, value in extra.items()),
    ]
    return {"type": "http.response.start", "status": status, "headers": headers}
