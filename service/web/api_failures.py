"""`/api/v1/failures`: the distinct denials, their events, and what is known of each."""

from typing import Annotated

from fastapi import APIRouter, Depends, Query
from sqlalchemy import Connection

from service.domain import Cause, Confidence, Verdict
from service.store.activity import list_activity_of
from service.store.analyses import get_analysis, list_analyses
from service.store.failures import FailureFilter, InvalidCursor, Sort, get_failure, list_events, list_failures
from service.store.requests import list_calls
from service.store.reviews import list_reviews
from service.web.access import Caller, needs
from service.web.api_analyses import analysis_of
from service.web.problems import ProblemError, responses
from service.web.retry import RETRIABLE, retry_analysis
from service.web.schema import (
    Activity,
    AnalysisRef,
    EventPage,
    Failure,
    FailureDetail,
    FailurePage,
    FilterText,
    ModelCall,
    PathId,
    Producer,
    Review,
    Status,
)
from service.web.services import Services, services_of

router = APIRouter(prefix="/api/v1/failures", tags=["failures"])
_Services = Annotated[Services, Depends(services_of)]
Cursor = Annotated[str | None, Query(max_length=300, description="`next_cursor` of the part before.")]
Limit = Annotated[int, Query(ge=1, le=200)]


@router.get("", dependencies=[needs("read")], responses=responses(401, 403, 404, 422))
def get_failures(
    services: _Services,
    status: Status | None = None,
    verdict: Verdict | None = None,
    cause: Cause | None = None,
    system: Annotated[FilterText, Query(description="Also finds what lies below: `aws` finds `aws.s3`.")] = None,
    service: FilterText = None,
    environment: FilterText = None,
    connection: FilterText = None,
    producer: Producer | None = None,
    confidence: Confidence | None = None,
    q: Annotated[FilterText, Query(description="Words that all have to occur in it.")] = None,
    resolved: bool | None = None,
    snoozed: bool | None = None,
    sort: Sort = "latest",
    cursor: Cursor = None,
    limit: Limit = 50,
) -> FailurePage:
    """Failures that fit every filter."""
    filters = FailureFilter(
        status=status,
        verdict=verdict,
        cause=cause,
        system=system,
        service=service,
        environment=environment,
        connection=connection,
        producer=producer,
        confidence=confidence,
        q=q,
        resolved=resolved,
        snoozed=snoozed,
    )
    with services.engine.connect() as conn:
        try:
            page = list_failures(conn, filters, cursor, limit, sort)
        except InvalidCursor as error:
            raise invalid_cursor(error) from None
    return FailurePage.model_validate(page)


@router.get("/{failure_id}", dependencies=[needs("read")], responses=responses(401, 403, 404, 422))
def get_one_failure(failure_id: PathId, services: _Services) -> FailureDetail:
    """One failure with its current answer, every answer before it, what models were asked, and its reviews."""
    with services.engine.connect() as conn:
        found = load_detail(conn, failure_id)
    if found is None:
        raise no_failure()
    return found


def load_detail(conn: Connection, failure_id: str) -> FailureDetail | None:
    """A failure with all that is known of it, or None."""
    failure = get_failure(conn, failure_id)
    if failure is None:
        return None
    analysis = get_analysis(conn, failure.current_analysis_id) if failure.current_analysis_id else None
    return FailureDetail(
        **failure.model_dump(),
        analysis=analysis_of(analysis) if analysis else None,
        analyses=[AnalysisRef.model_validate(one) for one in list_analyses(conn, failure_id)],
        calls=[ModelCall.model_validate(one) for one in list_calls(conn, failure_id)],
        activity=[Activity.model_validate(one) for one in list_activity_of(conn, failure_id)],
        reviews=[Review.model_validate(one) for one in list_reviews(conn, failure_id)],
    )


@router.post("/{failure_id}/retry", status_code=202, responses=responses(401, 403, 404, 409, 422))
def post_retry(failure_id: PathId, caller: Annotated[Caller, needs("review")], services: _Services) -> Failure:
    """Ask the model again, at once, about a failure whose analysis is `failed` or `unavailable`; else 409."""
    before = retry_analysis(services, failure_id, caller.name)
    if before is None:
        raise no_failure()
    if before.analysis_state not in RETRIABLE:
        detail = f"The analysis is {before.analysis_state}; only a failed or unavailable one is asked for again."
        raise ProblemError(409, "analysis-not-over", detail)
    with services.engine.connect() as conn:
        return Failure.model_validate(get_failure(conn, failure_id))


@router.get("/{failure_id}/events", dependencies=[needs("read")], responses=responses(401, 403, 404, 422))
def get_events(failure_id: PathId, services: _Services, cursor: Cursor = None, limit: Limit = 50) -> EventPage:
    """The failure's events as stored, the one received last first."""
    with services.engine.connect() as conn:
        if get_failure(conn, failure_id) is None:
            raise no_failure()
        try:
            page = list_events(conn, failure_id, cursor, limit)
        except InvalidCursor as error:
            raise invalid_cursor(error) from None
    return EventPage.model_validate(page)


def no_failure() -> ProblemError:
    return ProblemError(404, "no-such-failure", "There is no failure of this id; it may have been deleted for its age.")


def invalid_cursor(error: InvalidCursor) -> ProblemError:
    return ProblemError(404, "no-such-page", f"{str(error)[:1].upper()}{str(error)[1:]}.")
