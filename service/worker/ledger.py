"""What the worker reads and writes of failures: short functions on the caller's transaction."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, select, update

from service.domain import Answer
from service.store.analyses import NoSuchFailure, add_analysis, current_answer
from service.store.bulk import chunks
from service.store.event_row import as_text
from service.store.tables import events, failures

_OPEN_STATES = ("queued", "running", "unavailable")


@dataclass(frozen=True, slots=True)
class Question:
    """A failure that wants an answer, as its newest event tells it. `reading` is a general rule's answer, if any."""

    failure_id: str
    event_id: str
    text: str
    context: dict[str, Any]
    reading: Answer | None


def find_open(conn: Connection, after: str, limit: int) -> list[tuple[str, str]]:
    """Id and analysis state of failures that still want an answer, in the order of their making, from after `after`."""
    query = select(failures.c.id, failures.c.analysis_state).where(
        failures.c.analysis_state.in_(_OPEN_STATES), failures.c.id > after
    )
    return [(row.id, row.analysis_state) for row in conn.execute(query.order_by(failures.c.id).limit(limit))]


def load_question(conn: Connection, failure_id: str, *, even_answered: bool = False) -> Question | None:
    """The failure's question, or None where it is gone, without an event, or (unless that is wanted) answered."""
    query = (
        select(events.c.id, events.c.text, events.c.context)
        .join(failures, failures.c.id == events.c.failure_id)
        .where(failures.c.id == failure_id, events.c.state == "firing")
        .order_by(events.c.id.desc())
    )
    if not even_answered:
        query = query.where(failures.c.analysis_state != "answered")
    row = conn.execute(query.limit(1)).first()
    return Question(failure_id, row.id, row.text, dict(row.context), current_answer(conn, failure_id)) if row else None


def load_event(conn: Connection, event_id: str) -> tuple[str, dict[str, Any]] | None:
    """Text and context of one event, or None where it is gone."""
    row = conn.execute(select(events.c.text, events.c.context).where(events.c.id == event_id)).first()
    return (row.text, dict(row.context)) if row else None


def set_states(conn: Connection, failure_ids: Iterable[str], state: str, note: str | None) -> None:
    """Say where the analysis of failures stands, for people; an answered failure stays answered."""
    for chunk in chunks(failure_ids):
        conn.execute(
            update(failures)
            .where(failures.c.id.in_(chunk), failures.c.analysis_state != "answered")
            .values(analysis_state=state, analysis_note=as_text(note))
        )


def hold_queued(conn: Connection, state: str, reason: str) -> None:
    """Say on every failure that waits for its turn why it has to."""
    waiting = (failures.c.analysis_state == "queued") & failures.c.analysis_note.is_distinct_from(reason)
    conn.execute(update(failures).where(waiting).values(analysis_state=state, analysis_note=as_text(reason)))


def keep_answer(conn: Connection, failure_id: str, event_id: str, answer: Answer, note: str | None) -> None:
    """Store a model's answer, once per prompt version. Where a rule's or a reviewer's answer stands, it stays."""
    try:
        add_analysis(conn, failure_id, answer, event_id)
    except NoSuchFailure:
        return
    conn.execute(
        update(failures)
        .where(failures.c.id == failure_id)
        .values(analysis_state="answered", analysis_note=as_text(note))
    )
