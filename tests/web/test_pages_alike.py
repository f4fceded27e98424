"""Bulk approval: only the same rule, version and words; each failure has its own review; what changed stays."""

import re
from collections.abc import Iterator

import httpx
import pytest
from service_site import Site, running_site

from service.store.failures import get_failure
from service.store.reviews import list_reviews, review


@pytest.fixture
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    with running_site(tmp_path_factory.mktemp("alike")) as running:
        yield running


def seed(site: Site, number: int, who: str, **answer: object) -> str:
    """A failure whose answer differs from the others in the name of its principal only, unless told otherwise."""
    artifact = {"kind": "sql", "title": "Grant", "content": f"GRANT SELECT ON orders TO {who};", "apply": "In psql."}
    named = {"principal": who, "title": f"{who} may not read table orders",
             "fix": {"summary": "Grant SELECT.", "artifacts": [artifact]}}  # fmt: skip
    return site.seed(number, f"permission denied for {who}", answer={**named, **answer}).failure_id or ""


def picks(page: str) -> dict[str, str]:
    return dict(re.findall(r'name="(pick-[^"]+)" value="(\d+)"', page))


def status_of(site: Site, failure: str) -> str:
    with site.services.engine.connect() as conn:
        found = get_failure(conn, failure)
    assert found
    return found.status


def test_same_words_for_other_names_are_approved_at_once(site: Site) -> None:
    browser = site.browser()
    ann, bob = seed(site, 1, "ann_app"), seed(site, 2, "bob_app")
    other = seed(site, 3, "cyd_app", explanation="Something else is wrong.")
    page = browser.get(f"/failures/{ann}").text
    assert f'href="/failures/{ann}/alike">Approve 2 alike' in page
    page = browser.get(f"/failures/{ann}/alike").text
    assert "bob_app may not read table orders" in page
    assert picks(page).keys() == {f"pick-{ann}", f"pick-{bob}"}
    reply = browser.post(f"/failures/{ann}/alike", data={**picks(page), f"pick-{other}": "2", "note": "same team"})
    assert reply.status_code == 409
    assert "2 answers approved." in reply.text
    assert other in reply.text
    assert [status_of(site, one) for one in (ann, bob, other)] == ["approved", "approved", "needs_review"]
    with site.services.engine.connect() as conn:
        for failure in (ann, bob):
            [made] = list_reviews(conn, failure)
            assert (made.reviewer, made.decision, made.note) == ("ana@example.com", "approve", "same team")


def test_a_fix_that_says_only_a_part_of_a_name_is_the_same_too(site: Site) -> None:
    for number, account in enumerate(("cart-0", "cart-1")):
        grant = {"kind": "manifest", "title": "Role", "content": f"name: {account}-list-pods", "apply": "kubectl"}
        fix = {"summary": "Grant it.", "artifacts": [grant]}
        one = seed(site, number, f"system:serviceaccount:shop:{account}", fix=fix)
    seed(site, 9, "system:serviceaccount:shop:cart-9", fix={**fix, "summary": "Grant more."})
    assert f'href="/failures/{one}/alike">Approve 2 alike' in site.browser().get(f"/failures/{one}").text


def test_what_was_not_ticked_or_has_changed_stays(site: Site) -> None:
    browser = site.browser()
    first, second, third = (seed(site, n, f"app_{n}") for n in (1, 2, 3))
    ticked = picks(browser.get(f"/failures/{first}/alike").text)
    del ticked[f"pick-{third}"]
    with site.services.engine.begin() as conn:
        found = get_failure(conn, second)
        assert found
        review(conn, found.current_analysis_id or "", "bo", "reject", expected_version=found.version, reason="other")
    reply = browser.post(f"/failures/{first}/alike", data=ticked)
    assert reply.status_code == 409
    assert "1 failure had changed since you looked" in reply.text
    assert [status_of(site, one) for one in (first, second, third)] == ["approved", "rejected", "needs_review"]


def test_a_viewer_cannot_approve_and_nobody_elses_answer_counts(site: Site) -> None:
    site.add_account("vi@example.com", "viewer")
    failure = seed(site, 1, "ann_app")
    lonely = site.browser().get(f"/failures/{failure}").text
    assert "alike…" not in lonely
    viewer: httpx.Client = site.browser("vi@example.com")
    assert viewer.post(f"/failures/{failure}/alike", data={f"pick-{failure}": "2"}).status_code == 403
    assert status_of(site, failure) == "needs_review"
    assert site.browser().get("/failures/nowhere/alike").status_code == 404
