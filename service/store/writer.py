"""The one writer of events in a process: a thread that commits what has gathered while the last commit ran.

A future is done only when its events are on disk. Nothing waits for a timer: an idle writer commits the first
submission at once, a busy one commits many together.
"""

import asyncio
import math
import sqlite3
import threading
import time
from collections import defaultdict, deque
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from dataclasses import dataclass
from itertools import islice

import structlog
from sqlalchemy import Connection, Engine
from sqlalchemy.exc import DataError, DBAPIError, IntegrityError, OperationalError, SQLAlchemyError
from sqlalchemy.exc import TimeoutError as PoolExhausted

from service.store.batch import MostNew, store_batch
from service.store.engine import writing
from service.store.known import Known
from service.store.occurrence import Occurrence, Overloaded, Stored, StoreUnavailable, UnparsedDelivery, Unstorable
from service.store.trouble import in_short

__all__ = ["Occurrence", "Overloaded", "StoreUnavailable", "Stored", "UnparsedDelivery", "Unstorable", "Writer"]

_QUEUE_CHARACTERS = 64_000_000
_BATCH_CHARACTERS = 4_000_000
_LONGEST_RETRY = 30
_STALLED_AFTER = 10.0
_TIMED_OUT = {"57014", "55P03"}  # a statement, a lock: https://www.postgresql.org/docs/current/errcodes-appendix.html

_log = structlog.get_logger(__name__)
_Outcome = list[Stored] | Exception


@dataclass(frozen=True, slots=True, eq=False)
class _Submission:
    """Events that are stored together or not at all, and who waits for them."""

    occurrences: Sequence[Occurrence]
    leftovers: Sequence[UnparsedDelivery]
    characters: int
    waiter: "Future[list[Stored]] | asyncio.Future[list[Stored]]"
    replayed: Sequence[str] = ()

    @property
    def size(self) -> int:
        return len(self.occurrences) + len(self.leftovers)


class Writer:
    """Commits submissions in one thread, many per transaction.

    `queue_limit` is how many events may wait before `Overloaded` is raised, `batch_limit` how many share a transaction.
    `observe` hears how many events each transaction had and its seconds; it is called in the thread and must not raise.
    `most_new` says how many new failures a connection may make per hour, as `store_batch` has it.
    """

    def __init__(
        self,
        engine: Engine,
        *,
        queue_limit: int = 10_000,
        batch_limit: int = 256,
        observe: Callable[[int, float], None] = lambda _size, _seconds: None,
        most_new: MostNew = lambda _: 0,
    ) -> None:
        self._engine = engine
        self._queue_limit = queue_limit
        self._batch_limit = batch_limit
        self._observe = observe
        self._most_new = most_new
        self._known = Known()
        self._queue: deque[_Submission] = deque()
        self._waiting = 0
        self._characters = 0
        self._rate = 1_000.0
        self._changed = threading.Condition()
        self._stopping = False
        self._busy_since: float | None = None
        self._thread: threading.Thread | None = None
        self._connection: Connection | None = None

    @property
    def waiting(self) -> int:
        """How many events wait for their transaction."""
        return self._waiting

    @property
    def is_alive(self) -> bool:
        """Whether the thread runs."""
        return self._thread is not None and self._thread.is_alive()

    @property
    def is_stalled(self) -> bool:
        """Whether the database has had a transaction for ten seconds, so that what comes now would wait long."""
        since = self._busy_since
        return since is not None and time.monotonic() - since > _STALLED_AFTER

    def start(self) -> None:
        """Start the thread. The database need not be there yet."""
        self._thread = threading.Thread(target=self._run, name="store-writer", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Commit what waits, then end the thread; later submissions are refused."""
        with self._changed:
            self._stopping = True
            self._changed.notify()
        if self._thread is not None:
            self._thread.join()

    def submit(
        self, occurrences: Sequence[Occurrence], unparsed: Sequence[UnparsedDelivery] = ()
    ) -> Future[list[Stored]]:
        """Hand over events that belong together; the future gives one `Stored` per occurrence after the commit.

        Raises `Overloaded` or `StoreUnavailable` at once; the future fails with `StoreUnavailable` or `Unstorable`.
        """
        future: Future[list[Stored]] = Future()
        self._enqueue(occurrences, unparsed, future)
        return future

    async def write(
        self,
        occurrences: Sequence[Occurrence],
        unparsed: Sequence[UnparsedDelivery] = (),
        *,
        replayed: Sequence[str] = (),
    ) -> list[Stored]:
        """`submit` for an event loop, which is woken once per transaction and not once per submission.

        The unparsed deliveries with the ids `replayed` are deleted in the same transaction.
        """
        future: asyncio.Future[list[Stored]] = asyncio.get_running_loop().create_future()
        self._enqueue(occurrences, unparsed, future, replayed)
        return await future

    def _enqueue(
        self,
        occurrences: Sequence[Occurrence],
        leftovers: Sequence[UnparsedDelivery],
        waiter: "Future[list[Stored]] | asyncio.Future[list[Stored]]",
        replayed: Sequence[str] = (),
    ) -> None:
        characters = sum(len(one.event.text) + len(one.event.stacktrace or "") for one in occurrences)
        characters += sum(len(one.body) for one in leftovers)
        submission = _Submission(occurrences, leftovers, characters, waiter, replayed)
        with self._changed:
            if self._stopping:
                raise StoreUnavailable("the service is shutting down")
            if self.is_stalled:
                raise StoreUnavailable("the database has had one transaction for more than ten seconds")
            if self._waiting >= self._queue_limit or self._characters >= _QUEUE_CHARACTERS:
                raise Overloaded(min(_LONGEST_RETRY, math.ceil(self._waiting / self._rate) or 1))
            self._queue.append(submission)
            self._waiting += submission.size
            self._characters += submission.characters
            self._changed.notify()

    def _run(self) -> None:
        while submissions := self._next_batch():
            self._busy_since = started = time.monotonic()
            settled = self._commit(submissions)
            self._busy_since = None
            _settle(submissions, settled)
            taken = sum(submission.size for submission in submissions)
            seconds = max(time.monotonic() - started, 1e-4)
            self._rate = 0.8 * self._rate + 0.2 * taken / seconds
            self._observe(taken, seconds)
        self._disconnect()

    def _next_batch(self) -> list[_Submission]:
        """What has gathered, up to the limits; waits for the first. Empty when the writer is stopped and drained."""
        with self._changed:
            self._changed.wait_for(lambda: self._queue or self._stopping)
            batch: list[_Submission] = []
            size = characters = 0
            while self._queue and (not batch or (size < self._batch_limit and characters < _BATCH_CHARACTERS)):
                batch.append(self._queue.popleft())
                size += batch[-1].size
                characters += batch[-1].characters
            self._waiting -= size
            self._characters -= characters
            return batch

    def _commit(self, submissions: Sequence[_Submission]) -> list[_Outcome]:
        """Commit all in one transaction; where that fails for a reason that may lie in one of them, each in its own."""
        outcome = self._attempt(submissions)
        if not isinstance(outcome, Unstorable) or len(submissions) == 1:
            return outcome if isinstance(outcome, list) else [outcome] * len(submissions)
        outcomes: list[_Outcome] = []
        for submission in submissions:
            if outcomes and isinstance(outcomes[-1], StoreUnavailable):
                outcomes.append(outcomes[-1])
            else:
                outcomes += self._commit([submission])
        return outcomes

    def _attempt(self, submissions: Sequence[_Submission]) -> list[_Outcome] | StoreUnavailable | Unstorable:
        """One transaction, tried twice where a fresh connection or a fresh look may help.

        That is safe even when the first commit arrived and only its confirmation was lost: events that are there
        already are duplicates.
        """
        for may_retry in (True, False):
            try:
                return self._transact(submissions)
            except Exception as error:
                self._disconnect()
                self._known.forget()
                if not (may_retry and _may_pass(error)):
                    return _explain(error)
        raise AssertionError("the second attempt returns")

    def _transact(self, submissions: Sequence[_Submission]) -> list[_Outcome]:
        if self._connection is None:
            self._connection = writing(self._engine.connect())
        occurrences = [one for submission in submissions for one in submission.occurrences]
        leftovers = [one for submission in submissions for one in submission.leftovers]
        replayed = [one for submission in submissions for one in submission.replayed]
        with self._connection.begin():
            stored, learned = store_batch(
                self._connection, occurrences, leftovers, self._known, replayed, self._most_new
            )
        self._known.learn(learned)
        results = iter(stored)
        return [list(islice(results, len(submission.occurrences))) for submission in submissions]

    def _disconnect(self) -> None:
        conn, self._connection = self._connection, None
        if conn is not None:
            try:
                conn.invalidate()
                conn.close()
            except SQLAlchemyError as error:
                _log.warning("a broken database connection could not be closed", error=in_short(error))


def _may_pass(error: Exception) -> bool:
    """True for a lost connection, a deadlock, or a row that another process deleted under our feet."""
    if isinstance(error, IntegrityError):
        return True
    if not isinstance(error, OperationalError) or isinstance(error.orig, sqlite3.Error):
        return False
    return getattr(error.orig, "sqlstate", None) not in _TIMED_OUT


def _explain(error: Exception) -> StoreUnavailable | Unstorable:
    if isinstance(error, DBAPIError) and not isinstance(error, IntegrityError | DataError):
        _log.error("the database does not take events", error=str(error.orig))
        return StoreUnavailable(f"the database does not take events: {error.orig}")
    if isinstance(error, PoolExhausted):
        return StoreUnavailable("no database connection became free")
    _log.error("events cannot be stored", error=in_short(error))
    return Unstorable(f"these events cannot be stored: {type(error).__name__}")


def _settle(submissions: Sequence[_Submission], outcomes: Sequence[_Outcome]) -> None:
    loops: dict[asyncio.AbstractEventLoop, list[tuple[asyncio.Future[list[Stored]], _Outcome]]] = defaultdict(list)
    for submission, outcome in zip(submissions, outcomes, strict=True):
        waiter = submission.waiter
        if isinstance(waiter, asyncio.Future):
            loops[waiter.get_loop()].append((waiter, outcome))
        elif waiter.set_running_or_notify_cancel():
            _finish(waiter, outcome)
    for loop, pairs in loops.items():
        try:
            loop.call_soon_threadsafe(_finish_all, pairs)
        except RuntimeError:
            _log.warning("events were stored for an event loop that has ended", submissions=len(pairs))


def _finish_all(pairs: Sequence[tuple[asyncio.Future[list[Stored]], _Outcome]]) -> None:
    for future, outcome in pairs:
        if not future.done():
            _finish(future, outcome)


def _finish(future: Future[list[Stored]] | asyncio.Future[list[Stored]], outcome: _Outcome) -> None:
    if isinstance(outcome, list):
        future.set_result(outcome)
    else:
        future.set_exception(type(outcome)(*outcome.args))
