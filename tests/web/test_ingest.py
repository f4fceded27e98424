"""What a sender meets at /ingest: who is let in, what is too much, and that an answer of 2xx means stored."""

import contextlib
import gzip
import json
import sqlite3
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import httpx
import pytest
from api_client import TABLE_DENIED, client, connect, metric
from service_site import Site, running_site
from wire import Wire

from connectors.base import Auth

MIB = 1024 * 1024


@pytest.fixture(scope="module")
def sender(api_site: Site) -> Iterator[httpx.Client]:
    with client(api_site, None) as opened:
        yield opened


def wait_until(condition: Callable[[], object], seconds: float = 10.0) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.01)


def rows(site: Site, query: str) -> list[tuple[object, ...]]:
    with site.services.engine.connect() as conn:
        return [tuple(row) for row in conn.exec_driver_sql(query)]


def test_the_answer_comes_after_the_commit_with_what_a_rule_says(api_site: Site, sender: httpx.Client) -> None:
    path = connect(api_site, "answer")
    reply = sender.post(path, json={"id": "answer-1", "message": TABLE_DENIED})
    assert reply.status_code == 202
    (event,) = reply.json()["events"]
    assert event["duplicate"] is False
    assert (event["verdict"], event["cause"]) == ("permission", "missing_grant")
    assert event["title"] == "A role may not use table orders"
    assert rows(api_site, f"SELECT failure_id FROM event WHERE id = '{event['event_id']}'") == [(event["failure_id"],)]
    assert rows(api_site, f"SELECT verdict FROM analysis WHERE id = '{event['analysis_id']}'") == [("permission",)]


def test_the_same_delivery_again_is_stored_once(api_site: Site, sender: httpx.Client) -> None:
    path = connect(api_site, "again")
    first, second = (sender.post(path, json={"id": "again-1", "message": TABLE_DENIED}).json() for _ in range(2))
    assert second["events"][0]["duplicate"] is True
    assert second["events"][0]["event_id"] == first["events"][0]["event_id"]
    assert rows(api_site, "SELECT count(*) FROM event WHERE connection = 'again'") == [(1,)]
    assert metric(api_site, 'whydenied_events_total{connection="again",kind="duplicate"}') == 1
    assert metric(api_site, 'whydenied_events_total{connection="again",kind="new"}') == 1


def test_a_resolved_event_closes_the_failure_and_a_new_one_opens_it_again(api_site: Site, sender: httpx.Client) -> None:
    path = connect(api_site, "closing")
    text = "ERROR: permission denied for table invoices"

    def send(number: int, status: str) -> dict[str, object]:
        event = {"id": f"closing-{number}", "message": text, "status": status, "grouping_key": "g-1"}
        reply: dict[str, object] = sender.post(path, json=event).json()["events"][0]
        return reply

    failure_id = send(1, "firing")["failure_id"]
    assert send(2, "resolved")["failure_id"] == failure_id
    state = f"SELECT resolved_at IS NOT NULL, regressed FROM failure WHERE id = '{failure_id}'"
    assert rows(api_site, state) == [(1, 0)]
    send(3, "firing")
    assert rows(api_site, state) == [(0, 1)]


def test_an_authentic_delivery_that_cannot_be_read_is_kept_redacted(api_site: Site, sender: httpx.Client) -> None:
    path = connect(api_site, "unreadable", "sentry", Auth("bearer", ("a-long-bearer-secret",)))
    body = '{"this is": no json, password=hunter2hunter2, key AKIAIOSFODNN7EXAMPLE'
    reply = sender.post(path, content=body, headers={"authorization": "Bearer a-long-bearer-secret"})
    assert reply.status_code == 202
    assert reply.json()["events"] == []
    ((headers, kept, reason),) = rows(
        api_site, "SELECT headers, body, reason FROM unparsed WHERE connection = 'unreadable'"
    )
    assert "a-long-bearer-secret" not in str(headers)
    assert "AKIAIOSFODNN7EXAMPLE" not in str(kept)
    assert "hunter2hunter2" not in str(kept)
    assert "Not JSON" in str(reason)


def test_a_secret_is_masked_before_it_is_stored(api_site: Site, sender: httpx.Client) -> None:
    path = connect(api_site, "masked")
    sender.post(path, json={"id": "m", "message": "denied with key AKIAIOSFODNN7EXAMPLE", "token": "tok-1234567890abc"})
    ((stored,),) = rows(api_site, "SELECT text || attributes || context FROM event WHERE connection = 'masked'")
    assert "AKIAIOSFODNN7EXAMPLE" not in str(stored)
    assert "tok-1234567890abc" not in str(stored)


@pytest.mark.parametrize(
    "headers", [{}, {"authorization": "Bearer wrong"}, {"authorization": "Basic d3Jvbmc6"}, {"x-token": "wrong"}]
)
def test_a_sender_without_the_secret_is_refused_in_the_same_words(
    api_site: Site, sender: httpx.Client, headers: dict[str, str]
) -> None:
    if api_site.services.connections.get("locked") is None:
        connect(api_site, "locked", auth=Auth("bearer", ("the-secret-of-this-one",)))
    reply = sender.post("/ingest/locked", json={"message": "x"}, headers=headers)
    assert reply.status_code == 401
    assert reply.headers["content-type"] == "application/problem+json"
    problem = reply.json()
    assert problem["detail"] == "The header Authorization: Bearer holds no secret of this connection."
    assert rows(api_site, "SELECT count(*) FROM event WHERE connection = 'locked'") == [(0,)]


def test_a_second_live_secret_is_accepted_too(api_site: Site, sender: httpx.Client) -> None:
    path = connect(api_site, "rotating", auth=Auth("bearer", ("new-secret-new", "old-secret-old")))
    for secret in ("new-secret-new", "old-secret-old"):
        reply = sender.post(path, json={"message": "x"}, headers={"authorization": f"Bearer {secret}"})
        assert reply.status_code == 202


def test_an_unknown_connection_is_not_found(sender: httpx.Client) -> None:
    for path in ("/ingest/nobody", "/ingest/", "/ingest/nobody/api/1/envelope/", "/ingest/%2e%2e/"):
        reply = sender.post(path, content=b"x")
        assert (reply.status_code, reply.json()["type"]) == (404, "urn:whydenied:problem:unknown-connection")


def test_a_wrong_method_names_the_right_ones(api_site: Site, sender: httpx.Client) -> None:
    path = connect(api_site, "methods")
    reply = sender.get(path)
    assert (reply.status_code, reply.headers["allow"]) == (405, "POST, PUT")


def test_an_empty_delivery_of_a_known_kind_is_answered_and_not_stored(api_site: Site, sender: httpx.Client) -> None:
    path = connect(api_site, "nothing", "alertmanager")
    reply = sender.post(path, json={"version": "4", "alerts": []})
    assert (reply.status_code, reply.json()) == (202, {"events": []})
    assert metric(api_site, 'whydenied_deliveries_total{connection="nothing",outcome="empty"}') == 1


def test_a_body_that_declares_too_much_is_refused_unread(api_site: Site) -> None:
    path = connect(api_site, "declared")
    with Wire(api_site.url) as wire:
        wire.head(path, f"Content-Length: {50 * MIB}", "Expect: 100-continue")
        status, body = wire.answer()
    assert status == 413
    assert json.loads(body)["detail"] == f"The body is larger than {5 * MIB} bytes."


def test_a_chunked_body_is_refused_when_it_passes_the_limit(api_site: Site) -> None:
    path = connect(api_site, "chunked")
    with Wire(api_site.url) as wire:
        wire.head(path, "Transfer-Encoding: chunked")
        sent = wire.chunks(b"x" * 65_536 for _ in range(100))
        status, _ = wire.answer()
    assert status == 413
    assert sent >= 5 * MIB


def test_a_gzip_bomb_is_refused_without_being_held(api_site: Site, sender: httpx.Client) -> None:
    path = connect(api_site, "bomb")
    bomb = gzip.compress(b"\0" * (200 * MIB), compresslevel=9)
    assert len(bomb) < MIB
    started = time.monotonic()
    reply = sender.post(path, content=bomb, headers={"content-encoding": "gzip"})
    assert reply.status_code == 413
    assert reply.json()["detail"] == f"The body decompresses to more than {20 * MIB} bytes; send smaller batches."
    assert time.monotonic() - started < 5


def test_sentry_may_send_what_others_may_not(api_site: Site, sender: httpx.Client) -> None:
    path = connect(api_site, "large-sentry", "sentry")
    reply = sender.post(path, json={"event": {"message": TABLE_DENIED, "extra": "x" * (6 * MIB)}})
    assert reply.status_code == 202


def test_a_sender_that_hangs_up_is_counted_and_hurts_nobody(api_site: Site, sender: httpx.Client) -> None:
    path = connect(api_site, "cut")
    with Wire(api_site.url) as wire:
        wire.head(path, "Content-Length: 1000")
        wire.send(b"half of it")
    wait_until(lambda: metric(api_site, 'whydenied_deliveries_total{connection="cut",outcome="cut"}') == 1)
    assert sender.post(path, json={"message": "x"}).status_code == 202


def test_a_sender_that_stalls_is_answered_408(tmp_path: Path) -> None:
    with running_site(tmp_path, body_timeout=0.2) as site:
        path = connect(site, "slow")
        with Wire(site.url) as wire:
            wire.head(path, "Content-Length: 1000")
            wire.send(b"half of it")
            assert wire.answer()[0] == 408


def test_overload_is_said_and_what_was_accepted_is_kept(tmp_path: Path) -> None:
    with running_site(tmp_path, queue_limit=3) as site, client(site, None) as sender:
        path = connect(site, "busy")
        statuses: list[int] = []
        threads: list[threading.Thread] = []

        def post(number: int) -> None:
            with client(site, None) as own:
                statuses.append(own.post(path, json={"id": f"b{number}", "message": "x"}).status_code)

        with _locked(site):
            while site.services.writer.waiting < 3:
                threads.append(threading.Thread(target=post, args=(len(threads),)))
                threads[-1].start()
                time.sleep(0.05)
            refused = sender.post(path, json={"id": "one-too-many", "message": "x"})
        for thread in threads:
            thread.join(20)
        assert refused.status_code == 503
        assert int(refused.headers["retry-after"]) >= 1
        assert refused.json()["type"] == "urn:whydenied:problem:overloaded"
        assert statuses.count(202) >= 4
        assert set(statuses) <= {202, 503}
        assert rows(site, "SELECT count(*) FROM event") == [(statuses.count(202),)]


def test_a_database_that_refuses_is_said_and_nothing_is_acknowledged(tmp_path: Path) -> None:
    with running_site(tmp_path) as site, client(site, None) as sender:
        path = connect(site, "away")
        with site.services.engine.begin() as conn:
            conn.exec_driver_sql("ALTER TABLE event RENAME TO hidden")
        refused = sender.post(path, json={"id": "1", "message": "x"})
        with site.services.engine.begin() as conn:
            conn.exec_driver_sql("ALTER TABLE hidden RENAME TO event")
        accepted = sender.post(path, json={"id": "1", "message": "x"})
    assert (refused.status_code, refused.json()["type"]) == (503, "urn:whydenied:problem:store-unavailable")
    assert refused.headers["retry-after"]
    assert (accepted.status_code, accepted.json()["events"][0]["duplicate"]) == (202, False)


@contextlib.contextmanager
def _locked(site: Site) -> Iterator[None]:
    """Hold the write lock of the database, as a slow disk would."""
    with contextlib.closing(sqlite3.connect(site.services.engine.url.database or "", isolation_level=None)) as blocker:
        blocker.execute("BEGIN IMMEDIATE")
        yield
        blocker.execute("ROLLBACK")
