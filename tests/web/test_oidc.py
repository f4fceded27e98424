"""Signing in with an OpenID Connect provider: the way in, and every way to get in wrongly."""

import asyncio
import json
import math
from collections.abc import Callable, Iterator
from typing import Any
from urllib.parse import parse_qs, urlsplit

import httpx
import pytest
from oidc_provider import (
    CLIENT_ID,
    CLIENT_SECRET,
    Provider,
    running_provider,
    settings_for,
    signed_by_a_stranger,
    signed_with_the_secret,
    unsigned,
)
from service_site import EMAIL, PASSWORD, Site, running_site

from service.oidc_settings import OidcSettingsError, open_provider
from service.settings import Settings
from service.store.access import change_account, create_account, list_accounts
from service.web.oidc_claims import SignInFailed

ADA = {"sub": "ada-1", "email": "ada@example.com", "email_verified": True, "groups": ["sre"]}


@pytest.fixture(scope="module")
def provider() -> Iterator[Provider]:
    with running_provider() as running:
        yield running


@pytest.fixture(scope="module")
def site(provider: Provider, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    settings = settings_for(provider, "admin=leads; reviewer=sre")
    with running_site(tmp_path_factory.mktemp("oidc"), **settings) as running:
        yield running


@pytest.fixture(autouse=True)
def _as_it_should_be(provider: Provider, site: Site) -> None:
    """Every test begins with a provider that follows the protocol, and attempts that were not counted."""
    fresh = Provider(provider.vendor, dict(ADA))
    for name in ("person", "tamper", "sign", "userinfo", "issues_as", "ways"):
        setattr(provider, name, getattr(fresh, name))
    site.services.sign_in._attempts._failures.clear()


class Browser:
    """A browser that follows redirects by hand, so that a test can meddle with each."""

    def __init__(self, site: Site) -> None:
        self.site = site
        self.client = site.browser(None)

    def begin(self, path: str = "/login/oidc") -> str:
        """Start; gives the way back that the provider sends the browser on."""
        away = self.client.get(path)
        assert away.status_code == 303, away.text
        back = self.client.get(away.headers["location"]).headers["location"]
        parts = urlsplit(back)
        assert f"{parts.scheme}://{parts.netloc}{parts.path}" == "http://localhost/login/oidc/callback"
        return f"{parts.path}?{parts.query}"

    def sign_in(self, path: str = "/login/oidc") -> httpx.Response:
        return self.client.get(self.begin(path))

    @property
    def is_in(self) -> bool:
        return self.client.get("/explain").status_code == 200


@pytest.fixture
def browser(site: Site) -> Browser:
    return Browser(site)


def accounts(site: Site) -> dict[str, str]:
    with site.services.engine.connect() as conn:
        return {one.username: one.role for one in list_accounts(conn)}


def audit(site: Site) -> list[tuple[str, str, str]]:
    items = site.browser().get("/audit.json").json()["items"]
    return [(one["who"], one["action"], one["detail"]) for one in items]


def test_a_person_of_the_provider_comes_in_in_the_role_of_his_group_and_where_he_wanted_to(
    browser: Browser, site: Site, provider: Provider
) -> None:
    assert (
        'href="/login/oidc?next=%2Frules">Sign in with Example Login</a>'
        in browser.client.get("/login?next=/rules").text
    )
    reply = browser.sign_in("/login/oidc?next=/rules%3Fq=x")
    assert (reply.status_code, reply.headers["location"]) == (303, "/rules?q=x")
    assert browser.is_in
    assert accounts(site)["ada@example.com"] == "reviewer"
    deeds = audit(site)
    assert ("ada@example.com", "linked the account", f"ada@example.com to {provider.issuer}") in deeds
    assert ("ada@example.com", "signed in", f"by {provider.issuer} from 127.0.0.1") in deeds


def test_nothing_but_the_subject_is_remembered_and_the_role_follows_the_provider(
    browser: Browser, site: Site, provider: Provider
) -> None:
    browser.sign_in()
    provider.person |= {"email": "ada.new@example.com", "groups": ["sre", "leads"]}
    assert Browser(site).sign_in().status_code == 303
    assert accounts(site)["ada@example.com"] == "admin"
    assert "ada.new@example.com" not in accounts(site)
    assert ("ada@example.com", "changed the account", "ada@example.com: admin, as the provider says") in audit(site)


def test_an_account_of_the_same_verified_address_is_linked_once(site: Site, provider: Provider) -> None:
    with site.services.engine.begin() as conn:
        create_account(conn, "bea@example.com", "", "viewer")
    provider.person |= {"sub": "bea-1", "email": "Bea@example.com"}
    assert Browser(site).sign_in().status_code == 303
    provider.person |= {"sub": "bea-2"}
    other = Browser(site)
    reply = other.sign_in()
    assert (reply.status_code, other.is_in) == (403, False)
    assert "belongs to somebody else at the provider" in reply.text


@pytest.mark.parametrize("claims", [{"email_verified": False}, {"email_verified": None}, {"email": None}])
def test_an_address_that_is_not_verified_opens_no_account(
    browser: Browser, site: Site, provider: Provider, claims: dict[str, Any]
) -> None:
    provider.person |= {"sub": "mallory", "email": EMAIL, **claims}
    reply = browser.sign_in()
    assert (reply.status_code, browser.is_in) == (403, False)
    assert "no account is yours yet" in reply.text


def test_who_is_in_no_group_or_is_locked_stays_out(browser: Browser, site: Site, provider: Provider) -> None:
    provider.person |= {"sub": "carl", "email": "carl@example.com", "groups": ["sales"]}
    assert "lets you in here" in browser.sign_in().text
    provider.person["groups"] = "sre"
    assert browser.sign_in().status_code == 303
    with site.services.engine.begin() as conn:
        [carl] = [one.id for one in list_accounts(conn) if one.username == "carl@example.com"]
        change_account(conn, carl, disabled=True)
    assert not browser.is_in
    assert "Your account is locked" in Browser(site).sign_in().text


def test_an_account_without_a_password_is_opened_by_none(browser: Browser, site: Site) -> None:
    browser.sign_in()
    for password in ("", "nobody has this password", PASSWORD):
        form = {"email": "ada@example.com", "password": password}
        assert site.browser(None).post("/login", data=form).status_code == 401


def test_what_only_userinfo_tells_is_asked_for(browser: Browser, site: Site, provider: Provider) -> None:
    provider.person = {"sub": "dora-1"}
    provider.userinfo = {"email": "dora@example.com", "email_verified": True, "groups": ["sre"]}
    assert browser.sign_in().status_code == 303
    provider.userinfo |= {"sub": "ada-1"}
    assert Browser(site).sign_in().status_code == 502


def test_a_provider_that_wants_the_secret_in_the_form_gets_it_there(browser: Browser, provider: Provider) -> None:
    provider.ways = ("client_secret_post",)
    ours = browser.site.services.provider
    assert ours
    ours._published = None
    assert browser.sign_in().status_code == 303
    ours._published = None


def test_a_state_that_is_not_this_browsers_is_refused(browser: Browser, site: Site) -> None:
    way_back = browser.begin()
    victim = Browser(site)
    assert victim.client.get(way_back).status_code == 400
    victim.begin()
    assert victim.client.get(way_back).status_code == 400
    forged = browser.client.get(way_back.replace("state=", "state=x"))
    assert forged.status_code == 400
    assert "did not begin in this browser" in forged.text
    assert not victim.is_in


def test_a_code_works_once(browser: Browser) -> None:
    way_back = browser.begin()
    kept = dict(browser.client.cookies)
    assert browser.client.get(way_back).status_code == 303
    browser.client.cookies.clear()
    browser.client.cookies.update(kept)
    replayed = browser.client.get(way_back)
    assert (replayed.status_code, browser.is_in) == (400, False)


@pytest.mark.parametrize(
    "tamper",
    [
        pytest.param(lambda claims: claims.update(nonce="another"), id="nonce of another sign-in"),
        pytest.param(lambda claims: claims.pop("nonce"), id="no nonce"),
        pytest.param(lambda claims: claims.update(aud="somebody-else"), id="another audience"),
        pytest.param(lambda claims: claims.update(aud=[CLIENT_ID, "b"]), id="several audiences and no party"),
        pytest.param(lambda claims: claims.update(azp="somebody-else"), id="another party"),
        pytest.param(lambda claims: claims.update(iss="https://evil.example"), id="another issuer"),
        pytest.param(lambda claims: claims.update(exp=claims["iat"] - 61), id="expired"),
        pytest.param(lambda claims: claims.pop("exp"), id="without an end"),
        pytest.param(lambda claims: claims.update(sub=None), id="nobody"),
    ],
)
def test_a_token_for_something_else_signs_nobody_in(
    browser: Browser, provider: Provider, tamper: Callable[[dict[str, Any]], None]
) -> None:
    provider.tamper = tamper
    reply = browser.sign_in()
    assert (reply.status_code, browser.is_in) == (502, False)
    assert "could not be verified" in reply.text
    assert 'name="password"' in reply.text


@pytest.mark.parametrize("sign", [unsigned, signed_with_the_secret, signed_by_a_stranger])
def test_a_token_that_the_provider_did_not_sign_signs_nobody_in(
    browser: Browser, provider: Provider, sign: Callable[[Provider, dict[str, Any]], str]
) -> None:
    provider.sign = sign
    assert (browser.sign_in().status_code, browser.is_in) == (502, False)


def test_a_changed_key_is_fetched_when_it_is_first_seen(browser: Browser, site: Site, provider: Provider) -> None:
    assert browser.sign_in().status_code == 303
    provider.rotate()
    ours = site.services.provider
    assert ours
    ours._refreshed = -math.inf
    assert Browser(site).sign_in().status_code == 303
    provider.rotate()
    ours._refreshed = math.inf
    assert Browser(site).sign_in().status_code == 502, "strangers could have the keys fetched at will"
    ours._published, ours._refreshed = None, -math.inf


def test_an_answer_of_another_issuer_is_refused(browser: Browser, provider: Provider) -> None:
    way_back = browser.begin()
    query = parse_qs(urlsplit(way_back).query)
    changed = {name: values[0] for name, values in query.items()} | {"iss": "https://evil.example"}
    assert browser.client.get(f"/login/oidc/callback?{httpx.QueryParams(changed)}").status_code == 400


def test_a_refusal_of_the_provider_is_told_without_its_words(browser: Browser) -> None:
    state = parse_qs(urlsplit(browser.begin()).query)["state"][0]
    reply = browser.client.get("/login/oidc/callback", params={"state": state, "error": "<b>access_denied"})
    assert reply.status_code == 403
    assert "Example Login did not sign you in" in reply.text
    assert "access_denied" not in reply.text


def test_guessing_is_braked(site: Site) -> None:
    browser = Browser(site)
    replies = [browser.client.get("/login/oidc/callback?state=x&code=y") for _ in range(11)]
    assert [reply.status_code for reply in replies] == [400] * 10 + [429]
    assert browser.client.get("/login/oidc").headers["retry-after"]


def test_a_provider_that_is_away_or_another_leaves_the_password(
    browser: Browser, site: Site, provider: Provider
) -> None:
    services = site.services
    assert services.provider is not None
    services.provider._published = None
    provider.issues_as = "https://evil.example"
    reply = browser.client.get("/login/oidc")
    assert reply.status_code == 503
    assert "Example Login does not answer as it should" in reply.text
    assert site.browser(EMAIL).get("/explain").status_code == 200
    provider.issues_as = None
    routes = dict(provider.vendor.routes)
    provider.vendor.routes.clear()
    assert browser.client.get("/login/oidc").status_code == 503
    provider.vendor.routes.update(routes)
    assert browser.client.get("/login/oidc").status_code == 303


def test_signing_out_offers_to_sign_out_of_the_provider(browser: Browser, site: Site, provider: Provider) -> None:
    browser.sign_in()
    left = browser.client.post("/logout")
    assert left.headers["location"] == "/login?out=provider"
    assert 'href="/login/oidc/out">Sign out of Example Login too</a>' in browser.client.get("/login?out=provider").text
    away = browser.client.get("/login/oidc/out").headers["location"]
    assert away.startswith(f"{provider.issuer}/bye?")
    assert browser.client.get(away).headers["location"] == "http://localhost/login"
    assert site.browser(EMAIL).post("/logout").headers["location"] == "/login"


def test_no_secret_of_a_sign_in_reaches_log_or_cookie(browser: Browser, capfd: pytest.CaptureFixture[str]) -> None:
    way_back = browser.begin()
    query = parse_qs(urlsplit(way_back).query)
    cookie = next(one for one in browser.client.cookies.jar if one.name == "whydenied-sign-in")
    assert cookie.has_nonstandard_attr("HttpOnly")
    assert query["state"][0] not in (cookie.value or "")
    browser.client.get(way_back)
    out, err = capfd.readouterr()
    for secret in (query["code"][0], query["state"][0], CLIENT_SECRET):
        assert secret not in out + err


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"oidc_issuer": "http://login.example.com"}, "must be an https address"),
        ({"public_url": None}, "needs WHYDENIED_OIDC_CLIENT_ID and WHYDENIED_PUBLIC_URL"),
        ({"oidc_roles": "root=everybody"}, "`root=everybody` is not ROLE=VALUE"),
    ],
)
def test_a_provider_that_cannot_work_is_told_at_the_start(settings: dict[str, Any], message: str) -> None:
    given = {"oidc_issuer": "https://login.example.com", "oidc_client_id": "w", "public_url": "https://why.example.com"}
    assert open_provider(Settings(**given)) is not None
    with pytest.raises(OidcSettingsError, match=message):
        open_provider(Settings(**{**given, **settings}))


@pytest.mark.parametrize(
    "address", ["http://127.0.0.1:6379/", "HTTP://localhost/", "http://keys.example/", "file:///k"]
)
def test_a_provider_elsewhere_may_not_send_us_to_this_machine(address: str, monkeypatch: pytest.MonkeyPatch) -> None:
    issuer = "https://login.example"
    told = dict.fromkeys(["authorization_endpoint", "token_endpoint"], f"{issuer}/x") | {"jwks_uri": address}
    asked = []

    async def answer(url: str, **_: object) -> bytes:
        asked.append(url)
        return json.dumps({"issuer": issuer, **told}).encode()

    monkeypatch.setattr("service.web.oidc_provider.fetch", answer)
    provider = open_provider(Settings(oidc_issuer=issuer, oidc_client_id="w", public_url="https://why.example"))
    assert provider
    with pytest.raises(SignInFailed):
        asyncio.run(provider.authorization_url(state="s", nonce="n", challenge="c"))
    assert asked == [f"{issuer}/.well-known/openid-configuration"]
