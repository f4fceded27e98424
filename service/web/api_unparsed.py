"""`/api/v1/unparsed`: authentic deliveries that no connector could read."""

from typing import Annotated

from fastapi import APIRouter, Depends

from service.store.deliveries import list_unparsed
from service.store.paging import InvalidCursor
from service.web.access import needs
from service.web.api_failures import Cursor, Limit, invalid_cursor
from service.web.problems import responses
from service.web.schema import FilterText, UnparsedPage
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
