"""`/api/v1/connections`: the monitoring sources, and the secrets that prove them."""

from typing import Annotated

from fastapi import APIRouter, Depends, Request
from fastapi.responses import Response

from connectors.base import Auth
from service.declared import DeclarationError, checked
from service.store import connections
from service.store.tables import Connection
from service.web.access import needs
from service.web.api_events import CONNECTION
from service.web.connection_schema import (
    ConnectionRequest,
    ConnectionSecrets,
    ConnectionView,
    auth_from,
    new_secret,
    view_of,
)
from service.web.pages import base_url
from service.web.problems import ProblemError, responses
from service.web.schema import PathId
from service.web.services import Services, services_of

router = APIRouter(prefix="/api/v1/connections", tags=["connections"])
_Services = Annotated[Services, Depends(services_of)]


@router.get("", dependencies=[needs("read")], responses=responses(401, 403))
def get_connections(request: Request, services: _Services) -> list[ConnectionView]:
    """All connections by name."""
    with services.engine.connect() as conn:
        return [view_of(row, base_url(request)) for row in connections.list_connections(conn)]


@router.post("", status_code=201, dependencies=[needs("admin")], responses=responses(400, 401, 403, 409, 413, 422))
def post_connection(body: ConnectionRequest, request: Request, services: _Services) -> ConnectionSecrets:
    """Make a connection. A secret that is not given is made, and shown this once."""
    auth, made = auth_from(body.auth, body.connector)
    _check(auth, body.connector, services)
    if body.name == CONNECTION:
        raise ProblemError(409, "name-taken", f"The name {CONNECTION} stands for events sent to /api/v1/events.")
    try:
        with services.engine.begin() as conn:
            row = connections.create_connection(conn, services.keyring, body.name, body.connector, auth)
    except connections.NameTaken:
        raise ProblemError(409, "name-taken", f"There is a connection {body.name} already.") from None
    services.connections.refresh()
    return view_of(row, base_url(request), made)


@router.get("/{name}", dependencies=[needs("read")], responses=responses(401, 403, 404, 422))
def get_connection(name: PathId, request: Request, services: _Services) -> ConnectionView:
    """One connection."""
    return view_of(_find(name, services), base_url(request))


@router.post("/{name}/rotate", dependencies=[needs("admin")], responses=responses(401, 403, 404, 409, 422))
def rotate_secret(name: PathId, request: Request, services: _Services, keep_old: bool = True) -> ConnectionSecrets:
    """Make a new secret. The newest old one stays valid until the next rotation, or ends now with `keep_old=false`."""
    row = _find(name, services)
    old = connections.auth_of(services.keyring, row)
    if old.scheme == "none":
        raise ProblemError(409, "no-secret", f"{name} accepts everybody; it has no secret to rotate.")
    fresh = new_secret(row.connector, old.scheme)
    live = (fresh, *old.secrets[:1]) if keep_old else (fresh,)
    auth = Auth(old.scheme, live, old.username, old.name, old.tolerance)
    try:
        with services.engine.begin() as conn:
            connections.change_auth(conn, services.keyring, name, auth)
    except connections.IsDeclared as error:
        raise _declared(error) from None
    except connections.NoSuchConnection:
        raise _missing(name) from None
    services.connections.refresh()
    return view_of(row, base_url(request), (fresh,))


@router.delete("/{name}", status_code=204, dependencies=[needs("admin")], responses=responses(401, 403, 404, 409, 422))
def delete_connection(name: PathId, services: _Services) -> Response:
    """Remove a connection; what it delivered stays."""
    try:
        with services.engine.begin() as conn:
            connections.delete_connection(conn, name)
    except connections.IsDeclared as error:
        raise _declared(error) from None
    except connections.NoSuchConnection:
        raise _missing(name) from None
    services.connections.refresh()
    return Response(status_code=204)


def _find(name: str, services: Services) -> Connection:
    with services.engine.connect() as conn:
        row = connections.get_connection(conn, name)
    if row is None:
        raise _missing(name)
    return row


def _check(auth: Auth, connector: str, services: Services) -> None:
    try:
        checked(auth, connector, {name: known.schemes for name, known in services.connectors.items()})
    except DeclarationError as error:
        raise ProblemError(422, "invalid-connection", f"{str(error)[:1].upper()}{str(error)[1:]}.") from None


def _missing(name: str) -> ProblemError:
    return ProblemError(404, "no-such-connection", "There is no connection of this name.", name=name)


def _declared(error: connections.IsDeclared) -> ProblemError:
    return ProblemError(409, "declared-connection", f"{str(error)[:1].upper()}{str(error)[1:]}.")
