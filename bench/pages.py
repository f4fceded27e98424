"""How fast pages and lists are in a full database: `python bench/pages.py [--database-url postgresql://...]`.

The database is filled first, where it is empty; then a service of its own answers one request after the other. The
ratios are against `GET /healthz` of the same run; the milliseconds are this machine's.
"""

import argparse
import re
import sys
import tempfile
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import httpx
import psutil
from full_database import FullDatabase
from servers import free_port, running
from sqlalchemy import Engine, func, select, text

from service.keyring import Keyring
from service.store.engine import migrate, open_engine
from service.store.tables import events, failures, model_calls, unparsed
from service.store.tallies import fold_a_day

_KEY = "wd_" + "bench0pages0" * 4
_SECRET = "bench-secret-key-" + "0" * 32
_HEALTH = "liveness (the yardstick)"
_DEEP = 20  # parts of 200 before a deep page
_PAGE_AIM, _API_AIM = (100.0, 200.0), (50.0, 50.0)  # ms: median and p99
_FILTERS = {
    "verdict": "verdict=permission",
    "a common cause": "cause=missing_grant",
    "a rare cause": "cause=admission_policy",
    "confidence": "confidence=likely",
    "a rule": "producer=rule",
    "a model": "producer=llm",
    "an engineer (none)": "producer=reviewer",
    "nobody": "producer=none",
    "source": "source=source-3",
    "system": "system=cloud1.part7",
    "commonest system": "system=kubernetes",
    "cloud": "system=cloud1",
    "service": "service=service-3",
    "environment": "environment=test",
    "four": "system=cloud1&service=service-3&environment=production&confidence=likely",
    "what nothing fits": "system=cloud1.part7&cause=admission_policy&service=service-3&environment=test&producer=llm",
}
_SEARCHES = {
    "rare": "object-1234",
    "a few": "role-777",
    "every third": "service-3",
    "all": "denied",
    "two that all have": "permission upstream",
    "common and rare": "denied object-1234",
    "common, none": "denied zebra",
    "none": "zebra",
    "signs only": "--",
    "a signed word": "role-777:",
}
_TABS = {"waiting": "", "approved": "status=approved", "snoozed": "status=snoozed", "all": "status=all"}
_TOLD = (
    *("queue: waiting, latest", "queue: waiting, priority", "queue: all, events", "queue: four", "queue: deep, latest"),
    *("search: rare", "search: all", "search: all, filtered", "failure: most events", "failure: alike"),
    *("insights", "rules", "prompts", "sources", "usage", "audit"),
    *("API: failures", "API: failures, priority", "API: four", "API: search, rare", "API: search, all"),
    *("API: deep, latest", "API: one, most events", "API: its events"),
)
_SORTS = ("latest", "priority", "events")


@dataclass(frozen=True)
class Place:
    """An address and what it took: milliseconds at the median and at the 99th of 100, CPU of the service and of the
    database's own processes (ms), and bytes.
    """

    name: str
    path: str
    p50: float
    p99: float
    cpu: float
    size: int

    @property
    def is_slow(self) -> bool:
        aim = _API_AIM if self.name.startswith("API") else _PAGE_AIM
        return self.p50 > aim[0] or self.p99 > aim[1]


@dataclass(frozen=True)
class Served:
    """A running service and its database."""

    client: httpx.Client
    engine: Engine
    process: psutil.Process

    def cpu_seconds(self) -> float:
        """CPU so far of the service, and of the PostgreSQL server's processes that work for it, if they are here."""
        return sum(_cpu_seconds(one) for one in (self.process.pid, *self._backends()))

    def _backends(self) -> Sequence[int]:
        if self.engine.dialect.name == "sqlite":
            return ()
        query = "SELECT pid FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()"
        with self.engine.connect() as conn:
            return conn.execute(text(query)).scalars().all()


def _cpu_seconds(pid: int) -> float:
    try:
        times = psutil.Process(pid).cpu_times()
    except psutil.NoSuchProcess:
        return 0.0
    return float(times.user + times.system)


def queue_paths() -> Iterator[tuple[str, str]]:
    """Every tab, sort, filter and kind of search of the queue, and what people combine."""
    for tab, query in _TABS.items():
        for sort in _SORTS:
            yield f"queue: {tab}, {sort}", f"/?{query}&sort={sort}"
    for tab in ("", "status=all&"):
        for name, query in _FILTERS.items():
            yield f"queue: {name}{', all' if tab else ''}", f"/?{tab}{query}"
    for name, query in _FILTERS.items():
        yield f"queue: {name}, most events", f"/?status=all&sort=events&{query}"
        yield f"queue: {name}, by priority", f"/?sort=priority&{query}"
    for name, words in _SEARCHES.items():
        yield f"search: {name}", f"/?status=all&q={words}"
        yield f"search: {name}, waiting", f"/?q={words}"
        yield f"search: {name}, by events", f"/?status=all&sort=events&q={words}"
    yield "search: all, filtered", "/?q=denied&system=cloud1.part7&environment=test"
    yield "search: all, filtered, by priority", "/?q=denied&sort=priority&system=cloud1.part7&environment=test"


def fixed_paths() -> Iterator[tuple[str, str]]:
    """What is no list of failures; names in braces stand for ids."""
    for name, which in (
        ("most events", "most"),
        ("most events, model", "model"),
        ("one event", "one"),
        ("rule", "ruled"),
    ):
        yield f"failure: {name}", f"/failures/{{{which}}}"
    yield "failure: with a queue behind it", "/failures/{most}?sort=priority&environment=test"
    yield "failure: with a search behind it", "/failures/{most}?q=denied"
    yield "failure: as data", "/failures/{most}.json"
    yield "failure: as Markdown", "/failures/{most}.md"
    yield "failure: correction", "/failures/{most}/correct"
    yield "failure: alike", "/failures/{ruled}/alike"
    yield "failure: ticked", "/alike?pick={ruled}&pick={one}&pick={most}"
    yield "queue: as data", "/queue.json?status=all"
    for path in ("/insights", "/prompts", "/sources", "/usage", "/audit", "/rules", "/explain", "/settings"):
        yield path.strip("/"), path
        yield f"{path.strip('/')}: as data", f"{path}.json"
    yield "audit: deep", "/audit?cursor={audit}"
    yield "rules: one system", "/rules?system=kubernetes"
    yield "rules: words", "/rules?q=denied"
    yield "rules: that answered", "/rules?used=1"
    yield "rules: a rule", "/rules/{rule}"
    yield "rules: the one that answered most", "/rules/{busiest}"
    yield "failure: of the commonest system", "/failures/{common}"
    yield "sources: one", "/sources/source-3"
    yield "sources: unread of one", "/sources?connection=source-3"
    yield "sources: an unread delivery", "/sources/unparsed/{unread}"
    yield "calls: one", "/calls/{call}"
    yield "prompts: explained text", "/explain"


def api_paths() -> Iterator[tuple[str, str]]:
    """The lists of REST, and what it tells of one failure."""
    failure = "/api/v1/failures"
    yield "API: failures", failure
    yield "API: failures, 200", f"{failure}?limit=200"
    for sort in _SORTS[1:]:
        yield f"API: failures, {sort}", f"{failure}?sort={sort}"
    for name, query in _FILTERS.items():
        yield f"API: {name}", f"{failure}?{query.replace('source=', 'connection=')}"
    for name, words in _SEARCHES.items():
        yield f"API: search, {name}", f"{failure}?q={words}"
    yield "API: resolved", f"{failure}?resolved=true"
    yield "API: not resolved", f"{failure}?resolved=false&status=approved"
    yield "API: snoozed", f"{failure}?snoozed=true"
    yield "API: one, most events", f"{failure}/{{most}}"
    yield "API: one, by a model", f"{failure}/{{model}}"
    yield "API: its events", f"{failure}/{{most}}/events"
    yield "API: its events, 200", f"{failure}/{{most}}/events?limit=200"
    for name in ("usage", "status", "unparsed", "connections", "rules?system=kubernetes", "analyses/{analysis}"):
        yield f"API: {name.partition('?')[0].partition('/')[0]}", f"/api/v1/{name}"


def deep_paths(client: httpx.Client) -> Iterator[tuple[str, str]]:
    """Pages that are far down; a cursor is the same in REST and on a page."""
    api = "/api/v1/failures"
    for name, query in (
        ("latest", "status=all"),
        ("priority", "status=all&sort=priority"),
        ("events", "status=all&sort=events"),
        ("waiting", "status=needs_review"),
        ("service", "status=all&service=service-3"),
        ("search", "status=all&q=denied"),
    ):
        asked = query.replace("status=all&", "").replace("status=all", "")
        if cursor := _far(client, f"{api}?{asked}&limit=200"):
            yield f"queue: deep, {name}", f"/?{query}&cursor={cursor}"
            yield f"API: deep, {name}", f"{api}?{asked}&cursor={cursor}"


def _far(client: httpx.Client, path: str) -> str | None:
    cursor: str | None = None
    for _ in range(_DEEP):
        reply = client.get(f"{path}&cursor={cursor}" if cursor else path)
        following: str | None = reply.json()["next_cursor"]
        if following is None:
            break
        cursor = following
    return cursor


def measure(served: Served, name: str, path: str, rounds: int) -> Place:
    """One place, after two requests that only warm up."""
    for _ in range(2):
        reply = served.client.get(path)
    if reply.status_code != 200:
        raise SystemExit(f"{path} answered {reply.status_code}")
    took, before = [], served.cpu_seconds()
    for _ in range(rounds):
        started = time.perf_counter()
        served.client.get(path)
        took.append(1_000 * (time.perf_counter() - started))
    cpu = 1_000 * (served.cpu_seconds() - before) / rounds
    took.sort()
    p50, p99 = took[rounds // 2], took[min(rounds - 1, int(0.99 * rounds))]
    return Place(name, path, p50, p99, cpu, len(reply.content))


def report(served: Served, paths: Iterable[tuple[str, str]], rounds: int) -> list[Place]:
    """Each place, alone on the service, and how many times the median of /healthz it takes."""
    found: list[Place] = []
    print(f"  {'':<36} {'p50 ms':>8} {'p99 ms':>8} {'CPU ms':>8} {'x healthz':>9} {'KB':>6}")
    for name, path in paths:
        one = measure(served, name, path, rounds)
        found.append(one)
        times, slow = one.p50 / found[0].p50, "  SLOW" if one.is_slow else ""
        figures = f"{one.p50:8.1f} {one.p99:8.1f} {one.cpu:8.1f} {times:9.1f} {one.size / 1_000:6.1f}"
        print(f"  {name:<36} {figures}{slow}", flush=True)
    return found


def ids_of(engine: Engine, client: httpx.Client) -> dict[str, str]:
    """What stands for the names in braces: failures with the most events and with one, one that waits, and so on."""
    row = failures.c
    ordered = select(row.id).order_by(row.event_count.desc(), row.id).limit(1)
    waiting = ordered.where(row.producer == "rule", row.status == "needs_review")
    with engine.connect() as conn:
        found = {
            "most": ordered,
            "model": ordered.where(row.producer == "llm"),
            "one": ordered.where(row.event_count == 1),
            "ruled": waiting,
            "rule": waiting.with_only_columns(row.producer_name),
            "analysis": waiting.with_only_columns(row.current_analysis_id),
            "common": ordered.where(row.system == "kubernetes", row.producer == "rule"),
            "busiest": select(row.producer_name)
            .where(row.producer == "rule")
            .group_by(row.producer_name)
            .order_by(func.count().desc())
            .limit(1),
            "call": select(model_calls.c.id).limit(1),
            "unread": select(unparsed.c.id).limit(1),
        }
        ids = {name: str(conn.execute(query).scalar_one()) for name, query in found.items()}
    return ids | {"audit": _audit_cursor(client)}


def _audit_cursor(client: httpx.Client) -> str:
    cursor = ""
    for _ in range(_DEEP):
        cursor = client.get(f"/audit.json?cursor={cursor}").json()["next_cursor"]
    return cursor


def all_paths(client: httpx.Client, ids: Mapping[str, str]) -> Iterator[tuple[str, str]]:
    """Every place, the yardstick first."""
    yield _HEALTH, "/healthz"
    for name, path in (*queue_paths(), *fixed_paths(), *api_paths()):
        yield name, path.format(**ids)
    yield from deep_paths(client)


@contextmanager
def service_over(url: str, many_failures: int, many_events: int) -> Iterator[Served]:
    """A service on the database, which is filled first where it is empty."""
    with ExitStack() as stack:
        engine = open_engine(url)
        stack.callback(engine.dispose)
        migrate(engine)
        with engine.connect() as conn:
            there = conn.execute(select(func.count()).select_from(failures)).scalar_one()
        if not there:
            FullDatabase(many_failures, many_events).fill(engine, Keyring(_SECRET.encode()))
        while fold_a_day(engine, datetime.now(UTC)):
            pass
        port = free_port()
        env = {
            "WHYDENIED_DATABASE_URL": url,
            "WHYDENIED_DATA_DIR": stack.enter_context(tempfile.TemporaryDirectory()),
            "WHYDENIED_ADMIN_API_KEY": _KEY,
            "WHYDENIED_SECRET_KEY": _SECRET,
            "WHYDENIED_LOG_LEVEL": "warning",
            "WHYDENIED_WORKER": "false",
        }
        command = [sys.executable, "-m", "service", "serve", "--host", "127.0.0.1", "--port", str(port)]
        process = stack.enter_context(running(command, port, "/healthz", env))
        headers = {"Authorization": f"Bearer {_KEY}", "Accept": "text/html"}
        base = f"http://127.0.0.1:{port}"
        client = stack.enter_context(httpx.Client(base_url=base, headers=headers, trust_env=False, timeout=60))
        yield Served(client, engine, process)


def run(database_url: str | None, many_failures: int, many_events: int, rounds: int) -> list[tuple[str, float, float]]:
    """The places that the documentation tells of: name, p50 and p99 in milliseconds."""
    only = "|".join(f"{re.escape(name)}$" for name in _TOLD)
    places = measure_all(database_url, many_failures, many_events, rounds, only)
    return [(one.name, one.p50, one.p99) for one in places]


def measure_all(
    database_url: str | None, many_failures: int, many_events: int, rounds: int, only: str = ""
) -> list[Place]:
    """Measure every place whose name begins with `only`, a regular expression."""
    with tempfile.TemporaryDirectory() as folder:
        url = database_url or f"sqlite:///{Path(folder) / 'pages.db'}"
        with service_over(url, many_failures, many_events) as served:
            with served.engine.connect() as conn:
                size = [conn.execute(select(func.count()).select_from(one)).scalar_one() for one in (failures, events)]
            print(f"{size[0]:,} failures, {size[1]:,} events, {served.engine.dialect.name}, one request at a time")
            paths = all_paths(served.client, ids_of(served.engine, served.client))
            return report(served, (one for one in paths if one[0] == _HEALTH or re.match(only, one[0])), rounds)


def summary(places: Sequence[Place]) -> str:
    """The worst of each kind against the aims."""
    lines = []
    for kind, aim, chosen in (
        ("pages", _PAGE_AIM, [one for one in places[1:] if not one.name.startswith("API")]),
        ("API", _API_AIM, [one for one in places if one.name.startswith("API")]),
    ):
        if chosen:
            median, tail = max(chosen, key=lambda one: one.p50), max(chosen, key=lambda one: one.p99)
            lines.append(
                f"{kind}: {len(chosen)} places; worst median {median.p50:.0f} ms ({median.name}), "
                f"worst p99 {tail.p99:.0f} ms ({tail.name}); aims {aim[0]:.0f} and {aim[1]:.0f} ms"
            )
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--database-url", help="an empty database, or one that this filled before; default: a new file")
    parser.add_argument("--failures", type=int, default=100_000)
    parser.add_argument("--events", type=int, default=1_000_000)
    parser.add_argument("--rounds", type=int, default=30)
    parser.add_argument("--only", default="", help="places whose name begins with this regular expression")
    args = parser.parse_args()
    print(summary(measure_all(args.database_url, args.failures, args.events, args.rounds, args.only)))


if __name__ == "__main__":
    main()
