"""The paste box, the rules and the sources."""

import html
import re
from collections.abc import Iterator

import httpx
import pytest
from service_site import Site, running_site

from service.store.failures import get_failure
from service.store.reviews import review


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    with running_site(tmp_path_factory.mktemp("rest")) as running:
        yield running


@pytest.fixture(scope="module")
def browser(site: Site) -> httpx.Client:
    return site.browser()


def words(page: str) -> str:
    return " ".join(html.unescape(re.sub(r"<[^>]+>", " ", page)).split())


def test_a_pasted_text_is_answered_and_nothing_is_stored(browser: httpx.Client) -> None:
    text = "ERROR: permission denied for table orders, AKIAIOSFODNN7EXAMPLE"
    page = browser.post("/explain", data={"text": text, "context": '{"http_status": 403}'}).text
    assert "A role may not use table orders" in words(page)
    assert 'href="/rules/demo.table-denied"' in page
    assert re.search(r'<mark data-field="resource"[^>]*>orders</mark>', page)
    assert re.search(r'<span class="mask"[^>]*>\[redacted:', page)
    assert "Nothing has arrived yet" in browser.get("/").text


def test_a_text_that_no_rule_knows_gets_no_claim(browser: httpx.Client) -> None:
    page = words(browser.post("/explain", data={"text": "segmentation fault"}).text)
    assert "No known denial recognised" in page
    assert "no claim" in page


def test_where_the_nearest_rule_stops_is_marked(browser: httpx.Client) -> None:
    page = browser.post("/explain", data={"text": "permission denied for schema orders", "near": "1"}).text
    assert 'href="/rules/demo.table-denied"' in page
    assert '<code>permission denied for <mark class="stopped">table (?P&lt;resource&gt;\\w+)</mark></code>' in page
    assert "permission denied for |schema orders" in words(page)


def test_an_answer_is_shared_by_a_link_that_holds_the_redacted_text(browser: httpx.Client) -> None:
    text = "ERROR: permission denied for table orders, AKIAIOSFODNN7EXAMPLE"
    page = browser.post("/explain", data={"text": text, "context": '{"http_status": 403}'}).text
    [link] = re.findall(r'href="(/explain\?text=[^"]+)"', page)
    assert "AKIAIOSFODNN7" not in link
    assert "A role may not use table orders" in words(browser.get(html.unescape(link)).text)
    twin = browser.get(html.unescape(link).replace("/explain?", "/explain.json?")).json()
    assert twin["answer"]["resource"] == "orders"


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"text": " "}, "Paste the error as it was logged."),
        ({"text": "x" * 100_001}, "longer than 100,000 characters"),
        ({"text": "x", "context": "{"}, "Not JSON"),
        ({"text": "x", "context": "[1]"}, "The context is a JSON object"),
        ({"text": "x", "context": '{"a": {"b": 1}}'}, "The value of a must be text"),
    ],
)
def test_wrong_input_is_kept_and_explained(browser: httpx.Client, fields: dict[str, str], message: str) -> None:
    reply = browser.post("/explain", data=fields)
    assert reply.status_code == 422
    assert message in html.unescape(reply.text)
    assert html.escape(fields.get("context", ""), quote=False).replace('"', "&#34;") in reply.text


def test_rules_are_listed_by_pack_and_found_by_word(browser: httpx.Client) -> None:
    assert re.search(r'href="/rules\?system=demo">demo</a>', browser.get("/rules").text)
    assert "demo.table-denied" in browser.get("/rules?system=demo").text
    assert "demo.table-denied" in browser.get("/rules?q=MISSING+denied").text
    assert "No rule matches" in browser.get("/rules?q=zzz").text


def test_a_rule_shows_its_source_and_its_proof(browser: httpx.Client) -> None:
    page = browser.get("/rules/demo.table-denied").text
    assert "permission denied for table (?P&lt;resource&gt;\\w+)" in page
    assert re.search(r'<mark data-field="resource"[^>]*>orders</mark>', page)
    assert "a schema, not a table" in page
    assert browser.get("/rules/demo.nope").status_code == 404


def test_a_connection_is_made_with_a_secret_shown_once(browser: httpx.Client, site: Site) -> None:
    page = words(browser.post("/sources/new", data={"name": "ci", "connector": "generic", "scheme": "bearer"}).text)
    assert f"{site.url}/ingest/ci" in page
    secret = re.search(r"Shown this once\. Put it into the tool now\. Secret .*?([0-9a-f]{48})", page)
    assert secret
    sent = httpx.post(f"{site.url}/ingest/ci", json={"text": "permission denied for table pay"}, trust_env=False,
                      headers={"authorization": f"Bearer {secret[1]}"})  # fmt: skip
    assert sent.status_code < 300, sent.text
    listed = words(browser.get("/sources").text)
    assert "ci Anything that posts JSON or text bearer just now none 0" in listed
    assert secret[1] not in listed
    assert "may not use table pay" in words(browser.get("/").text)


@pytest.mark.parametrize(
    ("fields", "field"),
    [
        ({"name": "No Spaces"}, "name"),
        ({"scheme": "telepathy"}, "scheme"),
        ({"scheme": "basic"}, "username"),
        ({"scheme": "header", "header": "a b"}, "header"),
        ({"scheme": "bearer", "secret": "short"}, "secret"),
        ({"connector": "alertmanager", "scheme": "signature"}, "scheme"),
    ],
)
def test_a_connection_that_cannot_work_is_refused_at_its_field(
    browser: httpx.Client, fields: dict[str, str], field: str
) -> None:
    given = {"name": "good", "connector": "generic", "scheme": "bearer", **fields}
    reply = browser.post("/sources/new", data=given)
    assert reply.status_code == 422
    assert f'id="error-{field}"' in reply.text


def test_unread_deliveries_are_listed_and_shown_whole(browser: httpx.Client, site: Site) -> None:
    site.seed_unparsed("<b>not json</b> [redacted:api_key:3f9c]")
    page = browser.get("/sources").text
    link = re.search(r'href="(/sources/unparsed/[^"]+)">The body is not JSON\.</a>', page)
    assert link
    shown = browser.get(link[1]).text
    assert "&lt;b&gt;not json&lt;/b&gt;" in shown
    assert 'class="mask"' in shown
    assert browser.get("/sources/unparsed/nope").status_code == 404
    assert "Everything that came from a proven sender" in browser.get("/sources?connection=ci").text


def test_pages_are_light_and_static_files_are_kept(browser: httpx.Client) -> None:
    page = browser.get("/rules/demo.table-denied")
    assets = re.findall(r'(?:href|src)="(/static/[^"]+)"', page.text)
    assert len(assets) >= 3
    sizes = []
    for asset in set(assets):
        reply = browser.get(asset)
        assert reply.headers["cache-control"] == "public, max-age=31536000, immutable"
        sizes.append(len(reply.content))
    assert sum(sizes) + len(page.content) < 150_000


def test_a_rule_says_what_it_answered_and_how_that_was_judged(browser: httpx.Client, site: Site) -> None:
    failure = site.seed(70, answer={"title": "A rule knew it"}).failure_id
    with site.services.engine.begin() as conn:
        found = get_failure(conn, failure or "")
        assert found
        review(conn, found.current_analysis_id or "", "bo@example.com", "approve", expected_version=found.version)
    page = browser.get("/rules/demo.table-denied").text
    assert f'href="/failures/{failure}">A rule knew it</a>' in page
    assert "Approved in 100 % of 1 verdict." in words(page)
    [row] = [one for one in browser.get("/rules.json?used=1").json()["rules"] if one["id"] == "demo.table-denied"]
    assert row["events"] >= 1
    assert row["rate"] == 1.0
