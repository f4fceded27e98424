"""Queries over failures and their events. Each runs inside the caller's transaction."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Literal, get_args

from sqlalchemy import (
    ColumnElement,
    Connection,
    FromClause,
    Select,
    UnaryExpression,
    and_,
    cast,
    func,
    or_,
    select,
    update,
)
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
from service.store.search import Frequency, frequency_of, matches
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
_NEAR, _FEW = 1_000, 5_000
_VERSIONS, _ANSWERS = 5, 300


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
    frequency, rare = frequency_of(conn, filters.q or ""), _rare_fact(conn, filters)
    wanted = _Wanted(filters, conn.dialect.name, datetime.now(UTC), frequency, rare)
    if sort == "latest":
        return _list_latest(conn, wanted, cursor, limit)
    return _list_ranked(conn, wanted, cursor, limit, sort)


@dataclass(frozen=True, slots=True)
class _Wanted:
    """A filter, and how to look for what fits it."""

    filters: FailureFilter
    dialect: str
    now: datetime
    frequency: Frequency | None
    rare: str | None

    @property
    def fits_few(self) -> bool:
        """Whether an index finds the few that fit, so that no other has to be looked at."""
        return bool(self.filters.snoozed or self.rare) or self.frequency == "rare"

    def one_by_one(self) -> Sequence[ColumnElement[bool]]:
        """The conditions, to hold against one failure after the other."""
        searched = matches(unindexed(failures.c.id, self.dialect), self.filters.q or "", self.dialect, each=True)
        return [*self._facts(by_index="status"), *searched, *_seen_at(self.filters, few=False)]

    def at_once(self) -> Sequence[ColumnElement[bool]]:
        """The conditions, to gather all failures that fit."""
        searched = matches(failures.c.id, self.filters.q or "", self.dialect, each=self.frequency == "common")
        return [*self.but_search(), *searched]

    def but_search(self) -> Sequence[ColumnElement[bool]]:
        """The conditions other than the search."""
        return [*self._facts(by_index=self.rare), *_seen_at(self.filters, few=True)]

    def _facts(self, by_index: str | None) -> Sequence[ColumnElement[bool]]:
        return _conditions(self.filters, self.dialect, self.now, by_index=by_index)


def _list_latest(conn: Connection, wanted: _Wanted, cursor: str | None, limit: int) -> Page[Failure]:
    """First among those seen last, where an index has them in order; what fits few failures is gathered and sorted.

    Neither way is fast for both: an index would be walked to its end for a filter that fits nothing.
    """
    seen = failures.c.last_seen
    start = _after(cursor) if cursor else []
    found: list[Failure] = []
    edge = None
    if not wanted.fits_few:
        edge = _edge(conn, wanted.filters.status, start)
        near = [] if edge is None else [seen >= edge]
        walked = select(failures).where(*start, *near, *wanted.one_by_one())
        ordered = walked.order_by(seen.desc(), failures.c.id.desc())
        found = as_records(Failure, conn.execute(ordered.limit(limit + 1)))
    if len(found) <= limit and (wanted.fits_few or edge is not None):
        far = unindexed(seen, wanted.dialect)
        rest = [] if edge is None else [far < edge]
        gathered = select(failures).where(*start, *rest, *wanted.at_once())
        ordered = gathered.order_by(far.desc(), failures.c.id.desc())
        found += as_records(Failure, conn.execute(ordered.limit(limit + 1 - len(found))))
    more = len(found) > limit
    return Page(found[:limit], encode_cursor(found[limit - 1].last_seen, found[limit - 1].id) if more else None)


def _edge(conn: Connection, status: str | None, start: Sequence[ColumnElement[bool]]) -> datetime | None:
    """When the last of the next 1,000 of the review status was seen; None where there are fewer."""
    seen = failures.c.last_seen
    ordered = select(seen).where(*start).order_by(seen.desc(), failures.c.id.desc()).offset(_NEAR).limit(1)
    found: datetime | None = conn.execute(ordered.where(failures.c.status == status) if status else ordered).scalar()
    return found


def _list_ranked(conn: Connection, wanted: _Wanted, cursor: str | None, limit: int, sort: Sort) -> Page[Failure]:
    """In an order that no index has. What a search fits is looked for among the first 1,000, else among all."""
    start = decode_offset_cursor(cursor) if cursor else 0
    found: list[Failure] = []
    if wanted.filters.q and not wanted.fits_few:
        ranked = select(*(failures.c[name] for name in ("id", "event_count", "last_seen", "regressed")))
        first = ranked.where(*wanted.but_search()).order_by(*_ranking(failures, sort, wanted))
        near = first.limit(_NEAR + start).subquery("near")
        fitting = select(near.c.id).where(*matches(near.c.id, wanted.filters.q, wanted.dialect, each=True))
        found = _part(conn, fitting.order_by(*_ranking(near, sort, wanted)), start, limit)
    if len(found) <= limit:
        gathered = select(failures.c.id).where(*wanted.at_once())
        found = _part(conn, gathered.order_by(*_ranking(failures, sort, wanted)), start, limit)
    return Page(found[:limit], encode_cursor(str(start + limit)) if len(found) > limit else None)


def _rare_fact(conn: Connection, filters: FailureFilter) -> str | None:
    """The column that has an index and a wanted value that few failures have. PostgreSQL knows that by itself."""
    if conn.dialect.name == "postgresql":
        return None
    wanted: dict[str, ColumnElement[bool]] = {}
    if filters.system:
        wanted["system"] = _within(failures.c.system, filters.system, "sqlite")
    if filters.cause:
        wanted["cause"] = failures.c.cause == filters.cause
    beyond = select(failures.c.id).offset(_FEW).limit(1)
    return next((name for name, fits in wanted.items() if conn.execute(beyond.where(fits)).first() is None), None)


def _part(conn: Connection, ordered: Select[str], start: int, limit: int) -> list[Failure]:
    """One part of a list of ids, and one more if there is. Rows as wide as these take longer to sort than to find."""
    return _in_order(conn, conn.execute(ordered.offset(start).limit(limit + 1)).scalars().all())


def _in_order(conn: Connection, ids: Sequence[str]) -> list[Failure]:
    rows = as_records(Failure, conn.execute(select(failures).where(failures.c.id.in_(ids)))) if ids else []
    by_id = {one.id: one for one in rows}
    return [by_id[one] for one in ids if one in by_id]


def _ranking(of: FromClause, sort: Sort, wanted: _Wanted) -> list[ColumnElement[Any]]:
    rank = [of.c.event_count.desc()]
    if sort == "priority":
        rank = [of.c.regressed.desc(), _weight(of, wanted.dialect, wanted.now).desc()]
    return [*rank, of.c.id.desc()]


def _after(cursor: str) -> list[ColumnElement[bool]]:
    last_seen, failure_id = decode_time_cursor(cursor)
    later = and_(failures.c.last_seen == last_seen, failures.c.id < failure_id)
    return [failures.c.last_seen <= last_seen, or_(failures.c.last_seen < last_seen, later)]


def _weight(of: FromClause, dialect: str, now: datetime) -> ColumnElement[Any]:
    """Events, divided by one more than the days since the last."""
    if dialect == "sqlite":
        today, seen = (func.julianday(moment, type_=SQLFloat) for moment in (now.isoformat(), of.c.last_seen))
        return cast(of.c.event_count, SQLFloat) / (today - seen + 1.0)
    # `extract`, and numbers that are not all of this type, would make PostgreSQL reckon with decimals.
    seconds = func.date_part("epoch", now - of.c.last_seen, type_=SQLFloat)
    return cast(of.c.event_count, SQLFloat) / (seconds / float(_DAY) + 1.0)


def get_failure(conn: Connection, failure_id: str) -> Failure | None:
    """One failure, or None."""
    return as_record(Failure, conn.execute(select(failures).where(failures.c.id == failure_id)).first())


def list_answered_by(conn: Connection, rule_id: str, limit: int) -> list[Failure]:
    """The failures that a rule answered last and still answers, the latest first.

    Looks at the latest 300 answers of each of the five versions that answered last.
    """
    by_rule = (analyses.c.producer == "rule", analyses.c.producer_name == rule_id)
    versions = select(analyses.c.producer_version).where(*by_rule).group_by(analyses.c.producer_version)
    newest = versions.order_by(func.max(analyses.c.created_at).desc()).limit(_VERSIONS)
    found: list[tuple[datetime, str]] = []
    for version in conn.execute(newest).scalars():
        given = select(analyses.c.id, analyses.c.failure_id, analyses.c.created_at).where(
            *by_rule, analyses.c.producer_version == version
        )
        latest = given.order_by(analyses.c.created_at.desc()).limit(_ANSWERS).subquery()
        still = (failures.c.id == latest.c.failure_id) & (failures.c.current_analysis_id == latest.c.id)
        shown = select(latest.c.created_at, failures.c.id).join(failures, still)
        found += ((at, one) for at, one in conn.execute(shown.order_by(latest.c.created_at.desc()).limit(limit)))
    ids = [one for _, one in sorted(found, reverse=True)[:limit]]
    return _in_order(conn, ids)


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


def count_queued(conn: Connection) -> int:
    """How many failures wait for a model."""
    queued = select(func.count()).select_from(failures).where(failures.c.analysis_state == "queued")
    return conn.execute(queued).scalar_one()


def counts_by_status(conn: Connection, most: int | None = None) -> dict[str, int]:
    """How many failures are in each review status, counted up to `most`; every status is there."""
    each = (select(failures.c.id).where(failures.c.status == status).limit(most) for status in FAILURE_STATUSES)
    row = conn.execute(select(*(select(func.count()).select_from(one.subquery()).scalar_subquery() for one in each)))
    return dict(zip(FAILURE_STATUSES, row.one(), strict=True))


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
    filters: FailureFilter, dialect: str, now: datetime, *, by_index: str | None
) -> Sequence[ColumnElement[bool]]:
    """What has to hold of the failure itself. `by_index`: the one column whose index SQLite may use for it."""
    columns = {
        name: failures.c[name] if name == by_index else unindexed(failures.c[name], dialect)
        for name in ("status", "verdict", "cause", "producer", "confidence", "system")
    }
    wanted = [(column, getattr(filters, name)) for name, column in columns.items() if name != "system"]
    conditions: list[ColumnElement[bool]] = [column == value for column, value in wanted if value]
    if filters.system:
        conditions.append(_within(columns["system"], filters.system, dialect))
    if filters.resolved is not None:
        conditions.append(failures.c.resolved_at.is_not(None) if filters.resolved else failures.c.resolved_at.is_(None))
    if filters.snoozed is not None:
        conditions.append(_snoozed(now) if filters.snoozed else _awake(now))
    return conditions


def _within(column: ColumnElement[Any], system: str, dialect: str) -> ColumnElement[bool]:
    below = column.startswith(f"{system}.", autoescape=True)
    if dialect == "sqlite":  # whose LIKE uses no index; `/` is the character after the dot
        below = and_(column >= f"{system}.", column < f"{system}/")
    return or_(column == system, below)


def _seen_at(filters: FailureFilter, *, few: bool) -> Sequence[ColumnElement[bool]]:
    """That it was seen at the places. `few`: these are looked up first, not failure by failure."""
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
