"""`/api/v1/connections`: the monitoring sources, and the secrets that prove them."""

from dataclasses import replace
from typing import Annotated

from fastapi import APIRouter, Depends, Request
from fastapi.responses import Response

from connectors.base import Auth, Connector
from service.declared import RESERVED_NAMES, DeclarationError, checked
from service.store import connections
from service.store.activity import note_activity
from service.store.refusals import list_refusals
from service.store.tables import Connection
from service.store.trials import delete_trials
from service.web.access import Caller, needs
from service.web.connection_schema import (
    ConnectionMade,
    ConnectionRequest,
    ConnectionSecrets,
    ConnectionView,
    RefusalView,
    SecretsRequest,
    TrialView,
    auth_from,
    made_view,
    new_secrets,
    view_of,
)
from service.web.pages import base_url
from service.web.problems import ProblemError, responses
from service.web.schema import PathId
from service.web.services import Services, services_of
from service.web.trial import try_connection

router = APIRouter(prefix="/api/v1/connections", tags=["connections"])
_Services = Annotated[Services, Depends(services_of)]
_Admin = Annotated[Caller, needs("admin")]


@router.get("", dependencies=[needs("read")], responses=responses(401, 403))
def get_connections(request: Request, services: _Services) -> list[ConnectionView]:
    """All connections by name."""
    with services.engine.connect() as conn:
        return [view_of(row, base_url(request)) for row in connections.list_connections(conn)]


@router.post("", status_code=201, responses=responses(400, 401, 403, 409, 413, 422))
def post_connection(body: ConnectionRequest, request: Request, services: _Services, caller: _Admin) -> ConnectionMade:
    """Make a connection. A secret that is not given is made, and shown this once.

    Where the vendor makes the secret, give it afterwards: until then the connection accepts nothing.
    """
    connector = _connector(body.connector, services)
    auth, made = auth_from(body.auth, connector)
    _check(auth, connector, services)
    if body.name in RESERVED_NAMES:
        raise ProblemError(409, "name-taken", f"The name {body.name} has a meaning of its own; choose another.")
    try:
        with services.engine.begin() as conn:
            row = connections.create_connection(conn, services.keyring, body.name, body.connector, auth)
            note_activity(conn, caller.name, "made the connection", body.name, note=f"{body.connector}, {auth.scheme}")
    except connections.NameTaken:
        raise ProblemError(409, "name-taken", f"There is a connection {body.name} already.") from None
    services.connections.refresh()
    return made_view(row, base_url(request), auth, connector, made)


@router.get("/{name}", dependencies=[needs("read")], responses=responses(401, 403, 404, 422))
def get_connection(name: PathId, request: Request, services: _Services) -> ConnectionView:
    """One connection."""
    return view_of(_find(name, services), base_url(request))


@router.get("/{name}/refusals", dependencies=[needs("read")], responses=responses(401, 403, 404, 422))
def get_refusals(name: PathId, services: _Services) -> list[RefusalView]:
    """What the connection refused lately and why, by kind, the one that happened last first; the newest 20 kinds."""
    _find(name, services)
    with services.engine.connect() as conn:
        return [RefusalView.model_validate(row) for row in list_refusals(conn, name)]


@router.post("/{name}/rotate", responses=responses(401, 403, 404, 409, 422))
def rotate_secret(
    name: PathId, request: Request, services: _Services, caller: _Admin, keep_old: bool = True
) -> ConnectionSecrets:
    """Make a new secret. The newest old one stays valid until the next rotation, or ends now with `keep_old=false`."""
    row = _find(name, services)
    old = connections.auth_of(services.keyring, row)
    if old.scheme == "none":
        raise ProblemError(409, "no-secret", f"{name} accepts everybody; it has no secret to rotate.")
    fresh = new_secrets(_connector(row.connector, services), old.scheme)
    if not fresh:
        detail = f"The vendor makes what signs the deliveries of {name}. Change it there, then PUT the new secrets."
        raise ProblemError(409, "vendor-secret", detail)
    live = (*fresh, *old.secrets[:1]) if keep_old else fresh
    _change(name, replace(old, secrets=live), services, caller, "made a new secret for")
    return view_of(row, base_url(request), fresh)


@router.put("/{name}/secrets", responses=responses(400, 401, 403, 404, 409, 413, 422))
def put_secrets(
    name: PathId, body: SecretsRequest, request: Request, services: _Services, caller: _Admin
) -> ConnectionView:
    """Give the secrets that the vendor made. They replace those that were live."""
    row = _find(name, services)
    auth = replace(connections.auth_of(services.keyring, row), secrets=body.secrets)
    try:
        checked(auth, row.connector, services.connectors)
    except DeclarationError as error:
        raise ProblemError(409, "no-secret", f"{str(error)[:1].upper()}{str(error)[1:]}.") from None
    _change(name, auth, services, caller, "gave the secret of")
    return view_of(row, base_url(request))


@router.post("/{name}/test", responses=responses(401, 403, 404, 409, 422))
async def test_connection(name: PathId, request: Request, services: _Services, caller: _Admin) -> TrialView:
    """Send a test event through the connection, proven as its sender would; it says in its text that it is one.

    409 where none can be made, since only the vendor can sign it.
    """
    return TrialView.model_validate(await try_connection(services, request.app.ingest, name, caller.name))


@router.delete("/{name}/test", status_code=204, responses=responses(401, 403, 404, 422))
def delete_test(name: PathId, services: _Services, caller: _Admin) -> Response:
    """Delete what test events of the connection stored."""
    _find(name, services)
    with services.engine.begin() as conn:
        delete_trials(conn, name)
        note_activity(conn, caller.name, "deleted the test events of", name)
    return Response(status_code=204)


@router.delete("/{name}", status_code=204, responses=responses(401, 403, 404, 409, 422))
def delete_connection(name: PathId, services: _Services, caller: _Admin) -> Response:
    """Remove a connection; what it delivered stays."""
    try:
        with services.engine.begin() as conn:
            connections.delete_connection(conn, name)
            note_activity(conn, caller.name, "removed the connection", name)
    except connections.IsDeclared as error:
        raise _declared(error) from None
    except connections.NoSuchConnection:
        raise _missing(name) from None
    services.connections.refresh()
    return Response(status_code=204)


def _change(name: str, auth: Auth, services: Services, caller: Caller, action: str) -> None:
    try:
        with services.engine.begin() as conn:
            connections.change_auth(conn, services.keyring, name, auth)
            note_activity(conn, caller.name, action, name)
    except connections.IsDeclared as error:
        raise _declared(error) from None
    except connections.NoSuchConnection:
        raise _missing(name) from None
    services.connections.refresh()


def _connector(name: str, services: Services) -> Connector:
    if name not in services.connectors:
        known = ", ".join(sorted(services.connectors))
        raise ProblemError(422, "invalid-connection", f"The connector {name!r} is not known; known are {known}.")
    return services.connectors[name]


def _find(name: str, services: Services) -> Connection:
    with services.engine.connect() as conn:
        row = connections.get_connection(conn, name)
    if row is None:
        raise _missing(name)
    return row


def _check(auth: Auth, connector: Connector, services: Services) -> None:
    try:
        checked(auth, connector.name, services.connectors, later=connector.vendor_secret)
    except DeclarationError as error:
        raise ProblemError(422, "invalid-connection", f"{str(error)[:1].upper()}{str(error)[1:]}.") from None


def _missing(name: str) -> ProblemError:
    return ProblemError(404, "no-such-connection", "There is no connection of this name.", name=name)


def _declared(error: connections.IsDeclared) -> ProblemError:
    return ProblemError(409, "declared-connection", f"{str(error)[:1].upper()}{str(error)[1:]}.")
