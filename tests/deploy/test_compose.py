"""docker-compose.yml, as far as it can be proven without a container engine.

Each service's own command runs as a process with its own environment against a real PostgreSQL; what the engine would
provide (the network's names, the secrets' folder, the data folder) is put in its place. Then the main job goes through.
"""

import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest
from messages_api import KEY, answer, serve_messages_api
from postgres_server import PostgresServer
from private_server import free_port, wait_until
from ruamel.yaml import YAML

ROOT = Path(__file__).resolve().parents[2]
COMPOSE = YAML(typ="safe").load((ROOT / "docker-compose.yml").read_text())
SERVICES: dict[str, dict[str, Any]] = COMPOSE["services"]
DOCKERFILE = (ROOT / "Dockerfile").read_text()
SECRETS = {
    "secret_key": "c2VjcmV0LWtleS1vZi10aGUtdGVzdC0zMi1ieXRlcyE=",
    "admin_api_key": "wd_00000000_an_admin_key_for_tests",
    "pgpass": "postgres:5432:whydenied:whydenied:password",
    "postgres_password": "password",
}
OWN = ["migrate", "api", "worker"]


def complaints(file: Path) -> str:
    """What the Compose Specification's published schema has against a file."""
    program = Path(sys.executable).parent / "check-jsonschema"
    command = [str(program), "--builtin-schema", "vendor.compose-spec", str(file)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    return done.stdout + done.stderr if done.returncode else ""


def test_it_is_what_the_published_schema_allows(tmp_path: Path) -> None:
    assert complaints(ROOT / "docker-compose.yml") == ""
    wrong = tmp_path / "wrong.yml"
    wrong.write_text((ROOT / "docker-compose.yml").read_text().replace("stop_grace_period: 60s", "stop_grace: 60s"))
    assert "'stop_grace' was unexpected" in complaints(wrong)


def test_every_secret_and_volume_that_a_service_wants_is_declared() -> None:
    for name, service in SERVICES.items():
        assert set(service.get("secrets", [])) <= set(COMPOSE["secrets"]), name
        for volume in service.get("volumes", []):
            assert volume.partition(":")[0] in COMPOSE["volumes"], name
        assert set(service.get("depends_on", {})) <= set(SERVICES), name
        for path in re.findall(r"/run/secrets/(\w+)", str(service.get("environment"))):
            assert path in service["secrets"], f"{name} reads {path} and is not given it"
    assert set(COMPOSE["secrets"]) == set(SECRETS)


@pytest.mark.parametrize("name", OWN)
def test_own_services_write_nowhere_but_in_memory_and_are_not_root(name: str) -> None:
    assert SERVICES[name]["read_only"] is True
    assert "\nUSER whydenied\n" in DOCKERFILE
    uid = re.search(r"--uid (\d+)", DOCKERFILE)
    assert uid
    assert f"uid={uid[1]}" in str(SERVICES[name]["tmpfs"])


def test_the_image_runs_what_compose_runs() -> None:
    command = re.findall(r"^CMD (\[.*\])$", DOCKERFILE, re.MULTILINE)[-1]
    assert YAML(typ="safe").load(command) == SERVICES["api"]["command"]


class Deployment:
    """The services as processes, with what an engine would give them."""

    def __init__(self, folder: Path, database: str, model: str) -> None:
        self.folder, self.database = folder, database
        self.outside = {"WHYDENIED_LLM_API_KEY": KEY}
        self.beside = {"WHYDENIED_LLM_BASE_URL": model, "WHYDENIED_LOG_FORMAT": "json"}
        for name, value in SECRETS.items():
            (folder / name).touch(0o600)
            (folder / name).write_text(value)

    def run(self, name: str, port: int = 0) -> "subprocess.Popen[bytes]":
        """Start one service; where it listens, on this port."""
        service = SERVICES[name]
        data = self.folder / f"data-{name}"
        data.mkdir(exist_ok=True)
        kept = {key: os.environ[key] for key in ("PATH", "HOME", "LANG", "XDG_CACHE_HOME") if key in os.environ}
        given = {key: self._inside(value) for key, value in service["environment"].items()}
        own = {"whydenied": f"{Path(sys.executable).parent}/whydenied", "8000": str(port), "0.0.0.0": "127.0.0.1"}
        command = [own.get(word, word) for word in service["command"]]
        with (self.folder / f"{name}.log").open("ab") as log:
            env = {**kept, **given, **self.beside, "WHYDENIED_DATA_DIR": str(data)}
            return subprocess.Popen(command, env=env, stdout=log, stderr=log, cwd=self.folder)

    def _inside(self, value: str) -> str:
        value = re.sub(r"\$\{(\w+):-\}", lambda found: self.outside.get(found[1], ""), value)
        value = value.replace("/run/secrets/", f"{self.folder}/")
        return self.database if value.startswith("postgresql://") else value

    @contextmanager
    def running(self, name: str) -> Iterator[str]:
        """One service while it runs, as the address where it listens."""
        port = free_port()
        process = self.run(name, port)
        try:
            yield f"http://127.0.0.1:{port}"
            assert process.poll() is None, f"{name} has ended"
        finally:
            process.send_signal(signal.SIGTERM)
            process.wait(40)
        assert process.returncode == 0, (self.folder / f"{name}.log").read_text()[-2000:]


def is_ready(url: str) -> bool:
    try:
        return httpx.get(f"{url}/readyz", trust_env=False).status_code == 200
    except httpx.HTTPError:
        return False


@pytest.mark.timeout(600)
def test_the_main_job_goes_through_its_services(
    tmp_path: Path, postgres_server: PostgresServer, postgres_url: str
) -> None:
    with ExitStack() as stack:
        model = stack.enter_context(serve_messages_api())
        model.default = answer(title="The event does not say")
        deployment = Deployment(tmp_path, postgres_url, model.url)
        assert deployment.run("migrate").wait(60) == 0, (tmp_path / "migrate.log").read_text()
        api = stack.enter_context(deployment.running("api"))
        wait_until(lambda: is_ready(api), "the api does not become ready", 240)
        workers = [stack.enter_context(deployment.running("worker")) for _ in range(2)]
        key = {"authorization": f"Bearer {SECRETS['admin_api_key']}"}
        with httpx.Client(base_url=api, headers=key, trust_env=False, timeout=20) as client:
            known = client.post("/api/v1/events", json={"text": "ERROR: permission denied for table orders"}).json()
            assert known["analysis"]["verdict"] == "permission"
            new = client.post("/api/v1/events", json={"text": "zork refused the frobnication of the widget"}).json()
            address = f"/api/v1/failures/{new['failure']['id']}"
            wait_until(lambda: client.get(address).json()["analysis_state"] == "answered", "no worker answered", 150)
        assert len(model.requests) == 1
        wait_until(lambda: all(map(is_ready, workers)), "a worker does not become ready", 240)
        told = [httpx.get(f"{worker}/metrics", trust_env=False).text for worker in workers]
        assert (
            sum('whydenied_llm_calls_total{model="claude' in one and 'outcome="answered"' in one for one in told) == 1
        )
        assert httpx.get(f"{workers[0]}/api/v1/failures", headers=key, trust_env=False).status_code == 404
