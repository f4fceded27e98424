"""A real Chromium against a real service. Where no Chromium is installed these tests are left out, loudly."""

import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, expect, sync_playwright
from service_site import EMAIL, Site, running_site

HERE = Path(__file__).parent
CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
ARGUMENTS = (
    "--no-sandbox --disable-gpu --disable-quic --no-first-run --disable-background-networking "
    "--disable-component-update --disable-sync --host-resolver-rules=MAP*why.test*127.0.0.1"
)
EXPECTED = (
    "the server responded with a status of 4",
    "Cross-Origin-Opener-Policy header has been ignored",  # over plain HTTP on a name, where browsers do so
)
expect.set_options(timeout=20_000)
_HOW = "install Chromium (on Debian and Ubuntu: apt-get install chromium)"


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    if CHROMIUM:
        return
    if os.environ.get("WHYDENIED_TEST_ALL") == "1":
        pytest.exit(f"the whole suite needs a browser: {_HOW}", returncode=4)
    left_out = [item for item in items if item.path.is_relative_to(HERE)]
    config.hook.pytest_deselected(items=left_out)
    items[:] = [item for item in items if item not in left_out]


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    if not CHROMIUM:
        terminalreporter.section("NOT TESTED IN A BROWSER", sep="!", red=True, bold=True)
        terminalreporter.line(f"No Chromium was found: {_HOW}.")


@pytest.fixture(scope="module")
def chromium() -> Iterator[Browser]:
    """A browser for one file: while Playwright is open its event loop counts as running, and nobody else's can."""
    arguments = [argument.replace("*", " ") for argument in ARGUMENTS.split()]
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=arguments)
        yield browser
        browser.close()


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    with running_site(tmp_path_factory.mktemp("e2e")) as running:
        yield running


@pytest.fixture(scope="module")
def cookies(site: Site) -> list[dict[str, str]]:
    """The session of somebody who has signed in."""
    return [{"name": c.name, "value": c.value or "", "url": site.url} for c in site.browser(EMAIL).cookies.jar]


@pytest.fixture
def open_page(chromium: Browser, site: Site, cookies: list[dict[str, str]]) -> Iterator[Callable[..., Page]]:
    """Open a page as who is signed in; in the end no page may have complained or asked anything."""
    contexts: list[BrowserContext] = []
    complaints: list[str] = []

    def open_it(path: str = "/", *, signed_in: bool = True, base: str = "", **options: Any) -> Page:
        context = chromium.new_context(base_url=base or site.url, **options)
        contexts.append(context)
        if signed_in:
            context.add_cookies(cookies)  # type: ignore[arg-type]  # a plain dict is what the driver takes
        page = context.new_page()
        page.set_default_timeout(30_000)
        page.on(
            "console", lambda m: complaints.append(f"{m.type}: {m.text}") if m.type in {"error", "warning"} else None
        )
        page.on("pageerror", lambda error: complaints.append(str(error)))
        page.on("dialog", lambda dialog: (complaints.append(f"dialog: {dialog.message}"), dialog.dismiss()))
        page.goto(path)
        return page

    yield open_it
    for context in contexts:
        context.close()
    assert [complaint for complaint in complaints if not any(words in complaint for words in EXPECTED)] == []
