"""PagerDuty: webhooks (v3) of incidents, and its Events API (v2), as monitoring tools send to it.

https://developer.pagerduty.com/docs/webhooks-overview
https://developer.pagerduty.com/docs/verifying-webhook-signatures
https://developer.pagerduty.com/docs/send-alert-event
"""

import json
from collections.abc import Mapping
from typing import Any

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
from connectors.bodies import read_json
from connectors.pagerduty_alerts import PagerDutyAlerts
from connectors.signatures import is_one_of, live_secrets, verify_hmac_sha256, verify_shared_secret
from connectors.trial import HexHMAC
from connectors.values import (
    as_link,
    as_mapping,
    as_text,
    as_time,
    attributes_of,
    compact_json,
    dig,
    first_text,
    join_texts,
    key_of,
)

_FIRING = frozenset({"incident.triggered", "incident.reopened", "incident.unacknowledged", "incident.escalated"})
_OVER = frozenset({"incident.resolved"})


class PagerDutyConnector(Connector):
    """Reads incidents; their notification lacks the alert's details, the Events API has them."""

    name = "pagerduty"
    title = "PagerDuty"
    group = "alerts"
    schemes: tuple[AuthScheme, ...] = ("signature", "bearer", "basic", "header", "url-token", "none")
    pulls = PagerDutyAlerts()
    vendor_secret = True
    sample = Sample(
        '{"event": {"id": "%ID%", "event_type": "incident.triggered", "occurred_at": "%TIME%", "data": '
        '{"id": "%ID%", "type": "incident", "title": "%TEXT%"}}}',
    )
    signer = HexHMAC("x-pagerduty-signature", "v1=")
    setup = """\
Integrations, Generic Webhooks (v3), New Webhook:
  Webhook URL          %URL%
  Event Subscription   incident.triggered, incident.reopened, incident.resolved
PagerDuty shows the signing secret once: give it to this connection. With another scheme, add a custom header:
  %HEADER%

Tools that speak the Events API v2 can send here too, with a secret of this connection as routing_key: %URL%/v2/enqueue
"""

    def authenticate(self, delivery: Delivery, auth: Auth) -> None:
        """Raise `Unauthenticated` unless one of the signatures is right, or the routing key is a secret."""
        if delivery.path.rstrip("/").endswith("/v2/enqueue") and auth.scheme != "none":
            key = dig(_json(delivery), "routing_key")
            if not is_one_of(key if isinstance(key, str) else None, live_secrets(auth)):
                raise Unauthenticated("The routing_key is no secret of this connection")
        elif auth.scheme == "signature":
            verify_hmac_sha256(delivery, auth, "x-pagerduty-signature", prefix="v1=")
        else:
            verify_shared_secret(delivery, auth)

    def parse(self, delivery: Delivery) -> Parsed:
        """The incident, none for what happens to it otherwise; or the event of a tool."""
        body = read_json(delivery.body)
        if not isinstance(body, dict):
            raise Unparseable("A message of PagerDuty is a JSON object, and this is not one")
        if "event_action" in body:
            return _parse_event(body, delivery)
        event = as_mapping(body.get("event"))
        kind, data = as_text(event.get("event_type")), as_mapping(event.get("data"))
        if kind is None:
            raise Unparseable("A webhook of PagerDuty (v3) has an `event` with an `event_type`, and this has not")
        if kind not in _FIRING | _OVER:
            return Parsed()
        return Parsed((_incident(kind, event, data, delivery),))


def _json(delivery: Delivery) -> Mapping[str, Any]:
    try:
        return as_mapping(read_json(delivery.raw))
    except Unparseable:
        return {}


def _incident(kind: str, event: Mapping[str, Any], data: Mapping[str, Any], delivery: Delivery) -> ErrorEvent:
    return ErrorEvent(
        id=as_text(event.get("id")) or key_of(delivery.body),
        text=join_texts([as_text(data.get("title")), as_text(dig(data, "body", "details"))]) or kind,
        type=kind,
        time=as_time(event.get("occurred_at"), delivery.received_at),
        state="resolved" if kind in _OVER else "firing",
        service_name=as_text(dig(data, "service", "summary")),
        severity=first_text(dig(data, "priority", "summary"), data.get("urgency")),
        url=as_link(data.get("html_url")),
        grouping_key=as_text(data.get("id")),
        attributes=attributes_of([("pagerduty.incident_key", data.get("incident_key"))]),
    )


def _parse_event(body: Mapping[str, Any], delivery: Delivery) -> Parsed:
    action, payload = as_text(body.get("event_action")), as_mapping(body.get("payload"))
    key = as_text(body.get("dedup_key")) or key_of(delivery.body)
    answer = {"status": "success", "message": "Event processed", "dedup_key": key}
    reply = Reply(202, json.dumps(answer).encode())
    if action not in {"trigger", "resolve"}:
        return Parsed(reply=reply)
    details = payload.get("custom_details")
    said = [as_text(payload.get("summary")), compact_json(details) if isinstance(details, dict) else as_text(details)]
    event = ErrorEvent(
        id=f"{key}:{action}:{as_text(payload.get('timestamp')) or key_of(delivery.body)}",
        text=join_texts(said) or key,
        type=f"event.{action}",
        time=as_time(payload.get("timestamp"), delivery.received_at),
        state="resolved" if action == "resolve" else "firing",
        service_name=first_text(payload.get("component"), payload.get("source")),
        severity=as_text(payload.get("severity")),
        url=as_link(first_text(body.get("client_url"))),
        grouping_key=key,
        attributes=attributes_of([(name, payload.get(name)) for name in ("group", "class")]),
    )
    return Parsed((event,), reply)


CONNECTOR = PagerDutyConnector()
