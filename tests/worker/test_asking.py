"""Several providers, budgets and limits, through a real worker and servers as strict as the providers."""

from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any

import chat_api
import pytest
from messages_api import KEY, MODEL, MessagesApi, Reply, answer, message, refuse
from otlp_receiver import facts, recording
from sqlalchemy import Engine, select
from worker_setting import GOOD, QUOTE, eventually, failure_of

from service.llm.anthropic import Anthropic
from service.llm.openai import OpenAI
from service.llm.pricing import Price, Priced
from service.llm.xai import XAI
from service.match.matcher import Matcher
from service.redact import Redactor
from service.rules.load import load_packs
from service.store.analyses import current_answer
from service.store.spending import NewCall, list_totals, mark_lost, open_call, spent_since
from service.store.tables import model_calls
from service.worker import Worker, asking
from service.worker.budget import Limits
from service.worker.diagnosis import diagnose

on_sqlite = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
Put = Callable[..., list[str]]
Start = Callable[..., Worker]


@pytest.fixture
def chat() -> Iterator[MessagesApi]:
    with chat_api.serve_chat_api() as api:
        api.default = chat_api.answer(**GOOD)
        yield api


@pytest.fixture
def second(chat: MessagesApi) -> OpenAI:
    return OpenAI(api_key=chat_api.KEY, base_url=chat.url)


def wait_for(engine: Engine, failure_id: str, state: str) -> Any:
    eventually(lambda: failure_of(engine, failure_id).analysis_state == state)
    return failure_of(engine, failure_id)


def calls(engine: Engine) -> list[Any]:
    with engine.connect() as conn:
        return list(conn.execute(select(model_calls).order_by(model_calls.c.id)))


def model_of(engine: Engine, failure_id: str) -> str:
    with engine.connect() as conn:
        stored = current_answer(conn, failure_id)
    assert stored
    return str(getattr(stored.produced_by, "model", None))


TROUBLE = {
    "outage": refuse(500, "api_error", "Internal server error"),
    "limit": refuse(429, "rate_limit_error", "Slow down", {"retry-after": "60"}),
    "refused key": refuse(401, "authentication_error", "invalid x-api-key"),
    "declined": message("", "refusal"),
    "out of form": message("no json"),
}


@on_sqlite
@pytest.mark.parametrize("trouble", list(TROUBLE.values()), ids=list(TROUBLE))
def test_the_next_provider_answers_where_the_first_one_does_not(
    engine: Engine,
    store: Put,
    start_worker: Start,
    provider: Anthropic,
    second: OpenAI,
    messages_api: MessagesApi,
    trouble: Reply,
) -> None:
    messages_api.default = trouble
    [failure_id] = store([f"{QUOTE} orders"])
    start_worker(provider, second)
    wait_for(engine, failure_id, "answered")
    assert model_of(engine, failure_id) == "gpt-6-sol"
    assert [(call.provider, call.outcome) for call in calls(engine)] == [
        ("anthropic", "failed"),
        ("openai", "answered"),
    ]


@on_sqlite
def test_a_provider_that_rests_is_not_called_again(
    engine: Engine,
    store: Put,
    start_worker: Start,
    provider: Anthropic,
    second: OpenAI,
    messages_api: MessagesApi,
    chat: MessagesApi,
) -> None:
    messages_api.default = TROUBLE["refused key"]
    failure_ids = store([f"{QUOTE} {word}" for word in ("orders", "refunds", "carts", "users")])
    start_worker(provider, second, concurrency=1).enqueue(failure_ids)
    for failure_id in failure_ids:
        wait_for(engine, failure_id, "answered")
    assert (len(messages_api.requests), len(chat.requests)) == (1, 4)


def test_every_call_is_kept_with_its_tokens_and_cost(
    engine: Engine, store: Put, start_worker: Start, provider: Anthropic, messages_api: MessagesApi
) -> None:
    messages_api.script = [answer(**GOOD | {"missing_permissions": ["s3:*"]})]
    [failure_id] = store([f"{QUOTE} orders"])
    start_worker(provider)
    wait_for(engine, failure_id, "answered")
    kept = calls(engine)
    assert [(call.failure_id, call.model, call.outcome) for call in kept] == [(failure_id, MODEL, "answered")] * 2
    assert [(call.input_tokens, call.output_tokens, call.cost) for call in kept] == [(1200, 300, 0.0054)] * 2
    with engine.connect() as conn:
        [total] = list_totals(conn)
    assert (total.calls, total.failed, total.input_tokens, round(total.cost, 4)) == (2, 0, 2400, 0.0108)


def test_a_spent_budget_is_told_and_work_goes_on_in_the_next_period(
    engine: Engine, store: Put, start_worker: Start, provider: Anthropic, messages_api: MessagesApi
) -> None:
    spent(engine, 4.99)
    failure_ids = store([f"{QUOTE} {word}" for word in ("orders", "refunds")])
    worker = start_worker(provider, limits=Limits(day=5.0))
    for failure_id in failure_ids:
        eventually(lambda one=failure_id: "$4.99 of $5.00 this day" in (failure_of(engine, one).analysis_note or ""))
        assert failure_of(engine, failure_id).analysis_state == "queued"
    [late] = store([f"{QUOTE} carts"])
    worker.enqueue([late])
    eventually(lambda: "It goes on by itself on" in (failure_of(engine, late).analysis_note or ""))
    worker.stop()
    assert messages_api.requests == []
    with engine.begin() as conn:
        conn.execute(model_calls.update().values(started_at=datetime.now(UTC) - timedelta(days=40)))
    start_worker(provider, limits=Limits(day=5.0))
    for failure_id in [*failure_ids, late]:
        wait_for(engine, failure_id, "answered")


@on_sqlite
def test_a_model_that_costs_nothing_takes_over_when_the_budget_is_spent(
    engine: Engine,
    store: Put,
    start_worker: Start,
    provider: Anthropic,
    chat: MessagesApi,
    messages_api: MessagesApi,
) -> None:
    spent(engine, 4.99)
    free = Priced(OpenAI(api_key=chat_api.KEY, base_url=chat.url, model="gpt-of-the-house"), Price(0, 0, 0, 0))
    failure_ids = store([f"{QUOTE} {word}" for word in ("orders", "refunds")])
    start_worker(provider, free, limits=Limits(day=5.0))
    for failure_id in failure_ids:
        wait_for(engine, failure_id, "answered")
    assert (len(messages_api.requests), len(chat.requests)) == (0, 2)


def test_calls_in_flight_do_not_spend_the_same_rest_of_a_budget(
    engine: Engine, store: Put, start_worker: Start, provider: Anthropic, messages_api: MessagesApi
) -> None:
    messages_api.open.clear()
    failure_ids = store([f"{QUOTE} {word}" for word in ("orders", "refunds", "carts", "users")])
    start_worker(provider, limits=Limits(day=0.25), concurrency=4).enqueue(failure_ids)
    messages_api.wait_for_requests(2)
    eventually(lambda: sum("budget" in (failure_of(engine, one).analysis_note or "") for one in failure_ids) >= 1)
    with engine.connect() as conn:
        assert spent_since(conn, datetime.now(UTC) - timedelta(days=1)) <= 0.25
    messages_api.open.set()


@on_sqlite
def test_a_limit_per_minute_holds_calls_back_and_lets_them_go(
    engine: Engine,
    store: Put,
    start_worker: Start,
    provider: Anthropic,
    messages_api: MessagesApi,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(asking, "_MINUTE", timedelta(seconds=1))
    monkeypatch.setattr("service.worker.budget._MINUTE", timedelta(seconds=1))
    failure_ids = store([f"{QUOTE} {word}" for word in ("orders", "refunds", "carts", "users", "bills")])
    start_worker(provider, limits=Limits(per_minute=2)).enqueue(failure_ids)
    eventually(lambda: any("2 calls a minute" in (failure_of(engine, one).analysis_note or "") for one in failure_ids))
    for failure_id in failure_ids:
        wait_for(engine, failure_id, "answered")
    starts = [call.started_at for call in calls(engine)]
    assert all(later - earlier >= timedelta(seconds=0.9) for earlier, later in zip(starts, starts[2:], strict=False))
    assert len(messages_api.requests) == 5


@on_sqlite
def test_its_own_rules_say_why_its_own_key_is_refused(
    engine: Engine, store: Put, start_worker: Start, chat: MessagesApi
) -> None:
    rules = Path(__file__).parents[2] / "rules"
    why = partial(diagnose, Matcher(load_packs(rules)), Redactor(b"k" * 32))
    chat.default = chat_api.refuse_flat(
        403,
        "permission-denied",
        "Access to the chat endpoint is denied. Please ensure you're using the correct credentials.",
    )
    [failure_id] = store([f"{QUOTE} orders"])
    start_worker(XAI(api_key=chat_api.KEY, base_url=chat.url), diagnose=why)
    note = wait_for(engine, failure_id, "unavailable").analysis_note
    assert "whydenied's own key may not use grok-4.7" in note
    assert "Its own rules say why: The xAI key may not call the chat endpoint." in note


@on_sqlite
def test_a_timed_out_call_counts_for_as_much_as_it_may_have_cost(
    engine: Engine, store: Put, start_worker: Start, messages_api: MessagesApi
) -> None:
    messages_api.script = [Reply(hang=True)]
    [failure_id] = store([f"{QUOTE} orders"])
    start_worker(Anthropic(api_key=KEY, model=MODEL, base_url=messages_api.url, timeout=0.3))
    eventually(lambda: "no answer within" in (failure_of(engine, failure_id).analysis_note or ""))
    [call] = calls(engine)
    assert call.outcome == "failed"
    assert call.cost > 0.08


def test_the_call_of_a_dead_worker_stays_in_the_books(engine: Engine) -> None:
    spent(engine, 0.09, outcome="running")
    now = datetime.now(UTC)
    with engine.begin() as conn:
        assert mark_lost(conn, now - timedelta(minutes=15)) == 0
        assert mark_lost(conn, now + timedelta(minutes=1)) == 1
    [call] = calls(engine)
    assert (call.outcome, call.cost) == ("lost", 0.09)


@on_sqlite
def test_a_failure_that_recurs_after_an_approved_answer_costs_nothing(
    engine: Engine, store: Put, start_worker: Start, provider: Anthropic, messages_api: MessagesApi, approve: Any
) -> None:
    [failure_id] = store([f"{QUOTE} orders"])
    worker = start_worker(provider)
    wait_for(engine, failure_id, "answered")
    approve(failure_id)
    for _ in range(20):
        worker.enqueue(store([f"{QUOTE} orders"]))
    worker.sweep()
    [other] = store([f"{QUOTE} refunds"])
    worker.enqueue([other])
    wait_for(engine, other, "answered")
    assert failure_of(engine, failure_id).event_count == 21
    assert len(messages_api.requests) == 2


def spent(engine: Engine, cost: float, outcome: str = "answered") -> None:
    call = NewCall("0", "anthropic", MODEL, "root_cause", "1", cost)
    with engine.begin() as conn:
        call_id = open_call(conn, call, datetime.now(UTC))
        conn.execute(model_calls.update().where(model_calls.c.id == call_id).values(outcome=outcome))


@on_sqlite
def test_an_analysis_and_its_call_are_spans_without_what_was_said(
    engine: Engine, store: Put, start_worker: Start, provider: Anthropic, monkeypatch: pytest.MonkeyPatch
) -> None:
    with recording(monkeypatch) as traces:
        [failure_id] = store([QUOTE])
        worker = start_worker(provider, drain_seconds=60.0)
        wait_for(engine, failure_id, "answered")
        worker.stop()
        spans = {span.name: span for span in traces.stop()}
    assert facts(spans["chat"])["whydenied.failure_id"] == failure_id
    assert facts(spans["chat"])["gen_ai.usage.output_tokens"]
    assert spans["chat"].parent_span_id == spans["analyse"].span_id
    assert QUOTE.encode() not in traces.raw
