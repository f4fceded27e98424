"""From a process's start to its first 200, beside a bare FastAPI application; and memory after many events."""

import json
import statistics
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import uvloop
from load import build_request, drive
from servers import TOKEN, Server, free_port, running, serve, service, uvicorn

_BATCH = 100


@dataclass
class Start:
    """Medians: seconds to the first 200 and of CPU, of the service and as a multiple of the bare application's."""

    seconds: float
    cpu: float
    times_seconds: float
    times_cpu: float


def measure(rounds: int) -> Start:
    """Start both in turn. The first start of the service, which fills its caches, is not counted."""
    with tempfile.TemporaryDirectory() as folder:
        env = {"WHYDENIED_DATA_DIR": folder, "WHYDENIED_LOG_LEVEL": "warning"}
        _once(serve, env)
        pairs = [(_once(_hello, {}), _once(serve, env)) for _ in range(rounds)]
    return Start(
        *(statistics.median(own[number] for _, own in pairs) for number in (0, 1)),
        *(statistics.median(own[number] / bare[number] for bare, own in pairs) for number in (0, 1)),
    )


def _hello(port: int) -> list[str]:
    return uvicorn("hello:app", port, "--app-dir", str(Path(__file__).parent))


def _once(command_for: Callable[[int], list[str]], env: dict[str, str]) -> tuple[float, float]:
    port = free_port()
    started = time.perf_counter()
    with running(command_for(port), port, "/healthz", env) as process:
        times = process.cpu_times()
        return time.perf_counter() - started, times.user + times.system


def memory(events: int) -> tuple[float, float]:
    """Resident MB of a fresh service on SQLite before and after that many events, sent a hundred at a time."""
    with tempfile.TemporaryDirectory() as folder, service(Path(folder)) as server:
        before = server.resident_mb()
        _post(server, events)
        return before, server.resident_mb()


def _post(server: Server, events: int) -> None:
    sent = 0

    def make() -> bytes:
        nonlocal sent
        sent += _BATCH
        items = [
            {"id": f"m-{sent}-{n}", "service": "shop", "message": f"job {n} stopped at step {sent}"}
            for n in range(_BATCH)
        ]
        return build_request("/ingest/bench", json.dumps(items).encode(), {"Authorization": f"Bearer {TOKEN}"})

    done = 0
    while done < events:
        done += _BATCH * uvloop.run(drive(server.ports, make, connections=8, seconds=1.0)).accepted
