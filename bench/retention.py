"""What a full table of events costs, and what deleting its older half does: `python bench/retention.py`.

On a SQLite file of its own, or with `--database-url` on an empty PostgreSQL database. It is filled in bulk with 30 days
of events; then events are stored one commit after the other, as the service stores them, before, while and after
retention deletes all but the last 15 days. Milliseconds and rates are this machine's; before, while and after compare.
"""

import argparse
import statistics
import tempfile
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import count
from pathlib import Path

from pages import fill
from sqlalchemy import Engine, text

from connectors.base import ErrorEvent
from service.store.engine import migrate, open_engine
from service.store.failures import FailureFilter, list_failures
from service.store.occurrence import Occurrence
from service.store.retention import delete_older
from service.store.writer import Writer

_KEPT_DAYS = 15
_TOGETHER = 64
_NUMBERS = count()


@dataclass(frozen=True, slots=True)
class Figures:
    """One phase: events stored a second, milliseconds of a commit and of the queue's first page."""

    rate: float
    commit: tuple[float, float]
    page: tuple[float, float]

    def __str__(self) -> str:
        return (
            f"{self.rate:.0f} | {self.commit[0]:.1f} / {self.commit[1]:.1f} | {self.page[0]:.1f} / {self.page[1]:.1f}"
        )


def measure(engine: Engine, writer: Writer, go_on: Callable[[int], bool]) -> Figures:
    """Store batches of new events of a thousand failures and read the queue, for as long as `go_on`."""
    commits, pages = [], []
    started = time.perf_counter()
    while go_on(len(commits)):
        begun = time.perf_counter()
        writer.submit([_occurrence(next(_NUMBERS)) for _ in range(_TOGETHER)]).result(60)
        stored = time.perf_counter()
        with engine.connect() as conn:
            list_failures(conn, FailureFilter(status="needs_review"), None, 50)
        commits.append(1_000 * (stored - begun))
        pages.append(1_000 * (time.perf_counter() - stored))
    busy = time.perf_counter() - started - sum(pages) / 1_000
    return Figures(len(commits) * _TOGETHER / busy, _percentiles(commits), _percentiles(pages))


def _occurrence(number: int) -> Occurrence:
    moment, name = datetime.now(UTC), f"fingerprint-{number % 1_000}"
    event = ErrorEvent(id=f"new-{number}", text="permission denied " * 20, type="error", time=moment)
    return Occurrence("source-1", event, {}, name, 1, None, None)


def _percentiles(values: list[float]) -> tuple[float, float]:
    cut = statistics.quantiles(values, n=100)
    return cut[49], cut[98]


def delete(engine: Engine, told: dict[str, float]) -> None:
    """What `whydenied retention` does, timed."""
    before, deleted, longest, started = datetime.now(UTC) - timedelta(days=_KEPT_DAYS), 0, 0.0, time.perf_counter()
    while True:
        begun = time.perf_counter()
        with engine.begin() as conn:
            some = delete_older(conn, before)
        longest = max(longest, time.perf_counter() - begun)
        deleted += some
        if not some:
            break
    seconds = time.perf_counter() - started
    told.update(deleted=deleted, rate=deleted / seconds, seconds=seconds, longest=1_000 * longest)


def size(engine: Engine) -> str:
    """What the database takes on the disk, in MB; on PostgreSQL the events' table and its indexes."""
    with engine.connect() as conn:
        if engine.dialect.name == "sqlite":
            pages, page, free = (conn.execute(text(f"PRAGMA {name}")).scalar_one() for name in _SQLITE_SIZES)
            return f"{pages * page / 1e6:.0f} MB, of which {free * page / 1e6:.0f} free for new rows"
        table, indexes = conn.execute(text("SELECT pg_table_size('event'), pg_indexes_size('event')")).one()
        return f"{table / 1e6:.0f} MB of rows, {indexes / 1e6:.0f} MB of indexes"


_SQLITE_SIZES = ("page_count", "page_size", "freelist_count")


def run(url: str, many: int) -> None:
    """Fill, measure, delete, measure, and print a table."""
    engine = open_engine(url)
    migrate(engine)
    started = time.perf_counter()
    fill(engine, many // 100, many)
    filled = time.perf_counter() - started
    print(f"{engine.dialect.name}: {many:,} events filled in bulk, {many / filled:,.0f} a second; {size(engine)}")
    writer = Writer(engine)
    writer.start()
    rows = [("before", measure(engine, writer, lambda done: done < 150))]
    told: dict[str, float] = {}
    deleting = threading.Thread(target=delete, args=(engine, told))
    deleting.start()
    rows.append(("while deleting", measure(engine, writer, lambda done: deleting.is_alive() or done < 2)))
    deleting.join()
    rows.append(("after", measure(engine, writer, lambda done: done < 150)))
    writer.stop()
    print("| | events stored/s | commit of 64, ms p50 / p99 | queue page, ms p50 / p99 |\n|---|---|---|---|")
    for name, figures in rows:
        print(f"| {name} | {figures} |")
    print(
        f"deleted {told['deleted']:,.0f} in {told['seconds']:.0f} s, {told['rate']:,.0f} a second beside that; "
        f"the longest transaction took {told['longest']:.0f} ms; {size(engine)}"
    )
    engine.dispose()


def main() -> None:
    """Measure one database."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--database-url", help="an empty PostgreSQL database; default: SQLite in a temporary folder")
    parser.add_argument("--events", type=int, default=1_000_000)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        run(given.database_url or f"sqlite:///{Path(folder)}/why.db", given.events)


if __name__ == "__main__":
    main()
