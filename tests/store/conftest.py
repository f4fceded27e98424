"""Occurrences to store, answers for them, and a running writer."""

from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from itertools import count
from typing import Any

import pytest
from sqlalchemy import Engine

from connectors.base import ErrorEvent
from service.domain import Answer, ByLLM, ByRule
from service.store.occurrence import Occurrence
from service.store.writer import Writer

NOON = datetime(2026, 11, 21, 12, tzinfo=UTC)
_NUMBERS = count(1)


@pytest.fixture
def noon() -> datetime:
    """A moment in the past; `occur(minute=5)` happens five minutes after it."""
    return NOON


@pytest.fixture
def occur() -> Callable[..., Occurrence]:
    """Make an occurrence: of a new event without `event_id`, answered by the rule `aws.test` of version `rule`."""

    def make(
        event_id: str | None = None,
        *,
        fingerprint: str = "one",
        connection: str = "sentry",
        minute: float = 0,
        rule: str | None = None,
        render: Callable[[str], Answer] | None = None,
        **fields: Any,
    ) -> Occurrence:
        facts: dict[str, Any] = {"text": "Access denied\nfor bob", "type": "error", **fields}
        event = ErrorEvent(id=event_id or f"event-{next(_NUMBERS)}", time=NOON + timedelta(minutes=minute), **facts)
        return Occurrence(
            connection=connection,
            event=event,
            context={"http_status": 403},
            fingerprint=fingerprint,
            fingerprint_version=1,
            answer=(render or by_rule(rule)) if rule else None,
            rule_version=f"aws.test@{rule}" if rule else None,
        )

    return make


@pytest.fixture
def answered() -> Callable[..., Answer]:
    """Make an answer: by a model, unless `produced_by` is given."""
    return _answer


@pytest.fixture
def writer(engine: Engine) -> Iterator[Writer]:
    """A running writer on a fresh database."""
    running = Writer(engine)
    running.start()
    yield running
    running.stop()


def by_rule(version: str) -> Callable[[str], Answer]:
    """What the rule `aws.test` of this version answers."""
    return lambda analysis_id: _answer(analysis_id, produced_by=ByRule(rule="aws.test", version=version))


def _answer(analysis_id: str, **fields: Any) -> Answer:
    model = ByLLM(
        prompt="root_cause",
        prompt_version="p1",
        provider="anthropic",
        model="m",
        input_tokens=1,
        output_tokens=1,
        cost=None,
        latency=0.1,
    )
    facts: dict[str, Any] = {
        "verdict": "permission",
        "cause": "missing_grant",
        "system": "aws.s3",
        "title": "Bob may not read",
        "explanation": "No policy allows it.",
        "principal": "bob",
        "action": "s3:GetObject",
        "resource": "bucket",
        "confidence": "likely",
        "produced_by": model,
    }
    return Answer(id=analysis_id, **{**facts, **fields})
