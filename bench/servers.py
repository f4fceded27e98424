"""The servers under load: each a process of its own on loopback, from its first answer until the block ends."""

import itertools
import json
import os
import shutil
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

import psutil
from load import build_request
from matching import near_miss_text

TOKEN = "bench-token-" + "0" * 24
_HERE = Path(__file__).parent
_DENIAL = (
    'pods is forbidden: User "system:serviceaccount:shop:checkout" cannot list resource "pods" '
    'in API group "" in the namespace "shop"'
)
_NUMBERS = itertools.count()


@dataclass
class Server:
    """One service on one or more ports, and how to make a request to it."""

    ports: tuple[int, ...]
    make_request: Callable[[], bytes]
    processes: tuple[psutil.Process, ...]

    def cpu_seconds(self) -> float:
        """CPU that its processes used so far."""
        times = [process.cpu_times() for process in self.processes]
        return float(sum(one.user + one.system for one in times))

    def resident_mb(self) -> float:
        """Resident memory of its processes in MB."""
        return float(sum(process.memory_info().rss for process in self.processes)) / 1e6


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextmanager
def running(command: list[str], port: int, ready: str, env: Mapping[str, str]) -> Iterator[psutil.Process]:
    """The process, once it answers `ready` on `port`."""
    process = subprocess.Popen(command, env={**os.environ, **env}, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        deadline = time.monotonic() + 600
        while not answers(f"http://127.0.0.1:{port}{ready}"):
            if process.poll() is not None or time.monotonic() > deadline:
                raise SystemExit(f"{' '.join(command)} did not start")
            time.sleep(0.005)
        yield psutil.Process(process.pid)
    finally:
        process.terminate()
        try:
            process.wait(60)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def answers(url: str) -> bool:
    try:
        with urllib.request.urlopen(url, timeout=5):
            return True
    except urllib.error.HTTPError:
        return True
    except OSError:
        return False


def event_body(number: int, size: int = 2_048) -> bytes:
    """A JSON event of about `size` bytes; one in five is a denial that a rule knows."""
    message = _DENIAL if number % 5 == 0 else f"job {number % 40} stopped: upstream closed the connection"
    filler = near_miss_text(max(0, size - len(message) - 120))
    return json.dumps({"id": f"bench-{number}", "service": "shop", "message": f"{message}\n{filler}"}).encode()


_BODIES = [event_body(number).split(b"bench-", 1) for number in range(200)]


def request_maker(path: str, headers: dict[str, str], *, fresh: bool = False) -> Callable[[], bytes]:
    """Requests with an event id of their own each; `fresh` ones with a text of their own as well.

    Bodies are formatted beforehand, so that the generator is not the limit.
    """

    def make() -> bytes:
        number = next(_NUMBERS)
        head, tail = _BODIES[number % len(_BODIES)]
        body = b"%bbench-%09d-%b" % (head, number, tail)
        if fresh:
            body = body.replace(b"job ", b"job %d of " % number, 1).replace(b"-api", b"-api%d" % number, 1)
        return build_request(path, body, headers)

    return make


def uvicorn(app: str, port: int, *options: str) -> list[str]:
    return [sys.executable, "-m", "uvicorn", app, "--port", str(port), "--log-level", "error", *options]


@contextmanager
def bare() -> Iterator[Server]:
    """The echo that everything is compared with."""
    port = free_port()
    with running(uvicorn("yardsticks:bare", port, "--app-dir", str(_HERE)), port, "/", {}) as process:
        yield Server((port,), request_maker("/", {}), (process,))


@contextmanager
def per_request(folder: Path) -> Iterator[Server]:
    """The tutorial design: a commit for each request."""
    port = free_port()
    command = uvicorn("yardsticks:commit_per_request", port, "--factory", "--app-dir", str(_HERE))
    with running(command, port, "/openapi.json", {"BENCH_DATABASE_URL": f"sqlite:///{folder / 'naive.db'}"}) as process:
        yield Server((port,), request_maker("/events", {}), (process,))


@contextmanager
def service(
    folder: Path,
    *,
    database: str | None = None,
    count: int = 1,
    env: Mapping[str, str] | None = None,
    fresh: bool = False,
) -> Iterator[Server]:
    """`whydenied serve`, `count` processes of it on one database, by default a new SQLite file."""
    declared = folder / "connections.yaml"
    declared.write_text(
        f"connections: [{{name: bench, connector: generic, auth: {{scheme: bearer, secrets: [{TOKEN}]}}}}]\n"
    )
    settings = {
        "WHYDENIED_DATA_DIR": str(folder / "var"),
        "WHYDENIED_CONNECTIONS": str(declared),
        "WHYDENIED_LOG_LEVEL": "warning",
        **({"WHYDENIED_DATABASE_URL": database} if database else {}),
        **(env or {}),
    }
    ports = tuple(free_port() for _ in range(count))
    with ExitStack() as stack:
        processes = tuple(stack.enter_context(running(serve(port), port, "/healthz", settings)) for port in ports)
        maker = request_maker("/ingest/bench", {"Authorization": f"Bearer {TOKEN}"}, fresh=fresh)
        yield Server(ports, maker, processes)


def serve(port: int) -> list[str]:
    return [sys.executable, "-m", "service", "serve", "--host", "127.0.0.1", "--port", str(port)]


def slow_flush(folder: Path, milliseconds: int) -> dict[str, str] | None:
    """The environment that makes each flush of a process that much slower; None where there is no C compiler."""
    compiler = shutil.which("cc") or shutil.which("gcc")
    if compiler is None:
        return None
    library = folder / "slow_flush.so"
    subprocess.run(
        [compiler, "-shared", "-fPIC", "-O2", "-o", str(library), str(_HERE / "slow_flush.c"), "-ldl"], check=True
    )
    return {"LD_PRELOAD": str(library), "SLOW_FLUSH_US": str(milliseconds * 1_000)}
