"""Every page has a twin with `.json` after its path, which holds what the page shows."""

import html
import re
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import httpx
import pytest
from service_site import Site, make_answer, running_site

from connectors.base import Auth
from service.store.connections import create_connection
from service.store.deliveries import list_unparsed
from service.store.failures import get_failure
from service.store.handling import add_note
from service.store.requests import keep_findings, keep_request
from service.store.reviews import review
from service.store.spending import NewCall, close_call, open_call
from service.web import find_pages

NO_TWIN = {
    "/failures/{failure_id}.md": "is a twin itself",
    "/failures/{failure_id}/progress": "is a stream",
    "/analyses/{analysis_id}/artifacts/{number}": "is a file",
}
BEFORE_SIGN_IN = ("/login", "/setup")
IN_WORDS = {"title", "name", "principal", "action", "resource", "reason", "prompt", "prompt_version", "who", "field",
            "model", "before", "after", "reviewer", "yaml", "rule", "findings", "user", "text"}  # fmt: skip


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    with running_site(tmp_path_factory.mktemp("twins")) as running:
        yield running


@pytest.fixture(scope="module")
def browser(site: Site) -> httpx.Client:
    return site.browser()


@pytest.fixture(scope="module")
def ids(site: Site) -> dict[str, str]:
    """Something of everything, so that no page is empty; the parts of the addresses."""
    first = site.seed(1, answer={}, stacktrace="Traceback:\n  File app.py", url="https://errors.example.com/1")
    site.seed(2, answer={"principal": "archiver", "resource": "invoices"})
    site.seed_unparsed("not json")
    failure, engine = first.failure_id or "", site.services.engine
    with engine.begin() as conn:
        found = get_failure(conn, failure)
        assert found
        assert found.current_analysis_id
        better = make_answer("", {"id": "x", "title": "A better title", "resource": None})
        review(conn, found.current_analysis_id, "bo@example.com", "correct", expected_version=found.version,
               corrected=better)  # fmt: skip
        add_note(conn, failure, "cy@example.com", "asked the owner")
        call = open_call(conn, NewCall(failure, "anthropic", "model-7", "root_cause", "2-abc", 0.5), datetime.now(UTC))
        keep_request(conn, call, failure, "Explain the failure.", "It said <b>no</b>.")
        close_call(conn, call_id=call, outcome="answered", model="model-7", tokens=(11, 7), cost=0.1, seconds=2.0)
        keep_findings(conn, call, ["principal: 'root' is not named"])
        create_connection(conn, site.services.keyring, "shop", "generic", Auth("bearer", ("a-secret-" + "of-it",)))
    with engine.connect() as conn:
        delivery = list_unparsed(conn, None, None, 1).items[0].id
    return {"failure_id": failure, "rule_id": "demo.table-denied", "name": "shop", "call_id": call,
            "delivery_id": delivery}  # fmt: skip


def paths() -> list[str]:
    pages, open_pages = find_pages()
    routes = [route for router in [*pages, *open_pages] for route in router.routes]
    return [route.path for route in routes if "GET" in route.methods]  # type: ignore[attr-defined]


def words(page: str) -> str:
    return " ".join(html.unescape(re.sub(r"<[^>]+>", " ", page)).split())


def leaves(value: Any, name: str = "") -> Iterator[tuple[str, str]]:
    """Every text in the data, with the name of the member that it stands under."""
    if isinstance(value, dict):
        for key, item in value.items():
            yield from leaves(item, key)
    elif isinstance(value, list):
        for item in value:
            yield from leaves(item, name)
    elif isinstance(value, str):
        yield name, value


def test_no_page_lacks_a_twin() -> None:
    known = set(paths())
    pages = {path for path in known if not path.endswith(".json") and not path.startswith(BEFORE_SIGN_IN)}
    lacking = {path for path in pages if f"{'/queue' if path == '/' else path}.json" not in known}
    assert lacking == NO_TWIN.keys()


TWINNED = [
    p.removesuffix(".json") for p in paths() if p.endswith(".json") and not p.startswith(("/settings", "/account"))
]


@pytest.mark.parametrize("path", TWINNED)
def test_a_twin_holds_what_its_page_shows(browser: httpx.Client, ids: dict[str, str], path: str) -> None:
    query = {"/alike": f"?pick={ids['failure_id']}", "/explain": "?text=permission+denied+for+table+orders&near=1",
             "/rules": "?system=demo", "/queue": "?status=all"}.get(path, "")  # fmt: skip
    address = path.format(**ids)
    data = browser.get(f"{address}.json{query}")
    page = browser.get(f"{'/' if address == '/queue' else address}{query}")
    assert (data.status_code, page.status_code) == (200, 200)
    assert f'type="application/json" href="{html.escape(address)}.json{html.escape(query)}"' in page.text
    shown = words(page.text) + page.text
    told = [(name, text) for name, text in leaves(data.json()) if name in IN_WORDS and text]
    missing = {(name, text) for name, text in told if " ".join(text.split()) not in " ".join(shown.split())}
    assert missing == set()


def test_lists_have_as_many_items_as_their_twins(browser: httpx.Client, ids: dict[str, str]) -> None:
    assert browser.get("/").text.count("data-row") == len(browser.get("/queue.json").json()["items"]) == 1
    for path, name in (("/audit", "items"), ("/prompts", "items"), ("/rules?used=1", "rules"), ("/usage", "totals")):
        address = path.replace("?", ".json?") if "?" in path else f"{path}.json"
        [body] = re.findall(r"<tbody>(.*?)</tbody>", browser.get(path).text, re.DOTALL)
        assert body.count("<tr>") == len(browser.get(address).json()[name]) > 0, path


def test_a_twin_of_nothing_is_a_problem_document(browser: httpx.Client) -> None:
    for path in ("/rules/nope.json", "/failures/nope.json", "/calls/nope.json", "/alike.json", "/audit.json?cursor=x"):
        reply = browser.get(path)
        assert reply.status_code in {400, 404}
        assert reply.headers["content-type"] == "application/problem+json"


def test_no_twin_tells_a_secret(browser: httpx.Client, ids: dict[str, str]) -> None:
    for path in ("/sources.json", "/sources/shop.json"):
        assert "a-secret-" not in browser.get(path).text


def test_a_request_is_shown_as_it_was_sent(browser: httpx.Client, ids: dict[str, str]) -> None:
    page = browser.get(f"/failures/{ids['failure_id']}").text
    assert f'href="/calls/{ids["call_id"]}"' in page
    assert "principal: &#39;root&#39; is not named" in page
    asked = browser.get(f"/calls/{ids['call_id']}.json").json()["asked"]
    assert asked == {"system": "Explain the failure.", "user": "It said <b>no</b>."}


def test_a_correction_shows_each_field_before_and_after(browser: httpx.Client, ids: dict[str, str]) -> None:
    history = browser.get(f"/failures/{ids['failure_id']}.json").json()["history"]
    [corrected] = [one for one in history if one["words"] == "Corrected"]
    changes = {one["field"]: (one["before"], one["after"]) for one in corrected["changes"]}
    assert changes == {
        "Title": ("billing_app may not read table orders", "A better title"),
        "Resource": ("orders", ""),
    }


def test_markdown_tells_what_models_were_asked_and_what_reviewers_changed(
    browser: httpx.Client, ids: dict[str, str]
) -> None:
    page = browser.get(f"/failures/{ids['failure_id']}.md").text
    assert "model-7, root\\_cause@2-abc: 18 tokens, $0.1000, refused: principal: 'root' is not named" in page
    assert "- Note by cy@example.com" in page
    assert "- Corrected by bo@example.com" in page
    assert "  - Title: billing\\_app may not read table orders → A better title" in page
