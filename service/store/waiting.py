"""Events that were accepted without their error text and wait for it.

They are kept here, and become events only with their text, because what an event says decides which failure it
belongs to and whether a rule knows it: an event stored before would open a failure that is none, and cost a model's
answer. The row is committed before the sender is answered, and goes after the event is committed under the same id:
never lost, never twice.
"""

from collections.abc import Iterable, Sequence
from datetime import datetime

import msgspec
from sqlalchemy import Connection, delete, select, update

from connectors.base import ErrorEvent
from service.store.bulk import insert_missing
from service.store.event_row import as_key, as_text
from service.store.ids import new_id
from service.store.rows import as_records
from service.store.tables import WaitingEvent, events, waiting_events


def known_ids(conn: Connection, connection: str, source_ids: Iterable[str]) -> set[str]:
    """Those of the vendor's ids under which an event is stored already."""
    keys = {as_key(one): one for one in source_ids}
    same = (events.c.connection == connection) & events.c.source_id.in_(list(keys))
    return {keys[found] for found in conn.execute(select(events.c.source_id).where(same)).scalars()}


def keep_waiting(conn: Connection, connection: str, redacted: Sequence[ErrorEvent], now: datetime) -> None:
    """Keep redacted events; one that waits already stays as it is."""
    rows = [
        {
            "id": new_id(),
            "connection": connection,
            "source_id": as_key(event.id),
            "event": as_text(msgspec.json.encode(event).decode()),
            "tries": 0,
            "due_at": now,
        }
        for event in sorted(redacted, key=lambda event: event.id)
    ]
    insert_missing(conn, waiting_events, rows)


def event_of(row: WaitingEvent) -> ErrorEvent:
    """The event that waits."""
    return msgspec.json.decode(row.event, type=ErrorEvent)


def due_events(conn: Connection, now: datetime, limit: int) -> list[WaitingEvent]:
    """Those whose source may be asked now, the longest waiting first."""
    due = select(waiting_events).where(waiting_events.c.due_at <= now).order_by(waiting_events.c.due_at).limit(limit)
    return as_records(WaitingEvent, conn.execute(due))


def claim_event(conn: Connection, row: WaitingEvent, until: datetime) -> bool:
    """Take one, so that nobody else does before `until`. False: somebody was faster."""
    same = (waiting_events.c.id == row.id) & (waiting_events.c.due_at == row.due_at)
    return conn.execute(update(waiting_events).where(same).values(due_at=until)).rowcount == 1


def put_off(conn: Connection, row: WaitingEvent, due_at: datetime) -> None:
    """Try again then."""
    told = {"tries": row.tries + 1, "due_at": due_at}
    conn.execute(update(waiting_events).where(waiting_events.c.id == row.id).values(told))


def let_go(conn: Connection, row: WaitingEvent) -> None:
    """The event is stored."""
    conn.execute(delete(waiting_events).where(waiting_events.c.id == row.id))
