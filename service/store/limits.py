"""What connections may deliver: the settings, and what was said of one connection instead."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import date

from sqlalchemy import Connection, delete, select, update

from service.store.bulk import insert_missing
from service.store.limit_tables import connection_limits, intakes


@dataclass(frozen=True, slots=True)
class Limits:
    """Events per second and process, events per day (UTC), new failures per hour. 0 is no limit; None, the setting."""

    rate: int | None = None
    events_per_day: int | None = None
    new_failures_per_hour: int | None = None

    def over(self, defaults: "Limits") -> "Limits":
        """These, and the defaults where they say nothing."""
        own = {name: value for name, value in asdict(self).items() if value is not None}
        return Limits(**{**asdict(defaults), **own})


NO_LIMITS = Limits(0, 0, 0)


def limits_by_connection(conn: Connection) -> dict[str, Limits]:
    """What was said of each connection; those that go by the settings are left out."""
    return {row.connection: Limits(*row[1:]) for row in conn.execute(select(connection_limits))}


def set_limits(conn: Connection, connection: str, limits: Limits) -> None:
    """Say what a connection may deliver; one that says nothing goes by the settings."""
    drop_limits(conn, [connection])
    if limits != Limits():
        insert_missing(conn, connection_limits, [{"connection": connection, **asdict(limits)}])


def drop_limits(conn: Connection, connections: Sequence[str]) -> None:
    """Let connections go by the settings."""
    conn.execute(delete(connection_limits).where(connection_limits.c.connection.in_(connections)))


def add_intake(conn: Connection, day: date, events: Mapping[str, int]) -> None:
    """Count events of connections on a day."""
    names = sorted(events)
    insert_missing(conn, intakes, [{"connection": name, "day": day, "events": 0} for name in names])
    for name in names:
        which = (intakes.c.connection == name, intakes.c.day == day)
        conn.execute(update(intakes).where(*which).values(events=intakes.c.events + events[name]))


def intake_of(conn: Connection, day: date, connections: Iterable[str] | None = None) -> dict[str, int]:
    """How many events connections delivered on a day, as far as that was counted."""
    query = select(intakes.c.connection, intakes.c.events).where(intakes.c.day == day)
    if connections is not None:
        query = query.where(intakes.c.connection.in_(list(connections)))
    return dict(conn.execute(query).all())
