"""Open the database. `engine.begin()` writes, `engine.connect()` reads: keep both short.

On SQLite `begin()` takes the write lock at once (BEGIN IMMEDIATE), so that a transaction that reads before it writes
never fails half-way; `connect()` takes a snapshot and waits for nobody.
"""

import os
import sqlite3
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import Any

import msgspec
from sqlalchemy import URL, Connection, Engine, create_engine, event, make_url
from sqlalchemy.engine.interfaces import DBAPIConnection
from sqlalchemy.exc import ArgumentError
from sqlalchemy.pool import ConnectionPoolEntry

from service.store.schema import migrate

__all__ = ["migrate", "open_engine"]

_POOL = {"pool_size": 10, "max_overflow": 30}
_NETWORK = {"connect_timeout": 10, "keepalives_idle": 30, "tcp_user_timeout": 30_000}  # s, s, ms: a silent server fails
# Of a session: the server lets go of what a statement, a process that hangs, or a machine that is gone has locked.
_BOUNDS = {
    "statement_timeout": 30_000,  # ms
    "idle_in_transaction_session_timeout": 60_000,  # ms
    "tcp_keepalives_idle": 10,  # s; the server's own default is two hours
    "tcp_keepalives_interval": 5,  # s
    "tcp_keepalives_count": 3,
    "tcp_user_timeout": 30_000,  # ms
}
_WRITES = "whydenied_writes"


class SqliteEngine(Engine):
    """An engine whose `begin()` takes SQLite's write lock at the start of the transaction, not at its first write."""

    @contextmanager
    def begin(self) -> Iterator[Connection]:
        with self.connect() as conn, writing(conn).begin():
            yield conn


def writing(conn: Connection) -> Connection:
    """The same connection, whose next transactions take SQLite's write lock at their start."""
    return conn.execution_options(**{_WRITES: True})


def open_engine(url: str, *, busy_timeout: float = 10.0) -> Engine:
    """An engine for `sqlite:///path` or `postgresql://...`. Nothing is migrated: see `migrate`.

    `busy_timeout` is how many seconds a statement waits for a lock that somebody else holds.
    The SQLite file and its folder are made when missing, readable by their owner only.
    Raises `ValueError` for any other kind of database; the message holds no password.
    """
    parsed = _parse(url)
    if parsed.get_backend_name() == "sqlite":
        return _open_sqlite(parsed, busy_timeout)
    engine = create_engine(
        parsed.set(drivername="postgresql+psycopg"),
        connect_args={name: value for name, value in _NETWORK.items() if name not in parsed.query},
        pool_pre_ping=True,
        hide_parameters=True,
        json_serializer=to_json,
        json_deserializer=msgspec.json.decode,
        **_POOL,
    )
    event.listen(engine, "connect", partial(_bound, busy_timeout))
    return engine


def _bound(busy_timeout: float, dbapi_connection: DBAPIConnection, _: ConnectionPoolEntry) -> None:
    """Refuse rather than hang. Told by statements, because not every pooler passes start-up options on."""
    cursor = dbapi_connection.cursor()
    bounds = {"lock_timeout": round(busy_timeout * 1000), **_BOUNDS}
    cursor.execute("; ".join(f"SET {name} = {value}" for name, value in bounds.items()))
    cursor.close()
    dbapi_connection.commit()


def to_json(value: Any) -> str:
    """JSON that both databases take: NaN becomes null, NUL and lone surrogates are replaced, other types are text."""
    try:
        encoded = msgspec.json.encode(value, enc_hook=str)
    except (UnicodeEncodeError, TypeError):
        return msgspec.json.encode(_storable(value)).decode()
    return (msgspec.json.encode(_storable(value)) if b"\\u0000" in encoded else encoded).decode()


def _storable(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {_storable(str(key)): _storable(item) for key, item in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [_storable(item) for item in value]
    if value is None or isinstance(value, bool | int | float | datetime):
        return value
    return str(value).encode("utf-8", "replace").decode().replace("\x00", "\N{REPLACEMENT CHARACTER}")


def _parse(url: str) -> URL:
    try:
        parsed = make_url(url)
    except ArgumentError:
        raise ValueError("the database URL is not a URL: use sqlite:///path/to/file or postgresql://...") from None
    backend = parsed.drivername.partition("+")[0]
    if backend not in {"sqlite", "postgres", "postgresql"}:
        raise ValueError(f"{backend} databases are not supported: use sqlite:///path/to/file or postgresql://...")
    if backend == "sqlite" and parsed.database in {None, "", ":memory:"}:
        raise ValueError("SQLite needs a file here: a database in memory would lose acknowledged events")
    return parsed


def _open_sqlite(url: URL, busy_timeout: float) -> Engine:
    assert url.database is not None
    _make_private(Path(url.database))
    plain = create_engine(
        url.set(drivername="sqlite+pysqlite"),
        connect_args={"timeout": busy_timeout, "check_same_thread": False},
        json_serializer=to_json,
        json_deserializer=msgspec.json.decode,
        **_POOL,
    )
    engine = SqliteEngine(plain.pool, plain.dialect, plain.url, hide_parameters=True)
    event.listen(engine, "connect", _configure)
    event.listen(engine, "begin", _begin)
    return engine


# An event fills half a 4 KiB page, and the rest is wasted; of 16 KiB pages each entry of an index writes a whole one.
_PAGE_BYTES = 8_192
# A running service copies the log much earlier, see `checkpoint`; this is for when it cannot.
_CHECKPOINT_PAGES = 16_000


def _make_private(file: Path) -> None:
    file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    os.close(os.open(file, os.O_CREAT | os.O_RDWR, 0o600))


def _configure(dbapi_connection: sqlite3.Connection, _: ConnectionPoolEntry) -> None:
    dbapi_connection.isolation_level = None
    dbapi_connection.execute("PRAGMA synchronous=FULL")
    dbapi_connection.execute("PRAGMA foreign_keys=ON")
    dbapi_connection.execute(f"PRAGMA page_size={_PAGE_BYTES}")  # of a new file; an old one keeps its own
    dbapi_connection.execute(f"PRAGMA wal_autocheckpoint={_CHECKPOINT_PAGES}")
    _use_wal(dbapi_connection, patience=10.0)


def _use_wal(dbapi_connection: sqlite3.Connection, patience: float) -> None:
    """SQLite does not wait for the lock that the first switch to WAL needs: try for `patience` seconds."""
    deadline = time.monotonic() + patience
    while True:
        try:
            dbapi_connection.execute("PRAGMA journal_mode=WAL")
        except sqlite3.OperationalError as error:
            if error.sqlite_errorcode != sqlite3.SQLITE_BUSY or time.monotonic() > deadline:
                raise
            time.sleep(0.01)
        else:
            return


def _begin(conn: Connection) -> None:
    conn.exec_driver_sql("BEGIN IMMEDIATE" if conn.get_execution_options().get(_WRITES) else "BEGIN")
