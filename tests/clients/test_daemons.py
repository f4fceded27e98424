"""Real daemons that forward what they see: Prometheus and its Alertmanager, and rsyslog's Elasticsearch output."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from api_client import client, connect
from private_server import answers, find_program, free_port, running, wait_until
from service_site import Site

from connectors.base import Auth

TEXT = "permission denied for table invoices"
TOKEN = "0d6c2f5e9b8a4713a1e4c7d05f92b368"


def causes(site: Site, connection: str) -> list[str | None]:
    with client(site) as reader:
        found = reader.get("/api/v1/failures", params={"connection": connection}).json()["items"]
    return [failure["cause"] for failure in found]


class Prometheus:
    """A Prometheus whose one alert always fires, and an Alertmanager."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        (folder / "rules.yml").write_text(f"""
groups:
  - name: billing
    rules:
      - alert: InvoicesRefused
        expr: vector(1)
        labels: {{service: billing, env: production}}
        annotations: {{description: "{TEXT}"}}
""")

    def push_to(self, port: int, prefix: str, token: str | None) -> list[str]:
        """The command of a Prometheus that sends its alerts to this address."""
        authorization = f"authorization: {{credentials: {token}}}" if token else "scheme: http"
        (self.folder / "prometheus.yml").write_text(f"""
global: {{evaluation_interval: 1s}}
rule_files: [rules.yml]
alerting:
  alertmanagers:
    - path_prefix: {prefix}
      {authorization}
      static_configs: [{{targets: ["127.0.0.1:{port}"]}}]
""")
        return [
            find_program("prometheus"),
            f"--config.file={self.folder}/prometheus.yml",
            f"--storage.tsdb.path={self.folder}/data",
            "--rules.alert.resend-delay=1s",
        ]

    def forward_to(self, address: str) -> list[str]:
        """The command of an Alertmanager that posts to this address."""
        (self.folder / "alertmanager.yml").write_text(f"""
route: {{receiver: whydenied, group_wait: 1s, group_interval: 1s}}
receivers:
  - name: whydenied
    webhook_configs:
      - url: {address}
        http_config: {{authorization: {{credentials: {TOKEN}}}}}
""")
        return [
            find_program("prometheus-alertmanager"),
            f"--config.file={self.folder}/alertmanager.yml",
            f"--storage.path={self.folder}/am",
            "--cluster.listen-address=",
        ]


@pytest.fixture
def prometheus(tmp_path: Path) -> Prometheus:
    return Prometheus(tmp_path)


def listening_on(command: list[str], port: int) -> list[str]:
    return [*command, f"--web.listen-address=127.0.0.1:{port}"]


def test_prometheus_and_alertmanager(site: Site, prometheus: Prometheus) -> None:
    address = site.url + connect(site, "alertmanager", "alertmanager", Auth("bearer", (TOKEN,)))
    manager, server = free_port(), free_port()
    forwarding = listening_on(prometheus.forward_to(address), manager)
    pushing = listening_on(prometheus.push_to(manager, "/", None), server)
    with (
        running(forwarding, prometheus.folder / "alertmanager.log", port=manager),
        running(pushing, prometheus.folder / "prometheus.log", port=server),
    ):
        wait_until(lambda: "missing_grant" in causes(site, "alertmanager"), "no alert arrived")


def test_prometheus_without_an_alertmanager(site: Site, prometheus: Prometheus) -> None:
    path = connect(site, "prometheus", "alertmanager", Auth("bearer", (TOKEN,)))
    port, server = int(site.url.rpartition(":")[2]), free_port()
    pushing = listening_on(prometheus.push_to(port, path, TOKEN), server)
    with running(pushing, prometheus.folder / "prometheus.log", port=server):
        wait_until(lambda: "missing_grant" in causes(site, "prometheus"), "no alert arrived")


@pytest.fixture
def rsyslog(tmp_path: Path) -> Iterator[Callable[[Site, str], Path]]:
    """Starts rsyslog for a connection; gives the file that it follows."""
    opened = []

    def start(site: Site, path: str) -> Path:
        source, port = tmp_path / "app.log", free_port()
        source.touch()
        config = tmp_path / "rsyslog.conf"
        config.write_text(f"""
global(workDirectory="{tmp_path}")
module(load="imfile" mode="inotify")
module(load="imtcp")
module(load="omelasticsearch")
input(type="imfile" file="{source}" tag="billing" severity="error")
input(type="imtcp" address="127.0.0.1" port="{port}")
template(name="document" type="list" option.jsonf="on") {{
  property(outname="@timestamp" name="timereported" dateFormat="rfc3339" format="jsonf")
  property(outname="message" name="msg" format="jsonf")
  property(outname="service" name="programname" format="jsonf")
  property(outname="level" name="syslogseverity-text" format="jsonf")
}}
action(type="omelasticsearch" server="{site.url}{path}" searchIndex="logs" template="document"
  bulkmode="on" uid="beats" pwd="{TOKEN}" usehttps="off" healthchecktimeout="5000" searchType="_doc"
  esVersion.major="8" queue.type="direct")
""")
        command = [find_program("rsyslogd"), "-n", "-f", str(config), "-i", str(tmp_path / "pid")]
        proxy = running(command, tmp_path / "rsyslog.log", port=port)
        opened.append(proxy)
        proxy.__enter__()
        assert answers(port)
        return source

    yield start
    for one in opened:
        one.__exit__(None, None, None)


def test_rsyslog_by_its_elasticsearch_output(site: Site, rsyslog: Callable[[Site, str], Path]) -> None:
    path = connect(site, "rsyslog", "elasticsearch", Auth("basic", (TOKEN,), "beats"))
    source = rsyslog(site, path)
    with source.open("a") as log:
        log.write(f"ERROR {TEXT}\n")
    wait_until(lambda: "missing_grant" in causes(site, "rsyslog"), "no line arrived")
