"""What the real clients of monitoring tools send reaches the running service, and the right root cause comes out.

Each sender is a script of its own, run as its users run it: one process, one failure, the client's own defaults.
"""

import subprocess
import sys
from pathlib import Path

import httpx
import pytest
from api_client import client, connect
from service_site import Site

from connectors.base import Auth, AuthScheme

SENDERS = Path(__file__).parent / "senders"
SECRET = "0d6c2f5e9b8a4713a1e4c7d05f92b368"
WHSEC = "whsec_MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIzNDU2Nzg5MDE="
TEXT = "permission denied for table invoices"
CASES: dict[str, tuple[str, AuthScheme]] = {
    "sentry_python": ("sentry", "signature"),
    "otlp_python_logs": ("otlp", "bearer"),
    "otlp_python_traces": ("otlp", "bearer"),
    "splunk_handler_log": ("splunk-hec", "bearer"),
    "loki_python": ("loki", "basic"),
    "datadog_logs": ("datadog", "header"),
    "elasticsearch_bulk": ("elasticsearch", "basic"),
    "logstash_python": ("log-shipper", "basic"),
    "rollbar_python": ("rollbar", "header"),
    "bugsnag_python": ("bugsnag", "header"),
    "honeybadger_python": ("honeybadger", "header"),
    "raygun_python": ("raygun", "header"),
    "openlineage_python": ("airflow", "bearer"),
    "slack_webhook": ("slack", "url-token"),
    "svix_signed": ("generic", "signature"),
    "stdlib_http_handler": ("generic", "url-token"),
    "moto_sns": ("aws-sns", "url-token"),
    "cloudevents_python": ("cloudevents", "bearer"),
}
USERS = {"loki_python": "loki", "elasticsearch_bulk": "beats", "logstash_python": "up"}


def test_every_sender_is_a_case() -> None:
    assert {path.stem for path in SENDERS.glob("*.py")} == set(CASES)


@pytest.mark.parametrize("sender", CASES)
def test_its_failure_is_received_and_answered(site: Site, sender: str) -> None:
    connector, scheme = CASES[sender]
    secret = WHSEC if sender == "svix_signed" else SECRET
    auth = Auth(scheme, (secret,), USERS.get(sender), "X-Unused" if scheme == "header" else None)
    name = sender.replace("_", "-")
    path = connect(site, name, connector, auth)
    run(sender, f"{site.url}{path}", secret)
    with client(site) as reader:
        failures = reader.get("/api/v1/failures", params={"connection": name}).json()["items"]
        found = [failure for failure in failures if failure["verdict"]]
        assert [failure["cause"] for failure in found] == ["missing_grant"], failures
        events = reader.get(f"/api/v1/failures/{found[0]['id']}/events").json()["items"]
    assert TEXT in events[0]["text"]


def run(sender: str, address: str, secret: str) -> None:
    """Run the script to its end. Fails with what it printed."""
    command = [sys.executable, "-W", "ignore", str(SENDERS / f"{sender}.py"), address, secret]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def test_a_client_with_another_secret_is_refused(site: Site) -> None:
    path = connect(site, "stranger", "otlp", Auth("bearer", (SECRET,)))
    refused = httpx.post(f"{site.url}{path}/v1/logs", headers={"authorization": "Bearer other"}, trust_env=False)
    assert refused.status_code == 401
