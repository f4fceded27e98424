"""Approve or reject an answer from the page of its failure, or ask the model again."""

from typing import Annotated, cast

from fastapi import APIRouter, Depends, Request
from fastapi.responses import HTMLResponse, RedirectResponse, Response

from service.store.analyses import get_answer
from service.store.reviews import REASONS, Decision, InvalidReview, NoSuchAnalysis, Reason, StaleAnalysis
from service.web.decisions import Seen, decide, open_next, read_note, read_seen
from service.web.pages import account_name, form_fields, show, show_error
from service.web.pages_failure import failure_page, load_view, no_such_failure
from service.web.retry import retry_analysis
from service.web.services import Services, services_of

router = APIRouter(include_in_schema=False)


@router.post("/failures/{failure_id}/review")
def review_failure(
    request: Request,
    services: Annotated[Services, Depends(services_of)],
    failure_id: str,
    fields: Annotated[dict[str, str], Depends(form_fields)],
) -> Response:
    """Store the decision and open the next item; 422 when it lacks a reason, 409 when it came too late."""
    seen, decision, reason = read_seen(failure_id, fields), fields.get("decision"), fields.get("reason") or None
    if seen is None or decision not in {"approve", "reject"}:
        return damaged_form(request)
    if decision == "reject" and reason not in REASONS:
        given = {"reason": "", "note": fields.get("note", "")}
        error = "Choose what is wrong with the answer."
        return failure_page(request, services, failure_id, status=422, review_error=error, given=given)
    reason = reason if decision == "reject" else None
    try:
        decide(
            services,
            seen,
            account_name(request) or "unknown",
            cast(Decision, decision),
            reason=cast(Reason | None, reason),
            note=read_note(fields),
        )
    except StaleAnalysis as stale:
        return stale_page(request, services, seen, stale)
    except NoSuchAnalysis:
        return no_such_failure(request)
    except InvalidReview:
        return damaged_form(request)
    return open_next(request, services, failure_id, cast(Decision, decision))


@router.post("/failures/{failure_id}/retry")
def ask_again(request: Request, services: Annotated[Services, Depends(services_of)], failure_id: str) -> Response:
    """Have the model asked again, at once, where its analysis gave no answer."""
    found = retry_analysis(services, failure_id, account_name(request) or "unknown")
    return no_such_failure(request) if found is None else RedirectResponse(f"/failures/{failure_id}", 303)


def damaged_form(request: Request) -> HTMLResponse:
    """The page for a form that no page of ours sends."""
    return show_error(request, 400, "The form is incomplete", "Go back, reload the failure and decide again.")


def stale_page(request: Request, services: Services, seen: Seen, stale: StaleAnalysis) -> HTMLResponse:
    """Both versions: what the reviewer decided on, and what the failure is by now."""
    with services.engine.connect() as conn:
        before = get_answer(conn, seen.analysis_id) if seen.analysis_id else None
        view = load_view(conn, services, stale.current.id)
    if view is None:
        return no_such_failure(request)
    return show(request, "stale.html", status=409, section="/", before=before, view=view)
