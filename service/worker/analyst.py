"""What the worker does while a model is configured: one durable job per failure, some at a time.

A job is one attempt, named `<failure>:<prompt>@<version>:<attempt>`; the job tables take a name once. An attempt that
has to be repeated ends by leaving the next one for later, so that no thread ever sleeps.
"""

import random
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime, timedelta
from itertools import islice
from pathlib import Path
from typing import Any

import stamina
import structlog
from sqlalchemy import Engine
from sqlalchemy.exc import SQLAlchemyError

from service.llm.inquiry import Prompts
from service.store.spending import mark_lost
from service.tracing import span
from service.worker.analysis import Analysis
from service.worker.asking import Asking, CallRecord
from service.worker.calls import Calls
from service.worker.durable import Durable
from service.worker.ledger import find_open, hold_queued, set_states
from service.worker.models import Models
from service.worker.seat import Seat, number_of, open_seats, take_free_seat

_PAGE, _MOST_FOUND = 500, 10_000
_MOST_TRIES, _MOST_BILLED_TRIES, _MOST_BROKEN = 12, 3, 5
_FIRST_WAIT, _LONGEST_WAIT, _LONGEST_ASKED_WAIT = 5.0, 30 * 60.0, 60 * 60.0
_KEPT_DAYS = 30
_LOST_AFTER = timedelta(minutes=15)
_RECORD_ATTEMPTS = 5
_BROKE = "The analysis broke down inside whydenied; its log says how. Ask again, or look at the event yourself."

_log = structlog.get_logger(__name__)


class Analyst:
    """See `dispatch.Shift`. `wake` tells the worker's thread that a job ended."""

    def __init__(
        self,
        engine: Engine,
        data_dir: Path,
        database_url: str,
        models: Models,
        prompts: Prompts,
        observe: Callable[[CallRecord], None],
        wake: Callable[[], None],
    ) -> None:
        self._engine = engine
        self._seats = open_seats(engine, data_dir)
        self._seat: Seat | None = None
        self._models = models
        self._wake = wake
        self._calls = Calls([priced.provider for priced in models.providers], models.concurrency)
        self._asking = Asking(engine, self._calls, models.providers, models.limits, models.diagnose, observe)
        self._analysis = Analysis(engine, self._asking, prompts)
        self._durable = Durable(database_url, data_dir, self._run)
        self._prefix = f":{prompts.first.head.name}@{prompts.first.head.version}:"
        self._running: set[str] = set()
        self._unsettled = False
        self._changed = threading.Condition()

    def open(self) -> None:
        """Take a seat and open the job tables, which resumes what an earlier holder of the seat left."""
        self._seat = take_free_seat(self._seats)
        self._calls.start()
        self._durable.start(self._seat.name, self._models.concurrency)
        _log.info(
            "worker ready", seat=self._seat.name, models=[priced.provider.model for priced in self._models.providers]
        )

    def close(self, seconds: float) -> None:
        """Wait for running jobs, then interrupt them; the next worker resumes those."""
        with self._changed:
            self._changed.wait_for(lambda: not self._running, seconds)
        self._calls.stop()
        self._durable.stop()
        if self._seat is not None:
            self._seat.release()
            self._seat = None

    def can_take(self) -> bool:
        """Whether a slot is free."""
        return len(self._running) < self._models.concurrency

    @property
    def resumes_at(self) -> float | None:
        """See `dispatch.Shift`."""
        hold = self._asking.hold
        return time.monotonic() + max(0.0, (hold.until - datetime.now(UTC)).total_seconds()) if hold else None

    def take(self, failure_id: str) -> None:
        """Begin a job, unless one is active."""
        if not self._begin(failure_id, 0) and (attempt := self._next_attempt(failure_id)):
            self._begin(failure_id, attempt)

    def hold_back(self, failure_ids: Sequence[str]) -> bool:
        """See `dispatch.Shift`."""
        hold = self._asking.hold
        if hold and failure_ids:
            with self._engine.begin() as conn:
                set_states(conn, failure_ids, hold.state, hold.reason)
        return hold is not None

    def probe(self) -> None:
        """See `dispatch.Shift`."""
        self._asking.probe()

    def _begin(self, failure_id: str, attempt: int) -> bool:
        job_id = f"{failure_id}{self._prefix}{attempt}"
        self._enter(job_id)
        begun = False
        try:
            begun = self._durable.begin(job_id, failure_id)
        finally:
            if not begun:
                self._leave(job_id)
        return begun

    def _next_attempt(self, failure_id: str) -> int | None:
        """The number after those that are recorded, or None where one is active or too many broke."""
        jobs = self._durable.jobs_under(failure_id + self._prefix)
        if any(job.is_active for job in jobs):
            return None
        if sum(job.is_broken for job in jobs) >= _MOST_BROKEN:
            self._mark(failure_id, "failed", _BROKE)
            return None
        return max((_attempt_of(job.id) for job in jobs), default=0) + 1

    def sweep(self) -> tuple[list[str], bool]:
        """Resume what dead workers left, and find the failures without a job."""
        assert self._seat is not None
        if not self._seat.is_held():
            raise RuntimeError(f"{self._seat.name} was lost with its database session")
        self._resume_lapsed(self._seat.name)
        self._durable.forget_finished(_KEPT_DAYS)
        with self._engine.begin() as conn:
            mark_lost(conn, datetime.now(UTC) - _LOST_AFTER)
        if hold := self._asking.hold:
            with self._engine.begin() as conn:
                hold_queued(conn, hold.state, hold.reason)
            return [], False
        self._unsettled = False
        return list(islice(self._find_jobless(), _MOST_FOUND)), self._unsettled

    def _resume_lapsed(self, own: str) -> None:
        for name, job_ids in self._durable.running_elsewhere(own).items():
            number = number_of(name)
            seat = self._seats.take(number) if number is not None else None
            if seat is None:
                continue
            try:
                self._durable.resume(job_ids)
                _log.warning("resumed what a dead worker left", seat=name, jobs=len(job_ids))
            finally:
                seat.release()

    def _find_jobless(self) -> Iterator[str]:
        active = {job.id.partition(":")[0]: job for job in self._durable.active_jobs()}
        after = ""
        while True:
            with self._engine.connect() as conn:
                page = find_open(conn, after, _PAGE)
            for failure_id, state in page:
                if failure_id not in active:
                    yield failure_id
                elif state == "queued" and active[failure_id].is_running:
                    # That is so for a moment only: at the start of a job, or when its failure is asked for again.
                    self._unsettled = True
            if len(page) < _PAGE:
                return
            after = page[-1][0]

    def _mark(self, failure_id: str, state: str, note: str) -> None:
        with self._engine.begin() as conn:
            set_states(conn, [failure_id], state, note)

    def _enter(self, job_id: str) -> None:
        with self._changed:
            self._running.add(job_id)

    def _leave(self, job_id: str) -> None:
        with self._changed:
            self._running.discard(job_id)
            self._changed.notify_all()
        self._wake()

    def _run(self, failure_id: str, tries: int) -> str:
        """The job, in a thread of the job tables: `tries` attempts came before."""
        job_id = self._durable.current_job
        self._enter(job_id)
        try:
            with span("analyse", {"whydenied.failure_id": failure_id, "whydenied.tries": tries}):
                return self._answer(failure_id, job_id, tries)
        except Exception as error:
            _log.exception("a job broke down", failure=failure_id)
            trouble = f"The analysis broke down inside whydenied ({type(error).__name__}; its log says more)"
            return self._put_off(failure_id, job_id, tries, {"message": trouble, "permanent": False, "billed": True})
        finally:
            self._leave(job_id)

    def _answer(self, failure_id: str, job_id: str, tries: int) -> str:
        """Only the call, which is paid for, is a recorded step. What follows from it may be done twice."""
        refused: dict[str, Any] | None = None
        for final in (False, True):
            asked = self._durable.step(self._analysis.ask, failure_id, refused)
            if "gone" in asked:
                return "gone"
            if held := asked.get("held"):
                self._analysis.settle(failure_id, held["state"], held["reason"])
                return "held"
            if "error" in asked:
                return self._put_off(failure_id, job_id, tries, asked["error"])
            findings = self._record(failure_id, asked, final)
            if not findings:
                break
            refused = {**asked, "findings": findings}
        return "answered"

    def _record(self, failure_id: str, asked: dict[str, Any], final: bool) -> list[str]:
        """See `Analysis.record`; a database in trouble is tried again for some seconds: the answer is paid for."""
        for attempt in stamina.retry_context(
            SQLAlchemyError, attempts=_RECORD_ATTEMPTS, wait_initial=1.0, timeout=None
        ):
            with attempt:
                return self._analysis.record(failure_id, asked, final)
        raise AssertionError("unreachable")

    def _put_off(self, failure_id: str, job_id: str, tries: int, error: dict[str, Any]) -> str:
        state, note, wait = decide(error, tries)
        self._analysis.settle(failure_id, state, note)
        if wait is not None:
            later = f"{failure_id}{self._prefix}{_attempt_of(job_id) + 1}"
            self._durable.begin_later(later, failure_id, tries + 1, wait)
        return state


def decide(error: dict[str, Any], tries: int) -> tuple[str, str, float | None]:
    """After an error: the state, the note for people, and in how many seconds to try again, if at all."""
    if error.get("account"):
        return "unavailable", error["message"], None
    most = _MOST_BILLED_TRIES if error.get("billed") else _MOST_TRIES
    if error["permanent"] or tries + 1 >= most:
        given_up = "" if error["permanent"] else f" Given up after {tries + 1} tries."
        return "failed", f"{error['message']}.{given_up}".replace("..", "."), None
    asked = error.get("retry_after")
    backoff = min(_FIRST_WAIT * 2**tries, _LONGEST_WAIT)
    wait = max(min(asked or 0.0, _LONGEST_ASKED_WAIT), backoff if asked is None else 0.0)
    wait *= random.uniform(1.0, 1.25)  # noqa: S311  spreads retries, hides nothing
    return "queued", f"{error['message']}. Trying again in about {wait:.0f} s.", wait


def _attempt_of(job_id: str) -> int:
    return int(job_id.rpartition(":")[2])
