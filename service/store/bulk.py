"""Statements over many rows at once, the same on both databases."""

from collections.abc import Iterable, Iterator, Sequence
from itertools import islice
from typing import Any, TypeVar

from sqlalchemy import Connection, Table
from sqlalchemy.dialects import postgresql, sqlite

_T = TypeVar("_T")


def insert_missing(conn: Connection, table: Table, rows: Sequence[dict[str, Any]]) -> int:
    """Insert the rows that no unique constraint forbids and say how many. Give them in the order of their unique key:
    two processes that insert the same keys in different orders would wait for each other."""
    if not rows:
        return 0
    insert = postgresql.insert if conn.dialect.name == "postgresql" else sqlite.insert
    statement = insert(table).on_conflict_do_nothing()
    return conn.execute(statement, rows, execution_options={"preserve_rowcount": True}).rowcount


def chunks(values: Iterable[_T], size: int = 500) -> Iterator[list[_T]]:
    """The values in lists short enough for the parameters of one statement."""
    rest = iter(values)
    while chunk := list(islice(rest, size)):
        yield chunk
