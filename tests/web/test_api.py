"""The REST API from an event to a review, on both databases, and who may call what."""

from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from api_client import ADMIN_KEY, TABLE_DENIED, client, key_with
from service_site import PASSWORD, Site, running_site

EVENT = {"id": "e-1", "text": TABLE_DENIED, "service_name": "billing", "environment": "production"}
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


@pytest.fixture
def site(tmp_path: Path, database_url: str) -> Iterator[Site]:
    with running_site(tmp_path / "site", database_url=database_url, admin_api_key=ADMIN_KEY) as running:
        yield running


@pytest.fixture
def api(site: Site) -> Iterator[httpx.Client]:
    with client(site) as opened:
        yield opened


def store(api: httpx.Client, **changes: object) -> dict[str, dict[str, object]]:
    reply = api.post("/api/v1/events", json={**EVENT, **changes})
    assert reply.status_code == 202, reply.text
    document: dict[str, dict[str, object]] = reply.json()
    return document


def test_an_event_is_stored_answered_found_and_reviewed(api: httpx.Client) -> None:
    stored = store(api)
    assert stored["analysis"]["verdict"] == "permission"
    assert store(api)["event"] == {"id": stored["event"]["id"], "duplicate": True}

    failure = api.get(f"/api/v1/failures/{stored['failure']['id']}").json()
    assert failure["status"] == "needs_review"
    assert failure["event_count"] == 1
    assert failure["analysis"]["id"] == stored["analysis"]["id"]
    (event,) = api.get(f"/api/v1/failures/{failure['id']}/events").json()["items"]
    quote = failure["analysis"]["evidence"][0]
    assert event["text"][quote["start"] : quote["end"]] == quote["quote"]

    verdict = {"decision": "approve", "expected_version": failure["version"], "note": "as it says"}
    reviewed = api.post(f"/api/v1/analyses/{failure['analysis']['id']}/review", json=verdict)
    assert reviewed.status_code == 201
    assert reviewed.json()["failure"]["status"] == "approved"
    assert reviewed.json()["review"]["reviewer"] == "key preset"
    assert api.get("/api/v1/failures", params={"status": "approved"}).json()["items"][0]["id"] == failure["id"]
    assert api.get(f"/api/v1/failures/{failure['id']}").json()["reviews"][0]["note"] == "as it says"


def test_a_review_of_what_has_changed_meanwhile_is_refused_with_both_versions(api: httpx.Client) -> None:
    stored = store(api)
    address = f"/api/v1/analyses/{stored['analysis']['id']}/review"
    version = api.get(f"/api/v1/failures/{stored['failure']['id']}").json()["version"]
    assert api.post(address, json={"decision": "reject", "expected_version": version}).status_code == 201
    late = api.post(address, json={"decision": "approve", "expected_version": version})
    assert (late.status_code, late.json()["type"]) == (409, "urn:whydenied:problem:stale-analysis")
    assert late.json()["expected_version"] == version
    assert late.json()["current_version"] == late.json()["failure"]["version"] > version


def test_a_correction_becomes_the_answer(api: httpx.Client) -> None:
    stored = store(api)
    version = api.get(f"/api/v1/failures/{stored['failure']['id']}").json()["version"]
    body = {"decision": "correct", "expected_version": version, "corrected": CORRECTION}
    reviewed = api.post(f"/api/v1/analyses/{stored['analysis']['id']}/review", json=body).json()
    corrected = api.get(f"/api/v1/analyses/{reviewed['review']['corrected_analysis_id']}").json()
    assert corrected["title"] == CORRECTION["title"]
    assert corrected["produced_by"]["kind"] == "reviewer"
    assert "orders" in [quote["quote"] for quote in corrected["evidence"] if quote["field"] == "resource"]
    assert reviewed["failure"]["current_analysis_id"] == corrected["id"]


def test_a_correction_that_contradicts_itself_is_refused_with_a_pointer(api: httpx.Client) -> None:
    address = f"/api/v1/analyses/{store(api)['analysis']['id']}/review"
    wrong = {**CORRECTION, "verdict": "authentication", "cause": "authentication"}
    reply = api.post(address, json={"decision": "correct", "expected_version": 1, "corrected": wrong})
    assert reply.status_code == 422
    assert reply.json()["errors"][0]["pointer"].endswith("/fix/artifacts")


def test_a_list_is_stored_as_a_whole_and_answered_in_order(api: httpx.Client) -> None:
    events = [{"text": TABLE_DENIED}, {"text": "nobody knows this one"}, {"text": TABLE_DENIED, "id": "third"}]
    first, second, third = api.post("/api/v1/events", json=events).json()
    assert first["failure"] == third["failure"] != second["failure"]
    assert second["analysis"] is None


def test_filters_and_cursors_walk_the_list_once(api: httpx.Client) -> None:
    for number, word in enumerate(("alpha", "beta", "gamma")):
        store(api, id=f"list-{number}", text=f"nobody knows {word}", service_name=word)
    store(api, id="known")
    seen, cursor = [], None
    while True:
        page = api.get("/api/v1/failures", params={"limit": 2, **({"cursor": cursor} if cursor else {})}).json()
        seen += [item["id"] for item in page["items"]]
        cursor = page["next_cursor"]
        if cursor is None:
            break
    assert len(seen) == len(set(seen)) == 4
    for filters in ({"q": "BETA"}, {"service": "beta"}):
        (found,) = api.get("/api/v1/failures", params=filters).json()["items"]
        assert found["service_name"] == "beta"
    (known,) = api.get("/api/v1/failures", params={"verdict": "permission", "system": "demo"}).json()["items"]
    assert known["cause"] == "missing_grant"


def test_hostile_text_goes_through_unharmed(api: httpx.Client) -> None:
    text = "nul \x00 bell \x07 rtl \u202e emoji \U0001f600 quote ' percent %s brace {{7*7}} <script>"
    stored = store(api, id="nasty \x00 id", text=text, attributes={"k\x00ey": "v\x00alue"})
    failure = api.get(f"/api/v1/failures/{stored['failure']['id']}/events").json()["items"][0]
    assert "<script>" in failure["text"]
    assert "{{7*7}}" in failure["text"]
    assert api.get("/api/v1/failures", params={"q": "% _ ' \" \\"}).json()["items"] == []
    for path in ("failures?q=%00", "failures?connection=a%00", "failures/%00", "analyses/%00", "connections/%00"):
        reply = api.get(f"/api/v1/{path}")
        assert (reply.status_code, reply.headers["content-type"]) == (422, "application/problem+json")


def test_explain_answers_and_stores_nothing(api: httpx.Client) -> None:
    answer = api.post("/api/v1/explain", json={"text": TABLE_DENIED, "context": {"http_status": 403}}).json()
    assert (answer["verdict"], answer["resource"]) == ("permission", "orders")
    unknown = api.post("/api/v1/explain", json={"text": "nobody knows this"}).json()
    assert (unknown["verdict"], unknown["cause"], unknown["produced_by"]) == ("unknown", None, {"kind": "none"})
    assert api.get("/api/v1/failures").json()["items"] == []


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


def test_a_signed_in_person_may_use_the_api_within_the_role(site: Site) -> None:
    site.add_account("vera@example.com", "viewer")
    viewer, person = site.browser("vera@example.com"), site.browser()
    assert viewer.get("/api/v1/failures").status_code == 200
    assert viewer.post("/api/v1/events", json={"text": "x"}).status_code == 403
    stored = person.post("/api/v1/events", json=EVENT).json()
    address = f"/api/v1/analyses/{stored['analysis']['id']}/review"
    version = person.get(f"/api/v1/failures/{stored['failure']['id']}").json()["version"]
    verdict = {"decision": "approve", "expected_version": version}
    assert person.post(address, json=verdict).json()["review"]["reviewer"] == "ana@example.com"


def test_the_state_of_the_service_is_told_in_numbers(api: httpx.Client) -> None:
    store(api)
    status = api.get("/api/v1/status").json()
    assert status["failures"] == {"needs_review": 1, "approved": 0, "rejected": 0}
    assert status["rules"] == 1
    assert api.get("/api/v1/rules").json()[0]["id"] == "demo.table-denied"
    assert api.get("/api/v1/unparsed").json() == {"next_cursor": None, "items": []}
