"""Deleting what is too old to keep, a little at a time so that nobody waits for it."""

from datetime import datetime

from sqlalchemy import Connection, Table, delete, select

from service.store.ids import first_id_at
from service.store.request_tables import model_requests
from service.store.tables import events, unparsed
from service.store.tally_tables import busy_days


def delete_older(conn: Connection, before: datetime, limit: int = 1_000) -> int:
    """Delete at most `limit` each of events, unparsed deliveries and requests to models from before `before`.

    Failures, their counts, analyses and reviews stay: they are what was learned. Returns how many were deleted: call
    again until that is 0, each time in a transaction of its own.
    """
    conn.execute(delete(busy_days).where(busy_days.c.day <= before.date()))
    return sum(_delete_older(conn, table, first_id_at(before), limit) for table in (events, unparsed, model_requests))


def _delete_older(conn: Connection, table: Table, before_id: str, limit: int) -> int:
    """Rows that another process is deleting are left to it, so that the two never wait for each other."""
    oldest = select(table.c.id).where(table.c.id < before_id).order_by(table.c.id).limit(limit)
    oldest = oldest.with_for_update(skip_locked=True)
    return conn.execute(delete(table).where(table.c.id.in_(oldest))).rowcount
