"""`/insights`, `/prompts` and `/audit`: numbers over everything, how prompts fare, who did what; each as JSON too."""

from dataclasses import asdict
from datetime import UTC, datetime
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Request
from fastapi.encoders import jsonable_encoder
from fastapi.responses import HTMLResponse, JSONResponse, Response

from service.store.activity import list_everything
from service.store.insights import ByDay, Insights, list_prompt_versions, load_insights
from service.store.paging import InvalidCursor
from service.store.tables import Activity, Review
from service.web.chart import Chart, draw_bars
from service.web.pages import show, show_error
from service.web.queue_filter import PRODUCERS
from service.web.services import Services, services_of

router = APIRouter(include_in_schema=False)
_Services = Annotated[Services, Depends(services_of)]
_DAYS, _PAGE_SIZE = 30, 50
_WORDS = {
    "approve": "approved",
    "correct": "corrected",
    "reject": "rejected",
    "snooze": "snoozed",
    "reopen": "reopened",
    "resolve": "resolved",
    "note": "noted on",
}


@router.get("/insights")
def show_insights(request: Request, services: _Services) -> HTMLResponse:
    """Charts of the last 30 days, and tops over all that is kept."""
    found = _insights(services)
    charts = [
        _by_day("events", "Events received", found.events, "events"),
        _by_day("failures", "New failures", found.failures, "failures"),
        _by_day("cost", "Cost of models, in US dollars", found.cost, "dollars"),
    ]
    events = sum(seen for _, _, seen in found.answered) or 1
    shares = [(PRODUCERS.get(by, by), many, seen, 100 * seen / events) for by, many, seen in found.answered]
    return show(request, "insights.html", section="/insights", found=found, charts=charts, shares=shares)


@router.get("/insights.json")
def insights_as_json(services: _Services) -> JSONResponse:
    """The same numbers."""
    return JSONResponse(jsonable_encoder(asdict(_insights(services))))


@router.get("/prompts")
def show_prompts(request: Request, services: _Services) -> HTMLResponse:
    """Every version of every prompt that was used: answers, approval rate, cost."""
    with services.engine.connect() as conn:
        versions = list_prompt_versions(conn)
    return show(request, "prompts.html", section="/prompts", versions=versions)


@router.get("/prompts.json")
def prompts_as_json(services: _Services) -> JSONResponse:
    """The same versions."""
    with services.engine.connect() as conn:
        return JSONResponse(jsonable_encoder({"items": [asdict(one) for one in list_prompt_versions(conn)]}))


@router.get("/audit")
def show_audit(request: Request, services: _Services, cursor: str = "") -> HTMLResponse:
    """Who did what, the latest first."""
    try:
        deeds, following = _deeds(services, cursor)
    except InvalidCursor:
        return show_error(request, 400, "No such page", "The address of this page of the list is damaged.")
    return show(request, "audit.html", section="/audit", deeds=deeds, next_cursor=following, at_start=not cursor)


@router.get("/audit.json")
def audit_as_json(services: _Services, cursor: str = "") -> Response:
    """The same deeds."""
    try:
        deeds, following = _deeds(services, cursor)
    except InvalidCursor as error:
        return JSONResponse({"detail": str(error)}, 400)
    return JSONResponse(jsonable_encoder({"items": deeds, "next_cursor": following}))


def _insights(services: Services) -> Insights:
    with services.engine.connect() as conn:
        return load_insights(conn, _DAYS, datetime.now(UTC))


def _by_day(name: str, title: str, values: ByDay, unit: str) -> Chart:
    days = [(f"{day:%-d %b}", value) for day, value in values]
    return draw_bars(f"{name}-by-day", f"{title}, last {len(days)} days", "Day (UTC)", days, unit)


def _deeds(services: Services, cursor: str) -> tuple[list[dict[str, Any]], str | None]:
    with services.engine.connect() as conn:
        page = list_everything(conn, cursor or None, _PAGE_SIZE)
    return [_deed(one) for one in page.items], page.next_cursor


def _deed(one: Activity | Review) -> dict[str, Any]:
    if isinstance(one, Review):
        at, who, action, detail = one.created_at, one.reviewer, one.decision, one.reason
    else:
        at, who, action, detail = one.at, one.who, one.action, one.subject or None
    word = _WORDS.get(action, action)
    return {"at": at, "who": who, "action": word, "detail": detail, "failure_id": one.failure_id, "note": one.note}
