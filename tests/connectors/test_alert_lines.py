"""An alert that tells of numbers gets the lines behind it: of CloudWatch, Log Analytics, Cloud Logging, and Loki."""

import asyncio
import json
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

import boto3
import pytest
from moto.server import ThreadedMotoServer
from vendor_api import Answer, Asked, Vendor, needs, vendor_api

from connectors import discover
from connectors.base import Delivery, ErrorEvent
from connectors.kql import rows_query
from connectors.logql import lines_query
from connectors.pull import PullError, PullGone, PullNothing, PullRequest
from service.pull_settings import complete
from service.worker.cloud_proof import prove
from service.worker.exchange import Proof, drive

NOW = datetime(2026, 3, 2, 10, 0, tzinfo=UTC)
DENIED = "ERROR: permission denied for table orders"
REGION = "eu-west-1"


@pytest.fixture
def vendor() -> Iterator[Vendor]:
    with vendor_api() as running:
        yield running


def delivered(name: str, body: Any, now: datetime = NOW) -> ErrorEvent:
    raw = json.dumps(body).encode()
    (event,) = discover()[name].parse(Delivery("POST", "", {}, {}, raw, raw, now)).events
    return event


async def no_proof(_: PullRequest) -> Proof:
    return Proof()


def completed(name: str, event: ErrorEvent, given: Mapping[str, str], now: datetime = NOW) -> ErrorEvent:
    puller, settings = discover()[name].pulls, complete(given, discover()[name])
    assert puller
    assert puller.lacks_text(event)

    async def proof(request: PullRequest) -> Proof:
        return await prove(request, settings)

    return asyncio.run(drive(puller.enrich(event, settings, now), proof))


# --- CloudWatch


class Cloud:
    """CloudWatch Logs as moto plays it, and what a connection needs to ask it."""

    def __init__(self, url: str) -> None:
        self.settings = {"region": REGION, "access_key_id": "testing", "secret_access_key": "testing", "url": url}
        self.logs: Any = boto3.client(
            "logs", REGION, endpoint_url=url, aws_access_key_id="testing", aws_secret_access_key="testing"
        )
        self.now = datetime.now(UTC)

    def write(self, group: str, *lines: str, metric: str | None = None, age: timedelta = timedelta(minutes=2)) -> None:
        self.logs.create_log_group(logGroupName=group)
        self.logs.create_log_stream(logGroupName=group, logStreamName="one")
        moment = int((self.now - age).timestamp() * 1000)
        told = [{"timestamp": moment + at, "message": line} for at, line in enumerate(lines)]
        self.logs.put_log_events(logGroupName=group, logStreamName="one", logEvents=told)
        if metric:
            transformed = {"metricName": metric, "metricNamespace": "Shop", "metricValue": "1"}
            self.logs.put_metric_filter(
                logGroupName=group, filterName=metric, filterPattern="denied", metricTransformations=[transformed]
            )

    def alarm(self, trigger: Mapping[str, Any], region: str = REGION) -> ErrorEvent:
        alarm = {
            "AlarmName": "refusals",
            "AlarmArn": f"arn:aws:cloudwatch:{region}:111122223333:alarm:refusals",
            "NewStateValue": "ALARM",
            "NewStateReason": "Threshold Crossed",
            "StateChangeTime": self.now.strftime("%Y-%m-%dT%H:%M:%S.000+0000"),
            "Trigger": trigger,
        }
        body = {"Type": "Notification", "MessageId": "m-1", "Message": json.dumps(alarm)}
        return delivered("aws-sns", body, self.now)

    def complete(self, event: ErrorEvent) -> ErrorEvent:
        return completed("aws-sns", event, self.settings, self.now)


@pytest.fixture(scope="module")
def cloud() -> Iterator[Cloud]:
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    yield Cloud(f"http://{host}:{port}")
    server.stop()


def test_an_alarm_gets_the_lines_that_its_metric_filter_counts(cloud: Cloud) -> None:
    cloud.write("/shop/orders", "GET /health 200", DENIED, metric="Refusals")
    event = cloud.alarm({"MetricName": "Refusals", "Namespace": "Shop", "Period": 60, "EvaluationPeriods": 1})
    found = cloud.complete(event)
    assert (found.id, found.grouping_key) == (event.id, event.grouping_key)
    assert found.text == f"refusals\nThreshold Crossed\n{DENIED}"
    assert (found.service_name, found.attributes["aws.log.group"]) == ("orders", "/shop/orders")


def test_an_alarm_on_an_expression_is_followed_by_its_first_metric(cloud: Cloud) -> None:
    cloud.write("/shop/refunds", DENIED, metric="Refunds")
    stat = {"Metric": {"MetricName": "Refunds", "Namespace": "Shop", "Dimensions": []}, "Period": 300, "Stat": "Sum"}
    event = cloud.alarm({"Metrics": [{"Id": "e", "Expression": "m*2"}, {"Id": "m", "MetricStat": stat}]})
    assert DENIED in cloud.complete(event).text


def test_an_alarm_of_lambda_gets_the_failures_of_its_function(cloud: Cloud) -> None:
    cloud.write("/aws/lambda/export", "START RequestId: 1", DENIED)
    dimensions = [{"name": "FunctionName", "value": "export"}]
    event = cloud.alarm({"MetricName": "Errors", "Namespace": "AWS/Lambda", "Dimensions": dimensions})
    found = cloud.complete(event)
    assert (found.service_name, found.text) == ("export", f"refusals\nThreshold Crossed\n{DENIED}")


def test_an_alarm_without_a_line_says_why(cloud: Cloud) -> None:
    cloud.write("/shop/old", DENIED, metric="Old", age=timedelta(hours=1))
    cases = [
        (cloud.alarm({"MetricName": "Old", "Namespace": "Shop", "Period": 60, "EvaluationPeriods": 1}), PullGone),
        (cloud.alarm({"MetricName": "CPUUtilization", "Namespace": "AWS/EC2"}), PullNothing),
        (cloud.alarm({"MetricName": "Unknown", "Namespace": "Shop"}), PullNothing),
        (cloud.alarm({"MetricName": "Old", "Namespace": "Shop"}, region="us-east-1"), PullNothing),
    ]
    for event, kind in cases:
        with pytest.raises(kind):
            cloud.complete(event)


def test_a_recovery_and_an_alarm_made_of_alarms_are_stored_at_once(cloud: Cloud) -> None:
    pulls = discover()["aws-sns"].pulls
    assert pulls
    assert not pulls.lacks_text(cloud.alarm({}))


# --- Azure Monitor


def log_alert(query: str, **context: Any) -> ErrorEvent:
    condition = {
        "searchQuery": query,
        "dimensions": [{"name": "AppRoleName", "value": "etl"}],
        "linkToSearchResultsAPI": "https://attacker.example/v1/workspaces/x/query",
    }
    times = {"windowStartTime": "2026-03-02T09:50:00Z", "windowEndTime": "2026-03-02T09:55:00Z"}
    essentials = {"alertId": "a-1", "alertRule": "refusals", "monitorCondition": "Fired", "signalType": "Log"}
    context = {"condition": {"allOf": [condition], **times}, **context}
    body = {
        "schemaId": "azureMonitorCommonAlertSchema",
        "data": {"essentials": essentials, "alertContext": context},
    }
    return delivered("azure-monitor", body)


@pytest.fixture
def workspace(vendor: Vendor) -> Mapping[str, str]:
    rows = {"tables": [{"columns": [{"name": "Message"}, {"name": "AppRoleName"}], "rows": [[DENIED, "etl"]]}]}
    vendor.route("POST", "/acme-tenant/oauth2/v2.0/token", Answer({"access_token": "the-token"}))
    path = "/v1/workspaces/acme-workspace/query"
    vendor.route("POST", path, needs({"authorization": "Bearer the-token"}, Answer(rows)))
    words = {"workspace": "acme-workspace", "tenant": "acme-tenant", "client_id": "id", "client_secret": "a-secret"}
    return {**words, "url": vendor.url, "login_url": vendor.url}


def test_a_log_alert_gets_its_rows_from_the_connections_own_workspace(
    vendor: Vendor, workspace: Mapping[str, str]
) -> None:
    event = log_alert("AppTraces | where Message has 'denied' | summarize count() by AppRoleName")
    assert "Message has" not in event.text
    found = completed("azure-monitor", event, workspace)
    assert (found.id, found.text) == (event.id, f"refusals\netl\n{DENIED}")
    assert vendor.asked[-1].json == {
        "query": "AppTraces | where Message has 'denied'\n"
        '| where tostring(column_ifexists("AppRoleName", "etl")) == "etl"\n| take 20',
        "timespan": "2026-03-02T09:50:00.000Z/2026-03-02T09:55:00.000Z",
    }


def test_a_log_alert_that_brings_its_rows_waits_for_nothing() -> None:
    table = {"name": "PrimaryResult", "rows": [[DENIED]]}
    event = log_alert("AppTraces", SearchResults={"tables": [table]})
    pulls = discover()["azure-monitor"].pulls
    assert pulls
    assert not pulls.lacks_text(event)
    assert DENIED in event.text


@pytest.mark.parametrize(
    "query",
    [
        'workspace("another").AppTraces',
        'externaldata(x: string)["https://attacker.example/x"]',
        "T | union app('another').traces",
        "T | evaluate http_request('https://attacker.example')",
        ".drop table T",
        "T | where x == '" + "x" * 4_000 + "'",
    ],
)
def test_a_query_that_could_read_elsewhere_is_not_asked(query: str) -> None:
    assert rows_query(query, {}, 20) is None


@pytest.mark.parametrize(
    ("query", "rows"),
    [
        ("T | where A has '| count' | count", "T | where A has '| count'"),
        ('T | where A == "workspace(1)" // | count', 'T | where A == "workspace(1)" // | count'),
        ("let a = 1;\nT | join (U | summarize by x) on x | summarize by y;", None),
        ("T;", "T"),
    ],
)
def test_rows_are_asked_for_before_they_are_counted(query: str, rows: str | None) -> None:
    wanted = rows or "let a = 1;\nT | join (U | summarize by x) on x"
    assert rows_query(query, {}, 20) == f"{wanted}\n| take 20"


# --- Google Cloud Monitoring


def test_an_incident_on_a_log_gets_the_entries_of_its_filter(vendor: Vendor) -> None:
    wanted = 'severity=ERROR AND resource.type="cloud_run_job"'
    told = {"incident_id": "i-1", "state": "open", "started_at": 1772445600, "summary": "matched"}
    told["condition"] = {"conditionMatchedLog": {"filter": wanted}}
    event = delivered("gcp-monitoring", {"version": "1.2", "incident": told})
    entry = {"insertId": "e-1", "severity": "ERROR", "textPayload": DENIED, "timestamp": "2026-03-02T09:59:59Z"}
    vendor.route("POST", "/v2/entries:list", Answer({"entries": [entry]}))
    pulls, settings = discover()["gcp-monitoring"].pulls, {"project": "acme-prod", "url": vendor.url}
    assert pulls
    assert pulls.lacks_text(event)
    found = asyncio.run(drive(pulls.enrich(event, settings, NOW), no_proof))
    assert (found.id, found.text) == (event.id, f"matched\n{DENIED}")
    asked = vendor.asked[0].json
    assert asked["resourceNames"] == ["projects/acme-prod"]
    span = 'timestamp>="2026-03-02T09:55:00.000Z" AND timestamp<"2026-03-02T10:01:00.000Z"'
    assert asked["filter"] == f"{span} AND ({wanted})"


# --- Grafana

EXPR = 'sum by (pod) (count_over_time({app="billing"} |= `denied` | json [5m])) > 0'
LINES = {"schema": {"fields": [{"name": "labels"}, {"name": "Time"}, {"name": "Line"}]}}
SETTINGS = {"token": "a-token-for-tests"}
DEMANDS = {"authorization": "Bearer a-token-for-tests"}


def rule(expr: str = EXPR) -> dict[str, Any]:
    model = {"expr": expr, "datasource": {"type": "loki", "uid": "loki-1"}}
    query = {"refId": "A", "datasourceUid": "loki-1", "relativeTimeRange": {"from": 600}, "model": model}
    return {"data": [query, {"refId": "B", "datasourceUid": "__expr__", "model": {"type": "threshold"}}]}


def firing(**alert: Any) -> dict[str, Any]:
    labels = {"alertname": "Refusals", "pod": "billing-7"}
    where = "https://attacker.example/alerting/grafana/rule-1/view?orgId=1"
    return {"labels": labels, "startsAt": NOW.isoformat(), "generatorURL": where, "fingerprint": "f1", **alert}


def grafana_alert() -> ErrorEvent:
    return delivered("grafana", {"alerts": [{"status": "firing", **firing()}]})


def loki(asked: Asked) -> Answer:
    values = [[{}], [1772445600000], [DENIED]]
    return Answer({"results": {"A": {"status": 200, "frames": [{**LINES, "data": {"values": values}}]}}})


@pytest.mark.parametrize(
    ("path", "answer"),
    [
        ("/api/ruler/grafana/api/v1/rule/rule-1", {"grafana_alert": rule()}),
        ("/api/v1/provisioning/alert-rules/rule-1", rule()),
    ],
)
def test_a_grafana_alert_gets_the_lines_of_its_rule(vendor: Vendor, path: str, answer: Any) -> None:
    vendor.route("GET", path, needs(DEMANDS, Answer(answer)))
    vendor.route("POST", "/api/ds/query", needs(DEMANDS, loki))
    event = grafana_alert()
    found = completed("grafana", event, {**SETTINGS, "url": vendor.url})
    assert (found.id, found.text) == (event.id, f"Refusals\n{DENIED}")
    asked = vendor.asked[-1].json
    assert asked["queries"][0]["expr"] == '{app="billing"} |= `denied` | json | pod="billing-7"'
    assert int(asked["to"]) - int(asked["from"]) == (600 + 300 + 60) * 1000


def test_an_alert_with_a_strange_link_names_no_rule() -> None:
    pulls = discover()["grafana"].pulls
    assert pulls
    for link in ("http://[", "https://grafana.example/alerting/x", "https://grafana.example/alerting/grafana/a/view/b"):
        event = delivered("grafana", {"alerts": [{"status": "firing", **firing(generatorURL=link)}]})
        assert not pulls.lacks_text(event)


def test_a_grafana_alert_without_a_line_says_why(vendor: Vendor) -> None:
    settings = {**SETTINGS, "url": vendor.url}
    path = "/api/ruler/grafana/api/v1/rule/rule-1"
    vendor.route("GET", path, Answer({"grafana_alert": rule('rate(http_requests_total{code="403"}[5m])')}))
    with pytest.raises(PullNothing, match="reads no log of Loki"):
        completed("grafana", grafana_alert(), settings)
    vendor.route("GET", path, Answer({"grafana_alert": rule()}))
    vendor.route("POST", "/api/ds/query", Answer({"results": {"A": {"frames": []}}}))
    with pytest.raises(PullGone, match="no line"):
        completed("grafana", grafana_alert(), settings)
    vendor.route("POST", "/api/ds/query", Answer({"results": {"A": {"error": "parse error"}}}))
    with pytest.raises(PullError, match="parse error"):
        completed("grafana", grafana_alert(), settings)


def test_a_scheduled_pull_quotes_the_lines_of_what_began_since_the_last_one(vendor: Vendor) -> None:
    pulls, settings = discover()["grafana"].pulls, {**SETTINGS, "url": vendor.url}
    assert pulls
    old = firing(fingerprint="f2", startsAt=(NOW - timedelta(days=1)).isoformat())
    vendor.route("GET", "/api/alertmanager/grafana/api/v2/alerts", Answer([firing(), old]))
    vendor.route("GET", "/api/ruler/grafana/api/v1/rule/rule-1", Answer({"grafana_alert": rule()}))
    vendor.route("POST", "/api/ds/query", loki)

    page = asyncio.run(drive(pulls.pull(settings, None, NOW), no_proof))
    assert [event.text for event in page.events] == [f"Refusals\n{DENIED}", "Refusals"]
    assert vendor.paths().count("/api/ds/query") == 1


@pytest.mark.parametrize(
    ("expr", "lines"),
    [
        ('sum(rate({app="a"} |~ "x[0-9])" [5m] offset 1h)) / sum(rate({app="b"}[5m]))', '{app="a"} |~ "x[0-9])"'),
        ('count_over_time({app="a"}[5m] |= "denied")', '{app="a"} |= "denied"'),
        ('avg_over_time({app="a"} | json | unwrap size [1m])', '{app="a"} | json'),
        ('sum(increase(refusals_total{app="a"}[5m]))', None),
        ("vector(1)", None),
    ],
)
def test_the_lines_that_a_metric_query_counts_are_asked_for(expr: str, lines: str | None) -> None:
    assert lines_query(expr, {}) == lines
