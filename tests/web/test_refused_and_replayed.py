"""What a connection refused is remembered without what was sent; what could not be read is read again on request."""

import gzip

import httpx
import pytest
from api_client import client as client_of
from api_client import connect, key_with
from service_site import Site

from connectors.base import Auth
from service.store.deliveries import list_unparsed

SECRET = "a-long-bearer-" + "secret"


@pytest.fixture(scope="module")
def sender(api_site: Site):
    with client_of(api_site, None) as opened:
        yield opened


def refusals(site: Site, admin: httpx.Client, name: str) -> list[dict[str, object]]:
    site.services.refusals.write()
    reply = admin.get(f"/api/v1/connections/{name}/refusals")
    assert reply.status_code == 200, reply.text
    found: list[dict[str, object]] = reply.json()
    return found


def test_a_refusal_is_remembered_with_its_reason_and_without_body_or_proof(api_site, admin, sender):
    path = connect(api_site, "locked-up", "generic", Auth("bearer", (SECRET,)))
    agent = "curl/8 \x9b31m<b>" + "x" * 300
    for _ in range(3):
        sender.post(
            path,
            json={"message": "of-the-body"},
            headers=[("authorization", "Bearer wrong-proof"), ("user-agent", agent.encode("latin-1"))],
        )
    sender.post(path, content=b"x" * 6_000_000, headers={"authorization": f"Bearer {SECRET}", "user-agent": "big"})
    large, wrong = refusals(api_site, admin, "locked-up")
    assert (wrong["outcome"], wrong["status"], wrong["count"]) == ("unauthenticated", 401, 3)
    assert "holds no secret of this connection" in str(wrong["detail"])
    assert str(wrong["user_agent"]).startswith("curl/8 31m<b>x")
    assert len(str(wrong["user_agent"])) == 120
    assert (large["outcome"], large["status"], large["size"]) == ("too_large", 413, 6_000_000)
    everything = str([large, wrong])
    assert "of-the-body" not in everything
    assert "wrong-proof" not in everything
    assert SECRET not in everything


def test_a_flood_of_kinds_leaves_the_newest(api_site, admin, sender):
    path = connect(api_site, "knocked-at", "generic", Auth("bearer", (SECRET,)))
    for number in range(200):
        sender.post(path, content=b"{}", headers={"user-agent": f"agent-{number}"})
    found = refusals(api_site, admin, "knocked-at")
    assert len(found) == 20
    assert found[0]["user_agent"] == "agent-199"


def test_who_may_not_read_sees_no_refusals(api_site):
    with client_of(api_site, key_with(api_site, "ingest")) as other:
        assert other.get("/api/v1/connections/locked-up/refusals").status_code == 403
    with client_of(api_site, key_with(api_site, "read")) as reader:
        assert reader.get("/api/v1/connections/nobody/refusals").status_code == 404


def kept_ids(site: Site, name: str) -> list[str]:
    with site.services.engine.connect() as conn:
        return [one.id for one in list_unparsed(conn, name, None, 50).items]


def test_a_delivery_that_can_be_read_now_is_stored_once_and_kept_no_more(api_site, admin, sender):
    path = connect(api_site, "chosen-wrongly", "sentry", Auth("none"))
    body = {"message": "ERROR: permission denied for table replayed", "id": "one"}
    assert "unparsed" in sender.post(path, json=body).json()
    (kept,) = kept_ids(api_site, "chosen-wrongly")
    still = admin.post(f"/api/v1/unparsed/{kept}/replay")
    assert (still.status_code, still.json()["type"]) == (409, "urn:whydenied:problem:still-unparsed")
    assert "cannot be read as Sentry" in still.json()["detail"]
    assert kept_ids(api_site, "chosen-wrongly") == [kept]
    admin.delete("/api/v1/connections/chosen-wrongly")
    assert admin.post(f"/api/v1/unparsed/{kept}/replay").json()["type"].endswith(":no-connection")
    connect(api_site, "chosen-wrongly", "generic", Auth("none"))
    replayed = admin.post(f"/api/v1/unparsed/{kept}/replay")
    assert replayed.status_code == 200, replayed.text
    (event,) = replayed.json()["events"]
    assert event["analysis"]["resource"] == "replayed"
    assert event["event"]["duplicate"] is False
    assert kept_ids(api_site, "chosen-wrongly") == []
    assert admin.post(f"/api/v1/unparsed/{kept}/replay").status_code == 404
    assert sender.post(path, json=body).json()["events"][0]["duplicate"] is True


def test_a_delivery_is_read_by_the_path_it_came_on_and_after_its_coding_was_undone(api_site, admin, sender):
    path = connect(api_site, "shipped", "sentry", Auth("none"))
    body = gzip.compress(b'{"streams": [{"stream": {"app": "pay"}, "values": '
                         b'[["1770000000000000000", "ERROR: permission denied for table ledger"]]}]}')  # fmt: skip
    reply = sender.post(
        f"{path}/loki/api/v1/push",
        content=body,
        headers={"content-encoding": "gzip", "content-type": "application/json"},
    )
    assert "unparsed" in reply.json(), reply.text
    (kept,) = kept_ids(api_site, "shipped")
    admin.delete("/api/v1/connections/shipped")
    connect(api_site, "shipped", "loki", Auth("none"))
    (event,) = admin.post(f"/api/v1/unparsed/{kept}/replay").json()["events"]
    assert event["analysis"]["resource"] == "ledger"


def test_only_an_admin_replays(api_site):
    with client_of(api_site, key_with(api_site, "read", "review", "ingest")) as other:
        assert other.post("/api/v1/unparsed/any/replay").status_code == 403
