"""Reviewing in a real browser: with the mouse, with the keyboard alone, and without script."""

import itertools
import re
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import pytest
from playwright.sync_api import Page, expect
from service_site import EMAIL, PASSWORD, Site

Open = Callable[..., Page]
NUMBERS = itertools.count(100)


def seed_pair(site: Site) -> str:
    """Two failures that wait, alone in a service of their own; its name."""
    name = f"service-{next(NUMBERS)}"
    for title in ("The newer one", "The older one"):
        site.seed(next(NUMBERS), answer={"title": title}, service_name=name)
    return name


def arrive(page: Page, headline: str) -> None:
    """Wait until the page of this headline is there, script included."""
    expect(page.get_by_role("heading", level=1)).to_have_text(headline)
    page.wait_for_load_state()


def sign_in(page: Page) -> None:
    page.get_by_label("E-mail").fill(EMAIL)
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_role("button", name="Sign in").click()


@pytest.mark.parametrize("script", [True, False], ids=["script", "no-script"])
def test_from_sign_in_to_the_last_approval(site: Site, open_page: Open, script: bool) -> None:
    service = seed_pair(site)
    page = open_page(f"/?service={service}", signed_in=False, java_script_enabled=script)
    sign_in(page)
    page.get_by_role("link", name="The newer one").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("The newer one")
    page.get_by_role("button", name="Approve").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("The older one")
    expect(page.get_by_role("status")).to_contain_text("Approved. This is the next one.")
    page.get_by_role("button", name="Approve").click()
    expect(page.get_by_role("status")).to_contain_text("Approved.")
    expect(page.get_by_text("No failure matches")).to_be_visible()
    page.get_by_role("link", name=re.compile("^Approved")).click()
    expect(page.get_by_role("list", name="Failures").get_by_role("listitem")).to_have_count(2)


@pytest.mark.parametrize("script", [True, False], ids=["script", "no-script"])
def test_a_rejection_asks_why(site: Site, open_page: Open, script: bool) -> None:
    service = seed_pair(site)
    page = open_page(f"/?service={service}", java_script_enabled=script)
    page.get_by_role("link", name="The newer one").click()
    page.locator("summary", has_text="Reject").click()
    page.get_by_role("button", name="Reject this answer").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("The newer one")
    page.get_by_label("Right cause, wrong fix").check()
    page.get_by_label("What is true instead").fill("The table is a view.")
    page.get_by_role("button", name="Reject this answer").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("The older one")
    page.get_by_role("link", name="Open the last one again").click()
    expect(page.get_by_text("The table is a view.")).to_be_visible()
    expect(page.get_by_text("Right cause, wrong fix").first).to_be_attached()


@pytest.mark.parametrize("script", [True, False], ids=["script", "no-script"])
def test_a_correction_is_mended_until_it_is_valid(site: Site, open_page: Open, script: bool) -> None:
    service = seed_pair(site)
    page = open_page(f"/?service={service}", java_script_enabled=script)
    page.get_by_role("link", name="The newer one").click()
    page.get_by_role("link", name="Correct").click()
    page.get_by_label("Verdict").select_option("authentication")
    page.get_by_label("Explanation").fill("The password was wrong.")
    page.get_by_role("button", name="Save and approve").click()
    expect(page.get_by_role("alert")).to_contain_text("to mend")
    expect(page.get_by_label("Explanation")).to_have_value("The password was wrong.")
    page.get_by_label("Verdict").select_option("permission")
    page.get_by_label("Cause").select_option("resource_policy")
    page.get_by_role("button", name="Save and approve").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("The older one")
    page.get_by_role("link", name="Open the last one again").click()
    expect(page.get_by_text("The password was wrong.", exact=True)).to_be_visible()
    expect(page.get_by_text(f"Corrected by {EMAIL}")).to_be_visible()


def test_what_is_wrong_with_a_correction_is_told_while_it_is_written(site: Site, open_page: Open) -> None:
    page = open_page(f"/failures/{site.seed(next(NUMBERS), answer={}).failure_id}/correct")
    title = page.get_by_label("Title").first
    title.fill("")
    expect(page.locator("#error-title")).to_have_text("Say in one line what was denied.")
    expect(title).to_have_attribute("aria-describedby", "error-title")
    page.get_by_label("Verdict").select_option("authentication")
    expect(page.locator("#error-cause")).to_be_visible()
    title.fill("Denied")
    expect(page.locator("#error-title")).to_have_count(0)


def test_the_keyboard_alone_is_enough(site: Site, open_page: Open) -> None:
    service = seed_pair(site)
    page = open_page(f"/?service={service}")
    page.keyboard.press("j")
    expect(page.get_by_role("link", name="The newer one")).to_be_focused()
    page.keyboard.press("j")
    expect(page.get_by_role("link", name="The older one")).to_be_focused()
    page.keyboard.press("k")
    page.keyboard.press("Enter")
    arrive(page, "The newer one")
    page.keyboard.press("e")
    arrive(page, "Correct the answer")
    page.keyboard.press("Escape")
    arrive(page, "The newer one")
    page.keyboard.press("r")
    expect(page.get_by_label("Wrong cause")).to_be_focused()
    page.keyboard.press("ArrowDown")
    page.keyboard.press("Tab")
    page.keyboard.type("area")
    page.keyboard.press("Enter")
    arrive(page, "The older one")
    page.keyboard.press("a")
    arrive(page, "Queue: Needs review")
    expect(page.get_by_text("No failure matches")).to_be_visible()
    page.keyboard.press("/")
    page.keyboard.type("jar")
    expect(page.get_by_label("Search the failures")).to_have_value("jar")


def test_single_keys_can_be_switched_off(site: Site, open_page: Open) -> None:
    page = open_page(f"/?service={seed_pair(site)}")
    page.get_by_role("link", name="The newer one").click()
    arrive(page, "The newer one")
    page.get_by_role("button", name="Single-key shortcuts").click()
    page.keyboard.press("e")
    page.keyboard.press("a")
    arrive(page, "The newer one")
    page.reload()
    expect(page.get_by_role("button", name="Single-key shortcuts: off")).to_be_visible()


def test_the_page_of_an_analysis_tells_its_stage_second_by_second(site: Site, open_page: Open) -> None:
    failure = site.seed(next(NUMBERS), "nobody knows what, again").failure_id or ""
    page = open_page(f"/failures/{failure}")
    expect(page.get_by_text("It waits for its turn.")).to_be_visible()
    site.set_state(failure, "running", "claude-sonnet-5-5 by anthropic is asked.")
    expect(page.get_by_text("claude-sonnet-5-5 by anthropic is asked.")).to_be_visible(timeout=4_000)
    expect(page.locator("[data-told=word]")).to_have_text("analysing")
    site.set_state(failure, "failed", "The model declined to answer.")
    expect(page.get_by_text("The model declined to answer.")).to_be_visible(timeout=4_000)
    expect(page.locator("#status")).to_have_text("The analysis has ended.")


def test_a_row_that_is_analysed_changes_by_itself(site: Site, open_page: Open) -> None:
    service = f"service-{next(NUMBERS)}"
    stored = site.seed(next(NUMBERS), "who knows", service_name=service)
    page = open_page("about:blank")
    page.clock.install()
    page.goto(f"{site.url}/?service={service}")
    expect(page.get_by_text("waiting, ")).to_be_visible()
    page.keyboard.press("j")
    site.set_state(stored.failure_id or "", "failed", "The provider refused the key.")
    page.clock.fast_forward(5_000)
    expect(page.get_by_text("The provider refused the key.")).to_be_visible()
    expect(page.get_by_role("status")).to_have_text("The list has changed.")
    expect(page.get_by_role("link", name="who knows")).to_be_focused()


def test_copy_takes_the_artifact_as_it_is(site: Site, open_page: Open) -> None:
    page = open_page(f"/?service={seed_pair(site)}", permissions=["clipboard-read", "clipboard-write"])
    page.get_by_role("link", name="The newer one").click()
    page.get_by_role("button", name="Copy Grant on the table").click()
    expect(page.get_by_role("button", name="Copied")).to_be_visible()
    copied = page.evaluate("navigator.clipboard.readText()")
    assert copied == "GRANT SELECT ON SCHEMA_NAME.orders TO billing_app;"
    with page.expect_download() as download:
        page.get_by_role("link", name="Download Grant on the table").click()
    assert download.value.suggested_filename == "whydenied-1.sql"


def test_signing_in_works_over_plain_http_on_a_name_of_the_network(site: Site, open_page: Open) -> None:
    """Browsers send no Sec-Fetch-Site there, so that the Origin header has to be right."""
    base = site.url.replace("127.0.0.1", "why.test")
    page = open_page("/", signed_in=False, base=base)
    sign_in(page)
    expect(page.get_by_role("button", name="Sign out")).to_be_visible()
    page.get_by_role("button", name="Sign out").click()
    expect(page.get_by_role("button", name="Sign in")).to_be_visible()


def test_a_command_follows_what_is_typed_and_refuses_what_is_unsafe(site: Site, open_page: Open) -> None:
    stored = site.seed(next(NUMBERS), answer={})
    page = open_page(f"/failures/{stored.failure_id}", permissions=["clipboard-read", "clipboard-write"])
    page.get_by_label("SCHEMA_NAME").fill("Sales")
    page.get_by_role("button", name="Copy Grant on the table").click()
    expect(page.get_by_role("button", name="Copied")).to_be_visible()
    assert page.evaluate("navigator.clipboard.readText()") == 'GRANT SELECT ON "Sales".orders TO billing_app;'
    expect(page.locator("#artifact-1")).to_have_text('GRANT SELECT ON "Sales".orders TO billing_app;')
    page.get_by_label("SCHEMA_NAME").fill("a\\b")
    expect(page.get_by_text("a backslash is not safe in SQL.")).to_be_visible()
    expect(page.locator("#artifact-1")).to_have_text("GRANT SELECT ON SCHEMA_NAME.orders TO billing_app;")
    expect(page.locator("#artifact-1 .placeholder")).to_have_text("SCHEMA_NAME")


@pytest.mark.parametrize("script", [True, False], ids=["script", "no-script"])
def test_a_failure_is_snoozed_and_the_next_one_opens(site: Site, open_page: Open, script: bool) -> None:
    service = seed_pair(site)
    page = open_page(f"/?service={service}", java_script_enabled=script)
    page.get_by_role("link", name="The newer one").click()
    arrive(page, "The newer one")
    if script:
        page.keyboard.press("s")
    else:
        page.locator("summary", has_text="More").click()
    page.get_by_label("Snooze until").select_option("a week from now")
    page.get_by_role("button", name="Snooze").click()
    arrive(page, "The older one")
    expect(page.get_by_role("status")).to_contain_text("Snoozed. This is the next one.")
    page.goto(f"/?service={service}&status=snoozed")
    expect(page.get_by_role("list", name="Failures").get_by_role("listitem")).to_have_count(1)


@pytest.mark.parametrize("script", [True, False], ids=["keyboard", "no-script"])
def test_answers_that_are_ticked_are_approved_together(site: Site, open_page: Open, script: bool) -> None:
    service = f"service-{next(NUMBERS)}"
    for _ in range(3):
        site.seed(next(NUMBERS), answer={"title": f"Alike in {service}"}, service_name=service)
    page = open_page(f"/?service={service}", java_script_enabled=script)
    boxes = page.get_by_role("checkbox", name=f"Tick Alike in {service}")
    expect(boxes).to_have_count(3)
    if script:
        for key in ("j", "x", "j", "x", "a"):
            page.keyboard.press(key)
    else:
        boxes.nth(0).check()
        boxes.nth(1).check()
        page.get_by_role("button", name="Approve what is ticked").click()
    arrive(page, "Approve the same answer for several failures")
    ticked = page.get_by_role("checkbox", checked=True)
    expect(ticked).to_have_count(2)
    page.get_by_role("button", name="Approve what is ticked").click()
    expect(page.get_by_role("status")).to_contain_text("2 answers approved.")
    page.goto(f"/?service={service}")
    expect(page.locator("[data-row]")).to_have_count(1)


def test_of_two_reviewers_the_slower_one_sees_both_versions(site: Site, open_page: Open) -> None:
    failure = site.seed(next(NUMBERS), answer={"title": "Decided twice"}).failure_id
    slow, fast = open_page(f"/failures/{failure}"), open_page(f"/failures/{failure}")
    fast.locator("summary", has_text="Reject").click()
    fast.get_by_label("Wrong cause").check()
    fast.get_by_role("button", name="Reject this answer").click()
    expect(fast.get_by_role("status")).to_contain_text("Rejected.")
    slow.get_by_label("Note with the approval").fill("looks right")
    slow.get_by_role("button", name="Approve", exact=True).click()
    arrive(slow, "Your decision was not saved")
    expect(slow.get_by_role("region", name="What you saw")).to_contain_text("Decided twice")
    expect(slow.get_by_role("region", name="What it is now")).to_contain_text(f"Rejected by {EMAIL}")
    slow.get_by_role("link", name="Look at it as it is now").click()
    expect(slow.get_by_text("Approved by")).to_have_count(0)


def test_a_list_that_has_changed_says_so_and_stays_as_it_is(site: Site, open_page: Open) -> None:
    service = seed_pair(site)
    page = open_page("about:blank")
    page.clock.install()
    page.goto(f"{site.url}/?service={service}")
    expect(page.locator("[data-row]")).to_have_count(2)
    site.seed(0, "again", answer={"title": "A new one"}, service_name=service, fingerprint=service)
    page.clock.fast_forward(15_000)
    link = page.get_by_role("link", name="The list has changed")
    expect(link).to_be_visible()
    expect(page.locator("[data-row]")).to_have_count(2)
    link.click()
    expect(page.locator("[data-row]")).to_have_count(3)


def test_a_time_is_told_in_the_zone_of_the_reader_and_in_utc(site: Site, open_page: Open) -> None:
    noon = datetime.now(UTC).replace(hour=12, minute=0, second=0, microsecond=0) - timedelta(days=3)
    failure = site.seed(next(NUMBERS), answer={}, time=noon).failure_id
    page = open_page(f"/failures/{failure}", timezone_id="Asia/Tokyo", locale="en-GB")
    time = page.locator("#occurrences ~ .scroll time")
    expect(time).to_have_attribute("title", re.compile("21:00:00 GMT\\+9\n.* 12:00:00 UTC"))
