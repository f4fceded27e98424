"""SQLite's log of writes is copied into the database beside the writer, which would otherwise stop for it.

https://www.sqlite.org/wal.html#checkpointing
"""

import asyncio
import sqlite3
from contextlib import closing

import structlog
from sqlalchemy import Engine
from sqlalchemy.exc import SQLAlchemyError

log = structlog.get_logger(__name__)

INTERVAL = 0.5
LONG = 4_000
"""Pages of a log that is made to begin anew: by itself SQLite does that only when its writers pause."""
_PATIENCE = 50  # ms that writers wait for a reader who still needs the log


async def checkpoint_for_ever(engine: Engine, *, interval: float = INTERVAL) -> None:
    """Copy what was committed, every `interval` seconds, for ever. Other databases do that by themselves."""
    while engine.dialect.name == "sqlite":
        await asyncio.sleep(interval)
        try:
            await asyncio.to_thread(checkpoint, engine)
        except (SQLAlchemyError, sqlite3.Error) as error:
            log.warning("the log of writes could not be copied", error=type(error).__name__)


def checkpoint(engine: Engine) -> None:
    """Copy the log, which holds nobody up; where it has become long, let it begin anew, which takes a moment."""
    with closing(engine.raw_connection()) as conn, closing(conn.cursor()) as cursor:
        _, pages, _ = cursor.execute("PRAGMA wal_checkpoint(PASSIVE)").fetchone()
        if pages <= LONG:
            return
        [patience] = cursor.execute("PRAGMA busy_timeout").fetchone()
        cursor.execute(f"PRAGMA busy_timeout={_PATIENCE}")
        try:
            cursor.execute("PRAGMA wal_checkpoint(RESTART)")
        finally:
            cursor.execute(f"PRAGMA busy_timeout={patience}")
