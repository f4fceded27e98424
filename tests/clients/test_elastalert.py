"""ElastAlert 2 itself, with the rule that the connector tells people to paste, and a small Elasticsearch to query."""

import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from api_client import client, connect
from private_server import ELASTALERT, wait_until
from service_site import Site
from vendor_api import Answer, Vendor, vendor_api

from connectors import discover
from connectors.base import Auth
from connectors.setup import fill_setup

TEXT = "permission denied for table invoices"
TOKEN = "0d6c2f5e9b8a4713a1e4c7d05f92b368"
CONFIG = """
rules_folder: rules
run_every: {{seconds: 1}}
buffer_time: {{minutes: 15}}
alert_time_limit: {{days: 1}}
es_host: 127.0.0.1
es_port: {port}
writeback_index: elastalert
"""
RULE = """
name: {name}
type: any
index: logs
filter: [{{query: {{query_string: {{query: denied}}}}}}]
{alert}
"""
POST = """
alert: post
http_post_url: "{url}"
http_post_headers: {{Authorization: "Bearer {token}"}}
http_post_static_payload: {{rule_name: NAME_OF_THE_RULE}}
"""


@pytest.fixture
def elastalert() -> Path:
    """The program."""
    return ELASTALERT


@pytest.fixture
def elasticsearch() -> Iterator[Vendor]:
    """What ElastAlert asks: the version, the documents that match, and its own notes, of which there are none yet."""
    source = {
        "@timestamp": "2026-03-02T10:00:00Z",
        "message": f"ERROR: {TEXT}",
        "service": {"name": "billing", "environment": "production"},
        "log": {"level": "error"},
    }
    hits = {"total": {"value": 1, "relation": "eq"}, "hits": [{"_index": "logs", "_id": "d1", "_source": source}]}
    none = {"hits": {"total": {"value": 0, "relation": "eq"}, "hits": []}}
    with vendor_api() as vendor:
        vendor.route("GET", "/", Answer({"version": {"number": "8.14.0"}}))
        vendor.route("POST", "/logs/_search", Answer({"hits": hits, "_shards": {"failed": 0}}))
        for index in ("elastalert", "elastalert_status", "elastalert_silence", "elastalert_error"):
            vendor.route("POST", f"/{index}/_search", Answer(none))
            vendor.route("POST", f"/{index}/_doc", Answer({"_id": "1", "result": "created"}, 201))
        yield vendor


@pytest.mark.timeout(300)  # its many imports take a while on a busy machine
def test_its_alerts_are_received_and_answered(
    site: Site, elastalert: Path, elasticsearch: Vendor, tmp_path: Path
) -> None:
    auth = Auth("bearer", (TOKEN,))
    urls = {name: f"{site.url}{connect(site, name, 'elastalert', auth)}" for name in ("post2", "post")}
    pasted = fill_setup(discover()["elastalert"].setup, address=urls["post2"], name="post2", auth=auth, secret=TOKEN)
    (tmp_path / "rules").mkdir()
    (tmp_path / "config.yaml").write_text(CONFIG.format(port=elasticsearch.url.rpartition(":")[2]))
    for name, alert in (("post2", pasted), ("post", POST.format(url=urls["post"], token=TOKEN))):
        (tmp_path / "rules" / f"{name}.yaml").write_text(RULE.format(name=name, alert=alert))
    with (tmp_path / "log").open("ab") as log:
        command = [elastalert, "--verbose", "--config", "config.yaml"]
        process = subprocess.Popen(command, cwd=tmp_path, stdout=log, stderr=subprocess.STDOUT)
    try:
        for name in urls:
            said = f"{name} did not alert: {tmp_path}/log"
            wait_until(lambda name=name: process.poll() is not None or causes(site, name), said, 120)  # type: ignore[misc]
            assert causes(site, name) == [("missing_grant", "billing", "production")], (tmp_path / "log").read_text()
    finally:
        process.kill()
        process.wait()


def causes(site: Site, connection: str) -> list[tuple[str, str, str]]:
    with client(site) as reader:
        found = reader.get("/api/v1/failures", params={"connection": connection}).json()["items"]
    return [(one["cause"], one["service_name"], one["environment"]) for one in found]
