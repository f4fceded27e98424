"""Connecting a source in a browser: choose, make, wait, and watch it turn into what arrived or why it was refused."""

import re
from collections.abc import Callable

import httpx
from playwright.sync_api import Page, expect
from service_site import Site

DENIED = "ERROR: permission denied for table orders"


def connect(page: Page, source: str, name: str, scheme: str) -> None:
    page.goto("/sources/new")
    page.get_by_label("Search sources").fill(source)
    page.get_by_role("link", name=source).click()
    page.locator("#name").fill(name)
    page.get_by_role("radio", name=scheme).check()
    page.get_by_role("button", name="Make the connection").click()


def test_a_source_is_found_connected_and_seen_to_deliver(site: Site, open_page: Callable[..., Page]) -> None:
    page = open_page("/sources/new")
    page.get_by_label("Search sources").fill("anything json")
    expect(page.locator("#choices li:visible")).to_have_count(1)
    page.get_by_label("Search sources").fill("nothing of the kind")
    expect(page.get_by_text("No source is called so")).to_be_visible()
    connect(page, "Anything that posts JSON or text", "shop", "A bearer token")
    expect(page.get_by_role("heading", name="Waiting for the first delivery")).to_be_visible()
    secret = page.locator("#connection-secret").inner_text()
    assert secret in page.locator("#connection-setup").inner_text()
    address = page.locator("#connection-address").inner_text()
    httpx.post(address, json={"message": DENIED}, headers={"authorization": f"Bearer {secret}"}, trust_env=False)
    expect(page.get_by_role("heading", name="What arrived last")).to_be_visible(timeout=15_000)
    page.get_by_role("link", name="A role may not use table orders").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("A role may not use table orders")
    page.goto("/sources/shop")
    assert secret not in page.content()


def test_why_it_was_refused_appears_by_itself(site: Site, open_page: Callable[..., Page]) -> None:
    page = open_page("/sources/new")
    connect(page, "Prometheus Alertmanager", "refusing", "A bearer token")
    expect(page.get_by_role("heading", name="Waiting for the first delivery")).to_be_visible()
    httpx.post(f"{site.url}/ingest/refusing", json=[], trust_env=False)
    expect(page.get_by_role("heading", name="It was refused")).to_be_visible(timeout=15_000)
    expect(page.locator("#live .notice")).to_contain_text("holds no secret of this connection")


def test_only_the_fields_of_the_chosen_proof_are_asked_for(open_page: Callable[..., Page]) -> None:
    page = open_page("/sources/new?connector=gitlab")
    expect(page.locator("#secret")).to_be_visible()
    expect(page.locator("#header")).to_be_hidden()
    page.get_by_role("radio", name="A header of its own").check()
    expect(page.locator("#header")).to_have_value("X-Gitlab-Token")
    page.get_by_role("radio", name="Nothing").check()
    expect(page.locator("#secret")).to_be_hidden()


def test_it_works_without_script(site: Site, open_page: Callable[..., Page]) -> None:
    page = open_page("/sources/new", java_script_enabled=False)
    page.get_by_label("Search sources").fill("splunk alert")
    page.get_by_role("button", name="Search").click()
    page.get_by_role("link", name="Splunk (alert webhook)").click()
    page.locator("#name").fill("scriptless")
    page.get_by_role("button", name="Make the connection").click()
    address = re.sub(r"\s", "", page.locator("#connection-address").inner_text())
    page.goto("/sources/scriptless")
    assert httpx.post(address, json={"result": {"_raw": DENIED}, "sid": "1"}, trust_env=False).status_code == 202
    page.reload()
    expect(page.get_by_role("heading", name="What arrived last")).to_be_visible()
