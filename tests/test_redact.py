"""Masks: what they look like, what is masked in which place, and that failure lets nothing through."""

import base64
import dataclasses
import json
import re
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from connectors.base import ErrorEvent
from service.redact import RedactionFailed, Redactor

REDACTOR = Redactor(b"k" * 32)
SECRET = "aB3dE5gH7jK9mN1pQ2"
PASSWORD = "hunter2!Trout"
MASK = re.compile(r"\[redacted:[a-z_]+:[0-9a-f]{4}\]")


def redact(text: str) -> str:
    return REDACTOR.redact(text).text


def shape(text: str) -> str:
    """The redacted text with the digits of its masks left out."""
    return MASK.sub(lambda mask: mask.group().rsplit(":", 1)[0] + "]", redact(text))


def test_a_mask_names_the_kind_and_four_keyed_digits() -> None:
    clean = REDACTOR.redact(f"key sk-ant-api03-{SECRET} and token={SECRET}x")
    assert re.fullmatch(
        r"key \[redacted:anthropic_key:[0-9a-f]{4}\] and token=\[redacted:token:[0-9a-f]{4}\]", clean.text
    )
    assert clean.counts == {"anthropic_key": 1, "token": 1}


def test_equal_secrets_have_equal_digits_wherever_they_stand() -> None:
    digits = [
        re.findall(r":([0-9a-f]{4})\]", redact(text))
        for text in (
            f"token={SECRET}",
            f'{{"password": "{SECRET}"}}',
            f"https://u:{SECRET}@h/",
            f"Authorization: Bearer {SECRET}",
        )
    ]
    assert len({tuple(found) for found in digits}) == 1
    assert len(digits[0]) == 1


def test_the_digits_depend_on_the_key() -> None:
    other = Redactor(b"o" * 32)
    assert other.redact(f"token={SECRET}").text != redact(f"token={SECRET}")


def test_a_key_must_be_long_enough() -> None:
    with pytest.raises(ValueError, match="16 to 64 bytes"):
        Redactor(b"short")


def test_a_mask_in_hostile_text_is_nothing_special() -> None:
    assert redact("password=[redacted:password:0000]") == "password=[redacted:password:0000]"
    assert PASSWORD not in redact(f"password=[redacted:password:0000]{PASSWORD}")
    assert PASSWORD not in redact(f"[redacted:password={PASSWORD}")
    assert SECRET not in redact(f"[redacted:token:ab12] token={SECRET} [redacted:token:ab12]")


def test_a_secret_recognised_once_is_masked_everywhere() -> None:
    clean = redact(f"could not use {SECRET}\nPOST /login\ntoken={SECRET}")
    assert SECRET not in clean
    assert len(set(MASK.findall(clean))) == 1


def test_an_ordinary_password_does_not_take_the_word_out_of_the_rest() -> None:
    clean = redact("postgres://app:postgres@db/postgres: permission denied for user postgres")
    assert clean.endswith("@db/postgres: permission denied for user postgres")


ESCAPES = {"\\n": "\n", "\\r": "\r", "\\\\": "\\"}


def samples() -> list[tuple[str, str]]:
    lines = Path(__file__).with_name("redact_samples.txt").read_text().splitlines()
    pairs = [line.split(" ==> ") for line in lines if line[:1] != "#"]
    return [(unescape(before), unescape(after)) for before, after in pairs]


def unescape(text: str) -> str:
    return re.sub(r"\\[nr\\]", lambda escape: ESCAPES[escape.group()], text)


@pytest.mark.parametrize(("before", "after"), samples())
def test_only_the_secret_goes_and_what_surrounds_it_stays(before: str, after: str) -> None:
    assert shape(before) == after
    assert redact(redact(before)) == redact(before)


BODY = base64.b64encode(bytes(range(256))).decode()
LINES = "\n".join(BODY[i : i + 64] for i in range(0, len(BODY), 64))
PEM = f"-----BEGIN RSA PRIVATE KEY-----\n{LINES}\n-----END RSA PRIVATE KEY-----"
PEM_CARRIERS: dict[str, Callable[[str], str]] = {
    "plain": lambda pem: f"bad key:\n{pem}\nafter",
    "service account": lambda pem: json.dumps({"private_key": pem, "client_email": "after"}),
    "doubly escaped": lambda pem: json.dumps(json.dumps({"private_key": pem, "z": "after"})),
    "indented": lambda pem: "key: |\n" + "".join(f"    {line}\n" for line in pem.splitlines()) + "z: after",
    "one line": lambda pem: pem.replace("\n", " ") + " after",
    "in a log": lambda pem: "\n".join(f"12:00 app: {line}" for line in pem.splitlines()) + "\nafter",
    "encrypted": lambda pem: (
        pem.replace("-----\n", "-----\nProc-Type: 4,ENCRYPTED\nDEK-Info: AES,AB\n\n", 1) + "\nafter"
    ),
    "base64": lambda pem: "client-key-data: " + base64.b64encode(pem.encode()).decode() + "\nafter",
}


@pytest.mark.parametrize("carrier", PEM_CARRIERS)
def test_a_private_key_goes_whole(carrier: str) -> None:
    clean = redact(PEM_CARRIERS[carrier](PEM))
    assert "[redacted:private_key:" in clean
    assert "after" in clean
    assert not [line for line in LINES.splitlines() if line[:20] in clean]


def test_a_private_key_that_was_cut_off_goes_too() -> None:
    assert MASK.fullmatch(redact(PEM[:150]))


URL_SAFE = BODY.replace("+", "-").replace("/", "_").rstrip("=")
JWT = f"eyJhbGciOiJSUzI1NiJ9.eyJ{URL_SAFE[:150]}.{URL_SAFE[:200]}"


@pytest.mark.parametrize("indent", ["", "    "])
def test_a_wrapped_jwt_goes_whole(indent: str) -> None:
    wrapped = "".join(f"\n{indent}{JWT[i : i + 64]}" for i in range(0, len(JWT), 64))
    assert shape(f"token was:{wrapped}\nnext line") == f"token was:\n{indent}[redacted:jwt]\nnext line"


def test_email_addresses_stay_unless_asked_for() -> None:
    text = "user bob.smith@example.com lacks storage.objects.get"
    assert redact(text) == text
    asked = Redactor(b"k" * 32, emails=True).redact(text)
    assert asked.counts == {"email": 1}
    assert "bob" not in asked.text
    assert asked.text.endswith("lacks storage.objects.get")


def event(**fields: Any) -> ErrorEvent:
    return ErrorEvent(**{"id": "e1", "text": "boom", "type": "error", "time": datetime.now(UTC), **fields})


def test_every_field_of_an_event_is_redacted() -> None:
    names = [
        field.name for field in dataclasses.fields(ErrorEvent) if field.type in {str, "str", "str | None", str | None}
    ]
    dirty = event(**dict.fromkeys(names, f"x token={SECRET}"))
    clean = REDACTOR.redact_event(dirty)
    assert len(names) == 10
    assert SECRET not in repr(clean)
    assert REDACTOR.redact_event(clean) == clean


ATTRIBUTES: dict[str, Any] = {
    "headers": {"Authorization": f"Bearer {SECRET}", "X-Api-Key": ["hunter2X"], "Accept": "*/*"},
    "pairs": [["Cookie", "a=hunter2X"], ["Host", "h"]],
    "env": [{"name": "DB_PASSWORD", "value": "hunter2X"}, {"name": "LANG", "value": "C"}],
    "cookies": {"sid": "hunter2X"},
    "password": 12345678,
    "deep": {"a": [{"b": f"ghp_{SECRET}{SECRET}"}]},
    f"sk-ant-api03-{SECRET}": 1,
    "tuple": ("a", f"token={SECRET}"),
}


def test_attributes_named_like_secrets_are_masked_whole() -> None:
    clean = REDACTOR.redact_event(event(attributes=ATTRIBUTES)).attributes
    assert not [secret for secret in (SECRET, "hunter2X", "12345678") if secret in repr(clean)]
    assert clean["headers"]["Authorization"].startswith("Bearer [redacted:token:")
    assert clean["headers"]["Accept"] == "*/*"
    assert clean["pairs"][1] == ["Host", "h"]
    assert clean["env"][1] == {"name": "LANG", "value": "C"}


NO_SECRETS: dict[str, Any] = {
    "secretName": "db",
    "max_tokens": 4096,
    "token": None,
    "password": "YES",
    "secret": True,
    "api_key": "",
    "auth": {"mode": "oidc"},
    "nested_secret": {"name": "db-password"},
    "request_token": "7c2b7a3e-7c58-2b1c-3f3e-1f2e3d4c5b6a",
    "next_token": "CAUQAA9kd8s7d6f5g4h3j2k1",
    "tags": ["a", 1.5],
}


def test_attributes_that_are_no_secrets_stay() -> None:
    dirty = event(text=f"token={SECRET}", attributes=NO_SECRETS)
    assert REDACTOR.redact_event(dirty).attributes == NO_SECRETS
    assert REDACTOR.redact_event(event(attributes=NO_SECRETS)).attributes == NO_SECRETS


def test_a_secret_that_an_attribute_gives_away_goes_from_the_text_too() -> None:
    dirty = event(text=f"cannot use {SECRET}", attributes={"api_key": SECRET})
    assert SECRET not in repr(REDACTOR.redact_event(dirty))


def test_an_event_without_secrets_stays_equal() -> None:
    clean = event(text="permission denied for table orders", attributes={"server": "web-1"})
    assert REDACTOR.redact_event(clean) == clean


def test_attributes_become_what_json_can_hold() -> None:
    odd = {"at": datetime(2026, 1, 2, tzinfo=UTC), 7: (1, "a")}
    for text in ("boom", f"token={SECRET}"):
        clean = REDACTOR.redact_event(event(text=text, attributes=odd))
        assert clean.attributes == {"at": "2026-01-02 00:00:00+00:00", "7": [1, "a"]}


def test_bottomless_attributes_are_cut_and_not_fatal() -> None:
    bottomless: dict[str, Any] = {"token": SECRET}
    for _ in range(3000):
        bottomless = {"a": bottomless}
    clean = REDACTOR.redact_event(event(attributes=bottomless))
    assert "nested too deeply" in str(clean.attributes)
    assert SECRET not in str(clean.attributes)


class Unreadable:
    def __str__(self) -> str:
        raise OSError(f"gone: {SECRET}")


def test_what_cannot_be_checked_is_refused_and_not_named() -> None:
    with pytest.raises(RedactionFailed) as refused:
        REDACTOR.redact_event(event(attributes={"a": Unreadable()}))
    assert SECRET not in str(refused.value)
    assert refused.value.__suppress_context__


def test_a_text_that_is_no_text_is_refused() -> None:
    nothing: Any = None
    with pytest.raises(RedactionFailed):
        REDACTOR.redact(nothing)
