"""Where deliveries without an error text are kept until their source was asked for it."""

import asyncio
from collections.abc import Callable, Sequence
from datetime import UTC, datetime

from sqlalchemy import Engine
from sqlalchemy.exc import SQLAlchemyError

from connectors.base import ErrorEvent
from connectors.pull import Puller
from service.pipeline import Pipeline
from service.store.trouble import in_short
from service.store.waiting import keep_waiting, known_ids
from service.store.writer import StoreUnavailable


class WaitingRoom:
    """Takes events aside, redacted and committed. `wake` tells this process's worker; it must not block."""

    def __init__(self, engine: Engine, pipeline: Pipeline, wake: Callable[[], None]) -> None:
        self._engine = engine
        self._pipeline = pipeline
        self._wake = wake

    async def take_aside(self, connection: str, puller: Puller | None, events: Sequence[ErrorEvent]) -> set[str]:
        """The ids of those that wait now; the others are to be stored as they are. Repeats of stored ones never wait.

        Raises `StoreUnavailable` or `RedactionFailed`, and then none waits.
        """
        lacking = [event for event in events if puller.lacks_text(event)] if puller else []
        if not lacking:
            return set()
        kept = await asyncio.to_thread(self._keep, connection, lacking)
        self._wake()
        return kept

    def _keep(self, connection: str, lacking: Sequence[ErrorEvent]) -> set[str]:
        try:
            with self._engine.connect() as conn:
                known = known_ids(conn, connection, [event.id for event in lacking])
            redacted = [self._pipeline.clean_event(event) for event in lacking if event.id not in known]
            with self._engine.begin() as conn:
                keep_waiting(conn, connection, redacted, datetime.now(UTC))
        except SQLAlchemyError as error:
            raise StoreUnavailable(f"the database does not take events: {in_short(error)}") from error
        return {event.id for event in redacted}
