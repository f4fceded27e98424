"""A storm of distinct failures becomes one failure: what its events are told by, what it says, and when it begins.

Failures are kept for good and each may cost a call of a model, so that a program which puts a random word into every
error would fill the disk and the queue. Events stay whole, whatever failure they belong to.
"""

import sys
import time
from dataclasses import replace
from datetime import datetime, timedelta

from sqlalchemy import Connection, func, select

from service.domain import Answer, ByRule, Cause, Confidence, Fix, Verdict
from service.store.ids import first_id_at
from service.store.known import Known
from service.store.occurrence import Occurrence
from service.store.tables import failures

FOLD_RULE = "whydenied.too-many-failures"
_VERSION = "1"
_PREFIX = "too many failures: "
_SPAN = timedelta(hours=1)
_CROWDED_SECONDS = 10.0  # a connection that had no room is not counted again for so long


def room_for_new(conn: Connection, known: Known, learned: Known, connection: str, most: int, now: datetime) -> int:
    """How many new failures this connection may still make; `most` are allowed per hour, 0 is no limit."""
    if not most:
        return sys.maxsize
    if time.monotonic() < known.crowded.get(connection, 0.0):
        return 0
    room = most - _count_new(conn, connection, most, now)
    if not room:
        learned.crowded[connection] = time.monotonic() + _CROWDED_SECONDS
    return room


def _count_new(conn: Connection, connection: str, most: int, now: datetime) -> int:
    """How many it made within the last hour, counted up to `most`: ids begin with the time."""
    new = select(failures.c.id).where(failures.c.id > first_id_at(now - _SPAN), failures.c.connection == connection)
    return conn.execute(select(func.count()).select_from(new.limit(most).subquery())).scalar_one()


def fold(occurrence: Occurrence, most: int) -> Occurrence:
    """The same occurrence as one of its connection's failure for too many failures, of which `most` are allowed."""
    return replace(
        occurrence,
        fingerprint=_PREFIX + occurrence.connection,
        answer=lambda analysis_id: _answer(analysis_id, occurrence.connection, most),
        rule_version=f"{FOLD_RULE}@{_VERSION}",
        is_general=False,
    )


def is_folded(occurrence: Occurrence) -> bool:
    """Whether it is what `fold` made."""
    return occurrence.fingerprint == _PREFIX + occurrence.connection


def folds_since(conn: Connection, since: datetime) -> dict[str, str]:
    """The failure for too many failures of each connection that had an event since then."""
    query = select(failures.c.connection, failures.c.id)
    return dict(
        conn.execute(query.where(failures.c.last_seen > since, failures.c.fingerprint.startswith(_PREFIX))).all()
    )


def _answer(analysis_id: str, connection: str, most: int) -> Answer:
    return Answer(
        id=analysis_id,
        verdict=Verdict.OTHER,
        cause=Cause.OTHER,
        system="whydenied",
        title=f"Too many distinct failures from {connection}",
        explanation=(
            f"More than {most:,} failures that had not been seen before came from {connection} within an hour. Those "
            "beyond that many are kept as events of this one failure, whole and counted, and no model is asked about "
            "them. Most often a program puts a random word, name or address into every error text, so that no two "
            "are alike."
        ),
        confidence=Confidence.CONFIRMED,
        fix=Fix(
            summary="Find what differs from event to event, and let the sender leave it out of the error text.",
            steps=(
                "Look at the events of this failure: they are the examples.",
                "Where one program sends them, take the part that changes out of its error text, or send it as a "
                "field of its own.",
                f"Where all of them are real, raise the limit: whydenied connections limits {connection} "
                "--new-failures NUMBER, or WHYDENIED_NEW_FAILURES_PER_HOUR for every connection.",
                "Failures of an earlier hour are not concerned, and go on counting their own events.",
            ),
        ),
        produced_by=ByRule(rule=FOLD_RULE, version=_VERSION),
    )
