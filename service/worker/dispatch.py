"""The worker of one process: a thread that takes failures without an answer and misses none."""

import threading
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Protocol

import structlog
from sqlalchemy import Engine

from service.llm.inquiry import Prompts
from service.prompt.model import Prompt
from service.worker.analyst import Analyst
from service.worker.asking import CallRecord
from service.worker.idle import Idle
from service.worker.models import Models

_MOST_WAITING = 10_000
_MOMENT = 1.0
_TOLERANCE = 0.05
_RESTART_WAITS = (1.0, 5.0, 15.0, 30.0)
_LASTING = 60.0  # seconds after which a start counts as one that went well

_log = structlog.get_logger(__name__)


class Shift(Protocol):
    """What a worker does while nothing breaks. Every method is called by the worker's own thread."""

    def open(self) -> None:
        """Get ready. May block for seconds and raise."""

    def sweep(self) -> tuple[list[str], bool]:
        """The failures that want an answer and have no job, and whether to look again in a moment."""

    def can_take(self) -> bool:
        """Whether `take` would begin something now."""

    def take(self, failure_id: str) -> None:
        """Begin what is to be done about one failure."""

    def hold_back(self, failure_ids: Sequence[str], /) -> bool:
        """Say on failures why they have to wait; a later sweep finds them. False: they need not wait."""

    def probe(self) -> None:
        """Try what is out of order again, now. Called by any thread."""

    @property
    def resumes_at(self) -> float | None:
        """When, by `time.monotonic`, to sweep again because calls are held back until then."""

    def close(self, seconds: float) -> None:
        """Let what runs end within that time, then give everything up."""


class Worker:
    """Analyses failures in the background. Everything slow happens in threads of its own.

    `models` None means that no key is configured: failures are marked `unavailable`, with what to set. There can be
    one worker per process. `observe` hears of every call to the model, from any thread. Raises `PromptError` where the
    prompt is missing.
    """

    def __init__(
        self,
        engine: Engine,
        data_dir: Path,
        database_url: str,
        models: Models | None,
        prompts: Mapping[str, Prompt],
        *,
        sweep_seconds: float = 20.0,
        drain_seconds: float = 10.0,
        observe: Callable[[CallRecord], None] = lambda _: None,
    ) -> None:
        self._shift: Shift = Idle(engine)
        if models is not None:
            self._shift = Analyst(engine, data_dir, database_url, models, Prompts.of(prompts), observe, self._wake)
        self._sweep_seconds = sweep_seconds
        self._drain_seconds = drain_seconds
        self._changed = threading.Condition()
        self._waiting: dict[str, None] = {}
        self._next_sweep = 0.0
        self._stopping = False
        self._thread = threading.Thread(target=self._work, name="worker", daemon=True)

    def start(self) -> None:
        """Start in the background; returns at once."""
        self._thread.start()

    def stop(self) -> None:
        """Give running jobs some seconds to end, then leave them to the next worker. Blocks until all is closed."""
        with self._changed:
            self._stopping = True
            self._changed.notify_all()
        if self._thread.ident is not None:
            self._thread.join()

    def enqueue(self, failure_ids: Iterable[str]) -> None:
        """Take failures that need an analysis. Never blocks; what does not fit is found by a later sweep."""
        with self._changed:
            for failure_id in failure_ids:
                if len(self._waiting) < _MOST_WAITING:
                    self._waiting[failure_id] = None
            self._changed.notify_all()

    def ask_again(self, failure_ids: Iterable[str]) -> None:
        """Take queued failures that a person asked for again, and try what is out of order. Never blocks."""
        self._shift.probe()
        self.enqueue(failure_ids)

    def sweep(self) -> None:
        """Look for failures without a job at once, in the background."""
        with self._changed:
            self._next_sweep = 0.0
            self._changed.notify_all()

    def _wake(self) -> None:
        with self._changed:
            self._changed.notify_all()

    def _work(self) -> None:
        failed, wait = 0, 0.0
        while True:
            began = time.monotonic()
            try:
                self._shift.open()
                self._next_sweep = 0.0
                self._serve()
            except Exception:
                failed = 0 if time.monotonic() - began > _LASTING else failed
                wait = _RESTART_WAITS[min(failed, len(_RESTART_WAITS) - 1)]
                failed += 1
                _log.exception("the background worker broke off and starts again", seconds=wait)
            self._close()
            with self._changed:
                if self._changed.wait_for(lambda: self._stopping, wait):
                    return

    def _close(self) -> None:
        try:
            self._shift.close(self._drain_seconds)
        except Exception:
            _log.exception("the background worker could not give everything up")

    def _serve(self) -> None:
        while True:
            with self._changed:
                self._changed.wait_for(self._has_work, max(0.0, self._next_sweep - time.monotonic()))
                if self._stopping:
                    return
                self._next_sweep = min(self._next_sweep, self._shift.resumes_at or self._next_sweep)
            if time.monotonic() >= self._next_sweep:
                self._next_sweep = time.monotonic() + self._sweep_seconds
                failure_ids, is_unsettled = self._shift.sweep()
                if is_unsettled:
                    self._next_sweep = min(self._next_sweep, time.monotonic() + _MOMENT)
                self.enqueue(failure_ids)
            while self._shift.can_take() and not self._holds_back() and (failure_id := self._pop()):
                self._shift.take(failure_id)

    def _has_work(self) -> bool:
        due = time.monotonic() >= self._next_sweep
        is_held = (self._shift.resumes_at or self._next_sweep) < self._next_sweep - _TOLERANCE
        return self._stopping or due or is_held or (bool(self._waiting) and self._shift.can_take())

    def _holds_back(self) -> bool:
        """Whether calls are held back; then the failures that wait here are told so, all at once."""
        if self._shift.resumes_at is None:
            return False
        failure_ids = self._pop_all()
        if not self._shift.hold_back(failure_ids):
            self.enqueue(failure_ids)
            return False
        return True

    def _pop_all(self) -> list[str]:
        with self._changed:
            failure_ids = list(self._waiting)
            self._waiting.clear()
            return failure_ids

    def _pop(self) -> str | None:
        with self._changed:
            failure_id = next(iter(self._waiting), None)
            if failure_id is not None:
                del self._waiting[failure_id]
            return failure_id
