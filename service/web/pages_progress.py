"""`/failures/{id}/progress`: how far an analysis is, second by second, as server-sent events.

Format: https://html.spec.whatwg.org/multipage/server-sent-events.html. Pages work without it: they are reloaded.
"""

import asyncio
import json
import time
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from typing import Annotated

from fastapi import APIRouter, Depends
from fastapi.responses import Response, StreamingResponse

from service.store.failures import get_failure
from service.store.spending import last_call_of
from service.web.queue_view import elapsed, progress_of, stage_word, stage_words
from service.web.services import Services, services_of

router = APIRouter(include_in_schema=False)
_INTERVAL, _LONGEST = 1.0, 300.0
_MOST_STREAMS = 200
_DO_NOT_COME_AGAIN = 204
_streams = 0


@router.get("/failures/{failure_id}/progress")
async def stream_progress(services: Annotated[Services, Depends(services_of)], failure_id: str) -> Response:
    """Events with `stage` and `elapsed`, then one with `ended`; 204 where there is nothing to watch."""
    first = await asyncio.to_thread(_read, services, failure_id)
    if first is None or _streams >= _MOST_STREAMS:
        return Response(status_code=_DO_NOT_COME_AGAIN)
    headers = {"X-Accel-Buffering": "no"}  # a proxy that waits for the end would show nothing
    return StreamingResponse(_events(services, failure_id, first), media_type="text/event-stream", headers=headers)


async def _events(services: Services, failure_id: str, first: dict[str, str]) -> AsyncIterator[str]:
    global _streams  # noqa: PLW0603 - one event loop counts its own streams
    _streams += 1
    until = time.monotonic() + _LONGEST
    current: dict[str, str] | None = first
    try:
        while current and time.monotonic() < until and not services.closing.is_set():
            yield f"data: {json.dumps(current)}\n\n"
            await asyncio.sleep(_INTERVAL)
            current = await asyncio.to_thread(_read, services, failure_id)
        if current is None:
            yield 'data: {"ended": true}\n\n'
    finally:
        _streams -= 1


def _read(services: Services, failure_id: str) -> dict[str, str] | None:
    """What the page shows of an analysis under way; None once there is none."""
    with services.engine.connect() as conn:
        failure = get_failure(conn, failure_id)
        if failure is None or progress_of(failure) != "analysing":
            return None
        asked = last_call_of(conn, failure_id) if failure.analysis_state == "running" else None
    return {
        "stage": stage_words(failure),
        "word": stage_word(failure),
        "elapsed": elapsed(asked or failure.created_at, datetime.now(UTC)),
    }
