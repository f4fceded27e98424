"""Deciding in the browser: approve, reject, correct; late decisions are told, and nothing typed is lost."""

import html
import itertools
import re
from collections.abc import Iterator

import httpx
import pytest
from service_site import EMAIL, Site, running_site

from service.domain import Answer
from service.store.analyses import current_answer
from service.store.failures import get_failure
from service.store.reviews import list_reviews
from service.store.tables import Failure

NUMBERS = itertools.count(100)


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    with running_site(tmp_path_factory.mktemp("review")) as running:
        yield running


@pytest.fixture(scope="module")
def browser(site: Site) -> httpx.Client:
    return site.browser()


def seed(site: Site, **changes: str) -> str:
    """A failure that waits for review, each in a service of its own so that the next item is known."""
    number = next(NUMBERS)
    stored = site.seed(number, answer={}, **{"service_name": f"service-{number}", **changes})
    assert stored.failure_id
    return stored.failure_id


def stored(site: Site, failure_id: str) -> Failure:
    with site.services.engine.connect() as conn:
        failure = get_failure(conn, failure_id)
    assert failure
    return failure


def answer_of(site: Site, failure_id: str) -> Answer:
    with site.services.engine.connect() as conn:
        answer = current_answer(conn, failure_id)
    assert answer
    return answer


def form_on(page: str, *, last: bool = False) -> dict[str, str]:
    """The fields of the first or last form that posts to this failure, as a browser would send them."""
    forms = re.findall(r'(?s)<form[^>]*method="post" action="/failures[^>]*>(.*?)</form>', page)
    form = forms[-1 if last else 0]
    fields = {
        name: html.unescape(value) for name, value in re.findall(r'<input[^>]*name="([^"]+)"[^>]*value="([^"]*)"', form)
    }
    fields.update(
        (n, html.unescape(v)) for n, v in re.findall(r'(?s)<textarea[^>]*name="([^"]+)"[^>]*>\n(.*?)</textarea>', form)
    )
    for name, options in re.findall(r'(?s)<select[^>]*name="([^"]+)"[^>]*>(.*?)</select>', form):
        chosen = re.search(r'value="([^"]*)" selected', options)
        fields[name] = chosen[1] if chosen else ""
    fields.pop("reason", None)
    return fields


def decide(browser: httpx.Client, failure_id: str, query: str = "", **fields: str) -> httpx.Response:
    form = form_on(browser.get(f"/failures/{failure_id}").text)
    return browser.post(f"/failures/{failure_id}/review{query}", data={**form, **fields})


def test_approving_opens_the_next_item_of_the_same_filter(site: Site, browser: httpx.Client) -> None:
    first, second = seed(site, service_name="pair"), seed(site, service_name="pair")
    reply = decide(browser, first, "?service=pair", decision="approve", note="Seen before.")
    assert reply.status_code == 303
    assert reply.headers["location"] == f"/failures/{second}?service=pair&done=approve&was={first}"
    page = browser.get(reply.headers["location"]).text
    assert "Approved. This is the next one." in page
    assert f'href="/failures/{first}">Open the last one again' in page
    assert stored(site, first).status == "approved"
    last = decide(browser, second, "?service=pair", decision="approve")
    assert last.headers["location"] == f"/?service=pair&done=approve&was={second}"
    with site.services.engine.connect() as conn:
        made = list_reviews(conn, first)[0]
    assert (made.reviewer, made.decision, made.note) == (EMAIL, "approve", "Seen before.")


def test_a_rejection_needs_a_reason_and_keeps_the_note(site: Site, browser: httpx.Client) -> None:
    failure = seed(site)
    reply = decide(browser, failure, decision="reject", note="It was <fine>.")
    assert reply.status_code == 422
    assert "Choose what is wrong with the answer." in reply.text
    assert 'value="It was &lt;fine&gt;."' in reply.text
    assert stored(site, failure).status == "needs_review"
    assert decide(browser, failure, decision="reject", reason="wrong_fix").status_code == 303
    assert stored(site, failure).status == "rejected"


@pytest.mark.parametrize(
    "fields", [{"decision": "correct"}, {"decision": "nonsense"}, {"version": "x"}, {"version": "-1"}]
)
def test_a_form_that_no_page_sends_is_refused(site: Site, browser: httpx.Client, fields: dict[str, str]) -> None:
    assert decide(browser, seed(site), **fields).status_code == 400


def test_a_late_decision_shows_both_versions(site: Site, browser: httpx.Client) -> None:
    failure = seed(site)
    form = form_on(browser.get(f"/failures/{failure}").text)
    site.add_account("bo@example.com", "reviewer")
    decide(site.browser("bo@example.com"), failure, decision="reject", reason="wrong_cause")
    reply = browser.post(f"/failures/{failure}/review", data={**form, "decision": "approve"})
    assert reply.status_code == 409
    assert "What you saw" in reply.text
    assert "Rejected by bo@example.com" in reply.text
    assert stored(site, failure).status == "rejected"


def test_a_correction_is_stored_and_approved(site: Site, browser: httpx.Client) -> None:
    failure = seed(site)
    form = form_on(browser.get(f"/failures/{failure}/correct").text)
    changed = {**form, "title": "The role lacks SELECT", "resource": "public.orders", "note": "Schema was missing."}
    reply = browser.post(f"/failures/{failure}/correct", data=changed)
    assert reply.status_code == 303, reply.text
    answer = answer_of(site, failure)
    assert (answer.title, answer.resource, answer.principal) == (
        "The role lacks SELECT",
        "public.orders",
        "billing_app",
    )
    assert answer.produced_by.kind == "reviewer"
    assert stored(site, failure).status == "approved"


def test_an_invalid_correction_keeps_the_input_and_says_where_it_is_wrong(site: Site, browser: httpx.Client) -> None:
    failure = seed(site)
    form = form_on(browser.get(f"/failures/{failure}/correct").text)
    changed = {**form, "verdict": "authentication", "title": "", "explanation": "Kept <as it is>.", "note": "mine"}
    reply = browser.post(f"/failures/{failure}/correct", data=changed)
    assert reply.status_code == 422
    assert 'id="error-title">Say in one line what was denied.' in reply.text
    assert re.search(r'id="title"[^>]*aria-invalid="true" aria-describedby="error-title"', reply.text)
    assert form_on(reply.text)["explanation"] == "Kept <as it is>."
    assert form_on(reply.text)["note"] == "mine"
    assert stored(site, failure).status == "needs_review"


def test_a_correction_is_checked_while_it_is_written(site: Site, browser: httpx.Client) -> None:
    failure = seed(site)
    form = form_on(browser.get(f"/failures/{failure}/correct").text)
    told = browser.post(f"/failures/{failure}/correct/check", data={**form, "title": "", "fix_summary": ""}).json()
    assert told["title"] == "Say in one line what was denied."
    assert told.keys() == {"title", "fix_summary"}
    assert browser.post(f"/failures/{failure}/correct/check", data=form).json() == {}
    assert browser.post("/failures/nope/correct/check", data=form).status_code == 404
    assert stored(site, failure).status == "needs_review"


def test_a_late_correction_keeps_the_text_and_can_be_saved_knowingly(site: Site, browser: httpx.Client) -> None:
    failure = seed(site)
    form = form_on(browser.get(f"/failures/{failure}/correct").text)
    decide(browser, failure, decision="approve")
    reply = browser.post(f"/failures/{failure}/correct", data={**form, "title": "My title"})
    assert reply.status_code == 409
    assert "Your text is kept below." in reply.text
    assert browser.post(f"/failures/{failure}/correct", data=form_on(reply.text)).status_code == 303
    assert answer_of(site, failure).title == "My title"


def test_a_failure_that_nobody_answered_can_be_answered_or_rejected(site: Site, browser: httpx.Client) -> None:
    first, second = (site.seed(next(NUMBERS), f"nobody knows {word}").failure_id or "" for word in ("this", "that"))
    for failure in (first, second):
        site.set_state(failure, "unavailable")
    form = form_on(browser.get(f"/failures/{first}/correct").text)
    written = {
        "verdict": "other",
        "cause": "network",
        "confidence": "likely",
        "title": "DNS",
        "explanation": "No route.",
    }
    assert browser.post(f"/failures/{first}/correct", data={**form, **written}).status_code == 303
    assert answer_of(site, first).title == "DNS"
    assert decide(browser, second, decision="reject", reason="not_a_permission_failure").status_code == 303
    assert stored(site, second).status == "rejected"


def test_a_model_that_failed_can_be_asked_again(site: Site, browser: httpx.Client) -> None:
    failure = site.seed(next(NUMBERS), "nobody knows what").failure_id or ""
    site.set_state(failure, "failed", "The provider was overloaded.")
    assert "Ask the model again" in browser.get(f"/failures/{failure}").text
    assert browser.post(f"/failures/{failure}/retry").headers["location"] == f"/failures/{failure}"
    assert f"Asked again by {EMAIL}." in browser.get(f"/failures/{failure}").text
    assert stored(site, failure).analysis_state == "queued"
    assert browser.post("/failures/nope/retry").status_code == 404


def test_a_viewer_sees_but_cannot_decide(site: Site) -> None:
    failure = seed(site)
    site.add_account("vi@example.com", "viewer")
    viewer = site.browser("vi@example.com")
    page = viewer.get(f"/failures/{failure}").text
    assert "Your review" not in page
    assert viewer.post(f"/failures/{failure}/review", data={"decision": "approve"}).status_code == 403
    assert viewer.post("/explain", data={"text": "permission denied for table x"}).status_code == 200
    assert viewer.get("/sources/new").status_code == 403


def test_another_site_cannot_decide_for_the_reviewer(site: Site, browser: httpx.Client) -> None:
    failure = seed(site)
    form = form_on(browser.get(f"/failures/{failure}").text)
    cross = {"sec-fetch-site": "cross-site", "origin": "https://evil.example"}
    reply = browser.post(f"/failures/{failure}/review", data={**form, "decision": "approve"}, headers=cross)
    assert reply.status_code == 403
    assert stored(site, failure).status == "needs_review"
