"""Every page on a small and a large screen, in light and dark: it fits, it can be read, and everything has a name."""

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest
from axe_playwright_python.base import AXE_SCRIPT, AxeResults
from playwright.sync_api import Browser, Page, Response
from service_site import EMAIL, PASSWORD, TEXT, Site, make_answer, running_site

from connectors.base import Auth
from service.store.connections import create_connection
from service.store.deliveries import list_unparsed
from service.store.failures import get_failure
from service.store.handling import add_note
from service.store.requests import keep_findings, keep_request
from service.store.reviews import review
from service.store.spending import NewCall, close_call, open_call

PLACES = {
    "queue": "/",
    "filters": "/?service=billing&confidence=confirmed",
    "empty": "/?q=nowhere",
    "failure": "/failures/{answered}",
    "unanswered": "/failures/{failed}",
    "correct": "/failures/{answered}/correct",
    "explain": "/explain",
    "rules": "/rules?system=demo",
    "rule": "/rules/demo.table-denied",
    "sources": "/sources",
    "choose": "/sources/new",
    "connect": "/sources/new?connector=azure-monitor",
    "connection": "/sources/refused-often",
    "waiting": "/sources/never-delivered",
    "usage": "/usage",
    "insights": "/insights",
    "prompts": "/prompts",
    "audit": "/audit",
    "account": "/account",
    "settings": "/settings",
    "people": "/settings/accounts",
    "sessions": "/settings/sessions",
    "keys": "/settings/keys",
    "alike": "/failures/{answered}/alike",
    "picked": "/alike?pick={answered}&pick={failed}",
    "corrected": "/failures/{corrected}",
    "analysing": "/failures/{waiting}",
    "call": "/calls/{call}",
    "delivery": "/sources/unparsed/{delivery}",
    "unused": "/rules?used=1&q=nothing",
    "stale": "/failures/{answered}?stale",
    "login": "/login",
    "snoozed": "/?status=snoozed&sort=priority",
    "missing": "/nowhere",
}
SCREENS = {"phone": (320, 640), "tablet": (768, 1024), "desk": (1440, 900)}
WCAG = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa"]
ON_A_PHONE = ["target-size", "scrollable-region-focusable", "link-in-text-block"]  # what the width may change
PARTS = 4
WIDE = "document.documentElement.scrollWidth - document.documentElement.clientWidth"
FAULTS = """() => {
  const faults = [], seen = new Set();
  const name = (one) => (one.getAttribute("aria-label") || one.labels?.[0]?.textContent || one.textContent || "").trim();
  for (const one of document.querySelectorAll("[id]")) { if (seen.has(one.id)) faults.push(`two of id ${one.id}`); seen.add(one.id); }
  for (const one of document.querySelectorAll("a, button, input:not([type=hidden]), select, textarea, summary"))
    if (!name(one)) faults.push(`no name: ${one.outerHTML.slice(0, 80)}`);
  for (const one of document.querySelectorAll("[aria-labelledby], [aria-describedby]"))
    for (const id of (one.getAttribute("aria-labelledby") || one.getAttribute("aria-describedby")).split(" "))
      if (!document.getElementById(id)) faults.push(`nothing has id ${id}`);
  let level = 0;
  for (const one of document.querySelectorAll("h1, h2, h3, h4")) {
    if (+one.tagName[1] > level + 1) faults.push(`heading ${one.textContent} skips a level`);
    level = +one.tagName[1];
  }
  if (document.querySelectorAll("h1").length !== 1) faults.push("not one h1");
  if (document.documentElement.lang !== "en") faults.push("no language");
  for (const one of document.querySelectorAll("th")) if (!one.scope) faults.push("th without scope");
  return faults;
}"""  # noqa: E501 - JavaScript
CONTRAST = """() => {
  const rgb = (colour) => { const c = colour.match(/[\\d.]+/g).map(Number); return [c[0], c[1], c[2], c[3] ?? 1]; };
  const light = (c) => { const [r, g, b] = c.map((v) => (v /= 255) <= .03928 ? v / 12.92 : ((v + .055) / 1.055) ** 2.4); return .2126 * r + .7152 * g + .0722 * b; };
  const over = (top, under) => top.slice(0, 3).map((v, i) => v * top[3] + under[i] * (1 - top[3]));
  const behind = (one) => { const layers = []; for (; one; one = one.parentElement) layers.push(rgb(getComputedStyle(one).backgroundColor)); return layers.reverse().reduce((under, top) => over(top, under), [255, 255, 255]); };
  const faint = [];
  const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  while (walker.nextNode()) {
    const text = walker.currentNode.data.trim(), one = walker.currentNode.parentElement;
    if (!text || !one.checkVisibility({ visibilityProperty: true }) || one.closest(".sr, .skip")) continue;
    const style = getComputedStyle(one), back = behind(one), fore = over(rgb(style.color), back);
    const [a, b] = [light(fore), light(back)].sort((x, y) => y - x);
    const ratio = (a + .05) / (b + .05);
    if (ratio < (parseFloat(style.fontSize) >= 24 ? 3 : 4.5)) faint.push(`${text.slice(0, 40)}: ${ratio.toFixed(2)}`);
  }
  return faint;
}"""  # noqa: E501 - JavaScript


@pytest.fixture(scope="module")
def paths(site: Site) -> dict[str, str]:
    """Seeded pages by name."""
    link = "https://sentry.example.com/organizations/acme/issues/4711/?project=1"
    answered = site.seed(1, answer={}, stacktrace="Traceback:\n  File app.py", url=link).failure_id
    role = "arn:aws:sts::402918837465:assumed-role/AmazonBedrockExecutionRoleForKnowledgeBase-7kd2/Loader-9ZQJ0WMERD"
    site.seed(
        2, f"User: {role} is not authorized", answer={"principal": role, "title": "No policy allows s3:GetObject " * 4}
    )
    quota = {"verdict": "other", "cause": "quota_or_billing", "title": "No credits are left", "fix": None}
    site.seed(3, "no credits", answer={**quota, "principal": None, "action": None, "resource": None})
    waiting = site.seed(4, "permission denied for sequence orders_id_seq").failure_id or ""
    failed = site.seed(5, "403 Forbidden").failure_id
    site.set_state(failed or "", "failed", "The provider answered 529 overloaded five times; asked last 3 min ago.")
    site.seed_unparsed("not json")
    ids = {"answered": answered, "failed": failed, "waiting": waiting, **seed_history(site)}
    for name in ("refused-often", "never-delivered"):
        with site.services.engine.begin() as conn:
            create_connection(conn, site.services.keyring, name, "generic", Auth("bearer", ("a-secret-" + "of-it",)))
    agent = "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/126.0 Safari/537.36"
    detail = "The header Authorization: Bearer holds no secret of this connection."
    site.services.refusals.note("refused-often", outcome="unauthenticated", status=401, detail=detail, user_agent=agent)
    site.services.refusals.write()
    return {name: path.format(**ids) for name, path in PLACES.items()}


def seed_history(site: Site) -> dict[str, str]:
    """A corrected failure, with a note, that a model was asked about, and an unread delivery."""
    failure = site.seed(6, answer={}).failure_id or ""
    with site.services.engine.begin() as conn:
        found = get_failure(conn, failure)
        assert found
        assert found.current_analysis_id
        better = make_answer("", {"id": "x", "title": "The view hides the table", "explanation": "A view is in front."})
        review(conn, found.current_analysis_id, "bo@example.com", "correct", expected_version=found.version,
               corrected=better, note="It is a view.")  # fmt: skip
        add_note(conn, failure, "cy@example.com", "Asked the owner.")
        now, prompt = datetime.now(UTC), ("root_cause", "2-0a1b2c3d4e5f")
        call = open_call(conn, NewCall(failure, "anthropic", "claude-sonnet-5-5", *prompt, 0.5), now)
        keep_request(conn, call, failure, "You find the root cause of one failure.", f"<event>{TEXT}</event>")
        close_call(conn, call_id=call, outcome="answered", model="claude-sonnet-5-5", tokens=(4_000, 600), cost=0.02,
                   seconds=4.0)  # fmt: skip
        keep_findings(conn, call, ["principal: 'root' stands in the title, but the event does not name it"])
        delivery = list_unparsed(conn, None, None, 1).items[0].id
    return {"corrected": failure, "call": call, "delivery": delivery}


def arrange(page: Page, name: str) -> None:
    """What has to be done on a page before it shows what its name says."""
    if name == "explain":
        page.get_by_label("Error text").fill("ERROR: permission denied for schema orders")
        page.get_by_role("button", name="Show close rules too").click()
        page.locator("#answer").wait_for()
    if name == "corrected":
        page.get_by_text("What changed in").click()
    if name == "stale":
        page.locator("input[name=version]").first.evaluate("one => { one.value = 99; }")
        page.get_by_role("button", name="Approve", exact=True).click()
        page.get_by_role("heading", name="Your decision was not saved").wait_for()


@pytest.mark.parametrize("part", range(PARTS))
def test_pages_fit_and_can_be_read(open_page: Callable[..., Page], paths: dict[str, str], part: int) -> None:
    page = open_page("/")
    for name, path in list(paths.items())[part::PARTS]:
        open_small(page, path)
        arrange(page, name)
        look_at(page, name)


def open_small(page: Page, path: str) -> Response:
    """Load a page on the smallest screen, where the least fits."""
    resize(page, "phone")
    reply = page.goto(path)
    assert reply
    return reply


def resize(page: Page, screen: str) -> None:
    width, height = SCREENS[screen]
    page.set_viewport_size({"width": width, "height": height})


def look_at(page: Page, name: str) -> None:
    """Hold one loaded page to everything: each width, each theme, what axe knows, and text of twice the size."""
    page.evaluate(AXE_SCRIPT)
    for screen in SCREENS:
        resize(page, screen)
        assert page.evaluate(WIDE) <= 0, f"{name} is too wide for a {screen}"
        for scheme in ("dark", "light") if screen != "tablet" else ():
            page.emulate_media(color_scheme=scheme, reduced_motion="reduce")  # type: ignore[arg-type]  # a literal
            assert page.evaluate(CONTRAST) == [], f"{name}, {screen}, {scheme}"
            if (screen, scheme) == ("desk", "dark"):
                ask_axe(page, name, {"type": "rule", "values": ["color-contrast"]})
        if screen == "phone":
            ask_axe(page, name, {"type": "rule", "values": ON_A_PHONE})
    ask_axe(page, name, WCAG)
    assert page.evaluate(FAULTS) == [], name
    page.set_viewport_size({"width": 1280, "height": 800})
    page.evaluate("document.documentElement.style.fontSize = '200%'")
    assert page.evaluate(WIDE) <= 0, f"{name} is too wide with large text"


def ask_axe(page: Page, name: str, rules: Any) -> None:
    found = AxeResults(page.evaluate("how => axe.run(how)", {"runOnly": rules, "resultTypes": ["violations"]}))
    assert found.violations_count == 0, f"{name}: {found.generate_report()}"


def test_a_first_start_and_an_outage_can_be_read_too(
    chromium: Browser, tmp_path_factory: pytest.TempPathFactory
) -> None:
    with running_site(tmp_path_factory.mktemp("first")) as site:
        with site.services.engine.begin() as conn:
            conn.exec_driver_sql("DELETE FROM account")
        page = chromium.new_context(base_url=site.url).new_page()
        open_small(page, f"/setup?token={site.services.sign_in.open_setup_token()}")
        look_at(page, "set-up")
        page.goto(page.url)
        page.get_by_label("E-mail").fill(EMAIL)
        page.get_by_label("Password").fill(PASSWORD)
        page.get_by_role("button", name="Make the account").click()
        page.wait_for_url(f"{site.url}/")
        for name, path in {"nothing": "/", "no-source": "/sources", "no-number": "/insights"}.items():
            assert open_small(page, path).status == 200
            look_at(page, name)
        failure = site.seed(1, answer={}).failure_id
        break_things(site, """UPDATE analysis SET answer = '{"title": "a-damaged-row"}'""")
        assert open_small(page, f"/failures/{failure}").status == 500
        look_at(page, "crash")
        break_things(site, "ALTER TABLE failure RENAME TO hidden")
        assert open_small(page, "/").status == 503
        look_at(page, "outage")
        page.context.close()


def break_things(site: Site, statement: str) -> None:
    with site.services.engine.begin() as conn:
        conn.exec_driver_sql(statement)


def test_the_focus_can_be_seen_everywhere(open_page: Callable[..., Page], paths: dict[str, str]) -> None:
    page = open_page(paths["failure"])
    for _ in range(25):
        page.keyboard.press("Tab")
        outline = page.evaluate("getComputedStyle(document.activeElement).outlineStyle")
        assert outline != "none", page.evaluate("document.activeElement.outerHTML")


def test_the_first_tab_skips_to_the_content(open_page: Callable[..., Page]) -> None:
    page = open_page("/")
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    assert page.evaluate("document.activeElement.id") == "main"


def test_a_printed_failure_has_no_controls(open_page: Callable[..., Page], paths: dict[str, str]) -> None:
    page = open_page(paths["failure"])
    page.emulate_media(media="print")
    for selector in (".top", ".review", ".tools"):
        assert not page.locator(selector).first.is_visible()
    assert page.locator("#artifact-1").is_visible()
