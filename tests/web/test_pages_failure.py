"""The page of a failure: the claim, the fix, the proof and the history, with hostile text shown as text."""

import html
import re
from collections.abc import Iterator
from html.parser import HTMLParser

import httpx
import pytest
from service_site import TEXT, Site, running_site

from service.store.reviews import review


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    with running_site(tmp_path_factory.mktemp("failure")) as running:
        yield running


@pytest.fixture(scope="module")
def browser(site: Site) -> httpx.Client:
    return site.browser()


@pytest.fixture(scope="module")
def answered(site: Site) -> str:
    stack = "Traceback (most recent call last):\n  File app.py, line 3"
    stored = site.seed(1, answer={}, stacktrace=stack, url="https://sentry.example.com/issues/1")
    assert stored.failure_id
    return stored.failure_id


def words(page: str) -> str:
    body = re.sub(r"(?s)<(script|style).*?</\1>", " ", page)
    return " ".join(html.unescape(re.sub(r"<[^>]+>", "", body)).split())


def test_it_shows_the_claim_the_fix_and_the_check(browser: httpx.Client, answered: str) -> None:
    page = words(browser.get(f"/failures/{answered}").text)
    for part in (
        "missing grant",
        "needs review",
        "billing_app may not read table orders",
        "The role lacks SELECT on the table.",
        "Smallest fix",
        "Grant SELECT on this one table.",
        "GRANT SELECT ON SCHEMA_NAME.orders TO billing_app;",
        "Apply: In psql, as the owner of the table.",
        "Replace first: SCHEMA_NAME",
        "The role reads every row.",
        "REVOKE SELECT ON orders FROM billing_app;",
        "psql -c 'SELECT 1 FROM orders LIMIT 1'",
        "Expect: one row, no error",
        "Confidence: confirmed",
        "The text says so in words that only this cause produces.",
        "demo.table-denied",
        "Stack trace, 2 lines",
        "Nobody has reviewed this answer.",
    ):
        assert part in page


def test_quotes_masks_and_placeholders_are_marked(browser: httpx.Client, answered: str) -> None:
    page = browser.get(f"/failures/{answered}").text
    assert re.search(r'<mark data-field="resource"[^>]*>orders</mark>', page)
    assert re.search(r'<mark data-field="principal"[^>]*>billing_app</mark>', page)
    assert re.search(r'<span class="mask"[^>]*>\[redacted:api_key:3f9c\]</span>', page)
    assert '<span class="placeholder">SCHEMA_NAME</span>' in page


def test_it_links_the_rule_that_is_loaded_and_the_source(browser: httpx.Client, answered: str) -> None:
    page = browser.get(f"/failures/{answered}").text
    assert 'href="/rules/demo.table-denied"' in page
    assert 'href="https://sentry.example.com/issues/1" rel="noopener noreferrer nofollow"' in page


def test_an_artifact_can_be_downloaded(browser: httpx.Client, answered: str) -> None:
    link = re.search(r'href="(/analyses/[^"]+/artifacts/1)"', browser.get(f"/failures/{answered}").text)
    assert link
    reply = browser.get(link[1])
    assert reply.text == "GRANT SELECT ON SCHEMA_NAME.orders TO billing_app;\n"
    assert reply.headers["content-disposition"] == 'attachment; filename="whydenied-1.sql"'
    assert reply.headers["content-type"] == "text/plain; charset=utf-8"
    assert browser.get(link[1][:-1] + "2").status_code == 404


def test_it_has_twins_as_json_and_markdown(browser: httpx.Client, answered: str) -> None:
    page = browser.get(f"/failures/{answered}").text
    assert f'type="application/json" href="/failures/{answered}.json"' in page
    assert browser.get(f"/api/v1/failures/{answered}").json()["id"] == answered
    markdown = browser.get(f"/failures/{answered}.md")
    assert markdown.headers["content-type"] == "text/markdown; charset=utf-8"
    assert "```sql\nGRANT SELECT ON SCHEMA_NAME.orders TO billing_app;\n```" in markdown.text
    assert TEXT in markdown.text


def test_event_text_cannot_leave_its_fence_in_markdown(site: Site, browser: httpx.Client) -> None:
    text = "boom\n````\n# owned <b>x</b>"
    stored = site.seed(50, text, answer={"title": "[click](javascript:alert) <img src=x> `x`", "principal": None})
    page = browser.get(f"/failures/{stored.failure_id}.md").text
    assert f"`````\n{text}\n`````" in page
    assert page.startswith("# \\[click\\](javascript:alert) \\<img src=x\\> \\`x\\`\n")


def test_a_model_answer_shows_what_it_cost(site: Site, browser: httpx.Client) -> None:
    produced = {"kind": "llm", "prompt": "root_cause", "prompt_version": "3", "provider": "anthropic", "model": "m-1"}
    stored = site.seed(
        51,
        "strange",
        answer={
            "confidence": "likely",
            "produced_by": {**produced, "input_tokens": 1234, "output_tokens": 56, "cost": 0.0123, "latency": 2.5},
        },
    )
    page = words(browser.get(f"/failures/{stored.failure_id}").text)
    assert "root_cause@3" in page
    assert "m-1 of anthropic" in page
    assert "1,234 in, 56 out" in page
    assert "$0.0123, 2.5 s" in page
    assert "check it before you apply the fix" in page


@pytest.mark.parametrize(
    ("state", "note", "says"),
    [
        ("running", None, "The analysis is under way"),
        ("failed", "Asked 5 times; the provider was overloaded.", "Asked 5 times; the provider was overloaded."),
        ("unavailable", None, "Set WHYDENIED_LLM_API_KEY"),
    ],
)
def test_without_an_answer_it_says_why(site: Site, browser: httpx.Client, state: str, note: str, says: str) -> None:
    stored = site.seed(60, f"nobody knows {state}", fingerprint=state, id=f"state-{state}")
    site.set_state(stored.failure_id or "", state, note)
    page = words(browser.get(f"/failures/{stored.failure_id}").text)
    assert says in page
    assert "There is no answer to approve." in page or state == "running"


def test_occurrences_count_and_a_resolved_failure_says_so(site: Site, browser: httpx.Client) -> None:
    for number in range(22):
        stored = site.seed(number, answer={}, fingerprint="many", id=f"many-{number}", service_name=f"s{number % 3}",
                           grouping_key="many")  # fmt: skip
    page = words(browser.get(f"/failures/{stored.failure_id}").text)
    assert "The latest 20 of 22 events." in page
    assert "Services s0, s1, s2" in page.replace("Services", "Services ")
    site.seed(0, "it is over", id="many-over", state="resolved", grouping_key="many", fingerprint="many")
    assert "resolved" in words(browser.get(f"/failures/{stored.failure_id}").text)


def test_history_names_who_decided_and_why(site: Site, browser: httpx.Client) -> None:
    stored = site.seed(52, "denied for orders", answer={})
    with site.services.engine.begin() as conn:
        review(conn, stored.analysis_id or "", "bo@example.com", "reject", expected_version=2, reason="wrong_fix",
               note="Too wide.")  # fmt: skip
    page = words(browser.get(f"/failures/{stored.failure_id}").text)
    assert "Rejected by bo@example.com just now" in page
    assert "Right cause, wrong fix" in page
    assert "Too wide." in page


def test_an_unknown_failure_is_a_page(browser: httpx.Client) -> None:
    reply = browser.get("/failures/nope")
    assert reply.status_code == 404
    assert "No such failure" in reply.text
    assert browser.get("/failures/nope.md").status_code == 404


class Elements(HTMLParser):
    """Every tag and attribute of a page, as a browser would make them."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.attributes: list[tuple[str, str | None]] = []
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes.extend(attrs)


def test_hostile_text_in_every_field_adds_no_element(site: Site, browser: httpx.Client) -> None:
    evil = '"><script>alert(1)</script><img src=x onerror=alert(1)>{{7*7}}\u202e\x1b[2J'
    url = "javascript:alert(1)"
    fix = {
        "summary": evil,
        "steps": [evil],
        "risk": evil,
        "undo": evil,
        "artifacts": [{"kind": "shell", "title": evil, "content": evil, "placeholders": [evil], "apply": evil}],
    }
    fields = dict.fromkeys(("title", "explanation", "principal", "action", "resource", "system"), evil)
    stored = site.seed(
        53,
        evil,
        answer={**fields, "missing_permissions": [evil], "fix": fix, "references": [url, evil],
                "verify": {"command": evil, "expect": evil},
                "evidence": [{"quote": evil, "start": 0, "end": len(evil), "field": evil}]},
        service_name=evil, environment=evil, stacktrace=evil, url=url,
    )  # fmt: skip
    for address in (f"/failures/{stored.failure_id}", f"/failures/{stored.failure_id}/correct", "/?status=all"):
        page = browser.get(address).text
        elements = Elements(page)
        assert elements.tags.count("script") == 1
        assert "onerror" not in dict(elements.attributes)
        assert all(name not in {"style", "onclick"} for name, _ in elements.attributes)
        assert not any((value or "").startswith("javascript:") for name, value in elements.attributes if name == "href")
        assert "\u202e" not in page
        assert "\x1b" not in page
        assert "U+202E" in page
        assert "49" not in words(page).replace("&#49;", "")
