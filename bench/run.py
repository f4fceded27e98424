"""Ingest and matching, measured side by side in one run: `make bench`. Ratios count; the rest is this machine's.

Three servers take turns under the same load: a bare uvicorn echo, whydenied's ingest (authenticated, redacted, matched,
durable), and one ORM commit per request. One event in five carries a known denial, each event is new.
"""

import argparse
import itertools
import json
import os
import socket
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import analysis
import matching
import uvloop
from load import Result, build_request, drive

_TOKEN = "bench-token-" + "0" * 24
_DENIAL = (
    'pods is forbidden: User "system:serviceaccount:shop:checkout" cannot list resource "pods" '
    'in API group "" in the namespace "shop"'
)
_NUMBERS = itertools.count()


def event_body(number: int, size: int = 2_048) -> bytes:
    """A JSON event of about `size` bytes; one in five is a denial that a rule knows."""
    message = _DENIAL if number % 5 == 0 else f"job {number % 40} stopped: upstream closed the connection"
    filler = matching.near_miss_text(max(0, size - len(message) - 120))
    return json.dumps({"id": f"bench-{number}", "service": "shop", "message": f"{message}\n{filler}"}).encode()


_BODIES = [event_body(number) for number in range(200)]


def request_maker(path: str, headers: dict[str, str]) -> Callable[[], bytes]:
    """Requests with a fresh event id each; bodies are formatted beforehand, so that the generator is not the limit."""
    parts = [body.split(b"bench-", 1) for body in _BODIES]

    def make() -> bytes:
        number = next(_NUMBERS)
        head, tail = parts[number % len(parts)]
        return build_request(path, b"%bbench-%09d-%b" % (head, number, tail), headers)

    return make


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextmanager
def running(command: list[str], port: int, ready: str, env: dict[str, str]) -> Iterator[None]:
    """The server as a process of its own, from its first answer until the block ends."""
    process = subprocess.Popen(command, env={**os.environ, **env}, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        deadline = time.monotonic() + 60
        while not answers(f"http://127.0.0.1:{port}{ready}"):
            if process.poll() is not None or time.monotonic() > deadline:
                raise SystemExit(f"{' '.join(command)} did not start")
            time.sleep(0.1)
        yield
    finally:
        process.terminate()
        process.wait(30)


def answers(url: str) -> bool:
    try:
        with urllib.request.urlopen(url, timeout=2):
            return True
    except urllib.error.HTTPError:
        return True
    except OSError:
        return False


@contextmanager
def bare(_: Path) -> Iterator[tuple[int, Callable[[], bytes]]]:
    port = free_port()
    command = [
        sys.executable,
        "-m",
        "uvicorn",
        "yardsticks:bare",
        "--port",
        str(port),
        "--log-level",
        "error",
        "--app-dir",
        str(Path(__file__).parent),
    ]
    with running(command, port, "/", {}):
        yield port, request_maker("/", {})


@contextmanager
def per_request(folder: Path) -> Iterator[tuple[int, Callable[[], bytes]]]:
    port = free_port()
    command = [
        sys.executable, "-m", "uvicorn", "yardsticks:commit_per_request", "--factory", "--port", str(port),
        "--log-level", "error", "--app-dir", str(Path(__file__).parent),
    ]  # fmt: skip
    with running(command, port, "/openapi.json", {"BENCH_DATABASE_URL": f"sqlite:///{folder / 'naive.db'}"}):
        yield port, request_maker("/events", {})


@contextmanager
def ingest(folder: Path) -> Iterator[tuple[int, Callable[[], bytes]]]:
    port = free_port()
    declared = folder / "connections.yaml"
    declared.write_text(
        f"connections: [{{name: bench, connector: generic, auth: {{scheme: bearer, secrets: [{_TOKEN}]}}}}]\n"
    )
    command = [sys.executable, "-m", "service", "serve", "--host", "127.0.0.1", "--port", str(port)]
    env = {
        "WHYDENIED_DATA_DIR": str(folder / "var"),
        "WHYDENIED_CONNECTIONS": str(declared),
        "WHYDENIED_LOG_LEVEL": "warning",
    }
    env |= {"WHYDENIED_DATABASE_URL": os.environ["BENCH_POSTGRES_URL"]} if "BENCH_POSTGRES_URL" in os.environ else {}
    with running(command, port, "/healthz", env):
        yield port, request_maker("/ingest/bench", {"Authorization": f"Bearer {_TOKEN}"})


_SERVERS = {"bare uvicorn echo": bare, "whydenied ingest, durable": ingest, "commit per request, ORM": per_request}


def measure(connections: int, seconds: float, rounds: int) -> dict[str, list[Result]]:
    """Every server in turn, `rounds` times, each on a fresh database."""
    results: dict[str, list[Result]] = {name: [] for name in _SERVERS}
    for _ in range(rounds):
        for name, start in _SERVERS.items():
            with tempfile.TemporaryDirectory() as folder, start(Path(folder)) as (port, make_request):
                uvloop.run(drive(port, make_request, connections=connections, seconds=min(1.0, seconds)))
                results[name].append(uvloop.run(drive(port, make_request, connections=connections, seconds=seconds)))
    return results


def report(results: dict[str, list[Result]], connections: int) -> None:
    """Medians, and ratios of the medians within each round."""
    echo, naive = results["bare uvicorn echo"], results["commit per request, ORM"]
    print(f"ingest of 2 KB events, {connections} connections, synchronous=FULL, medians of {len(echo)} rounds")
    for name, runs in results.items():
        of_echo = statistics.median(run.per_second / base.per_second for run, base in zip(runs, echo, strict=True))
        of_naive = statistics.median(run.per_second / base.per_second for run, base in zip(runs, naive, strict=True))
        rate = statistics.median(run.per_second for run in runs)
        p50, p99 = (statistics.median(run.percentile(share) for run in runs) for share in (0.5, 0.99))
        refused = sum(run.refused for run in runs)
        ratios = f"{of_echo:5.3f} of bare   {of_naive:5.1f} x per-request"
        print(f"  {name:<26} {rate:8.0f}/s   {ratios}   p50 {p50:6.1f} ms   p99 {p99:6.1f} ms   refused {refused}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--connections", type=int, default=64)
    parser.add_argument("--seconds", type=float, default=3.0)
    parser.add_argument("--rounds", type=int, default=3)
    args = parser.parse_args()
    report(measure(args.connections, args.seconds, args.rounds), args.connections)
    matching.report()
    analysis.report(running)


if __name__ == "__main__":
    main()
