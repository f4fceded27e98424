"""`/sources`: what sends events, when it last did, and what it sent that nobody could read."""

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Annotated

from fastapi import APIRouter, Depends, Request
from fastapi.responses import RedirectResponse, Response

from service.store.connections import list_connections
from service.store.deliveries import count_unparsed, get_unparsed, list_unparsed
from service.store.folding import folds_since
from service.store.paging import InvalidCursor
from service.store.refusals import last_refusals
from service.web.access import admin_page
from service.web.highlight import highlight_part
from service.web.notices import Notice, source_notice
from service.web.pages import base_url, query_string, show_error, show_twinned, twinned
from service.web.problems import ProblemError
from service.web.replay import replay
from service.web.services import Services, services_of

router = APIRouter(include_in_schema=False)
_Services = Annotated[Services, Depends(services_of)]
_PAGE_SIZE = 25


@twinned(router, "/sources")
def list_sources(request: Request, services: _Services, cursor: str = "", connection: str = "") -> Response:
    """All connections, and the deliveries that could not be read."""
    with services.engine.connect() as conn:
        try:
            page = list_unparsed(conn, connection or None, cursor or None, _PAGE_SIZE)
        except InvalidCursor:
            return show_error(request, 400, "No such page", "The address of this page of the list is damaged.")
        connections, unread, refused = list_connections(conn), count_unparsed(conn), last_refusals(conn)
        folds = folds_since(conn, datetime.now(UTC) - timedelta(hours=1))
    following = query_string({"connection": connection, "cursor": page.next_cursor}) if page.next_cursor else None
    hidden = {"id", "auth", "pull"}
    twin = {
        "connections": [
            one.model_dump(exclude=hidden) | {"unread": unread.get(one.name, 0), "last_refusal": refused.get(one.name)}
            for one in connections
        ],
        "unread": [one.model_dump(include={"id", "connection", "received_at", "reason"}) for one in page.items],
        "next_cursor": page.next_cursor,
    }
    return show_twinned(
        request,
        "sources.html",
        twin,
        section="/sources",
        base=base_url(request),
        connections=connections,
        titles={name: connector.title for name, connector in services.connectors.items()},
        unread=unread,
        refused=refused,
        folds=folds,
        notice=source_notice(request.query_params),
        only=connection,
        deliveries=page.items,
        next_href=f"/sources{following}" if following else None,
    )


@twinned(router, "/sources/unparsed/{delivery_id}")
def show_delivery(request: Request, services: _Services, delivery_id: str) -> Response:
    """One delivery that could not be read, as it was kept: redacted."""
    return _delivery(request, services, delivery_id)


@router.post("/sources/unparsed/{delivery_id}/replay", dependencies=[Depends(admin_page)], response_model=None)
async def replay_delivery(request: Request, services: _Services, delivery_id: str) -> Response:
    """Read it again; then to what it held, or the page with why it still cannot be read."""
    try:
        accepted = await replay(services, delivery_id, request.state.account.name)
    except ProblemError as problem:
        if problem.status != 409:
            raise
        notice = Notice(problem.detail, "bad")
        return await asyncio.to_thread(_delivery, request, services, delivery_id, notice, 409)
    failure = next((one.failure_id for one in accepted if one.failure_id), None)
    return RedirectResponse(f"/failures/{failure}" if failure else "/sources?done=replayed", 303)


def _delivery(
    request: Request, services: Services, delivery_id: str, notice: Notice | None = None, status: int = 200
) -> Response:
    with services.engine.connect() as conn:
        delivery = get_unparsed(conn, delivery_id)
    if delivery is None:
        return show_error(request, 404, "No such delivery", "It may have been replayed, or deleted for its age.")
    return show_twinned(
        request,
        "delivery.html",
        delivery.model_dump(),
        status=status,
        notice=notice,
        section="/sources",
        delivery=delivery,
        headers=sorted(delivery.headers.items()),
        body=highlight_part(delivery.body, ()),
    )
