"""What a connector tells a person to paste holds the address and the proof of that one connection."""

import pytest

from connectors import discover
from connectors.base import Auth
from connectors.setup import fill_setup

ADDRESS = "https://why.example:8443/base/ingest/prod"


def filled(setup: str, auth: Auth, secret: str | None = "s3cret") -> str:
    return fill_setup(setup, address=ADDRESS, name="prod", auth=auth, secret=secret)


@pytest.mark.parametrize(
    ("auth", "text"),
    [
        (Auth("bearer"), f"curl {ADDRESS}\n-H 'Authorization: Bearer s3cret'\n"),
        (Auth("basic", username="ci"), f"curl {ADDRESS}\n-H 'Authorization: Basic Y2k6czNjcmV0'\n"),
        (Auth("header", name="X-Key"), f"curl {ADDRESS}\n-H 'X-Key: s3cret'\n"),
        (Auth("url-token"), f"curl {ADDRESS}?token=s3cret\n"),
        (Auth("none"), f"curl {ADDRESS}\n"),
    ],
)
def test_the_proof_stands_where_the_scheme_wants_it(auth, text):
    assert filled("curl %URL%\n-H '%HEADER%'\n", auth) == text


def test_host_path_and_name_stand_apart_for_senders_that_want_them_so():
    assert filled("%HOST% %PATH% %NAME% %SECRET%", Auth("bearer")) == "why.example:8443 /base/ingest/prod prod s3cret\n"


def test_a_secret_that_cannot_be_shown_is_a_placeholder():
    assert "Bearer <secret>" in filled("%HEADER%", Auth("bearer"), None)


def test_a_secret_that_looks_like_a_place_is_not_filled_again():
    assert filled("%SECRET% %NAME%", Auth("bearer"), "%NAME%") == "%NAME% prod\n"


@pytest.mark.parametrize("name", sorted(discover()))
def test_every_connector_says_what_to_paste_for_every_scheme(name):
    connector = discover()[name]
    for scheme in connector.schemes:
        text = filled(connector.setup, Auth(scheme, username="ci", name="X-Key"))
        assert "why.example" in text
        assert "%" + "URL" + "%" not in text
        assert scheme in {"signature", "none"} or "s3cret" in text or "czNjcmV0" in text or "Y2k6" in text, scheme
