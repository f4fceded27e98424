"""The figures as a page of the documentation, each beside what is aimed at."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime

from analysis import Figures
from chart import draw
from startup import Start
from throughput import FRESH, NAIVE, POSTGRES, SLOW, SQLITE, TWO, Row

_AIM = 0.18
_INTRO = """\
# Benchmarks

Written by `{command}` on {date:%Y-%m-%d} ({machine}); `--quick` takes a few minutes. Every server takes turns under the
same load in the same run, so that the ratios mean something on any machine; events a second and milliseconds are this
machine's, which other work was sharing. The load generator shares the cores with what it measures.

An event is a 2 KB JSON delivery with an id of its own: authenticated, redacted, matched against all shipped rules,
grouped, committed (`synchronous=FULL`, PostgreSQL with `fsync` and `synchronous_commit`) and only then answered. One in
five is a known denial. Texts recur, as they do in an incident; *every text new* is the worst case. CPU is the service's
own, without the database server's.
"""


@dataclass
class Results:
    """Everything that one run measured."""

    command: str
    machine: str
    began: datetime
    rows: Sequence[Row]
    matching: Sequence[tuple[str, float]]
    start: Start
    memory: tuple[float, float]
    pages_of: tuple[int, int]
    pages: Sequence[tuple[str, float, float]]
    asked: Figures

    def row(self, server: str, connections: int = 64) -> Row | None:
        return next((row for row in self.rows if (row.server, row.connections) == (server, connections)), None)


def document(results: Results) -> str:
    """The whole page as Markdown."""
    asked = results.asked
    return "\n".join(
        [
            _INTRO.format(command=results.command, date=results.began, machine=results.machine),
            "![Durable events a second as a share of a bare echo](images/benchmarks.svg)",
            "",
            "## Aims",
            "",
            *_table(("aim", "wanted", "measured", "met"), _aims(results)),
            "",
            "## Ingest",
            "",
            *_table(
                ("server", "connections", "events/s", "CPU us/event", "of echo", "x per-request", "p50 ms", "p99 ms"),
                (_ingest(row) for row in results.rows),
            ),
            "",
            "Nothing was refused." if not any(row.refused for row in results.rows) else _refusals(results.rows),
            "",
            "## Matching",
            "",
            *_table(("rules", "us of CPU"), ((name, f"{cost:.1f}") for name, cost in results.matching)),
            "",
            "## Pages and lists",
            "",
            f"SQLite with {results.pages_of[0]:,} failures and {results.pages_of[1]:,} events, one request at a time.",
            "",
            *_table(("page", "p50 ms", "p99 ms"), ((name, f"{a:.1f}", f"{b:.1f}") for name, a, b in results.pages)),
            "",
            "## Analysis by a model",
            "",
            "A provider that answers in one second, 64 calls in flight, 200 distinct failures at once.",
            "",
            *_table(
                ("figure", "measured"),
                [
                    ("until the last is answered", f"{asked.seconds:.1f} s"),
                    ("CPU of the service for each, ingest included", f"{asked.cpu_ms:.1f} ms"),
                    ("most calls in flight", f"{asked.most_in_flight}"),
                    ("calls for one failure with 10,000 events", f"{asked.calls_for_one}"),
                ],
            ),
            "",
        ]
    )


def chart_of(results: Results) -> str:
    """Durable events a second at 64 connections, as a share of the echo."""
    shown = [row for name in (SQLITE, FRESH, SLOW, POSTGRES, TWO, NAIVE) if (row := results.row(name))]
    bars = [(row.server, row.of_echo, f"{row.of_echo:.3f}, {row.per_second:,.0f}/s") for row in shown]
    return draw("Durable events a second, as a share of a bare echo (64 connections)", bars, _AIM, "aim")


def _aims(results: Results) -> Iterable[tuple[str, ...]]:
    for name in (SQLITE, POSTGRES):
        if row := results.row(name):
            yield _aim(f"{name}: share of the echo, 64 connections", row.of_echo, _AIM, "{:.3f}", least=True)
            yield _aim(f"{name}: times commit per request", row.of_naive, 9, "{:.1f}", least=True)
            yield _aim(f"{name}: p99", row.p99, 60, "{:.0f} ms")
    plain, slow = results.row(SQLITE), results.row(SLOW)
    if plain and slow:
        kept = slow.per_second / plain.per_second
        yield _aim("share kept with 2 ms added to every flush", kept, 0.5, "{:.2f}", least=True)
    one, two = results.row(POSTGRES), results.row(TWO)
    if one and two:
        yield _aim("two processes over one, PostgreSQL", two.per_second / one.per_second, 1, "{:.2f}", least=True)
    costs = [cost for _, cost in results.matching]
    yield _aim("matching, 400 rules, nothing matches", costs[1], 20, "{:.1f} us")
    yield _aim("matching, 5,000 rules over 400", costs[3] / costs[1], 2, "{:.2f}")
    yield _aim("start to first 200 over a bare FastAPI application", results.start.times_seconds, 2.2, "{:.2f}")
    yield _aim("resident memory after the events", results.memory[1], 250, "{:.0f} MB")
    api = [(name, p99) for name, _, p99 in results.pages if name.startswith("API")]
    yield _aim("list and failure API, worst p99", max(p99 for _, p99 in api), 50, "{:.0f} ms")


def _aim(name: str, value: float, limit: float, form: str, *, least: bool = False) -> tuple[str, ...]:
    met = value >= limit if least else value < limit
    return (
        name,
        ("at least " if least else "under ") + form.format(limit),
        form.format(value),
        "yes" if met else "**no**",
    )


def _ingest(row: Row) -> tuple[str, ...]:
    figures = (f"{row.cpu_us:,.0f}", f"{row.of_echo:.3f}", f"{row.of_naive:.1f}", f"{row.p50:.1f}", f"{row.p99:.1f}")
    return (row.server, str(row.connections), f"{row.per_second:,.0f}", *figures)


def _refusals(rows: Sequence[Row]) -> str:
    told = ", ".join(f"{row.server} at {row.connections}: {row.refused:,}" for row in rows if row.refused)
    return f"Refused with a request to try again: {told}."


def _table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> list[str]:
    lines = [head, ["---"] * len(head), *rows]
    return [f"| {' | '.join(line)} |" for line in lines]
