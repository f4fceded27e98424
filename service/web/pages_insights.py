"""`/insights`, `/prompts` and `/audit`: numbers over everything, how prompts fare, who did what; each as JSON too."""

from dataclasses import asdict
from datetime import UTC, datetime
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Request
from fastapi.responses import Response

from service.store.activity import list_everything
from service.store.denials import LOOKED_AT
from service.store.insights import ByDay, Insights, list_prompt_versions, load_insights
from service.store.paging import InvalidCursor
from service.store.tables import Activity, Review
from service.store.verdicts import ReviewTimes
from service.web.chart import Chart, draw_bars
from service.web.denial_map import draw_map
from service.web.pages import show_error, show_twinned, twinned
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


@twinned(router, "/insights")
def show_insights(request: Request, services: _Services) -> Response:
    """Charts of the last 30 days, and tops over the failures seen last."""
    found = _insights(services)
    charts = [
        _by_day("events", "Events received", found.events, "events"),
        _by_day("failures", "New failures", found.failures, "failures"),
        _by_day("cost", "Cost of models, in US dollars", found.cost, "dollars"),
        _review_times(found.reviews),
    ]
    shares = [(PRODUCERS.get(by, by), events) for by, events in found.answered]
    twin = asdict(found) | {"map": [pair._asdict() for pair in found.map], "reviews": found.reviews._asdict()}
    return show_twinned(
        request,
        "insights.html",
        twin,
        section="/insights",
        found=found,
        charts=charts,
        shares=shares,
        looked_at=LOOKED_AT,
        map=draw_map(found.map),
    )


@twinned(router, "/prompts")
def show_prompts(request: Request, services: _Services) -> Response:
    """Every version of every prompt that was used: answers, approval rate, cost."""
    with services.engine.connect() as conn:
        versions = list_prompt_versions(conn)
    return show_twinned(request, "prompts.html", {"items": versions}, section="/prompts", versions=versions)


@twinned(router, "/audit")
def show_audit(request: Request, services: _Services, cursor: str = "") -> Response:
    """Who did what, the latest first."""
    try:
        deeds, following = _deeds(services, cursor)
    except InvalidCursor:
        return show_error(request, 400, "No such page", "The address of this page of the list is damaged.")
    return show_twinned(
        request,
        "audit.html",
        {"items": deeds, "next_cursor": following},
        section="/audit",
        deeds=deeds,
        next_cursor=following,
        at_start=not cursor,
    )


def _insights(services: Services) -> Insights:
    with services.engine.connect() as conn:
        return load_insights(conn, _DAYS, datetime.now(UTC))


def _by_day(name: str, title: str, values: ByDay, unit: str) -> Chart:
    days = [(f"{day:%-d %b}", value) for day, value in values]
    return draw_bars(f"{name}-by-day", f"{title}, last {len(days)} days", "Day (UTC)", days, unit)


def _review_times(times: ReviewTimes) -> Chart:
    spread = list(times.spread.items())
    return draw_bars("review-times", "From the first event to the first verdict", "Time", spread, "failures", at="")


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
