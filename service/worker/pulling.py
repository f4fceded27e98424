"""Asks sources for what their deliveries lack or lost: by schedule, and for each event that waits for its text.

A row of the database is the job (see `store.pulls` and `store.waiting`): claimed for some minutes, moved on after the
events are committed, found again by any process when its own one dies. The engine of durable jobs is not used for
this, because a pull has no steps to resume: it would write some rows a minute per connection to remember nothing more.
"""

import asyncio
import random
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from functools import partial

import structlog
from sqlalchemy import Connection as DatabaseConnection
from sqlalchemy import Engine
from sqlalchemy.exc import SQLAlchemyError

from connectors.base import Connector, ErrorEvent
from connectors.pull import Puller, PullError, PullGone, PullLater, PullNothing, PullRefused, PullRequest, Settings
from service.keyring import Keyring, WrongKey
from service.pipeline import Accepted, Pipeline
from service.pull_settings import PullSettingsError, interval_of
from service.redact import RedactionFailed
from service.store import pulls, waiting
from service.store.connections import get_connection
from service.store.tables import Pull, WaitingEvent
from service.store.writer import Overloaded, StoreUnavailable, Unstorable
from service.tracing import span
from service.worker.exchange import Proof, Prove, drive

_LEASE = timedelta(minutes=5)
_POLL_SECONDS = 5.0
_AT_ONCE = 4
_MOST_PAGES = 20
_MOST_TRIES = {PullLater: 6, PullGone: 3}
_FIRST_WAIT, _LONGEST_WAIT, _REFUSED_WAIT, _LONGEST_ASKED_WAIT = 10.0, 3_600.0, 1_800.0, 86_400.0
_NOT_STORED = (Overloaded, StoreUnavailable, Unstorable, RedactionFailed)

_log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Source:
    """A connection that can be asked now."""

    name: str
    puller: Puller
    settings: Settings


@dataclass(frozen=True, slots=True)
class Counts:
    """Who hears of what happened: connection and outcome (or events that were accepted), passed over records."""

    pulled: Callable[[str, str], None]
    enriched: Callable[[str, str], None]
    accepted: Callable[[str, list[Accepted]], None]
    passed_over: Callable[[str, int], None]


class Pulling:
    """One per process; `run` until cancelled. Several processes share the work."""

    def __init__(
        self,
        engine: Engine,
        keyring: Keyring,
        connectors: Mapping[str, Connector],
        pipeline: Pipeline,
        counts: Counts,
        prove: Callable[[PullRequest, Settings], Awaitable[Proof]],
        *,
        first_wait: float = _FIRST_WAIT,
    ) -> None:
        self._engine = engine
        self._keyring = keyring
        self._connectors = connectors
        self._pipeline = pipeline
        self._counts = counts
        self._prove = prove
        self._first_wait = first_wait
        self._awake = asyncio.Event()

    def wake(self) -> None:
        """Look at once for what is due. For the event loop that runs this."""
        self._awake.set()

    async def run(self) -> None:
        """Do what is due, then wait for more, for ever. A database that is away is tried again."""
        while True:
            try:
                busy = await self.work()
            except SQLAlchemyError as error:
                _log.warning("pulls wait for the database", error=type(error).__name__)
                busy = False
            if not busy:
                await self._sleep()

    async def _sleep(self) -> None:
        try:
            async with asyncio.timeout(_POLL_SECONDS):
                await self._awake.wait()
        except TimeoutError:
            pass
        self._awake.clear()

    async def work(self) -> bool:
        """Do some of what is due now, a few at once; whether there was anything."""
        jobs = await asyncio.to_thread(self._claim)
        results = await asyncio.gather(*(job() for job in jobs), return_exceptions=True)
        for result in results:
            if isinstance(result, Exception):
                _log.error("a pull broke down and is tried again", exc_info=result)
        return bool(jobs)

    def _claim(self) -> list[Callable[[], Awaitable[None]]]:
        now = datetime.now(UTC)
        with self._engine.connect() as conn:
            events, due = waiting.due_events(conn, now, _AT_ONCE), pulls.due_pulls(conn, now, _AT_ONCE)
        if not events and not due:
            return []
        until = now + _LEASE
        with self._engine.begin() as conn:
            events = [row for row in events if waiting.claim_event(conn, row, until)]
            due = [pull for pull in due if pulls.claim_pull(conn, pull, until)]
        return [*(partial(self._complete, row) for row in events), *(partial(self._pull, pull) for pull in due)]

    def _source(self, name: str) -> Source | None:
        """The connection as it is now; None where it is gone, has no credentials, or they cannot be read."""
        with self._engine.connect() as conn:
            row = get_connection(conn, name)
        connector = self._connectors.get(row.connector) if row else None
        if row is None or connector is None or connector.pulls is None:
            return None
        try:
            settings = pulls.pull_settings(self._keyring, row)
        except WrongKey:
            _log.error("the settings of pulls cannot be read with this key", connection=name)
            return None
        return Source(name, connector.pulls, settings) if settings is not None else None

    async def _pull(self, pull: Pull) -> None:
        with span("pull", {"whydenied.connection": pull.connection}) as noted:
            noted.note({"whydenied.outcome": await self._ask(pull)})

    async def _ask(self, pull: Pull) -> str | None:
        """Ask a source, and say how that ended; None where there was nothing to ask."""
        source = await asyncio.to_thread(self._source, pull.connection)
        every = _interval(source)
        if source is None or not every:
            await self._write(partial(pulls.forget_pull if source is None else pulls.rest, name=pull.connection))
            return None
        try:
            trouble = await self._read_pages(source, pull)
        except PullError as error:
            return await self._fail(source.name, _outcome(error), str(error), self._wait(error, pull.failed, every))
        except _NOT_STORED as error:
            told = f"what was found could not be stored ({type(error).__name__}); it is asked for again"
            return await self._fail(source.name, "unstored", told, self._backoff(pull.failed))
        except Exception as error:
            _log.exception("a pull broke down", connection=source.name)
            told = f"the pull broke down inside whydenied ({type(error).__name__}; its log says more)"
            return await self._fail(source.name, "broken", told, _REFUSED_WAIT)
        else:
            now = datetime.now(UTC)
            next_at = now + timedelta(seconds=every)
            await self._write(partial(pulls.note_success, name=source.name, now=now, next_at=next_at))
            if trouble:
                await self._note(source.name, trouble)
            self._counts.pulled(source.name, "partly" if trouble else "ok")
            return "partly" if trouble else "ok"

    async def _read_pages(self, source: Source, pull: Pull) -> str | None:
        """Store page after page; the cursor follows what is committed, so that nothing is passed over.

        Returns what could not be read, if anything.
        """
        cursor, trouble = pull.cursor, None
        for _ in range(_MOST_PAGES):
            exchange = source.puller.pull(source.settings, cursor, datetime.now(UTC))
            page = await drive(exchange, self._prover(source))
            accepted = await self._pipeline.accept(source.name, page.events) if page.events else []
            new, cursor = sum(not one.duplicate for one in accepted), page.cursor
            until = datetime.now(UTC) + _LEASE
            await self._write(partial(pulls.note_page, name=source.name, cursor=cursor, new_events=new, until=until))
            self._counts.accepted(source.name, accepted)
            self._counts.passed_over(source.name, page.passed_over)
            trouble = page.trouble or trouble
            if not page.more:
                break
        return trouble

    async def _complete(self, row: WaitingEvent) -> None:
        with span("ask for text", {"whydenied.connection": row.connection}):
            await self._store_complete(row)

    async def _store_complete(self, row: WaitingEvent) -> None:
        """Store an event with the text that its source has of it, or without, if that cannot be had."""
        event, source = waiting.event_of(row), await asyncio.to_thread(self._source, row.connection)
        outcome = "without"
        if source is not None:
            try:
                enrich = source.puller.enrich(event, source.settings, datetime.now(UTC))
                event, outcome = await drive(enrich, self._prover(source)), "found"
                await self._note(source.name, None)
            except PullError as error:
                await self._note(source.name, None if isinstance(error, PullNothing) else str(error))
                if row.tries + 1 < _MOST_TRIES.get(type(error), 1):
                    await self._put_off(row, self._wait(error, row.tries, 0))
                    return
                event = _without(event, error)
            except Exception as error:
                _log.exception("a text could not be asked for", connection=row.connection)
                event = _without(event, error)
        try:
            accepted = await self._pipeline.accept(row.connection, [event])
        except _NOT_STORED as error:
            _log.warning("a completed event waits for the database", error=type(error).__name__)
            await self._put_off(row, self._backoff(row.tries))
            return
        await self._write(partial(waiting.let_go, row=row))
        self._counts.accepted(row.connection, accepted)
        self._counts.enriched(row.connection, outcome)

    def _prover(self, source: Source) -> Prove:
        return lambda request: self._prove(request, source.settings)

    def _wait(self, error: PullError, failed: int, every: int) -> float:
        if isinstance(error, PullRefused):
            return _REFUSED_WAIT
        asked = error.seconds if isinstance(error, PullLater) else None
        return max(
            min(asked or 0.0, _LONGEST_ASKED_WAIT),
            self._backoff(failed),
            float(every if isinstance(error, PullGone) else 0),
        )

    def _backoff(self, failed: int) -> float:
        return min(self._first_wait * 2.0 ** min(failed, 10), _LONGEST_WAIT) * random.uniform(1.0, 1.25)  # noqa: S311

    async def _fail(self, name: str, outcome: str, told: str, wait: float) -> str:
        next_at, clean = datetime.now(UTC) + timedelta(seconds=wait), self._pipeline.clean(told)
        await self._write(partial(pulls.note_failure, name=name, error=clean, next_at=next_at))
        self._counts.pulled(name, outcome)
        _log.warning("a pull came to nothing", connection=name, outcome=outcome, reason=clean, seconds=round(wait))
        return outcome

    async def _note(self, name: str, told: str | None) -> None:
        clean = self._pipeline.clean(told) if told else None
        await self._write(partial(pulls.note_trouble, name=name, error=clean))

    async def _put_off(self, row: WaitingEvent, seconds: float) -> None:
        due_at = datetime.now(UTC) + timedelta(seconds=seconds)
        await self._write(partial(waiting.put_off, row=row, due_at=due_at))

    async def _write(self, change: Callable[[DatabaseConnection], None]) -> None:
        await asyncio.to_thread(self._commit, change)

    def _commit(self, change: Callable[[DatabaseConnection], None]) -> None:
        with self._engine.begin() as conn:
            change(conn)


def _interval(source: Source | None) -> int:
    try:
        return interval_of(source.settings, source.puller) if source else 0
    except PullSettingsError:
        return 0


def _outcome(error: PullError) -> str:
    return {PullLater: "later", PullRefused: "refused", PullGone: "gone"}.get(type(error), "failed")


def _without(event: ErrorEvent, error: Exception) -> ErrorEvent:
    """The event as it was delivered, with why there is no more to it."""
    told = str(error) if isinstance(error, PullError) else f"asking for it broke down ({type(error).__name__})"
    return replace(event, attributes={**event.attributes, "pull.error": told[:500]})
