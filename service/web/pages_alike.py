"""`/failures/{id}/alike`: approve a rule's identical answers at once, after a look at what they are for."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Annotated

from fastapi import APIRouter, Depends, Request
from fastapi.responses import Response
from sqlalchemy import Connection

from service.store.alike import list_alike
from service.store.failures import get_failure
from service.store.reviews import InvalidReview, NoSuchAnalysis, StaleAnalysis, review
from service.web.decisions import read_note, read_seen
from service.web.pages import account_name, form_fields, query_string, show_error, show_twinned, twinned
from service.web.pages_failure import MOST_ALIKE, load_view, no_such_failure
from service.web.queue_filter import read_filter
from service.web.queue_view import row_of
from service.web.schema import Failure as FailureData
from service.web.services import Services, services_of

router = APIRouter(include_in_schema=False)
_Services = Annotated[Services, Depends(services_of)]
_PICK = "pick-"


@twinned(router, "/failures/{failure_id}/alike")
def show_alike(request: Request, services: _Services, failure_id: str) -> Response:
    """What would be approved, each with its names."""
    return _page(request, services, failure_id)


@twinned(router, "/alike")
def show_picked(request: Request, services: _Services) -> Response:
    """What was ticked in the queue, with the answer of the first; what got another answer is named and left out."""
    picked = request.query_params.getlist("pick")[:MOST_ALIKE]
    if not picked:
        return show_error(request, 400, "Nothing is ticked", "Tick failures in the queue first; x ticks a row.")
    return _page(request, services, picked[0], picked=picked)


@router.post("/failures/{failure_id}/alike")
def approve_alike(
    request: Request, services: _Services, failure_id: str, fields: Annotated[dict[str, str], Depends(form_fields)]
) -> Response:
    """Approve what is ticked, each with a review of its own; what has changed since stays as it is, and is listed."""
    picked = {name.removeprefix(_PICK): version for name, version in fields.items() if name.startswith(_PICK)}
    with services.engine.begin() as conn:
        done, late = _approve(conn, failure_id, picked, account_name(request) or "unknown", read_note(fields))
    return _page(request, services, failure_id, done=done, late=late)


def _approve(
    conn: Connection, failure_id: str, picked: Mapping[str, str], who: str, note: str | None
) -> tuple[int, set[str]]:
    """How many were approved, and the ids of those that are not what the reviewer saw."""
    still = {one.id: one for one in list_alike(conn, failure_id, MOST_ALIKE)}
    late = picked.keys() - still.keys()
    for one in sorted((still[found] for found in picked.keys() & still.keys()), key=lambda one: one.id):
        seen = read_seen(one.id, {"version": picked[one.id], "analysis": one.current_analysis_id or ""})
        try:
            review(
                conn,
                one.current_analysis_id or "",
                who,
                "approve",
                expected_version=seen.version if seen else -1,
                note=note,
            )
        except (StaleAnalysis, NoSuchAnalysis, InvalidReview):
            late = late | {one.id}
    return len(picked) - len(late), set(late)


def _page(
    request: Request,
    services: Services,
    failure_id: str,
    *,
    done: int | None = None,
    late: set[str] | None = None,
    picked: Sequence[str] = (),
) -> Response:
    """The page; `picked` are ticked, or all where nothing is."""
    with services.engine.connect() as conn:
        view = load_view(conn, services, failure_id)
        alike = list_alike(conn, failure_id, MOST_ALIKE)
        unlike = [get_failure(conn, one) for one in picked if one not in {found.id for found in alike}]
    if view is None:
        return no_such_failure(request)
    now, query = datetime.now(UTC), query_string(read_filter(request.query_params).parameters())
    return show_twinned(
        request,
        "alike.html",
        {"items": [FailureData.model_validate(one) for one in alike]},
        status=409 if late else 200,
        section="/",
        view=view,
        rows=[(row_of(one, query, now), one.version, not picked or one.id in picked) for one in alike],
        unlike=[row_of(one, query, now) for one in unlike if one],
        done=done,
        late=sorted(late or ()),
        queue_query=query,
    )
