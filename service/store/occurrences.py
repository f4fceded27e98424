"""When a failure happened, and what is like it."""

from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta
from functools import cache

from sqlalchemy import (
    CompoundSelect,
    Connection,
    FromClause,
    Integer,
    bindparam,
    case,
    func,
    literal_column,
    select,
    union_all,
)

from service.store.failures import get_failure, unindexed
from service.store.ids import first_id_at
from service.store.rows import as_records
from service.store.tables import Failure, events, failures
from service.store.tally_tables import busy_days

DAY = timedelta(days=1)
_LOOKED_AT, _FEW, _SEEN_LAST = 200, 1_000, 2_000


def count_by_day(conn: Connection, days: int, now: datetime, failure_id: str) -> list[tuple[date, int]]:
    """Events of a failure received on each of the last days (UTC), the oldest first.

    Identifiers sort by time, so that each day is one range of an index; days that had many events are counted already.
    What was deleted for its age is gone.
    """
    starts = days_until(now, days)
    busy = _busy_days(conn, failure_id, starts[0].date(), starts[-1].date())
    edges = {"failure": failure_id}
    for number, start in enumerate(starts):
        is_counted = start.date() in busy
        edges[f"from_{number}"] = "" if is_counted else first_id_at(start)
        edges[f"upto_{number}"] = "" if is_counted else first_id_at(start + DAY)
    counted: dict[int, int] = dict(conn.execute(_by_day(days), edges).all())
    return [(day := start.date(), busy.get(day) or counted.get(number, 0)) for number, start in enumerate(starts)]


def _busy_days(conn: Connection, failure_id: str, since: date, before: date) -> dict[date, int]:
    query = select(busy_days.c.day, busy_days.c.events).where(busy_days.c.failure_id == failure_id)
    return dict(conn.execute(query.where(busy_days.c.day >= since, busy_days.c.day < before)).all())


def days_until(now: datetime, days: int) -> list[datetime]:
    """When each of the last days (UTC) began, the oldest first and today's last."""
    today = datetime.combine(now.astimezone(UTC).date(), datetime.min.time(), UTC)
    return [today - back * DAY for back in range(days - 1, -1, -1)]


@cache
def _by_day(days: int) -> CompoundSelect[int, int]:
    """The statement, made once: thirty parts take longer to put together than to run."""
    id_ = events.c.id
    return union_all(
        *(
            select(literal_column(str(number), Integer), func.count()).where(
                events.c.failure_id == bindparam("failure"),
                id_ >= bindparam(f"from_{number}"),
                id_ < bindparam(f"upto_{number}"),
            )
            for number in range(days)
        )
    )


def list_similar(conn: Connection, failure_id: str, limit: int) -> Sequence[Failure]:
    """Other failures of the same system and cause, those with the same action or resource first, then the latest.

    Looks at the latest 200; where the system has very many failures, at those among the 2,000 seen last of all. Empty
    where nobody knows the cause.
    """
    one = get_failure(conn, failure_id)
    if one is None or one.cause is None or one.system is None:
        return []
    beyond = select(failures.c.id).where(failures.c.system == one.system).offset(_FEW).limit(1)
    among: FromClause = failures if conn.execute(beyond).first() is None else _seen_last()
    like = case((among.c.resource == one.resource, 2), else_=0) + case((among.c.action == one.action, 1), else_=0)
    has_cause = unindexed(among.c.cause, conn.dialect.name) == one.cause
    same = (
        select(among.c.id, among.c.last_seen, like.label("likeness"))
        .where(among.c.system == one.system, has_cause, among.c.id != failure_id)
        .order_by(among.c.last_seen.desc())
        .limit(_LOOKED_AT)
        .subquery()
    )
    ranked = select(failures).join(same, same.c.id == failures.c.id)
    ordered = ranked.order_by(same.c.likeness.desc(), same.c.last_seen.desc(), failures.c.id.desc())
    return as_records(Failure, conn.execute(ordered.limit(limit)))


def _seen_last() -> FromClause:
    columns = (failures.c[name] for name in ("id", "last_seen", "system", "cause", "resource", "action"))
    ordered = select(*columns).order_by(failures.c.last_seen.desc(), failures.c.id.desc())
    return ordered.limit(_SEEN_LAST).subquery("seen_last")
