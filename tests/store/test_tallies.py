"""Events are counted by day and by what answered them: each once, whether it is old, new, or deleted since."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import Engine, delete, select, update

from service.store import tallies
from service.store.ids import first_id_at
from service.store.occurrence import Occurrence
from service.store.occurrences import count_by_day
from service.store.retention import delete_older
from service.store.tables import events
from service.store.tallies import count_answered, fold_a_day
from service.store.writer import Writer

DAY = timedelta(days=1)


def count(engine: Engine, now: datetime, *by: str) -> dict[tuple[object, ...], int]:
    with engine.connect() as conn:
        return dict(count_answered(conn, 7, now, by))  # type: ignore[arg-type]  # a test names columns as text


def test_each_event_counts_once_before_and_after_it_is_folded(
    engine: Engine, writer: Writer, occur: Callable[..., Occurrence]
) -> None:
    sent = [occur(one, rule="v1") for one in "dab"] + [occur("c", fingerprint="two")]
    writer.submit(sent).result(30)
    now = datetime.now(UTC)
    with engine.begin() as conn:
        for source, days in (("a", 2), ("b", 1), ("c", 1)):
            moment = now - days * DAY
            moved = update(events).where(events.c.source_id == source)
            conn.execute(moved.values(id=first_id_at(moment)[:-1] + source, received_at=moment))
    expected = {("rule", "aws.test"): 3, ("none", ""): 1}
    by_day = {(now - 2 * DAY).date(): 1, (now - DAY).date(): 2, now.date(): 1}
    assert count(engine, now, "producer", "producer_name") == expected
    while fold_a_day(engine, now):
        assert count(engine, now, "producer", "producer_name") == expected
    assert count(engine, now, "day") == {(day,): many for day, many in by_day.items()}
    with engine.begin() as conn:
        conn.execute(delete(events).where(events.c.source_id.in_(["a", "b"])))
    assert count(engine, now, "producer", "producer_name") == expected
    assert count(engine, now + 6 * DAY, "producer_name") == {("aws.test",): 1}


def test_a_busy_day_of_a_failure_is_counted_once_and_goes_with_its_events(
    engine: Engine, writer: Writer, occur: Callable[..., Occurrence], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tallies, "_BUSY", 2)
    [stored, *_] = writer.submit([occur(one) for one in "abcd"]).result(30)
    failure, now = stored.failure_id or "", datetime.now(UTC).replace(hour=12)
    with engine.begin() as conn:
        for source, days in (("a", 2), ("b", 1), ("c", 1)):
            moment = now - days * DAY
            moved = update(events).where(events.c.source_id == source)
            conn.execute(moved.values(id=first_id_at(moment)[:-1] + source, received_at=moment))

    def count_days() -> list[int]:
        with engine.connect() as conn:
            return [many for _, many in count_by_day(conn, 3, now, failure)]

    assert count_days() == [1, 2, 1]
    while fold_a_day(engine, now):
        pass
    assert count_days() == [1, 2, 1]
    with engine.begin() as conn:
        conn.execute(delete(events).where(events.c.source_id.in_(["b", "c", "d"])))
    assert count_days() == [1, 2, 0], "only the busy day needs no event any more"
    with engine.begin() as conn:
        delete_older(conn, now - DAY)
    assert count_days() == [0, 0, 0]


def test_nothing_is_folded_while_a_transaction_may_still_add_to_it(
    engine: Engine, writer: Writer, occur: Callable[..., Occurrence]
) -> None:
    writer.submit([occur("a", rule="v1")]).result(30)
    received = datetime.now(UTC)
    assert not fold_a_day(engine, received)
    with engine.connect() as conn:
        assert conn.execute(select(events.c.id)).scalar_one() >= first_id_at(received - DAY)
    while fold_a_day(engine, received + DAY):
        pass
    assert not fold_a_day(engine, received + DAY + timedelta(seconds=1)), "a second later there is no other day"
    assert count(engine, received, "producer") == {("rule",): 1}


def test_a_clock_that_ran_ahead_costs_no_count(
    engine: Engine, writer: Writer, occur: Callable[..., Occurrence]
) -> None:
    writer.submit([occur("a", rule="v1")]).result(30)
    now = datetime.now(UTC)
    for moment in (now + 3 * DAY, now):
        while fold_a_day(engine, moment):
            pass
    writer.submit([occur("b", rule="v1")]).result(30)
    assert count(engine, now, "day") == {(now.date(),): 2}
    while fold_a_day(engine, now + timedelta(hours=1)):
        pass
    assert sum(count(engine, now + timedelta(hours=1), "producer").values()) == 2
