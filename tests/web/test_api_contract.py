"""The running service keeps every promise of its OpenAPI document: schemathesis, with all of its checks."""

import subprocess
import sys
from pathlib import Path

import httpx
import pytest
from api_client import ADMIN_KEY, TABLE_DENIED
from fuzzing import FACTOR
from service_site import Site

EXAMPLES = ["--max-examples", str(40 * FACTOR)] if FACTOR else ["--max-examples", "3", "--generation-deterministic"]
_PATIENCE = 400  # seconds; it takes a quarter of that where nothing else runs
BOUNDED = (*EXAMPLES, "--max-failures", "5", "--warnings", "off")


@pytest.mark.timeout(_PATIENCE * max(FACTOR, 1) + 20)
def test_schemathesis_finds_nothing(api_site: Site, admin: httpx.Client, tmp_path: Path) -> None:
    admin.post("/api/v1/events", json=[{"text": TABLE_DENIED}, {"text": "nobody knows this"}])
    command = [sys.executable, "-m", "schemathesis.cli", "run", f"{api_site.url}/openapi.json", "--checks", "all"]
    done = subprocess.run(
        [*command, *BOUNDED, "--header", f"Authorization: Bearer {ADMIN_KEY}"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=_PATIENCE * max(FACTOR, 1),
        check=False,
    )
    assert done.returncode == 0, done.stdout[-8_000:] + done.stderr[-2_000:]
    document = admin.get("/openapi.json").json()
    operations = sum(len(methods) for methods in document["paths"].values())
    assert f"Tested: {operations}" in done.stdout
