"""The whole of a SQLite database into an empty PostgreSQL database: everything, or nothing."""

from collections.abc import Callable

from sqlalchemy import Connection, Engine, Table, func, select
from sqlalchemy.exc import SQLAlchemyError

from service.store.archive import stream, take_time
from service.store.bulk import chunks, insert_missing
from service.store.record import Record

_ROWS = 500


class NotMoved(Exception):
    """The target is as it was. The message says why."""


def move_all(source: Engine, target: Engine, observe: Callable[[str, int], None]) -> None:
    """Copy every table in one transaction; both databases have the newest schema.

    The source cannot be written meanwhile, so that nothing is acknowledged there and missing here: senders get 503.
    `observe` gets each table's name and number of rows once that was counted on both sides. Raises `NotMoved`.
    """
    with source.begin() as reading:
        try:
            with target.begin() as writing:
                take_time(writing)
                _refuse_filled(writing)
                for table in Record.metadata.sorted_tables:
                    observe(table.name, _copy(reading, writing, table))
        except SQLAlchemyError as error:
            cause = str(getattr(error, "orig", None) or error).strip().splitlines()[0]
            raise NotMoved(f"the target refused: {cause}. Nothing was moved") from None


def _refuse_filled(target: Connection) -> None:
    filled = [table.name for table in Record.metadata.sorted_tables if _first(target, table)]
    if filled:
        raise NotMoved(f"the target is not empty: there are rows in {', '.join(filled)}. Give it a new database")


def _first(conn: Connection, table: Table) -> bool:
    return conn.execute(select(1).select_from(table).limit(1)).first() is not None


def _copy(source: Connection, target: Connection, table: Table) -> int:
    """Copy one table, and compare the numbers of rows."""
    query = select(table).order_by(*table.primary_key)
    for rows in chunks(stream(source, query), _ROWS):
        insert_missing(target, table, rows)
    here, there = (conn.execute(select(func.count()).select_from(table)).scalar_one() for conn in (source, target))
    if here != there:
        raise NotMoved(f"{table.name} has {here} rows, of which {there} arrived. Nothing was moved")
    return there
