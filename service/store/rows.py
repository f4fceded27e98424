"""Rows of a query as the table's class."""

from collections.abc import Iterable
from typing import TypeVar

from sqlalchemy import Row
from sqlalchemy.orm import class_mapper

from service.store.record import Record

_R = TypeVar("_R", bound=Record)


def as_record(kind: type[_R], row: "Row[*tuple[object, ...]] | None") -> _R | None:
    """One row of all the table's columns, or None."""
    return None if row is None else as_records(kind, [row])[0]


def as_records(kind: type[_R], rows: "Iterable[Row[*tuple[object, ...]]]") -> list[_R]:
    """Rows of all the table's columns.

    Objects are filled as the ORM fills what it loads: setting each attribute of a list of failures through the
    constructor takes longer than its query.
    """
    new_instance = class_mapper(kind).class_manager.new_instance
    records: list[_R] = []
    for row in rows:
        record: _R = new_instance()
        record.__dict__.update(row._mapping)
        records.append(record)
    return records
