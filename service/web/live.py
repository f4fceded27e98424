"""The connections that receive right now, in memory, so that a delivery costs no query.

A change made by this process is visible at once (`refresh`), one made by another process within `INTERVAL` seconds.
"""

import asyncio
import threading
from collections.abc import Mapping
from dataclasses import dataclass

import structlog
from sqlalchemy import Engine
from sqlalchemy.exc import SQLAlchemyError

from connectors.base import Auth, Connector
from connectors.pull import Puller
from service.keyring import Keyring, WrongKey
from service.store.connections import auth_of, list_connections
from service.store.limits import NO_LIMITS, Limits, limits_by_connection
from service.store.tables import Connection

log = structlog.get_logger(__name__)

INTERVAL = 2.0


@dataclass(frozen=True, slots=True)
class LiveConnection:
    """One connection ready to receive. `max_body` and `max_inflated` are in bytes.

    `puller` finds the text of a delivery that lacks it, where the connection has credentials for that.
    """

    name: str
    connector: Connector
    auth: Auth
    max_body: int
    max_inflated: int
    puller: Puller | None = None
    limits: Limits = NO_LIMITS


class LiveConnections:
    """All connections by name. Reading is safe from any thread."""

    def __init__(
        self,
        engine: Engine,
        keyring: Keyring,
        connectors: Mapping[str, Connector],
        *,
        max_body: int,
        max_inflated: int,
        limits: Limits = NO_LIMITS,
    ) -> None:
        self._engine = engine
        self._keyring = keyring
        self._connectors = connectors
        self._sizes = (max_body, max_inflated)
        self._limits = limits
        self._live: dict[str, LiveConnection] = {}
        self._seen: dict[str, tuple[str, str, str | None, Limits]] = {}
        self._lock = threading.Lock()

    def get(self, name: str) -> LiveConnection | None:
        """The connection of this name, or None."""
        return self._live.get(name)

    def limits_of(self, name: str) -> Limits:
        """What a connection of this name may deliver; the settings' limits for one that receives elsewhere."""
        live = self._live.get(name)
        return live.limits if live else self._limits

    def refresh(self) -> None:
        """Read the connections from the database. Blocks; raises `SQLAlchemyError`, and then the old ones stay."""
        with self._lock:
            with self._engine.connect() as conn:
                rows, own = list_connections(conn), limits_by_connection(conn)
            limits = {row.name: own.get(row.name, Limits()).over(self._limits) for row in rows}
            seen = {row.name: (row.connector, row.auth, row.pull, limits[row.name]) for row in rows}
            if seen != self._seen:
                ready = (self._ready(row, limits[row.name]) for row in rows)
                self._live = {live.name: live for live in ready if live}
                self._seen = seen

    async def watch(self) -> None:
        """Refresh for ever. A database that is away is tried again; deliveries meanwhile fail in the writer."""
        while True:
            await asyncio.sleep(INTERVAL)
            try:
                await asyncio.to_thread(self.refresh)
            except SQLAlchemyError as error:
                log.warning("connections could not be read again", error=type(error).__name__)

    def _ready(self, row: Connection, limits: Limits) -> LiveConnection | None:
        connector = self._connectors.get(row.connector)
        if connector is None:
            log.error("connection has no connector", connection=row.name, connector=row.connector)
            return None
        try:
            auth = auth_of(self._keyring, row)
        except WrongKey:
            log.exception("connection cannot be used", connection=row.name)
            return None
        body, inflated = (max(pair) for pair in zip(self._sizes, connector.limits, strict=True))
        puller = connector.pulls if row.pull else None
        return LiveConnection(row.name, connector, auth, body, inflated, puller, limits)
