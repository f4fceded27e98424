"""The running service keeps every promise of its OpenAPI document: schemathesis, with all of its checks."""

import subprocess
import sys
from pathlib import Path

import httpx
from api_client import ADMIN_KEY, TABLE_DENIED
from fuzzing import FACTOR
from service_site import Site

EXAMPLES = ["--max-examples", str(40 * FACTOR)] if FACTOR else ["--max-examples", "8", "--generation-deterministic"]
BOUNDED = (*EXAMPLES, "--max-failures", "5", "--warnings", "off")


def test_schemathesis_finds_nothing(api_site: Site, admin: httpx.Client, tmp_path: Path) -> None:
    admin.post("/api/v1/events", json=[{"text": TABLE_DENIED}, {"text": "nobody knows this"}])
    command = [sys.executable, "-m", "schemathesis.cli", "run", f"{api_site.url}/openapi.json", "--checks", "all"]
    done = subprocess.run(
        [*command, *BOUNDED, "--header", f"Authorization: Bearer {ADMIN_KEY}"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=110 * max(FACTOR, 1),
        check=False,
    )
    assert done.returncode == 0, done.stdout[-8_000:] + done.stderr[-2_000:]
    document = admin.get("/openapi.json").json()
    operations = sum(len(methods) for methods in document["paths"].values())
    assert f"Tested: {operations}" in done.stdout
