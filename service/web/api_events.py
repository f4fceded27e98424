"""`POST /api/v1/events`: store events of programs that speak REST; the reply has the answer when a rule knows it."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Annotated, Any

from fastapi import APIRouter, Depends
from pydantic import Field

from connectors.base import ErrorEvent
from service.pipeline import Accepted
from service.redact import RedactionFailed
from service.store.ids import new_id
from service.store.limits import Limits
from service.store.writer import Overloaded, StoreUnavailable, Unstorable
from service.web.access import needs
from service.web.gate import Shut
from service.web.ingest import count_accepted
from service.web.problems import ProblemError, responses, unavailable
from service.web.schema import MOST_EVENTS, AcceptedEvent, EventRef, EventRequest, FailureRef
from service.web.services import Services, services_of

router = APIRouter(prefix="/api/v1", tags=["events"])
CONNECTION = "api"
_Many = Annotated[list[EventRequest], Field(min_length=1)]


@router.post(
    "/events",
    status_code=202,
    dependencies=[needs("ingest")],
    responses=responses(400, 401, 403, 413, 422, 429),
    response_model=AcceptedEvent | list[AcceptedEvent],
)
async def post_events(
    body: EventRequest | _Many, services: Annotated[Services, Depends(services_of)]
) -> AcceptedEvent | list[AcceptedEvent]:
    """Store one event, or a list of up to 1,000: all or none. 202 means: committed.

    A list is answered by a list in the same order.
    """
    requests = body if isinstance(body, list) else [body]
    if len(requests) > MOST_EVENTS:
        raise ProblemError(413, "content-too-large", f"Send at most {MOST_EVENTS} events at once.")
    events = [_event(request) for request in requests]
    limits = services.connections.limits_of(CONNECTION)
    _check_limits(services, limits)
    with refusing():
        accepted = await services.pipeline.accept(CONNECTION, events)
    services.gate.pay(CONNECTION, limits, len(events))
    count_accepted(services.metrics, CONNECTION, accepted)
    items = [outcome_of(one) for one in accepted]
    return items if isinstance(body, list) else items[0]


@contextmanager
def refusing() -> Iterator[None]:
    """Turn what the pipeline raises into problems; nothing was accepted then."""
    try:
        yield
    except Overloaded as error:
        raise _later("overloaded", "Too much is arriving at once; nothing was accepted.", error.retry_after) from None
    except StoreUnavailable:
        raise unavailable() from None
    except RedactionFailed:
        raise _later("redaction-failed", "The events could not be cleared of secrets; none was accepted.", 60) from None
    except Unstorable:
        raise ProblemError(422, "unstorable", "The database refuses these events; none was accepted.") from None


def _check_limits(services: Services, limits: Limits) -> None:
    try:
        services.gate.check(CONNECTION, limits)
    except Shut as shut:
        retry = {"Retry-After": str(shut.retry_after)}
        raise ProblemError(429, "limit-reached", f"{shut}.", headers=retry) from None


def _event(request: EventRequest) -> ErrorEvent:
    facts: dict[str, Any] = request.model_dump(exclude={"id", "time"})
    return ErrorEvent(id=request.id or new_id(), time=request.time or datetime.now(UTC), **facts)


def outcome_of(one: Accepted) -> AcceptedEvent:
    """What became of one event, with the answer that a rule gave."""
    return AcceptedEvent(
        event=EventRef(id=one.event_id, duplicate=one.duplicate),
        failure=FailureRef(id=one.failure_id) if one.failure_id else None,
        analysis=one.answer,
    )


def _later(slug: str, detail: str, seconds: int) -> ProblemError:
    return ProblemError(503, slug, detail, headers={"Retry-After": str(max(1, seconds))})
