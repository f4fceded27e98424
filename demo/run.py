"""`make demo`: start the real service, post recorded deliveries through the real ingest, print each root cause and fix.

The recordings are the connectors' own test payloads. Ctrl-C ends; DEMO_ONCE=1 ends after printing.
"""

import json
import os
import secrets
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx
from rich.console import Console
from rich.rule import Rule
from standardwebhooks.webhooks import Webhook

from connectors.recording import Recording, read_recording
from service.cli.answer_text import print_answer
from service.domain import Answer

ROOT = Path(__file__).parents[1]
PAYLOADS = ROOT / "tests" / "connectors" / "payloads"
DELIVERIES = (
    "sentry/issue_alert_anthropic_permission_error",
    "sentry/sdk_envelope_anthropic_permission_error",
    "generic/xai_missing_acl",
    "generic/xai_no_credits",
    "alertmanager/kubernetes_rbac_denied",
    "generic/boto3_s3_access_denied",
    "generic/psycopg_insufficient_privilege",
    "generic/github_actions_integration",
    "generic/unknown_refusal",
)
PORT = int(os.environ.get("DEMO_PORT", "8000"))
BASE = f"http://127.0.0.1:{PORT}"
EMAIL = "admin@example.com"


def main() -> int:
    """Run the demo; the exit status is 0 when every delivery was accepted and answered as far as rules go."""
    recordings = [read_recording(PAYLOADS / f"{name}.json") for name in DELIVERIES]
    folder = Path(os.environ.get("DEMO_DIR") or ROOT / "var" / "demo")
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    admin_key = f"wd_demo_{secrets.token_urlsafe(24)}"
    env = {
        **os.environ,
        "WHYDENIED_DATA_DIR": str(folder),
        "WHYDENIED_CONNECTIONS": str(write_connections(folder, recordings)),
        "WHYDENIED_ADMIN_API_KEY": admin_key,
        "WHYDENIED_LOG_LEVEL": "warning",
    }
    password = add_admin(env)
    with serving(env) as process, httpx.Client(base_url=BASE, timeout=30) as client:
        client.headers["Authorization"] = f"Bearer {admin_key}"
        for recording in recordings:
            show(client, recording)
        print_login(password)
        if os.environ.get("DEMO_ONCE") != "1":
            wait_for_interrupt(process)
    return 0


def name_of(recording: Recording) -> str:
    """One connection for each connector and secret that the recordings use."""
    return f"{recording.connector}-{recording.auth.scheme}".replace("_", "-")


def write_connections(folder: Path, recordings: list[Recording]) -> Path:
    """Declare the connections as a file, GitOps style."""
    declared: dict[str, dict[str, Any]] = {}
    for recording in recordings:
        auth: dict[str, Any] = {"scheme": recording.auth.scheme}
        auth |= {"username": recording.auth.username} if recording.auth.username else {}
        auth |= {"name": recording.auth.name} if recording.auth.name else {}
        entry = declared.setdefault(
            name_of(recording),
            {"name": name_of(recording), "connector": recording.connector, "auth": {**auth, "secrets": []}},
        )
        entry["auth"]["secrets"] = list(dict.fromkeys([*entry["auth"]["secrets"], *recording.auth.secrets]))
    path = folder / "connections.yaml"
    path.write_text(json.dumps({"connections": list(declared.values())}, indent=2))
    return path


def add_admin(env: dict[str, str]) -> str:
    """Create the first admin with a generated password and return it."""
    password = secrets.token_urlsafe(12)
    command = [
        sys.executable,
        "-m",
        "service",
        "accounts",
        "add",
        "--email",
        EMAIL,
        "--role",
        "admin",
        "--password-stdin",
    ]
    subprocess.run(command, env=env, input=password, text=True, check=True, stdout=subprocess.DEVNULL)
    return password


@contextmanager
def serving(env: dict[str, str]) -> Iterator[subprocess.Popen[bytes]]:
    """The service as a process of its own, from ready until the block ends."""
    process = subprocess.Popen(
        [sys.executable, "-m", "service", "serve", "--host", "127.0.0.1", "--port", str(PORT)], env=env
    )
    try:
        deadline = time.monotonic() + 60
        while not is_ready():
            if process.poll() is not None or time.monotonic() > deadline:
                raise SystemExit(
                    f"demo: the service did not start on port {PORT}; is the port taken? (DEMO_PORT chooses another)"
                )
            time.sleep(0.1)
        yield process
    finally:
        process.terminate()
        process.wait(30)


def is_ready() -> bool:
    try:
        return httpx.get(f"{BASE}/readyz", timeout=2).status_code == 200
    except httpx.TransportError:
        return False


def show(client: httpx.Client, recording: Recording) -> None:
    """Post one delivery as its sender would, and print what came of each event in it."""
    console = Console(highlight=False)
    console.print(Rule(f"{recording.about}"))
    path = f"/ingest/{name_of(recording)}{recording.target}"
    posted = httpx.post(BASE + path, content=recording.delivery.raw, headers=sign_anew(recording), timeout=30)
    console.print(f"POST {path.split('?', maxsplit=1)[0]}  ->  {posted.status_code}", style="dim")
    posted.raise_for_status()
    connection = name_of(recording)
    newest = (
        client.get("/api/v1/failures", params={"connection": connection, "limit": 1})
        .raise_for_status()
        .json()["items"][0]
    )
    failure = settled(client, newest["id"])
    analysis = failure["analysis"]
    if analysis is None:
        console.print(f"{failure['title']}\n  {failure['analysis_note'] or 'A model is being asked.'}\n", markup=False)
        return
    events = client.get(f"/api/v1/failures/{newest['id']}/events").raise_for_status().json()["items"]
    text = next(event["text"] for event in events if event["id"] == analysis["event_id"])
    print_answer(Answer.model_validate({name: analysis[name] for name in Answer.model_fields}), text)


def settled(client: httpx.Client, failure_id: str) -> dict[str, Any]:
    """The failure, once a rule has answered it or the worker has said what becomes of it."""
    deadline = time.monotonic() + 30
    while True:
        failure: dict[str, Any] = client.get(f"/api/v1/failures/{failure_id}").raise_for_status().json()
        if failure["analysis"] or failure["analysis_note"] or time.monotonic() > deadline:
            return failure
        time.sleep(0.1)


def sign_anew(recording: Recording) -> dict[str, str]:
    """The recorded headers; a signature that covers a time is made again, since the recorded time is long ago."""
    headers = dict(recording.delivery.headers)
    if "webhook-signature" in headers:
        now = datetime.now(UTC)
        signed = Webhook(recording.auth.secrets[0]).sign(headers["webhook-id"], now, recording.delivery.raw.decode())
        headers |= {"webhook-timestamp": str(int(now.timestamp())), "webhook-signature": signed}
    return headers


def print_login(password: str) -> None:
    """How to look at the same failures in the browser."""
    console = Console(highlight=False)
    console.print(Rule("Now look at them"))
    console.print(f"Open      {BASE}/\nLog in    {EMAIL}\nPassword  {password}\n")


def wait_for_interrupt(process: subprocess.Popen[bytes]) -> None:
    print("Serving until Ctrl-C.", flush=True)
    try:
        process.wait()
    except KeyboardInterrupt:
        print()


if __name__ == "__main__":
    sys.exit(main())
