"""The processes under attack: each has a place that is filled again after every kill."""

import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from private_server import wait_until

_NURSERY = Path(__file__).with_name("nursery.py")
_ROOT = Path(__file__).resolve().parents[2]


@dataclass
class Place:
    """One process of a role; `process_id` is None between a death and the next birth."""

    role: str
    arguments: Sequence[str]
    environment: Mapping[str, str]
    log: Path
    process_id: int | None = None


class Nursery:
    """Where processes come from, for one fleet after the other: see `nursery.py`."""

    def __init__(self, rules: Path, clock: Path) -> None:
        self.clock = clock
        self.shift(0)
        self._lock = threading.Lock()
        self._process = subprocess.Popen(
            [sys.executable, str(_NURSERY), str(rules), str(clock)],
            cwd=_ROOT,
            env={**os.environ, "PYTHONPATH": str(_ROOT)},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def start(self, place: Place) -> int:
        """Make a process for a place and give its id."""
        wanted = {"arguments": place.arguments, "environment": dict(place.environment), "log": str(place.log)}
        assert self._process.stdin
        assert self._process.stdout
        with self._lock:
            self._process.stdin.write(json.dumps(wanted) + "\n")
            self._process.stdin.flush()
            return int(self._process.stdout.readline())

    def shift(self, seconds: int) -> None:
        """Let the time of day of all its processes be off by so much."""
        fresh = self.clock.with_name("clock.new")
        fresh.write_text(f"{seconds:+d}\n")
        fresh.replace(self.clock)

    def close(self) -> None:
        """End it. Its processes do not end with it."""
        assert self._process.stdin
        assert self._process.stdout
        self._process.stdin.close()
        self._process.wait(60)
        self._process.stdout.close()


class Fleet:
    """All places."""

    def __init__(self, places: Sequence[Place], nursery: Nursery) -> None:
        self.places = places
        self.kills: dict[str, int] = {}
        self._nursery = nursery

    def start(self, place: Place) -> None:
        """Fill an empty place."""
        place.process_id = self._nursery.start(place)

    def kill(self, place: Place) -> bool:
        """End its process as a power cut would. False: it had ended by itself, as one does that cannot start."""
        if place.process_id is None:
            return False
        process_id, place.process_id = place.process_id, None
        killed = _signal(process_id, signal.SIGKILL)
        if killed:
            self.kills[place.role] = self.kills.get(place.role, 0) + 1
            wait_until(lambda: not _signal(process_id, 0), f"process {process_id} does not die", seconds=60)
        return killed

    def is_alive(self, place: Place) -> bool:
        return place.process_id is not None and _signal(place.process_id, 0)

    def end(self, seconds: float = 60.0) -> bool:
        """Ask every process to end, as an orchestrator would. False: one had to be killed."""
        ids = [place.process_id for place in self.places if place.process_id is not None]
        for process_id in ids:
            _signal(process_id, signal.SIGTERM)
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline and any(_signal(process_id, 0) for process_id in ids):
            time.sleep(0.02)
        left = [process_id for process_id in ids if _signal(process_id, signal.SIGKILL)]
        for place in self.places:
            place.process_id = None
        return not left

    def close(self) -> None:
        """Kill what is left."""
        for place in self.places:
            self.kill(place)


def _signal(process_id: int, number: int) -> bool:
    try:
        os.kill(process_id, number)
    except ProcessLookupError:
        return False
    return True
