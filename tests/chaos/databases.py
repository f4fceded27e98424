"""The two databases under attack, and how each is taken away for a while."""

import base64
import pickle
import sqlite3
import time
from collections.abc import Iterable
from contextlib import closing
from pathlib import Path
from typing import Protocol

from postgres_server import PostgresServer
from sqlalchemy import Connection, text


class Database(Protocol):
    """`url` is where the service finds it; `roles` which processes share it, as name, command and settings."""

    url: str
    roles: tuple[tuple[str, tuple[str, ...], dict[str, str]], ...]

    def stop(self, seconds: float) -> None:
        """Take it away for that long."""

    def mend(self) -> None:
        """Have it back, whatever happened to it."""

    def finished_jobs(self, conn: Connection) -> list[str]:
        """The ids of the jobs that ended with an answer."""


class Sqlite:
    """A file that two services share, each with a worker. To stop it is to hold its write lock."""

    roles = (("serve", ("serve",), {}), ("serve", ("serve",), {}))

    def __init__(self, folder: Path) -> None:
        self._file = folder / "whydenied.db"
        self._jobs = folder / "jobs.db"
        self.url = f"sqlite:///{self._file}"

    def stop(self, seconds: float) -> None:
        with closing(sqlite3.connect(self._file, timeout=60, isolation_level=None)) as conn:
            conn.execute("BEGIN IMMEDIATE")
            time.sleep(seconds)
            conn.execute("ROLLBACK")

    def mend(self) -> None:
        """A lock ends with its holder."""

    def finished_jobs(self, conn: Connection) -> list[str]:
        with closing(sqlite3.connect(self._jobs, timeout=60)) as jobs:
            return _answered(jobs.execute(_FINISHED.format(schema="")))


class Postgres:
    """A server of its own with two web processes and two workers. To stop it is to crash it."""

    roles = (
        *((("serve", ("serve",), {"WHYDENIED_WORKER": "false"}),) * 2),
        *((("worker", ("worker",), {}),) * 2),
    )

    def __init__(self, server: PostgresServer, url: str) -> None:
        self._server = server
        self.url = url

    def stop(self, seconds: float) -> None:
        self._server.stop()
        time.sleep(seconds)
        self._server.start()

    def mend(self) -> None:
        """It ends itself when it cannot write its log."""
        self._server.revive()

    def finished_jobs(self, conn: Connection) -> list[str]:
        return _answered((job, output) for job, output in conn.execute(text(_FINISHED.format(schema="dbos."))))


_FINISHED = "SELECT workflow_uuid, output FROM {schema}workflow_output WHERE output IS NOT NULL"


def _answered(jobs: Iterable[tuple[str, str]]) -> list[str]:
    return [job for job, output in jobs if pickle.loads(base64.b64decode(output)) == "answered"]
