"""Rows of a query as the table's class."""

from collections.abc import Iterable
from typing import TypeVar

from sqlalchemy import Row

from service.store.tables import Record

_R = TypeVar("_R", bound=Record)


def as_record(kind: type[_R], row: "Row[*tuple[object, ...]] | None") -> _R | None:
    """One row of the table's columns, or None."""
    return None if row is None else kind(**row._mapping)


def as_records(kind: type[_R], rows: "Iterable[Row[*tuple[object, ...]]]") -> list[_R]:
    """Rows of the table's columns."""
    return [kind(**row._mapping) for row in rows]
