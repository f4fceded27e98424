"""Statements over many rows at once.

SQLite gets groups of rows, with values that the driver takes as they are: for rows of twenty columns SQLAlchemy's
preparation of the values costs more than the insert. After each statement the writer waits for the interpreter, which
a busy event loop holds, so that a group is filled up with empty rows rather than split. PostgreSQL gets all rows as
one JSON value, because there each round trip and each parameter costs.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from functools import lru_cache, partial
from itertools import chain, islice, repeat
from operator import itemgetter
from typing import Any, TypeVar

from sqlalchemy import JSON, ColumnElement, Connection, Dialect, Table, bindparam, column, func, select, true, values
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.sql.dml import UpdateBase
from sqlalchemy.sql.schema import ScalarElementColumnDefault
from sqlalchemy.types import TypeEngine
from sqlmodel.sql.sqltypes import UTCDateTime

from service.store.engine import to_json

_LARGEST_GROUP = 256

_T = TypeVar("_T")
_Row = Mapping[str, Any]
_Types = Mapping[str, TypeEngine[Any]]
Build = Callable[[Mapping[str, ColumnElement[Any]]], UpdateBase]


class ForEach:
    """One statement, run for many rows. `build` makes it from the row's values, whose names and types are `types`."""

    def __init__(self, dialect: Dialect, types: _Types, build: Build) -> None:
        self._run = (_OverRecords if dialect.name == "postgresql" else _InGroups)(dialect, types, build)

    def run(self, conn: Connection, rows: Sequence[_Row]) -> int:
        """Run it, and say how many rows of the table were written."""
        return self._run(conn, rows) if rows else 0


class _OverRecords:
    def __init__(self, _: Dialect, types: _Types, build: Build) -> None:
        columns = [column(name, type_) for name, type_ in types.items()]
        records = func.json_to_recordset(bindparam("records", type_=JSON)).table_valued(*columns)
        self._statement = build(dict(records.render_derived(name="given", with_types=True).c.items()))

    def __call__(self, conn: Connection, rows: Sequence[_Row]) -> int:
        result = conn.execute(self._statement, {"records": rows}, execution_options={"preserve_rowcount": True})
        return result.rowcount


class _InGroups:
    def __init__(self, dialect: Dialect, types: _Types, build: Build) -> None:
        self._statement = lru_cache(partial(_compile, dialect, types, build))
        self._in_order = itemgetter(*types)
        self._width = len(types)
        found = ((place, _conversion(type_)) for place, type_ in enumerate(types.values()))
        self._conversions = [(place, convert) for place, convert in found if convert]

    def __call__(self, conn: Connection, rows: Sequence[_Row]) -> int:
        written = 0
        for group in chunks(rows, _LARGEST_GROUP):
            size = 1 << (len(group) - 1).bit_length()
            filling = repeat(None, (size - len(group)) * self._width)
            flat = (*chain.from_iterable(map(self._values, group)), *filling, len(group), 0)
            written += conn.exec_driver_sql(self._statement(size), flat).rowcount
        return written

    def _values(self, row: _Row) -> list[Any]:
        in_order = list(self._in_order(row))
        for place, convert in self._conversions:
            if in_order[place] is not None:
                in_order[place] = convert(in_order[place])
        return in_order


def _compile(dialect: Dialect, types: _Types, build: Build, size: int) -> str:
    """The statement for up to `size` rows, whose values follow one another in the order of `types`; last, how many
    there are and that none is skipped.

    A handful of prepared statements thus serves every number of rows.
    """
    columns = [column(name, type_) for name, type_ in types.items()]
    rows = [tuple(bindparam(f"{name}_{number}", type_=types[name]) for name in types) for number in range(size)]
    # A leading WITH would keep the driver from counting rows, so the expression stands inside a subquery.
    there = values(*columns).data(rows).cte("rows", nesting=True)
    given = select(there).limit(bindparam("count")).offset(bindparam("skipped")).subquery("given")
    return str(build(dict(given.c.items())).compile(dialect=dialect))


def insert_missing(conn: Connection, table: Table, rows: Sequence[_Row]) -> int:
    """Insert the rows that no unique constraint forbids and say how many. All rows have the same keys.

    Give them in the order of their unique key: two processes that insert the same keys in different orders would wait
    for each other.
    """
    if not rows:
        return 0
    defaults = _defaults(table)
    insertion = _insertion(conn.dialect, table, tuple(sorted(defaults.keys() | rows[0].keys())))
    return insertion.run(conn, rows if defaults.keys() <= rows[0].keys() else [{**defaults, **row} for row in rows])


def chunks(values: Iterable[_T], size: int = 500) -> Iterator[list[_T]]:
    """The values in lists short enough for the parameters of one statement."""
    rest = iter(values)
    while chunk := list(islice(rest, size)):
        yield chunk


@lru_cache(maxsize=64)
def _insertion(dialect: Dialect, table: Table, names: tuple[str, ...]) -> ForEach:
    def build(given: Mapping[str, ColumnElement[Any]]) -> UpdateBase:
        rows = select(*(given[name] for name in names))
        if dialect.name == "postgresql":
            return postgresql.insert(table).from_select(list(names), rows).on_conflict_do_nothing()
        return sqlite.insert(table).from_select(list(names), rows.where(true())).on_conflict_do_nothing()

    return ForEach(dialect, {name: table.c[name].type for name in names}, build)


@lru_cache
def _defaults(table: Table) -> dict[str, Any]:
    """The values of columns that a row may leave out; those made by a function are the caller's to give."""
    return {one.name: one.default.arg for one in table.c if isinstance(one.default, ScalarElementColumnDefault)}


def _conversion(type_: TypeEngine[Any]) -> Callable[[Any], Any] | None:
    if isinstance(type_, JSON):
        return to_json
    if isinstance(type_, UTCDateTime):
        return _as_sqlite_time
    return None


@lru_cache(maxsize=256)  # the events of a batch were received at one moment
def _as_sqlite_time(value: datetime) -> str:
    """As SQLAlchemy writes and reads it: UTC without saying so, always with microseconds."""
    return value.astimezone(UTC).isoformat(" ", "microseconds")[:26]
