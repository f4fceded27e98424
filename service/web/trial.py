"""Trying a connection: a test event of its own kind, proven as its sender would, through the real ingest.

What it stores can be mistaken for nothing else: its text says that it is a test, and so does the rule's answer.
"""

import asyncio
from collections.abc import MutableMapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from urllib.parse import urlencode

import msgspec
from starlette.types import ASGIApp, Message

from connectors.base import Delivery
from connectors.trial import make_trial
from service.store.activity import note_deed
from service.store.failures import FailureFilter, list_failures
from service.store.ids import new_id
from service.store.trials import TEST_RULE, is_trial
from service.web.ingest import PREFIX
from service.web.live import LiveConnection
from service.web.problems import ProblemError
from service.web.services import Services

_AGENT = "whydenied connection test"


@dataclass(frozen=True, slots=True)
class Trial:
    """What became of a test event. `failure_id` is null where it was not stored; then `detail` says why."""

    status: int
    failure_id: str | None
    detail: str


async def try_connection(services: Services, ingest: ASGIApp, name: str, who: str) -> Trial:
    """Send one test event and tell the audit log who did. Raises `ProblemError` where none can be made, saying why."""
    live = services.connections.get(name)
    if live is None:
        raise ProblemError(404, "no-such-connection", "There is no connection of this name that receives.", name=name)
    made = _delivery(live, services)
    await asyncio.to_thread(note_deed, services.engine, who, "sent a test event through", live.name)
    status, body = await _deliver(ingest, live.name, made)
    failure_id = await asyncio.to_thread(_stored, services, live.name, made.received_at) if status < 300 else None
    if failure_id is None:
        return Trial(status, None, _reason(body))
    return Trial(status, failure_id, "The test event was accepted, read, stored and answered by its rule.")


def _delivery(live: LiveConnection, services: Services) -> Delivery:
    now = datetime.now(UTC)
    text = f"whydenied test event {now:%Y%m%dT%H%M%SZ} of the connection {live.name}: nothing was denied"
    match = services.pipeline.matcher.match(text, {})
    if match is None or match.rule.id != TEST_RULE:
        detail = (
            f"The rules in use lack {TEST_RULE}, so a test event would look like a failure. Load the shipped rules."
        )
        raise ProblemError(409, "no-test", detail)
    made = make_trial(live.connector, live.auth, text=text, identity=f"wd{new_id().replace('-', '')}", moment=now)
    if made is None:
        raise ProblemError(409, "no-test", _instead(live))
    return made


def _instead(live: LiveConnection) -> str:
    title = live.connector.title
    if live.auth.scheme == "signature" and live.connector.public_key:
        return f"Only {title} can sign for this connection: let it send a test or an alarm there, and watch this page."
    if live.connector.sample and not live.auth.secrets:
        return f"Give the secret that {title} made first; without it everything is refused."
    return f"No test event of {title} can be made here: let it send one there, and watch this page."


async def _deliver(ingest: ASGIApp, name: str, delivery: Delivery) -> tuple[int, bytes]:
    """Status and body of what ingest answers, in this process and without a network."""
    headers = {**delivery.headers, "user-agent": _AGENT, "content-length": str(len(delivery.raw))}
    scope: MutableMapping[str, Any] = {
        "type": "http",
        "method": delivery.method,
        "path": f"{PREFIX}{name}{delivery.path}",
        "query_string": urlencode(delivery.query).encode(),
        "headers": [(key.encode("latin-1"), value.encode("latin-1", "replace")) for key, value in headers.items()],
    }
    sent: list[Message] = []

    async def receive() -> Message:
        return {"type": "http.request", "body": delivery.raw, "more_body": False}

    async def send(message: Message) -> None:
        sent.append(message)

    await ingest(scope, receive, send)
    return sent[0]["status"], b"".join(message.get("body", b"") for message in sent[1:])


def _stored(services: Services, name: str, sent: datetime) -> str | None:
    with services.engine.connect() as conn:
        page = list_failures(conn, FailureFilter(connection=name, system="whydenied"), None, 1)
    second = sent.replace(microsecond=0)  # some sources tell time no finer
    return next((failure.id for failure in page.items if is_trial(failure) and failure.last_seen >= second), None)


def _reason(body: bytes) -> str:
    """What a refusal or an unread delivery says, if it says it in our own form."""
    try:
        told = msgspec.json.decode(body)
    except msgspec.DecodeError:
        told = None
    if isinstance(told, dict):
        return str(told.get("detail") or told.get("unparsed") or "It was accepted, and nothing was stored.")
    return "It was not accepted; the log of the service has the reason."
