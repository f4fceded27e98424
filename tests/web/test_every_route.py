"""Every route there is, walked: strangers and other sites are refused, and nothing that is sent breaks one.

More is tried by `make fuzz`.
"""

import gzip
import json
import random
import re
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any
from urllib.parse import quote

import httpx
import pytest
from api_client import ADMIN_KEY, client, connect
from fastapi.routing import APIRoute
from fuzzing import FACTOR, dice
from service_site import EMAIL, Site, running_site

from connectors.recording import Recording, find_recordings, read_recording
from service.store.access import find_account, open_session
from service.web import find_pages, find_routers, health

_PAGES, _OPEN_PAGES = find_pages()
ROUTES = [
    (method, route.path)
    for router in [health.router, *find_routers(), *_PAGES, *_OPEN_PAGES]
    for route in router.routes
    if isinstance(route, APIRoute)
    for method in sorted(route.methods - {"HEAD"})
]
CHANGING = [(method, path) for method, path in ROUTES if method not in {"GET", "HEAD"}]
OPEN = {"/healthz", "/readyz", "/metrics"} | {
    route.path for router in _OPEN_PAGES for route in router.routes if isinstance(route, APIRoute)
}
TEMPLATES = Path(__file__).parents[2] / "service" / "web" / "templates"
FIELDS = sorted(
    {name for page in TEMPLATES.glob("*.html") for name in re.findall(r'\bname="([\w.-]+)"', page.read_text())}
)
QUERIES = ["q", "status", "system", "cursor", "limit", "next", "sort", "connection", "resolved", "snoozed", "connector"]
HOSTILE = [
    *("", " ", "0", "-1", "9" * 40, "1e309", "NaN", "null", "true", "[]", "{}", "..", "../../etc/passwd", "%00", "%"),
    *(
        "\x00",
        "\x7f\x1b[2J",
        "'\"><script>alert(1)</script>",
        "{{ 7 * 7 }}",
        "${jndi:ldap://x}",
        "'; DROP TABLE event;--",
    ),
    *("\u202e\u2028\ufeff", "\U0001f511" * 50, "x" * 5_000, "2026-13-40T99:99:99Z", "9999-12-31T23:59:59Z"),
    *("0001-01-01", "//evil.example", "a\r\nset-cookie: x=y", "NEAR(", 'AND OR NOT "', "*", "ana@example.com"),
]
BODIES = [
    b"",
    b"{",
    b"null",
    b"[]",
    b'"text"',
    b"[" * 5_000,
    b"\xff\xfe\x00",
    b"{}" * 3,
    b"a=%ff&a=%00&=&&",
    b"--x\r\n\r\n",
]
TYPES = [
    "application/json",
    "application/x-www-form-urlencoded",
    "multipart/form-data; boundary=x",
    "text/plain",
    "x",
    "",
]
CODINGS = ["gzip", "deflate", "br", "zstd", "gzip, gzip", "identity", "x-none"]
RECORDINGS = [read_recording(path) for path in find_recordings(Path(__file__).parents[1] / "connectors" / "payloads")]


def ids(route: tuple[str, str]) -> str:
    return " ".join(route)


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    with running_site(tmp_path_factory.mktemp("routes"), admin_api_key=ADMIN_KEY) as running:
        yield running


@pytest.fixture(scope="module")
def cookie(site: Site) -> str:
    """The cookie of a signed-in admin, as a page of another site would have the browser send it."""
    cookies = site.browser().cookies
    return "; ".join(f"{name}={value}" for name, value in cookies.items())


def test_the_walk_knows_every_route() -> None:
    assert len(ROUTES) > 80
    assert len(FIELDS) > 20


@pytest.mark.parametrize("headers", [{"sec-fetch-site": "cross-site"}, {"origin": "https://evil.example"}], ids=str)
def test_no_route_changes_anything_for_a_page_of_another_site(site: Site, cookie: str, headers: dict[str, str]) -> None:
    with client(site, None) as browser:
        for method, path in CHANGING:
            reply = browser.request(method, re.sub(r"\{\w+\}", "x", path), headers={"cookie": cookie, **headers})
            assert (reply.status_code, method, path) == (403, method, path)
            assert reply.json()["type"] == "urn:whydenied:problem:cross-site-request"


def test_no_route_but_the_open_ones_answers_a_stranger(site: Site) -> None:
    with client(site, None) as stranger:
        for method, path in ROUTES:
            if path not in OPEN:
                reply = stranger.request(method, re.sub(r"\{\w+\}", "x", path))
                refused = reply.status_code == 401 or reply.headers.get("location", "").startswith("/login")
                assert refused, f"{method} {path} answers {reply.status_code}"


def word(chance: random.Random, known: list[str]) -> str:
    return chance.choice(HOSTILE + known * 8)


def anything(chance: random.Random, known: list[str], depth: int = 3) -> Any:
    """A JSON value."""
    kind = chance.randrange(6 if depth else 4)
    if kind == 4:
        return [anything(chance, known, depth - 1) for _ in range(chance.randrange(3))]
    if kind == 5:
        names = [*FIELDS, "text", "context", "role", "name", "scopes"]
        return {chance.choice(names): anything(chance, known, depth - 1) for _ in range(4)}
    return [word(chance, known), chance.randrange(-(2**70), 2**70), None, chance.random() * 1e308][kind]


def body(chance: random.Random, known: list[str]) -> dict[str, Any]:
    kind = chance.randrange(4)
    if kind == 0:
        return {"data": {chance.choice(FIELDS): word(chance, known) for _ in range(6)}}
    if kind == 1:
        return {"json": anything(chance, known)}
    if kind == 2:
        return {"files": {chance.choice(FIELDS): (word(chance, known) or "x", b"\x00\xff" * 9)}}
    return {"content": chance.choice(BODIES), "headers": {"content-type": chance.choice(TYPES)}}


def refuse_faults(reply: httpx.Response, told: str) -> None:
    assert reply.status_code < 500, f"{told} is answered {reply.status_code}: {reply.text[:500]}"
    assert "Traceback" not in reply.text, told


@pytest.fixture(scope="module")
def known(site: Site) -> list[str]:
    """Identifiers of what there is."""
    stored = [site.seed(number, answer={}) for number in range(3)] + [site.seed(9, "nobody knows this")]
    site.seed_unparsed("not json")
    connect(site, "jobs")
    ids = [str(one) for row in stored for one in (row.failure_id, row.event_id, row.analysis_id) if one]
    return [*ids, "jobs", "demo.table-denied", EMAIL]


@pytest.mark.parametrize("route", ROUTES, ids=ids)
def test_a_route_breaks_on_nothing_that_is_sent(site: Site, known: list[str], route: tuple[str, str]) -> None:
    method, path = route
    chance = dice(ids(route))
    with site.services.engine.begin() as conn:
        account = find_account(conn, EMAIL)
        assert account is not None
        token = open_session(conn, account.id, timedelta(hours=1))
    signed_in = {"cookie": f"{site.services.sign_in.cookie}={token}", "accept": chance.choice(["text/html", "*/*"])}
    proof = {"authorization": f"Bearer {ADMIN_KEY}"} if path.startswith("/api/") else signed_in
    with client(site, None) as somebody:
        for _ in range(max(FACTOR, 1)):
            address = re.sub(r"\{\w+\}", lambda _: quote(word(chance, known), safe="") or "x", path)
            query = "&".join(f"{chance.choice(QUERIES)}={quote(word(chance, known), safe='%')}" for _ in range(3))
            given = body(chance, known) if method != "GET" else {}
            headers = {**proof, **given.pop("headers", {})}
            with somebody.stream(method, f"{address}?{query}", headers=headers, **given) as reply:
                if "event-stream" not in reply.headers.get("content-type", ""):
                    reply.read()
                    refuse_faults(reply, f"{method} {address}?{query} {given}")


def damaged(chance: random.Random, recording: Recording) -> tuple[bytes, dict[str, str]]:
    """A recorded delivery with something wrong with it."""
    raw, headers = recording.delivery.raw, dict(recording.delivery.headers)
    headers.pop("content-length", None)
    at = chance.randrange(len(raw) + 1)
    kind = chance.randrange(6)
    if kind == 0:
        raw = raw[:at]
    elif kind == 1:
        raw = raw[:at] + bytes([chance.randrange(256)]) * chance.choice([1, 9, 5_000]) + raw[at + 1 :]
    elif kind == 2:
        raw = re.sub(rb"\d+", lambda _: str(chance.choice([-1, 10**400, "1e999"])).encode(), raw, count=3)
    elif kind == 3:
        raw = re.sub(rb'"[^"]{1,40}"', lambda _: json.dumps(anything(chance, [])).encode(), raw, count=2)
    elif kind == 4:
        headers["content-encoding"] = chance.choice(CODINGS)
        raw = gzip.compress(raw) if chance.random() < 0.5 else raw
    else:
        headers["content-type"] = chance.choice(TYPES)
    return raw, {name: value for name, value in headers.items() if name != "host" and value.isascii()}


@pytest.mark.parametrize("connector", sorted({one.connector for one in RECORDINGS}))
def test_a_connector_breaks_on_no_damaged_delivery(site: Site, connector: str) -> None:
    chance, name = dice(connector), f"fuzz-{connector}"
    connect(site, name, connector)
    recordings = [one for one in RECORDINGS if one.connector == connector]
    statuses = set()
    with client(site, None) as sender:
        for recording in recordings * max(FACTOR, 1):
            raw, headers = damaged(chance, recording)
            address = f"/ingest/{name}{quote(recording.delivery.path)}"
            reply = sender.request("POST", address, content=raw, headers=headers, params=recording.delivery.query)
            refuse_faults(reply, f"{connector}/{recording.case} {headers} {raw[:2_000]!r}")
            statuses.add(reply.status_code)
    assert statuses <= {200, 201, 202, 204, 400, 401, 404, 405, 413, 415, 422}
