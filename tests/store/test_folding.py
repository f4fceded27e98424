"""A storm of distinct failures becomes one failure, and loses no event."""

from collections.abc import Callable, Iterator

import pytest
from sqlalchemy import Engine, func, select

from service.domain import Verdict
from service.store.analyses import current_answer
from service.store.failures import get_failure
from service.store.folding import FOLD_RULE, folds_since
from service.store.occurrence import Occurrence, Stored
from service.store.tables import events, failures, openings, sightings
from service.store.writer import Writer

Occur = Callable[..., Occurrence]
Store = Callable[..., list[Stored]]
LIMITS = {"sentry": 2}


@pytest.fixture
def store(engine: Engine) -> Iterator[Store]:
    writer = Writer(engine, most_new=lambda connection: LIMITS.get(connection, 0))
    writer.start()
    yield lambda *occurrences: writer.submit(occurrences).result(30)
    writer.stop()


def many(occur: Occur, first: int, last: int, **fields: object) -> list[Occurrence]:
    return [
        occur(f"e{n}", fingerprint=f"f{n:02}", grouping_key=f"g{n}", service_name=f"s{n}", **fields)
        for n in range(first, last)
    ]


def count(engine: Engine, table: object) -> int:
    with engine.connect() as conn:
        return conn.execute(select(func.count()).select_from(table)).scalar_one()


def test_what_is_beyond_the_limit_is_one_failure_with_every_event(engine: Engine, store: Store, occur: Occur) -> None:
    stored = store(*many(occur, 0, 30))
    [folded] = {one.failure_id for one in stored if one.folded}
    assert [one.folded for one in stored] == [False, False] + [True] * 28
    assert not any(one.needs_analysis or one.own_answer for one in stored[2:])
    with engine.connect() as conn:
        failure = get_failure(conn, folded or "")
        answer = current_answer(conn, folded or "")
    assert failure
    assert answer
    assert (failure.event_count, failure.analysis_state, failure.producer_name) == (28, "answered", FOLD_RULE)
    assert answer.verdict is Verdict.OTHER
    assert "More than 2 failures" in answer.explanation
    assert count(engine, failures) == 3
    assert count(engine, events) == 30
    assert count(engine, sightings) == 3
    assert count(engine, openings) == 2


def test_known_failures_and_other_connections_go_on(store: Store, occur: Occur) -> None:
    store(*many(occur, 0, 3))
    [known] = store(occur("again", fingerprint="f00"))
    [other] = store(occur("elsewhere", fingerprint="f77", connection="grafana"))
    assert not known.folded
    assert not other.folded
    assert other.needs_analysis


def test_a_storm_goes_on_over_many_transactions(engine: Engine, store: Store, occur: Occur) -> None:
    for first in range(0, 12, 3):
        store(*many(occur, first, first + 3))
    assert count(engine, failures) == 3
    assert count(engine, events) == 12


def test_a_folded_event_that_comes_again_is_a_duplicate(engine: Engine, store: Store, occur: Occur) -> None:
    first = store(*many(occur, 0, 4))
    again = store(*many(occur, 0, 4))
    assert [one.event_id for one in again] == [one.event_id for one in first]
    assert all(one.duplicate for one in again)
    with engine.connect() as conn:
        assert sum(conn.execute(select(failures.c.event_count)).scalars()) == 4


def test_a_rule_that_knows_a_folded_event_does_not_answer_for_the_storm(store: Store, occur: Occur) -> None:
    stored = store(*many(occur, 0, 4, rule="v1"))
    assert [one.own_answer for one in stored] == [True, True, False, False]


def test_a_storm_is_known_while_it_lasts(engine: Engine, store: Store, occur: Occur) -> None:
    stored = store(*many(occur, 0, 4))
    with engine.connect() as conn:
        last_seen = conn.execute(select(func.max(failures.c.last_seen))).scalar_one()
        assert folds_since(conn, last_seen) == {}
        assert folds_since(conn, last_seen.replace(year=2020)) == {"sentry": stored[-1].failure_id}
