"""How many events each day had, by what answered them. Ingest pays nothing for it, and no page counts a million events.

What is older than a few minutes is counted once, by `fold_a_day`; what is younger, each time that somebody asks.
"""

from collections import Counter
from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta
from typing import Any, Literal, get_args

from sqlalchemy import Connection, Engine, delete, func, insert, select, update

from service.store.bulk import insert_missing
from service.store.ids import first_id_at
from service.store.occurrences import DAY, days_until
from service.store.tables import events, failures
from service.store.tally_tables import busy_days, tallies, tally_marks

_LAG = timedelta(minutes=2)
_AHEAD = timedelta(minutes=5)  # more than clocks of machines differ
_MARK = "events"
_BUSY = 500
Fact = Literal["day", "producer", "producer_name"]
Counts = Counter[tuple[date, str, str]]


def count_answered(conn: Connection, days: int, now: datetime, by: Sequence[Fact]) -> Counter[tuple[Any, ...]]:
    """Firing events of the last days (UTC), by the facts that `by` lists.

    A producer (`rule`, `llm`, `reviewer`, `none`) is what answered the failure when the event was counted; its name is
    a rule's id or a prompt's name, and empty where nobody answered.
    """
    since = days_until(now, days)[0]
    mark = select(tally_marks.c.upto).where(tally_marks.c.name == _MARK).scalar_subquery().label("upto")
    facts = [tallies.c[fact] for fact in by]
    query = select(*facts, func.sum(tallies.c.events), mark).where(tallies.c.day >= since.date()).group_by(*facts)
    counted: Counter[tuple[Any, ...]] = Counter()
    upto = since
    for *key, many, marked in conn.execute(query):
        counted[*key] = int(many)
        upto = max(since, marked)
    for named, many in _count(conn, upto, now + DAY).items():
        facts_of_it = dict(zip(get_args(Fact), named, strict=True))
        counted[*(facts_of_it[fact] for fact in by)] += many
    return counted


def fold_a_day(engine: Engine, now: datetime) -> bool:
    """Count the events of one day that nobody has counted yet and to which no transaction adds any more.

    Returns whether there is another day to count. Any number of processes may do so: each moves the mark from where it
    found it, so that one of them counts.
    """
    until = now - _LAG
    with engine.connect() as conn:
        mark = conn.execute(select(tally_marks.c.upto).where(tally_marks.c.name == _MARK)).scalar()
        oldest = select(events.c.received_at).order_by(events.c.id).limit(1)
        start = mark or conn.execute(oldest).scalar()
        if mark and mark > now + _AHEAD:
            return _begin_today_anew(engine, mark, now)
        if start is None or start >= until:
            return False
        end = min(_midnight_after(start), until)
        counted = _count(conn, start, end)
        busy = _count_busy(conn, end - DAY) if end == _midnight_after(start) else []
    with engine.begin() as conn:
        if _move_mark(conn, mark, end):
            _add(conn, counted)
            insert_missing(conn, busy_days, busy)
    return end < until


def _begin_today_anew(engine: Engine, mark: datetime, now: datetime) -> bool:
    """A clock ran ahead and moved the mark, so that what comes now would never count. No event of today is deleted."""
    midnight = _midnight_after(now) - DAY
    with engine.begin() as conn:
        if _move_mark(conn, mark, midnight):
            for table in (tallies, busy_days):
                conn.execute(delete(table).where(table.c.day >= midnight.date()))
    return True


def _count(conn: Connection, start: datetime, end: datetime) -> Counts:
    counted: Counts = Counter()
    while start < end:
        stop = min(_midnight_after(start), end)
        query = (
            select(failures.c.producer, failures.c.producer_name, func.count())
            .join(events, events.c.failure_id == failures.c.id)
            .where(events.c.id >= first_id_at(start), events.c.id < first_id_at(stop), events.c.state == "firing")
            .group_by(failures.c.producer, failures.c.producer_name)
        )
        for producer, name, many in conn.execute(query):
            counted[start.date(), producer, name or ""] += many
        start = stop
    return counted


def _count_busy(conn: Connection, midnight: datetime) -> list[dict[str, Any]]:
    """The failures that had many events on a day, with how many."""
    of_the_day = (events.c.id >= first_id_at(midnight), events.c.id < first_id_at(midnight + DAY))
    query = select(events.c.failure_id, func.count()).where(*of_the_day, events.c.failure_id.is_not(None))
    busy = query.group_by(events.c.failure_id).having(func.count() >= _BUSY).order_by(events.c.failure_id)
    return [{"failure_id": one, "day": midnight.date(), "events": many} for one, many in conn.execute(busy)]


def _move_mark(conn: Connection, mark: datetime | None, end: datetime) -> bool:
    """False where somebody else moved it meanwhile."""
    if mark is None:
        return insert_missing(conn, tally_marks, [{"name": _MARK, "upto": end}]) == 1
    there = (tally_marks.c.name == _MARK) & (tally_marks.c.upto == mark)
    return conn.execute(update(tally_marks).where(there).values(upto=end)).rowcount == 1


def _add(conn: Connection, counted: Counts) -> None:
    for (day, producer, name), many in counted.items():
        same = (tallies.c.day == day) & (tallies.c.producer == producer) & (tallies.c.producer_name == name)
        if not conn.execute(update(tallies).where(same).values(events=tallies.c.events + many)).rowcount:
            conn.execute(insert(tallies).values(day=day, producer=producer, producer_name=name, events=many))


def _midnight_after(moment: datetime) -> datetime:
    return datetime.combine(moment.astimezone(UTC).date(), datetime.min.time(), UTC) + DAY
