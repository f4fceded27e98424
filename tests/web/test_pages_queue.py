"""The queue: what waits, in two lines each; every filter is in the address, and every emptiness says why."""

import re
from collections.abc import Iterator

import httpx
import pytest
from service_site import Site, running_site

from service.store.reviews import review
from service.web import pages_queue

TOO_MANY = {
    "verdict": "other",
    "cause": "rate_limit",
    "title": "Too many requests",
    "principal": None,
    "action": None,
    "resource": None,
    "fix": None,
    "verify": None,
}


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """A service with three failures: answered, waiting for a model, and one that no model could answer."""
    with running_site(tmp_path_factory.mktemp("queue")) as running:
        running.seed(1, answer={})
        running.seed(2, "quota is used up", answer=TOO_MANY, service_name="search")
        running.seed(3, "what is this?", service_name="shop")
        failed = running.seed(4, "nor this")
        assert failed.failure_id
        running.set_state(failed.failure_id, "failed", "The provider was overloaded five times.")
        yield running


@pytest.fixture(scope="module")
def browser(site: Site) -> httpx.Client:
    return site.browser()


def rows(page: str) -> list[str]:
    return [
        re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", row)) for row in re.findall(r"(?s)<li id=\"failure-.*?</li>", page)
    ]


def test_nobody_sees_it_without_signing_in(site: Site) -> None:
    reply = site.browser(email=None).get("/?verdict=other")
    assert reply.status_code == 303
    assert reply.headers["location"] == "/login?next=%2F%3Fverdict%3Dother"


def test_a_row_says_what_was_denied_to_whom_and_where(browser: httpx.Client) -> None:
    first = rows(browser.get("/").text)[0]
    for words in (
        "missing grant",
        "billing_app may not read table orders",
        "billing_app → may not SELECT → on orders",
        "billing / production / sentry-prod",
        "confirmed",
        "demo.table-denied",
        "1 \N{MULTIPLICATION SIGN} seen",
        "min ago",
    ):
        assert words in first


def test_a_page_does_not_count_to_the_end(browser: httpx.Client, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pages_queue, "_MOST_COUNTED", 3)
    assert re.findall(r"<b>([^<]*)</b></a>", browser.get("/").text) == ["3+", "0", "0", "0", "3+"]
    assert "3+ failures so far" in browser.get("/?status=approved").text
    assert browser.get("/queue.json").json()["counts"]["all"] == 4


def test_a_row_without_an_answer_says_why(browser: httpx.Client) -> None:
    _, _, waiting, failed = rows(browser.get("/").text)
    assert "waiting, " in waiting
    assert "LLM failed" in failed
    assert "The provider was overloaded five times." in failed


def test_tabs_count_and_the_title_tells_how_many_wait(browser: httpx.Client) -> None:
    page = browser.get("/").text
    assert "<title>(4) Needs review · whydenied</title>" in page
    assert 'aria-current="page">Needs review <b>4</b>' in page
    assert 'href="/?status=all">All <b>4</b>' in page
    assert "mark-waiting.svg" in page


@pytest.mark.parametrize(
    ("query", "titles"),
    [
        ("q=ORDERS", ["billing_app may not read table orders"]),
        ("verdict=other", ["Too many requests"]),
        ("cause=rate_limit", ["Too many requests"]),
        ("system=postgresql&service=billing", ["billing_app may not read table orders"]),
        ("producer=none", ["what is this?", "nor this"]),
        ("source=sentry-prod&environment=production&service=shop", ["what is this?"]),
        (
            "verdict=nonsense",
            ["billing_app may not read table orders", "Too many requests", "what is this?", "nor this"],
        ),
        ("status=approved", []),
        ("q=" + "x" * 5000, []),
    ],
)
def test_filters_stand_in_the_address(browser: httpx.Client, query: str, titles: list[str]) -> None:
    page = browser.get(f"/?{query}").text
    assert re.findall(r"data-row>([^<]*)</a>", page) == titles


def test_an_active_filter_can_be_removed_alone_and_survives_a_change_of_tab(browser: httpx.Client) -> None:
    page = browser.get("/?q=orders&verdict=permission").text
    assert 'href="/?verdict=permission">Search: orders' in page
    assert 'href="/?status=all&amp;q=orders&amp;verdict=permission">All' in page


def test_the_next_page_is_reached_by_cursor(site: Site, browser: httpx.Client) -> None:
    for number in range(100, 130):
        site.seed(number, f"odd {number}", service_name="paging")
    page = browser.get("/?service=paging").text
    older = re.search(r'href="([^"]+)" rel="next"', page)
    assert older
    rest = browser.get(older[1].replace("&amp;", "&")).text
    assert [len(rows(page)), len(rows(rest))] == [25, 5]
    assert not {*rows(page)} & {*rows(rest)}
    assert 'href="/?service=paging">Newest' in rest


def test_a_damaged_cursor_is_a_clear_error(browser: httpx.Client) -> None:
    reply = browser.get("/?cursor=%00nonsense")
    assert reply.status_code == 400
    assert "No such page" in reply.text


def test_it_has_a_json_twin_with_the_same_filter(browser: httpx.Client) -> None:
    page = browser.get("/?verdict=other&source=sentry-prod").text
    twin = re.search(r'rel="alternate" type="application/json" href="([^"]+)"', page)
    assert twin
    reply = browser.get(twin[1].replace("&amp;", "&"), headers={"accept": "application/json"})
    assert [item["title"] for item in reply.json()["items"]] == ["Too many requests"]


def test_without_script_it_reloads_while_something_is_analysed(browser: httpx.Client) -> None:
    refresh = '<noscript><meta http-equiv="refresh" content="5"></noscript>'
    assert refresh in browser.get("/?service=shop").text
    assert refresh not in browser.get("/?service=billing&producer=rule").text


def test_a_filter_that_leaves_nothing_can_be_cleared(browser: httpx.Client) -> None:
    page = browser.get("/?q=nowhere").text
    assert "No failure matches" in page
    assert '<a href="/">Clear the filter</a>' in page


def test_a_first_run_shows_the_next_step_and_then_all_reviewed(tmp_path_factory: pytest.TempPathFactory) -> None:
    with running_site(
        tmp_path_factory.mktemp("empty"), public_url="https://why.example.com", secure_cookies=False
    ) as empty:
        browser = empty.browser()
        page = browser.get("/").text
        assert "Nothing has arrived yet" in page
        assert 'href="/sources">Make a connection' in page
        made = browser.post("/sources/new", data={"name": "curl", "connector": "generic", "scheme": "bearer"})
        assert made.status_code == 200
        page = browser.get("/").text
        assert "curl -sS &#34;https://why.example.com/ingest/curl&#34;" in page
        seeded = empty.seed(1, answer={})
        with empty.services.engine.begin() as conn:
            review(conn, seeded.analysis_id or "", "bo", "approve", expected_version=2)
        assert "All reviewed" in browser.get("/").text
        assert "No rejected failures" in browser.get("/?status=rejected").text
