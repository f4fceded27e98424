"""The decisions and the bookkeeping around a job."""

from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Engine, create_engine

from service.store.engine import open_engine
from service.worker.analyst import decide
from service.worker.seat import number_of, open_seats, take_free_seat


def error(**fields: Any) -> dict[str, Any]:
    return {"message": "Overloaded", "permanent": False, "retry_after": None, **fields}


def test_waits_grow_and_stay_within_bounds() -> None:
    waits = [decide(error(), tries)[2] or 0 for tries in range(11)]
    assert waits[:9] == sorted(waits[:9])
    assert 5 <= waits[0] <= 6.25
    assert 1800 <= waits[-1] <= 2250


def test_the_provider_decides_how_long_to_wait_but_not_for_ever() -> None:
    assert 7 <= (decide(error(retry_after=7.0), 0)[2] or 0) <= 8.75
    assert 7 <= (decide(error(retry_after=7.0), 9)[2] or 0) <= 8.75
    assert (decide(error(retry_after=10.0**9), 0)[2] or 0) <= 4500


def test_what_became_of_an_error_is_told() -> None:
    assert decide(error(permanent=True), 0) == ("failed", "Overloaded.", None)
    assert decide(error(), 11) == ("failed", "Overloaded. Given up after 12 tries.", None)
    assert decide(error(billed=True), 2) == ("failed", "Overloaded. Given up after 3 tries.", None)
    assert decide(error(account=True, permanent=True), 0) == ("unavailable", "Overloaded", None)
    state, note, _ = decide(error(), 0)
    assert state == "queued"
    assert note.startswith("Overloaded. Trying again in about ")


def test_a_seat_is_held_once_and_free_again_when_left(engine: Engine, tmp_path: Path, database_url: str) -> None:
    seats = open_seats(engine, tmp_path)
    first, second = take_free_seat(seats), take_free_seat(seats)
    assert (first.name, second.name) == ("worker-0", "worker-1")
    other = open_engine(database_url)
    assert open_seats(other, tmp_path).take(0) is None
    assert first.is_held()
    first.release()
    again = open_seats(other, tmp_path).take(0)
    assert again
    again.release()
    second.release()
    other.dispose()


def test_a_seat_is_lost_with_its_database_session(fresh_postgres_url: str, tmp_path: Path) -> None:
    engine = open_engine(fresh_postgres_url)
    seat = take_free_seat(open_seats(engine, tmp_path))
    admin = create_engine(engine.url, isolation_level="AUTOCOMMIT")
    with admin.connect() as conn:
        conn.exec_driver_sql("SELECT pg_terminate_backend(pid) FROM pg_locks WHERE locktype = 'advisory'")
    assert not seat.is_held()
    seat.release()
    admin.dispose()
    engine.dispose()


@pytest.mark.parametrize(("name", "number"), [("worker-0", 0), ("worker-17", 17), ("local", None), ("worker-x", None)])
def test_seats_of_others_are_left_alone(name: str, number: int | None) -> None:
    assert number_of(name) == number
