"""What people do with a failure beside judging its answer: snooze, reopen, resolve, and leave a note.

Who acts on a state that has changed since is told so, as with a review; a note is always kept.
"""

from datetime import UTC, datetime
from typing import Any, Literal

from sqlalchemy import Connection, update

from service.store.activity import note_activity
from service.store.failures import get_failure
from service.store.head import lock_heads
from service.store.reviews import InvalidReview, NoSuchAnalysis, StaleAnalysis, list_reviews
from service.store.tables import Activity, Failure, failures

Step = Literal["snooze", "reopen", "resolve", "note"]
NEVER = datetime(9999, 1, 1, tzinfo=UTC)


def snooze(
    conn: Connection,
    failure_id: str,
    who: str,
    *,
    expected_version: int,
    until: datetime | None,
    wake_on_event: bool,
    note: str | None = None,
) -> Activity:
    """Keep a failure that waits for review out of the queue, until `until`, or its next event, or whichever is first.

    Raises `InvalidReview`, `NoSuchAnalysis` where there is no such failure, or `StaleAnalysis`.
    """
    if until is None and not wake_on_event:
        raise InvalidReview("a snooze ends at a time, or at the next event")
    if until is not None and until <= datetime.now(UTC):
        raise InvalidReview("a snooze ends in the future")
    failure = _lock(conn, failure_id, expected_version)
    if failure.status != "needs_review":
        raise InvalidReview("only a failure that waits for review can be snoozed")
    count = failure.event_count if wake_on_event else None
    words = f"until {until:%Y-%m-%d %H:%M} UTC" if until else "until its next event"
    if until and wake_on_event:
        words += " or its next event"
    _change(conn, failure, snoozed_until=until or NEVER, snoozed_at_count=count)
    return note_activity(conn, who, "snooze", words, failure_id=failure_id, note=note)


def reopen(conn: Connection, failure_id: str, who: str, *, expected_version: int, note: str | None = None) -> Activity:
    """Put a failure back into the queue: a verdict, a snooze or a resolution ends. Raises like `snooze`."""
    failure = _lock(conn, failure_id, expected_version)
    if failure.status == "needs_review" and failure.snoozed_until is None and failure.resolved_at is None:
        raise InvalidReview("the failure is open: there is nothing to reopen")
    _change(
        conn,
        failure,
        status="needs_review",
        pinned=False,
        resolved_at=None,
        snoozed_until=None,
        snoozed_at_count=None,
    )
    was = "resolved" if failure.resolved_at else failure.status
    words = "the snooze ends" if failure.snoozed_until and not failure.resolved_at else f"it was {was}"
    return note_activity(conn, who, "reopen", words, failure_id=failure_id, note=note)


def resolve(conn: Connection, failure_id: str, who: str, *, expected_version: int, note: str | None = None) -> Activity:
    """Say that the cause is gone. An event after that brings the failure back, marked. Raises like `snooze`."""
    failure = _lock(conn, failure_id, expected_version)
    if failure.resolved_at is not None:
        raise InvalidReview("the failure is resolved already")
    _change(conn, failure, resolved_at=datetime.now(UTC), regressed=False)
    return note_activity(conn, who, "resolve", "by hand", failure_id=failure_id, note=note)


def add_note(conn: Connection, failure_id: str, who: str, note: str) -> Activity:
    """Keep a note. It never comes too late. Raises `InvalidReview` or `NoSuchAnalysis`."""
    if not note.strip():
        raise InvalidReview("a note has words")
    if get_failure(conn, failure_id) is None:
        raise NoSuchAnalysis("there is no such failure")
    return note_activity(conn, who, "note", "", failure_id=failure_id, note=note)


def _lock(conn: Connection, failure_id: str, expected_version: int) -> Failure:
    head = lock_heads(conn, [failure_id]).get(failure_id)
    failure = get_failure(conn, failure_id) if head else None
    if failure is None:
        raise NoSuchAnalysis("there is no such failure")
    if failure.version != expected_version:
        raise StaleAnalysis(failure, next(iter(list_reviews(conn, failure_id)), None))
    return failure


def _change(conn: Connection, failure: Failure, **values: Any) -> None:
    changed = update(failures).where(failures.c.id == failure.id)
    conn.execute(changed.values(version=failure.version + 1, **values))
