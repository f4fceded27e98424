"""The service as a process: its log, its start, other processes beside it, and a model behind it."""

import json
import socket
import time
from collections.abc import Callable
from pathlib import Path

import httpx
from command import run_command
from messages_api import KEY, answer, serve_messages_api
from served import run, serving, variables
from service_site import EMAIL, PASSWORD

from service.store.access import create_account
from service.store.engine import open_engine
from service.web.passwords import hash_password

ADMIN_KEY = "wd_00000000_an_admin_key_for_tests"


def wait_for(condition: Callable[[], object], seconds: float = 40.0) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.1)


def test_the_log_is_json_without_secrets_and_the_set_up_link_works(tmp_path: Path) -> None:
    with serving(tmp_path, admin_api_key=ADMIN_KEY) as served:
        secret = ("--scheme", "url-token", "--secret", "in-the-address")
        run_command("connect", "hook", "--connector", "generic", *secret, **variables(tmp_path))
        with httpx.Client(base_url=served.url, trust_env=False) as client:
            wait_for(lambda: client.post("/ingest/hook?token=in-the-address", json={"message": "x"}).status_code == 202)
            assert client.post("/ingest/hook?token=wrong-in-the-address", json={"message": "x"}).status_code == 401
            client.get("/api/v1/failures?q=searched", headers={"authorization": f"Bearer {ADMIN_KEY}"})
            link = next(line.split()[-1] for line in served.log.read_text().splitlines() if "/setup?token=" in line)
            assert link.startswith(f"{served.url.replace('127.0.0.1', 'localhost')}/setup")
            assert client.get(link.replace("localhost", "127.0.0.1")).status_code == 200
        lines = [line for line in served.log.read_text().splitlines() if "/setup?token=" not in line]
    entries = [json.loads(line) for line in lines]
    assert {entry["level"] for entry in entries} <= {"info", "warning"}
    assert any(entry.get("outcome") == "unauthenticated" for entry in entries)
    for secret in ("in-the-address", ADMIN_KEY, "searched"):
        assert secret not in "\n".join(lines)


def test_a_taken_port_is_said_in_one_line(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        second = run(tmp_path, "serve", "--port", str(taken.getsockname()[1]))
    assert second.returncode == 1
    assert "cannot listen on 127.0.0.1 port" in second.stderr
    assert "Traceback" not in second.stderr


def test_a_stop_does_not_wait_for_pages_that_watch_an_analysis(tmp_path: Path) -> None:
    with serving(tmp_path, admin_api_key=ADMIN_KEY) as served:
        engine = open_engine(f"sqlite:///{tmp_path / 'whydenied.db'}")
        with engine.begin() as conn:
            create_account(conn, EMAIL, hash_password(PASSWORD), "viewer")
        engine.dispose()
        headers = {"sec-fetch-site": "same-origin"}
        with httpx.Client(base_url=served.url, headers=headers, trust_env=False) as browser:
            key = {"authorization": f"Bearer {ADMIN_KEY}"}
            stored = browser.post("/api/v1/events", json={"text": "refused by zork"}, headers=key).json()
            browser.post("/login", data={"email": EMAIL, "password": PASSWORD, "next": "/"})
            with browser.stream("GET", f"/failures/{stored['failure']['id']}/progress") as stream:
                lines = stream.iter_lines()
                assert next(lines).startswith("data: ")
                began = time.monotonic()
                assert served.stop() == 0
                assert time.monotonic() - began < 15


def test_what_no_rule_knows_is_answered_by_the_model_and_counted(tmp_path: Path) -> None:
    with serve_messages_api() as api:
        api.default = answer(title="The event does not say")
        model = {"worker": "true", "llm_api_key": KEY, "llm_base_url": api.url, "admin_api_key": ADMIN_KEY}
        with serving(tmp_path, **model) as served:
            headers = {"authorization": f"Bearer {ADMIN_KEY}"}
            with httpx.Client(base_url=served.url, headers=headers, trust_env=False) as client:
                stored = client.post("/api/v1/events", json={"text": "frobnication refused by zork"}).json()
                assert stored["analysis"] is None
                path = f"/api/v1/failures/{stored['failure']['id']}"
                wait_for(lambda: client.get(path).json()["analysis_state"] == "answered")
                failure, metrics = client.get(path).json(), client.get("/metrics").text
            assert served.stop() == 0
    assert (failure["producer"], failure["analysis"]["verdict"]) == ("llm", "unknown")
    assert "frobnication" in json.dumps(api.requests)
    calls = [line for line in metrics.splitlines() if line.startswith("whydenied_llm_")]
    assert any(line.startswith("whydenied_llm_calls_total{") and 'outcome="answered"' in line for line in calls)
    assert any('direction="input"' in line and not line.endswith(" 0.0") for line in calls)
