"""What a general rule made of the text is told to the model as a hint, and stands until the model knows better."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from messages_api import MessagesApi, answer
from sqlalchemy import Engine
from worker_setting import QUOTE, eventually, failure_of, occurrence

from service.domain import Answer, ByRule, Cause, Confidence, Verdict
from service.llm.anthropic import Anthropic
from service.store.writer import Writer
from service.worker import Worker

READING = Answer(
    id="reading",
    verdict=Verdict.PERMISSION,
    cause=Cause.ROLE_TOO_LOW,
    system=None,
    title="Somebody may not use orders",
    explanation="The sentence says so.",
    resource="orders",
    confidence=Confidence.LIKELY,
    produced_by=ByRule(rule="general.denied", version="1"),
)


@pytest.fixture
def ask(engine: Engine, start_worker: Callable[..., Worker], provider: Anthropic) -> Callable[[], Any]:
    """Store one failure that only a general rule knows, let a worker ask about it, and give it when that has ended."""

    def do() -> Any:
        one = replace(
            occurrence(f"{QUOTE} orders for ledger_app"),
            answer=lambda i: READING.model_copy(update={"id": i}),
            rule_version="general.denied@1",
            is_general=True,
        )
        writer = Writer(engine)
        writer.start()
        [stored] = writer.submit([one]).result()
        writer.stop()
        assert stored.failure_id
        assert failure_of(engine, stored.failure_id).cause == "role_too_low"
        start_worker(provider).enqueue([stored.failure_id])
        eventually(lambda: failure_of(engine, stored.failure_id or "").analysis_state == "answered")
        return failure_of(engine, stored.failure_id)

    return do


def test_the_reading_is_told_as_a_hint_and_displaced(ask: Callable[[], Any], messages_api: MessagesApi) -> None:
    failure = ask()
    [request] = messages_api.requests
    sent = request["messages"][0]["content"]
    assert '<reading>\n{"cause": "role_too_low", "resource": "orders", "title": "Somebody may not use orders"' in sent
    assert "a hint only" in sent
    assert (failure.producer, failure.cause) == ("llm", "missing_grant")


def test_a_model_that_abstains_leaves_the_reading(ask: Callable[[], Any], messages_api: MessagesApi) -> None:
    messages_api.default = answer()
    failure = ask()
    assert (failure.producer, failure.cause) == ("rule", "role_too_low")
