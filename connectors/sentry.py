"""Sentry: webhooks of an integration, the older WebHooks plugin and service hooks, and its SDKs, as their DSN's target.

https://docs.sentry.io/organization/integrations/integration-platform/webhooks/
https://develop.sentry.dev/sdk/overview/
"""

import json
import re
from collections.abc import Callable, Mapping
from typing import Any
from urllib.parse import urlsplit

from connectors import bodies, codings
from connectors.base import (
    Auth,
    AuthScheme,
    Connector,
    Delivery,
    ErrorEvent,
    Parsed,
    Reply,
    Sample,
    Unauthenticated,
    Unparseable,
)
from connectors.envelopes import read_envelope
from connectors.sentry_event import event_id, read_event
from connectors.sentry_issues import SentryIssues
from connectors.signatures import is_one_of, live_secrets, verify_hmac_sha256, verify_shared_secret
from connectors.trial import HexHMAC
from connectors.values import as_link, as_mapping, as_text, as_time, attributes_of, dig, first_text, join_texts

_SDK_PATH = re.compile(r"/api/(?:(?P<project>[^/]+)/)?(?P<endpoint>envelope|store)/?")
_KEY_IN_HEADER = re.compile(r"\bsentry_key\s*=\s*([^,\s]+)")
_SIGNATURE_HEADERS = ("sentry-hook-signature", "x-servicehook-signature")
_FIRST_LINE = 8_192
_ISSUE_STATES = {"created": "firing", "unresolved": "firing", "resolved": "resolved"}


class SentryConnector(Connector):
    """Reads what Sentry and its SDKs send."""

    name = "sentry"
    title = "Sentry"
    group = "errors"
    schemes: tuple[AuthScheme, ...] = ("signature", "bearer", "basic", "header", "url-token", "none")
    pulls = SentryIssues()
    vendor_secret = True
    limits = (20 * 1024 * 1024, 100 * 1024 * 1024)  # what Sentry itself takes
    sample = Sample(
        '{"action": "triggered", "data": {"event": {"event_id": "%ID%", "title": "%TEXT%", "message": '
        '"%TEXT%", "datetime": "%TIME%"}}}',
        headers={"sentry-hook-resource": "event_alert"},
    )
    signer = HexHMAC("sentry-hook-signature")
    setup = """\
In Sentry: Settings, Developer Settings, Create New Integration, Internal Integration.
  Webhook URL         %URL%
  Alert Rule Action   on
  Webhooks            issue, and error if your plan has it
Give its Client Secret to this connection as the secret; then choose the integration as an action in your alert rules.

Or let an SDK send here itself; its DSN key must be among the secrets of this connection:
  SENTRY_DSN=https://%SECRET%@%HOST%%PATH%/1
"""

    def authenticate(self, delivery: Delivery, auth: Auth) -> None:
        """Raise `Unauthenticated` unless the webhook is signed, or the SDK shows a key that is among the secrets.

        The key of a DSN is as public as the application that carries it; it lets one send events, as with Sentry.
        """
        key = _sdk_key(delivery) if _SDK_PATH.fullmatch(delivery.path) else None
        if key and auth.scheme != "none":
            if not is_one_of(key, live_secrets(auth)):
                raise Unauthenticated("The DSN's public key is not among the secrets of this connection")
        elif auth.scheme == "signature":
            header = next((name for name in _SIGNATURE_HEADERS if name in delivery.headers), _SIGNATURE_HEADERS[0])
            verify_hmac_sha256(delivery, auth, header)
        else:
            verify_shared_secret(delivery, auth)

    def parse(self, delivery: Delivery) -> Parsed:
        """The errors of a delivery; sessions, traces, installations and the like are understood and hold none."""
        if found := _SDK_PATH.fullmatch(delivery.path):
            return _parse_sdk(delivery, found["endpoint"])
        if delivery.path.startswith("/api/"):
            raise Unparseable(f"Of Sentry's protocol only envelope and store are read, not {delivery.path[:80]!r}")
        body = bodies.read_json(delivery.body)
        if not isinstance(body, dict):
            raise Unparseable("A Sentry webhook is a JSON object, and this is not one")
        return Parsed(_webhook_events(body, delivery))


def _sdk_key(delivery: Delivery) -> str | None:
    """The DSN's public key from where SDKs put it: the query, a header, or the envelope's `dsn`."""
    if key := delivery.query.get("sentry_key"):
        return key
    for name in ("x-sentry-auth", "authorization"):
        if found := _KEY_IN_HEADER.search(delivery.headers.get(name, "")):
            return found[1]
    head = codings.peek(delivery.raw, delivery.headers.get("content-encoding", ""), _FIRST_LINE)
    try:
        dsn = dig(bodies.read_json(head.partition(b"\n")[0]), "dsn")
        return urlsplit(dsn).username if isinstance(dsn, str) else None
    except (Unparseable, ValueError):
        return None


def _parse_sdk(delivery: Delivery, endpoint: str) -> Parsed:
    headers: Mapping[str, Any] = {}
    payloads = [delivery.body]
    if endpoint == "envelope":
        headers, items = read_envelope(delivery.body)
        payloads = [payload for item, payload in items if item.get("type") == "event"]
    found = [_sdk_event(payload, headers, delivery) for payload in payloads]
    named = next((event.id for event in found), None) or event_id(headers)
    reply = json.dumps({"id": named} if named else {}).encode()
    return Parsed(tuple(found), Reply(200, reply, headers={"Access-Control-Allow-Origin": "*"}))


def _sdk_event(payload: bytes, headers: Mapping[str, Any], delivery: Delivery) -> ErrorEvent:
    event = bodies.read_json(payload)
    if not isinstance(event, dict):
        raise Unparseable("A Sentry event is a JSON object, and this is not one")
    if not event_id(event):
        event["event_id"] = event_id(headers)
    return read_event(event, delivery.received_at, kind="event")


def _webhook_events(body: Mapping[str, Any], delivery: Delivery) -> tuple[ErrorEvent, ...]:
    """Sentry names the kind in an unsigned header, so what the signed body holds decides."""
    data = as_mapping(body.get("data"))
    for member, read in _READERS.items():
        if isinstance(data.get(member), dict):
            event = read(body, data, delivery)
            return (event,) if event else ()
    if isinstance(body.get("event"), dict):
        return (_hook_event(body, delivery),)
    if "sentry-hook-resource" in delivery.headers or ("action" in body and "installation" in body):
        return ()
    raise Unparseable(
        "This is no Sentry webhook: it has neither `data` with an event, error, issue or alert, nor `event`"
    )


def _alert_or_error(body: Mapping[str, Any], data: Mapping[str, Any], delivery: Delivery) -> ErrorEvent:
    member = "event" if isinstance(data.get("event"), dict) else "error"
    return read_event(
        data[member],
        delivery.received_at,
        kind=f"{'event_alert' if member == 'event' else 'error'}.{_action(body)}",
        rule=as_text(data.get("triggered_rule")),
    )


def _issue(body: Mapping[str, Any], data: Mapping[str, Any], delivery: Delivery) -> ErrorEvent | None:
    """An issue's change; it carries no stack trace. Assignments, archiving and comments say nothing of a failure."""
    issue, action = as_mapping(data.get("issue")), _action(body)
    number = as_text(issue.get("id"))
    if action not in _ISSUE_STATES or number is None:
        return None
    kind, value = as_text(dig(issue, "metadata", "type")), as_text(dig(issue, "metadata", "value"))
    said = f"{kind}: {value}" if kind and value else first_text(value, issue.get("title"), issue.get("culprit"))
    seen = issue.get("firstSeen" if action == "created" else "lastSeen")
    return ErrorEvent(
        id=f"issue:{number}:{action}:{as_text(seen) or ''}",
        text=said or f"Sentry issue {number}",
        type=f"issue.{action}",
        time=delivery.received_at if action == "resolved" else as_time(seen, delivery.received_at),
        state="resolved" if _ISSUE_STATES[action] == "resolved" else "firing",
        service_name=first_text(dig(issue, "project", "slug"), dig(issue, "project", "name")),
        severity=as_text(issue.get("level")),
        exception_type=kind,
        url=as_link(issue.get("web_url")) or as_link(issue.get("permalink")),
        grouping_key=number,
        attributes=attributes_of((name, as_text(issue.get(name))) for name in ("culprit", "platform", "shortId")),
    )


def _metric_alert(body: Mapping[str, Any], data: Mapping[str, Any], delivery: Delivery) -> ErrorEvent:
    alert, action = as_mapping(data.get("metric_alert")), _action(body)
    number = first_text(alert.get("id"), alert.get("identifier")) or "?"
    date = first_text(alert.get("date_closed" if action == "resolved" else "date_started"), alert.get("date_detected"))
    said = [as_text(data.get("description_title")), as_text(alert.get("title")), as_text(data.get("description_text"))]
    return ErrorEvent(
        id=f"metric_alert:{number}:{action}:{date or ''}",
        text=join_texts(said) or f"Sentry metric alert {number}",
        type=f"metric_alert.{action}",
        time=as_time(date, delivery.received_at),
        state="resolved" if action == "resolved" else "firing",
        environment=as_text(dig(alert, "alert_rule", "environment")),
        severity=None if action == "resolved" else action,
        url=as_link(data.get("web_url")),
        grouping_key=f"metric_alert:{number}",
        attributes=attributes_of([("rule", as_text(dig(alert, "alert_rule", "name")))]),
    )


def _hook_event(body: Mapping[str, Any], delivery: Delivery) -> ErrorEvent:
    """The event of the WebHooks plugin, with issue and project beside it, or of a service hook, with its `group`."""
    group = as_mapping(body.get("group"))
    event = {name: body.get(name) for name in ("culprit", "level", "logger", "message")} | dict(body["event"])
    project = first_text(dig(body, "project", "slug"), body.get("project_slug"), body.get("project_name"))
    return read_event(
        event,
        delivery.received_at,
        kind="service_hook" if group else "plugin",
        project=project,
        issue=first_text(group.get("id"), None if group else body.get("id")),
        link=first_text(group.get("url"), group.get("permalink"), body.get("url")),
        rule=first_text(body.get("triggering_rules")),
    )


def _action(body: Mapping[str, Any]) -> str:
    return as_text(body.get("action")) or "triggered"


_READERS: dict[str, Callable[[Mapping[str, Any], Mapping[str, Any], Delivery], ErrorEvent | None]] = {
    "event": _alert_or_error,
    "error": _alert_or_error,
    "issue": _issue,
    "metric_alert": _metric_alert,
}
CONNECTOR = SentryConnector()
