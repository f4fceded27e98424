"""`/api/v1/unparsed`: authentic deliveries that no connector could read, and their replay."""

from typing import Annotated

from fastapi import APIRouter, Depends

from service.store.deliveries import list_unparsed
from service.store.paging import InvalidCursor
from service.web.access import Caller, needs
from service.web.api_events import outcome_of
from service.web.api_failures import Cursor, Limit, invalid_cursor
from service.web.problems import responses
from service.web.replay import replay
from service.web.schema import FilterText, PathId, Replayed, UnparsedPage
from service.web.services import Services, services_of

router = APIRouter(prefix="/api/v1", tags=["connections"])


@router.get("/unparsed", dependencies=[needs("read")], responses=responses(401, 403, 404, 422))
def get_unparsed(
    services: Annotated[Services, Depends(services_of)],
    connection: FilterText = None,
    cursor: Cursor = None,
    limit: Limit = 50,
) -> UnparsedPage:
    """Deliveries that were not in the format promised, the latest first, secrets masked."""
    with services.engine.connect() as conn:
        try:
            page = list_unparsed(conn, connection, cursor, limit)
        except InvalidCursor as error:
            raise invalid_cursor(error) from None
    return UnparsedPage.model_validate(page)


@router.post("/unparsed/{delivery_id}/replay", responses=responses(401, 403, 404, 409, 422))
async def replay_delivery(
    caller: Annotated[Caller, needs("admin")],
    services: Annotated[Services, Depends(services_of)],
    delivery_id: PathId,
) -> Replayed:
    """Read a kept delivery again with its connection's connector, and store what it holds.

    It is deleted in the same transaction; replaying it twice stores nothing twice. 409 where it still cannot be read.
    """
    return Replayed(events=[outcome_of(one) for one in await replay(services, delivery_id, caller.name)])
