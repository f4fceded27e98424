"""`/failures/{id}`: one denial, its answer and its proof; as Markdown too, with each artifact as a file."""

from datetime import UTC, datetime
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Request
from fastapi.responses import HTMLResponse, PlainTextResponse, Response
from sqlalchemy import Connection

from service.domain import Answer
from service.store.analyses import event_of, get_analysis
from service.store.failures import get_failure, list_events, list_failures, list_sightings
from service.store.paging import encode_cursor
from service.store.reviews import list_reviews
from service.store.tables import Failure
from service.web.failure_markdown import failure_markdown
from service.web.failure_view import FailureView, failure_view
from service.web.highlight import mark_invisible
from service.web.notices import review_notice
from service.web.pages import query_string, show, show_error
from service.web.pages_queue import stored_filter
from service.web.queue_filter import QueueFilter, read_filter
from service.web.services import Services, services_of
from service.web.words import file_extension

router = APIRouter(include_in_schema=False)
_Services = Annotated[Services, Depends(services_of)]
_EVENTS_SHOWN = 20
_LOOK_AHEAD = 25


@router.get("/failures/{failure_id}.md")
def show_markdown(request: Request, services: _Services, failure_id: str) -> Response:
    """The failure as Markdown, to paste into a ticket."""
    with services.engine.connect() as conn:
        view = load_view(conn, services, failure_id)
    if view is None:
        return no_such_failure(request)
    return PlainTextResponse(failure_markdown(view), media_type="text/markdown")


@router.get("/failures/{failure_id}")
def show_failure(request: Request, services: _Services, failure_id: str) -> HTMLResponse:
    """The page of a failure, with the review bar."""
    notice = review_notice(request.query_params, on_queue=False)
    return failure_page(request, services, failure_id, notice=notice)


@router.get("/analyses/{analysis_id}/artifacts/{number}")
def download_artifact(request: Request, services: _Services, analysis_id: str, number: int) -> Response:
    """One artifact of an answer as a file, counted from 1."""
    with services.engine.connect() as conn:
        analysis = get_analysis(conn, analysis_id)
    fix = Answer.model_validate(analysis.answer).fix if analysis else None
    if fix is None or not 1 <= number <= len(fix.artifacts):
        return show_error(request, 404, "No such artifact", "The answer has no artifact of this number.")
    artifact = fix.artifacts[number - 1]
    name = f"whydenied-{number}.{file_extension(artifact.kind)}"
    headers = {"Content-Disposition": f'attachment; filename="{name}"'}
    return PlainTextResponse(mark_invisible(artifact.content).rstrip("\n") + "\n", headers=headers)


def failure_page(
    request: Request, services: Services, failure_id: str, *, status: int = 200, **values: Any
) -> HTMLResponse:
    """The page of a failure; `values` say how a review of it went."""
    wanted = read_filter(request.query_params)
    with services.engine.connect() as conn:
        view = load_view(conn, services, failure_id)
        following = next_to_review(conn, wanted, failure_id) if view else None
    if view is None:
        return no_such_failure(request)
    query = query_string(wanted.parameters())
    shown: dict[str, Any] = {"review_error": None, "given": {"reason": "", "note": ""}, **values}
    return show(
        request,
        "failure.html",
        status=status,
        section="/",
        view=view,
        queue_query=query,
        back_href=f"/{query}",
        next_href=f"/failures/{following}{query}" if following else None,
        **shown,
    )


def no_such_failure(request: Request) -> HTMLResponse:
    """The page for an id that nothing has."""
    return show_error(request, 404, "No such failure", "It may have been deleted for its age.")


def load_view(conn: Connection, services: Services, failure_id: str) -> FailureView | None:
    """Everything the page shows, read in one transaction."""
    failure = get_failure(conn, failure_id)
    if failure is None:
        return None
    events = list_events(conn, failure_id, None, _EVENTS_SHOWN).items
    analysis = get_analysis(conn, failure.current_analysis_id) if failure.current_analysis_id else None
    answer = Answer.model_validate(analysis.answer) if analysis else None
    quoted = event_of(conn, analysis) if analysis else None
    firing = next((event for event in events if event.state == "firing"), None)
    source = quoted or firing or next(iter(events), None)
    services_seen = {seen.service_name for seen in list_sightings(conn, failure_id)}
    return failure_view(
        failure,
        answer=answer,
        text=source.text if source else "",
        stack=(source.stacktrace if source else None) or "",
        events=events,
        reviews=list_reviews(conn, failure_id),
        services=sorted(name for name in services_seen if name),
        known_rule=failure.producer == "rule" and failure.producer_name in services.pipeline.matcher.rules,
        now=datetime.now(UTC),
    )


def next_to_review(conn: Connection, wanted: QueueFilter, failure_id: str) -> str | None:
    """The failure to open after this one: the next below it in the reader's queue, else the queue's first."""
    here = get_failure(conn, failure_id)
    filters = stored_filter(QueueFilter("needs_review", wanted.values))
    below = encode_cursor(here.last_seen, here.id) if here else None
    for cursor in (below, None) if below else (None,):
        found = list_failures(conn, filters, cursor, _LOOK_AHEAD).items
        if ready := next((one.id for one in found if one.id != failure_id and _is_ready(one)), None):
            return ready
    return None


def _is_ready(failure: Failure) -> bool:
    return failure.analysis_state not in {"queued", "running"}
