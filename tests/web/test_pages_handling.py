"""Snooze, reopen, resolve and note, from the page and by REST; the queue's tabs and order follow."""

import re
from collections.abc import Iterator
from itertools import count

import httpx
import pytest
from api_client import ADMIN_KEY
from service_site import Site, running_site

NUMBERS = count(1)


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    with running_site(tmp_path_factory.mktemp("handling"), admin_api_key=ADMIN_KEY) as running:
        yield running


@pytest.fixture(scope="module")
def browser(site: Site) -> httpx.Client:
    return site.browser()


@pytest.fixture(scope="module")
def api(site: Site) -> Iterator[httpx.Client]:
    headers = {"Authorization": f"Bearer {ADMIN_KEY}"}
    with httpx.Client(base_url=site.url, headers=headers, trust_env=False) as opened:
        yield opened


def seed(site: Site, service: str = "", **event: object) -> str:
    number = next(NUMBERS)
    return (
        site.seed(
            number, answer={"title": f"Denial {number}"}, service_name=service or f"s{number}", **event
        ).failure_id
        or ""
    )


def fields(page: str) -> dict[str, str]:
    form = page.split("/steps")[1]
    return dict(re.findall(r'type="hidden" name="(\w+)" value="([^"]*)"', form))


def act(browser: httpx.Client, failure: str, step: str, **given: str) -> httpx.Response:
    page = browser.get(f"/failures/{failure}").text
    return browser.post(f"/failures/{failure}/steps", data={**fields(page), "step": step, **given})


def test_a_snoozed_failure_waits_in_a_tab_of_its_own(site: Site, browser: httpx.Client) -> None:
    failure, other = seed(site, "napping"), seed(site, "napping")
    page = browser.get(f"/failures/{failure}").text
    sent = {**fields(page), "step": "snooze", "until": "day", "note": "waits for the owner"}
    reply = browser.post(f"/failures/{failure}/steps?service=napping", data=sent)
    assert reply.headers["location"].startswith(f"/failures/{other}?service=napping&done=snooze")
    assert failure not in browser.get("/?service=napping").text
    tab = browser.get("/?service=napping&status=snoozed").text
    assert failure in tab
    assert re.search(r'snoozed until <time datetime="([0-9T:+Z-]+)">20[0-9: -]+ UTC</time>', tab)
    assert 'aria-current="page">Snoozed <b>1</b>' in tab
    page = browser.get(f"/failures/{failure}").text
    assert "waits for the owner" in page
    assert "<b>Snoozed</b> by ana@example.com" in page
    assert act(browser, failure, "reopen").headers["location"] == f"/failures/{failure}?done=reopen"
    assert failure in browser.get("/?service=napping").text


def test_the_next_event_ends_a_snooze(site: Site, browser: httpx.Client) -> None:
    failure = seed(site, "woken", grouping_key="woken")
    act(browser, failure, "snooze", until="event")
    assert "snoozed until its next event" in browser.get(f"/failures/{failure}").text
    number = next(NUMBERS)
    again = f"{number - 1}"
    site.seed(number, answer={}, fingerprint=again, service_name="woken")
    assert failure in browser.get("/?service=woken").text


def test_notes_and_resolutions_stand_in_the_history(site: Site, browser: httpx.Client) -> None:
    failure = seed(site)
    assert act(browser, failure, "note", note="<b>asked</b>").status_code == 303
    assert act(browser, failure, "resolve").status_code == 303
    page = browser.get(f"/failures/{failure}?done=resolve").text
    assert "Marked as resolved." in page
    assert "&lt;b&gt;asked&lt;/b&gt;" in page
    assert page.index("<b>Resolved</b>") < page.index("<b>Note</b>")


def test_a_note_without_words_is_refused_in_place(site: Site, browser: httpx.Client) -> None:
    reply = act(browser, seed(site), "note", note="  ")
    assert reply.status_code == 422
    assert "A note has words." in reply.text


def test_who_is_too_late_sees_both_versions(site: Site, browser: httpx.Client) -> None:
    failure = seed(site)
    sent = {**fields(browser.get(f"/failures/{failure}").text), "step": "resolve"}
    act(browser, failure, "snooze", until="week")
    reply = browser.post(f"/failures/{failure}/steps", data=sent)
    assert reply.status_code == 409
    assert "Your decision was not saved" in reply.text
    assert "Snoozed by ana@example.com" in reply.text


def test_a_damaged_form_changes_nothing(site: Site, browser: httpx.Client) -> None:
    failure = seed(site)
    assert act(browser, failure, "explode").status_code == 400
    assert act(browser, failure, "snooze", until="doomsday").status_code == 400


def test_the_order_of_the_queue_stands_in_the_address(site: Site, browser: httpx.Client) -> None:
    rare, often = seed(site, "sorted"), seed(site, "sorted")
    name = f"{next(NUMBERS) - 1}"
    for _ in range(3):
        site.seed(next(NUMBERS), answer={}, fingerprint=name, service_name="sorted")
    for sort in ("events", "priority"):
        page = browser.get(f"/?service=sorted&sort={sort}").text
        assert re.findall(r'id="failure-([^"]+)"', page) == [often, rare]
        assert f'<option value="{sort}" selected>' in page
        following = browser.get(f"/failures/{often}?service=sorted&sort={sort}").text
        assert f'href="/failures/{rare}?service=sorted&amp;sort={sort}" data-next' in following


def test_steps_by_rest_say_where_the_failure_stands(site: Site, api: httpx.Client) -> None:
    failure = seed(site)
    path = f"/api/v1/failures/{failure}"
    version = api.get(path).json()["version"]
    sent = {"step": "snooze", "expected_version": version, "until": "2999-01-01T00:00:00Z", "wake_on_event": False}
    made = api.post(f"{path}/steps", json=sent)
    assert made.status_code == 201
    assert made.json()["failure"]["snoozed_until"] == "2999-01-01T00:00:00Z"
    assert [
        one["id"] for one in api.get("/api/v1/failures?snoozed=true&service=" + f"s{next(NUMBERS) - 1}").json()["items"]
    ] == [failure]
    late = api.post(f"{path}/steps", json={"step": "resolve", "expected_version": version})
    assert (late.status_code, late.json()["current_version"]) == (409, version + 1)
    assert late.json()["failure"]["id"] == failure
    for step in ({"step": "reopen", "expected_version": version + 1}, {"step": "note", "note": "done"}):
        assert api.post(f"{path}/steps", json=step).status_code == 201
    again = api.post(f"{path}/steps", json={"step": "reopen", "expected_version": version + 2})
    assert (again.status_code, again.json()["type"]) == (409, "urn:whydenied:problem:step-refused")
    assert api.post("/api/v1/failures/nobody/steps", json={"step": "note", "note": "x"}).status_code == 404
    assert [one["action"] for one in api.get(path).json()["activity"]] == ["note", "reopen", "snooze"]
