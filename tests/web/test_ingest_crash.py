"""What was acknowledged survives a kill at any moment, and a polite end loses nothing either."""

import itertools
import threading
import time
from pathlib import Path

import httpx
import sentry_sdk
from served import Served, serving

ADMIN_KEY = "wd_00000000_an_admin_key_for_tests"
CONNECTIONS = """
connections:
  - {name: jobs, connector: generic, auth: {scheme: bearer, secrets: [a-secret-of-the-jobs]}}
  - {name: apps, connector: sentry, auth: {scheme: signature, secrets: [0d6c2f5e9b8a4713a1e4c7d05f92b368]}}
"""


def settings(folder: Path) -> dict[str, str]:
    file = folder / "connections.yaml"
    file.write_text(CONNECTIONS)
    return {"admin_api_key": ADMIN_KEY, "connections": str(file)}


def post_until_cut(url: str, numbers: "itertools.count[int]", acknowledged: list[str]) -> None:
    headers = {"authorization": "Bearer a-secret-of-the-jobs"}
    with httpx.Client(base_url=url, headers=headers, trust_env=False, timeout=20) as sender:
        while True:
            name = f"event-{next(numbers)}"
            try:
                reply = sender.post("/ingest/jobs", json={"id": name, "message": f"denied {name}"})
            except httpx.HTTPError:
                return
            if reply.status_code == 202:
                acknowledged.append(name)


def stored(url: str) -> set[str]:
    found: set[str] = set()
    headers = {"authorization": f"Bearer {ADMIN_KEY}"}
    with httpx.Client(base_url=f"{url}/api/v1", headers=headers, trust_env=False, timeout=20) as reader:
        for failure in _all(reader, "/failures"):
            found |= {event["source_id"] for event in _all(reader, f"/failures/{failure['id']}/events")}
    return found


def _all(reader: httpx.Client, path: str) -> list[dict[str, str]]:
    items, cursor = [], None
    while True:
        page = reader.get(path, params={"limit": 200, **({"cursor": cursor} if cursor else {})}).json()
        items += page["items"]
        cursor = page["next_cursor"]
        if cursor is None:
            return items


def load(served: Served, acknowledged: list[str]) -> list[threading.Thread]:
    numbers = itertools.count(len(acknowledged) * 1_000)
    threads = [
        threading.Thread(target=post_until_cut, args=(served.url, numbers, acknowledged), daemon=True) for _ in range(8)
    ]
    for thread in threads:
        thread.start()
    deadline = time.monotonic() + 20
    enough = len(acknowledged) + 200
    while len(acknowledged) < enough:
        assert time.monotonic() < deadline, "too little is acknowledged"
        time.sleep(0.01)
    return threads


def test_no_acknowledged_event_is_lost_by_a_kill(tmp_path: Path) -> None:
    acknowledged: list[str] = []
    for _ in range(2):
        with serving(tmp_path, **settings(tmp_path)) as served:
            threads = load(served, acknowledged)
            served.kill()
            for thread in threads:
                thread.join(20)
    with serving(tmp_path, **settings(tmp_path)) as served:
        assert set(acknowledged) - stored(served.url) == set()
    assert len(acknowledged) == len(set(acknowledged))


def test_a_polite_end_answers_what_is_under_way(tmp_path: Path) -> None:
    acknowledged: list[str] = []
    with serving(tmp_path, **settings(tmp_path)) as served:
        load(served, acknowledged)
        assert served.stop() == 0
        assert '"message": "stopped"' in served.log.read_text()
    with serving(tmp_path, **settings(tmp_path)) as served:
        assert set(acknowledged) - stored(served.url) == set()


def test_the_sentry_sdk_reports_to_the_service(tmp_path: Path) -> None:
    with serving(tmp_path, **settings(tmp_path)) as served:
        host = served.url.removeprefix("http://")
        client = sentry_sdk.Client(
            dsn=f"http://0d6c2f5e9b8a4713a1e4c7d05f92b368@{host}/ingest/apps/1", default_integrations=False
        )
        with sentry_sdk.isolation_scope() as scope:
            scope.set_client(client)
            event_id = scope.capture_message("permission denied for table orders", level="error")
        client.close(timeout=20)
        assert event_id in stored(served.url)
