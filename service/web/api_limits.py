"""`/api/v1/connections/{name}/limits`: what a connection may deliver, and what it did today."""

from datetime import UTC, datetime
from typing import Annotated

from fastapi import APIRouter, Depends
from pydantic import Field

from service.store import connections
from service.store.activity import note_activity
from service.store.limits import Limits, intake_of, limits_by_connection
from service.web.access import Caller, needs
from service.web.problems import ProblemError, responses
from service.web.schema import Input, Output, PathId
from service.web.services import Services, services_of

router = APIRouter(prefix="/api/v1/connections", tags=["connections"])
_Services = Annotated[Services, Depends(services_of)]
_Admin = Annotated[Caller, needs("admin")]
_Most = Annotated[int | None, Field(ge=0, le=2**31 - 1)]


class LimitsRequest(Input):
    """What one connection may deliver. 0 is no limit; null, what the settings say."""

    rate: _Most = Field(None, description="Events per second and process.")
    events_per_day: _Most = Field(None, description="Events per day (UTC), of all processes.")
    new_failures_per_hour: _Most = Field(None, description="New failures per hour; more are folded into one.")


class LimitsView(Output):
    """What a connection may deliver, with the settings where nothing else was said, and what it did. 0 is no limit."""

    rate: int
    events_per_day: int
    new_failures_per_hour: int
    own: list[str] = Field(description="Which of them are the connection's own.")
    events_today: int = Field(description="Events since midnight (UTC), some seconds late.")


@router.get("/{name}/limits", dependencies=[needs("read")], responses=responses(401, 403, 404, 422))
def get_limits(name: PathId, services: _Services) -> LimitsView:
    """What a connection may deliver, and what it did today."""
    return load_limits(name, services)


@router.put("/{name}/limits", responses=responses(400, 401, 403, 404, 409, 413, 422))
def put_limits(name: PathId, body: LimitsRequest, services: _Services, caller: _Admin) -> LimitsView:
    """Say what a connection may deliver. What is left out goes by the settings. Other processes know it in seconds."""
    try:
        with services.engine.begin() as conn:
            connections.change_limits(conn, name, Limits(**body.model_dump()))
            note_activity(conn, caller.name, "limited the connection", name)
    except connections.IsDeclared as error:
        raise ProblemError(409, "declared-connection", f"{str(error)[:1].upper()}{str(error)[1:]}.") from None
    except connections.NoSuchConnection:
        raise _missing(name) from None
    services.connections.refresh()
    return load_limits(name, services)


def load_limits(name: str, services: Services) -> LimitsView:
    """What is in force for a connection, and what it delivered today. Raises `ProblemError` where there is none."""
    with services.engine.connect() as conn:
        if connections.get_connection(conn, name) is None:
            raise _missing(name)
        own = limits_by_connection(conn).get(name, Limits())
        today = intake_of(conn, datetime.now(UTC).date(), [name]).get(name, 0)
    limits = services.connections.limits_of(name)
    return LimitsView(
        rate=limits.rate or 0,
        events_per_day=limits.events_per_day or 0,
        new_failures_per_hour=limits.new_failures_per_hour or 0,
        own=[one for one in LimitsRequest.model_fields if getattr(own, one) is not None],
        events_today=today,
    )


def _missing(name: str) -> ProblemError:
    return ProblemError(404, "no-such-connection", "There is no connection of this name.", name=name)
