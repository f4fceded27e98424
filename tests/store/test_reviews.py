"""Reviews: one verdict at a time, and a verdict on something that has changed is refused with what it is now."""

import threading
from collections.abc import Callable

import pytest
from sqlalchemy import Engine

from service.domain import Answer, ByReviewer
from service.store.analyses import current_answer, event_of, get_analysis, list_analyses
from service.store.failures import counts_by_status, get_failure
from service.store.occurrence import Occurrence
from service.store.reviews import InvalidReview, NoSuchAnalysis, StaleAnalysis, list_reviews, review
from service.store.tables import Failure
from service.store.writer import Writer


@pytest.fixture
def failure(engine: Engine, writer: Writer, occur: Callable[..., Occurrence]) -> Failure:
    """A failure that a rule answered."""
    [stored] = writer.submit([occur(rule="v1")]).result(20)
    return reload(engine, stored.failure_id or "")


def reload(engine: Engine, failure_id: str) -> Failure:
    with engine.connect() as conn:
        found = get_failure(conn, failure_id)
    assert found is not None
    return found


def test_approving_keeps_the_answer(engine: Engine, failure: Failure) -> None:
    with engine.begin() as conn:
        made = review(
            conn, failure.current_analysis_id or "", "ann", "approve", expected_version=failure.version, note="ok"
        )
    now = reload(engine, failure.id)
    assert (now.status, now.pinned, now.version) == ("approved", True, failure.version + 1)
    with engine.connect() as conn:
        assert list_reviews(conn, failure.id) == [made]
        assert counts_by_status(conn) == {"needs_review": 0, "approved": 1, "rejected": 0}


def test_a_correction_becomes_the_answer_and_keeps_the_original(engine: Engine, failure: Failure) -> None:
    with engine.begin() as conn:
        original = current_answer(conn, failure.id)
        assert original is not None
        better = original.model_copy(update={"title": "Bob lacks a grant", "principal": "robert"})
        made = review(conn, original.id, "ann", "correct", expected_version=failure.version, corrected=better)
    now = reload(engine, failure.id)
    assert (now.status, now.title, now.principal, now.producer) == (
        "approved",
        "Bob lacks a grant",
        "robert",
        "reviewer",
    )
    assert now.current_analysis_id == made.corrected_analysis_id != original.id
    with engine.connect() as conn:
        stored = current_answer(conn, failure.id)
        analysis = get_analysis(conn, made.corrected_analysis_id or "")
        assert len(list_analyses(conn, failure.id)) == 2
        assert analysis is not None
        assert event_of(conn, analysis) is not None
    assert stored is not None
    assert stored.produced_by == ByReviewer(reviewer="ann", corrects=original.id)
    assert stored.id == made.corrected_analysis_id


def test_a_rejected_answer_makes_way_for_the_next_rule(
    engine: Engine, failure: Failure, writer: Writer, occur: Callable[..., Occurrence]
) -> None:
    with engine.begin() as conn:
        review(
            conn,
            failure.current_analysis_id or "",
            "ann",
            "reject",
            expected_version=failure.version,
            reason="wrong_fix",
        )
    assert (reload(engine, failure.id).status, reload(engine, failure.id).pinned) == ("rejected", False)
    writer.submit([occur(rule="v1")]).result(20)
    assert reload(engine, failure.id).status == "rejected"
    writer.submit([occur(rule="v2")]).result(20)
    assert reload(engine, failure.id).status == "needs_review"


def test_the_slower_of_two_reviewers_is_told_what_the_faster_one_did(engine: Engine, failure: Failure) -> None:
    with engine.begin() as conn:
        review(conn, failure.current_analysis_id or "", "ann", "approve", expected_version=failure.version)
    with engine.begin() as conn, pytest.raises(StaleAnalysis) as refused:
        review(
            conn, failure.current_analysis_id or "", "bob", "reject", expected_version=failure.version, reason="other"
        )
    assert refused.value.current.status == "approved"
    assert refused.value.last_review is not None
    assert refused.value.last_review.reviewer == "ann"
    with engine.connect() as conn:
        assert len(list_reviews(conn, failure.id)) == 1


def test_of_many_verdicts_at_once_one_counts(engine: Engine, failure: Failure) -> None:
    outcomes: list[str] = []

    def decide(name: str) -> None:
        try:
            with engine.begin() as conn:
                review(conn, failure.current_analysis_id or "", name, "approve", expected_version=failure.version)
            outcomes.append("decided")
        except StaleAnalysis:
            outcomes.append("stale")

    threads = [threading.Thread(target=decide, args=(f"reviewer {n}",)) for n in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(outcomes) == ["decided"] + ["stale"] * 5
    assert reload(engine, failure.id).version == failure.version + 1


def test_a_verdict_on_an_answer_that_is_no_longer_current_is_stale(
    engine: Engine, failure: Failure, writer: Writer, occur: Callable[..., Occurrence]
) -> None:
    writer.submit([occur(rule="v2")]).result(20)
    with engine.begin() as conn, pytest.raises(StaleAnalysis) as refused:
        review(conn, failure.current_analysis_id or "", "ann", "approve", expected_version=failure.version)
    assert refused.value.current.producer_version == "v2"
    assert refused.value.last_review is None


def test_mere_counting_does_not_make_a_verdict_stale(
    engine: Engine, failure: Failure, writer: Writer, occur: Callable[..., Occurrence]
) -> None:
    writer.submit([occur(rule="v1"), occur(rule="v1")]).result(20)
    with engine.begin() as conn:
        assert review(conn, failure.current_analysis_id or "", "ann", "approve", expected_version=failure.version)


def test_an_incomplete_verdict_is_refused(engine: Engine, failure: Failure, answered: Callable[..., Answer]) -> None:
    incomplete = [
        {"decision": "reject"},
        {"decision": "reject", "reason": "bored"},
        {"decision": "approve", "reason": "other"},
        {"decision": "correct"},
        {"decision": "approve", "corrected": answered("x")},
        {"decision": "snooze"},
    ]
    for fields in incomplete:
        with engine.begin() as conn, pytest.raises(InvalidReview):
            review(conn, failure.current_analysis_id or "", "ann", expected_version=failure.version, **fields)
    assert reload(engine, failure.id).version == failure.version


def test_a_verdict_on_nothing_is_refused(engine: Engine) -> None:
    with engine.begin() as conn, pytest.raises(NoSuchAnalysis):
        review(conn, "nothing", "ann", "approve", expected_version=1)
