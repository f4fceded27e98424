"""Workers that die by kill -9 lose nothing and store nothing twice."""

import sqlite3
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import pytest
from messages_api import MessagesApi, Reply, answer
from sqlalchemy import Engine, func, select
from worker_setting import GOOD, QUOTE, eventually, failure_of

from service.store.analyses import list_analyses
from service.store.tables import analyses, model_calls

Put = Callable[..., list[str]]
on_postgresql = pytest.mark.parametrize("database_url", ["postgresql"], indirect=True)
SCRIPT = Path(__file__).parents[1] / "support" / "worker_process.py"
Spawn = Callable[[], "subprocess.Popen[bytes]"]


@pytest.fixture
def spawn(database_url: str, tmp_path: Path, messages_api: MessagesApi) -> Iterator[Spawn]:
    processes: list[subprocess.Popen[bytes]] = []

    def start() -> "subprocess.Popen[bytes]":
        root = str(SCRIPT.parents[2])
        command = [sys.executable, str(SCRIPT), database_url, str(tmp_path), messages_api.url]
        process = subprocess.Popen(command, cwd=root, env={"PYTHONPATH": root, "PATH": ""}, stderr=subprocess.DEVNULL)
        processes.append(process)
        return process

    yield start
    for process in processes:
        process.kill()
        process.wait()


def kill(process: "subprocess.Popen[bytes]") -> None:
    process.kill()
    process.wait()


def count_analyses(engine: Engine) -> int:
    with engine.connect() as conn:
        return conn.execute(select(func.count()).select_from(analyses)).scalar_one()


def test_a_worker_killed_during_the_call_is_taken_over_after_a_restart(
    engine: Engine, store: Put, spawn: Spawn, messages_api: MessagesApi
) -> None:
    messages_api.open.clear()
    [failure_id] = store([f"{QUOTE} orders"])
    first = spawn()
    messages_api.wait_for_requests(1)
    kill(first)
    messages_api.open.set()
    spawn()
    eventually(lambda: failure_of(engine, failure_id).analysis_state == "answered")
    with engine.connect() as conn:
        assert len(list_analyses(conn, failure_id)) == 1
    assert len(messages_api.requests) == 2


def test_a_living_worker_finishes_the_call_of_a_killed_one(
    engine: Engine, store: Put, spawn: Spawn, messages_api: MessagesApi
) -> None:
    messages_api.open.clear()
    [failure_id] = store([f"{QUOTE} orders"])
    first = spawn()
    messages_api.wait_for_requests(1)
    second = spawn()
    kill(first)
    messages_api.open.set()
    eventually(lambda: failure_of(engine, failure_id).analysis_state == "answered")
    assert second.poll() is None
    assert count_analyses(engine) == 1
    assert len(messages_api.requests) == 2
    with engine.connect() as conn:
        outcomes = sorted(conn.execute(select(model_calls.c.outcome)).scalars())
    assert outcomes == ["answered", "running"]


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
def test_an_answer_that_was_paid_for_is_not_asked_for_again(
    engine: Engine, store: Put, spawn: Spawn, messages_api: MessagesApi, tmp_path: Path
) -> None:
    messages_api.open.clear()
    [failure_id] = store([f"{QUOTE} orders"])
    first = spawn()
    messages_api.wait_for_requests(1)
    with engine.begin():  # holds the write lock, so that the answer cannot be stored
        messages_api.open.set()
        eventually(lambda: steps_recorded(tmp_path / "jobs.db") == ["ask"])
        kill(first)
    spawn()
    eventually(lambda: failure_of(engine, failure_id).analysis_state == "answered")
    assert count_analyses(engine) == 1
    assert len(messages_api.requests) == 1


def steps_recorded(file: Path) -> list[str]:
    with closing(sqlite3.connect(file)) as conn:
        return [name for (name,) in conn.execute("SELECT function_name FROM operation_outputs ORDER BY function_id")]


@on_postgresql
def test_many_failures_and_a_kill_end_with_one_answer_each(
    engine: Engine, store: Put, spawn: Spawn, messages_api: MessagesApi
) -> None:
    messages_api.default = Reply(answer(**GOOD).body, delay=0.2)
    failure_ids = store([f"{QUOTE} t{number}" for number in range(24)])
    first = spawn()
    spawn()
    messages_api.wait_for_requests(6)
    kill(first)
    for failure_id in failure_ids:
        eventually(lambda one=failure_id: failure_of(engine, one).analysis_state == "answered")
    assert count_analyses(engine) == 24
    assert 24 <= len(messages_api.requests) <= 24 + 8


def test_two_workers_ask_once_about_each_failure(
    engine: Engine, store: Put, spawn: Spawn, messages_api: MessagesApi
) -> None:
    [first] = store([f"{QUOTE} first"])
    spawn(), spawn()
    eventually(lambda: failure_of(engine, first).analysis_state == "answered")
    failure_ids = store([f"{QUOTE} {word}" for word in ("orders", "refunds", "carts", "users", "bills", "lists")])
    for failure_id in failure_ids:
        eventually(lambda one=failure_id: failure_of(engine, one).analysis_state == "answered")
    assert count_analyses(engine) == len(messages_api.requests) == 7
