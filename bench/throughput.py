"""Acknowledged, durable events a second: every server in turn under the same load, several rounds, ratios per round."""

import statistics
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

import uvloop
from load import drive
from postgres_server import PostgresServer, find_binaries
from servers import Server, bare, per_request, service, slow_flush

ECHO = "bare uvicorn echo"
SQLITE = "SQLite"
SLOW = "SQLite, 2 ms added to every flush"
FRESH = "SQLite, every text new"
POSTGRES = "PostgreSQL"
TWO = "PostgreSQL, two processes"
NAIVE = "commit per request (FastAPI, SQLModel, SQLite)"
_DURABLE = ("shared_buffers=256MB", "max_wal_size=4GB", "max_connections=200")


@dataclass
class Row:
    """Medians of one server at one number of connections; `of_echo` and `of_naive` of the ratios within each round."""

    server: str
    connections: int
    per_second: float
    cpu_us: float
    of_echo: float
    of_naive: float
    p50: float
    p99: float
    refused: int


@contextmanager
def servers(folder: Path) -> Iterator[dict[str, Server]]:
    """All servers at once, each with a database of its own; only one is under load at a time."""
    with ExitStack() as stack:

        def start(name: str, **options: object) -> Server:
            own = folder / name.replace(" ", "-").replace(",", "")
            own.mkdir()
            return stack.enter_context(service(own, **options))  # type: ignore[arg-type]

        found = {ECHO: stack.enter_context(bare()), SQLITE: start(SQLITE), FRESH: start(FRESH, fresh=True)}
        if env := slow_flush(folder, 2):
            found[SLOW] = start(SLOW, env=env)
        if find_binaries():
            postgres = PostgresServer(settings=_DURABLE)
            stack.callback(postgres.close)
            for name in ("one", "two"):
                postgres.run_client("psql", postgres.url(), "-c", f"CREATE DATABASE {name}")
            found[POSTGRES] = start(POSTGRES, database=postgres.url("one"))
            found[TWO] = start(TWO, database=postgres.url("two"), count=2)
        found[NAIVE] = stack.enter_context(per_request(folder))
        yield found


def measure(folder: Path, connections: Sequence[int], seconds: float, rounds: int) -> list[Row]:
    """A row for each number of connections and server."""
    with servers(folder) as found:
        for server in found.values():
            uvloop.run(drive(server.ports, server.make_request, connections=8, seconds=1.0))
        return [row for count in connections for row in _rows(found, count, seconds, rounds)]


def _rows(found: Mapping[str, Server], connections: int, seconds: float, rounds: int) -> Iterator[Row]:
    runs: dict[str, list[tuple[float, float, float, float, int]]] = {name: [] for name in found}
    for _ in range(rounds):
        for name, server in found.items():
            runs[name].append(_run(server, connections, seconds))
    for name, own in runs.items():
        rates = [one[0] for one in own]
        of_echo, of_naive = (
            statistics.median(rate / base[0] for rate, base in zip(rates, runs[other], strict=True))
            for other in (ECHO, NAIVE)
        )
        rate, cpu, p50, p99 = (statistics.median(column) for column in list(zip(*own, strict=True))[:4])
        yield Row(name, connections, rate, cpu, of_echo, of_naive, p50, p99, sum(one[4] for one in own))


def _run(server: Server, connections: int, seconds: float) -> tuple[float, float, float, float, int]:
    """Events a second, microseconds of CPU for each, p50 and p99 in milliseconds, and how many were refused."""
    before = server.cpu_seconds()
    result = uvloop.run(drive(server.ports, server.make_request, connections=connections, seconds=seconds))
    cpu = 1e6 * (server.cpu_seconds() - before) / max(1, result.accepted)
    return max(result.per_second, 0.1), cpu, result.percentile(0.5), result.percentile(0.99), result.refused
