"""`make demo` as a newcomer runs it: real service, recorded deliveries, printed answers, exit 0."""

import os
import socket
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]


def test_the_demo_answers_every_delivery_and_abstains_on_the_last(tmp_path: Path) -> None:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    env = {**os.environ, "DEMO_ONCE": "1", "DEMO_PORT": str(port), "DEMO_DIR": str(tmp_path / "demo"), "COLUMNS": "200"}
    run = subprocess.run(
        [sys.executable, "demo/run.py"], cwd=ROOT, env=env, capture_output=True, text=True, timeout=110, check=False
    )
    assert run.returncode == 0, run.stderr
    wanted = [
        "The Claude API key may not use this resource",
        "Add api-key:endpoint:embed to the access list of the same key.",
        "The xAI team has no credits or has reached its spending limit",
        "kubectl auth can-i",
        '"Action": "s3:GetObject"',
        "GRANT SELECT ON postings TO ROLE_NAME;",
        "issues: write",
        "No rule knows this failure, and no model is configured",
        "Password",
    ]
    places = [run.stdout.find(words) for words in wanted]
    assert -1 not in places, wanted[places.index(-1)]
    assert places == sorted(places)
