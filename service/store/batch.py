"""One transaction: many occurrences in, what became of each out.

Every writer process takes its locks in one order, so that none waits for one that waits for it: new failures by
fingerprint, events by key, failures by id, then what hangs on them, connections last.
"""

import time
from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any

import structlog
from sqlalchemy import Connection, Dialect, delete, func, select, update

from service.domain import Answer
from service.store.bulk import ForEach, chunks, insert_missing
from service.store.event_row import as_key, as_text, event_row
from service.store.folding import fold, is_folded, room_for_new
from service.store.head import Head, attach, headline, lock_heads
from service.store.ids import new_id
from service.store.known import Known
from service.store.occurrence import Occurrence, Stored, UnparsedDelivery
from service.store.resolution import close, is_still_firing, opened_by
from service.store.tables import connections, events, excerpts, failures, openings, sightings, unparsed
from service.store.trouble import in_short

MostNew = Callable[[str], int]
_DELIVERY_PRECISION = 1.0  # seconds between two notes of a connection's last delivery: all writers share that row

_SAMPLE_LENGTH = 2_000

_log = structlog.get_logger(__name__)


def store_batch(
    conn: Connection,
    occurrences: Sequence[Occurrence],
    leftovers: Sequence[UnparsedDelivery],
    known: Known,
    replayed: Sequence[str] = (),
    most_new: MostNew = lambda _: 0,
) -> tuple[list[Stored], Known]:
    """Store everything inside the caller's transaction; kept deliveries with the ids `replayed` go.

    `most_new` says how many new failures a connection may make per hour before they are folded into one; 0: no limit.
    Returns one result per occurrence, in their order, and what `known` may learn once the transaction is committed.
    """
    batch = _Batch(conn, known, most_new)
    stored = batch.store(occurrences, leftovers)
    if replayed:
        conn.execute(delete(unparsed).where(unparsed.c.id.in_(replayed)))
    return stored, batch.learned


@dataclass(slots=True)
class _Item:
    occurrence: Occurrence
    row: dict[str, Any]
    fresh: bool

    @property
    def failure_key(self) -> tuple[int, str]:
        return self.occurrence.fingerprint_version, self.occurrence.fingerprint


def _key(item: _Item) -> tuple[str, str]:
    return item.row["connection"], item.row["source_id"]


class _Batch:
    def __init__(self, conn: Connection, known: Known, most_new: MostNew) -> None:
        self.conn = conn
        self.known = known
        self.most_new = most_new
        self.learned = Known()
        self.now = datetime.now(UTC)
        self.made: set[str] = set()
        self.heads: dict[str, Head] = {}

    def store(self, occurrences: Sequence[Occurrence], leftovers: Sequence[UnparsedDelivery]) -> list[Stored]:
        items = self._items(occurrences)
        first = [item for item in items if item.fresh]
        resolved = [item for item in first if item.row["state"] == "resolved"]
        firing = [item for item in first if item.row["state"] != "resolved"]
        self._find_failures(firing)
        self._note_openings([item for item in firing if not is_folded(item.occurrence)])
        self._insert_events(firing)
        closed = self._find_closed(resolved)
        self._insert_events(resolved)
        counted = [item for item in firing if item.fresh]
        concerned = {item.row["failure_id"] for item in first if item.row["failure_id"]}
        self.heads = lock_heads(self.conn, concerned.union(*closed.values()))
        self._count(counted)
        self._resolve(first, closed)
        self._answer(counted)
        self._note_sightings(counted)
        self._drop_unused(counted)
        self._keep(leftovers)
        self._note_deliveries({item.row["connection"] for item in items} | {one.connection for one in leftovers})
        return self._results(items)

    def _items(self, occurrences: Sequence[Occurrence]) -> list[_Item]:
        """One item per occurrence; a repetition inside the batch shares the row of the first."""
        rows: dict[tuple[str, str], dict[str, Any]] = {}
        items = []
        for occurrence in occurrences:
            item = _Item(occurrence, event_row(occurrence, self.now), fresh=True)
            row = rows.setdefault(_key(item), item.row)
            item.fresh = row is item.row
            item.row = row
            items.append(item)
        return items

    def _find_failures(self, items: Sequence[_Item]) -> None:
        """Give each row its failure's id, making the failures that do not exist yet."""
        missing = self._missing(items)
        if missing and self._fold(items, missing):
            missing = self._missing(items)
        if missing:
            self._make_failures(missing)
        for item in items:
            found = self.known.failures.get(item.failure_key)
            item.row["failure_id"] = found or self.learned.failures[item.failure_key]

    def _missing(self, items: Sequence[_Item]) -> list[_Item]:
        """The first item of each failure that does not exist yet."""
        unknown = {item.failure_key: item for item in reversed(items) if item.failure_key not in self.known.failures}
        if unknown:
            self._look_up(unknown.keys())
        return [unknown[key] for key in sorted(unknown.keys() - self.learned.failures.keys())]

    def _fold(self, items: Sequence[_Item], missing: Sequence[_Item]) -> bool:
        """Fold what would be one failure too many of its connection; says whether there was any."""
        by_connection: dict[str, list[_Item]] = defaultdict(list)
        for item in missing:
            by_connection[item.occurrence.connection].append(item)
        beyond = {
            item.failure_key
            for name, new in by_connection.items()
            for item in new[room_for_new(self.conn, self.known, self.learned, name, self.most_new(name), self.now) :]
        }
        for item in items:
            if item.failure_key in beyond:
                item.occurrence = fold(item.occurrence, self.most_new(item.occurrence.connection))
        return bool(beyond)

    def _make_failures(self, items: Sequence[_Item]) -> None:
        """Make failures, except those that another process made in this very moment."""
        rows, texts = zip(*(self._failure_rows(item) for item in items), strict=True)
        insert_missing(self.conn, failures, rows)
        self._look_up(item.failure_key for item in items)
        self.made = {row["id"] for row in rows} & set(self.learned.failures.values())
        insert_missing(self.conn, excerpts, [text for text in texts if text["failure_id"] in self.made])

    def _look_up(self, keys: Iterable[tuple[int, str]]) -> None:
        query = select(failures.c.fingerprint_version, failures.c.fingerprint, failures.c.id)
        for chunk in chunks(fingerprint for _, fingerprint in keys):
            for version, fingerprint, failure_id in self.conn.execute(query.where(failures.c.fingerprint.in_(chunk))):
                self.learned.failures[version, fingerprint] = failure_id

    def _failure_rows(self, item: _Item) -> tuple[dict[str, Any], dict[str, Any]]:
        """A failure's row and its excerpt's."""
        row, seen = item.row, min(item.row["time"], self.now)
        sample = row["text"][:_SAMPLE_LENGTH]
        shown, search = headline(None, sample)
        failure = {
            "id": new_id(),
            "fingerprint": item.occurrence.fingerprint,
            "fingerprint_version": item.occurrence.fingerprint_version,
            **{name: row[name] for name in ("service_name", "environment", "connection")},
            "first_seen": seen,
            "last_seen": seen,
            "created_at": self.now,
            **shown,
        }
        return failure, {"failure_id": failure["id"], "sample": sample, "search": search}

    def _note_openings(self, items: Sequence[_Item]) -> None:
        names = ("connection", "grouping_key", "failure_id")
        rows = (row for item in items if (row := item.row)["grouping_key"] not in {None, row["source_id"]})
        seen = {tuple(row[name] for name in names) for row in rows} - self.known.openings
        insert_missing(self.conn, openings, [dict(zip(names, one, strict=True)) for one in sorted(seen)])
        self.learned.openings |= seen

    def _find_closed(self, items: Sequence[_Item]) -> dict[str, list[str]]:
        """The failures that each resolved event may close, by the event's id."""
        closed = {}
        for item in items:
            opened = opened_by(self.conn, item.row["connection"], item.row["grouping_key"])
            item.row["failure_id"] = opened[0] if opened else None
            closed[item.row["id"]] = opened
        return closed

    def _insert_events(self, items: Sequence[_Item]) -> None:
        """Insert the rows; an event that is there already lends its ids to the item and makes it a duplicate."""
        rows = [item.row for item in sorted(items, key=_key)]
        if insert_missing(self.conn, events, rows) == len(rows):
            return
        by_connection: dict[str, dict[str, _Item]] = defaultdict(dict)
        for item in items:
            by_connection[item.row["connection"]][item.row["source_id"]] = item
        query = select(events.c.source_id, events.c.id, events.c.failure_id)
        for connection, by_source in by_connection.items():
            for chunk in chunks(by_source):
                there = query.where(events.c.connection == connection, events.c.source_id.in_(chunk))
                for source_id, event_id, failure_id in self.conn.execute(there):
                    _adopt(by_source[source_id], event_id, failure_id)

    def _count(self, items: Sequence[_Item]) -> None:
        by_failure: dict[str, list[datetime]] = defaultdict(list)
        for item in items:
            by_failure[item.row["failure_id"]].append(item.row["time"])
        counts = []
        for failure_id in sorted(by_failure):
            times = by_failure[failure_id]
            first, last = min(times), max(times)
            self._reopen(self.heads[failure_id], last)
            seen = {"first": min(first, self.now), "last": min(last, self.now)}
            counts.append({"key": failure_id, "count": len(times), **seen})
        _counting(self.conn.dialect).run(self.conn, counts)

    def _reopen(self, head: Head, newest: datetime) -> None:
        """A failure that fires after it was resolved has regressed; an approved fix did not last: review it again."""
        if head.resolved_at is None or newest <= head.resolved_at:
            return
        again = replace(head, resolved_at=None)
        if head.status == "approved":
            again = replace(again, status="needs_review", version=head.version + 1)
        state = {"status": again.status, "version": again.version, "regressed": True, "snoozed_until": None}
        self._write(again, resolved_at=None, **state)
        self.heads[head.id] = again

    def _write(self, head: Head, **values: Any) -> None:
        self.conn.execute(update(failures).where(failures.c.id == head.id).values(**values))

    def _resolve(self, items: Sequence[_Item], closed: dict[str, list[str]]) -> None:
        for item in items:
            if not item.fresh or not (failure_ids := closed.get(item.row["id"])):
                continue
            close(self.conn, item.row["connection"], item.row["grouping_key"], failure_ids, item.row["time"])
            for failure_id in failure_ids:
                if not is_still_firing(self.conn, failure_id):
                    self._write(self.heads[failure_id], resolved_at=item.row["time"])
                    self.heads[failure_id] = replace(self.heads[failure_id], resolved_at=item.row["time"])

    def _answer(self, items: Sequence[_Item]) -> None:
        for item in items:
            answer, version = item.occurrence.answer, item.occurrence.rule_version
            fact = (item.row["failure_id"], version or "")
            if answer is None or version is None or fact in self.known.answered or fact in self.learned.answered:
                continue
            self.learned.answered.add(fact)
            head = self.heads[item.row["failure_id"]]
            if not head.is_answered_by(version):
                self.heads[head.id] = self._attach(head, answer, item)

    def _attach(self, head: Head, render: Callable[[str], Answer], item: _Item) -> Head:
        try:
            answer = render(new_id())
        except Exception as error:
            rule = item.occurrence.rule_version
            _log.error("a rule could not make its answer", failure=head.id, rule=rule, error=in_short(error))
            return head
        return attach(self.conn, head, answer, item.row["id"], self.now, is_general=item.occurrence.is_general)

    def _note_sightings(self, items: Sequence[_Item]) -> None:
        seen = {_sighting(item) for item in items} - self.known.sightings
        names = ("failure_id", "connection", "service_name", "environment")
        insert_missing(self.conn, sightings, [dict(zip(names, one, strict=True)) for one in sorted(seen)])
        self.learned.sightings |= seen

    def _drop_unused(self, items: Sequence[_Item]) -> None:
        """A failure made for an event that turned out to be a duplicate of another failure's event has no events."""
        unused = self.made - {item.row["failure_id"] for item in items}
        if unused:
            self.conn.execute(delete(failures).where(failures.c.id.in_(unused)))
            self.learned.failures = {k: v for k, v in self.learned.failures.items() if v not in unused}
            self.made -= unused

    def _keep(self, leftovers: Sequence[UnparsedDelivery]) -> None:
        rows = [
            {
                "id": one.id,
                "connection": as_key(one.connection),
                "received_at": one.received_at,
                "reason": as_text(one.reason),
                "headers": one.headers,
                "body": as_text(one.body),
                "path": as_text(one.path),
            }
            for one in leftovers
        ]
        insert_missing(self.conn, unparsed, rows)

    def _note_deliveries(self, names: set[str]) -> None:
        clock = time.monotonic()
        due = [name for name in sorted(names) if clock - self.known.delivered.get(name, -1e9) > _DELIVERY_PRECISION]
        for name in due:
            self.conn.execute(update(connections).where(connections.c.name == name).values(last_delivery_at=self.now))
            self.learned.delivered[name] = clock

    def _results(self, items: Sequence[_Item]) -> list[Stored]:
        new = set(self.made)
        return [self._result(item, new) for item in items]

    def _result(self, item: _Item, new: set[str]) -> Stored:
        """What became of one item. `new` are the failures whose first event is still to be told of."""
        event_id, failure_id = item.row["id"], item.row["failure_id"]
        head = self.heads.get(failure_id)
        if head is None:
            return Stored(event_id, failure_id, duplicate=not item.fresh)
        is_new = item.fresh and failure_id in new
        new.discard(failure_id if is_new else "")
        return Stored(
            event_id,
            failure_id,
            duplicate=not item.fresh,
            new_failure=is_new,
            analysis_id=head.current_analysis_id,
            own_answer=head.is_answered_by(item.occurrence.rule_version) and not is_folded(item.occurrence),
            needs_analysis=is_new and head.analysis_state == "queued",
            folded=is_folded(item.occurrence),
        )


def _sighting(item: _Item) -> tuple[str, str, str, str]:
    """Where it was seen; a storm may come from any number of places, which nobody filters by."""
    row = item.row
    if is_folded(item.occurrence):
        return row["failure_id"], row["connection"], "", ""
    return row["failure_id"], row["connection"], row["service_name"] or "", row["environment"] or ""


def _adopt(item: _Item, event_id: str, failure_id: str | None) -> None:
    if item.row["id"] != event_id:
        item.row.update(id=event_id, failure_id=failure_id)
        item.fresh = False


@lru_cache
def _counting(dialect: Dialect) -> ForEach:
    least, greatest = (func.min, func.max) if dialect.name == "sqlite" else (func.least, func.greatest)
    moment = failures.c.last_seen.type
    types = {"key": failures.c.id.type, "count": failures.c.event_count.type, "first": moment, "last": moment}
    return ForEach(
        dialect,
        types,
        lambda given: (
            update(failures)
            .where(failures.c.id == given["key"])
            .values(
                event_count=failures.c.event_count + given["count"],
                first_seen=least(failures.c.first_seen, given["first"]),
                last_seen=greatest(failures.c.last_seen, given["last"]),
            )
        ),
    )
