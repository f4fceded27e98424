"""Insights, prompts and the audit log: the numbers add up, and each page has its JSON."""

from collections.abc import Iterator
from datetime import UTC, datetime

import httpx
import pytest
from api_client import ADMIN_KEY, client
from service_site import Site, make_answer, running_site

from service.store.analyses import add_analysis
from service.store.failures import get_failure
from service.store.handling import add_note
from service.store.reviews import review
from service.store.spending import NewCall, close_call, open_call

MODEL = {"kind": "llm", "prompt": "root_cause", "prompt_version": "v7", "provider": "anthropic", "model": "m",
         "input_tokens": 1, "output_tokens": 1, "cost": 0.5, "latency": 1}  # fmt: skip


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """One failure by a rule with two events, one by a model, approved, and one by nobody."""
    with running_site(tmp_path_factory.mktemp("insights"), admin_api_key=ADMIN_KEY) as running:
        running.seed(1, answer={})
        running.seed(2, answer={}, fingerprint="1")
        asked = running.seed(3, "gibberish").failure_id or ""
        running.seed(4, "nobody knows")
        with running.services.engine.begin() as conn:
            add_analysis(
                conn, asked, make_answer("gibberish", {"id": "a1", "produced_by": MODEL, "action": "<b>x</b>"})
            )
            found = get_failure(conn, asked)
            assert found
            review(conn, "a1", "bo@example.com", "approve", expected_version=found.version, note="<i>fine</i>")
            add_note(conn, asked, "cy@example.com", "checked")
            call = open_call(conn, NewCall(asked, "anthropic", "m", "root_cause", "v7", 0.5), datetime.now(UTC))
            close_call(conn, call_id=call, outcome="answered", model="m", tokens=(1, 1), cost=0.25, seconds=1.0)
        yield running


@pytest.fixture(scope="module")
def browser(site: Site) -> httpx.Client:
    return site.browser()


def test_the_numbers_add_up(browser: httpx.Client) -> None:
    found = browser.get("/insights.json").json()
    assert sum(count for _, count in found["events"]) == 4
    assert sum(count for _, count in found["failures"]) == 3
    assert sum(cost for _, cost in found["cost"]) == 0.25
    assert sorted(found["answered"]) == [["llm", 1], ["none", 1], ["rule", 2]]
    assert found["actions"] == [["SELECT", 2], ["<b>x</b>", 1]]
    assert found["map"][0] == {
        "principal": "billing_app",
        "resource": "orders",
        "actions": ["SELECT", "<b>x</b>"],
        "events": 3,
    }
    assert found["reviews"]["failures"] == sum(found["reviews"]["spread"].values()) == 1
    page = browser.get("/insights").text
    assert "4 events in all; most on" in page
    assert "50.0 %" in page
    assert "Most often billing_app was denied orders: 3 events." in page
    assert "&lt;b&gt;x&lt;/b&gt;" in page
    assert "style=" not in page


def test_each_version_of_a_prompt_has_its_approval_rate_and_cost(browser: httpx.Client) -> None:
    [one] = browser.get("/prompts.json").json()["items"]
    assert {**one, "last": None} == {
        "prompt": "root_cause", "version": "v7", "answers": 1, "approved": 1, "rejected": 0, "calls": 1, "cost": 0.25,
        "last": None,
    }  # fmt: skip
    assert "100 %" in browser.get("/prompts").text


def test_the_audit_log_says_who_did_what(site: Site, browser: httpx.Client) -> None:
    with client(site) as admin:
        made = admin.post("/api/v1/api-keys", json={"name": "laptop", "scopes": ["read"]}).json()
        assert admin.delete(f"/api/v1/api-keys/{made['id']}").status_code == 204
    items = browser.get("/audit.json").json()["items"]
    assert [(one["who"].split("@")[0], one["action"]) for one in items][-2:] == [("cy", "noted on"), ("bo", "approved")]
    assert [one["action"] for one in items][:2] == ["revoked the API key", "made the API key"]
    page = browser.get("/audit").text
    assert "&lt;i&gt;fine&lt;/i&gt;" in page
    assert made["key"] not in page
    assert browser.get("/audit?cursor=nonsense").status_code == 400
    assert browser.get("/audit.json?cursor=nonsense").status_code == 400


def test_a_failure_has_json_beside_its_page(site: Site, browser: httpx.Client) -> None:
    failure = site.seed(9, answer={}).failure_id
    assert browser.get(f"/failures/{failure}.json", follow_redirects=True).json()["id"] == failure


def test_pages_without_anything_say_so(tmp_path_factory: pytest.TempPathFactory) -> None:
    with running_site(tmp_path_factory.mktemp("none")) as empty:
        browser = empty.browser()
        assert "No prompt has been used yet" in browser.get("/prompts").text
        assert "Nothing has arrived yet" in browser.get("/insights").text
