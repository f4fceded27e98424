"""Failures and what hangs on them as JSON Lines: to be kept, searched elsewhere, or taken into another database.

The first line names the format, then come the rows of one table after the other, the last line counts them. Nothing
that grants access is in it: connections, keys, accounts and sessions stay where they are.
"""

from collections.abc import Iterator
from typing import Any

import msgspec
from sqlalchemy import Connection, Engine, Select, null, select, text

from service.store.record import Record
from service.store.tables import (
    Activity,
    Analysis,
    Event,
    Excerpt,
    Failure,
    Opening,
    Review,
    Sighting,
    activities,
    analyses,
)

FORMAT = 1
# Whoever refers to another comes after it.
KINDS: dict[str, type[Record]] = {
    "failure": Failure,
    "excerpt": Excerpt,
    "sighting": Sighting,
    "opening": Opening,
    "event": Event,
    "analysis": Analysis,
    "review": Review,
    "activity": Activity,
}
_FETCHED = 500


def export_lines(engine: Engine, *, with_events: bool) -> Iterator[bytes]:
    """Every line without its line feed, as the database stands at the first one. Memory does not grow with the rows."""
    yield _encode({"whydenied": "export", "format": FORMAT})
    counts = dict.fromkeys(KINDS, 0)
    with engine.connect() as conn:
        if conn.dialect.name == "postgresql":
            conn.execution_options(isolation_level="REPEATABLE READ", postgresql_readonly=True)
            take_time(conn)
        for kind in KINDS:
            for row in stream(conn, _query(kind, with_events)):
                counts[kind] += 1
                yield _encode({"kind": kind, **row})
    yield _encode({"whydenied": "end", "counts": counts})


def take_time(conn: Connection) -> None:
    """Let this transaction count a large table, and wait for a slow reader or writer, as long as that takes."""
    if conn.dialect.name == "postgresql":
        conn.execute(text("SET LOCAL statement_timeout = 0; SET LOCAL idle_in_transaction_session_timeout = 0"))


def stream(conn: Connection, query: "Select[Any]") -> Iterator[dict[str, Any]]:
    """The rows of a query, a few hundred of which are in memory at once."""
    for row in conn.execute(query, execution_options={"yield_per": _FETCHED}):
        yield dict(row._mapping)


def _query(kind: str, with_events: bool) -> "Select[Any]":
    table = Record.metadata.tables[kind]
    query = select(table).order_by(*table.primary_key)
    if kind == "activity":
        return query.where(activities.c.failure_id.is_not(None))
    if with_events:
        return query
    if kind == "analysis":  # it must not point to an event that is left out
        columns = [null().label(one.name) if one is analyses.c.event_id else one for one in analyses.c]
        return select(*columns).order_by(*table.primary_key)
    return query.where(null().is_not(None)) if kind == "event" else query


def _encode(line: dict[str, Any]) -> bytes:
    return msgspec.json.encode(line)
