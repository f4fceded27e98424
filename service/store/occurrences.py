"""When a failure happened, and what is like it."""

from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta

from sqlalchemy import Connection, func, literal, select, union_all

from service.store.failures import get_failure
from service.store.ids import first_id_at
from service.store.rows import as_records
from service.store.tables import Failure, events, failures

_LOOKED_AT = 200


def count_by_day(conn: Connection, days: int, now: datetime, failure_id: str | None = None) -> list[tuple[date, int]]:
    """Events received on each of the last days (UTC), the oldest first: of one failure, or of all.

    Identifiers sort by time, so that each day is one range of an index. What was deleted for its age is gone.
    """
    today = datetime.combine(now.astimezone(UTC).date(), datetime.min.time(), UTC)
    starts = [today - timedelta(days=back) for back in range(days - 1, -1, -1)]
    ranges = []
    for number, start in enumerate(starts):
        until = first_id_at(start + timedelta(days=1))
        inside = select(literal(number).label("day"), func.count()).where(
            events.c.id >= first_id_at(start), events.c.id < until
        )
        ranges.append(inside.where(events.c.failure_id == failure_id) if failure_id else inside)
    counted: dict[int, int] = dict(conn.execute(union_all(*ranges)).all())
    return [(start.date(), counted.get(number, 0)) for number, start in enumerate(starts)]


def list_similar(conn: Connection, failure_id: str, limit: int) -> Sequence[Failure]:
    """Other failures of the same system and cause, those with the same action or resource first, then the latest.

    Looks at the latest 200. Empty where nobody knows the cause.
    """
    one = get_failure(conn, failure_id)
    if one is None or one.cause is None or one.system is None:
        return []
    same = select(failures).where(
        failures.c.system == one.system, failures.c.cause == one.cause, failures.c.id != failure_id
    )
    found = as_records(Failure, conn.execute(same.order_by(failures.c.last_seen.desc()).limit(_LOOKED_AT)))
    return sorted(found, key=lambda other: -_likeness(one, other))[:limit]


def _likeness(one: Failure, other: Failure) -> int:
    same_action = one.action is not None and one.action == other.action
    same_resource = one.resource is not None and one.resource == other.resource
    return 2 * same_resource + same_action
