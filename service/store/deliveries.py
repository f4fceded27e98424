"""Deliveries that no connector could read, kept for replay."""

from sqlalchemy import Connection, func, select

from service.store.paging import Page, decode_id_cursor, encode_cursor
from service.store.rows import as_record, as_records
from service.store.tables import Unparsed, unparsed


def list_unparsed(conn: Connection, connection: str | None, cursor: str | None, limit: int) -> Page[Unparsed]:
    """Kept deliveries, of one connection or of all, the latest first. Raises `InvalidCursor`."""
    query = select(unparsed)
    if connection:
        query = query.where(unparsed.c.connection == connection)
    if cursor:
        query = query.where(unparsed.c.id < decode_id_cursor(cursor))
    found = as_records(Unparsed, conn.execute(query.order_by(unparsed.c.id.desc()).limit(limit + 1)))
    return Page(found[:limit], encode_cursor(found[limit - 1].id) if len(found) > limit else None)


def get_unparsed(conn: Connection, delivery_id: str) -> Unparsed | None:
    """One kept delivery, or None."""
    return as_record(Unparsed, conn.execute(select(unparsed).where(unparsed.c.id == delivery_id)).first())


def count_unparsed(conn: Connection) -> dict[str, int]:
    """How many deliveries are kept, by the name of their connection."""
    return dict(conn.execute(select(unparsed.c.connection, func.count()).group_by(unparsed.c.connection)).all())
