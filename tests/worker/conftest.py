from collections.abc import Callable

import pytest
from sqlalchemy import Engine
from worker_setting import failure_of, messages_api, provider, start_worker, store

from service.store.reviews import review
from service.worker import analyst

__all__ = ["messages_api", "provider", "start_worker", "store"]


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Wait milliseconds between attempts, not seconds."""
    monkeypatch.setattr(analyst, "_FIRST_WAIT", 0.01)


@pytest.fixture
def approve(engine: Engine) -> Callable[[str], None]:
    def do(failure_id: str) -> None:
        failure = failure_of(engine, failure_id)
        with engine.begin() as conn:
            review(conn, failure.current_analysis_id or "", "alice", "approve", expected_version=failure.version)

    return do
