"""`/api/v1/connections/{name}/pull`: what a connection asks its source, with which credentials, and how that goes."""

from datetime import UTC, datetime
from typing import Annotated

from fastapi import APIRouter, Depends
from fastapi.responses import Response
from pydantic import Field, StringConstraints
from sqlalchemy import Connection as DatabaseConnection

from connectors.base import Connector
from connectors.pull import Puller
from service.pull_settings import PullSettingsError, complete, interval_of, kept_secrets, known_settings, shown
from service.store import pulls
from service.store.activity import note_activity
from service.store.connections import IsDeclared, NoSuchConnection, get_connection
from service.store.tables import Connection
from service.web.access import Caller, needs
from service.web.problems import ProblemError, responses
from service.web.schema import NO_NUL, Input, Output, PathId
from service.web.services import Services, services_of

router = APIRouter(prefix="/api/v1/connections/{name}/pull", tags=["connections"])
_Services = Annotated[Services, Depends(services_of)]
_Admin = Annotated[Caller, needs("admin")]
_Name = Annotated[str, StringConstraints(min_length=1, max_length=50, pattern=NO_NUL)]
_Value = Annotated[str, StringConstraints(max_length=20_000, pattern=NO_NUL)]


class PullSettings(Input):
    """What a pull has to know, by name. A secret that is left out stays, unless the source's address changes."""

    settings: dict[_Name, _Value] = Field(max_length=30)


class KnownSetting(Output):
    """One thing that pulls of this connector may know."""

    name: str
    told: str = Field(description="What it is and where to get it.")
    secret: bool
    required: bool
    default: str | None


class PullView(Output):
    """How the pulls of a connection are set up, and where they stand. Its secrets are never shown again."""

    configured: bool
    settings: dict[str, str] = Field(description="Those that are no secret.")
    secrets: tuple[str, ...] = Field(description="The names of the secrets that are set.")
    known: tuple[KnownSetting, ...]
    every: int = Field(description="Seconds between two pulls; 0: only for deliveries that lack their text.")
    next_at: datetime | None
    last_at: datetime | None = Field(description="When a pull last ended well.")
    last_error: str | None
    failed: int = Field(description="Failures since the last success.")
    new_events: int = Field(description="Events that no delivery had brought.")


@router.get("", dependencies=[needs("read")], responses=responses(401, 403, 404, 409, 422))
def get_pull(name: PathId, services: _Services) -> PullView:
    """How the pulls of a connection are set up, and where they stand."""
    with services.engine.connect() as conn:
        return view_pull(conn, services, *_find(conn, services, name))


@router.put("", responses=responses(400, 401, 403, 404, 409, 413, 422))
def put_pull(name: PathId, body: PullSettings, services: _Services, caller: _Admin) -> PullView:
    """Give a connection what its pulls have to know. The first pull begins at once."""
    try:
        with services.engine.begin() as conn:
            row, connector, puller = _find(conn, services, name)
            old = pulls.pull_settings(services.keyring, row) or {}
            settings = complete({**kept_secrets(old, body.settings, puller), **body.settings}, connector)
            wanted = pulls.Schedule(settings, interval_of(settings, puller))
            pulls.set_pull(conn, services.keyring, name, wanted, datetime.now(UTC))
            note_activity(conn, caller.name, "set the pulls of", name)
            changed = view_pull(conn, services, *_find(conn, services, name))
    except PullSettingsError as error:
        raise ProblemError(422, "invalid-pull", _sentence(error)) from None
    except IsDeclared as error:
        raise ProblemError(409, "declared-connection", _sentence(error)) from None
    services.connections.refresh()
    return changed


@router.delete("", status_code=204, responses=responses(401, 403, 404, 409, 422))
def delete_pull(name: PathId, services: _Services, caller: _Admin) -> Response:
    """Take the settings and credentials away; what was pulled stays."""
    try:
        with services.engine.begin() as conn:
            pulls.set_pull(conn, services.keyring, name, None, datetime.now(UTC))
            note_activity(conn, caller.name, "ended the pulls of", name)
    except IsDeclared as error:
        raise ProblemError(409, "declared-connection", _sentence(error)) from None
    except NoSuchConnection:
        raise _missing(name) from None
    services.connections.refresh()
    return Response(status_code=204)


def view_pull(
    conn: DatabaseConnection, services: Services, row: Connection, _connector: Connector, puller: Puller
) -> PullView:
    """The pulls of a connection as people may see them. Raises `WrongKey` when the installation's key was changed."""
    settings, state = pulls.pull_settings(services.keyring, row), pulls.get_pull(conn, row.name)
    told = settings or {}
    return PullView(
        configured=settings is not None,
        settings=shown(told, puller),
        secrets=tuple(one.name for one in puller.settings if one.secret and told.get(one.name)),
        known=tuple(KnownSetting.model_validate(one) for one in known_settings(puller)),
        every=interval_of(told, puller) if settings is not None else 0,
        next_at=state.next_at if state else None,
        last_at=state.last_at if state else None,
        last_error=state.last_error if state else None,
        failed=state.failed if state else 0,
        new_events=state.new_events if state else 0,
    )


def _find(conn: DatabaseConnection, services: Services, name: str) -> tuple[Connection, Connector, Puller]:
    row = get_connection(conn, name)
    if row is None:
        raise _missing(name)
    connector = services.connectors.get(row.connector)
    if connector is None or connector.pulls is None:
        told = f"{connector.title if connector else row.connector} is not asked: its deliveries have what there is."
        raise ProblemError(409, "no-pulls", told)
    return row, connector, connector.pulls


def _missing(name: str) -> ProblemError:
    return ProblemError(404, "no-such-connection", "There is no connection of this name.", name=name)


def _sentence(error: Exception) -> str:
    return f"{str(error)[:1].upper()}{str(error)[1:]}."
