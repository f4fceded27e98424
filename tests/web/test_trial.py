"""A test event goes the whole way of a delivery, says that it is a test, and is deleted by one request."""

from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from api_client import ADMIN_KEY, client, connect, key_with
from service_site import Site, running_site

from connectors.base import Auth

RULE = Path(__file__).parents[2] / "rules" / "whydenied.yaml"
SECRET = "a-secret-" + "of-the-test"


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    folder = tmp_path_factory.mktemp("trial")
    with running_site(folder, extra_rules=[str(RULE)], admin_api_key=ADMIN_KEY) as running:
        yield running


@pytest.fixture(scope="module")
def admin(site: Site) -> Iterator[httpx.Client]:
    with client(site) as opened:
        yield opened


SCHEMES = {
    "generic": Auth("signature", (SECRET,)),
    "sentry": Auth("signature", (SECRET,)),
    "slack": Auth("signature", (SECRET,)),
    "otlp": Auth("bearer", (SECRET,)),
    "elasticsearch": Auth("basic", (SECRET,), username="shipper"),
    "aws-firehose": Auth("header", (SECRET,), name="X-Amz-Firehose-Access-Key"),
    "splunk": Auth("url-token", (SECRET,)),
    "alertmanager": Auth("none"),
}


def test_a_test_event_is_answered_as_one_and_deleted(site, admin):
    for connector, auth in SCHEMES.items():
        connect(site, f"try-{connector}", connector, auth)
        reply = admin.post(f"/api/v1/connections/try-{connector}/test")
        assert reply.status_code == 200, reply.text
        trial = reply.json()
        assert trial["failure_id"], trial
        failure = admin.get(f"/api/v1/failures/{trial['failure_id']}").json()
        assert failure["title"] == f"Test event of the connection try-{connector}"
        assert (failure["verdict"], failure["system"]) == ("other", "whydenied")
        assert failure["analysis_state"] == "answered"
        assert admin.post(f"/api/v1/connections/try-{connector}/test").json()["failure_id"] == trial["failure_id"]
        assert admin.delete(f"/api/v1/connections/try-{connector}/test").status_code == 204
        assert admin.get(f"/api/v1/failures/{trial['failure_id']}").status_code == 404
        again = admin.post(f"/api/v1/connections/try-{connector}/test").json()
        assert again["failure_id"] not in {None, trial["failure_id"]}
    assert SECRET not in admin.get("/api/v1/failures").text


def test_deleting_the_test_leaves_what_the_source_sent(site, admin):
    path = connect(site, "kept")
    told = httpx.post(f"{site.url}{path}", json={"message": "ERROR: permission denied for table kept"}, trust_env=False)
    admin.post("/api/v1/connections/kept/test")
    admin.delete("/api/v1/connections/kept/test")
    assert admin.get(f"/api/v1/failures/{told.json()['events'][0]['failure_id']}").status_code == 200


def test_where_only_the_vendor_can_sign_it_is_said_so(site, admin):
    connect(site, "topic", "aws-sns", Auth("signature", senders=("arn:aws:sns:eu-central-1:111122223333:a",)))
    reply = admin.post("/api/v1/connections/topic/test")
    assert (reply.status_code, reply.json()["type"]) == (409, "urn:whydenied:problem:no-test")
    assert "Only AWS SNS (CloudWatch alarms) can sign" in reply.json()["detail"]
    connect(site, "unset", "sentry", Auth("signature"))
    assert "Give the secret" in admin.post("/api/v1/connections/unset/test").json()["detail"]


def test_without_its_rule_no_test_event_is_sent(api_site: Site):
    connect(api_site, "ruleless")
    with client(api_site) as other:
        reply = other.post("/api/v1/connections/ruleless/test")
    assert reply.status_code == 409
    assert "lack whydenied.test-event" in reply.json()["detail"]


def test_the_page_tells_a_test_from_a_delivery(site):
    connect(site, "paged", "generic", Auth("bearer", (SECRET,)))
    browser = site.browser()
    page = browser.post("/sources/paged/test").text
    assert "The test event was answered 202" in page
    assert "Only a test event from here has arrived" in page
    assert "Test event of the connection paged" in page
    assert SECRET not in page
    gone = browser.get(browser.post("/sources/paged/test/delete").headers["location"]).text
    assert "The test event is deleted" in gone
    assert "Test event of the connection" not in gone


def test_only_an_admin_sends_tests(site):
    with client(site, key_with(site, "read", "ingest", "review")) as other:
        assert other.post("/api/v1/connections/paged/test").status_code == 403
        assert other.delete("/api/v1/connections/paged/test").status_code == 403
