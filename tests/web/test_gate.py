"""What a connection may deliver: refused before its body is read, counted once a second, its own where that is said."""

from collections import Counter
from collections.abc import Iterator
from datetime import UTC, datetime
from operator import itemgetter
from pathlib import Path

import httpx
import pytest
from api_client import ADMIN_KEY
from service_site import Site, running_site
from sqlalchemy import Engine

from service.store.limits import Limits
from service.web.gate import Gate, Shut

PER_SECOND = Limits(rate=2)
PER_DAY = Limits(events_per_day=10)


class Hours:
    def __init__(self) -> None:
        self.seconds = 0.0
        self.now = datetime(2026, 11, 22, 23, 59, 0, tzinfo=UTC)


@pytest.fixture
def hours() -> Hours:
    return Hours()


@pytest.fixture
def gate(engine: Engine, hours: Hours) -> Gate:
    return Gate(engine, lambda: hours.seconds, lambda: hours.now)


def test_a_burst_passes_and_its_price_is_waited_for(gate: Gate, hours: Hours) -> None:
    gate.pay("a", PER_SECOND, 20)
    with pytest.raises(Shut, match="2 events a second") as shut:
        gate.check("a", PER_SECOND)
    assert shut.value.retry_after == 1
    gate.check("b", PER_SECOND)
    hours.seconds += 1
    gate.check("a", PER_SECOND)


def test_a_large_delivery_overdraws_and_the_next_wait_longer(gate: Gate, hours: Hours) -> None:
    gate.pay("a", PER_SECOND, 100)
    with pytest.raises(Shut) as shut:
        gate.check("a", PER_SECOND)
    assert shut.value.retry_after == 41
    hours.seconds += 41
    gate.check("a", PER_SECOND)


def test_a_quota_ends_at_midnight(gate: Gate, hours: Hours) -> None:
    gate.pay("a", PER_DAY, 10)
    with pytest.raises(Shut, match="10 events") as shut:
        gate.check("a", PER_DAY)
    assert shut.value.retry_after == 60
    hours.now = datetime(2026, 11, 23, tzinfo=UTC)
    gate.check("a", PER_DAY)


def test_a_quota_is_that_of_all_processes(engine: Engine, gate: Gate, hours: Hours) -> None:
    other = Gate(engine, today=lambda: hours.now)
    other.pay("a", PER_DAY, 6)
    gate.pay("a", PER_DAY, 6)
    other.count()
    gate.check("a", PER_DAY)
    gate.count()
    with pytest.raises(Shut):
        gate.check("a", PER_DAY)
    other.count()
    with pytest.raises(Shut):
        other.check("a", PER_DAY)


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    folder: Path = tmp_path_factory.mktemp("limited")
    file = folder / "connections.yaml"
    file.write_text("""
connections:
  - {name: slow, connector: generic, auth: {scheme: none}, limits: {rate: 1}}
  - {name: stormy, connector: generic, auth: {scheme: none}, limits: {new_failures_per_hour: 1}}
""")
    with running_site(folder / "site", admin_api_key=ADMIN_KEY, connections=file) as running:
        yield running


@pytest.fixture
def client(site: Site) -> Iterator[httpx.Client]:
    headers = {"authorization": f"Bearer {ADMIN_KEY}"}
    with httpx.Client(base_url=site.url, headers=headers, trust_env=False, timeout=30) as opened:
        yield opened


def test_a_connection_that_sends_too_much_is_told_when_to_come_back(client: httpx.Client) -> None:
    taken = client.post("/ingest/slow", json=[{"message": f"denied {n}"} for n in range(500)])
    refused = client.post("/ingest/slow", json={"message": "denied"})
    assert (taken.status_code, refused.status_code) == (202, 429)
    assert int(refused.headers["retry-after"]) > 60
    assert refused.json()["type"].endswith("limit-reached")
    assert 'whydenied_deliveries_total{connection="slow",outcome="limited"} 1.0' in client.get("/metrics").text


def test_a_storm_of_failures_is_accepted_counted_and_shown(client: httpx.Client, site: Site) -> None:
    events = [{"message": f"the {word} gate is shut"} for word in ("amber", "birch", "cedar")]
    told = client.post("/ingest/stormy", json=events).json()["events"]
    (own, once), (storm, twice) = sorted(Counter(one["failure_id"] for one in told).items(), key=itemgetter(1))
    assert (once, twice) == (1, 2)
    assert own != storm
    assert 'whydenied_events_total{connection="stormy",kind="folded"} 2.0' in client.get("/metrics").text
    failure = client.get(f"/api/v1/failures/{storm}").json()
    assert failure["title"] == "Too many distinct failures from stormy"
    assert f"/failures/{storm}" in site.browser().get("/sources").text


def test_an_admin_sets_limits_and_the_file_keeps_its_own(client: httpx.Client) -> None:
    made = {"name": "mine", "connector": "generic", "auth": {"scheme": "none"}}
    assert client.post("/api/v1/connections", json=made).status_code == 201
    shown = client.put("/api/v1/connections/mine/limits", json={"rate": 5}).json()
    assert shown == {
        "rate": 5, "events_per_day": 0, "new_failures_per_hour": 10_000, "own": ["rate"], "events_today": 0
    }  # fmt: skip
    assert client.put("/api/v1/connections/slow/limits", json={}).status_code == 409
    assert client.put("/api/v1/connections/none/limits", json={}).status_code == 404
    assert client.get("/api/v1/connections/none/limits").status_code == 404
