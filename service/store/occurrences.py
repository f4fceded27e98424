"""When a failure happened, and what is like it."""

from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta
from functools import cache

from sqlalchemy import CompoundSelect, Connection, Integer, bindparam, case, func, literal_column, select, union_all

from service.store.failures import get_failure
from service.store.ids import first_id_at
from service.store.rows import as_records
from service.store.tables import Failure, events, failures

DAY = timedelta(days=1)
_LOOKED_AT = 200


def count_by_day(conn: Connection, days: int, now: datetime, failure_id: str) -> list[tuple[date, int]]:
    """Events of a failure received on each of the last days (UTC), the oldest first.

    Identifiers sort by time, so that each day is one range of an index. What was deleted for its age is gone.
    """
    starts = days_until(now, days)
    edges = {f"edge_{number}": first_id_at(edge) for number, edge in enumerate([*starts, starts[-1] + DAY])}
    counted: dict[int, int] = dict(conn.execute(_by_day(days), {"failure": failure_id, **edges}).all())
    return [(start.date(), counted.get(number, 0)) for number, start in enumerate(starts)]


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
                id_ >= bindparam(f"edge_{number}"),
                id_ < bindparam(f"edge_{number + 1}"),
            )
            for number in range(days)
        )
    )


def list_similar(conn: Connection, failure_id: str, limit: int) -> Sequence[Failure]:
    """Other failures of the same system and cause, those with the same action or resource first, then the latest.

    Looks at the latest 200. Empty where nobody knows the cause.
    """
    one = get_failure(conn, failure_id)
    if one is None or one.cause is None or one.system is None:
        return []
    like = case((failures.c.resource == one.resource, 2), else_=0) + case((failures.c.action == one.action, 1), else_=0)
    same = (
        select(failures.c.id, failures.c.last_seen, like.label("likeness"))
        .where(failures.c.system == one.system, failures.c.cause == one.cause, failures.c.id != failure_id)
        .order_by(failures.c.last_seen.desc())
        .limit(_LOOKED_AT)
        .subquery()
    )
    ranked = select(failures).join(same, same.c.id == failures.c.id)
    ordered = ranked.order_by(same.c.likeness.desc(), same.c.last_seen.desc(), failures.c.id.desc())
    return as_records(Failure, conn.execute(ordered.limit(limit)))
