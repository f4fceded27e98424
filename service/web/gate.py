"""What a connection may deliver: events per second, in this process, and per day (UTC), of all processes.

Whether there is room is asked before a body is read and costs no query. What was accepted is paid for afterwards, so
that nobody without a secret can use up a connection's share; a large delivery may overdraw it, and the next ones wait.
Counts of the day are gathered in memory and written once a second, so that no event costs a write. A killed process
takes its last second's counts with it: a quota is a guard, not a bill.
"""

import asyncio
import math
import threading
import time
from collections import Counter
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta

import structlog
from sqlalchemy import Engine
from sqlalchemy.exc import SQLAlchemyError

from service.store.limits import Limits, add_intake, intake_of

log = structlog.get_logger(__name__)

INTERVAL = 1.0
_BURST_SECONDS = 10.0


class Shut(Exception):
    """The connection has no room now. Try again after `retry_after` seconds."""

    def __init__(self, detail: str, retry_after: int) -> None:
        super().__init__(detail)
        self.retry_after = retry_after


class Gate:
    """The room of every connection. Safe from any thread; `clock` gives seconds, `today` the moment in UTC."""

    def __init__(
        self,
        engine: Engine,
        clock: Callable[[], float] = time.monotonic,
        today: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self._engine = engine
        self._clock = clock
        self._today = today
        self._buckets: dict[str, tuple[float, float]] = {}
        self._uncounted: Counter[tuple[date, str]] = Counter()
        self._counted: dict[str, int] = {}
        self._day = today().date()
        self._lock = threading.Lock()

    def check(self, connection: str, limits: Limits) -> None:
        """Raise `Shut` where the connection has used up what it may deliver."""
        if limits.rate and (level := self._level(connection, limits.rate)) < 1:
            wait = math.ceil((1 - level) / limits.rate)
            raise Shut(f"More arrives than the {limits.rate:,} events a second that this connection may send", wait)
        if limits.events_per_day and self._used(connection) >= limits.events_per_day:
            detail = f"This connection has sent the {limits.events_per_day:,} events that it may send in a day (UTC)"
            raise Shut(detail, self._until_midnight())

    def pay(self, connection: str, limits: Limits, events: int) -> None:
        """Count what was accepted."""
        with self._lock:
            self._uncounted[self._today().date(), connection] += events
            if limits.rate:
                self._buckets[connection] = (self._level(connection, limits.rate) - events, self._clock())

    def _level(self, connection: str, rate: int) -> float:
        """How many events it may send at once: up to ten seconds' worth."""
        full = max(1.0, _BURST_SECONDS * rate)
        level, since = self._buckets.get(connection, (full, 0.0))
        return min(full, level + (self._clock() - since) * rate)

    def _used(self, connection: str) -> int:
        day = self._today().date()
        counted = self._counted.get(connection, 0) if day == self._day else 0
        return counted + self._uncounted[day, connection]

    def _until_midnight(self) -> int:
        now = self._today()
        midnight = datetime.combine(now.date() + timedelta(days=1), datetime.min.time(), UTC)
        return math.ceil((midnight - now).total_seconds())

    def count(self) -> None:
        """Write what has gathered, and read what all processes counted today. Blocks. Raises `SQLAlchemyError`."""
        with self._lock:
            taken, day = self._uncounted.copy(), self._today().date()
        with self._engine.begin() as conn:
            for each in sorted({one for one, _ in taken}):
                add_intake(conn, each, {name: events for (one, name), events in taken.items() if one == each})
            counted = intake_of(conn, day)
        with self._lock:
            self._uncounted -= taken
            self._counted, self._day = counted, day

    async def count_for_ever(self) -> None:
        """Count now, every `INTERVAL` seconds, and when cancelled. A database that is away is tried again."""
        try:
            await asyncio.to_thread(self._try_to_count)
            while True:
                await asyncio.sleep(INTERVAL)
                if self._uncounted:
                    await asyncio.to_thread(self._try_to_count)
        finally:
            self._try_to_count()

    def _try_to_count(self) -> None:
        try:
            self.count()
        except SQLAlchemyError as error:
            log.warning("deliveries could not be counted", error=type(error).__name__)
