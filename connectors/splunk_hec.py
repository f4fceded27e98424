"""Splunk's HTTP Event Collector, so that a logger only changes its address.

https://docs.splunk.com/Documentation/Splunk/latest/Data/FormateventsforHTTPEventCollector
https://docs.splunk.com/Documentation/Splunk/latest/Data/TroubleshootHTTPEventCollector
"""

import json
from typing import Any

from connectors.base import Auth, AuthScheme, Connector, Delivery, Parsed, Reply, Sample, Unparseable
from connectors.bodies import read_json_values, read_text
from connectors.log_line import LogLines
from connectors.signatures import verify_token_word
from connectors.values import as_mapping, as_text, first_text

_DONE = b'{"text":"Success","code":0}'
_HEALTHY = b'{"text":"HEC is healthy","code":17}'


class HECConnector(Connector):
    """Keeps the events that look like a failure; `bearer` is what Splunk calls its token."""

    name = "splunk-hec"
    title = "Splunk HTTP Event Collector"
    group = "logs"
    schemes: tuple[AuthScheme, ...] = ("bearer", "basic", "url-token", "none")
    sample = Sample('{"time": %SECONDS%, "event": "%TEXT%"}', path="/services/collector/event")
    setup = """\
URL     %URL%   (clients add /services/collector/event or /raw themselves)
Token   %SECRET%

curl '%URL%/services/collector/event' -H 'Authorization: Splunk %SECRET%' \\
  -d '{"event": "permission denied for table invoices", "source": "billing", "sourcetype": "app"}'
"""

    def greet(self, delivery: Delivery) -> Reply | None:
        """The health check that clients make first."""
        return Reply(200, _HEALTHY) if delivery.path.startswith("/services/collector/health") else None

    def refuse(self, delivery: Delivery, status: int, detail: str) -> Reply | None:
        """Splunk's own codes: no token 2, another token 4, busy 9."""
        if status == 401 and "authorization" not in delivery.headers:
            return _answer(401, "Token is required", 2)
        if status == 401:
            return _answer(403, "Invalid token", 4)
        return _answer(503, "Server is busy", 9) if status == 503 else _answer(status, detail, 8)

    def authenticate(self, delivery: Delivery, auth: Auth) -> None:
        """Raise `Unauthenticated` unless the token is a secret of the connection."""
        verify_token_word(delivery, auth, "Splunk")

    def parse(self, delivery: Delivery) -> Parsed:
        """The failures among the events; `raw` is one a line."""
        lines = LogLines(delivery)
        if delivery.path.rstrip("/").endswith("/raw"):
            for line in read_text(delivery.body, delivery.headers.get("content-type", "")).splitlines():
                lines.add(line, service_name=first_text(delivery.query.get("source"), delivery.query.get("sourcetype")))
            return lines.parsed(Reply(200, _DONE))
        for value in read_json_values(delivery.body):
            event = as_mapping(value)
            if "event" not in event:
                raise Unparseable("Each object of the collector has an `event`, and one has not")
            lines.add(_said(event["event"]), **_facts(event))
        return lines.parsed(Reply(200, _DONE))


def _said(event: Any) -> Any:
    """The event; of Docker's log driver the line in it, with its container's labels."""
    if not (isinstance(event, dict) and "line" in event and "source" in event):
        return event
    line = event["line"]
    own = line if isinstance(line, dict) else {"message": as_text(line)}
    return {**own, "labels": as_mapping(event.get("attrs"))}


def _facts(event: Any) -> dict[str, Any]:
    fields = as_mapping(event.get("fields"))
    severity = first_text(fields.get("severity"), fields.get("level"))
    return {
        "time": event.get("time"),
        "service_name": first_text(fields.get("service"), event.get("source"), event.get("sourcetype")),
        "environment": first_text(fields.get("environment"), fields.get("env")),
        "severity": severity,
        "attributes": {"host.name": as_text(event.get("host")), "splunk.index": event.get("index"), **fields},
    }


def _answer(status: int, text: str, code: int) -> Reply:
    return Reply(status, json.dumps({"text": text, "code": code}).encode())


CONNECTOR = HECConnector()
