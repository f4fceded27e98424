"""Datadog: its webhook integration, with the template below, and its log intake, as an agent sends to it.

https://docs.datadoghq.com/integrations/webhooks/
https://docs.datadoghq.com/api/latest/logs/#send-logs
"""

import contextlib
from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any

from connectors.base import Auth, AuthScheme, Connector, Delivery, Parsed, Reply, Sample, Unauthenticated, Unparseable
from connectors.bodies import read_form, read_json, read_json_values
from connectors.datadog_search import DatadogSearch
from connectors.log_line import LogLines
from connectors.record import read_record
from connectors.signatures import is_one_of, live_secrets, verify_named_secret
from connectors.tags import tags_of
from connectors.values import as_list, as_mapping, as_text, first_text, key_of

_LOG_PATHS = ("/api/v2/logs", "/v1/input", "/api/v1/logs")
_KEY = "dd-api-key"
_RESOLVED = ("recovered", "no data resolved")


class DatadogConnector(Connector):
    """Reads alerts by the webhook's template, and the failures among logs."""

    name = "datadog"
    title = "Datadog"
    group = "alerts"
    schemes: tuple[AuthScheme, ...] = ("header", "basic", "bearer", "url-token", "none")
    pulls = DatadogSearch()
    sample = Sample('{"id": "%ID%", "title": "whydenied test", "message": "%TEXT%", "transition": "Triggered"}')
    setup = """\
Integrations, Webhooks, New:
  URL               %URL%
  Custom Headers    {"X-Whydenied-Key": "%SECRET%"}   (the header that this connection names)
  Payload
{"id": "$ID", "cycle": "$ALERT_CYCLE_KEY", "transition": "$ALERT_TRANSITION", "title": "$EVENT_TITLE",
 "message": "$TEXT_ONLY_MSG", "logs": "$LOGS_SAMPLE", "service": "$TAGS[service]", "env": "$TAGS[env]",
 "priority": "$ALERT_PRIORITY", "tags": "$TAGS", "link": "$LINK", "date": "$DATE"}
Then name @webhook-whydenied in the message of your monitors.

The log intake, for an agent or a forwarder (its API key is the secret):
  DD_LOGS_CONFIG_LOGS_DD_URL=%HOST%:443   DD_API_KEY=%SECRET%   path: %PATH%/api/v2/logs
"""

    def greet(self, delivery: Delivery) -> Reply | None:
        """The check of its API key that an agent makes first."""
        return Reply(200, b'{"valid":true}') if delivery.path.endswith("/api/v1/validate") else None

    def authenticate(self, delivery: Delivery, auth: Auth) -> None:
        """Raise `Unauthenticated` unless the secret is shown; at the log intake it is the API key of the agent."""
        key = delivery.headers.get(_KEY) or delivery.query.get(_KEY) or _key_in_path(delivery.path)
        if auth.scheme != "none" and key and _is_logs(delivery.path):
            if not is_one_of(key, live_secrets(auth)):
                raise Unauthenticated("The API key is no secret of this connection")
            return
        verify_named_secret(delivery, auth, (auth.name or "").lower())

    def parse(self, delivery: Delivery) -> Parsed:
        """The alert, or the failures among the logs."""
        if _is_logs(delivery.path):
            return _parse_logs(delivery)
        item = _alert(delivery)
        transition = (as_text(item.get("transition")) or as_text(item.get("alert_transition")) or "").lower()
        parts = [first_text(item.get("id")), first_text(item.get("cycle"), item.get("alert_cycle_key")), transition]
        identity = ":".join(part or "" for part in parts) if parts[0] else key_of(delivery.body)
        event = read_record(item, identity=identity, received_at=delivery.received_at)
        is_over = transition in _RESOLVED
        return Parsed((replace(event, type="datadog.alert", state="resolved" if is_over else "firing"),))


def _alert(delivery: Delivery) -> dict[str, Any]:
    if "form" in delivery.headers.get("content-type", ""):
        form = read_form(delivery.body)
        value: Any = read_json(form["payload"].encode()) if "payload" in form else form
    else:
        value = read_json(delivery.body)
    if not isinstance(value, dict) or not value:
        raise Unparseable("The payload of the webhook is no object; use the template that this connection shows")
    # A variable without a value stays as its own name
    item = {name: said for name, said in value.items() if not (isinstance(said, str) and said.startswith("$"))}
    for name in {"logs", "logs_sample"} & item.keys():
        item[name] = _sample(item[name])
    if item.get("priority") in ("normal", "low"):  # of the event, and not of the alert
        del item["priority"]
    return item


def _sample(value: Any) -> Any:
    """The messages of `$LOGS_SAMPLE`, an object of columns and rows, perhaps quoted; else the value itself."""
    if isinstance(value, str) and value.lstrip().startswith("{"):
        with contextlib.suppress(Unparseable):
            value = read_json(value.encode("utf-8", "replace"))
    rows = as_list(as_mapping(value).get("rows"))
    return [text for row in rows if (text := as_text(as_mapping(row).get("message")))] if rows else value


def _parse_logs(delivery: Delivery) -> Parsed:
    lines = LogLines(delivery)
    for entry in _entries(delivery.body):
        tags = tags_of(entry.get("ddtags"))
        own = {name: value for name, value in entry.items() if name not in {"ddtags", "ddsource", "hostname"}}
        lines.add(
            own,
            time=entry.get("timestamp") or entry.get("date"),
            service_name=first_text(entry.get("service"), tags.get("service"), entry.get("ddsource")),
            environment=first_text(tags.get("env"), entry.get("env")),
            severity=first_text(entry.get("status"), entry.get("level")),
            attributes={"host.name": as_text(entry.get("hostname")), **tags},
        )
    return lines.parsed(Reply(202, b"{}"))


def _entries(body: bytes) -> Iterator[Mapping[str, Any]]:
    for value in read_json_values(body) if body.strip() else []:
        for entry in value if isinstance(value, list) else [value]:
            yield as_mapping(entry) if isinstance(entry, dict) else {"message": as_text(entry)}


def _is_logs(path: str) -> bool:
    return path.rstrip("/").startswith(_LOG_PATHS)


def _key_in_path(path: str) -> str | None:
    return path.removeprefix("/v1/input/") if path.startswith("/v1/input/") else None


CONNECTOR = DatadogConnector()
