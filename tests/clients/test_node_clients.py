"""Real clients of Node.js: each script runs as its users run it, and the right root cause comes out."""

import subprocess
from pathlib import Path

import pytest
from api_client import client, connect
from private_server import find_program
from service_site import Site

from connectors.base import Auth, AuthScheme

FOLDER = Path(__file__).parent / "node"
SECRET = "0d6c2f5e9b8a4713a1e4c7d05f92b368"
CASES: dict[str, tuple[str, AuthScheme]] = {
    "sentry": ("sentry", "signature"),
    "otlp": ("otlp", "bearer"),
    "github": ("github", "signature"),
}


@pytest.fixture
def node_clients() -> str:
    return find_program("node")


def test_every_script_is_a_case() -> None:
    assert {path.stem for path in FOLDER.glob("*.js")} == set(CASES)


@pytest.mark.parametrize("script", CASES)
def test_its_failure_is_received_and_answered(site: Site, node_clients: str, script: str) -> None:
    connector, scheme = CASES[script]
    path = connect(site, f"node-{script}", connector, Auth(scheme, (SECRET,)))
    command = [node_clients, str(FOLDER / f"{script}.js"), f"{site.url}{path}", SECRET]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    with client(site) as reader:
        failures = reader.get("/api/v1/failures", params={"connection": f"node-{script}"}).json()["items"]
    assert [failure["cause"] for failure in failures] == ["missing_grant"]
