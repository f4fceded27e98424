"""Human verdicts on analyses, one at a time: who decided on a state that has changed since is told so."""

from datetime import UTC, datetime
from typing import Literal, get_args

from sqlalchemy import Connection, insert, select, update

from service.domain import Answer, ByReviewer
from service.proof.checker import find_excess
from service.store.failures import get_failure
from service.store.head import Head, keep_analysis, lock_heads, make_current
from service.store.ids import new_id
from service.store.rows import as_records
from service.store.tables import Failure, Review, analyses, failures, reviews

Decision = Literal["approve", "correct", "reject"]
Reason = Literal["wrong_cause", "wrong_fix", "not_a_permission_failure", "duplicate", "other"]
REASONS: tuple[Reason, ...] = get_args(Reason)


class NoSuchAnalysis(LookupError):
    """There is no analysis of this id, or it was deleted."""


class InvalidReview(ValueError):
    """The decision lacks what it needs, or has what it must not have; the message says which."""


class StaleAnalysis(Exception):
    """The failure is not what the reviewer saw. `current` is the failure as it is, `last_review` the latest verdict."""

    def __init__(self, current: Failure, last_review: Review | None) -> None:
        super().__init__("somebody decided on this failure, or it got another answer, since you opened it")
        self.current = current
        self.last_review = last_review


def review(
    conn: Connection,
    analysis_id: str,
    reviewer: str,
    decision: Decision,
    *,
    expected_version: int,
    reason: Reason | None = None,
    note: str | None = None,
    corrected: Answer | None = None,
) -> Review:
    """Decide on a failure's current analysis. `expected_version` is the `Failure.version` that the reviewer saw.

    `approve` and `correct` keep the answer for good; `correct` stores `corrected` as a new analysis by the reviewer.
    `reject` needs a reason. Raises `InvalidReview`, `NoSuchAnalysis`, or `StaleAnalysis` and then nothing changed.
    """
    _check(decision, reason, corrected)
    head = _lock(conn, analysis_id, expected_version)
    now = datetime.now(UTC)
    written = _corrected(conn, head, analysis_id, reviewer, corrected, now) if corrected else None
    if not written:
        _decide(conn, head, "approved" if decision == "approve" else "rejected")
    made = Review(
        id=new_id(),
        failure_id=head.id,
        analysis_id=analysis_id,
        reviewer=reviewer,
        decision=decision,
        reason=reason,
        note=note,
        corrected_analysis_id=written,
        created_at=now,
    )
    conn.execute(insert(reviews).values(made.model_dump()))
    return made


def list_reviews(conn: Connection, failure_id: str) -> list[Review]:
    """All verdicts on a failure, the latest first."""
    query = select(reviews).where(reviews.c.failure_id == failure_id)
    return as_records(Review, conn.execute(query.order_by(reviews.c.created_at.desc(), reviews.c.id.desc())))


def _check(decision: Decision, reason: Reason | None, corrected: Answer | None) -> None:
    if decision not in get_args(Decision):
        raise InvalidReview(f"a decision is one of {', '.join(get_args(Decision))}")
    if (decision == "correct") != (corrected is not None):
        raise InvalidReview("a corrected answer belongs to the decision correct, and only to it")
    if (decision == "reject") != (reason is not None):
        raise InvalidReview("a reason belongs to the decision reject, and only to it")
    if reason is not None and reason not in REASONS:
        raise InvalidReview(f"a reason is one of {', '.join(REASONS)}")
    for artifact in corrected.fix.artifacts if corrected and corrected.fix else ():
        if broad := find_excess(artifact.kind, artifact.content):
            raise InvalidReview(f"the change {artifact.title!r} {broad[0]}: grant only what was denied")


def _lock(conn: Connection, analysis_id: str, expected_version: int) -> Head:
    failure_id = conn.execute(select(analyses.c.failure_id).where(analyses.c.id == analysis_id)).scalar()
    head = lock_heads(conn, [failure_id]).get(failure_id) if failure_id else None
    if head is None:
        raise NoSuchAnalysis(f"there is no analysis {analysis_id}")
    if (head.version, head.current_analysis_id) != (expected_version, analysis_id):
        current = get_failure(conn, head.id)
        assert current is not None
        raise StaleAnalysis(current, next(iter(list_reviews(conn, head.id)), None))
    return head


def _corrected(conn: Connection, head: Head, analysis_id: str, reviewer: str, answer: Answer, now: datetime) -> str:
    event_id = conn.execute(select(analyses.c.event_id).where(analyses.c.id == analysis_id)).scalar()
    by = ByReviewer(reviewer=reviewer, corrects=analysis_id)
    mine = answer.model_copy(update={"id": new_id(), "produced_by": by})
    keep_analysis(conn, head.id, mine, event_id, now)
    make_current(conn, head, mine, status="approved")
    return mine.id


def _decide(conn: Connection, head: Head, status: str) -> None:
    values = {
        "status": status,
        "pinned": status == "approved",
        "regressed": False,
        "snoozed_until": None,
        "version": head.version + 1,
    }
    conn.execute(update(failures).where(failures.c.id == head.id).values(values))
