"""No planted secret survives, whatever carries it; nothing else is touched; nothing makes it fail."""

import base64
import html
import json
import random
import re
import string
from collections.abc import Callable
from urllib.parse import quote

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from service.redact import Redactor
from service.redact.redactor import DETECTORS, triggers_of
from service.redact.span import view_of

REDACTOR = Redactor(b"k" * 32)
ALNUM = string.ascii_letters + string.digits
URL_SAFE = ALNUM + "_-"
HEX = "0123456789abcdef"

VENDOR_KEYS: dict[str, tuple[str, str, int]] = {
    "anthropic_key": ("sk-ant-api03-", URL_SAFE, 95),
    "openai_key": ("sk-proj-", URL_SAFE, 74),
    "openai_key (old)": ("sk-", ALNUM, 48),
    "openrouter_key": ("sk-or-v1-", HEX, 64),
    "xai_key": ("xai-", ALNUM, 80),
    "groq_key": ("gsk_", ALNUM, 52),
    "huggingface_token": ("hf_", string.ascii_letters, 34),
    "replicate_token": ("r8_", ALNUM, 37),
    "elevenlabs_key": ("sk_", HEX, 48),
    "google_api_key": ("AIzaSy", URL_SAFE, 33),
    "google_oauth_token": ("ya29.", URL_SAFE, 120),
    "google_client_secret": ("GOCSPX-", URL_SAFE, 28),
    "aws_session_token": ("IQoJb3JpZ2luX2Vj", ALNUM + "/+", 200),
    "github_token": ("ghp_", ALNUM, 36),
    "github_token (app)": ("ghs_", ALNUM, 36),
    "github_token (fine-grained)": ("github_pat_", ALNUM + "_", 82),
    "gitlab_token": ("glpat-", URL_SAFE, 20),
    "slack_token": ("xoxb-", string.digits + "-" + ALNUM, 50),
    "stripe_key": ("sk_live_", ALNUM, 24),
    "webhook_secret": ("whsec_", ALNUM, 32),
    "sendgrid_key": ("SG.abcdefghijklmnopqrstuv.", URL_SAFE, 43),
    "npm_token": ("npm_", ALNUM, 36),
    "pypi_token": ("pypi-AgEIcHlwaS5vcmcC", URL_SAFE, 150),
    "vault_token": ("hvs.", URL_SAFE, 90),
    "digitalocean_token": ("dop_v1_", HEX, 64),
    "shopify_token": ("shpat_", HEX, 32),
    "telegram_token": ("123456789:AA", URL_SAFE, 33),
    "databricks_token": ("dapi", HEX, 32),
    "azure_client_secret": ("aB38Q~", URL_SAFE + ".~", 34),
    "jwt": ("eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0In0.", URL_SAFE, 43),
}
CARRIED_ANYWHERE: dict[str, Callable[[str], str]] = {
    "prose": lambda s: f"could not use {s} for this request",
    "glued to punctuation": lambda s: f"key=({s}),",
    "JSON": lambda s: json.dumps({"error": f"bad key {s}", "n": 1}),
    "doubly escaped JSON": lambda s: json.dumps({"body": json.dumps({"error": f"line\n{s}\nend"})}),
    "traceback": lambda s: f'  File "/app/x.py", line 3, in f\n    call("{s}")\nValueError: {s}',
    "repr": lambda s: repr({"k": [s, s.encode()]}),
    "after an escaped line break": lambda s: f"first\\n{s}\\nlast",
    "coloured": lambda s: f"\x1b[31m{s}\x1b[0m",
    "query": lambda s: f"https://api.example.com/v1?x={quote(s, safe='')}&y=1",
    "user part of a URL": lambda s: f"https://{quote(s, safe='')}@example.com/org/repo.git",
}
NAMED: dict[str, Callable[[str], str]] = {
    "header": lambda s: f"GET /v1 HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer {s}\r\nAccept: */*",
    "API key header": lambda s: f"> X-Api-Key: {s}\n> Accept: */*",
    "header as a pair": lambda s: repr([("host", "a"), ("x-api-key", s)]),
    "ASGI header": lambda s: repr([(b"authorization", b"Bearer " + s.encode())]),
    "JSON header": lambda s: json.dumps({"headers": {"Authorization": f"Bearer {s}", "Host": "a"}}),
    "JSON": lambda s: json.dumps({"user": "bob", "client_secret": s, "n": 1}),
    "escaped JSON": lambda s: json.dumps({"body": json.dumps({"user": "bob", "access_token": s})}),
    "doubly escaped JSON": lambda s: json.dumps(json.dumps(json.dumps({"access_token": s, "n": 1}))),
    "name and value": lambda s: json.dumps([{"name": "DB_PASSWORD", "value": s}]),
    "YAML": lambda s: f"db:\n  password: {json.dumps(s)}\n  user: bob\n",
    "env dump": lambda s: f"HOME=/root\nAPI_TOKEN={s}\nLANG=C\n",
    "repr": lambda s: repr({"user": "bob", "password": s}),
    "keyword argument": lambda s: f"connect(user='bob', password={s!r}, port=5432)",
    "query": lambda s: f"GET https://x.example/a?access_token={quote(s, safe='')}&b=1 403",
    "encoded query": lambda s: (
        "https://x.example/?next=" + quote(f"https://y.example/?token={quote(s, safe='')}&b=1", safe="")
    ),
    "database URL": lambda s: f"could not connect to postgresql://app:{quote(s, safe='')}@db.internal:5432/shop",
    "percent-encoded URL": lambda s: quote(f"amqp://app:{quote(s, safe='')}@mq", safe=""),
    "XML": lambda s: f"<cfg><user>bob</user><password>{html.escape(s)}</password></cfg>",
    "HTML-escaped JSON": lambda s: html.escape(json.dumps({"password": s})),
    "cookie": lambda s: f"Cookie: theme=dark; sessionid={quote(s, safe='')}\nAccept: */*",
    "SQL": lambda s: "ALTER ROLE app WITH LOGIN PASSWORD '" + s.replace("'", "''") + "'",
    "basic": lambda s: "Authorization: Basic " + base64.b64encode(f"bob:{s}".encode()).decode(),
}


def forms(secret: str) -> set[str]:
    """What of a secret must not be seen: itself and its usual encodings."""
    return {
        secret,
        json.dumps(secret)[1:-1],
        json.dumps(json.dumps(secret)[1:-1])[1:-1],
        repr(secret)[1:-1],
        quote(secret, safe=""),
        html.escape(secret),
        base64.b64encode(f"bob:{secret}".encode()).decode(),
    }


def drawn(alphabet: str, length: int, seed: int) -> str:
    return "".join(random.Random(seed).choices(alphabet, k=length))


@pytest.mark.parametrize("vendor", VENDOR_KEYS)
@given(seed=st.integers(0, 2**32), carrier=st.sampled_from(sorted(CARRIED_ANYWHERE)))
@settings(max_examples=40, deadline=None)
def test_a_vendors_key_survives_nowhere(vendor: str, seed: int, carrier: str) -> None:
    prefix, alphabet, length = VENDOR_KEYS[vendor]
    secret = prefix + drawn(alphabet, length - 1, seed) + "a"
    clean = REDACTOR.redact(CARRIED_ANYWHERE[carrier](secret)).text
    assert secret not in clean
    assert secret[len(prefix) + 2 : -1] not in clean, "only a part was masked"


OPAQUE = st.builds(lambda seed, length: drawn(ALNUM, length, seed) + "q7", st.integers(0, 2**32), st.integers(16, 64))
PASSWORD = st.text(
    st.sampled_from(string.ascii_letters + string.digits + string.punctuation), min_size=6, max_size=30
).map(lambda text: "p" + re.sub(r"(.)\1+", r"\1", text) + "Q7w")


@pytest.mark.parametrize("carrier", NAMED)
@given(secret=st.one_of(OPAQUE, PASSWORD))
@example(secret="$ecret1X")
@example(secret="a\"b'c\\d7Q")
@example(secret="p,a;b&c=d7Q")
@example(secret="pass]}7Q)w")
@example(secret="p[redacted:password:0000]7Q")
@settings(max_examples=60, deadline=None)
def test_a_secret_behind_its_name_survives_nowhere(carrier: str, secret: str) -> None:
    if carrier in {"header", "API key header"} and not set(secret) <= set(ALNUM + "-._~+/="):
        secret = "x" + secret.encode().hex()
    clean = REDACTOR.redact(NAMED[carrier](secret)).text
    assert not [form for form in forms(secret) if form in clean], clean


@given(st.text(max_size=400))
@example("\ud800 password=\udfff")
@example("İ" * 10 + " password=hunter2X")
@settings(max_examples=300, deadline=None)
def test_any_unicode_is_redacted_without_error(text: str) -> None:
    REDACTOR.redact(text)


PIECES = [
    *(carrier("aB3dE5gH7jK9mN1p") for carrier in [*NAMED.values(), *CARRIED_ANYWHERE.values()]),
    *(prefix + "aB3dE5gH7jK9mN1pQ2rS4tU6vW8xY0zA1bC2" for prefix, _, _ in VENDOR_KEYS.values()),
    *"password token secret api_key Authorization: Cookie: Bearer Basic = : => , ; & ? @ :// [ ] { } ( ) < >".split(),
    *("\\n", '\\"', '"', "'", " ", "\n", "...", "***", "%3D", "%22", "x" * 30),
    *("[redacted:token:ab12]", "[redacted:", ":ab12]", "AKIAIOSFODNN7EXAMPLE"),
]


@given(st.lists(st.sampled_from(PIECES), max_size=12).map("".join))
@settings(max_examples=600, deadline=None, derandomize=True)
def test_redacting_twice_changes_nothing(text: str) -> None:
    once = REDACTOR.redact(text).text
    assert REDACTOR.redact(once).text == once


TRIGGERS = triggers_of(DETECTORS)


@given(st.lists(st.sampled_from(PIECES), max_size=8).map("".join))
@settings(max_examples=200, deadline=None)
def test_no_detector_is_left_out_where_it_would_find_something(text: str) -> None:
    hits = TRIGGERS.Match(text.encode()) or []
    view = view_of(text)
    missed = [detector.trigger for n, detector in enumerate(DETECTORS) if n not in hits and any(detector.find(view))]
    assert not missed


WORDS = "access denied to table orders because the role reader lacks SELECT in namespace shop for key of bucket".split()


@given(st.lists(st.sampled_from(WORDS) | st.from_regex(r"[a-z]{1,12}(-[a-z]{1,8})?", fullmatch=True), max_size=60))
@settings(max_examples=200, deadline=None)
def test_plain_words_stay_as_they_are(words: list[str]) -> None:
    text = " ".join(words)
    assert REDACTOR.redact(text).text == text


@given(st.uuids(), st.integers(10**11, 10**12 - 1), st.integers(0, 2**160 - 1))
@settings(max_examples=100, deadline=None)
def test_identifiers_stay_as_they_are(uuid: object, account: int, digest: int) -> None:
    text = (
        f"request id: {uuid} arn:aws:iam::{account}:role/app-{digest:040x} image@sha256:{digest:064x} "
        f"commit {digest:040x} /subscriptions/{uuid}/resourceGroups/rg pod web-{digest:010x}"[:400]
    )
    assert REDACTOR.redact(text).text == text
