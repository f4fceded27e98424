"""What a running service does now and then, unasked: delete what is too old to keep, count what has arrived."""

import asyncio
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import structlog
from sqlalchemy import Engine
from sqlalchemy.exc import SQLAlchemyError

from service.store.activity import note_activity
from service.store.retention import delete_older
from service.store.tallies import fold_a_day

log = structlog.get_logger(__name__)

INTERVAL = 3_600.0
COUNTING_INTERVAL = 60.0
DELETED = "deleted for their age"


async def keep_for(
    engine: Engine, days: int, *, interval: float = INTERVAL, observe: Callable[[int], None] = lambda _: None
) -> None:
    """Delete events and unparsed deliveries older than `days`, now and every `interval` seconds, for ever.

    `observe` hears how many they were each time.
    """
    while True:
        try:
            deleted = await delete_expired(engine, days)
            observe(deleted)
            if deleted:
                log.info("old events deleted", count=deleted, days=days)
        except SQLAlchemyError as error:
            log.warning("old events could not be deleted", error=type(error).__name__)
        await asyncio.sleep(interval)


async def count_events(engine: Engine, *, interval: float = COUNTING_INTERVAL) -> None:
    """Count what has arrived since the last time, now and every `interval` seconds, for ever."""
    while True:
        try:
            while await asyncio.to_thread(fold_a_day, engine, datetime.now(UTC)):
                pass
        except SQLAlchemyError as error:
            log.warning("events could not be counted", error=type(error).__name__)
        await asyncio.sleep(interval)


async def delete_expired(engine: Engine, days: int) -> int:
    """Delete them all, a little per transaction; gives how many there were, and tells the audit log.

    May be cancelled between two transactions. SQLite has one writer at a time and no queue of those that wait, so there
    it rests after each as long as that took.
    """
    before, total = datetime.now(UTC) - timedelta(days=days), 0
    try:
        while True:
            began = time.monotonic()
            part = asyncio.create_task(asyncio.to_thread(_delete_some, engine, before))
            try:
                deleted = await asyncio.shield(part)
            except asyncio.CancelledError:
                total += await part
                raise
            if not deleted:
                return total
            total += deleted
            await asyncio.sleep(time.monotonic() - began if engine.dialect.name == "sqlite" else 0)
    finally:
        if total:
            with engine.begin() as conn:
                what = f"{total:,} record{'s' * (total != 1)} older than {days} days"
                note_activity(conn, "retention", DELETED, what)


def _delete_some(engine: Engine, before: datetime) -> int:
    with engine.begin() as conn:
        return delete_older(conn, before)
