"""Queries over failures and their events. Each runs inside the caller's transaction."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Literal, get_args

from sqlalchemy import ColumnElement, Connection, UnaryExpression, and_, cast, func, or_, select, update
from sqlalchemy import Float as SQLFloat
from sqlalchemy.sql.operators import custom_op

from service.store.paging import (
    InvalidCursor,
    Page,
    decode_id_cursor,
    decode_offset_cursor,
    decode_time_cursor,
    encode_cursor,
)
from service.store.rows import as_record, as_records
from service.store.search import matches
from service.store.tables import (
    ANALYSIS_STATES,
    FAILURE_STATUSES,
    Event,
    Failure,
    Sighting,
    analyses,
    events,
    failures,
    sightings,
)

__all__ = [
    "FailureFilter",
    "InvalidCursor",
    "Page",
    "Sort",
    "counts_by_analysis",
    "counts_by_status",
    "first_event",
    "get_failure",
    "list_answered_by",
    "list_events",
    "list_failures",
    "list_sightings",
    "set_analysis_state",
]

Sort = Literal["latest", "events", "priority"]
SORTS: tuple[Sort, ...] = get_args(Sort)
_DAY = 86_400
_NEAR = 1_000


@dataclass(frozen=True, slots=True)
class FailureFilter:
    """Which failures to list; None means any.

    `system` also takes what lies below it (`aws` finds `aws.s3`). `producer` is `rule`, `llm`, `reviewer` or `none`.
    `service`, `environment` and `connection` are places where the failure was seen at least once. Every word of `q`
    has to begin a word of the title, principal, action, resource or the start of the text, in any case.
    """

    status: str | None = None
    verdict: str | None = None
    cause: str | None = None
    system: str | None = None
    service: str | None = None
    environment: str | None = None
    connection: str | None = None
    producer: str | None = None
    confidence: str | None = None
    q: str | None = None
    resolved: bool | None = None
    snoozed: bool | None = None


def list_failures(
    conn: Connection, filters: FailureFilter, cursor: str | None, limit: int, sort: Sort = "latest"
) -> Page[Failure]:
    """Failures in this order:

    - `latest`: the one seen last first. One that is seen again while a reader pages moves to the front, and is not met
      a second time further down.
    - `events`: the one with the most events first.
    - `priority`: what came back after it was resolved, then the most events, divided by one more than the days since
      the last.

    In the last two a failure may change its place while a reader pages. Raises `InvalidCursor`.
    """
    now, dialect = datetime.now(UTC), conn.dialect.name
    if sort == "latest":
        return _list_latest(conn, filters, cursor, limit, now)
    order = [failures.c.event_count.desc()]
    if sort == "priority":
        order = [failures.c.regressed.desc(), _weight(dialect, now).desc()]
    start = decode_offset_cursor(cursor) if cursor else 0
    query = select(failures).where(*_conditions(filters, dialect, now, few=True))
    ordered = query.order_by(*order, failures.c.id.desc()).offset(start).limit(limit + 1)
    found = as_records(Failure, conn.execute(ordered))
    return Page(found[:limit], encode_cursor(str(start + limit)) if len(found) > limit else None)


def _list_latest(
    conn: Connection, filters: FailureFilter, cursor: str | None, limit: int, now: datetime
) -> Page[Failure]:
    """First among those seen last, where an index has them in order; what fits few failures is gathered and sorted.

    Neither way is fast for both: an index would be walked to its end for a filter that fits nothing.
    """
    dialect, seen = conn.dialect.name, failures.c.last_seen
    order = (seen.desc(), failures.c.id.desc())
    start = _after(cursor) if cursor else []
    edge = conn.execute(select(seen).where(*start).order_by(*order).offset(_NEAR).limit(1)).scalar()
    near = [] if edge is None else [seen >= edge]
    walked = select(failures).where(*start, *near, *_conditions(filters, dialect, now))
    found = as_records(Failure, conn.execute(walked.order_by(*order).limit(limit + 1)))
    if edge is not None and len(found) <= limit:
        far = unindexed(seen, dialect)
        gathered = select(failures).where(*start, far < edge, *_conditions(filters, dialect, now, few=True))
        ordered = gathered.order_by(far.desc(), failures.c.id.desc()).limit(limit + 1 - len(found))
        found += as_records(Failure, conn.execute(ordered))
    more = len(found) > limit
    return Page(found[:limit], encode_cursor(found[limit - 1].last_seen, found[limit - 1].id) if more else None)


def _after(cursor: str) -> list[ColumnElement[bool]]:
    last_seen, failure_id = decode_time_cursor(cursor)
    later = and_(failures.c.last_seen == last_seen, failures.c.id < failure_id)
    return [failures.c.last_seen <= last_seen, or_(failures.c.last_seen < last_seen, later)]


def _weight(dialect: str, now: datetime) -> ColumnElement[Any]:
    """Events, divided by one more than the days since the last."""
    if dialect == "sqlite":
        days: ColumnElement[Any] = func.julianday(now.isoformat()) - func.julianday(failures.c.last_seen)
    else:
        days = func.extract("epoch", now - failures.c.last_seen) / _DAY
    return cast(failures.c.event_count, SQLFloat) / (1 + days)


def get_failure(conn: Connection, failure_id: str) -> Failure | None:
    """One failure, or None."""
    return as_record(Failure, conn.execute(select(failures).where(failures.c.id == failure_id)).first())


def list_answered_by(conn: Connection, rule_id: str, limit: int) -> list[Failure]:
    """The failures that a rule answered last and still answers, the latest first."""
    answered = (
        select(failures)
        .select_from(analyses)
        .join(failures, failures.c.id == analyses.c.failure_id)
        .where(failures.c.current_analysis_id == analyses.c.id)
        .where(analyses.c.producer == "rule", analyses.c.producer_name == rule_id)
        .order_by(analyses.c.created_at.desc())
        .limit(limit)
    )
    return as_records(Failure, conn.execute(answered))


def list_events(conn: Connection, failure_id: str, cursor: str | None, limit: int) -> Page[Event]:
    """The failure's events, the one received last first. Raises `InvalidCursor`."""
    query = select(events).where(events.c.failure_id == failure_id)
    if cursor:
        query = query.where(events.c.id < decode_id_cursor(cursor))
    found = as_records(Event, conn.execute(query.order_by(events.c.id.desc()).limit(limit + 1)))
    return Page(found[:limit], encode_cursor(found[limit - 1].id) if len(found) > limit else None)


def first_event(conn: Connection, failure_id: str) -> Event | None:
    """The firing event that is kept from the longest ago, or None."""
    query = select(events).where(events.c.failure_id == failure_id, events.c.state == "firing")
    return as_record(Event, conn.execute(query.order_by(events.c.id).limit(1)).first())


def list_sightings(conn: Connection, failure_id: str, limit: int = 100) -> list[Sighting]:
    """Where the failure was seen: connection, service and environment, empty where an event did not say."""
    query = select(sightings).where(sightings.c.failure_id == failure_id)
    ordered = query.order_by(sightings.c.service_name, sightings.c.environment, sightings.c.connection)
    return as_records(Sighting, conn.execute(ordered.limit(limit)))


def counts_by_analysis(conn: Connection) -> dict[str, int]:
    """How many failures are in each state of their analysis; every state is there."""
    query = select(failures.c.analysis_state, func.count()).group_by(failures.c.analysis_state)
    return dict.fromkeys(ANALYSIS_STATES, 0) | dict(conn.execute(query).all())


def counts_by_status(conn: Connection) -> dict[str, int]:
    """How many failures are in each review status; every status is there."""
    query = select(failures.c.status, func.count()).group_by(failures.c.status)
    return dict.fromkeys(FAILURE_STATUSES, 0) | dict(conn.execute(query).all())


def count_snoozed(conn: Connection) -> int:
    """How many failures are snoozed right now."""
    return conn.execute(select(func.count()).select_from(failures).where(_snoozed(datetime.now(UTC)))).scalar_one()


def is_snoozed(failure: Failure, now: datetime) -> bool:
    """Whether nobody wants to see the failure now: its time has not come, and it had no event that ends the wait."""
    until, count = failure.snoozed_until, failure.snoozed_at_count
    return until is not None and until > now and (count is None or failure.event_count <= count)


def set_analysis_state(conn: Connection, failure_id: str, state: str, note: str | None = None) -> bool:
    """Say how the analysis of a failure fares, with a note for people. False where it is answered already, or gone."""
    waiting = (failures.c.id == failure_id) & (failures.c.analysis_state != "answered")
    changed = conn.execute(update(failures).where(waiting).values(analysis_state=state, analysis_note=note))
    return changed.rowcount > 0


def _snoozed(now: datetime) -> ColumnElement[bool]:
    same_count = or_(failures.c.snoozed_at_count.is_(None), failures.c.event_count <= failures.c.snoozed_at_count)
    return and_(failures.c.snoozed_until.is_not(None), failures.c.snoozed_until > now, same_count)


def _awake(now: datetime) -> ColumnElement[bool]:
    more = failures.c.event_count > failures.c.snoozed_at_count
    return or_(failures.c.snoozed_until.is_(None), failures.c.snoozed_until <= now, more)


def _conditions(
    filters: FailureFilter, dialect: str, now: datetime, *, few: bool = False
) -> Sequence[ColumnElement[bool]]:
    """What has to hold of a failure. `few`: the places are looked up first, not failure by failure."""
    equal = ("status", "verdict", "cause", "producer", "confidence")
    columns = {name: unindexed(failures.c[name], dialect) if few else failures.c[name] for name in equal}
    conditions: list[ColumnElement[bool]] = [
        columns[name] == getattr(filters, name) for name in equal if getattr(filters, name)
    ]
    if filters.system:
        conditions.append(_within(filters.system))
    if filters.resolved is not None:
        conditions.append(failures.c.resolved_at.is_not(None) if filters.resolved else failures.c.resolved_at.is_(None))
    if filters.snoozed is not None:
        conditions.append(_snoozed(now) if filters.snoozed else _awake(now))
    conditions += matches(failures.c.id if few else unindexed(failures.c.id, dialect), filters.q or "", dialect)
    return [*conditions, *_seen_at(filters, few=few)]


def _within(system: str) -> ColumnElement[bool]:
    return or_(failures.c.system == system, failures.c.system.startswith(f"{system}.", autoescape=True))


def _seen_at(filters: FailureFilter, *, few: bool) -> Sequence[ColumnElement[bool]]:
    place: dict[str, Any] = {
        "service_name": filters.service,
        "environment": filters.environment,
        "connection": filters.connection,
    }
    wanted = [sightings.c[name] == value for name, value in place.items() if value]
    seen = select(sightings.c.failure_id).where(*wanted)
    if not wanted:
        return []
    return [failures.c.id.in_(seen) if few else seen.where(sightings.c.failure_id == failures.c.id).exists()]


def unindexed(column: ColumnElement[Any], dialect: str) -> ColumnElement[Any]:
    """The column, for a condition or an order that SQLite must not use an index for: it judges by guesses alone.

    https://www.sqlite.org/optoverview.html, "Disqualifying WHERE clause terms using unary plus".
    """
    if dialect != "sqlite":
        return column
    return UnaryExpression(column, operator=custom_op("+"), type_=column.type)
