"""Queries over failures and their events. Each runs inside the caller's transaction."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import ColumnElement, Connection, and_, func, or_, select, update

from service.domain import Answer
from service.store.paging import InvalidCursor, Page, decode_id_cursor, decode_time_cursor, encode_cursor
from service.store.rows import as_record, as_records
from service.store.tables import (
    FAILURE_STATUSES,
    Event,
    Failure,
    Sighting,
    events,
    excerpts,
    failures,
    sightings,
)

__all__ = [
    "FailureFilter",
    "InvalidCursor",
    "Page",
    "Precedent",
    "counts_by_status",
    "first_event",
    "get_failure",
    "list_events",
    "list_failures",
    "list_sightings",
    "set_analysis_state",
]

_MOST_WORDS = 8


@dataclass(frozen=True, slots=True)
class FailureFilter:
    """Which failures to list; None means any.

    `system` also takes what lies below it (`aws` finds `aws.s3`). `producer` is `rule`, `llm`, `reviewer` or `none`.
    `service`, `environment` and `connection` are places where the failure was seen at least once. Every word of `q`
    has to occur in the title, principal, action, resource or the start of the text, in any case.
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


@dataclass(frozen=True, slots=True)
class Precedent:
    """An approved answer, and the start of the text that it was for."""

    text: str
    answer: Answer


def list_failures(conn: Connection, filters: FailureFilter, cursor: str | None, limit: int) -> Page[Failure]:
    """Failures, the one seen last first. One that is seen again while a reader pages moves to the front, and is not
    met a second time further down. Raises `InvalidCursor`."""
    query = select(failures).where(*_conditions(filters))
    if cursor:
        last_seen, failure_id = decode_time_cursor(cursor)
        after = and_(failures.c.last_seen == last_seen, failures.c.id < failure_id)
        query = query.where(failures.c.last_seen <= last_seen, or_(failures.c.last_seen < last_seen, after))
    query = query.order_by(failures.c.last_seen.desc(), failures.c.id.desc()).limit(limit + 1)
    found = as_records(Failure, conn.execute(query))
    more = len(found) > limit
    return Page(found[:limit], encode_cursor(found[limit - 1].last_seen, found[limit - 1].id) if more else None)


def get_failure(conn: Connection, failure_id: str) -> Failure | None:
    """One failure, or None."""
    return as_record(Failure, conn.execute(select(failures).where(failures.c.id == failure_id)).first())


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


def counts_by_status(conn: Connection) -> dict[str, int]:
    """How many failures are in each review status; every status is there."""
    query = select(failures.c.status, func.count()).group_by(failures.c.status)
    return dict.fromkeys(FAILURE_STATUSES, 0) | dict(conn.execute(query).all())


def set_analysis_state(conn: Connection, failure_id: str, state: str, note: str | None = None) -> bool:
    """Say how the analysis of a failure fares, with a note for people. False where it is answered already, or gone."""
    waiting = (failures.c.id == failure_id) & (failures.c.analysis_state != "answered")
    changed = conn.execute(update(failures).where(waiting).values(analysis_state=state, analysis_note=note))
    return changed.rowcount > 0


def _conditions(filters: FailureFilter) -> Sequence[ColumnElement[bool]]:
    equal = ("status", "verdict", "cause", "producer", "confidence")
    conditions: list[ColumnElement[bool]] = [
        failures.c[name] == getattr(filters, name) for name in equal if getattr(filters, name)
    ]
    if filters.system:
        conditions.append(_within(filters.system))
    if filters.resolved is not None:
        conditions.append(failures.c.resolved_at.is_not(None) if filters.resolved else failures.c.resolved_at.is_(None))
    conditions += [_matches(word) for word in (filters.q or "").casefold().split()[:_MOST_WORDS]]
    return [*conditions, *_seen_at(filters)]


def _within(system: str) -> ColumnElement[bool]:
    return or_(failures.c.system == system, failures.c.system.startswith(f"{system}.", autoescape=True))


def _matches(word: str) -> ColumnElement[bool]:
    found = select(excerpts.c.failure_id).where(
        excerpts.c.failure_id == failures.c.id, excerpts.c.search.contains(word, autoescape=True)
    )
    return found.exists()


def _seen_at(filters: FailureFilter) -> Sequence[ColumnElement[bool]]:
    place: dict[str, Any] = {
        "service_name": filters.service,
        "environment": filters.environment,
        "connection": filters.connection,
    }
    wanted = [sightings.c[name] == value for name, value in place.items() if value]
    seen = select(sightings.c.failure_id).where(sightings.c.failure_id == failures.c.id, *wanted)
    return [seen.exists()] if wanted else []
