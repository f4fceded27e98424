"""The settings of pulls, encrypted in their connection, and where each pull stands.

A pull's row is its job: whoever moves `next_at` on has claimed it until then, so a claim of a dead process ends by
itself. The cursor moves only after the events before it were committed, and events have the vendor's ids: a page that
is read twice is stored once.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

import msgspec
from sqlalchemy import Connection as DatabaseConnection
from sqlalchemy import delete, or_, select, update

from service.keyring import Keyring, WrongKey
from service.store.bulk import insert_missing
from service.store.connections import IsDeclared, NoSuchConnection, get_connection
from service.store.event_row import as_text
from service.store.rows import as_record, as_records
from service.store.tables import Connection, Pull, connections, pulls

_FARTHEST = timedelta(days=2)  # nothing is put off for so long


@dataclass(frozen=True, slots=True)
class Schedule:
    """Settings of pulls, and the seconds between two of them; 0 for none unasked."""

    settings: Mapping[str, str]
    every: int


def pull_settings(keyring: Keyring, connection: Connection) -> dict[str, str] | None:
    """The settings, None where there are none. Raises `WrongKey` when the installation's key was changed."""
    if connection.pull is None:
        return None
    return msgspec.json.decode(keyring.decrypt(connection.pull), type=dict[str, str])


def set_pull(
    conn: DatabaseConnection,
    keyring: Keyring,
    name: str,
    wanted: Schedule | None,
    now: datetime,
    *,
    declared: bool = False,
) -> None:
    """Give a connection the settings of its pulls, which begin at once, or take them away.

    Where it has pulled before, it goes on from there. Raises `NoSuchConnection`, or `IsDeclared` unless `declared`.
    """
    row = get_connection(conn, name)
    if row is None:
        raise NoSuchConnection(f"there is no connection {name}")
    if row.declared and not declared:
        raise IsDeclared(f"{name} comes from the connections file: change it there")
    told = keyring.encrypt(msgspec.json.encode(dict(wanted.settings))) if wanted else None
    conn.execute(update(connections).where(connections.c.name == name).values(pull=told, updated_at=now))
    if wanted is None:
        conn.execute(delete(pulls).where(pulls.c.connection == name))
        return
    next_at = now if wanted.every else None
    if not insert_missing(conn, pulls, [Pull(connection=name, next_at=next_at).model_dump()]):
        begin = {"next_at": next_at, "failed": 0, "last_error": None}
        conn.execute(update(pulls).where(pulls.c.connection == name).values(begin))


def declare_pull(conn: DatabaseConnection, keyring: Keyring, name: str, wanted: Schedule | None, now: datetime) -> None:
    """Make the settings those of the file; the schedule goes on where nothing changed."""
    row = get_connection(conn, name)
    try:
        same = row is not None and pull_settings(keyring, row) == (dict(wanted.settings) if wanted else None)
    except WrongKey:
        same = False
    if not same:
        set_pull(conn, keyring, name, wanted, now, declared=True)


def get_pull(conn: DatabaseConnection, name: str) -> Pull | None:
    """Where the pulls of a connection stand, None where it has no settings for them."""
    return as_record(Pull, conn.execute(select(pulls).where(pulls.c.connection == name)).first())


def due_pulls(conn: DatabaseConnection, now: datetime, limit: int) -> list[Pull]:
    """The pulls whose time has come, the longest waiting first; and those that a clock which ran ahead put off."""
    due = or_(pulls.c.next_at <= now, pulls.c.next_at > now + _FARTHEST)
    return as_records(Pull, conn.execute(select(pulls).where(due).order_by(pulls.c.next_at).limit(limit)))


def claim_pull(conn: DatabaseConnection, pull: Pull, until: datetime) -> bool:
    """Take a due pull, so that nobody else does before `until`. False: somebody was faster."""
    same = (pulls.c.connection == pull.connection) & (pulls.c.next_at == pull.next_at)
    return conn.execute(update(pulls).where(same).values(next_at=until)).rowcount == 1


def note_page(conn: DatabaseConnection, name: str, cursor: str, new_events: int, until: datetime) -> None:
    """A page was read and what it held is committed; the claim holds until then, for the next page."""
    told = {"cursor": cursor, "new_events": pulls.c.new_events + new_events, "next_at": until}
    conn.execute(update(pulls).where(pulls.c.connection == name).values(told))


def note_success(conn: DatabaseConnection, name: str, now: datetime, next_at: datetime) -> None:
    """A pull has ended well."""
    told = {"last_at": now, "last_error": None, "failed": 0, "next_at": next_at}
    conn.execute(update(pulls).where(pulls.c.connection == name).values(told))


def note_failure(conn: DatabaseConnection, name: str, error: str, next_at: datetime) -> None:
    """A pull came to nothing, and when it is tried again."""
    told = {"last_error": as_text(error), "failed": pulls.c.failed + 1, "next_at": next_at}
    conn.execute(update(pulls).where(pulls.c.connection == name).values(told))


def note_trouble(conn: DatabaseConnection, name: str, error: str | None) -> None:
    """What became of asking for the text of a delivery; the schedule stays as it is."""
    conn.execute(update(pulls).where(pulls.c.connection == name).values(last_error=as_text(error)))


def rest(conn: DatabaseConnection, name: str) -> None:
    """Nothing is pulled unasked any more."""
    conn.execute(update(pulls).where(pulls.c.connection == name).values(next_at=None))


def forget_pull(conn: DatabaseConnection, name: str) -> None:
    """Drop where the pulls of a connection stood that is no more."""
    conn.execute(delete(pulls).where(pulls.c.connection == name))
