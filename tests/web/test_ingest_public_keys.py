"""Deliveries signed with a vendor's own key: the service fetches the public half once and checks each one by it."""

import json
import threading
from collections.abc import Iterator
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import httpx
import pytest
from public_keys import key_set_of, new_key, token_of
from service_site import Site

KEY = new_key()
APP = "461e8683-5575-4561-ac7f-899cc907d62a"
ALERT = {
    "schemaId": "azureMonitorCommonAlertSchema",
    "data": {
        "essentials": {
            "alertId": "a1",
            "alertRule": "permission denied for table invoices",
            "monitorCondition": "Fired",
        },
        "alertContext": {},
    },
}


class KeyServer(ThreadingHTTPServer):
    """Publishes the keys of tenants; `asked` counts, `broken` makes it fail."""

    asked = 0
    broken = False

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"


class _Answer(BaseHTTPRequestHandler):
    server: KeyServer

    def do_GET(self) -> None:
        self.server.asked += 1
        body = b"" if self.server.broken else key_set_of(KEY)
        self.send_response(500 if self.server.broken else 200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_args: object) -> None:
        """Say nothing."""


@pytest.fixture(scope="module")
def key_server() -> Iterator[KeyServer]:
    with KeyServer(("127.0.0.1", 0), _Answer) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.05,))
        thread.start()
        yield server
        server.shutdown()
        thread.join()


def connect(admin: httpx.Client, server: KeyServer, tenant: str) -> None:
    auth = {
        "scheme": "signature",
        "senders": [APP],
        "audience": "api://why",
        "keys_url": f"{server.address}/{tenant}/k",
    }
    body = {"name": tenant, "connector": "azure-monitor", "auth": auth}
    assert admin.post("/api/v1/connections", json=body).status_code == 201


def deliver(site: Site, tenant: str, **changed: object) -> httpx.Response:
    now = int(datetime.now(UTC).timestamp())
    issuer = f"https://sts.windows.net/{tenant}/"
    claims = {"iss": issuer, "aud": "api://why", "appid": APP, "iat": now, "exp": now + 60, **changed}
    headers = {"authorization": f"Bearer {token_of(KEY, claims)}", "content-type": "application/json"}
    return httpx.post(f"{site.url}/ingest/{tenant}", headers=headers, content=json.dumps(ALERT), trust_env=False)


def test_the_keys_are_fetched_once_and_only_the_right_token_is_accepted(
    api_site: Site, admin: httpx.Client, key_server: KeyServer
) -> None:
    connect(admin, key_server, "tenant-a")
    assert [deliver(api_site, "tenant-a").status_code for _ in range(3)] == [202, 202, 202]
    assert key_server.asked == 1
    for wrong in (
        {"aud": "api://other"},
        {"appid": "another"},
        {"exp": 1},
        {"iss": "https://sts.windows.net/tenant-b/"},
    ):
        assert deliver(api_site, "tenant-a", **wrong).status_code == 401


def test_without_the_keys_nothing_is_accepted_and_the_sender_is_asked_to_come_again(
    api_site: Site, admin: httpx.Client, key_server: KeyServer
) -> None:
    connect(admin, key_server, "tenant-c")
    key_server.broken = True
    asked = key_server.asked
    answers = [deliver(api_site, "tenant-c") for _ in range(3)]
    assert [answer.status_code for answer in answers] == [503, 503, 503]
    assert answers[0].headers["retry-after"]
    assert answers[0].json()["type"] == "urn:whydenied:problem:key-unavailable"
    assert key_server.asked == asked + 1, "a failure is remembered for a while"


def test_a_connection_that_trusts_a_vendors_key_must_name_its_own_senders(admin: httpx.Client) -> None:
    body = {"name": "anybody", "connector": "aws-sns", "auth": {"scheme": "signature"}}
    refused = admin.post("/api/v1/connections", json=body)
    assert refused.status_code == 422
    assert "senders" in refused.json()["detail"]


def test_a_handshake_is_answered_and_other_requests_are_not(api_site: Site, admin: httpx.Client) -> None:
    body = {"name": "grid", "connector": "azure-event-grid", "auth": {"scheme": "url-token"}}
    assert admin.post("/api/v1/connections", json=body).status_code == 201
    asked = {"WebHook-Request-Origin": "eventgrid.azure.net"}
    with httpx.Client(base_url=api_site.url, trust_env=False) as sender:
        answer = sender.options("/ingest/grid", headers=asked)
        assert (answer.status_code, answer.headers["webhook-allowed-origin"]) == (200, "eventgrid.azure.net")
        assert sender.get("/ingest/grid").status_code == 405
        assert sender.delete("/ingest/grid").status_code == 405
