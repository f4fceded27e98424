"""Snooze, reopen, resolve or note a failure from its page."""

from datetime import UTC, datetime, timedelta
from typing import Annotated

from fastapi import APIRouter, Depends, Request
from fastapi.responses import RedirectResponse, Response
from sqlalchemy import Connection

from service.store.handling import add_note, reopen, resolve, snooze
from service.store.reviews import InvalidReview, NoSuchAnalysis, StaleAnalysis
from service.web.decisions import Seen, open_next, read_note, read_seen
from service.web.pages import account_name, form_fields, query_string
from service.web.pages_failure import failure_page, no_such_failure
from service.web.pages_review import damaged_form, stale_page
from service.web.queue_filter import read_filter
from service.web.services import Services, services_of

router = APIRouter(include_in_schema=False)
_STEPS = ("snooze", "reopen", "resolve", "note")
_WAITS = {
    "hours": timedelta(hours=4),
    "day": timedelta(days=1),
    "week": timedelta(days=7),
    "month": timedelta(days=30),
    "week-or-event": timedelta(days=7),
    "event": None,
}


@router.post("/failures/{failure_id}/steps")
def handle_failure(
    request: Request,
    services: Annotated[Services, Depends(services_of)],
    failure_id: str,
    fields: Annotated[dict[str, str], Depends(form_fields)],
) -> Response:
    """Do it; 422 when it makes no sense, 409 with both versions when somebody else was faster."""
    seen, step, until = read_seen(failure_id, fields), fields.get("step", ""), fields.get("until", "event")
    if seen is None or step not in _STEPS or until not in _WAITS:
        return damaged_form(request)
    note = read_note(fields)
    try:
        with services.engine.begin() as conn:
            _act(conn, seen, account_name(request) or "unknown", step, until, note)
    except StaleAnalysis as stale:
        return stale_page(request, services, seen, stale)
    except NoSuchAnalysis:
        return no_such_failure(request)
    except InvalidReview as error:
        message = f"{str(error)[:1].upper()}{str(error)[1:]}."
        given = {"reason": "", "note": note or ""}
        return failure_page(request, services, failure_id, status=422, step_error=message, given=given)
    if step == "snooze":
        return open_next(request, services, failure_id, "snooze")
    query = query_string(read_filter(request.query_params).parameters() | {"done": step})
    return RedirectResponse(f"/failures/{failure_id}{query}", 303)


def _act(conn: Connection, seen: Seen, who: str, step: str, until: str, note: str | None) -> None:
    if step == "note":
        add_note(conn, seen.failure_id, who, note or "")
    elif step == "snooze":
        wait = _WAITS[until]
        snooze(
            conn,
            seen.failure_id,
            who,
            expected_version=seen.version,
            until=datetime.now(UTC) + wait if wait else None,
            wake_on_event=until.endswith("event"),
            note=note,
        )
    else:
        act = reopen if step == "reopen" else resolve
        act(conn, seen.failure_id, who, expected_version=seen.version, note=note)
