"""A cluster is asked for its warnings and the logs of its failing pods, by the rules of its API."""

import asyncio
import json
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from public_keys import authority_for
from vendor_api import Answer, Asked, Vendor, needs, vendor_api

from connectors.base import ErrorEvent
from connectors.kubernetes_audit import CONNECTOR
from connectors.pull import Pulled, PullError, PullLater
from service.pull_settings import complete
from service.worker.cloud_proof import prove
from service.worker.exchange import drive

NOW = datetime(2026, 3, 2, 10, 0, tzinfo=UTC)
TOKEN = "a-token-of-a-service-account"
FORBIDDEN = (
    'Error creating: pods is forbidden: User "system:serviceaccount:shop:deployer" cannot create resource "pods"'
)
DENIED = "psycopg.errors.InsufficientPrivilege: permission denied for table orders"


class Cluster:
    """The warnings, pods and logs of a cluster; what it is asked has to be asked as the API wants it."""

    def __init__(self, vendor: Vendor) -> None:
        self.vendor = vendor
        self.settings = {"url": vendor.url, "token": TOKEN, "cluster": "prod"}
        self.warnings: list[dict[str, Any]] = []
        self.version = 100
        self.forgotten = 0
        self.has_expired = False
        self.pods: list[dict[str, Any]] = []
        self.logs: dict[tuple[str, str, str], str] = {}
        self.refuses_logs = False
        shows = {"authorization": f"Bearer {TOKEN}"}
        vendor.route("GET", "/api/v1/events", needs(shows, self.events))
        vendor.route("GET", "/api/v1/pods", needs(shows, self.list_pods))

    def warn(self, text: str, *, uid: str = "w1", count: int = 1, age: int = 60, **more: Any) -> None:
        self.version += 1
        item = {
            "metadata": {"uid": uid, "resourceVersion": str(self.version)},
            "type": "Warning",
            "reason": "FailedCreate",
            "message": text,
            "count": count,
            "involvedObject": {"kind": "ReplicaSet", "namespace": "shop", "name": "orders"},
            "lastTimestamp": (NOW - timedelta(seconds=age)).strftime("%Y-%m-%dT%H:%M:%SZ"),
        }
        self.warnings.append({**item, **more})

    def crash(self, pod: str, log: str, **more: Any) -> None:
        about = {
            "kind": "Pod",
            "namespace": "shop",
            "name": pod,
            "uid": f"uid-{pod}",
            "fieldPath": "spec.containers{app}",
        }
        self.warn("Back-off restarting failed container app in pod", reason="BackOff", involvedObject=about, **more)
        self.log(pod, log, previous=True)

    def log(self, pod: str, log: str, *, previous: bool) -> None:
        self.logs[pod, "app", str(previous).lower()] = log
        self.vendor.route("GET", f"/api/v1/namespaces/shop/pods/{pod}/log", self.read_log)

    def events(self, asked: Asked) -> Answer:
        query = asked.query
        assert query["fieldSelector"] == "type=Warning"
        if query.get("watch") == "true":
            assert int(query["timeoutSeconds"]) <= 10
            return self._watch(int(query["resourceVersion"]))
        begin, size = int(query.get("continue", "0")), min(int(query["limit"]), 2)
        if begin and self.has_expired:
            return Answer({"kind": "Status", "code": 410, "reason": "Expired"}, 410)
        rest = {"continue": str(begin + size)} if begin + size < len(self.warnings) else {}
        metadata = {"resourceVersion": str(self.version), **rest}
        return Answer({"kind": "EventList", "metadata": metadata, "items": self.warnings[begin : begin + size]})

    def _watch(self, version: int) -> Answer:
        if version < self.forgotten:
            told = {"type": "ERROR", "object": {"kind": "Status", "code": 410, "reason": "Expired"}}
            return Answer(json.dumps(told).encode() + b"\n")
        new = [one for one in self.warnings if int(one["metadata"]["resourceVersion"]) > version]
        lines = [{"type": "ADDED", "object": one} for one in new]
        mark = {"type": "BOOKMARK", "object": {"kind": "Event", "metadata": {"resourceVersion": str(self.version)}}}
        return Answer("".join(json.dumps(line) + "\n" for line in [*lines, mark]).encode())

    def list_pods(self, asked: Asked) -> Answer:
        assert asked.query.get("fieldSelector") == "status.phase=Failed" or asked.query["labelSelector"] == "app=orders"
        return Answer({"kind": "PodList", "metadata": {}, "items": self.pods})

    def read_log(self, asked: Asked) -> Answer:
        query, pod = asked.query, asked.path.split("/")[-2]
        assert (query["timestamps"], int(query["limitBytes"]) > 0) == ("true", True)
        if self.refuses_logs:
            return Answer({"kind": "Status", "code": 403, "reason": "Forbidden"}, 403)
        log = self.logs.get((pod, query["container"], query["previous"]))
        if log is None:
            return Answer({"message": "previous terminated container not found"}, 400)
        since = datetime.fromisoformat(query["sinceTime"])
        kept = [line for line in log.splitlines(keepends=True) if datetime.fromisoformat(line.split(" ")[0]) >= since]
        return Answer("".join(kept).encode()[: int(query["limitBytes"])])

    def pull(self, cursor: str | None = None, now: datetime = NOW, **more: str) -> Pulled:
        settings = complete({**self.settings, **more}, CONNECTOR)
        assert CONNECTOR.pulls
        return asyncio.run(drive(CONNECTOR.pulls.pull(settings, cursor, now), lambda request: prove(request, settings)))

    def round(self, cursor: str | None = None, now: datetime = NOW, **more: str) -> tuple[list[ErrorEvent], str]:
        """All pages until nothing more is due."""
        events: list[ErrorEvent] = []
        for _ in range(20):
            page = self.pull(cursor, now, **more)
            assert page.trouble is None
            events += page.events
            cursor = page.cursor
            if not page.more:
                return events, cursor
        raise AssertionError("the round does not end")


@pytest.fixture
def cluster() -> Iterator[Cluster]:
    with vendor_api() as running:
        yield Cluster(running)


def stamped(*lines: str, at: datetime = NOW - timedelta(seconds=50)) -> str:
    told = [at + timedelta(milliseconds=number) for number in range(len(lines))]
    return "".join(f"{moment.isoformat()} {line}\n" for moment, line in zip(told, lines, strict=True))


def test_warnings_are_listed_once_and_then_watched(cluster: Cluster) -> None:
    cluster.warn(FORBIDDEN)
    cluster.warn("Readiness probe failed: connection refused", uid="w2")
    cluster.warn(f"{FORBIDDEN} long ago", uid="w3", age=7_200)
    events, cursor = cluster.round()
    (event,) = events
    assert (event.id, event.text) == ("w1:1", f"FailedCreate\n{FORBIDDEN}")
    assert (event.environment, event.service_name) == ("prod", "orders")
    assert event.attributes["k8s.namespace.name"] == "shop"
    cluster.warn(FORBIDDEN, count=2)
    events, cursor = cluster.round(cursor, NOW + timedelta(minutes=1))
    assert [event.id for event in events] == ["w1:2"]
    assert cluster.round(cursor, NOW + timedelta(minutes=2))[0] == []


@pytest.mark.parametrize("case", ["watch", "list"])
def test_a_state_that_the_server_has_forgotten_is_listed_anew(cluster: Cluster, case: str) -> None:
    for number in range(3):
        cluster.warn(f"{FORBIDDEN} {number}", uid=f"w{number}")
    first = cluster.pull()
    cursor = first.cursor if case == "list" else cluster.round(first.cursor)[1]
    cluster.forgotten, cluster.has_expired = 1_000, True
    page = cluster.pull(cursor)
    assert (page.events, page.more) == ((), True)
    cluster.has_expired = False
    assert {event.id for event in cluster.round(page.cursor)[0]} == {"w0:1", "w1:1", "w2:1"}


def test_the_log_of_a_container_that_crashes_is_read_from_its_run_before(cluster: Cluster) -> None:
    trace = ["Traceback (most recent call last):", '  File "main.py", line 3, in main', DENIED]
    cluster.crash("orders-7d9", stamped("starting", "ERROR no orders", *trace, "INFO bye"))
    events, cursor = cluster.round()
    (event,) = events
    assert event.text == "\n".join(["ERROR no orders", *trace])
    assert (event.service_name, event.environment) == ("app", "prod")
    assert event.attributes["k8s.pod.name"] == "orders-7d9"
    cluster.crash("orders-7d9", cluster.logs["orders-7d9", "app", "true"], count=2)
    again, _ = cluster.round(cursor, NOW + timedelta(minutes=1))
    assert [one.id for one in again] == [event.id]


def test_a_pod_that_has_failed_for_good_is_read_and_a_selector_reads_those_that_run(cluster: Cluster) -> None:
    ended = {"exitCode": 1, "finishedAt": (NOW - timedelta(seconds=40)).isoformat()}
    labels = {"app.kubernetes.io/name": "orders"}
    metadata = {"namespace": "shop", "name": "job-1", "uid": "uid-job", "labels": labels}
    status: dict[str, Any] = {"containerStatuses": [{"name": "app", "state": {"terminated": ended}, "lastState": {}}]}
    cluster.pods = [{"metadata": metadata, "status": status}]
    cluster.log("job-1", stamped(DENIED), previous=False)
    (event,) = cluster.round()[0]
    assert (event.text, event.service_name) == (DENIED, "orders")
    status["containerStatuses"][0]["state"] = {"running": {"startedAt": "2026-03-02T08:00:00Z"}}
    assert cluster.round()[0] == []
    selected, cursor = cluster.round(pods="app=orders")
    assert [one.id for one in selected] == [event.id]
    later = NOW + timedelta(minutes=1)
    cluster.log("job-1", stamped(DENIED) + stamped(DENIED, at=later), previous=False)
    assert [one.time for one in cluster.round(cursor, later, pods="app=orders")[0]] == [later]


def test_a_long_log_is_read_to_its_end(cluster: Cluster) -> None:
    begin = NOW - timedelta(minutes=1)
    times = [(begin + timedelta(milliseconds=700 * number)).isoformat() for number in range(60)]
    cluster.crash("orders-7d9", "".join(f"{time} {DENIED} {'x' * 40_000}\n" for time in times))
    events, _ = cluster.round()
    assert len({event.id for event in events}) == 60


def test_a_pod_that_is_gone_is_passed_over_and_names_from_outside_choose_no_address(cluster: Cluster) -> None:
    cluster.crash("orders-7d9", "")
    cluster.logs.clear()
    about = {"kind": "Pod", "namespace": "../..", "name": "x/../../secrets", "fieldPath": "spec.containers{app}"}
    cluster.warn("Back-off restarting failed container", uid="w9", reason="BackOff", involvedObject=about)
    assert cluster.round()[0] == []
    assert {path.split("?")[0] for path in cluster.vendor.paths()} == {
        "/api/v1/events",
        "/api/v1/pods",
        "/api/v1/namespaces/shop/pods/orders-7d9/log",
    }


def test_warnings_go_on_where_logs_may_not_be_read(cluster: Cluster) -> None:
    cluster.refuses_logs = True
    cluster.warn(FORBIDDEN, uid="w5")
    cluster.crash("orders-7d9", stamped(DENIED))
    pages, cursor = [], None
    while not pages or pages[-1].more:
        pages.append(cluster.pull(cursor))
        cursor = pages[-1].cursor
    assert [event.id for page in pages for event in page.events] == ["w5:1"]
    assert pages[-1].trouble is not None
    assert pages[-1].trouble.endswith("give ones that may read /api/v1/namespaces/shop/pods/orders-7d9/log")
    cluster.warn(FORBIDDEN, uid="w6")
    assert [event.id for event in cluster.round(cursor, NOW + timedelta(minutes=1))[0]] == ["w6:1"]


def test_one_namespace_is_asked_for_itself(cluster: Cluster) -> None:
    cluster.warn(FORBIDDEN)
    for kind, route in (("events", cluster.events), ("pods", cluster.list_pods)):
        cluster.vendor.route("GET", f"/api/v1/namespaces/shop/{kind}", route)
    assert len(cluster.round(namespace="shop")[0]) == 1
    assert all(path.startswith("/api/v1/namespaces/shop/") for path in cluster.vendor.paths())


@pytest.mark.parametrize("wrong", [{"namespace": "../kube-system"}, {"ca_certificate": "none"}, {"url": "http://k8s"}])
def test_settings_that_make_no_sense_are_refused(cluster: Cluster, wrong: Mapping[str, str]) -> None:
    with pytest.raises(Exception, match=next(iter(wrong))):
        cluster.pull(None, NOW, **wrong)


def test_a_watch_that_ends_in_an_error_is_no_round(cluster: Cluster) -> None:
    _, cursor = cluster.round()
    told = {"type": "ERROR", "object": {"kind": "Status", "code": 500, "message": "etcd is away"}}
    cluster.vendor.route("GET", "/api/v1/events", Answer(json.dumps(told).encode()))
    with pytest.raises(PullError, match="etcd is away"):
        cluster.pull(cursor)


def test_a_cluster_is_known_by_its_own_authority_alone(tmp_path: Path) -> None:
    authority = authority_for("127.0.0.1", tmp_path / "both.pem")
    with vendor_api(tmp_path / "both.pem") as running:
        cluster = Cluster(running)
        cluster.warn(FORBIDDEN)
        assert len(cluster.round(ca_certificate=authority)[0]) == 1
        with pytest.raises(PullLater, match="cannot be reached"):
            cluster.pull()
    assert all(asked.headers["authorization"] == f"Bearer {TOKEN}" for asked in running.asked)
