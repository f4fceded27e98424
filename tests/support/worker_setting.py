import time
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from messages_api import KEY, MODEL, MessagesApi, answer, serve_messages_api
from sqlalchemy import Engine

from connectors.base import ErrorEvent
from service.llm.anthropic import Anthropic
from service.llm.base import Provider
from service.llm.pricing import Priced
from service.prompt.load import default_folder, load_prompts
from service.store.failures import get_failure
from service.store.occurrence import Occurrence
from service.store.tables import Failure
from service.store.writer import Writer
from service.worker import Worker
from service.worker.models import Models

PROMPTS = load_prompts(default_folder())
QUOTE = "permission denied for table"
GOOD = {
    "verdict": "permission",
    "cause": "missing_grant",
    "system": "postgresql",
    "title": "The role may not read the table",
    "evidence": [{"quote": QUOTE, "field": "cause"}],
    "principal": "ledger_app",
}


@pytest.fixture
def messages_api() -> Iterator[MessagesApi]:
    with serve_messages_api() as api:
        api.default = answer(**GOOD)
        yield api


@pytest.fixture
def provider(messages_api: MessagesApi) -> Anthropic:
    return Anthropic(api_key=KEY, model=MODEL, base_url=messages_api.url)


@pytest.fixture
def store(engine: Engine) -> Iterator[Callable[..., list[str]]]:
    """Store events, one failure per text, and give the failures' ids."""
    writer = Writer(engine)
    writer.start()

    def put(texts: Sequence[str], **fields: Any) -> list[str]:
        stored = writer.submit([occurrence(text, **fields) for text in texts]).result()
        return [one.failure_id for one in stored if one.failure_id]

    yield put
    writer.stop()


def occurrence(text: str, **fields: Any) -> Occurrence:
    event = ErrorEvent(id=f"{text} {time.time_ns()}", text=text, type="error", time=datetime.now(UTC), **fields)
    return Occurrence(
        connection="test", event=event, context={"service": "ledger"}, fingerprint=text, fingerprint_version=1
    )


@pytest.fixture
def start_worker(engine: Engine, database_url: str, tmp_path: Path) -> Iterator[Callable[..., Worker]]:
    """Start workers on the test's database; they are stopped at the end."""
    started: list[Worker] = []

    def start(provider: Provider | None, *others: Provider | Priced, **options: Any) -> Worker:
        settings = {name: options.pop(name) for name in ("limits", "concurrency", "diagnose") if name in options}
        priced = [one if isinstance(one, Priced) else Priced(one) for one in (provider, *others) if one]
        models = Models(priced, **settings) if priced else None
        worker = Worker(engine, tmp_path, database_url, models, PROMPTS, **{"drain_seconds": 0.0, **options})
        worker.start()
        started.append(worker)
        return worker

    yield start
    for worker in started:
        worker.stop()


def eventually(check: Callable[[], Any], seconds: float = 60.0) -> Any:
    """The first true value of `check`, which is made less and less often."""
    deadline = time.monotonic() + seconds
    pause = 0.01
    while not (found := check()):
        assert time.monotonic() < deadline, "it never came to that"
        time.sleep(pause)
        pause = min(pause * 1.3, 0.2)
    return found


def failure_of(engine: Engine, failure_id: str) -> Failure:
    with engine.connect() as conn:
        failure = get_failure(conn, failure_id)
    assert failure is not None
    return failure
