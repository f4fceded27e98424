"""Seats: which worker processes are alive, known without a clock.

A worker holds the lowest free numbered seat for as long as it lives. The lock behind a seat belongs to the operating
system (SQLite: a locked file in the data folder) or to the database session (PostgreSQL: an advisory lock), so a
killed worker's seat is free at once, and whoever gets it may resume what that worker left.
"""

import fcntl
import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from sqlalchemy import Connection, Engine, text
from sqlalchemy.exc import SQLAlchemyError

_PREFIX = "worker-"
_MOST = 1_000
_LOCK_CLASS = 0x77687964


@dataclass(frozen=True)
class Seat:
    """A held seat. `is_held` asks whether the lock still stands; `release` gives it up."""

    number: int
    is_held: Callable[[], bool]
    release: Callable[[], None]

    @property
    def name(self) -> str:
        """The name under which this worker's running jobs are recorded."""
        return f"{_PREFIX}{self.number}"


class Seats(Protocol):
    """All seats of one installation."""

    def take(self, number: int) -> Seat | None:
        """This seat, or None while somebody alive holds it."""


def open_seats(engine: Engine, data_dir: Path) -> Seats:
    """The seats that belong to a database."""
    return _DatabaseSeats(engine) if engine.dialect.name == "postgresql" else _FileSeats(data_dir)


def take_free_seat(seats: Seats) -> Seat:
    """The lowest seat that nobody holds. Raises `RuntimeError` where all are taken."""
    for number in range(_MOST):
        if seat := seats.take(number):
            return seat
    raise RuntimeError(f"{_MOST} workers are running already")


def number_of(name: str) -> int | None:
    """The seat's number in a recorded name, or None for a name of another kind."""
    digits = name.removeprefix(_PREFIX)
    return int(digits) if name.startswith(_PREFIX) and digits.isdigit() else None


class _FileSeats:
    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def take(self, number: int) -> Seat | None:
        self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        handle = os.open(self._folder / f"{_PREFIX}{number}.lock", os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(handle)
            return None
        return Seat(number, lambda: True, lambda: os.close(handle))


class _DatabaseSeats:
    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def take(self, number: int) -> Seat | None:
        conn = self._engine.connect().execution_options(isolation_level="AUTOCOMMIT")
        try:
            taken = conn.execute(text("SELECT pg_try_advisory_lock(:kind, :seat)"), _key(number)).scalar_one()
        except BaseException:
            conn.close()
            raise
        if not taken:
            conn.close()
            return None
        return Seat(number, lambda: _is_alive(conn), lambda: _leave(conn, number))


def _key(number: int) -> dict[str, int]:
    return {"kind": _LOCK_CLASS, "seat": number}


def _is_alive(conn: Connection) -> bool:
    try:
        conn.execute(text("SELECT 1"))
    except SQLAlchemyError:
        return False
    return True


def _leave(conn: Connection, number: int) -> None:
    try:
        conn.execute(text("SELECT pg_advisory_unlock(:kind, :seat)"), _key(number))
        conn.close()
    except SQLAlchemyError:
        conn.invalidate()  # the session is gone, and its locks with it
