"""The writer: what is acknowledged is stored once, counted right, and answered by who may answer."""

import asyncio
import threading
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest
from sqlalchemy import Engine, func, select

from service.domain import Answer, ByRule
from service.store.analyses import add_analysis, list_analyses
from service.store.deliveries import get_unparsed, list_unparsed
from service.store.failures import FailureFilter, get_failure, list_events, list_failures, list_sightings
from service.store.occurrence import Occurrence, Stored, UnparsedDelivery
from service.store.reviews import review
from service.store.tables import Failure, events, failures, openings
from service.store.writer import Overloaded, StoreUnavailable, Unstorable, Writer

Occur = Callable[..., Occurrence]
WEST = timezone(timedelta(hours=-14))


def store(writer: Writer, *occurrences: Occurrence) -> list[Stored]:
    return writer.submit(occurrences).result(20)


def failure_of(engine: Engine, stored: Stored) -> Failure:
    with engine.connect() as conn:
        failure = get_failure(conn, stored.failure_id or "")
    assert failure is not None
    return failure


def nested(depth: int) -> list[Any]:
    value: list[Any] = []
    for _ in range(depth):
        value = [value]
    return value


def approve(engine: Engine, failure: Failure) -> None:
    with engine.begin() as conn:
        review(conn, failure.current_analysis_id or "", "ann", "approve", expected_version=failure.version)


def test_an_event_without_an_answer_makes_a_failure_that_waits_for_one(
    engine: Engine, writer: Writer, occur: Occur, noon: datetime
) -> None:
    [stored] = store(writer, occur("e1", service_name="shop", environment="prod", attributes={"pod": "a"}))
    assert stored.new_failure
    assert stored.needs_analysis
    assert not stored.duplicate
    failure = failure_of(engine, stored)
    assert (failure.title, failure.status, failure.analysis_state) == ("Access denied", "needs_review", "queued")
    assert (failure.event_count, failure.first_seen, failure.last_seen) == (1, noon, noon)
    with engine.connect() as conn:
        [event] = list_events(conn, failure.id, None, 10).items
        [place] = list_sightings(conn, failure.id)
    assert (event.id, event.source_id, event.attributes, event.context) == (
        stored.event_id,
        "e1",
        {"pod": "a"},
        {"http_status": 403},
    )
    assert (place.connection, place.service_name, place.environment) == ("sentry", "shop", "prod")


def test_a_rules_answer_is_stored_with_the_first_occurrence_and_shown(
    engine: Engine, writer: Writer, occur: Occur
) -> None:
    [stored] = store(writer, occur(rule="v1"))
    assert not stored.needs_analysis
    assert stored.own_answer
    failure = failure_of(engine, stored)
    assert (failure.analysis_state, failure.current_analysis_id) == ("answered", stored.analysis_id)
    assert (failure.verdict, failure.cause, failure.system) == ("permission", "missing_grant", "aws.s3")
    assert (failure.title, failure.principal, failure.action) == ("Bob may not read", "bob", "s3:GetObject")
    assert (failure.producer, failure.producer_name, failure.producer_version) == ("rule", "aws.test", "v1")
    with engine.connect() as conn:
        [analysis] = list_analyses(conn, failure.id)
    assert analysis.event_id == stored.event_id
    assert Answer.model_validate(analysis.answer).id == stored.analysis_id


def test_a_repeated_delivery_counts_nothing_and_has_the_first_ones_ids(
    engine: Engine, writer: Writer, occur: Occur
) -> None:
    [first] = store(writer, occur("same", rule="v1"))
    [again, twin, other] = store(writer, occur("same"), occur("same"), occur("same", connection="other"))
    assert again.duplicate
    assert twin.duplicate
    assert (again.event_id, again.failure_id, again.analysis_id) == (
        first.event_id,
        first.failure_id,
        first.analysis_id,
    )
    assert not other.duplicate
    assert failure_of(engine, first).event_count == 2


def test_a_delivery_repeated_under_another_fingerprint_leaves_no_empty_failure(
    engine: Engine, writer: Writer, occur: Occur
) -> None:
    [first] = store(writer, occur("same"))
    [again] = store(writer, occur("same", fingerprint="two"))
    assert again.duplicate
    assert again.failure_id == first.failure_id
    with engine.connect() as conn:
        assert len(list_failures(conn, FailureFilter(), None, 10).items) == 1
    [fresh] = store(writer, occur(fingerprint="two"))
    assert fresh.new_failure


def test_first_and_last_seen_follow_the_time_of_the_events(
    engine: Engine, writer: Writer, occur: Occur, noon: datetime
) -> None:
    store(writer, occur(minute=5))
    store(writer, occur(minute=-5), occur(minute=3))
    [stored] = store(writer, occur(minute=1))
    failure = failure_of(engine, stored)
    assert failure.event_count == 4
    assert (failure.first_seen, failure.last_seen) == (noon - timedelta(minutes=5), noon + timedelta(minutes=5))


def test_a_clock_that_runs_ahead_does_not_pin_a_failure_to_the_top(
    engine: Engine, writer: Writer, occur: Occur
) -> None:
    [stored] = store(writer, occur(minute=60 * 24 * 365 * 20))
    assert failure_of(engine, stored).last_seen <= datetime.now(UTC)


def test_a_rule_is_asked_for_its_answer_once_per_failure_and_version(
    writer: Writer, occur: Occur, answered: Callable[..., Answer]
) -> None:
    asked: list[str] = []

    def render(analysis_id: str) -> Answer:
        asked.append(analysis_id)
        return answered(analysis_id, produced_by=ByRule(rule="aws.test", version="v1"))

    for _ in range(3):
        store(writer, occur(rule="v1", render=render), occur(rule="v1", render=render))
    assert len(asked) == 1


def test_a_rule_that_cannot_make_its_answer_loses_no_event(engine: Engine, writer: Writer, occur: Occur) -> None:
    def fail(_: str) -> Answer:
        raise RuntimeError("a template is broken")

    [stored] = store(writer, occur(rule="v1", render=fail))
    assert stored.needs_analysis
    assert failure_of(engine, stored).event_count == 1


def test_a_newer_rule_answers_again_and_asks_for_a_new_review(engine: Engine, writer: Writer, occur: Occur) -> None:
    [old] = store(writer, occur(rule="v1"))
    [new] = store(writer, occur(rule="v2"))
    assert new.analysis_id != old.analysis_id
    assert new.own_answer
    failure = failure_of(engine, new)
    assert (failure.producer_version, failure.status) == ("v2", "needs_review")
    assert failure.version > 1
    with engine.connect() as conn:
        assert len(list_analyses(conn, failure.id)) == 2


def test_a_rule_that_comes_later_answers_a_failure_that_had_none(engine: Engine, writer: Writer, occur: Occur) -> None:
    store(writer, occur())
    [stored] = store(writer, occur(rule="v1"))
    assert stored.own_answer
    assert not stored.new_failure
    assert failure_of(engine, stored).analysis_state == "answered"


def test_an_approved_answer_stays_when_a_newer_rule_speaks(engine: Engine, writer: Writer, occur: Occur) -> None:
    [approved] = store(writer, occur(rule="v1"))
    approve(engine, failure_of(engine, approved))
    [later] = store(writer, occur(rule="v2"))
    assert later.analysis_id == approved.analysis_id
    assert not later.own_answer
    failure = failure_of(engine, later)
    assert (failure.status, failure.producer_version) == ("approved", "v1")
    with engine.connect() as conn:
        assert len(list_analyses(conn, failure.id)) == 2


def test_a_general_rule_displaces_nobody_and_gives_way_to_all_but_a_model_that_does_not_know(
    engine: Engine, writer: Writer, occur: Occur, answered: Callable[..., Answer]
) -> None:
    [general] = store(writer, replace(occur(rule="v1"), is_general=True))
    assert (general.needs_analysis, general.own_answer) == (True, True)
    assert failure_of(engine, general).analysis_state == "queued"
    unknown = {"verdict": "unknown", "cause": None, "confidence": "unknown"}
    with engine.begin() as conn:
        assert not add_analysis(conn, general.failure_id or "", answered("m1", **unknown))
        assert add_analysis(
            conn, general.failure_id or "", answered("m2", produced_by=ByRule(rule="aws.own", version="1"))
        )
    [again] = store(writer, replace(occur(rule="v2"), is_general=True))
    assert not again.own_answer
    assert failure_of(engine, general).producer_name == "aws.own"
    [second] = store(writer, replace(occur(fingerprint="two", rule="v1"), is_general=True))
    with engine.begin() as conn:
        assert add_analysis(conn, second.failure_id or "", answered("m3"))
    store(writer, replace(occur(fingerprint="two", rule="v2"), is_general=True))
    assert failure_of(engine, second).producer == "llm"


def test_a_model_does_not_displace_a_rule_but_a_rule_displaces_a_model(
    engine: Engine, writer: Writer, occur: Occur, answered: Callable[..., Answer]
) -> None:
    [by_model] = store(writer, occur(fingerprint="one"))
    [by_rule] = store(writer, occur(fingerprint="two", rule="v1"))
    with engine.begin() as conn:
        assert add_analysis(conn, by_model.failure_id or "", answered("m1"))
        assert not add_analysis(conn, by_model.failure_id or "", answered("m1-again"))
        assert not add_analysis(conn, by_rule.failure_id or "", answered("m2"))
    store(writer, occur(fingerprint="one", rule="v1"))
    assert failure_of(engine, by_model).producer == "rule"
    assert failure_of(engine, by_rule).producer == "rule"


def test_a_resolved_event_closes_and_a_later_firing_one_reopens(engine: Engine, writer: Writer, occur: Occur) -> None:
    [opened] = store(writer, occur(grouping_key="g", rule="v1"))
    approve(engine, failure_of(engine, opened))
    [closed] = store(writer, occur(grouping_key="g", state="resolved", fingerprint="?", minute=5))
    assert closed.failure_id == opened.failure_id
    failure = failure_of(engine, opened)
    assert failure.resolved_at is not None
    assert (failure.event_count, failure.regressed, failure.status) == (1, False, "approved")
    store(writer, occur(grouping_key="g", minute=4))
    assert failure_of(engine, opened).resolved_at is not None
    store(writer, occur(grouping_key="g", minute=9))
    failure = failure_of(engine, opened)
    assert failure.resolved_at is None
    assert (failure.event_count, failure.regressed, failure.status) == (3, True, "needs_review")
    assert failure.current_analysis_id == opened.analysis_id


def test_a_failure_is_resolved_only_when_its_last_group_is(engine: Engine, writer: Writer, occur: Occur) -> None:
    [stored, _] = store(writer, occur(grouping_key="a"), occur(grouping_key="b"))
    store(writer, occur(grouping_key="a", state="resolved", minute=5))
    assert failure_of(engine, stored).resolved_at is None
    store(writer, occur(grouping_key="b", state="resolved", minute=6))
    assert failure_of(engine, stored).resolved_at is not None


def test_a_group_that_is_one_event_is_closed_and_fires_again(engine: Engine, writer: Writer, occur: Occur) -> None:
    [opened, _] = store(writer, occur("g", grouping_key="g"), occur("h", grouping_key="h"))
    with engine.connect() as conn:
        assert conn.execute(select(func.count()).select_from(openings)).scalar_one() == 0
    store(writer, occur("g:resolved", grouping_key="g", state="resolved", minute=5))
    assert failure_of(engine, opened).resolved_at is None
    store(writer, occur("h:resolved", grouping_key="h", state="resolved", minute=6))
    assert failure_of(engine, opened).resolved_at is not None
    store(writer, occur("g:again", grouping_key="g", minute=9))
    assert failure_of(engine, opened).resolved_at is None


def test_firing_and_resolved_may_arrive_in_one_delivery(engine: Engine, writer: Writer, occur: Occur) -> None:
    [_, stored] = store(writer, occur(grouping_key="a", state="resolved", minute=5), occur(grouping_key="a"))
    assert failure_of(engine, stored).resolved_at is not None


def test_a_resolved_event_that_closes_nothing_is_kept_without_a_failure(
    engine: Engine, writer: Writer, occur: Occur
) -> None:
    [stored] = store(writer, occur("gone", grouping_key="g", state="resolved"))
    assert stored.failure_id is None
    [again] = store(writer, occur("gone", grouping_key="g", state="resolved"))
    assert again.duplicate
    with engine.connect() as conn:
        assert conn.execute(select(func.count()).select_from(failures)).scalar_one() == 0


def test_text_that_databases_refuse_is_stored_in_its_place(engine: Engine, writer: Writer, occur: Occur) -> None:
    odd = "a\x00b\ud800c"
    [stored] = store(writer, occur(odd, text=odd, service_name=odd, attributes={odd: [odd, float("nan"), {1: odd}]}))
    with engine.connect() as conn:
        [event] = list_events(conn, stored.failure_id or "", None, 1).items
    assert len(event.text) == len(odd)
    assert "\x00" not in event.text
    [value] = event.attributes.values()
    assert value[1] is None
    [again] = store(writer, occur(odd))
    assert again.duplicate


@pytest.mark.parametrize("time", [datetime(1, 1, 1, tzinfo=UTC), datetime(9999, 12, 31, 23, tzinfo=WEST)])
def test_a_time_that_cannot_be_is_the_time_of_arrival(
    engine: Engine, writer: Writer, occur: Occur, time: datetime
) -> None:
    occurrence = occur()
    [stored] = store(writer, replace(occurrence, event=replace(occurrence.event, time=time)))
    assert abs(failure_of(engine, stored).first_seen - datetime.now(UTC)) < timedelta(minutes=1)


def test_keys_of_any_length_are_told_apart(writer: Writer, occur: Occur) -> None:
    long = "x" * 10_000
    [one, two, again] = store(writer, occur(long + "1", grouping_key=long), occur(long + "2"), occur(long + "1"))
    assert (one.duplicate, two.duplicate, again.duplicate) == (False, False, True)


@pytest.mark.parametrize("poison", [{"state": "unheard-of"}, {"attributes": {"deep": nested(20_000)}}])
def test_a_delivery_that_cannot_be_stored_fails_alone(engine: Engine, occur: Occur, poison: dict[str, Any]) -> None:
    writer = Writer(engine)
    futures = [writer.submit(group) for group in ([occur()], [occur(), occur(**poison)], [occur(rule="v1")])]
    writer.start()
    assert futures[0].result(20)[0].new_failure
    with pytest.raises(Unstorable):
        futures[1].result(20)
    [stored] = futures[2].result(20)
    assert failure_of(engine, stored).event_count == 2
    writer.stop()


def test_what_cannot_be_parsed_is_kept(engine: Engine, writer: Writer, noon: datetime) -> None:
    kept = [
        UnparsedDelivery("sentry", noon, "no JSON at byte 0", {"user-agent": "x"}, f"<html>{n}\x00") for n in range(3)
    ]
    assert writer.submit([], kept).result(20) == []
    with engine.connect() as conn:
        page = list_unparsed(conn, "sentry", None, 2)
        rest = list_unparsed(conn, None, page.next_cursor, 2)
        found = get_unparsed(conn, kept[0].id)
    assert {one.id for one in page.items + rest.items} == {one.id for one in kept}
    assert found is not None
    assert (found.reason, found.headers) == ("no JSON at byte 0", {"user-agent": "x"})


def test_many_threads_lose_and_double_nothing(engine: Engine, writer: Writer, occur: Occur) -> None:
    def submit_all(number: int) -> None:
        for n in range(50):
            mine = [
                occur(f"{number}-{n}", fingerprint=f"f{n % 7}", rule="v1"),
                occur(f"shared-{n}", fingerprint=f"f{n % 7}"),
            ]
            results[number] += writer.submit(mine).result(60)

    results: list[list[Stored]] = [[] for _ in range(12)]
    threads = [threading.Thread(target=submit_all, args=(number,)) for number in range(12)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    told = [stored for result in results for stored in result]
    assert sum(not stored.duplicate for stored in told) == 12 * 50 + 50
    assert sum(stored.new_failure for stored in told) == 7
    with engine.connect() as conn:
        assert conn.execute(select(func.count()).select_from(events)).scalar_one() == 12 * 50 + 50
        counted = conn.execute(select(func.sum(failures.c.event_count))).scalar_one()
        per_failure = select(events.c.failure_id, func.count()).group_by(events.c.failure_id)
        in_events = dict(conn.execute(per_failure).all())
        assert counted == 12 * 50 + 50
        assert in_events == dict(conn.execute(select(failures.c.id, failures.c.event_count)).all())


def test_an_event_loop_gets_every_result_in_order(writer: Writer, occur: Occur) -> None:
    async def write_all() -> list[list[Stored]]:
        return await asyncio.gather(*(writer.write([occur(f"a{n}"), occur(f"b{n}")]) for n in range(100)))

    results = asyncio.run(write_all())
    assert len({stored.event_id for pair in results for stored in pair}) == 200


def test_a_waiter_that_gives_up_disturbs_nobody(engine: Engine, occur: Occur) -> None:
    writer = Writer(engine)

    async def give_up() -> list[Stored]:
        impatient = asyncio.ensure_future(writer.write([occur("left")]))
        patient = asyncio.ensure_future(writer.write([occur("stayed")]))
        await asyncio.sleep(0)
        impatient.cancel()
        writer.start()
        return await patient

    assert asyncio.run(give_up())[0].event_id
    assert store(writer, occur("left"))[0].duplicate
    writer.stop()


def test_a_full_queue_refuses_and_says_when_to_come_back(engine: Engine, occur: Occur) -> None:
    writer = Writer(engine, queue_limit=10)
    waiting = [writer.submit([occur()]) for _ in range(10)]
    with pytest.raises(Overloaded) as refused:
        writer.submit([occur()])
    assert 1 <= refused.value.retry_after <= 30
    writer.start()
    assert all(future.result(20) for future in waiting)
    assert store(writer, occur())
    writer.stop()


def test_stopping_stores_what_waits_and_refuses_the_rest(engine: Engine, occur: Occur) -> None:
    writer = Writer(engine, batch_limit=2)
    waiting = [writer.submit([occur()]) for _ in range(9)]
    writer.start()
    writer.stop()
    assert all(future.result(0)[0].event_id for future in waiting)
    with pytest.raises(StoreUnavailable, match="shutting down"):
        writer.submit([occur()])


def test_every_transaction_is_told_with_its_size_and_time(engine: Engine, occur: Callable[..., Occurrence]) -> None:
    told: list[tuple[int, float]] = []
    writer = Writer(engine, observe=lambda size, seconds: told.append((size, seconds)))
    writer.start()
    writer.submit([occur(), occur()]).result(20)
    writer.stop()
    [(size, seconds)] = told
    assert (size, seconds > 0) == (2, True)
