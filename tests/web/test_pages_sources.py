"""Connecting a source in the web view: choose, make, wait, and see what arrived or why it was refused."""

import html
import re
from collections.abc import Iterator
from datetime import UTC, datetime

import httpx
import pytest
from service_site import Site, running_site

from connectors import discover
from service.store.pulls import Schedule, note_failure, set_pull

SECRET = "made-by-the-" + "vendor"


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    with running_site(tmp_path_factory.mktemp("sources")) as running:
        running.add_account("viewer@example.com", "viewer")
        yield running


@pytest.fixture(scope="module")
def browser(site: Site) -> httpx.Client:
    return site.browser()


def words(page: str) -> str:
    return " ".join(html.unescape(re.sub(r"<[^>]+>", " ", page)).split())


def make(browser: httpx.Client, name: str, connector: str = "generic", scheme: str = "none", **more: str) -> str:
    reply = browser.post("/sources/new", data={"name": name, "connector": connector, "scheme": scheme, **more})
    assert reply.status_code == 200, words(reply.text)
    return reply.text


def send(site: Site, name: str, **more: object) -> httpx.Response:
    return httpx.post(f"{site.url}/ingest/{name}", trust_env=False, **more)  # type: ignore[arg-type]


def test_every_source_can_be_chosen_without_script(browser):
    page = browser.get("/sources/new").text
    offered = set(re.findall(r'href="/sources/new\?connector=([a-z0-9-]+)"', page))
    assert offered == set(discover())
    assert "Error trackers" in words(page)


def test_the_search_takes_words_in_any_order(browser):
    page = browser.get("/sources/new?q=sns+aws").text
    assert re.findall(r'<li><a href="/sources/new\?connector=([a-z0-9-]+)"', page) == ["aws-sns"]
    assert "No source is called so" in words(browser.get("/sources/new?q=%3Cb%3E").text)
    assert browser.post("/sources/new", data={"connector": "nope", "name": "x", "scheme": "none"}).status_code == 422


def test_each_form_asks_only_for_what_its_source_needs(browser):
    for name, connector in discover().items():
        page = browser.get(f"/sources/new?connector={name}").text
        schemes = re.findall(r'name="scheme" value="([a-z-]+)"', page)
        assert schemes == list(connector.schemes), name
        assert f'value="{connector.schemes[0]}" checked' in page, name
        asked = set(re.findall(r'<(?:input|textarea) id="(\w+)"', page))
        assert ("username" in asked) == ("basic" in schemes), name
        assert ("header" in asked) == ("header" in schemes), name
        assert ("senders" in asked) == connector.public_key, name
        if connector.header_name:
            assert f'value="{connector.header_name}"' in page, name


def test_a_name_with_a_meaning_of_its_own_is_refused(browser):
    for name in ("new", "api"):
        reply = browser.post("/sources/new", data={"name": name, "connector": "generic", "scheme": "none"})
        assert reply.status_code == 409
        assert 'id="error-name"' in reply.text


def test_a_vendor_that_signs_for_all_has_to_be_told_apart(browser):
    given = {"name": "topic", "connector": "aws-sns", "scheme": "signature"}
    reply = browser.post("/sources/new", data=given)
    assert reply.status_code == 422
    assert 'id="error-senders"' in reply.text
    arn = "arn:aws:sns:eu-central-1:111122223333:alarms"
    assert "Waiting for the first delivery" in words(make(browser, "topic", "aws-sns", "signature", senders=arn))


def test_a_secret_is_on_the_page_once(browser, site):
    made = make(browser, "once", scheme="bearer")
    (secret,) = set(re.findall(r"\b[0-9a-f]{48}\b", made))
    again = browser.get("/sources/once").text
    assert secret not in again
    assert "Bearer <secret>" in words(again)
    assert secret not in browser.get("/sources").text
    turned = browser.post("/sources/once/rotate", data={"old": "end"}).text
    (fresh,) = set(re.findall(r"\b[0-9a-f]{48}\b", turned))
    assert send(site, "once", json={"message": "x"}, headers={"authorization": f"Bearer {secret}"}).status_code == 401
    assert send(site, "once", json={"message": "x"}, headers={"authorization": f"Bearer {fresh}"}).status_code == 202
    in_address = make(browser, "tokened", scheme="url-token")
    assert re.search(r"/ingest/tokened\?token=[0-9a-f]{48}", in_address)
    assert not re.search(r"[0-9a-f]{48}", words(browser.get("/sources/tokened").text))


def test_waiting_turns_into_what_arrived(browser, site):
    waiting = make(browser, "turning")
    assert 'data-live="' in waiting
    assert 'data-from="/sources/turning"' in waiting
    sent = send(site, "turning", json={"message": "ERROR: permission denied for table turned"}).json()
    page = browser.get("/sources/turning").text
    assert "What arrived last" in words(page)
    assert f'href="/failures/{sent["events"][0]["failure_id"]}"' in page
    assert "data-live" not in page


def test_waiting_turns_into_why_it_was_refused(browser, site):
    make(browser, "refused", scheme="bearer")
    agent = "<img src=x onerror=alert(1)> \u00ad"
    send(site, "refused", json={}, headers=[("user-agent", agent.encode("latin-1"))])
    site.services.refusals.write()
    page = browser.get("/sources/refused").text
    assert "It was refused 401 The header Authorization: Bearer holds no secret of this connection" in words(page)
    assert "<img src=x" not in page
    assert "&lt;img src=x onerror=alert(1)&gt;" in page
    assert re.search(r"refused</a></th>.*?just now.*?</tr>", browser.get("/sources").text, re.DOTALL)


def test_what_cannot_be_read_is_read_again_on_request(browser, site):
    make(browser, "misread", "sentry", "none")
    send(site, "misread", json={"message": "ERROR: permission denied for table again"})
    page = browser.get("/sources/misread").text
    assert "It sends, but nobody could read it" in words(page)
    (link,) = set(re.findall(r'href="(/sources/unparsed/[^"]+)"', page))
    still = browser.post(f"{link}/replay")
    assert still.status_code == 409
    assert "It still cannot be read as Sentry" in words(still.text)
    assert browser.post("/sources/misread/delete").headers["location"] == "/sources?done=deleted"
    make(browser, "misread")
    opened = browser.get(browser.post(f"{link}/replay").headers["location"])
    assert "A role may not use table again" in words(opened.text)
    assert browser.get(link).status_code == 404


def test_a_secret_of_the_vendor_is_given_afterwards(browser, site):
    page = make(browser, "later", "sentry", "signature")
    assert "It waits for its secret" in words(page)
    short = browser.post("/sources/later/secret", data={"secret": "short"})
    assert short.status_code == 422
    assert 'id="error-secret"' in short.text
    done = browser.get(browser.post("/sources/later/secret", data={"secret": SECRET}).headers["location"]).text
    assert "The secret is set" in words(done)
    assert "Waiting for the first delivery" in words(done)
    assert SECRET not in done


def test_pulls_show_how_they_fare(browser, site):
    make(browser, "pulling")
    with site.services.engine.begin() as conn:
        set_pull(conn, site.services.keyring, "pulling", Schedule({}, 60), datetime.now(UTC))
        note_failure(conn, "pulling", "<b>answered 401</b>", datetime.now(UTC))
    page = browser.get("/sources/pulling").text
    assert "<b>answered 401</b> 1 failure in a row None has ended well yet" in words(page)
    assert "<b>answered" not in page


def test_the_audit_log_says_who_changed_a_connection(browser):
    make(browser, "audited", scheme="bearer")
    browser.post("/sources/audited/rotate")
    browser.post("/sources/audited/delete")
    page = words(browser.get("/audit").text)
    for action in ("made the connection", "made a new secret for", "removed the connection"):
        assert re.search(rf"ana@example.com.{{0,40}}{action}.{{0,40}}audited", page), action


def test_who_may_not_change_sees_no_controls(browser, site):
    make(browser, "looked-at", scheme="bearer")
    viewer = site.browser("viewer@example.com")
    page = viewer.get("/sources/looked-at")
    assert page.status_code == 200
    assert 'action="/sources' not in page.text
    for action in ("rotate", "delete", "secret"):
        assert viewer.post(f"/sources/looked-at/{action}", data={"secret": SECRET}).status_code == 403
    assert viewer.get("/sources/nobody").status_code == 404


def test_limits_are_set_in_the_browser_and_stand_beside_the_count_of_today(browser: httpx.Client, site: Site) -> None:
    browser.post("/sources/new", data={"name": "limited", "connector": "generic", "scheme": "none"})
    refused = browser.post("/sources/limited/limits", data={"rate": "-1", "events_per_day": "many"})
    assert refused.status_code == 422
    assert refused.text.count("A number from 0 on; 0 is no limit.") >= 2
    assert 'value="many"' in refused.text
    done = browser.post("/sources/limited/limits", data={"rate": "", "events_per_day": "5000"})
    assert done.headers["location"] == "/sources/limited?done=limits"
    httpx.post(f"{site.url}/ingest/limited", json={"message": "no"}, trust_env=False)
    site.services.gate.count()
    assert "Events today 1 of 5,000 that it may send" in words(browser.get("/sources/limited").text)
    limits = browser.get("/sources/limited.json").json()["limits"]
    assert (limits["own"], limits["events_today"]) == (["events_per_day"], 1)
