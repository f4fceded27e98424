"""What passwords are refused, what is counted, and a service that leaves signing in to its provider."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from service_site import EMAIL, PASSWORD, Site, running_site

from service.settings import Settings
from service.web.passwords import WeakPassword, hash_password, is_guessable

PROVIDER = {"oidc_issuer": "https://login.example.com", "oidc_client_id": "why", "public_url": "http://127.0.0.1"}


@pytest.mark.parametrize(
    "password",
    [
        "password1234",
        "P@ssw0rd1234!",
        "aaaaaaaaaaaa",
        "123456789012",
        "1qaz2wsx3edc",
        "ana.example-2026",
        "abcdabcdabcd",
    ],
)
def test_what_is_easily_guessed_is_no_password(password: str) -> None:
    with pytest.raises(WeakPassword, match="easily guessed"):
        hash_password(password, EMAIL)


@pytest.mark.parametrize("password", [PASSWORD, "tr0ub4dor&3xkcd", "k3Jd8s_0aQwz", "3141592653589793"])
def test_chance_is_not_taken_for_a_word(password: str) -> None:
    assert not is_guessable(password, EMAIL)


@pytest.fixture(scope="module")
def without_passwords(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    with running_site(tmp_path_factory.mktemp("oidc"), password_sign_in=False, **PROVIDER) as site:
        yield site


def test_without_passwords_only_the_provider_signs_in(without_passwords: Site) -> None:
    browser = without_passwords.browser(None)
    page = browser.get("/login").text
    assert "Sign in with login.example.com" in page
    assert "Password" not in page
    refused = browser.post("/login", data={"email": EMAIL, "password": PASSWORD, "next": "/"})
    assert refused.status_code == 401
    assert "Passwords are switched off here." in refused.text
    assert browser.get("/setup").headers["location"].endswith("/login")


def test_nobody_is_shut_out_by_a_setting() -> None:
    with pytest.raises(ValueError, match="nobody could sign in"):
        Settings(password_sign_in=False)


def test_sign_ins_are_counted(tmp_path: Path) -> None:
    with running_site(tmp_path) as site:
        site.browser().post("/login", data={"email": EMAIL, "password": "a wrong one", "next": "/"})
        told = site.browser(None).get("/metrics").text
    assert 'whydenied_sign_ins_total{outcome="ok",way="password"} 1.0' in told
    assert 'whydenied_sign_ins_total{outcome="refused",way="password"} 1.0' in told
