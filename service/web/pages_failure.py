"""`/failures/{id}`: one denial, its answer and its proof; as Markdown too, with each artifact as a file."""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Request
from fastapi.responses import HTMLResponse, PlainTextResponse, Response
from sqlalchemy import Connection

from service.domain import Answer, Artifact
from service.store.activity import list_activity_of
from service.store.alike import list_alike
from service.store.analyses import event_of, get_analysis, list_analyses
from service.store.failures import FailureFilter, Sort, get_failure, list_events, list_failures, list_sightings
from service.store.occurrences import count_by_day, list_similar
from service.store.paging import encode_cursor
from service.store.requests import list_calls
from service.store.reviews import list_reviews
from service.store.tables import Failure
from service.web.api_failures import load_detail
from service.web.failure_markdown import failure_markdown
from service.web.failure_twin import failure_twin
from service.web.failure_view import FailureView, failure_view
from service.web.filling import UnsafeValue, fill
from service.web.highlight import mark_invisible
from service.web.notices import review_notice
from service.web.pages import is_twin, query_string, show_error, show_twinned, twinned
from service.web.pages_queue import stored_filter
from service.web.queue_filter import QueueFilter, read_filter
from service.web.services import Services, services_of
from service.web.words import SNOOZES, file_extension

router = APIRouter(include_in_schema=False)
_Services = Annotated[Services, Depends(services_of)]
_EVENTS_SHOWN = 20
_PLACES_SHOWN = 1_000
_LOOK_AHEAD = 25
_SIMILAR_SHOWN, _DAYS_SHOWN = 6, 30
_FILL = "fill-"
MOST_ALIKE = 100


@router.get("/failures/{failure_id}.md")
def show_markdown(request: Request, services: _Services, failure_id: str) -> Response:
    """The failure as Markdown, to paste into a ticket."""
    with services.engine.connect() as conn:
        view = load_view(conn, services, failure_id)
    if view is None:
        return no_such_failure(request)
    return PlainTextResponse(failure_markdown(view), media_type="text/markdown")


@twinned(router, "/failures/{failure_id}")
def show_failure(request: Request, services: _Services, failure_id: str) -> Response:
    """The page of a failure, with the review bar."""
    notice = review_notice(request.query_params, on_queue=False)
    return failure_page(request, services, failure_id, notice=notice)


@router.get("/analyses/{analysis_id}/artifacts/{number}")
def download_artifact(request: Request, services: _Services, analysis_id: str, number: int) -> Response:
    """One artifact of an answer as a file, counted from 1; `fill-NAME=value` replaces a placeholder, safely quoted."""
    with services.engine.connect() as conn:
        analysis = get_analysis(conn, analysis_id)
    answer = Answer.model_validate(analysis.answer) if analysis else None
    fix = answer.fix if answer else None
    if fix is None or not 1 <= number <= len(fix.artifacts):
        return show_error(request, 404, "No such artifact", "The answer has no artifact of this number.")
    artifact = fix.artifacts[number - 1]
    try:
        content = fill(artifact, read_values(request.query_params), answer.system if answer else None)
    except UnsafeValue as error:
        return PlainTextResponse(f"{error}.", 422)
    name = f"whydenied-{number}.{file_extension(artifact.kind)}"
    headers = {"Content-Disposition": f'attachment; filename="{name}"'}
    return PlainTextResponse(mark_invisible(content).rstrip("\n") + "\n", headers=headers)


def failure_page(
    request: Request, services: Services, failure_id: str, *, status: int = 200, **values: Any
) -> Response:
    """The page of a failure; `values` say how a review of it went."""
    wanted = read_filter(request.query_params)
    with services.engine.connect() as conn:
        detail = load_detail(conn, failure_id) if is_twin(request) else None
        view = load_view(conn, services, failure_id)
        following = next_to_review(conn, wanted, failure_id) if view else None
        alike = len(list_alike(conn, failure_id, MOST_ALIKE)) if view else 0
    if view is None:
        return no_such_failure(request)
    query = query_string(wanted.parameters())
    shown: dict[str, Any] = {"review_error": None, "step_error": None, "given": {"reason": "", "note": ""}, **values}
    return show_twinned(
        request,
        "failure.html",
        failure_twin(view, detail),
        status=status,
        section="/",
        view=view,
        queue_query=query,
        snoozes=SNOOZES,
        alike=alike,
        filled=fill_all(view.answer, read_values(request.query_params)),
        given_values=read_values(request.query_params),
        back_href=f"/{query}",
        model_configured=bool(services.models.models),
        next_href=f"/failures/{following}{query}" if following else None,
        **shown,
    )


def read_values(query: Mapping[str, str]) -> dict[str, str]:
    """The values for placeholders that an address holds, as `fill-NAME=value`."""
    return {name.removeprefix(_FILL): value for name, value in query.items() if name.startswith(_FILL) and value}


def fill_all(answer: Answer | None, values: Mapping[str, str]) -> list[tuple[Artifact, str | None]]:
    """Each artifact with the values in place, or as it was with what is wrong with them."""
    filled: list[tuple[Artifact, str | None]] = []
    for artifact in answer.fix.artifacts if answer and answer.fix else ():
        try:
            content = fill(artifact, values, answer.system if answer else None)
            filled.append((artifact.model_copy(update={"content": content}), None))
        except UnsafeValue as error:
            filled.append((artifact, f"{error}."))
    return filled


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
    places, now = list_sightings(conn, failure_id, _PLACES_SHOWN), datetime.now(UTC)
    return failure_view(
        failure,
        answer=answer,
        text=source.text if source else "",
        stack=(source.stacktrace if source else None) or "",
        events=events,
        given=list_analyses(conn, failure_id),
        reviews=list_reviews(conn, failure_id),
        deeds=list_activity_of(conn, failure_id),
        services=sorted({seen.service_name for seen in places if seen.service_name}),
        environments=sorted({seen.environment for seen in places if seen.environment}),
        similar=list_similar(conn, failure_id, _SIMILAR_SHOWN),
        by_day=count_by_day(conn, _DAYS_SHOWN, now, failure_id),
        calls=list_calls(conn, failure_id),
        known_rule=failure.producer == "rule" and failure.producer_name in services.pipeline.matcher.rules,
        now=now,
    )


def next_to_review(conn: Connection, wanted: QueueFilter, failure_id: str) -> str | None:
    """The failure to open after this one: the next below it in the reader's queue, else the queue's first."""
    here = get_failure(conn, failure_id)
    filters = stored_filter(QueueFilter("needs_review", wanted.values))
    if wanted.sort != "latest":
        return _next_in_order(conn, filters, wanted.sort, failure_id)
    below = encode_cursor(here.last_seen, here.id) if here else None
    for cursor in (below, None) if below else (None,):
        found = list_failures(conn, filters, cursor, _LOOK_AHEAD).items
        if ready := next((one.id for one in found if one.id != failure_id and _is_ready(one)), None):
            return ready
    return None


def _next_in_order(conn: Connection, filters: FailureFilter, sort: Sort, failure_id: str) -> str | None:
    found = list_failures(conn, filters, None, _LOOK_AHEAD * 4, sort).items
    ready = [one.id for one in found if one.id == failure_id or _is_ready(one)]
    at = ready.index(failure_id) if failure_id in ready else -1
    return next((one for one in [*ready[at + 1 :], *ready] if one != failure_id), None)


def _is_ready(failure: Failure) -> bool:
    return failure.producer != "none" or failure.analysis_state not in {"queued", "running"}
