"""Configured monitoring sources. What proves their senders is encrypted before it gets here, and leaves decrypted."""

from collections.abc import Iterable
from dataclasses import asdict
from datetime import UTC, datetime
from typing import Protocol

import msgspec
from sqlalchemy import Connection as DatabaseConnection
from sqlalchemy import delete, select, text, update

from connectors.base import Auth
from service.keyring import Keyring, WrongKey
from service.store.bulk import insert_missing
from service.store.ids import new_id
from service.store.limits import Limits, drop_limits, set_limits
from service.store.rows import as_record, as_records
from service.store.tables import Connection, connections, refusals

_DECLARING = 0x77686463  # any constant that no other program on the server uses


class NameTaken(Exception):
    """Another connection has this name."""


class NoSuchConnection(LookupError):
    """No connection has this name."""


class IsDeclared(Exception):
    """The connection comes from the connections file; only a change of the file changes it."""


class Wanted(Protocol):
    """A connection as a file declares it."""

    @property
    def name(self) -> str: ...
    @property
    def connector(self) -> str: ...
    @property
    def auth(self) -> Auth: ...
    @property
    def limits(self) -> Limits: ...


def list_connections(conn: DatabaseConnection) -> list[Connection]:
    """All connections by name. Their `auth` is encrypted: see `auth_of`."""
    return as_records(Connection, conn.execute(select(connections).order_by(connections.c.name)))


def get_connection(conn: DatabaseConnection, name: str) -> Connection | None:
    """One connection, or None."""
    return as_record(Connection, conn.execute(select(connections).where(connections.c.name == name)).first())


def auth_of(keyring: Keyring, connection: Connection) -> Auth:
    """How the connection's senders prove themselves. Raises `WrongKey` when the installation's key was changed."""
    return msgspec.json.decode(keyring.decrypt(connection.auth), type=Auth)


def create_connection(
    conn: DatabaseConnection, keyring: Keyring, name: str, connector: str, auth: Auth, *, declared: bool = False
) -> Connection:
    """Add a connection. Raises `NameTaken`."""
    now = datetime.now(UTC)
    made = Connection(
        id=new_id(),
        name=name,
        connector=connector,
        declared=declared,
        auth_scheme=auth.scheme,
        auth=_encrypted(keyring, auth),
        created_at=now,
        updated_at=now,
    )
    if not insert_missing(conn, connections, [made.model_dump()]):
        raise NameTaken(f"there is a connection {name} already")
    return made


def change_auth(conn: DatabaseConnection, keyring: Keyring, name: str, auth: Auth) -> None:
    """Replace how the senders of a connection prove themselves. Raises `NoSuchConnection` or `IsDeclared`."""
    _changeable(conn, name)
    _write_auth(conn, keyring, name, auth)


def delete_connection(conn: DatabaseConnection, name: str) -> None:
    """Remove a connection; what it delivered stays. Raises `NoSuchConnection` or `IsDeclared`."""
    _changeable(conn, name)
    conn.execute(delete(refusals).where(refusals.c.connection == name))
    drop_limits(conn, [name])
    conn.execute(delete(connections).where(connections.c.name == name))


def change_limits(conn: DatabaseConnection, name: str, limits: Limits) -> None:
    """Replace what a connection may deliver. Raises `NoSuchConnection` or `IsDeclared`."""
    _changeable(conn, name)
    set_limits(conn, name, limits)


def declare(conn: DatabaseConnection, keyring: Keyring, wanted: Iterable[Wanted]) -> None:
    """Make the declared connections those of the file: add, change and remove. Others stay as they are.

    Processes that start at once take turns. Raises `NameTaken` when the file declares a name that somebody gave to a
    connection by hand.
    """
    if conn.dialect.name == "postgresql":
        conn.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": _DECLARING})
    stored = {connection.name: connection for connection in list_connections(conn)}
    named = {one.name: one for one in sorted(wanted, key=lambda one: one.name)}
    for name, one in named.items():
        if name not in stored:
            create_connection(conn, keyring, name, one.connector, one.auth, declared=True)
        elif not stored[name].declared:
            raise NameTaken(f"the connections file declares {name}, but a connection of that name was made by hand")
        elif _differs(keyring, stored[name], one):
            conn.execute(update(connections).where(connections.c.name == name).values(connector=one.connector))
            _write_auth(conn, keyring, name, one.auth)
        set_limits(conn, name, one.limits)
    gone = [name for name, connection in stored.items() if connection.declared and name not in named]
    conn.execute(delete(refusals).where(refusals.c.connection.in_(gone)))
    drop_limits(conn, gone)
    conn.execute(delete(connections).where(connections.c.name.in_(gone)))


def _differs(keyring: Keyring, stored: Connection, one: Wanted) -> bool:
    try:
        return (stored.connector, auth_of(keyring, stored)) != (one.connector, one.auth)
    except WrongKey:
        return True


def _changeable(conn: DatabaseConnection, name: str) -> None:
    connection = get_connection(conn, name)
    if connection is None:
        raise NoSuchConnection(f"there is no connection {name}")
    if connection.declared:
        raise IsDeclared(f"{name} comes from the connections file: change it there")


def _write_auth(conn: DatabaseConnection, keyring: Keyring, name: str, auth: Auth) -> None:
    values = {"auth_scheme": auth.scheme, "auth": _encrypted(keyring, auth), "updated_at": datetime.now(UTC)}
    conn.execute(update(connections).where(connections.c.name == name).values(values))


def _encrypted(keyring: Keyring, auth: Auth) -> str:
    return keyring.encrypt(msgspec.json.encode(asdict(auth)))
