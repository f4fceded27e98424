"""The service as its own process, for what only a process can show: being killed, signals, exit codes, logs."""

import contextlib
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

from service_site import RULES
from templates import copy_database

COMMAND = [sys.executable, "-m", "service"]


def variables(folder: Path, **settings: str) -> dict[str, str]:
    """The settings of a service with its database in `folder` and one rule, as its environment holds them."""
    rules = folder / "rules"
    rules.mkdir(parents=True, exist_ok=True)
    (rules / "demo.yaml").write_text(RULES)
    if not (folder / "whydenied.db").exists():
        copy_database(folder / "whydenied.db")
    given = {f"WHYDENIED_{name.upper()}": value for name, value in settings.items()}
    own = {"WHYDENIED_DATA_DIR": str(folder), "WHYDENIED_RULES_DIR": str(rules), "WHYDENIED_WORKER": "false"}
    return own | given


def environment(folder: Path, **settings: str) -> dict[str, str]:
    """The same with the rest of this process's environment, and none of its settings."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("WHYDENIED_")}
    return kept | variables(folder, **settings)


class Served:
    """One running process. `url` is its address, `log` the file with what it printed."""

    def __init__(self, folder: Path, **settings: str) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.log = folder / f"log-{time.monotonic_ns()}"
        with self.log.open("wb") as output:
            command = [*COMMAND, "serve", "--port", "0"]
            env = environment(folder, **settings)
            self.process = subprocess.Popen(command, stdout=output, stderr=output, env=env)
        self.url = self._wait_for_address()

    def kill(self) -> None:
        """End it as a power cut would."""
        self.process.kill()
        self.process.wait(20)

    def stop(self) -> int:
        """Ask it to end, as an orchestrator would; gives the exit code."""
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(40)

    def _wait_for_address(self) -> str:
        deadline = time.monotonic() + 40
        while time.monotonic() < deadline:
            for line in self.log.read_text().splitlines():
                entry = json.loads(line) if line.startswith("{") and line.endswith("}") else {}
                if entry.get("message") == "listening":
                    return str(entry["url"])
            assert self.process.poll() is None, self.log.read_text()
            time.sleep(0.02)
        raise AssertionError(f"the service did not start: {self.log.read_text()}")


@contextlib.contextmanager
def serving(folder: Path, **settings: str) -> Iterator[Served]:
    """A process that is killed at the end, whatever happens."""
    served = Served(folder, **settings)
    try:
        yield served
    finally:
        served.kill()


def run(folder: Path, *arguments: str, stdin: str = "", **settings: str) -> subprocess.CompletedProcess[str]:
    """Run one command to its end, as a process; `command.run_command` is many times faster."""
    return subprocess.run(
        [*COMMAND, *arguments],
        env=environment(folder, **settings),
        input=stdin,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
