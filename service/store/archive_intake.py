"""Taking an archive into a database, line by line: what is there stays as it is, and what differs is told.

A few hundred lines at a time are committed, so that a service may run meanwhile, and the same file may be given again.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from itertools import groupby
from operator import attrgetter
from typing import Any, TypeVar

import msgspec
from pydantic import BaseModel, ValidationError
from sqlalchemy import Connection, Engine, Table, UniqueConstraint, select, tuple_
from sqlalchemy.exc import DataError, IntegrityError, ProgrammingError

from service.domain import Answer, Cause, Confidence, Verdict
from service.store.archive import FORMAT, KINDS
from service.store.bulk import insert_missing
from service.store.event_row import as_text
from service.store.record import Record

MAX_LINE = 64 * 1024 * 1024
_LINES, _BYTES = 200, 4 * 1024 * 1024
_WORDS: dict[str, tuple[str, ...]] = {
    "verdict": tuple(Verdict),
    "cause": tuple(Cause),
    "confidence": tuple(Confidence),
    "producer": ("rule", "llm", "reviewer", "none"),
}
_ELSEWHERE = "To have the file's as well, import it into an empty database"

_M = TypeVar("_M", bound=BaseModel)
Report = Callable[[int, str], None]


class NotAnArchive(Exception):
    """The lines are not an archive that this release reads. The message says why; nothing of it was stored."""


@dataclass(slots=True)
class Taken:
    """How many rows of each kind were `added`, were `there` already, and were `left_out` with a report."""

    added: dict[str, int] = field(default_factory=lambda: dict.fromkeys(KINDS, 0))
    there: dict[str, int] = field(default_factory=lambda: dict.fromkeys(KINDS, 0))
    left_out: int = 0


@dataclass(frozen=True, slots=True)
class _Line:
    number: int
    kind: str
    row: dict[str, Any]
    size: int

    @property
    def name(self) -> str:
        """What people can look for."""
        keys = [one.name for one in Record.metadata.tables[self.kind].primary_key]
        return " ".join([self.kind, *(str(self.row[key]) for key in keys)])


def import_lines(engine: Engine, lines: Iterable[bytes], report: Report) -> Taken:
    """Store what is not there yet. `report` gets the number of each line that was left out, and why.

    Raises `NotAnArchive` for a first line that does not name the format.
    """
    taken = Taken()

    def leave_out(number: int, why: str) -> None:
        taken.left_out += 1
        report(number, why)

    numbered = enumerate(lines, 1)
    _check_header(next(numbered, (1, b""))[1])
    for group in _groups(_read(numbered, leave_out)):
        with engine.begin() as conn:
            _Intake(conn, taken, leave_out).take(group)
    return taken


def _check_header(line: bytes) -> None:
    try:
        header = msgspec.json.decode(line)
        found = header["format"] if header["whydenied"] == "export" else None
    except (msgspec.DecodeError, ValueError, RecursionError, KeyError, TypeError):
        found = None
    if found is None:
        raise NotAnArchive("its first line is not that of an export of whydenied")
    if found != FORMAT:
        raise NotAnArchive(f"it is of format {found!r}, this release reads {FORMAT}: use the release that wrote it")


def _read(numbered: Iterator[tuple[int, bytes]], leave_out: Report) -> Iterator[_Line]:
    """The lines that can be rows; at the end, whether that was all."""
    counts, number = dict.fromkeys(KINDS, 0), 1
    for number, line in numbered:
        try:
            content = msgspec.json.decode(line)
            if isinstance(content, dict) and content.get("whydenied") == "end":
                if content.get("counts") != counts:
                    leave_out(number, f"the file has lost lines: it says {content.get('counts')} and has {counts}")
                return
            read = _row(number, content, len(line))
        except (msgspec.DecodeError, ValueError, RecursionError) as error:
            leave_out(number, f"not a line of an export: {error}")
        else:
            counts[read.kind] += 1
            yield read
    leave_out(number, "the file ends before its last line, so more may be missing: export it again")


def _row(number: int, content: Any, size: int) -> _Line:
    """One row, of the types and words that the table has. Raises `ValueError`."""
    kind = content.pop("kind", None) if isinstance(content, dict) else None
    if not isinstance(kind, str) or kind not in KINDS:
        raise ValueError(f"no kind of row is called {kind!r}")
    columns = Record.metadata.tables[kind].c
    if strangers := content.keys() - {one.name for one in columns}:
        raise ValueError(f"{kind} has no {', '.join(sorted(strangers))}; was it written by a newer release?")
    made = _valid(kind, KINDS[kind], content)
    if kind == "analysis":
        _valid("answer", Answer, content["answer"])
    row = {one.name: _storable(one.name, getattr(made, one.name)) for one in columns}
    for name, words in _WORDS.items():
        if row.get(name) is not None and row[name] not in words:
            raise ValueError(f"{kind}: {name} may not be {row[name]!r}")
    return _Line(number, kind, row, size)


def _valid(name: str, model: type[_M], content: Any) -> _M:
    try:
        return model.model_validate(content)
    except ValidationError as error:
        wrong = error.errors(include_url=False, include_input=False)[0]
        raise ValueError(f"{'.'.join(map(str, (name, *wrong['loc'])))}: {wrong['msg']}") from None


def _storable(name: str, value: Any) -> Any:
    if isinstance(value, datetime) and value.tzinfo is None:
        raise ValueError(f"{name} does not say in which zone it is")
    return as_text(value) if isinstance(value, str) else value


def _groups(lines: Iterator[_Line]) -> Iterator[list[_Line]]:
    """Lines of one kind, few and small enough for one short transaction."""
    for _, of_a_kind in groupby(lines, attrgetter("kind")):
        group: list[_Line] = []
        for line in of_a_kind:
            group.append(line)
            if len(group) == _LINES or sum(one.size for one in group) >= _BYTES:
                yield group
                group = []
        if group:
            yield group


@dataclass(frozen=True, slots=True)
class _Intake:
    """One transaction's worth of lines of one kind."""

    conn: Connection
    taken: Taken
    leave_out: Report

    def take(self, group: Sequence[_Line]) -> None:
        table = Record.metadata.tables[group[0].kind]
        try:
            with self.conn.begin_nested():
                added, reports = self._store(table, group)
        except (DataError, IntegrityError, ProgrammingError, OverflowError) as error:
            if len(group) == 1:
                self.leave_out(group[0].number, f"{group[0].name}: the database refuses it: {_first_line(error)}")
                return
            for line in group:
                self.take([line])
            return
        self.taken.added[table.name] += added
        self.taken.there[table.name] += len(group) - added - len(reports)
        for line, why in reports:
            self.leave_out(line.number, f"{line.name}: {why}")

    def _store(self, table: Table, group: Sequence[_Line]) -> tuple[int, list[tuple[_Line, str]]]:
        """Insert what is new; gives how many that was, and why others are left out."""
        before = self._stored(table, group)
        reports = [(line, why) for line in group if (why := self._difference(table, line, before))]
        fresh = {_key(table, line.row): line for line in group if _key(table, line.row) not in before}
        orphans = self._orphans(table, list(fresh.values()))
        reports += [(line, why) for line, why in orphans]
        for line, _ in orphans:
            del fresh[_key(table, line.row)]
        added = insert_missing(self.conn, table, [line.row for _, line in sorted(fresh.items())])
        if added < len(fresh):
            after = self._stored(table, list(fresh.values()))
            unique = " or ".join(
                ", ".join(one.columns.keys()) for one in table.constraints if isinstance(one, UniqueConstraint)
            )
            why = f"one with the same {unique} is here by another id, and stays. {_ELSEWHERE}"
            reports += [(line, why) for key, line in fresh.items() if key not in after]
        return added, reports

    def _stored(self, table: Table, lines: Sequence[_Line]) -> dict[tuple[Any, ...], Mapping[str, Any]]:
        keys = [_key(table, line.row) for line in lines]
        rows = self.conn.execute(select(table).where(tuple_(*table.primary_key).in_(keys)))
        return {_key(table, row._asdict()): row._asdict() for row in rows}

    def _difference(self, table: Table, line: _Line, stored: Mapping[tuple[Any, ...], Mapping[str, Any]]) -> str:
        here = stored.get(_key(table, line.row))
        if here is None:
            return ""
        differing = [name for name, value in line.row.items() if here[name] != value and not _unsaid(name, value)]
        if not differing:
            return ""
        return f"it is here already with another {', '.join(differing)}, and stays as it is here. {_ELSEWHERE}"

    def _orphans(self, table: Table, lines: Sequence[_Line]) -> list[tuple[_Line, str]]:
        """Lines that belong to something that is not here."""
        found: dict[int, tuple[_Line, str]] = {}
        for key in table.foreign_keys:
            name, other = key.parent.name, key.column
            wanted = {line.row[name] for line in lines if line.row[name] is not None}
            here = set(self.conn.execute(select(other).where(other.in_(wanted))).scalars())
            for line in lines:
                if line.row[name] in wanted - here:
                    why = f"the {other.table.name} {line.row[name]} that it belongs to is not here: see its own line"
                    found[line.number] = (line, why)
        return list(found.values())


def _key(table: Table, row: Mapping[str, Any]) -> tuple[Any, ...]:
    return tuple(row[one.name] for one in table.primary_key)


def _unsaid(name: str, value: Any) -> bool:
    """An export without events does not say which event an analysis quotes."""
    return name == "event_id" and value is None


def _first_line(error: Exception) -> str:
    return str(getattr(error, "orig", None) or error).strip().splitlines()[0]
