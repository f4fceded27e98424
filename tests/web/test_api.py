"""The REST API from an event to a review, on both databases, and who may call what."""

from collections.abc import Iterator
from itertools import count
from typing import Any

import httpx
import psycopg
import pytest
from api_client import ADMIN_KEY, client, key_with
from postgres_server import PostgresServer, find_binaries
from service_site import PASSWORD, Site, running_site

_DATABASES = ["sqlite", "postgresql"] if find_binaries() else ["sqlite"]
_NUMBERS = count()
CORRECTION = {
    "verdict": "permission",
    "cause": "missing_grant",
    "title": "billing lacks SELECT on orders",
    "explanation": "The role was made without the grant.",
    "resource": "orders",
    "fix": {
        "summary": "Grant SELECT.",
        "artifacts": [
            {"kind": "sql", "title": "Grant", "content": "GRANT SELECT ON orders TO billing;", "apply": "as the owner"}
        ],
    },
}


@pytest.fixture(scope="module", params=_DATABASES)
def site(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    settings = {"admin_api_key": ADMIN_KEY}
    if request.param == "postgresql":
        server: PostgresServer = request.getfixturevalue("postgres_server")
        with psycopg.connect(server.url(), autocommit=True) as conn:
            conn.execute("CREATE DATABASE rest")
        settings["database_url"] = server.url("rest")
    with running_site(tmp_path_factory.mktemp("rest"), **settings) as running:
        yield running


@pytest.fixture(scope="module")
def api(site: Site) -> Iterator[httpx.Client]:
    with client(site) as opened:
        yield opened


@pytest.fixture
def event() -> dict[str, str]:
    """An event of a failure of its own, which a rule knows."""
    name = f"orders_{next(_NUMBERS)}"
    text = f"ERROR: permission denied for table {name}"
    return {"id": name, "text": text, "service_name": "billing", "environment": "production"}


Json = dict[str, Any]


def store(api: httpx.Client, event: Json) -> Json:
    reply = api.post("/api/v1/events", json=event)
    assert reply.status_code == 202, reply.text
    document: Json = reply.json()
    return document


def version_of(api: httpx.Client, stored: Json) -> int:
    version: int = api.get(f"/api/v1/failures/{stored['failure']['id']}").json()["version"]
    return version


def review(api: httpx.Client, stored: Json, **verdict: object) -> httpx.Response:
    return api.post(f"/api/v1/analyses/{stored['analysis']['id']}/review", json=verdict)


def test_an_event_is_stored_answered_found_and_reviewed(api: httpx.Client, event: Json) -> None:
    stored = store(api, event)
    assert stored["analysis"]["verdict"] == "permission"
    assert store(api, event)["event"] == {"id": stored["event"]["id"], "duplicate": True}

    failure = api.get(f"/api/v1/failures/{stored['failure']['id']}").json()
    assert (failure["status"], failure["event_count"]) == ("needs_review", 1)
    assert failure["analysis"]["id"] == stored["analysis"]["id"]
    (kept,) = api.get(f"/api/v1/failures/{failure['id']}/events").json()["items"]
    quote = failure["analysis"]["evidence"][0]
    assert kept["text"][quote["start"] : quote["end"]] == quote["quote"]

    reviewed = review(api, stored, decision="approve", expected_version=failure["version"], note="as it says")
    assert reviewed.status_code == 201
    assert reviewed.json()["failure"]["status"] == "approved"
    assert reviewed.json()["review"]["reviewer"] == "key preset"
    (found,) = api.get("/api/v1/failures", params={"status": "approved", "q": event["id"]}).json()["items"]
    assert found["id"] == failure["id"]
    assert api.get(f"/api/v1/failures/{failure['id']}").json()["reviews"][0]["note"] == "as it says"


def test_a_review_of_what_has_changed_meanwhile_is_refused_with_both_versions(api: httpx.Client, event: Json) -> None:
    stored = store(api, event)
    version = version_of(api, stored)
    assert review(api, stored, decision="reject", expected_version=version).status_code == 201
    late = review(api, stored, decision="approve", expected_version=version)
    assert (late.status_code, late.json()["type"]) == (409, "urn:whydenied:problem:stale-analysis")
    assert late.json()["expected_version"] == version
    assert late.json()["current_version"] == late.json()["failure"]["version"] > version


def test_a_correction_becomes_the_answer(api: httpx.Client, event: Json) -> None:
    stored = store(api, event)
    corrected = {**CORRECTION, "resource": event["id"]}
    done = review(api, stored, decision="correct", expected_version=version_of(api, stored), corrected=corrected).json()
    answer = api.get(f"/api/v1/analyses/{done['review']['corrected_analysis_id']}").json()
    assert answer["title"] == CORRECTION["title"]
    assert answer["produced_by"]["kind"] == "reviewer"
    assert event["id"] in [quote["quote"] for quote in answer["evidence"] if quote["field"] == "resource"]
    assert done["failure"]["current_analysis_id"] == answer["id"]


def test_a_correction_that_contradicts_itself_is_refused_with_a_pointer(api: httpx.Client, event: Json) -> None:
    wrong = {**CORRECTION, "verdict": "authentication", "cause": "authentication"}
    reply = review(api, store(api, event), decision="correct", expected_version=1, corrected=wrong)
    assert reply.status_code == 422
    assert reply.json()["errors"][0]["pointer"].endswith("/fix/artifacts")


def test_a_correction_that_grants_more_than_was_denied_is_refused(api: httpx.Client, event: Json) -> None:
    grant = {"kind": "sql", "title": "Grant", "content": "GRANT ALL ON SCHEMA app TO billing;", "apply": "as the owner"}
    broad = {**CORRECTION, "fix": {"summary": "Grant.", "artifacts": [grant]}}
    stored = store(api, event)
    reply = review(api, stored, decision="correct", expected_version=version_of(api, stored), corrected=broad)
    assert reply.status_code == 422
    assert "grants all privileges" in reply.json()["detail"]


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        ("GRANT SELECT ON invoices TO billing;", "SELECT on orders was denied"),
        ("GRANT SELECT ON orders", "TO and a grantee"),
    ],
)
def test_a_correction_that_misses_what_was_denied_is_refused(
    api: httpx.Client, event: Json, content: str, problem: str
) -> None:
    grant = {"kind": "sql", "title": "Grant", "content": content, "apply": "as the owner"}
    missing = {"principal": "billing", "missing_permissions": ["SELECT ON orders"]}
    wrong = {**CORRECTION, **missing, "fix": {"summary": "Grant.", "artifacts": [grant]}}
    stored = store(api, event)
    reply = review(api, stored, decision="correct", expected_version=version_of(api, stored), corrected=wrong)
    assert reply.status_code == 422
    assert problem in reply.json()["detail"]


def test_a_list_is_stored_as_a_whole_and_answered_in_order(api: httpx.Client, event: Json) -> None:
    events = [{"text": event["text"]}, {"text": "nobody knows this one"}, {"text": event["text"], "id": "third"}]
    first, second, third = api.post("/api/v1/events", json=events).json()
    assert first["failure"] == third["failure"] != second["failure"]
    assert second["analysis"] is None


def test_filters_and_cursors_walk_the_list_once(api: httpx.Client) -> None:
    for word in ("alpha", "beta", "gamma"):
        store(api, {"text": f"nobody knows paging {word}", "service_name": word})
    seen, cursor = [], None
    while True:
        filters = {"limit": 2, "q": "PAGING nobody", **({"cursor": cursor} if cursor else {})}
        page = api.get("/api/v1/failures", params=filters).json()
        seen += [item["service_name"] for item in page["items"]]
        cursor = page["next_cursor"]
        if cursor is None:
            break
    assert seen == ["gamma", "beta", "alpha"]
    (found,) = api.get("/api/v1/failures", params={"service": "beta"}).json()["items"]
    assert (found["verdict"], found["producer"], found["analysis_state"]) == (None, "none", "queued")
    known = api.get("/api/v1/failures", params={"verdict": "permission", "system": "demo"}).json()["items"]
    assert {item["cause"] for item in known} == {"missing_grant"}


def test_hostile_text_goes_through_unharmed(api: httpx.Client) -> None:
    text = "nul \x00 bell \x07 rtl \u202e emoji \U0001f600 quote ' percent %s brace {{7*7}} <script>"
    event = {"id": "nasty \x00 id", "text": text, "attributes": {"k\x00ey": "v\x00alue"}}
    stored = store(api, event)
    (kept,) = api.get(f"/api/v1/failures/{stored['failure']['id']}/events").json()["items"]
    assert "<script>" in kept["text"]
    assert "{{7*7}}" in kept["text"]
    assert api.get("/api/v1/failures", params={"q": "% _ ' \" \\"}).json()["items"] == []
    for path in ("failures?q=%00", "failures?connection=a%00", "failures/%00", "analyses/%00", "connections/%00"):
        reply = api.get(f"/api/v1/{path}")
        assert (reply.status_code, reply.headers["content-type"]) == (422, "application/problem+json")


def test_explain_answers_and_stores_nothing(api: httpx.Client, event: Json) -> None:
    answer = api.post("/api/v1/explain", json={"text": event["text"], "context": {"http_status": 403}}).json()
    assert (answer["verdict"], answer["resource"]) == ("permission", event["id"])
    unknown = api.post("/api/v1/explain", json={"text": "nobody knows this"}).json()
    assert (unknown["verdict"], unknown["cause"], unknown["produced_by"]) == ("unknown", None, {"kind": "none"})
    assert api.get("/api/v1/failures", params={"q": event["id"]}).json()["items"] == []


def test_a_connection_receives_as_soon_as_it_is_made_and_until_it_is_removed(api: httpx.Client, site: Site) -> None:
    body = {"name": "jobs", "connector": "generic", "auth": {"scheme": "bearer"}}
    made = api.post("/api/v1/connections", json=body)
    assert made.status_code == 201
    (secret,) = made.json()["secrets"]
    assert made.json()["url"] == f"{site.url}/ingest/jobs"
    assert secret not in api.get("/api/v1/connections/jobs").text + api.get("/api/v1/connections").text
    assert api.post("/api/v1/connections", json=body).status_code == 409

    def send(token: str) -> int:
        with client(site, token) as sender:
            return sender.post("/ingest/jobs", json={"message": "x"}).status_code

    assert send(secret) == 202
    (rotated,) = api.post("/api/v1/connections/jobs/rotate").json()["secrets"]
    assert (send(rotated), send(secret)) == (202, 202)
    (last,) = api.post("/api/v1/connections/jobs/rotate", params={"keep_old": False}).json()["secrets"]
    assert (send(last), send(rotated), send(secret)) == (202, 401, 401)
    assert api.delete("/api/v1/connections/jobs").status_code == 204
    assert send(last) == 404
    assert api.delete("/api/v1/connections/jobs").status_code == 404


def test_a_key_works_until_it_is_revoked_and_is_shown_once(api: httpx.Client, site: Site) -> None:
    made = api.post("/api/v1/api-keys", json={"name": "ci", "scopes": ["read"], "days": 30}).json()
    assert made["key"] not in api.get("/api/v1/api-keys").text
    with client(site, made["key"]) as reader:
        assert reader.get("/api/v1/failures").status_code == 200
        assert api.delete(f"/api/v1/api-keys/{made['id']}").status_code == 204
        assert reader.get("/api/v1/failures").status_code == 401


@pytest.mark.parametrize(
    ("scope", "allowed"),
    [("read", {"explain", "failures"}), ("ingest", {"events"}), ("review", {"review"}), ("admin", {"all"})],
)
def test_a_key_may_do_what_its_scopes_say(site: Site, scope: str, allowed: set[str]) -> None:
    with client(site, key_with(site, scope)) as caller:
        statuses = {
            "explain": caller.post("/api/v1/explain", json={"text": "x"}).status_code,
            "failures": caller.get("/api/v1/failures").status_code,
            "events": caller.post("/api/v1/events", json={"text": "x"}).status_code,
            "review": caller.post(
                "/api/v1/analyses/none/review", json={"decision": "approve", "expected_version": 1}
            ).status_code,
            "keys": caller.get("/api/v1/api-keys").status_code,
        }
    refused = {name for name, status in statuses.items() if status == 403}
    assert refused == (set() if "all" in allowed else set(statuses) - allowed)


def test_without_a_valid_key_nothing_is_told(site: Site) -> None:
    paths = ("/api/v1/failures", "/api/v1/failures/x", "/api/v1/rules", "/api/v1/status", "/api/v1/connections")
    for token in (None, "wd_wrong", PASSWORD):
        with client(site, token) as stranger:
            replies = [stranger.get(path) for path in paths]
        assert {reply.status_code for reply in replies} == {401}
        assert {reply.headers["www-authenticate"] for reply in replies} == {"Bearer"}
        assert {reply.headers["content-type"] for reply in replies} == {"application/problem+json"}


def test_a_signed_in_person_may_use_the_api_within_the_role(site: Site, event: Json) -> None:
    site.add_account("vera@example.com", "viewer")
    viewer, person = site.browser("vera@example.com"), site.browser()
    assert viewer.get("/api/v1/failures").status_code == 200
    assert viewer.post("/api/v1/events", json={"text": "x"}).status_code == 403
    stored = store(person, event)
    done = review(person, stored, decision="approve", expected_version=version_of(person, stored))
    assert done.json()["review"]["reviewer"] == "ana@example.com"


def test_the_state_of_the_service_is_told_in_numbers(api: httpx.Client, event: Json) -> None:
    before = api.get("/api/v1/status").json()
    store(api, event)
    after = api.get("/api/v1/status").json()
    assert after["failures"]["needs_review"] == before["failures"]["needs_review"] + 1
    assert after["rules"] == 1
    assert api.get("/api/v1/rules").json()[0]["id"] == "demo.table-denied"
    assert api.get("/api/v1/unparsed").json() == {"next_cursor": None, "items": []}
