"""What connections refuse, gathered in memory and written now and then, so that a refusal costs no query.

A flood of refusals makes one transaction a second and connection, whatever its length.
"""

import asyncio
import threading
from datetime import UTC, datetime

import structlog
from sqlalchemy import Engine
from sqlalchemy.exc import SQLAlchemyError

from service.store.refusals import KEPT, RefusalKind, Tally, note_refusals

log = structlog.get_logger(__name__)

INTERVAL = 1.0
_LONGEST_DETAIL, _LONGEST_AGENT = 500, 120
_LARGEST = 2**31 - 1  # of an integer column; what a sender announces above is nonsense


class Refusals:
    """The refusals of this process that are not written yet. Safe from any thread."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._waiting: dict[str, dict[RefusalKind, Tally]] = {}
        self._lock = threading.Lock()
        self._writing = threading.Lock()

    def note(
        self, connection: str, *, outcome: str, status: int, detail: str, user_agent: str = "", length: str = ""
    ) -> None:
        """Remember one refusal. `detail` is safe to show; `user_agent` and `length` are headers as sent."""
        kind = RefusalKind(outcome, status, _clean(detail, _LONGEST_DETAIL), _clean(user_agent, _LONGEST_AGENT))
        now, size = datetime.now(UTC), _size(length)
        with self._lock:
            kinds = self._waiting.setdefault(connection, {})
            tally = kinds.pop(kind, None) or Tally(0, now, now, size)
            tally.count, tally.last_at, tally.size = tally.count + 1, now, size
            kinds[kind] = tally  # the newest stand last
            if len(kinds) > KEPT:
                kinds.pop(next(iter(kinds)))

    def write(self) -> None:
        """Write what has gathered. Blocks. What the database does not take is given up: it is a hint only."""
        with self._writing:
            with self._lock:
                waiting, self._waiting = self._waiting, {}
            for connection, kinds in sorted(waiting.items()):
                self._write(connection, kinds)

    def _write(self, connection: str, kinds: dict[RefusalKind, Tally]) -> None:
        try:
            with self._engine.begin() as conn:
                note_refusals(conn, connection, list(kinds.items()))
        except SQLAlchemyError as error:
            log.warning("refusals could not be noted", connection=connection, error=type(error).__name__)

    async def write_for_ever(self) -> None:
        """Write every `INTERVAL` seconds what has gathered, and the rest when cancelled."""
        try:
            while True:
                await asyncio.sleep(INTERVAL)
                if self._waiting:
                    await asyncio.to_thread(self.write)
        finally:
            self.write()


def _clean(text: str, limit: int) -> str:
    """Printable text on one line, at most `limit` characters."""
    shown = "".join(letter if letter.isprintable() else " " for letter in text[: 2 * limit])
    return " ".join(shown.split())[:limit]


def _size(length: str) -> int | None:
    digits = length.strip()
    return (
        int(digits) if digits.isascii() and digits.isdigit() and len(digits) < 11 and int(digits) <= _LARGEST else None
    )
