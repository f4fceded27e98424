"""A failure that only a general rule knows: its answer is shown at once, a model is asked as well, both are kept."""

import time
from pathlib import Path
from typing import Any

import httpx
from api_client import ADMIN_KEY
from messages_api import KEY, answer, serve_messages_api
from served import serving
from service_site import TEXT, make_answer, running_site

from service.domain import ByLLM
from service.rules.load import default_folder
from service.store.analyses import add_analysis

WAREHOUSE = "stockd: user nina does not have stock.reserve permission on warehouse-{}"
BETTER = {
    "verdict": "permission",
    "cause": "role_too_low",
    "system": "stockd",
    "title": "nina has a reader's role in the warehouse",
    "evidence": [{"quote": "does not have stock.reserve permission", "field": "cause"}],
    "principal": "nina",
}


def test_a_general_answer_stands_until_a_model_knows_better_and_both_are_kept(tmp_path: Path) -> None:
    with serve_messages_api() as api:
        api.default = answer(**BETTER)
        api.open.clear()
        model = {"worker": "true", "llm_api_key": KEY, "llm_base_url": api.url, "admin_api_key": ADMIN_KEY}
        with serving(tmp_path, rules_dir=str(default_folder()), **model) as served:
            headers = {"authorization": f"Bearer {ADMIN_KEY}"}
            with httpx.Client(base_url=served.url, headers=headers, trust_env=False) as client:
                posted = client.post("/api/v1/events", json={"text": WAREHOUSE.format(7)}).json()
                api.wait_for_requests(1)
                meanwhile = client.get(f"/api/v1/failures/{posted['failure']['id']}").json()
                api.open.set()
                better = answered(client, meanwhile["id"])
                api.default = answer()
                posted_later = client.post("/api/v1/events", json={"text": WAREHOUSE.format(8)}).json()
                unknown = answered(client, posted_later["failure"]["id"])
            assert served.stop() == 0
    for general in (posted["analysis"], meanwhile["analysis"], unknown["analysis"]):
        assert general["produced_by"]["rule"] == "general.lacks-named-right"
        assert (general["principal"], general["missing_permissions"]) == ("nina", ["stock.reserve"])
    assert meanwhile["analysis_state"] in ("queued", "running")
    assert (better["producer"], better["cause"]) == ("llm", "role_too_low")
    assert (unknown["producer"], unknown["verdict"]) == ("rule", "permission")
    for failure in (better, unknown):
        assert [one["producer"] for one in failure["analyses"]] == ["llm", "rule"]


def answered(client: httpx.Client, failure_id: str) -> dict[str, Any]:
    """The failure once nobody is asked about it any more."""
    deadline = time.monotonic() + 40
    while (failure := client.get(f"/api/v1/failures/{failure_id}").json())["analysis_state"] != "answered":
        assert time.monotonic() < deadline, "it never came to that"
        time.sleep(0.05)
    return dict(failure)


def test_the_page_shows_the_general_answer_while_a_model_is_asked_and_every_answer_afterwards(tmp_path: Path) -> None:
    by = ByLLM(
        prompt="root_cause",
        prompt_version="p1",
        provider="anthropic",
        model="m",
        input_tokens=1,
        output_tokens=1,
        cost=None,
        latency=0.1,
    )
    later = make_answer(TEXT, {"id": "later", "title": "The schema is closed to billing_app", "produced_by": by})
    with running_site(tmp_path) as site:
        failure_id = site.seed(answer={}, is_general=True).failure_id or ""
        browser = site.browser()
        meanwhile = browser.get(f"/failures/{failure_id}").text
        with site.services.engine.begin() as conn:
            assert add_analysis(conn, failure_id, later)
        page, queue = browser.get(f"/failures/{failure_id}").text, browser.get("/").text
    assert "billing_app may not read table orders" in meanwhile
    assert "A general rule answered" in meanwhile
    assert "Approve" in meanwhile
    assert "A general rule answered" not in page
    history = page.split('id="given"')[1].split("</section>")[0]
    assert "The schema is closed to billing_app" in history
    assert "billing_app may not read table orders" in history
    assert "The schema is closed to billing_app" in queue
