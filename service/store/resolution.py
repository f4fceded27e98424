"""Which failures a `resolved` event closes: those that firing events of its connection and grouping key opened.

A group that is one event, whose id is the group's key, is found by that event; an opening is kept of any other.
"""

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import Connection, or_, select, union, update

from service.store.bulk import insert_missing
from service.store.tables import events, failures, openings

_RECENT = 200  # firing events of a failure that are looked at; a group that was silent for longer counts as closed


def opened_by(conn: Connection, connection: str, grouping_key: str | None) -> list[str]:
    """The failures that the group opened, the one seen last first."""
    noted = select(openings.c.failure_id).where(
        openings.c.connection == connection, openings.c.grouping_key == grouping_key
    )
    itself = select(events.c.failure_id).where(
        events.c.connection == connection,
        events.c.source_id == grouping_key,
        events.c.grouping_key == grouping_key,
        events.c.state == "firing",
    )
    query = (
        select(failures.c.id)
        .where(failures.c.id.in_(union(noted, itself)))
        .order_by(failures.c.last_seen.desc(), failures.c.id)
    )
    return list(conn.execute(query).scalars())


def close(conn: Connection, connection: str, grouping_key: str, failure_ids: Sequence[str], time: datetime) -> None:
    """Note that the group, which opened these failures, was resolved at `time`."""
    key = {"connection": connection, "grouping_key": grouping_key}
    insert_missing(conn, openings, [{**key, "failure_id": failure_id} for failure_id in sorted(failure_ids)])
    group = (openings.c.connection == connection) & (openings.c.grouping_key == grouping_key)
    earlier = or_(openings.c.resolved_at.is_(None), openings.c.resolved_at < time)
    conn.execute(update(openings).where(group, earlier).values(resolved_at=time))


def is_still_firing(conn: Connection, failure_id: str) -> bool:
    """True while a group that recently fired this failure has not been resolved since."""
    recent = (
        select(events.c.connection, events.c.grouping_key, events.c.time)
        .where(events.c.failure_id == failure_id, events.c.state == "firing", events.c.grouping_key.is_not(None))
        .order_by(events.c.id.desc())
        .limit(_RECENT)
        .subquery()
    )
    of_group = (openings.c.connection == recent.c.connection) & (openings.c.grouping_key == recent.c.grouping_key)
    closed_since = of_group & (openings.c.failure_id == failure_id) & (openings.c.resolved_at >= recent.c.time)
    query = select(recent.c.time).where(~select(openings.c.failure_id).where(closed_since).exists()).limit(1)
    return conn.execute(query).first() is not None
