"""A source is asked for what its deliveries lack: durably, once, within limits, and people see what became of it."""

import asyncio
import ipaddress
import socket
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest
from otlp_receiver import facts, recording
from public_keys import authority_for
from service_site import Site, running_site
from sqlalchemy import func, select, update
from vendor_api import Answer, Vendor, needs, vendor_api

from connectors.base import Auth
from connectors.pull import Exchange, PullAnswer, PullError, PullLater, PullRefused, PullRequest, ask
from connectors.recording import read_recording
from service.rules.load import default_folder
from service.store import pulls
from service.store.connections import create_connection
from service.store.tables import events, failures, waiting_events
from service.worker.cloud_proof import prove
from service.worker.exchange import Proof, drive
from service.worker.pulling import Counts, Pulling

PAYLOADS = Path(__file__).parents[1] / "connectors" / "payloads"
TOKEN = "a-token-for-tests"
LOG = """\
2026-03-02T10:00:01.1000000Z ##[group]Run aws s3 cp dist s3://acme-site
2026-03-02T10:00:01.2000000Z \x1b[36;1maws s3 cp dist s3://acme-site\x1b[0m
2026-03-02T10:00:01.3000000Z ##[endgroup]
2026-03-02T10:00:02.1000000Z An error occurred (AccessDenied) when calling the PutObject operation: User: \
arn:aws:sts::111122223333:assumed-role/deploy/ci is not authorized to perform: s3:PutObject on resource: \
"arn:aws:s3:::acme-site/index.html" because no identity-based policy allows the s3:PutObject action
2026-03-02T10:00:02.2000000Z ##[error]Process completed with exit code 1.
2026-03-02T10:00:03.0000000Z Post job cleanup.
"""
JOBS = {
    "jobs": [{"id": 7, "name": "deploy", "conclusion": "failure", "steps": [{"name": "Copy", "conclusion": "failure"}]}]
}


@pytest.fixture
def vendor() -> Iterator[Vendor]:
    with vendor_api() as running:
        yield running


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    packs = [default_folder() / "aws.yaml"] if (default_folder() / "aws.yaml").exists() else []
    with running_site(tmp_path_factory.mktemp("pulls"), extra_rules=packs) as running:
        yield running


@pytest.fixture
def github(site: Site, vendor: Vendor, request: pytest.FixtureRequest) -> str:
    """A connection with credentials for a GitHub that has the run of the recorded webhook."""
    demands = {"authorization": f"Bearer {TOKEN}", "x-github-api-version": "2022-11-28"}
    vendor.route("GET", "/repos/acme/site/actions/runs/901/jobs", needs(demands, Answer(JOBS)))
    there = {"Location": f"{vendor.url}/storage/log?sig=abc"}
    vendor.route("GET", "/repos/acme/site/actions/jobs/7/logs", needs(demands, Answer(b"", 302, there)))
    vendor.route(
        "GET",
        "/storage/log",
        lambda asked: Answer(b"", 400) if "authorization" in asked.headers else Answer(LOG.encode()),
    )
    name = request.node.name[:60].replace("[", "-").rstrip("]")
    with site.services.engine.begin() as conn:
        create_connection(conn, site.services.keyring, name, "github", Auth("none"))
        give(site, conn, name, {"token": TOKEN, "url": vendor.url})
    site.services.connections.refresh()
    return name


def give(site: Site, conn: Any, name: str, settings: Mapping[str, str], every: int = 0) -> None:
    pulls.set_pull(conn, site.services.keyring, name, pulls.Schedule(settings, every), datetime.now(UTC))


def post(site: Site, name: str, case: str = "github/workflow_run_failure") -> dict[str, Any]:
    one = read_recording(PAYLOADS / f"{case}.json")
    url = f"{site.url}/ingest/{name}"
    reply = httpx.post(url, content=one.delivery.raw, headers=dict(one.delivery.headers), trust_env=False)
    assert reply.status_code == 202, reply.text
    answer: dict[str, Any] = reply.json()
    return answer


def work(site: Site, *, first_wait: float = 0.0) -> list[tuple[str, str]]:
    """Do what is due until nothing is; gives what was counted."""
    seen: list[tuple[str, str]] = []
    counts = Counts(
        lambda _, outcome: seen.append(("pulled", outcome)),
        lambda _, outcome: seen.append(("text", outcome)),
        lambda *_: None,
        lambda *_: None,
    )
    parts = site.services
    pulling = Pulling(
        parts.engine, parts.keyring, parts.connectors, parts.pipeline, counts, prove, first_wait=first_wait
    )

    async def until_idle() -> None:
        for _ in range(20):
            if not await pulling.work():
                return

    asyncio.run(until_idle())
    return seen


def stored(site: Site, name: str) -> list[Any]:
    query = select(events, failures.c.verdict, failures.c.cause).join(failures, failures.c.id == events.c.failure_id)
    with site.services.engine.connect() as conn:
        return list(conn.execute(query.where(events.c.connection == name)))


def waiting(site: Site, name: str) -> int:
    query = select(func.count()).select_from(waiting_events).where(waiting_events.c.connection == name)
    with site.services.engine.connect() as conn:
        return conn.execute(query).scalar_one()


def test_a_webhook_without_text_waits_for_its_log_and_a_rule_knows_it(site: Site, github: str) -> None:
    assert post(site, github) == {"events": [], "waiting": 1}
    assert (stored(site, github), waiting(site, github)) == ([], 1)
    assert work(site) == [("text", "found")]
    (event,) = stored(site, github)
    assert (event.source_id, waiting(site, github)) == ("workflow_run:901:1:failure", 0)
    assert event.text.startswith("deploy failure in acme/site\njob deploy, step failed: Copy\nRun aws s3 cp")
    assert event.text.endswith("Error: Process completed with exit code 1.")
    assert "not authorized to perform: s3:PutObject" in event.text
    assert (event.verdict, event.cause) == ("permission", "missing_grant")


def test_the_storage_that_a_log_lies_in_gets_no_credentials(site: Site, github: str, vendor: Vendor) -> None:
    post(site, github)
    work(site)
    (asked,) = [one for one in vendor.asked if one.path == "/storage/log"]
    assert TOKEN not in str(asked.headers)
    assert asked.query == {"sig": "abc"}


def test_a_repeated_delivery_is_one_event(site: Site, github: str, vendor: Vendor) -> None:
    post(site, github)
    post(site, github)
    assert waiting(site, github) == 1
    work(site)
    asked = len(vendor.asked)
    assert post(site, github)["events"][0]["duplicate"] is True
    assert work(site) == []
    assert (len(stored(site, github)), len(vendor.asked)) == (1, asked)


def test_what_a_dead_process_had_claimed_is_done_by_another(site: Site, github: str) -> None:
    post(site, github)
    later = datetime.now(UTC) + timedelta(minutes=5)
    with site.services.engine.begin() as conn:
        conn.execute(update(waiting_events).values(due_at=later))
    assert work(site) == []
    with site.services.engine.begin() as conn:
        conn.execute(update(waiting_events).values(due_at=datetime.now(UTC)))
    assert work(site) == [("text", "found")]


def test_a_source_that_is_out_of_order_is_asked_again(site: Site, github: str, vendor: Vendor) -> None:
    path = "/repos/acme/site/actions/runs/901/jobs"
    replies = iter([Answer({}, 503), Answer({}, 429, {"Retry-After": "0"}), Answer(JOBS)])
    vendor.route("GET", path, lambda _: next(replies))
    post(site, github)
    assert work(site) == [("text", "found")]
    assert vendor.paths().count(path) == 3


def test_an_event_is_stored_as_it_is_where_its_text_cannot_be_had(site: Site, github: str, vendor: Vendor) -> None:
    vendor.route("GET", "/repos/acme/site/actions/runs/901/jobs", Answer({"message": "Bad credentials"}, 401))
    post(site, github)
    assert work(site) == [("text", "without")]
    (event,) = stored(site, github)
    assert event.text == "deploy failure in acme/site"
    assert event.attributes["pull.error"].startswith("127.0.0.1 refuses the credentials (401)")
    with site.services.engine.connect() as conn:
        state = pulls.get_pull(conn, github)
    assert state is not None
    assert state.last_error == event.attributes["pull.error"]
    assert TOKEN not in str(event)


def test_an_event_of_which_its_source_holds_no_more_is_no_trouble_of_the_connection(site: Site, vendor: Vendor) -> None:
    name, labels = "metric-alerts", {"alertname": "Refusals", "__alert_rule_uid__": "rule-1"}
    vendor.route("GET", "/api/ruler/grafana/api/v1/rule/rule-1", Answer({"grafana_alert": {"data": []}}))
    with site.services.engine.begin() as conn:
        create_connection(conn, site.services.keyring, name, "grafana", Auth("none"))
        give(site, conn, name, {"token": TOKEN, "url": vendor.url})
    site.services.connections.refresh()
    alert = {"alerts": [{"status": "firing", "labels": labels, "startsAt": datetime.now(UTC).isoformat()}]}
    assert httpx.post(f"{site.url}/ingest/{name}", json=alert, trust_env=False).json()["waiting"] == 1
    assert work(site) == [("text", "without")]
    (event,) = stored(site, name)
    assert (event.text, event.attributes["pull.error"][:38]) == ("Refusals", "The alert's rule reads no log of Loki,")
    with site.services.engine.connect() as conn:
        state = pulls.get_pull(conn, name)
    assert state is not None
    assert state.last_error is None


def test_without_credentials_nothing_waits(site: Site) -> None:
    with site.services.engine.begin() as conn:
        create_connection(conn, site.services.keyring, "no-credentials", "github", Auth("none"))
    site.services.connections.refresh()
    assert len(post(site, "no-credentials")["events"]) == 1
    assert waiting(site, "no-credentials") == 0


def test_events_that_wait_are_let_go_when_the_credentials_are_taken_away(site: Site, github: str) -> None:
    post(site, github)
    with site.services.engine.begin() as conn:
        pulls.set_pull(conn, site.services.keyring, github, None, datetime.now(UTC))
    assert work(site) == [("text", "without")]
    assert len(stored(site, github)) == 1
    assert waiting(site, github) == 0


def test_a_schedule_finds_the_runs_whose_webhook_was_lost_once(site: Site, github: str, vendor: Vendor) -> None:
    run = {"id": 901, "name": "deploy", "run_attempt": 1, "head_branch": "main", "updated_at": "2026-03-02T10:00:02Z"}
    vendor.route("GET", "/repos/acme/site/actions/runs", Answer({"workflow_runs": [run]}))
    settings = {"token": TOKEN, "url": vendor.url, "repository": "acme/site", "every": "60"}
    for _ in range(2):
        with site.services.engine.begin() as conn:
            give(site, conn, github, settings, every=60)
        assert work(site) == [("pulled", "ok")]
    assert post(site, github)["events"][0]["duplicate"] is True
    assert [event.source_id for event in stored(site, github)] == ["workflow_run:901:1:failure"]
    with site.services.engine.connect() as conn:
        state = pulls.get_pull(conn, github)
    assert state is not None
    assert (state.last_error, state.failed, state.new_events) == (None, 0, 1)
    assert state.next_at is not None
    assert state.cursor is not None
    assert timedelta(seconds=50) < state.next_at - datetime.now(UTC) <= timedelta(seconds=60)


def test_what_may_not_be_read_is_said_while_the_rest_goes_on(site: Site, vendor: Vendor) -> None:
    about = {"namespace": "shop", "name": "orders-1", "uid": "u-1", "fieldPath": "spec.containers{app}"}
    told = {"type": "Warning", "involvedObject": about, "count": 1}
    crash = {**told, "reason": "BackOff", "message": "Back-off restarting failed container app"}
    refusal = {
        **told,
        "reason": "FailedMount",
        "message": "secrets is forbidden: not authorized",
        "metadata": {"uid": "w"},
    }
    vendor.route("GET", "/api/v1/events", Answer({"metadata": {"resourceVersion": "7"}, "items": [crash, refusal]}))
    vendor.route("GET", "/api/v1/pods", Answer({"metadata": {}, "items": []}))
    vendor.route("GET", "/api/v1/namespaces/shop/pods/orders-1/log", Answer({}, 403))
    with site.services.engine.begin() as conn:
        create_connection(conn, site.services.keyring, "cluster", "kubernetes", Auth("none"))
        give(site, conn, "cluster", {"url": vendor.url, "token": TOKEN, "every": "60"}, every=60)
    assert work(site) == [("pulled", "partly")]
    assert [event.source_id for event in stored(site, "cluster")] == ["w:1"]
    with site.services.engine.connect() as conn:
        state = pulls.get_pull(conn, "cluster")
    assert state is not None
    assert (state.last_error or "").endswith("give ones that may read /api/v1/namespaces/shop/pods/orders-1/log")
    assert (state.failed, state.last_at is not None) == (0, True)


def test_a_pull_that_fails_says_why_and_waits_longer(site: Site, github: str, vendor: Vendor) -> None:
    vendor.route("GET", "/repos/acme/site/actions/runs", Answer({}, 429, {"Retry-After": "900"}))
    with site.services.engine.begin() as conn:
        give(site, conn, github, {"token": TOKEN, "url": vendor.url, "repository": "acme/site"}, every=60)
    assert work(site) == [("pulled", "later")]
    with site.services.engine.connect() as conn:
        state = pulls.get_pull(conn, github)
    assert state is not None
    assert state.last_error == "127.0.0.1 limits how often it is asked (429)"
    assert state.next_at is not None
    assert state.next_at - datetime.now(UTC) > timedelta(seconds=890)


def ask_once(base: str, url: str | None = None, proven: Proof | None = None, **more: Any) -> PullAnswer:
    def exchange() -> Exchange[PullAnswer]:
        yield from ask(PullRequest(f"{base}/first"), datetime.now(UTC))
        return (yield from ask(PullRequest(url or f"{base}/second", **more), datetime.now(UTC)))

    async def prove_it(_: PullRequest) -> Proof:
        return proven or Proof()

    return asyncio.run(drive(exchange(), prove_it))


@pytest.mark.parametrize(
    ("url", "refusal"),
    [
        ("http://files.example/log", "only https"),
        ("https://user:pw@files.example/log", "only https"),
        ("file:///etc/passwd", "only https"),
        ("https://10.0.0.7/log", "private network"),
        ("https://169.254.169.254/latest/meta-data/", "private network"),
        ("https://[::1]/log", "private network"),
        ("https://vault.internal/log", "private network"),
        ("https://2130706433/log", "private network"),
        ("https://0x7f.1/log", "private network"),
        ("https://[::ffff:127.0.0.1]/log", "private network"),
        ("https://[fe80::1]/log", "private network"),
    ],
)
def test_an_address_that_an_answer_chose_is_not_trusted(vendor: Vendor, url: str, refusal: str) -> None:
    vendor.route("GET", "/first", Answer({}))
    with pytest.raises(PullRefused, match=refusal):
        ask_once(vendor.url, url=url, by_answer=True)


def test_a_name_that_stands_for_a_private_address_is_not_followed(
    vendor: Vendor, monkeypatch: pytest.MonkeyPatch
) -> None:
    find = socket.getaddrinfo

    def resolve(host: str, *rest: Any, **more: Any) -> Any:
        return find("10.0.0.7" if host == "files.example" else host, *rest, **more)

    monkeypatch.setattr(socket, "getaddrinfo", resolve)
    vendor.route("GET", "/first", Answer({}))
    with pytest.raises(PullRefused, match="private network"):
        ask_once(vendor.url, url="https://files.example/log", by_answer=True)


def test_a_name_is_asked_at_the_address_that_was_looked_at(
    vendor: Vendor, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whoever owns the name may give it another address between the look and the connection."""
    find, given = socket.getaddrinfo, iter(["127.0.0.1"])

    def resolve(host: str, *rest: Any, **more: Any) -> Any:
        return find(next(given, "127.0.0.9") if host in {"files.example", b"files.example"} else host, *rest, **more)

    monkeypatch.setattr(socket, "getaddrinfo", resolve)
    monkeypatch.setattr(ipaddress.IPv4Address, "is_global", True)
    monkeypatch.setattr("service.worker.exchange.getproxies", dict)
    vendor.route("GET", "/first", Answer({}))
    proof = Proof(authority=authority_for("files.example", tmp_path / "both.pem"))
    with vendor_api(tmp_path / "both.pem") as files:
        files.route("GET", "/second", Answer(b"the log"))
        address = f"{files.url.replace('127.0.0.1', 'files.example')}/second"
        assert ask_once(vendor.url, url=address, by_answer=True, proof="a", proven=proof).body == b"the log"
    [asked] = files.asked
    assert asked.headers["host"] == address.split("/")[2]


def test_answers_are_bounded_and_of_a_long_log_the_end_is_kept(vendor: Vendor) -> None:
    vendor.route("GET", "/first", Answer({}))
    vendor.route("GET", "/second", Answer(b"x" * 300_000 + b"the end"))
    with pytest.raises(PullError, match="more than we take"):
        ask_once(vendor.url, limit=100_000)
    assert ask_once(vendor.url, limit=1_000, tail=True).body == b"x" * 993 + b"the end"


def test_a_source_that_nobody_hears_from_is_asked_later() -> None:
    with pytest.raises(PullLater, match="cannot be reached"):
        ask_once("http://127.0.0.1:9")


def test_a_pull_is_a_span_that_says_how_it_ended(
    site: Site, vendor: Vendor, github: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    vendor.route("GET", "/repos/acme/site/actions/runs", Answer({"message": "Bad credentials"}, 401))
    with site.services.engine.begin() as conn:
        give(site, conn, github, {"token": TOKEN, "url": vendor.url, "repository": "acme/site"}, every=60)
    with recording(monkeypatch) as traces:
        assert work(site) == [("pulled", "refused")]
        [pull] = [facts(span) for span in traces.stop() if span.name == "pull"]
    assert pull == {"whydenied.connection": github, "whydenied.outcome": "refused"}
    assert TOKEN.encode() not in traces.raw
