"""Queries over analyses, and the way a model's answer gets in."""

from datetime import UTC, datetime

from sqlalchemy import Connection, select

from service.domain import Answer
from service.store.failures import first_event
from service.store.head import attach, lock_heads
from service.store.rows import as_record, as_records
from service.store.tables import Analysis, Event, analyses, events, failures


class NoSuchFailure(LookupError):
    """There is no failure of this id, or it was deleted."""


def add_analysis(conn: Connection, failure_id: str, answer: Answer, event_id: str | None = None) -> bool:
    """Keep an answer, made from the text of `event_id` (default: the failure's first event).

    It becomes the failure's current one unless a reviewer decided on that, or a system's own rule answered, or a
    general rule did and the model knows no better: the result says which. Adding the answer of the same producer and
    version again changes nothing.
    Raises `NoSuchFailure`.
    """
    head = lock_heads(conn, [failure_id]).get(failure_id)
    if head is None:
        raise NoSuchFailure(f"there is no failure {failure_id}")
    if event_id is None and (event := first_event(conn, failure_id)):
        event_id = event.id
    return attach(conn, head, answer, event_id, datetime.now(UTC)).current_analysis_id == answer.id


def get_analysis(conn: Connection, analysis_id: str) -> Analysis | None:
    """One analysis, or None."""
    return as_record(Analysis, conn.execute(select(analyses).where(analyses.c.id == analysis_id)).first())


def list_analyses(conn: Connection, failure_id: str) -> list[Analysis]:
    """All analyses of a failure, the newest first."""
    query = select(analyses).where(analyses.c.failure_id == failure_id)
    return as_records(Analysis, conn.execute(query.order_by(analyses.c.created_at.desc(), analyses.c.id.desc())))


def get_answer(conn: Connection, analysis_id: str) -> Answer | None:
    """The answer of an analysis, or None."""
    stored = conn.execute(select(analyses.c.answer).where(analyses.c.id == analysis_id)).scalar()
    return None if stored is None else Answer.model_validate(stored)


def current_answer(conn: Connection, failure_id: str) -> Answer | None:
    """The answer that a failure shows, or None while there is none."""
    current = select(failures.c.current_analysis_id).where(failures.c.id == failure_id).scalar_subquery()
    stored = conn.execute(select(analyses.c.answer).where(analyses.c.id == current)).scalar()
    return None if stored is None else Answer.model_validate(stored)


def event_of(conn: Connection, analysis: Analysis) -> Event | None:
    """The event that the analysis quotes; None once it was deleted for its age."""
    if analysis.event_id is None:
        return None
    return as_record(Event, conn.execute(select(events).where(events.c.id == analysis.event_id)).first())
