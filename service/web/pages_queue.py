"""`/`: the queue. Every filter stands in the address; the list pages by cursor."""

import json
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Request
from fastapi.responses import Response
from sqlalchemy import Connection as DatabaseConnection

from service.store.connections import list_connections
from service.store.failures import FailureFilter, InvalidCursor, Page, count_snoozed, counts_by_status, list_failures
from service.store.tables import Connection, Failure
from service.web.notices import review_notice
from service.web.pages import base_url, is_twin, query_string, show_error, show_twinned, twinned
from service.web.queue_filter import FILTERS, OPTIONS, SORT_WORDS, TABS, TYPED, QueueFilter, read_filter, value_words
from service.web.queue_view import row_of
from service.web.schema import Failure as FailureData
from service.web.services import Services, services_of

router = APIRouter(include_in_schema=False)
PAGE_SIZE = 25
_MOST_COUNTED = 10_000
_PLAIN: dict[str, tuple[str, ...]] = {
    "bearer": ("", '-H "Authorization: Bearer $WHYDENIED_SECRET"'),
    "url-token": ("?token=$WHYDENIED_SECRET",),
    "none": ("",),
}


@twinned(router, "/")
def show_queue(request: Request, services: Annotated[Services, Depends(services_of)], cursor: str = "") -> Response:
    """One tab of the queue, filtered."""
    wanted = read_filter(request.query_params)
    with services.engine.connect() as conn:
        try:
            page = list_failures(conn, stored_filter(wanted), cursor or None, PAGE_SIZE, wanted.sort)
        except InvalidCursor:
            return show_error(request, 400, "No such page", "The address of this page of the list is damaged.")
        counts = _counts(conn, exactly=is_twin(request))
        connections = list_connections(conn)
    waiting = counts["needs_review"]
    return show_twinned(
        request,
        "queue.html",
        _twin(page, counts),
        section="/",
        icon="mark-waiting.svg" if waiting else "mark.svg",
        waiting=_shown_count(waiting) if waiting else "",
        notice=review_notice(request.query_params, on_queue=True),
        **_tabs(wanted, counts),
        **_filter_form(wanted, [one.name for one in connections]),
        **_list(wanted, page, at_start=not cursor),
        **_empty(request, wanted, counts, connections),
    )


def stored_filter(wanted: QueueFilter) -> FailureFilter:
    """The filter as the store takes it."""
    values = wanted.values
    return FailureFilter(
        status=wanted.status,
        verdict=values.get("verdict"),
        cause=values.get("cause"),
        system=values.get("system"),
        service=values.get("service"),
        environment=values.get("environment"),
        connection=values.get("source"),
        producer=values.get("producer"),
        confidence=values.get("confidence"),
        q=values.get("q"),
        snoozed=wanted.snoozed,
    )


def _counts(conn: DatabaseConnection, *, exactly: bool) -> dict[str, int]:
    """How many failures each tab but the last has; what is snoozed needs no review now.

    Unless `exactly`, a count that is more than `_MOST_COUNTED` says only that.
    """
    snoozed = count_snoozed(conn)
    counts = counts_by_status(conn, None if exactly else _MOST_COUNTED + snoozed + 1)
    return counts | {"needs_review": counts["needs_review"] - snoozed, "snoozed": snoozed}


def _shown_count(*counts: int) -> str:
    """The sum of counts: `9,120`, or `10,000+` where one of them is too high to be counted for a page."""
    known = sum(min(count, _MOST_COUNTED) for count in counts)
    return f"{known:,}{'+' if max(counts) > _MOST_COUNTED else ''}"


def _twin(page: Page[Failure], counts: dict[str, int]) -> dict[str, Any]:
    """The page of the list as REST has it, with what its tabs count."""
    items = [FailureData.model_validate(one) for one in page.items]
    return {"items": items, "next_cursor": page.next_cursor, "counts": counts | {"all": sum(counts.values())}}


def _tabs(wanted: QueueFilter, counts: Mapping[str, int]) -> dict[str, Any]:
    tabs = [
        {
            "word": word,
            "count": _shown_count(counts[name]) if name in counts else _shown_count(*counts.values()),
            "href": "/" + query_string(QueueFilter(name, wanted.values, wanted.sort).parameters()),
            "current": name == wanted.tab,
        }
        for name, word in TABS.items()
    ]
    total = f"{_shown_count(*counts.values())} {'failure' if sum(counts.values()) == 1 else 'failures'}"
    return {"tabs": tabs, "tab_word": TABS[wanted.tab], "total": total, "show_status": wanted.tab == "all"}


def _filter_form(wanted: QueueFilter, sources: Sequence[str]) -> dict[str, Any]:
    options = OPTIONS | {"source": {name: name for name in sources}}
    chips = [
        {
            "word": word,
            "value": value_words(name, wanted.values[name]),
            "href": "/" + query_string(wanted.parameters(**{name: None})),
        }
        for name, word in FILTERS.items()
        if name in wanted.values
    ]
    return {
        "filters": {"status": wanted.parameters().get("status"), **dict.fromkeys(FILTERS), **wanted.values},
        "choices": [
            {"name": name, "word": FILTERS[name], "value": wanted.values.get(name), "options": choices.items()}
            for name, choices in options.items()
        ],
        "typed": [(name, FILTERS[name]) for name in TYPED],
        "chips": chips,
        "sorts": SORT_WORDS,
        "sort": wanted.sort,
        "clear_href": "/" + query_string(QueueFilter(wanted.tab, {}, wanted.sort).parameters()),
    }


def _list(wanted: QueueFilter, page: Page[Failure], *, at_start: bool) -> dict[str, Any]:
    query, now = query_string(wanted.parameters()), datetime.now(UTC)
    rows = [row_of(failure, query, now) for failure in page.items]
    following = query_string(wanted.parameters(cursor=page.next_cursor)) if page.next_cursor else None
    return {
        "rows": rows,
        "live": at_start and (not rows or any(row.progress == "analysing" for row in rows)),
        "next_href": f"/{following}" if following else None,
        "first_href": f"/{query}",
        "on_first_page": at_start,
    }


def _empty(
    request: Request, wanted: QueueFilter, counts: Mapping[str, int], connections: Sequence[Connection]
) -> dict[str, Any]:
    """Why the list is empty, when it is; and the first event to send when nothing ever came."""
    if not any(counts.values()):
        empty = "never"
    elif wanted.values:
        empty = "filter"
    else:
        empty = "reviewed" if wanted.tab == "needs_review" else "tab"
    generic = next((one for one in connections if one.connector == "generic" and one.auth_scheme in _PLAIN), None)
    name, scheme = (generic.name, generic.auth_scheme) if generic else ("NAME", "bearer")
    command = first_event_command(base_url(request), name, scheme)
    return {"empty": empty, "connection": generic.name if generic else None, "scheme": scheme, "curl": command}


def first_event_command(base: str, name: str, scheme: str) -> str:
    """The shell command that sends one event to a generic connection."""
    body = json.dumps({"text": "ERROR:  permission denied for table orders", "service": "billing"})
    address, *headers = _PLAIN[scheme]
    options = [*headers, "-H 'Content-Type: application/json'", f"-d '{body}'"]
    return " \\\n  ".join([f'curl -sS "{base}/ingest/{name}{address}"', *options])
