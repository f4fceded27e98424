"""Lists of failures and events: filters find what they say, and pages neither repeat nor skip."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import Engine, insert

from service.domain import Answer
from service.store.analyses import NoSuchFailure, add_analysis, get_answer
from service.store.failures import (
    FailureFilter,
    InvalidCursor,
    first_event,
    get_failure,
    list_events,
    list_failures,
    set_analysis_state,
)
from service.store.ids import first_id_at, new_id
from service.store.occurrence import Occurrence, UnparsedDelivery
from service.store.retention import delete_older
from service.store.tables import failures
from service.store.writer import Writer

Occur = Callable[..., Occurrence]


def fingerprints(engine: Engine, **filters: Any) -> set[str]:
    with engine.connect() as conn:
        return {one.fingerprint for one in list_failures(conn, FailureFilter(**filters), None, 50).items}


def pages(engine: Engine, size: int) -> list[list[str]]:
    found, cursor = [], None
    with engine.connect() as conn:
        while True:
            page = list_failures(conn, FailureFilter(), cursor, size)
            found.append([one.id for one in page.items])
            if (cursor := page.next_cursor) is None:
                return found


@pytest.fixture
def mixed(engine: Engine, writer: Writer, occur: Occur, answered: Callable[..., Answer]) -> None:
    """Three failures: `ruled` by a rule, `asked` by a model, `open` without an answer, each seen elsewhere."""
    ruled = occur(fingerprint="ruled", rule="v1", service_name="shop", environment="prod", text="100% Größe_x denied")
    elsewhere = occur(fingerprint="ruled", connection="alerts", service_name="cart", environment="test")
    asked = occur(fingerprint="asked", service_name="shop", environment="test", minute=1)
    waiting = occur(fingerprint="open", grouping_key="g", minute=2)
    stored = writer.submit([ruled, elsewhere, asked, waiting]).result(20)
    other = {
        "system": "awsome",
        "verdict": "other",
        "cause": "quota_or_billing",
        "confidence": "confirmed",
        "title": "Quota",
    }
    with engine.begin() as conn:
        add_analysis(conn, stored[2].failure_id or "", answered("m", **other))
    writer.submit([occur(grouping_key="g", state="resolved", minute=3)]).result(20)


@pytest.mark.usefixtures("mixed")
def test_a_filter_finds_what_it_says(engine: Engine) -> None:
    ruled, asked, waiting = {"ruled"}, {"asked"}, {"open"}
    expected: list[tuple[dict[str, Any], set[str]]] = [
        ({}, ruled | asked | waiting),
        ({"status": "needs_review"}, ruled | asked | waiting),
        ({"status": "approved"}, set()),
        ({"verdict": "permission"}, ruled),
        ({"cause": "quota_or_billing"}, asked),
        ({"confidence": "confirmed"}, asked),
        ({"system": "aws"}, ruled),
        ({"system": "aws.s3"}, ruled),
        ({"system": "aws.s"}, set()),
        ({"producer": "none"}, waiting),
        ({"producer": "llm"}, asked),
        ({"service": "shop"}, ruled | asked),
        ({"service": "cart"}, ruled),
        ({"service": "shop", "environment": "test"}, asked),
        ({"connection": "alerts"}, ruled),
        ({"resolved": True}, waiting),
        ({"resolved": False}, ruled | asked),
        ({"q": "QUOTA"}, asked),
        ({"q": "grösse denied"}, ruled),
        ({"q": "100%"}, ruled),
        ({"q": "%"}, set()),
        ({"q": "bob %"}, ruled),
        ({"q": "bob ~"}, set()),
        ({"q": "_x"}, ruled),
        ({"q": "bob s3:getobject", "producer": "rule"}, ruled),
        ({"q": "bob nowhere"}, set()),
        ({"q": "'; DROP TABLE failure; --"}, set()),
    ]
    assert [(filters, fingerprints(engine, **filters)) for filters, _ in expected] == expected


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(minutes=st.lists(st.integers(0, 4), max_size=25), size=st.integers(1, 7))
def test_pages_hold_everything_once_the_latest_first(engine: Engine, minutes: list[int], size: int) -> None:
    with engine.begin() as conn:
        conn.execute(failures.delete())
        if minutes:
            conn.execute(insert(failures), [_row(n, minute) for n, minute in enumerate(minutes)])
    found = pages(engine, size)
    everything = [failure_id for page in found for failure_id in page]
    assert len(everything) == len(set(everything)) == len(minutes)
    assert all(len(page) == size for page in found[:-1])
    with engine.connect() as conn:
        seen = [one.last_seen for one in list_failures(conn, FailureFilter(), None, 50).items]
    assert seen == sorted(seen, reverse=True)


def test_what_arrives_while_a_reader_pages_shifts_no_page(engine: Engine, writer: Writer, occur: Occur) -> None:
    writer.submit([occur(fingerprint=str(n), minute=n) for n in range(9)]).result(20)
    with engine.connect() as conn:
        first = list_failures(conn, FailureFilter(), None, 3)
    writer.submit([occur(fingerprint="new", minute=50), occur(fingerprint="8", minute=51)]).result(20)
    with engine.connect() as conn:
        second = list_failures(conn, FailureFilter(), first.next_cursor, 3)
    assert [one.fingerprint for one in first.items + second.items] == ["8", "7", "6", "5", "4", "3"]


def test_events_page_the_latest_first(engine: Engine, writer: Writer, occur: Occur) -> None:
    stored = [writer.submit([occur(f"e{n}")]).result(20)[0] for n in range(5)]
    failure_id = stored[0].failure_id or ""
    with engine.connect() as conn:
        first = list_events(conn, failure_id, None, 3)
        second = list_events(conn, failure_id, first.next_cursor, 3)
        oldest = first_event(conn, failure_id)
    assert {event.source_id for event in first.items + second.items} == {f"e{n}" for n in range(5)}
    assert second.next_cursor is None
    assert oldest is not None
    assert oldest.id == min(event.id for event in second.items)


@pytest.mark.parametrize("cursor", ["x", "bm9uc2Vuc2U", "!!!", "W10", "W251bGwsbnVsbF0", "\ud800", "é"])
def test_a_cursor_that_no_list_gave_out_is_refused(engine: Engine, cursor: str) -> None:
    with engine.connect() as conn:
        with pytest.raises(InvalidCursor):
            list_failures(conn, FailureFilter(), cursor, 3)
        with pytest.raises(InvalidCursor):
            list_events(conn, "any", cursor, 3)


def test_the_state_of_an_analysis_is_said_until_there_is_an_answer(
    engine: Engine, writer: Writer, occur: Occur, answered: Callable[..., Answer]
) -> None:
    [one, two] = writer.submit([occur(fingerprint="1"), occur(fingerprint="2")]).result(20)
    with engine.begin() as conn:
        assert set_analysis_state(conn, one.failure_id or "", "failed", "the model timed out")
        add_analysis(conn, two.failure_id or "", answered("a1"))
        assert not set_analysis_state(conn, two.failure_id or "", "failed", "too late")
        failed = get_failure(conn, one.failure_id or "")
        answer = get_answer(conn, "a1")
    assert failed is not None
    assert (failed.analysis_state, failed.analysis_note) == ("failed", "the model timed out")
    assert answer is not None
    assert answer.id == "a1"


def test_an_answer_for_a_failure_that_is_gone_is_refused(engine: Engine, answered: Callable[..., Answer]) -> None:
    with engine.begin() as conn, pytest.raises(NoSuchFailure):
        add_analysis(conn, "gone", answered("a1"))


def test_old_events_go_and_what_was_learned_from_them_stays(
    engine: Engine, writer: Writer, occur: Occur, noon: datetime
) -> None:
    [stored] = writer.submit([occur(rule="v1")], [UnparsedDelivery("c", noon, "bad", {}, "body")]).result(20)
    for before, deleted in ((noon, 0), (datetime.now(UTC) + timedelta(minutes=1), 2)):
        with engine.begin() as conn:
            assert delete_older(conn, before, limit=10) == deleted
    with engine.connect() as conn:
        failure = get_failure(conn, stored.failure_id or "")
        assert list_events(conn, stored.failure_id or "", None, 5).items == []
        assert get_answer(conn, stored.analysis_id or "") is not None
    assert failure is not None
    assert failure.event_count == 1


def test_ids_sort_by_the_time_they_were_made() -> None:
    before = first_id_at(datetime.now(UTC))
    made = [new_id() for _ in range(2_000)]
    assert len(set(made)) == 2_000
    assert before <= min(made)
    assert max(made) < first_id_at(datetime.now(UTC) + timedelta(seconds=1))


def _row(number: int, minute: int) -> dict[str, Any]:
    seen = datetime(2026, 1, 1, 0, minute, tzinfo=UTC)
    fixed = {"fingerprint_version": 1, "title": "t", "connection": "c", "created_at": seen}
    return {"id": new_id(), "fingerprint": f"f{number}", "first_seen": seen, "last_seen": seen, **fixed}
