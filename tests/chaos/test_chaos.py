"""A short storm: whatever dies, fills up or hangs, what was acknowledged is there once and gets its answer."""

import random
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from databases import Postgres, Sqlite
from fleet import Nursery
from postgres_server import PostgresServer
from storm import Plan, Report, open_nursery, unleash
from volume import Volume, small_volume

SEED = random.SystemRandom().randrange(10**6)  # printed by the storm, and with a failure
pytestmark = pytest.mark.timeout(600)


@pytest.fixture(scope="module")
def nursery(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Nursery]:
    with open_nursery(tmp_path_factory.mktemp("nursery")) as opened:
        yield opened


def short(**times: int) -> Plan:
    seconds: dict[str, Any] = {"pause": 0.05, "most_shift": 5, "outage_seconds": (0.1, 0.5), "settle_seconds": 300}
    return Plan(SEED, share=0.1, threads=3, **seconds, **times)


def assert_kept(report: Report, kills: int) -> None:
    assert report.faults == [], str(report)
    assert sum(report.kills.values()) >= kills, str(report)
    assert report.ledger.acknowledged, str(report)


def test_every_promise_is_kept_on_sqlite(nursery: Nursery) -> None:
    with small_volume(256) as volume:
        plan = short(kills=3, outages=1, fills=1, jumps=1)
        assert_kept(unleash(plan, nursery, Sqlite(volume.folder), volume, volume.folder), 3)


def test_every_promise_is_kept_on_postgresql(
    nursery: Nursery, postgres_server: PostgresServer, fresh_postgres_url: str, tmp_path: Path
) -> None:
    plan = short(kills=4, outages=1, fills=0, jumps=1)
    database, volume = Postgres(postgres_server, fresh_postgres_url), Volume(tmp_path, is_mounted=False)
    assert_kept(unleash(plan, nursery, database, volume, tmp_path), 4)
