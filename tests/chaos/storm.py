"""Kill, stop, fill, shift and cut whatever can be, under load; then see that every promise was kept.

`make chaos` is the long form; `python tests/chaos/storm.py --kills 50 --database sqlite --seed 7` a part of it. The
short form is `test_chaos.py`. A seed decides what is done in which order, not what it meets.
"""

import argparse
import random
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

if __name__ == "__main__":
    sys.path[:0] = [str(Path(__file__).parents[1] / "support"), str(Path(__file__).parents[2])]

from databases import Database, Postgres, Sqlite
from double import Moods
from fleet import Fleet, Nursery, Place
from messages_api import KEY, MODEL, serve_messages_api
from postgres_server import PostgresServer
from private_server import free_port
from senders import TOKEN, Ledger, Senders
from served import environment
from verdict import count_unsettled, find_faults
from volume import Volume, small_volume

from service.store.engine import migrate, open_engine

_CONNECTIONS = f"connections: [{{name: chaos, connector: generic, auth: {{scheme: bearer, secrets: [{TOKEN}]}}}}]"
_SHARE_OF_CALLS = 0.12


@dataclass(frozen=True)
class Plan:
    """How much is done. `share` of the model's answers are bad; a sender's `pause` and `most_shift` are in seconds."""

    seed: int
    kills: int
    outages: int
    fills: int
    jumps: int
    share: float
    threads: int
    pause: float
    most_shift: int = 100
    outage_seconds: tuple[float, float] = (0.1, 3.0)
    settle_seconds: float = 600.0


@dataclass
class Report:
    """What was done, what came of it, and every broken promise."""

    seed: int
    kills: dict[str, int] = field(default_factory=dict)
    done: dict[str, int] = field(default_factory=dict)
    ledger: Ledger = field(default_factory=Ledger)
    model: dict[str, int] = field(default_factory=dict)
    seconds: float = 0.0
    faults: list[str] = field(default_factory=list)

    def __str__(self) -> str:
        facts = {
            "seed": self.seed,
            "seconds": round(self.seconds),
            "kills": f"{sum(self.kills.values())} ({self.kills})",
            "done": self.done,
            "acknowledged": len(self.ledger.acknowledged),
            "answers": dict(self.ledger.answers),
            "cut bodies": self.ledger.cut,
            "model": self.model,
            "faults": len(self.faults),
        }
        return "\n".join([*(f"{name}: {fact}" for name, fact in facts.items()), *self.faults[:20]])


class Storm:
    """One run against one database on one volume."""

    def __init__(
        self,
        plan: Plan,
        nursery: Nursery,
        database: Database,
        volume: Volume,
        data: Path,
        moods: Moods,
        api_url: str,
    ) -> None:
        self._plan = plan
        self._dice = random.Random(plan.seed)
        self._database = database
        self._volume = volume
        self._moods = moods
        self._nursery = nursery
        self._logs = nursery.clock.parent
        places = list(self._places(data, api_url))
        self._fleet = Fleet([place for place, _ in places], nursery)
        urls = [url for place, url in places if place.role == "serve"]
        self._senders = Senders(urls, plan.seed, threads=plan.threads, pause=plan.pause)
        self._done: dict[str, int] = {}
        self._keeper = threading.Thread(target=self._keep_filled, daemon=True)

    def _places(self, data: Path, api_url: str) -> Iterator[tuple[Place, str]]:
        connections = data / "connections.yaml"
        connections.write_text(_CONNECTIONS)
        settings = {
            "database_url": self._database.url,
            "connections": str(connections),
            "llm_api_key": KEY,
            "llm_model": MODEL,
            "llm_base_url": api_url,
            "llm_timeout": "5",
        }
        for role, command, own in self._database.roles:
            port = free_port()
            arguments = [*command, "--port", str(port)] if role == "serve" else list(command)
            env = {**environment(data, **settings), "WHYDENIED_WORKER": "true", **own}
            yield Place(role, arguments, env, self._logs / f"{port}-{role}.log"), f"http://127.0.0.1:{port}"

    def run(self) -> Report:
        """The storm, the calm after it, and the verdict."""
        started = time.monotonic()
        report = Report(self._plan.seed, ledger=self._senders.ledger)
        print(f"storm with seed {self._plan.seed}; logs in {self._logs}", flush=True)
        self._storming = True
        self._keeper.start()
        try:
            self._senders.start()
            self._do_all()
        finally:
            self._calm_down()
            self._keeper.join()
        report.faults += self._settle(report)
        report.kills, report.done, report.model = self._fleet.kills, self._done, dict(self._moods.counts)
        report.seconds = time.monotonic() - started
        return report

    def close(self) -> None:
        self._fleet.close()

    def _keep_filled(self) -> None:
        """What an orchestrator does: start again what has died."""
        pause = threading.Event()
        while self._storming:
            for place in self._fleet.places:
                if self._storming and not self._fleet.is_alive(place):
                    self._fleet.start(place)
            pause.wait(0.05)

    def _do_all(self) -> None:
        plan = self._plan
        steps = [self._kill] * plan.kills + [self._stop_database] * plan.outages
        steps += [self._fill] * plan.fills + [self._jump] * plan.jumps
        self._dice.shuffle(steps)
        for step in steps:
            assert self._keeper.is_alive(), "nobody fills the places of the dead any more"
            self._let_it_get_on()
            self._database.mend()
            step()

    def _let_it_get_on(self) -> None:
        """Wait for some acknowledgements, or now and then for a call of the model; not for long: all may be down."""
        progress, steps = self._acknowledged, self._dice.randint(1, 40)
        if self._dice.random() < _SHARE_OF_CALLS:
            progress, steps = self._moods.counts.total, 2
        goal, deadline = progress() + steps, time.monotonic() + 15
        while progress() < goal and time.monotonic() < deadline:
            time.sleep(0.005)

    def _acknowledged(self) -> int:
        return len(self._senders.ledger.acknowledged)

    def _kill(self) -> None:
        """A living process, whatever it is at; now and then all of them."""
        while not self._fleet.kill(self._dice.choice(self._fleet.places)):
            time.sleep(0.02)

    def _stop_database(self) -> None:
        self._count("database stops")
        self._database.stop(self._dice.uniform(*self._plan.outage_seconds))

    def _fill(self) -> None:
        self._count("full disks" if self._volume.is_mounted else "files kept from growing")
        refusals = self._senders.ledger.answers["503"]
        self._volume.fill([place.process_id for place in self._fleet.places if place.process_id])
        deadline = time.monotonic() + 5
        while self._senders.ledger.answers["503"] == refusals and time.monotonic() < deadline:
            time.sleep(0.01)
        self._volume.clear()
        self._database.mend()

    def _jump(self) -> None:
        self._count("clock jumps")
        self._nursery.shift(self._dice.randint(-self._plan.most_shift, self._plan.most_shift))

    def _count(self, what: str) -> None:
        self._done[what] = self._done.get(what, 0) + 1

    def _calm_down(self) -> None:
        """Everything is well again; senders get their last acknowledgements."""
        self._moods.share = 0.0
        self._volume.clear()
        self._database.mend()
        self._nursery.shift(0)
        self._senders.stop()
        self._storming = False

    def _settle(self, report: Report) -> list[str]:
        """A deploy in order, time for what still waits, and a look at the database."""
        faults = list(report.ledger.contradictions)
        if not self._fleet.end():
            faults.append("a process did not end when it was told to")
        for place in self._fleet.places:
            self._fleet.start(place)
        engine = open_engine(self._database.url)
        deadline = time.monotonic() + self._plan.settle_seconds
        while count_unsettled(engine) and time.monotonic() < deadline:
            time.sleep(0.1)
        self._fleet.end()
        faults += find_faults(engine, self._database, report.ledger.acknowledged)
        engine.dispose()
        return faults


def unleash(plan: Plan, nursery: Nursery, database: Database, volume: Volume, data: Path) -> Report:
    """Run a storm over a database, whose schema may still be missing, and a folder for the service's data."""
    engine = open_engine(database.url)
    migrate(engine)
    engine.dispose()
    with serve_messages_api() as api:
        storm = Storm(plan, nursery, database, volume, data, Moods(api, plan.seed, plan.share), api.url)
        try:
            return storm.run()
        finally:
            storm.close()


@contextmanager
def open_nursery(folder: Path) -> Iterator[Nursery]:
    """A nursery whose processes log into this folder."""
    nursery = Nursery(Path(environment(folder)["WHYDENIED_RULES_DIR"]), folder / "clock")
    try:
        yield nursery
    finally:
        nursery.close()


@contextmanager
def _on_postgresql() -> Iterator[tuple[Database, Volume, Path]]:
    with ExitStack() as stack:
        volume = stack.enter_context(small_volume(400))
        server = PostgresServer(volume.folder)
        stack.callback(server.close)
        data = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="whydenied-chaos-data-")))
        yield Postgres(server, server.url()), volume, data


@contextmanager
def _on_sqlite() -> Iterator[tuple[Database, Volume, Path]]:
    with small_volume(200) as volume:
        yield Sqlite(volume.folder), volume, volume.folder


_DATABASES: dict[str, Callable[[], Any]] = {"postgresql": _on_postgresql, "sqlite": _on_sqlite}


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--kills", type=int, default=260, help="per database")
    parser.add_argument("--seed", type=int, default=random.SystemRandom().randrange(10**6))
    parser.add_argument("--database", choices=_DATABASES, action="append")
    options = parser.parse_args()
    share = max(1, options.kills // 20)
    plan = Plan(options.seed, options.kills, outages=share, fills=share, jumps=share, share=0.15, threads=8, pause=0.05)
    logs = Path(tempfile.mkdtemp(prefix="whydenied-chaos-logs-"))  # they stay, to be read
    reports = {}
    for name in options.database or _DATABASES:
        with open_nursery(logs) as nursery, _DATABASES[name]() as (database, volume, data):
            reports[name] = unleash(plan, nursery, database, volume, data)
        print(f"\n== {name}\n{reports[name]}\n", flush=True)
    kills = sum(sum(report.kills.values()) for report in reports.values())
    acknowledged = sum(len(report.ledger.acknowledged) for report in reports.values())
    faults = sum(len(report.faults) for report in reports.values())
    print(f"{kills} kills, {acknowledged} acknowledged events, {faults} broken promises")
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())
