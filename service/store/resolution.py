"""Which failures a `resolved` event closes: those that firing events of its connection and grouping key opened."""

from collections import defaultdict
from datetime import datetime

from sqlalchemy import Connection, func, select

from service.store.tables import events

_RECENT = 200  # firing events of a failure that are looked at; a group that was silent for longer counts as closed


def opened_by(conn: Connection, connection: str, grouping_key: str | None) -> list[str]:
    """The failures of a group's firing events, the latest first."""
    if grouping_key is None:
        return []
    query = (
        select(events.c.failure_id)
        .where(events.c.connection == connection, events.c.grouping_key == grouping_key, events.c.state == "firing")
        .group_by(events.c.failure_id)
        .order_by(func.max(events.c.time).desc())
    )
    return list(conn.execute(query).scalars())


def is_still_firing(conn: Connection, failure_id: str) -> bool:
    """True while a group that recently fired this failure has not been resolved since."""
    recent = (
        select(events.c.connection, events.c.grouping_key, events.c.time)
        .where(events.c.failure_id == failure_id, events.c.state == "firing", events.c.grouping_key.is_not(None))
        .order_by(events.c.time.desc())
        .limit(_RECENT)
    )
    fired: dict[str, dict[str, datetime]] = defaultdict(dict)
    for connection, grouping_key, time in conn.execute(recent):
        fired[connection].setdefault(grouping_key, time)
    return any(_fires(conn, connection, groups) for connection, groups in fired.items())


def _fires(conn: Connection, connection: str, groups: dict[str, datetime]) -> bool:
    query = (
        select(events.c.grouping_key, func.max(events.c.time))
        .where(events.c.connection == connection, events.c.grouping_key.in_(groups), events.c.state == "resolved")
        .group_by(events.c.grouping_key)
    )
    resolved: dict[str, datetime] = dict(conn.execute(query).tuples().all())
    return any(key not in resolved or resolved[key] < time for key, time in groups.items())
