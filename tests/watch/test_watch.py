"""`whydenied watch` against a running service: each failure arrives once, whatever breaks on the way."""

import asyncio
import json
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from private_server import wait_until
from service_site import Site, running_site
from sqlalchemy import select
from typer.testing import CliRunner
from vendor_api import Answer, Asked, Vendor, vendor_api

from connectors.base import Auth
from service.cli import build_app
from service.store.connections import create_connection
from service.store.tables import events, failures
from service.watch.delivery import Delivery
from service.watch.files import Facts, FileSource
from service.watch.following import follow
from service.watch.source import WatchError
from service.watch.state import State

TOKEN = "0d6c2f5e9b8a4713a1e4c7d05f92b368"
DENIED = "ERROR: permission denied for table orders"


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    with running_site(tmp_path_factory.mktemp("watch")) as running:
        with running.services.engine.begin() as conn:
            create_connection(conn, running.services.keyring, "web-1", "log-shipper", Auth("bearer", (TOKEN,)))
        running.services.connections.refresh()
        yield running


@pytest.fixture
def vendor() -> Iterator[Vendor]:
    with vendor_api() as running:
        yield running


@pytest.fixture
def log(tmp_path: Path) -> Path:
    return tmp_path / "app.log"


@pytest.fixture
def options(site: Site, tmp_path: Path) -> list[str]:
    (tmp_path / "token").write_text(f"{TOKEN}\n")
    url, state, token = f"{site.url}/ingest/web-1", str(tmp_path / "state.json"), str(tmp_path / "token")
    return ["watch", "--url", url, "--token-file", token, "--state", state, "--service", "billing"]


def append(log: Path, text: str) -> None:
    with log.open("a") as file:
        file.write(text)


def stored(site: Site, log: Path) -> list[Any]:
    """The events that came of a file, with what the rules said."""
    query = select(events, failures.c.cause).join(failures, failures.c.id == events.c.failure_id)
    with site.services.engine.connect() as conn:
        found = list(conn.execute(query.order_by(events.c.id)))
    return [event for event in found if event.attributes.get("log.file.path") == str(log)]


def run(*arguments: str, code: int = 0) -> str:
    done = CliRunner().invoke(build_app(), list(arguments))
    assert done.exit_code == code, done.output
    return done.output


def test_the_failures_of_a_file_and_a_journal_arrive_with_what_is_known_of_them(
    site: Site, log: Path, options: list[str], journal: Callable[..., Path]
) -> None:
    append(log, f"INFO ready\n2026-03-02T10:00:00Z {DENIED}\n  at once\nGET /orders 200\n")
    folder = journal({"MESSAGE": "started"}, {"MESSAGE": DENIED, "PRIORITY": "3", "_SYSTEMD_UNIT": "shop.service"})
    chosen = [str(log), "--journal-directory", str(folder), "--from-start", "--once", "--environment", "prod"]
    assert "read 5 records, delivered the 2 that look like a failure" in run(*options, *chosen)
    (event,) = stored(site, log)
    assert event.text == f"2026-03-02T10:00:00Z {DENIED}\n  at once"
    assert (event.service_name, event.environment, event.cause) == ("billing", "prod", "missing_grant")
    assert event.time.isoformat().startswith("2026-03-02T10:00:00")
    with site.services.engine.connect() as conn:
        services = set(conn.execute(select(events.c.service_name)).scalars())
    assert "shop" in services
    assert "read 0 records" in run(*options, *chosen)
    assert len(stored(site, log)) == 1


def test_a_killed_watch_goes_on_where_it_was_and_a_told_one_ends_in_order(
    site: Site, log: Path, options: list[str], tmp_path: Path
) -> None:
    append(log, f"{DENIED} before\n")
    command = [sys.executable, "-m", "service", *options, str(log)]
    with (tmp_path / "said").open("w+") as said:
        first = subprocess.Popen(command, stderr=said)
        try:
            wait_until(lambda: str(log) in _state(options), "the watch begins", 60)
            append(log, f"{DENIED} while it runs\n")
            wait_until(lambda: len(stored(site, log)) == 1, "the line arrives", 60)
        finally:
            first.kill()
            first.wait()
        append(log, f"{DENIED} while it is dead\n")
        second = subprocess.Popen(command, stderr=said)
        try:
            wait_until(lambda: len(stored(site, log)) == 2, "the line arrives", 60)
            second.send_signal(signal.SIGTERM)
            assert second.wait(60) == 0
        finally:
            second.kill()
            second.wait()
    texts = [event.text.removeprefix(f"{DENIED} ") for event in stored(site, log)]
    assert texts == ["while it runs", "while it is dead"]
    assert TOKEN not in (tmp_path / "said").read_text()


def _state(options: list[str]) -> str:
    path = Path(options[options.index("--state") + 1])
    return path.read_text() if path.exists() else ""


@pytest.mark.parametrize(
    ("arguments", "code", "told"),
    [
        ([], 2, "name files to follow"),
        (["app.log"], 2, "--url must be the address"),
        (["app.log", "--url", "ftp://why.example/ingest/a"], 2, "--url must be the address"),
        (["app.log", "--url", "https://why.example/ingest/a", "--token-file", "nowhere"], 1, "secret cannot be read"),
    ],
)
def test_wrong_use_is_told(arguments: list[str], code: int, told: str, tmp_path: Path) -> None:
    state = ["--state", str(tmp_path / "state.json")] if arguments else []
    assert told in run("watch", *arguments, *state, code=code)


def test_a_refused_secret_ends_one_run_with_the_reason_and_without_it(
    site: Site, log: Path, options: list[str], tmp_path: Path
) -> None:
    append(log, f"{DENIED}\n")
    (tmp_path / "token").write_text("another")
    said = run(*options, str(log), "--from-start", "--once", code=1)
    assert "127.0.0.1 refuses (401)" in said
    assert "another" not in said
    (tmp_path / "token").write_text(TOKEN)
    run(*options, str(log), "--once")
    assert len(stored(site, log)) == 1


def watch(log: Path, state: Path, url: str, told: list[str], waited: list[float]) -> None:
    """Read the file to its end, with an outage of the service waited out in no time."""

    async def pause(seconds: float) -> None:
        waited.append(seconds)

    places = State(state)
    source = FileSource(log, places.get(str(log)), Facts("web-1"), told.append, at_end=False, once=True)
    delivery = Delivery(url, lambda: TOKEN, told.append, pause=pause)
    try:
        asyncio.run(follow([source], delivery, places, told.append, once=True))
    finally:
        places.close()


def posted(asked: Asked) -> list[tuple[str, str]]:
    assert asked.headers["authorization"] == f"Bearer {TOKEN}"
    records = [json.loads(line) for line in asked.body.splitlines()]
    return [(record["__CURSOR"], record["MESSAGE"]) for record in records]


def test_an_outage_is_waited_out_as_long_as_it_is_asked_for_and_nothing_is_lost(
    log: Path, tmp_path: Path, vendor: Vendor
) -> None:
    append(log, "".join(f"{DENIED} {number}\n" for number in range(450)))
    replies = iter([Answer({}, 503, {"Retry-After": "7"}), Answer({}, 429), Answer({}, 401), *[Answer({})] * 3])
    vendor.route("POST", "/ingest/web-1", lambda _: next(replies))
    told, waited = list[str](), list[float]()
    watch(log, tmp_path / "state.json", f"{vendor.url}/ingest/web-1", told, waited)
    assert [7 <= waited[0] <= 8.75, 2 <= waited[1] <= 2.5, 4 <= waited[2] <= 5] == [True] * 3
    assert told[-1] == "127.0.0.1 takes records again"
    batches = [posted(asked) for asked in vendor.asked]
    assert batches[0] == batches[1] == batches[2] == batches[3]
    assert [text for batch in batches[3:] for _, text in batch] == [f"{DENIED} {number}" for number in range(450)]


def test_a_batch_that_is_too_large_is_split(log: Path, tmp_path: Path, vendor: Vendor) -> None:
    append(log, "".join(f"{DENIED} {number}\n" for number in range(40)))
    vendor.route("POST", "/ingest/web-1", lambda asked: Answer({}, 413 if asked.body.count(b"\n") > 9 else 200))
    watch(log, tmp_path / "state.json", f"{vendor.url}/ingest/web-1", [], [])
    taken = [one for asked in vendor.asked if asked.body.count(b"\n") <= 9 for one in posted(asked)]
    assert [text for _, text in taken] == [f"{DENIED} {number}" for number in range(40)]


def test_what_the_service_took_without_saying_so_is_known_again(site: Site, log: Path, tmp_path: Path) -> None:
    append(log, f"{DENIED} 1\n")
    state = tmp_path / "state.json"
    places = State(state)
    source = FileSource(log, None, Facts("web-1"), print, at_end=False, once=True)
    batch = asyncio.run(source.read())
    assert batch is not None
    places.put(str(log), batch.after)
    places.save()
    places.close()
    kept = state.read_bytes()
    for _ in range(2):
        state.write_bytes(kept)
        watch(log, state, f"{site.url}/ingest/web-1", [], [])
    assert len(stored(site, log)) == 1


def test_two_watches_do_not_share_a_state_and_a_broken_one_is_refused(tmp_path: Path) -> None:
    first = State(tmp_path / "state.json")
    with pytest.raises(WatchError, match="another whydenied watch"):
        State(tmp_path / "state.json")
    first.put("a", {"offset": 1})
    first.save()
    first.close()
    (tmp_path / "state.json").write_text("{")
    with pytest.raises(WatchError, match="cannot be read"):
        State(tmp_path / "state.json")
    assert (tmp_path / "state.json.lock").stat().st_mode & 0o077 == 0
