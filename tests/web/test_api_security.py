"""Headers, cross-site requests, sign-in, and errors: what a stranger meets."""

import re
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import httpx
import pytest
from api_client import ADMIN_KEY, TABLE_DENIED, client, connect
from service_site import EMAIL, PASSWORD, Site, running_site

from connectors.base import Auth
from service.app import create_app
from service.settings import Settings
from service.store import pulls
from service.web.sign_in import local_path


@pytest.fixture(scope="module")
def stranger(api_site: Site) -> Iterator[httpx.Client]:
    with client(api_site, None) as opened:
        yield opened


@pytest.mark.parametrize("path", ["/login", "/api/v1/failures", "/healthz", "/nowhere", "/static/app.css"])
def test_every_answer_forbids_framing_sniffing_and_foreign_scripts(stranger: httpx.Client, path: str) -> None:
    headers = stranger.get(path).headers
    policy = headers["content-security-policy"]
    assert "default-src 'self'" in policy
    assert "frame-ancestors 'none'" in policy
    assert "unsafe" not in policy
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["referrer-policy"] == "same-origin"
    assert re.fullmatch(r"[0-9a-f]{32}", headers["x-request-id"])
    assert "strict-transport-security" not in headers


def test_https_is_remembered_when_a_trusted_proxy_says_so(stranger: httpx.Client) -> None:
    headers = stranger.get("/healthz", headers={"x-forwarded-proto": "https"}).headers
    assert headers["strict-transport-security"].startswith("max-age=")


def test_a_harmless_request_id_is_kept_and_another_replaced(stranger: httpx.Client) -> None:
    assert stranger.get("/healthz", headers={"x-request-id": "trace-0123"}).headers["x-request-id"] == "trace-0123"
    assert stranger.get("/healthz", headers={"x-request-id": "a b; c"}).headers["x-request-id"] != "a b; c"


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"sec-fetch-site": "cross-site"}, 403),
        ({"sec-fetch-site": "same-site"}, 403),
        ({"sec-fetch-site": "same-origin"}, 202),
        ({"sec-fetch-site": "none"}, 202),
        ({"origin": "https://evil.example"}, 403),
        ({"origin": "null"}, 403),
        ({}, 202),
    ],
)
def test_a_session_works_for_pages_of_the_same_origin_only(
    api_site: Site, headers: dict[str, str], status: int
) -> None:
    person = api_site.browser()
    del person.headers["sec-fetch-site"]
    assert person.post("/api/v1/events", json={"text": "x"}, headers=headers).status_code == status


def test_the_origin_must_be_the_host_that_was_asked_or_the_public_one(tmp_path: Path) -> None:
    with running_site(tmp_path, public_url="https://why.example.com", secure_cookies=False) as site:
        person = site.browser()
        del person.headers["sec-fetch-site"]
        for origin, status in (("https://why.example.com", 202), (site.url, 202), ("https://other.example.com", 403)):
            assert person.post("/api/v1/events", json={"text": "x"}, headers={"origin": origin}).status_code == status


def test_a_key_is_not_bound_to_an_origin(admin: httpx.Client) -> None:
    assert admin.post("/api/v1/explain", json={"text": "x"}, headers={"origin": "https://a.example"}).status_code == 200


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/api/v1/nothing", 404),
        ("DELETE", "/api/v1/failures", 405),
        ("POST", "/api/v1/explain", 422),
        ("GET", "/api/v1/failures?limit=0", 422),
        ("GET", "/api/v1/failures?cursor=broken", 404),
        ("GET", "/nowhere", 404),
    ],
)
def test_every_refusal_is_a_problem_document(admin: httpx.Client, method: str, path: str, status: int) -> None:
    reply = admin.request(method, path, headers={"content-type": "application/json"})
    assert reply.status_code == status
    assert reply.headers["content-type"] == "application/problem+json"
    problem = reply.json()
    assert problem["status"] == status
    assert problem["type"].startswith("urn:whydenied:problem:")
    assert problem["detail"]


def test_an_invalid_value_is_pointed_at_and_not_repeated(admin: httpx.Client) -> None:
    reply = admin.post("/api/v1/events", json={"text": "x", "http_status": "hunter2", "nme": 1})
    pointers = {error["pointer"] for error in reply.json()["errors"]}
    assert any(pointer.endswith("/http_status") for pointer in pointers)
    assert any(pointer.endswith("/nme") for pointer in pointers)
    assert "hunter2" not in reply.text


def test_a_body_over_the_limit_is_refused_with_and_without_a_declared_length(admin: httpx.Client) -> None:
    large = b'{"text": "' + b"x" * (6 * 1024 * 1024) + b'"}'
    headers = {"content-type": "application/json"}
    declared = admin.post("/api/v1/explain", content=large, headers=headers)
    pieces = (large[at : at + 65_536] for at in range(0, len(large), 65_536))
    streamed = admin.post("/api/v1/explain", content=pieces, headers=headers)
    for reply in (declared, streamed):
        assert (reply.status_code, reply.json()["type"]) == (413, "urn:whydenied:problem:content-too-large")


def test_a_crash_tells_the_request_id_and_nothing_else(tmp_path: Path) -> None:
    with running_site(tmp_path, admin_api_key=ADMIN_KEY) as site, client(site) as admin:
        stored = admin.post("/api/v1/events", json={"text": TABLE_DENIED}).json()
        with site.services.engine.begin() as conn:
            conn.exec_driver_sql("""UPDATE analysis SET answer = '{"title": "a-damaged-row"}'""")
        reply = admin.get(f"/api/v1/analyses/{stored['analysis']['id']}")
        page = site.browser().get(f"/failures/{stored['failure']['id']}")
    assert (reply.status_code, reply.headers["content-type"]) == (500, "application/problem+json")
    assert reply.headers["x-request-id"] in reply.json()["detail"]
    assert page.status_code == 500
    for text in (reply.text, page.text):
        assert "a-damaged-row" not in text
        assert "Traceback" not in text
        assert "validation error" not in text


def test_a_database_that_is_away_is_503_and_tells_nothing_of_it(tmp_path: Path) -> None:
    with running_site(tmp_path, admin_api_key=ADMIN_KEY) as site, client(site) as admin:
        browser = site.browser()
        with site.services.engine.begin() as conn:
            conn.exec_driver_sql("ALTER TABLE failure RENAME TO hidden")
        reply, page = admin.get("/api/v1/failures"), browser.get("/")
        metrics = admin.get("/metrics")
    assert (reply.status_code, reply.json()["type"]) == (503, "urn:whydenied:problem:store-unavailable")
    assert reply.headers["retry-after"]
    assert (page.status_code, metrics.status_code) == (503, 200)
    assert "no such table" not in reply.text + page.text


def test_a_browser_gets_pages_for_errors_and_is_sent_to_sign_in(stranger: httpx.Client) -> None:
    html = {"accept": "text/html"}
    missing = stranger.get("/nowhere", headers=html)
    assert (missing.status_code, missing.headers["content-type"]) == (404, "text/html; charset=utf-8")
    sent = stranger.get("/failures/x?status=approved", headers=html)
    assert (sent.status_code, sent.headers["location"]) == (303, "/login?next=%2Ffailures%2Fx%3Fstatus%3Dapproved")


def test_signing_in_opens_the_pages_until_signing_out(api_site: Site) -> None:
    person = api_site.browser()
    cookie = next(iter(person.cookies.jar))
    assert cookie.has_nonstandard_attr("HttpOnly")
    assert cookie.get_nonstandard_attr("SameSite") == "lax"
    assert person.get("/").status_code == 200
    kept = dict(person.cookies)
    assert person.post("/logout").headers["location"] == "/login"
    person.cookies.update(kept)
    assert person.get("/").status_code == 303


def test_a_planted_session_is_never_adopted(api_site: Site) -> None:
    name = api_site.services.sign_in.cookie
    victim = api_site.browser(None)
    victim.cookies.set(name, "planted-by-somebody")
    reply = victim.post("/login", data={"email": EMAIL, "password": PASSWORD})
    assert reply.headers["set-cookie"].startswith(f"{name}=")
    assert "planted" not in reply.headers["set-cookie"]
    with client(api_site, None) as somebody:
        planted = somebody.get("/", headers={"cookie": f"{name}=planted-by-somebody"})
    assert planted.headers["location"].startswith("/login")


def test_no_credential_lies_readable_on_the_disk(tmp_path: Path) -> None:
    secret, token, typed = "the-secret-of-the-sender", "the-token-for-pulls", "sk-ant-api03-" + "A" * 40
    with running_site(tmp_path, admin_api_key=ADMIN_KEY) as site, client(site) as admin:
        path = connect(site, "jobs", auth=Auth("bearer", (secret,)))
        with site.services.engine.begin() as conn:
            pulls.set_pull(conn, site.services.keyring, "jobs", pulls.Schedule({"token": token}, 0), datetime.now(UTC))
        sent = admin.post(
            path, json={"message": f"denied with key {typed}"}, headers={"authorization": f"Bearer {secret}"}
        )
        key = admin.post("/api/v1/api-keys", json={"name": "ci", "scopes": ["read"]}).json()["key"]
        session = next(iter(site.browser().cookies.jar)).value
        assert sent.status_code == 202
    stored = b"".join(file.read_bytes() for file in (tmp_path / "data").rglob("*") if file.is_file())
    assert b"denied with key" in stored
    for credential in (secret, token, typed, key, session, PASSWORD, ADMIN_KEY):
        assert str(credential).encode() not in stored, credential


def test_over_https_the_cookie_is_bound_to_the_host(tmp_path: Path) -> None:
    with running_site(tmp_path, public_url="https://why.example.com") as site:
        reply = site.browser(None).post("/login", data={"email": EMAIL, "password": PASSWORD})
    assert reply.headers["set-cookie"].startswith("__Host-whydenied=")
    assert "Secure" in reply.headers["set-cookie"]


def test_a_wrong_name_and_a_wrong_password_are_refused_alike_and_then_braked(tmp_path: Path) -> None:
    with running_site(tmp_path) as site:
        browser = site.browser(None)

        def attempt(email: str, password: str) -> httpx.Response:
            return browser.post("/login", data={"email": email, "password": password})

        wrong = attempt(EMAIL, "not the password")
        unknown = attempt("nobody@example.com", "not the password")
        assert (wrong.status_code, unknown.status_code) == (401, 401)
        assert wrong.text.replace(EMAIL, "") == unknown.text.replace("nobody@example.com", "")
        for _ in range(8):
            attempt("nobody@example.com", "guess")
        braked = attempt(EMAIL, PASSWORD)
        assert braked.status_code == 429
        assert int(braked.headers["retry-after"]) > 0


@pytest.mark.parametrize(
    ("target", "path"),
    [
        ("/failures/1?a=b", "/failures/1?a=b"),
        ("https://evil.example/", "/"),
        ("//evil.example/", "/"),
        ("/\\evil.example/", "/"),
        ("javascript:alert(1)", "/"),
        ("/ok\r\nset-cookie: x", "/"),
        ("", "/"),
    ],
)
def test_signing_in_never_leads_to_another_site(target: str, path: str) -> None:
    assert local_path(target) == path


def test_the_first_account_is_made_once_with_the_printed_token(tmp_path: Path) -> None:
    with running_site(tmp_path) as site:
        with site.services.engine.begin() as conn:
            conn.exec_driver_sql("DELETE FROM account")
        browser = site.browser(None)
        assert browser.get("/login").headers["location"] == "/setup"
        token = site.services.sign_in.open_setup_token()
        form = {"token": "wrong", "email": "first@example.com", "password": "long enough now"}
        assert browser.post("/setup", data=form).status_code == 422
        assert browser.post("/setup", data={**form, "token": token, "password": "short"}).status_code == 422
        assert browser.post("/setup", data={**form, "token": token}).headers["location"] == "/"
        assert browser.get("/").status_code == 200
        again = site.browser(None).post("/setup", data={**form, "token": token, "email": "second@example.com"})
        assert again.status_code == 422
        with site.services.engine.connect() as conn:
            assert conn.exec_driver_sql("SELECT username, role FROM account").all() == [("first@example.com", "admin")]


def test_no_secret_reaches_the_log(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    with running_site(tmp_path, admin_api_key=ADMIN_KEY) as site, client(site) as admin:
        path = connect(site, "logged", auth=Auth("url-token", ("token-in-the-address",)))
        admin.post(f"{path}?token=token-in-the-address", json={"message": "x"})
        admin.post(f"{path}?token=token-in-the-wrong-address", json={"message": "x"})
        admin.get("/api/v1/failures?q=searched-for")
        site.browser(None).post("/login", data={"email": EMAIL, "password": "typed-by-mistake"})
    out, err = capfd.readouterr()
    for secret in ("token-in-the", ADMIN_KEY, "typed-by-mistake", "searched-for", PASSWORD):
        assert secret not in out + err


def test_health_readiness_and_metrics_are_open_and_tell_what_is_wrong(tmp_path: Path) -> None:
    with running_site(tmp_path) as site, client(site, None) as probe:
        assert probe.get("/healthz").json() == {"status": "ok"}
        assert probe.get("/readyz").json()["status"] == "ok"
        assert "whydenied_failures{status=" in probe.get("/metrics").text
        site.services.writer.stop()
        unready = probe.get("/readyz")
        assert (unready.status_code, unready.json()["checks"]["writer"]) == (503, "stopped")
        assert probe.get("/healthz").status_code == 200


def test_metrics_can_be_kept_from_strangers(tmp_path: Path) -> None:
    settings = {"metrics_public": False, "admin_api_key": ADMIN_KEY}
    with running_site(tmp_path, **settings) as site, client(site, None) as stranger, client(site) as admin:
        assert stranger.get("/metrics").status_code == 401
        assert admin.get("/metrics").status_code == 200


def test_the_document_names_every_operation_and_no_page(tmp_path: Path) -> None:
    app = create_app(Settings(data_dir=tmp_path, worker=False))
    document = app.openapi()
    app.state.services.engine.dispose()
    assert all(path.startswith("/api/v1/") for path in document["paths"])
    for operations in document["paths"].values():
        for operation in operations.values():
            assert operation["summary"]
            assert operation["description"]
            assert {"apiKey": []} in operation["security"]
            assert "application/problem+json" in operation["responses"]["401"]["content"]


def test_where_no_provider_is_set_there_is_no_way_to_one(stranger: httpx.Client) -> None:
    assert stranger.get("/login/oidc").status_code == 404
