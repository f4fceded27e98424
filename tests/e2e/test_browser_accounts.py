"""Signing in with a provider, and what admins do to people, in a real browser."""

from collections.abc import Callable, Iterator
from dataclasses import replace

import pytest
from oidc_provider import Provider, running_provider, settings_for
from playwright.sync_api import Page, expect
from service_site import EMAIL, Site, running_site


@pytest.fixture(scope="module")
def provider() -> Iterator[Provider]:
    with running_provider() as running:
        yield running


@pytest.fixture(scope="module")
def site(provider: Provider, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    with running_site(tmp_path_factory.mktemp("accounts"), **settings_for(provider, "viewer=*")) as running:
        ours = running.services.provider
        assert ours
        ours.client = replace(ours.client, public_url=running.url)  # its port is known only now
        yield running


def test_the_provider_signs_in_and_out_again(open_page: Callable[..., Page], site: Site, provider: Provider) -> None:
    provider.person = {"sub": "eva-1", "email": "eva@example.com", "email_verified": True}
    page = open_page("/rules?q=table", signed_in=False)
    page.get_by_role("link", name="Sign in with Example Login").click()
    expect(page).to_have_url(f"{site.url}/rules?q=table")
    page.get_by_role("link", name="eva@example.com").click()
    expect(page.get_by_text("You have none here: your provider signs you in.")).to_be_visible()
    expect(page.get_by_role("cell", name=provider.issuer)).to_be_visible()
    page.get_by_role("button", name="Sign out", exact=True).click()
    page.get_by_role("link", name="Sign out of Example Login too").click()
    expect(page).to_have_url(f"{site.url}/login")
    assert "/bye" in provider.vendor.paths()


def test_a_refused_sign_in_says_why_and_leaves_the_password(open_page: Callable[..., Page], provider: Provider) -> None:
    provider.person = {"sub": "mallory-1", "email": EMAIL, "email_verified": False}
    page = open_page("/login", signed_in=False)
    page.get_by_role("link", name="Sign in with Example Login").click()
    expect(page.get_by_role("alert")).to_contain_text("no account is yours yet")
    expect(page.get_by_label("Password")).to_be_visible()


def test_an_admin_makes_an_account_and_locks_it_by_keyboard(open_page: Callable[..., Page]) -> None:
    page = open_page("/settings/accounts")
    page.get_by_label("E-mail").fill("new@example.com")
    page.get_by_label("Role", exact=True).select_option("viewer")
    page.get_by_role("button", name="Make the account").press("Enter")
    expect(page.get_by_role("heading", name="The password of new@example.com")).to_be_visible()
    page.get_by_role("button", name="Lock out new@example.com").press("Enter")
    expect(page.get_by_role("status")).to_contain_text("The account is changed.")
    expect(page.get_by_role("button", name="Let in new@example.com again")).to_be_visible()
