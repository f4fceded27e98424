"""What every source that is asked keeps to, against servers that refuse what the vendor refuses."""

import asyncio
import json
import os
import re
import sys
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl

import pytest
from aws_signed import aws_demands
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat
from google.auth import jwt as google_jwt
from vendor_api import Answer, Asked, Vendor, needs, vendor_api

from connectors import discover
from connectors.base import ErrorEvent
from connectors.ci_log import excerpt
from connectors.pull import Pulled, Puller, PullGone, PullLater, PullRefused, PullRequest
from connectors.recording import read_recording
from service.pull_settings import complete, known_settings
from service.worker.cloud_proof import prove
from service.worker.exchange import Proof, drive

ROOT = Path(__file__).parents[2]
PULLERS = {name: one.pulls for name, one in discover().items() if one.pulls is not None}
NOW = datetime(2026, 3, 2, 10, 0, tzinfo=UTC)
DENIED = "ERROR: permission denied for table orders"
each_puller = pytest.mark.parametrize("name", PULLERS)


@pytest.fixture
def vendor() -> Iterator[Vendor]:
    with vendor_api() as running:
        yield running


def settings_for(name: str, vendor: Vendor, **more: str) -> dict[str, str]:
    """Settings that are complete: the double's address, and a word for whatever else is required."""
    words = {
        "region": "eu-west-1",
        "project": "acme-prod",
        "query": "denied",
        "index": "logs-*",
        "organization": "acme",
        "repository": "acme/site",
    }
    puller = PULLERS[name]
    needed = [one.name for one in puller.settings if one.required or one.name in puller.optional_schedule]
    required = {one: words.get(one, f"a-{one}-for-tests") for one in needed}
    if name == "azure-monitor":
        given = {one: f"a-{one}-for-tests" for one in ("tenant", "client_id", "client_secret")}
        required |= {"login_url": vendor.url, **given}
    return complete({**required, "url": vendor.url, **more}, discover()[name])


async def no_proof(_: PullRequest) -> Proof:
    return Proof()


def pull(name: str, settings: Mapping[str, str], cursor: str | None = None, now: datetime = NOW) -> Pulled:
    return asyncio.run(drive(PULLERS[name].pull(settings, cursor, now), no_proof))


def enrich(name: str, case: str, settings: Mapping[str, str]) -> ErrorEvent:
    event = recorded(name, case)
    assert PULLERS[name].lacks_text(event)
    return asyncio.run(drive(PULLERS[name].enrich(event, settings, NOW), no_proof))


def events_of(name: str, case: str) -> tuple[ErrorEvent, ...]:
    one = read_recording(Path(__file__).parent / "payloads" / name / f"{case}.json")
    return discover()[name].parse(one.delivery).events


def recorded(name: str, case: str) -> ErrorEvent:
    return events_of(name, case)[0]


def question(name: str, settings: Mapping[str, str]) -> Any:
    """The first thing that is asked: by schedule, or for an event of the source that lacks its text."""
    puller = PULLERS[name]
    if puller.every:
        return puller.pull(settings, None, NOW)
    cases = sorted((Path(__file__).parent / "payloads" / name).glob("*_*.expected.json"))
    found = [event for case in cases for event in events_of(name, case.name.removesuffix(".expected.json"))]
    return puller.enrich(next(event for event in found if puller.lacks_text(event)), settings, NOW)


@each_puller
def test_a_refusal_a_limit_and_an_outage_are_told_apart_and_name_no_secret(name: str, vendor: Vendor) -> None:
    settings = settings_for(name, vendor)
    secrets = [one for one in PULLERS[name].settings if one.secret and one.name in settings]
    spent = {"X-RateLimit-Remaining": "0", "X-RateLimit-Reset": str(NOW.timestamp() + 90)}
    replies = [
        (Answer({"message": "no"}, 401), PullRefused, None),
        (Answer({"message": "no"}, 403), PullRefused, None),
        (Answer({}, 403, spent), PullLater, 90),
        (Answer({}, 429, {"Retry-After": "17"}), PullLater, 17),
        (Answer({}, 429, {"ratelimit-reset": "55"}), PullLater, 55),
        (Answer({}, 429), PullLater, None),
        (Answer({"__type": "ThrottlingException"}, 400), PullLater, None),
        (Answer({"message": "no such field"}, 400), PullRefused, None),
        (Answer({}, 502), PullLater, None),
        (Answer({}, 404), PullGone, None),
    ]
    for reply, kind, seconds in replies:
        vendor.answer = lambda asked, reply=reply: vendor.asked.append(asked) or reply  # type: ignore[method-assign, func-returns-value, misc]
        with pytest.raises(kind) as caught:
            asyncio.run(drive(question(name, settings), no_proof))
        assert not any(settings[one.name] in str(caught.value) for one in secrets)
        assert getattr(caught.value, "seconds", None) == seconds
    assert {asked.method for asked in vendor.asked} <= {"GET", "POST"}


@each_puller
def test_an_answer_of_another_shape_is_no_crash(name: str, vendor: Vendor) -> None:
    for body in (b"", b"<html>", b"null", b"[]", b"[[1]]", b'{"data": 7}', b"[" * 5_000):
        vendor.answer = lambda _, body=body: Answer(body)  # type: ignore[method-assign, misc]
        try:
            asyncio.run(drive(question(name, settings_for(name, vendor)), no_proof))
        except Exception as error:
            assert type(error).__module__ == "connectors.pull", repr(error)  # noqa: PT017


@each_puller
def test_settings_are_told_and_checked(name: str, vendor: Vendor) -> None:
    puller = PULLERS[name]
    assert all(setting.told.endswith(".") for setting in puller.settings)
    assert any(setting.secret for setting in puller.settings)
    for address in ("http://vendor.example", "ftp://vendor.example", "https://me:pw@vendor.example", "vendor.example"):
        with pytest.raises(PullRefused):
            puller.check({**settings_for(name, vendor), "url": address})


def test_a_gitlab_job_gets_the_end_of_its_trace(vendor: Vendor) -> None:
    trace = (
        b"section_start:1772445600:step_script\r\x1b[0K\x1b[0;m$ ./deploy.sh\n"
        b"2026-03-02T10:00:00.1Z 00O " + DENIED.encode() + b"\nERROR: Job failed: exit code 1\ncleaning up\n"
    )
    event = recorded("gitlab", "job_failed")
    number, project = event.attributes["gitlab.job_id"], event.attributes["gitlab.project_id"]
    path = f"/api/v4/projects/{project}/jobs/{number}/trace"
    vendor.route("GET", path, needs({"private-token": "a-token-for-tests"}, Answer(trace)))
    found = enrich("gitlab", "job_failed", settings_for("gitlab", vendor))
    assert found.id == event.id
    assert found.text.endswith(f"$ ./deploy.sh\n{DENIED}\nERROR: Job failed: exit code 1")


def test_a_gitlab_job_whose_webhook_was_lost_has_the_id_that_it_would_have_brought(vendor: Vendor) -> None:
    delivered = recorded("gitlab", "job_failed")
    job = {
        "id": delivered.attributes["gitlab.job_id"],
        "name": delivered.text.split()[1],
        "ref": delivered.attributes["vcs.ref"],
        "finished_at": "2026-03-02T09:59:00.123Z",
        "failure_reason": "script_failure",
        "web_url": f"{vendor.url}/{delivered.service_name}/-/jobs/1",
    }
    project = "/api/v4/projects/acme%2Fsite"
    shown = {"private-token": "a-token-for-tests"}
    vendor.route("GET", f"{project}/pipelines", needs(shown, Answer([{"id": 31, "status": "failed"}])))
    vendor.route("GET", f"{project}/pipelines/31/jobs", needs(shown, Answer([job])))
    vendor.route("GET", f"{project}/jobs/{job['id']}/trace", needs(shown, Answer(DENIED.encode())))
    page = pull("gitlab", settings_for("gitlab", vendor, project="acme/site"))
    (event,) = page.events
    assert (event.id, event.grouping_key, event.service_name) == (
        delivered.id,
        delivered.grouping_key,
        delivered.service_name,
    )
    assert event.text.endswith(f"script_failure\n{DENIED}")
    assert vendor.asked[0].query["updated_after"] == "2026-03-02T09:45:00.000Z"
    assert not page.more
    with pytest.raises(PullRefused, match="project must be"):
        PULLERS["gitlab"].check({**settings_for("gitlab", vendor), "project": "../admin"})


def test_a_pagerduty_incident_gets_the_details_of_its_alerts(vendor: Vendor) -> None:
    event = recorded("pagerduty", "incident_triggered")
    demands = {"authorization": "Token token=a-token-for-tests", "accept": "application/vnd.pagerduty+json;version=2"}
    alerts = {"alerts": [{"summary": "billing fails", "body": {"details": {"error": DENIED}}}]}
    vendor.route("GET", f"/incidents/{event.grouping_key}/alerts", needs(demands, Answer(alerts)))
    found = enrich("pagerduty", "incident_triggered", settings_for("pagerduty", vendor))
    assert (found.id, found.grouping_key) == (event.id, event.grouping_key)
    assert "billing fails" in found.text
    assert DENIED in found.text


SENTRY_EVENT = {
    "eventID": "a" * 32,
    "groupID": "117",
    "dateCreated": "2026-03-02T09:59:00Z",
    "tags": [{"key": "environment", "value": "production"}],
    "entries": [{"type": "exception", "data": {"values": [{"type": "InsufficientPrivilege", "value": DENIED}]}}],
}


def sentry(vendor: Vendor) -> None:
    demands = {"authorization": "Bearer a-token-for-tests"}
    latest = "/api/0/organizations/acme/issues/117/events/latest/"
    vendor.route("GET", latest, needs(demands, Answer(SENTRY_EVENT)))
    last_seen = [
        {"id": "117", "lastSeen": "2026-03-02T09:59:00Z", "project": {"slug": "billing"}},
        {"id": "90", "lastSeen": "2026-03-01T09:59:00Z"},
    ]
    vendor.route("GET", "/api/0/organizations/acme/issues/", needs(demands, Answer(last_seen)))


def test_a_sentry_issue_gets_its_newest_exception(vendor: Vendor) -> None:
    sentry(vendor)
    bare = ErrorEvent(
        id="issue:117:created:", text="InsufficientPrivilege", type="issue.created", time=NOW, grouping_key="117"
    )
    assert PULLERS["sentry"].lacks_text(bare)
    found = asyncio.run(drive(PULLERS["sentry"].enrich(bare, settings_for("sentry", vendor), NOW), no_proof))
    assert (found.id, found.grouping_key, found.environment) == (bare.id, "117", "production")
    assert f"InsufficientPrivilege: {DENIED}" in found.text


def test_sentry_issues_are_found_under_the_id_of_their_event(vendor: Vendor) -> None:
    sentry(vendor)
    page = pull("sentry", settings_for("sentry", vendor))
    assert [(event.id, event.service_name) for event in page.events] == [("a" * 32, "billing")]
    assert not page.more


def log_times(asked: Asked) -> list[int]:
    return [int(asked.query["start"]), int(asked.query["end"])]


def test_loki_is_read_line_by_line_and_windows_overlap(vendor: Vendor) -> None:
    def answer(asked: Asked) -> Answer:
        assert asked.headers["x-scope-orgid"] == "shop"
        assert asked.query["direction"] == "forward"
        start, _ = log_times(asked)
        values = [[str(start + 1), DENIED], [str(start + 2), "GET /health 200"]]
        return Answer({"status": "success", "data": {"result": [{"stream": {"app": "billing"}, "values": values}]}})

    vendor.route("GET", "/loki/api/v1/query_range", answer)
    settings = settings_for("loki", vendor, tenant="shop")
    first = pull("loki", settings)
    assert [(event.text, event.service_name) for event in first.events] == [(DENIED, "billing")]
    assert (first.passed_over, first.more) == (1, False)
    pull("loki", settings, first.cursor, NOW + timedelta(seconds=60))
    (_, end), (begin, _) = (log_times(asked) for asked in vendor.asked)
    assert end - begin == 120 * 10**9


def test_loki_goes_on_from_the_last_line_of_a_full_page(vendor: Vendor) -> None:
    def answer(asked: Asked) -> Answer:
        start, end = log_times(asked)
        values = [[str(number), f"line {number}: {DENIED}"] for number in range(start, min(start + 1_000, end))]
        return Answer({"data": {"result": [{"stream": {}, "values": values}]}})

    vendor.route("GET", "/loki/api/v1/query_range", answer)
    first = pull("loki", settings_for("loki", vendor))
    second = pull("loki", settings_for("loki", vendor), first.cursor)
    ids = [event.id for event in (*first.events, *second.events)]
    assert first.more
    assert len(ids) - len(set(ids)) == 1  # the line at which both pages meet


def test_elasticsearch_is_read_from_a_point_in_time(vendor: Vendor) -> None:
    def search(asked: Asked) -> Answer:
        question = asked.json
        if "ApiKey " not in asked.headers.get("authorization", "") or question["pit"]["id"] != "the-pit":
            return Answer({"error": {"type": "security_exception"}}, 401)
        after = question.get("search_after", [0])[0]
        source = {"@timestamp": "2026-03-02T09:59:00Z", "message": DENIED, "service": {"name": "billing"}}
        hits = [
            {"_index": "logs-1", "_id": str(after + n), "_source": source, "sort": [after + n]} for n in range(1, 501)
        ]
        return Answer({"pit_id": "the-pit", "hits": {"hits": hits if after < 500 else []}})

    vendor.route("POST", "/logs-*/_pit", lambda asked: Answer({"id": "the-pit"} if asked.query["keep_alive"] else {}))
    vendor.route("POST", "/_search", search)
    settings = settings_for("elasticsearch", vendor, api_key="an-api-key")
    first = pull("elasticsearch", settings)
    assert (len(first.events), first.more, first.events[0].id) == (500, True, "logs-1:1")
    assert first.events[0].service_name == "billing"
    second = pull("elasticsearch", settings, first.cursor)
    assert (second.events, second.more) == ((), False)
    assert vendor.paths() == ["/logs-*/_pit", "/_search", "/_search"]


def test_datadog_is_read_by_its_cursor(vendor: Vendor) -> None:
    def search(asked: Asked) -> Answer:
        question = asked.json
        assert question["filter"]["query"] == "status:error"
        assert question["sort"] == "timestamp"
        told = {
            "timestamp": "2026-03-02T09:59:00Z",
            "message": DENIED,
            "status": "error",
            "service": "billing",
            "tags": ["env:prod"],
        }
        more = {"page": {"after": "next"}} if "cursor" not in question["page"] else {}
        return Answer({"data": [{"id": f"log-{len(more)}", "type": "log", "attributes": told}], "meta": more})

    demands = {"dd-api-key": "a-api_key-for-tests", "dd-application-key": "a-application_key-for-tests"}
    vendor.route("POST", "/api/v2/logs/events/search", needs(demands, search, status=403))
    settings = settings_for("datadog", vendor)
    first = pull("datadog", settings)
    second = pull("datadog", settings, first.cursor)
    (event,) = first.events
    assert (event.id, event.text, event.service_name, event.environment) == ("log-1", DENIED, "billing", "prod")
    assert (first.more, second.more, second.events[0].id) == (True, False, "log-0")


def test_a_grafana_alert_has_the_id_of_its_webhook(vendor: Vendor) -> None:
    one = read_recording(Path(__file__).parent / "payloads" / "grafana" / "signed_with_time.json")
    (delivered, *_) = discover()["grafana"].parse(one.delivery).events
    alerts = [
        {name: value for name, value in alert.items() if name != "status"} | {"status": {"state": "active"}}
        for alert in json.loads(one.delivery.body)["alerts"]
    ]
    path = "/api/alertmanager/grafana/api/v2/alerts"
    vendor.route("GET", path, needs({"authorization": "Bearer a-token-for-tests"}, Answer(alerts)))
    assert delivered.id in [event.id for event in pull("grafana", settings_for("grafana", vendor)).events]


def proven(name: str, settings: Mapping[str, str]) -> Pulled:
    exchange = PULLERS[name].pull(settings, None, NOW)
    return asyncio.run(drive(exchange, lambda request: prove(request, settings)))


AWS = {"access_key_id": "AKIDEXAMPLE", "secret_access_key": "an-aws-secret-for-tests"}


def test_cloudwatch_logs_are_read_with_a_signed_request(vendor: Vendor) -> None:
    def answer(asked: Asked) -> Answer:
        told = {"logStreamName": "s", "timestamp": 1772445540000, "message": DENIED, "eventId": "3" * 56}
        refusal = aws_demands(asked, AWS["secret_access_key"])
        is_known = asked.headers["x-amz-target"] == "Logs_20140328.FilterLogEvents" and asked.json["logGroupName"]
        return refusal or (Answer({"events": [told]}) if is_known else Answer({"__type": "UnknownOperation"}, 400))

    vendor.route("POST", "/", answer)
    settings = settings_for("aws-firehose", vendor, log_group="/aws/lambda/export", **AWS)
    (event,) = proven("aws-firehose", settings).events
    assert (event.id, event.text, event.service_name) == ("3" * 56, DENIED, "export")
    with pytest.raises(PullRefused, match=r"refuses the credentials \(403\)"):
        proven("aws-firehose", {**settings, "secret_access_key": "another"})


def test_a_refused_call_of_cloudtrail_has_the_id_of_its_eventbridge_event(vendor: Vendor) -> None:
    payloads = sorted((Path(__file__).parent / "payloads" / "aws-eventbridge").glob("*.json"))
    one = next(path for path in payloads if b"eventID" in path.read_bytes() and not path.name.endswith("expected.json"))
    delivered = recorded("aws-eventbridge", one.stem)
    detail = json.loads(read_recording(one).delivery.body)["detail"]
    well = {"EventId": "x", "CloudTrailEvent": json.dumps({"eventID": "x", "eventName": "GetObject"})}
    told = {"EventId": detail["eventID"], "CloudTrailEvent": json.dumps(detail)}
    answer = Answer({"Events": [well, told]})
    vendor.route("POST", "/", lambda asked: aws_demands(asked, AWS["secret_access_key"]) or answer)
    page = proven("aws-eventbridge", settings_for("aws-eventbridge", vendor, **AWS))
    assert [event.id for event in page.events] == [delivered.id]
    assert page.events[0].text == delivered.text
    assert page.passed_over == 1


def test_cloudtrail_is_asked_twice_a_second_at_most(vendor: Vendor) -> None:
    vendor.route("POST", "/", Answer({"Events": [], "NextToken": "more"}))
    settings, waited = settings_for("aws-eventbridge", vendor, **AWS), list[float]()

    async def pause(seconds: float) -> None:
        waited.append(seconds)

    cursor = None
    for _ in range(3):
        exchange = PULLERS["aws-eventbridge"].pull(settings, cursor, NOW)
        cursor = asyncio.run(drive(exchange, lambda request: prove(request, settings), pause)).cursor
    assert waited == [0.5, 0.5]


def test_google_is_asked_with_a_token_that_the_service_account_signed(vendor: Vendor) -> None:
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    pem = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()
    public = key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    account = {"client_email": "reader@acme-prod.example", "private_key": pem, "token_uri": "https://t.example"}

    def answer(asked: Asked) -> Answer:
        token = asked.headers.get("authorization", "").removeprefix("Bearer ")
        decode: Any = google_jwt.decode
        told = decode(token, certs=public, audience="https://logging.googleapis.com/")
        entry = {
            "logName": "projects/acme-prod/logs/app",
            "insertId": "abc",
            "textPayload": DENIED,
            "severity": "ERROR",
        }
        return Answer({"entries": [entry]} if told["iss"] == account["client_email"] else {})

    vendor.route("POST", "/v2/entries:list", answer)
    settings = settings_for("gcp-pubsub", vendor, service_account=json.dumps(account))
    (event,) = proven("gcp-pubsub", settings).events
    assert (event.id.partition(":")[0], event.text) == ("abc", DENIED)
    assert 'timestamp>="2026-03-02T09:45:00.000Z"' in vendor.asked[0].json["filter"]
    with pytest.raises(PullRefused, match="no key file"):
        proven("gcp-pubsub", {**settings, "service_account": "{}"})


def test_log_analytics_is_asked_with_a_token_of_entra(vendor: Vendor) -> None:
    def login(asked: Asked) -> Answer:
        form = dict(parse_qsl(asked.body.decode()))
        is_right = form["grant_type"] == "client_credentials" and form["client_secret"] == "a-client_secret-for-tests"
        refused = form["scope"] != f"{vendor.url}/.default" or not is_right
        return Answer({"error": "invalid_client"}, 401) if refused else Answer({"access_token": "the-token"})

    columns = [{"name": name} for name in ("TimeGenerated", "Message", "_ItemId", "AppRoleName", "Empty")]
    row = ["2026-03-02T09:59:00Z", DENIED, "item-1", "billing", ""]
    answer = Answer({"tables": [{"name": "PrimaryResult", "columns": columns, "rows": [row]}]})
    vendor.route("POST", "/a-tenant-for-tests/oauth2/v2.0/token", login)
    path = "/v1/workspaces/a-workspace-for-tests/query"
    vendor.route("POST", path, needs({"authorization": "Bearer the-token"}, answer))
    (event,) = pull("azure-monitor", settings_for("azure-monitor", vendor)).events
    assert (event.id, event.text, event.service_name) == ("item-1", DENIED, "billing")
    assert vendor.asked[1].json["timespan"] == "2026-03-02T09:45:00.000Z/2026-03-02T10:00:00.000Z"


def test_a_missing_package_is_named(vendor: Vendor, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "botocore.auth", None)
    with pytest.raises(PullRefused, match=r"install whydenied\[aws\]"):
        proven("aws-firehose", settings_for("aws-firehose", vendor, log_group="g", **AWS))


def test_a_page_that_was_left_long_ago_begins_its_window_anew(vendor: Vendor) -> None:
    vendor.route("POST", "/api/v2/logs/events/search", Answer({"data": [], "meta": {"page": {"after": "next"}}}))
    settings = settings_for("datadog", vendor)
    first = pull("datadog", settings)
    pull("datadog", settings, first.cursor, NOW + timedelta(minutes=30))
    asked = [one.json for one in vendor.asked]
    assert "cursor" not in asked[1]["page"]
    assert asked[0]["filter"]["from"] == asked[1]["filter"]["from"]


def test_a_log_is_quoted_up_to_its_last_error() -> None:
    log = "\n".join(f"line {number}" for number in range(1_000)) + "\n##[error]it broke\nafter the end"
    lines = excerpt(log.encode()).splitlines()
    assert (len(lines), lines[0], lines[-1]) == (150, "line 851", "Error: it broke")
    assert excerpt(b"\xff\xfe\x00" * 100_000)
    assert excerpt(b"") == ""


def test_the_page_of_connectors_lists_what_is_asked_with_what() -> None:
    page = ROOT / "docs" / "connectors.md"
    text = page.read_text()
    rows = ["| connector | every | settings |", "|---|---|---|"]
    for name, puller in PULLERS.items():
        settings = "; ".join(_told(one) for one in known_settings(puller)[:-1]).replace("|", "\\|")
        rows.append(f"| `{name}` | {_pace(puller)} | {settings} |")
    wanted = "\n".join(rows)
    found = re.search(r"(?<=-->\n)(.*?)\n?(?=<!-- end of pulls -->)", text.partition("<!-- pulls:")[2], re.DOTALL)
    assert found
    if os.environ.get("WHYDENIED_UPDATE_EXPECTED"):
        page.write_text(
            re.sub(
                r"(<!-- pulls:[^>]*-->\n).*?(<!-- end of pulls -->)",
                lambda m: f"{m[1]}{wanted}\n{m[2]}",
                text,
                flags=re.DOTALL,
            )
        )
    else:
        assert found[1] == wanted


def _pace(puller: Puller) -> str:
    if not puller.every:
        return "for a delivery"
    only = f", with `{puller.optional_schedule[0]}`" if puller.optional_schedule else ""
    return f"{puller.every} s{only}"


def _told(one: Any) -> str:
    default = f" ({one.default})" if one.default else "" if one.required else " (optional)"
    return f"`{one.name}`{default}: {one.told.rstrip('.')}"
