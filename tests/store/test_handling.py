"""Snooze, reopen, resolve, note: each is written down with its author, and nobody acts on what he did not see."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import Engine, update

from service.store.activity import list_activity_of, list_everything
from service.store.failures import FailureFilter, count_snoozed, get_failure, is_snoozed, list_failures
from service.store.handling import add_note, reopen, resolve, snooze
from service.store.occurrence import Occurrence
from service.store.reviews import InvalidReview, NoSuchAnalysis, StaleAnalysis, review
from service.store.tables import Failure, failures
from service.store.writer import Writer

Occur = Callable[..., Occurrence]
SOON = datetime.now(UTC) + timedelta(days=1)


@pytest.fixture
def failure(engine: Engine, writer: Writer, occur: Occur) -> Failure:
    """A failure that a rule answered."""
    [stored] = writer.submit([occur(rule="v1", grouping_key="g")]).result(20)
    return reload(engine, stored.failure_id or "")


def reload(engine: Engine, failure_id: str) -> Failure:
    with engine.connect() as conn:
        found = get_failure(conn, failure_id)
    assert found is not None
    return found


def in_queue(engine: Engine) -> list[str]:
    with engine.connect() as conn:
        return [one.id for one in list_failures(conn, FailureFilter("needs_review", snoozed=False), None, 9).items]


def test_a_snooze_until_a_time_ends_by_itself(engine: Engine, failure: Failure) -> None:
    with engine.begin() as conn:
        snooze(conn, failure.id, "ann", expected_version=failure.version, until=SOON, wake_on_event=False)
        assert count_snoozed(conn) == 1
    assert in_queue(engine) == []
    assert is_snoozed(reload(engine, failure.id), datetime.now(UTC))
    with engine.begin() as conn:
        conn.execute(update(failures).values(snoozed_until=datetime.now(UTC) - timedelta(seconds=1)))
        assert count_snoozed(conn) == 0
    assert in_queue(engine) == [failure.id]


def test_a_snooze_until_the_next_event_ends_with_it(
    engine: Engine, writer: Writer, occur: Occur, failure: Failure
) -> None:
    with engine.begin() as conn:
        snooze(conn, failure.id, "ann", expected_version=failure.version, until=None, wake_on_event=True)
    assert in_queue(engine) == []
    writer.submit([occur(rule="v1", minute=1)]).result(20)
    assert in_queue(engine) == [failure.id]
    assert not is_snoozed(reload(engine, failure.id), datetime.now(UTC))


def test_a_verdict_ends_a_snooze(engine: Engine, failure: Failure) -> None:
    with engine.begin() as conn:
        snooze(conn, failure.id, "ann", expected_version=failure.version, until=SOON, wake_on_event=False)
        review(conn, failure.current_analysis_id or "", "bo", "approve", expected_version=failure.version + 1)
        assert count_snoozed(conn) == 0


def test_reopening_ends_a_verdict_and_lets_a_rule_answer_again(engine: Engine, failure: Failure) -> None:
    with engine.begin() as conn:
        review(conn, failure.current_analysis_id or "", "bo", "approve", expected_version=failure.version)
        reopen(conn, failure.id, "ann", expected_version=failure.version + 1, note="the grant was too wide")
    now = reload(engine, failure.id)
    assert (now.status, now.pinned, now.version) == ("needs_review", False, failure.version + 2)
    with engine.begin() as conn, pytest.raises(InvalidReview, match="nothing to reopen"):
        reopen(conn, failure.id, "ann", expected_version=now.version)


def test_what_was_resolved_by_hand_comes_back_marked(
    engine: Engine, writer: Writer, occur: Occur, failure: Failure
) -> None:
    with engine.begin() as conn:
        review(conn, failure.current_analysis_id or "", "bo", "approve", expected_version=failure.version)
        resolve(conn, failure.id, "ann", expected_version=failure.version + 1)
    assert in_queue(engine) == []
    days = (datetime.now(UTC) - datetime(2026, 11, 21, 12, tzinfo=UTC)).total_seconds() / 60
    writer.submit([occur(rule="v1", minute=days + 10)]).result(20)
    now = reload(engine, failure.id)
    assert (now.status, now.regressed, now.resolved_at) == ("needs_review", True, None)
    assert in_queue(engine) == [failure.id]


@pytest.mark.parametrize("act", [reopen, resolve])
def test_who_acts_on_an_old_state_changes_nothing(engine: Engine, failure: Failure, act: Callable[..., object]) -> None:
    with engine.begin() as conn:
        made = review(
            conn, failure.current_analysis_id or "", "bo", "reject", expected_version=failure.version, reason="other"
        )
    with engine.begin() as conn, pytest.raises(StaleAnalysis) as stale:
        act(conn, failure.id, "ann", expected_version=failure.version)
    assert stale.value.last_review == made
    with engine.begin() as conn, pytest.raises(StaleAnalysis):
        snooze(conn, failure.id, "ann", expected_version=failure.version, until=SOON, wake_on_event=False)
    assert reload(engine, failure.id).status == "rejected"


def test_a_step_that_makes_no_sense_says_why(engine: Engine, failure: Failure) -> None:
    version = failure.version
    past = datetime.now(UTC) - timedelta(days=1)
    with engine.begin() as conn:
        with pytest.raises(InvalidReview, match="in the future"):
            snooze(conn, failure.id, "ann", expected_version=version, until=past, wake_on_event=True)
        with pytest.raises(InvalidReview, match="ends at a time"):
            snooze(conn, failure.id, "ann", expected_version=version, until=None, wake_on_event=False)
        with pytest.raises(NoSuchAnalysis):
            resolve(conn, "nobody", "ann", expected_version=version)
        with pytest.raises(InvalidReview, match="has words"):
            add_note(conn, failure.id, "ann", " ")
        review(conn, failure.current_analysis_id or "", "bo", "approve", expected_version=version)
        with pytest.raises(InvalidReview, match="waits for review"):
            snooze(conn, failure.id, "ann", expected_version=version + 1, until=SOON, wake_on_event=False)


def test_everything_is_written_down_the_latest_first(engine: Engine, failure: Failure) -> None:
    with engine.begin() as conn:
        add_note(conn, failure.id, "ann", "asked the owner")
        review(conn, failure.current_analysis_id or "", "bo", "approve", expected_version=failure.version)
        add_note(conn, failure.id, "cy", "done")
        first = list_everything(conn, None, 2)
        rest = list_everything(conn, first.next_cursor, 2)
        assert [one.note for one in list_activity_of(conn, failure.id)] == ["done", "asked the owner"]
    assert [getattr(one, "who", None) or getattr(one, "reviewer", None) for one in first.items + rest.items] == [
        "cy",
        "bo",
        "ann",
    ]
    assert rest.next_cursor is None
