"""What the page of one connection shows: what to paste, what arrived, what was refused and why."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from fastapi import Request
from fastapi.responses import Response
from sqlalchemy import Connection as DatabaseConnection

from connectors.base import Auth, Connector
from service.keyring import Keyring, WrongKey
from service.store.connections import auth_of, get_connection
from service.store.deliveries import list_unparsed
from service.store.failures import FailureFilter, list_failures
from service.store.pulls import get_pull
from service.store.refusals import list_refusals
from service.store.tables import Connection, Failure, Pull, Refusal, Unparsed
from service.store.trials import is_trial
from service.web.api_limits import LimitsView, load_limits
from service.web.connection_schema import ConnectionMade, made_view
from service.web.notices import Notice
from service.web.pages import base_url, show_error, show_twinned
from service.web.services import Services
from service.web.words import SCHEMES

_SHOWN = 5

Phase = Literal["locked", "waiting", "refused", "unread", "arrived"]


@dataclass(frozen=True, slots=True)
class Health:
    """What is known of a connection's deliveries. Each list is short and has the newest first."""

    failures: Sequence[Failure]
    refusals: Sequence[Refusal]
    unread: Sequence[Unparsed]
    locked: bool
    trial: Failure | None
    pull: Pull | None

    @property
    def phase(self) -> Phase:
        """The one thing that matters now."""
        if self.failures:
            return "arrived"
        if self.unread:
            return "unread"
        if self.locked:
            return "locked"
        return "refused" if self.refusals else "waiting"


def show_connection(
    request: Request,
    services: Services,
    name: str,
    *,
    made: Sequence[str] = (),
    errors: Mapping[str, str] | None = None,
    fields: Mapping[str, str] | None = None,
    notice: Notice | None = None,
    status: int = 200,
) -> Response:
    """The page of one connection; `made` are secrets that were just made and are shown this once."""
    with services.engine.connect() as conn:
        row = get_connection(conn, name)
        health = _health(conn, row, services) if row else None
    if row is None or health is None:
        return show_error(
            request, 404, "No such connection", "It may have been removed. Sources lists those there are."
        )
    connector, auth = services.connectors.get(row.connector), _auth(services.keyring, row)
    limits = load_limits(name, services)
    view = made_view(row, base_url(request), auth, connector, made) if connector and auth else None
    return show_twinned(
        request,
        "connection.html",
        _twin(row, health, view) | {"limits": limits},
        status=status,
        section="/sources",
        notice=notice,
        one=row,
        connector=connector,
        made=made,
        view=view,
        scheme=SCHEMES[row.auth_scheme],
        secrets=len(auth.secrets) if auth else 0,
        health=health,
        gives_secret=bool(connector and _takes_vendor_secret(row, connector)),
        limits=limits,
        errors=errors or {},
        fields=fields if fields is not None else _own(limits),
    )


def _twin(row: Connection, health: Health, view: ConnectionMade | None) -> dict[str, Any]:
    """What the page shows, without any secret."""
    return {
        **row.model_dump(exclude={"id", "auth", "pull"}),
        "phase": health.phase,
        "url": view.url if view else None,
        "setup": view.setup if view else None,
        "arrived": [{"id": one.id, "title": one.title} for one in health.failures],
        "trial": {"id": health.trial.id, "title": health.trial.title} if health.trial else None,
        "pull": health.pull.model_dump(exclude={"cursor"}) if health.pull else None,
        "refusals": [one.model_dump(exclude={"id", "connection"}) for one in health.refusals],
        "unread": [one.model_dump(include={"id", "received_at", "reason"}) for one in health.unread],
    }


def _own(limits: LimitsView) -> dict[str, str]:
    """The connection's own limits, as its form has them; those of the settings are left empty."""
    return {name: str(getattr(limits, name)) for name in limits.own}


def _health(conn: DatabaseConnection, row: Connection, services: Services) -> Health:
    auth, connector = _auth(services.keyring, row), services.connectors.get(row.connector)
    found = list_failures(conn, FailureFilter(connection=row.name), None, _SHOWN + 1).items
    return Health(
        failures=[failure for failure in found if not is_trial(failure)][:_SHOWN],
        trial=next((failure for failure in found if is_trial(failure)), None),
        pull=get_pull(conn, row.name),
        refusals=list_refusals(conn, row.name),
        unread=list_unparsed(conn, row.name, None, _SHOWN).items,
        locked=bool(connector and auth and _takes_vendor_secret(row, connector) and not auth.secrets),
    )


def _auth(keyring: Keyring, row: Connection) -> Auth | None:
    try:
        return auth_of(keyring, row)
    except WrongKey:
        return None


def _takes_vendor_secret(row: Connection, connector: Connector) -> bool:
    return connector.vendor_secret and row.auth_scheme == "signature"
