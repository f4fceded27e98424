"""Reading a kept delivery again, once its connector or its connection has been mended."""

import asyncio
from collections.abc import Sequence

from connectors.base import BodyTooLarge, Delivery, Parsed, Unparseable
from service.pipeline import Accepted
from service.store.activity import note_deed
from service.store.deliveries import get_unparsed
from service.store.tables import Unparsed
from service.web.api_events import refusing
from service.web.ingest import count_accepted
from service.web.live import LiveConnection
from service.web.problems import ProblemError
from service.web.services import Services

_CUT = "characters left out ...]"
_DECODED = {"content-encoding"}  # undone before the body was kept


async def replay(services: Services, delivery_id: str, who: str) -> Sequence[Accepted]:
    """Store the events of a kept delivery and delete it in the same transaction; then tell the audit log.

    Raises `ProblemError`.
    """
    kept = await asyncio.to_thread(_find, services, delivery_id)
    live = services.connections.get(kept.connection)
    if live is None:
        detail = f"There is no connection {kept.connection} any more, so nobody can say how to read it."
        raise ProblemError(409, "no-connection", detail)
    parsed = await asyncio.to_thread(_read, live, kept)
    with refusing():
        accepted = await services.pipeline.accept(live.name, parsed.events, replayed=[kept.id])
    count_accepted(services.metrics, live.name, accepted)
    subject = f"{delivery_id} of {live.name}"
    await asyncio.to_thread(note_deed, services.engine, who, "read a delivery again", subject)
    return accepted


def _find(services: Services, delivery_id: str) -> Unparsed:
    with services.engine.connect() as conn:
        kept = get_unparsed(conn, delivery_id)
    if kept is None:
        detail = "There is no such delivery: it was replayed already, or deleted for its age."
        raise ProblemError(404, "no-such-delivery", detail)
    return kept


def _read(live: LiveConnection, kept: Unparsed) -> Parsed:
    try:
        return live.connector.parse(delivery_of(kept))
    except (Unparseable, BodyTooLarge) as error:
        why = f"It still cannot be read as {live.connector.title}: {str(error).rstrip('.')}."
        cut = " It was too long to be kept whole, so only its sender can send it again." if _CUT in kept.body else ""
        raise ProblemError(409, "still-unparsed", why + cut) from None


def delivery_of(kept: Unparsed) -> Delivery:
    """The delivery as its connector saw it, except for what was redacted and for its query, which is not kept."""
    # What earlier releases kept has each header's name before its value.
    headers = {
        name: str(value).removeprefix(f"{name}: ") for name, value in kept.headers.items() if name not in _DECODED
    }
    body = kept.body.encode()
    return Delivery("POST", kept.path or "", {}, headers, body, body, kept.received_at)
