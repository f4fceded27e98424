"""Azure Event Grid: resource events and Activity Log entries, in its own schema or as CloudEvents, with its handshakes.

https://learn.microsoft.com/azure/event-grid/end-point-validation-event-grid-events-schema
https://github.com/cloudevents/spec/blob/v1.0.2/cloudevents/http-webhook.md#4-abuse-protection
"""

import json
from collections.abc import Mapping
from typing import Any

from connectors.azure_alert import read_activity
from connectors.base import AuthScheme, Delivery, ErrorEvent, Parsed, Reply, Sample, Unparseable
from connectors.bodies import read_json
from connectors.record import read_record
from connectors.shared_secret import SharedSecretConnector
from connectors.values import as_mapping, as_text, as_time

_VALIDATION = "Microsoft.EventGrid.SubscriptionValidationEvent"
_FAILURES = ("Failure", "Failed", "Error", "Denied")


class EventGridConnector(SharedSecretConnector):
    """Reads events of failed operations; others are understood and not kept."""

    name = "azure-event-grid"
    title = "Azure Event Grid"
    group = "cloud"
    schemes: tuple[AuthScheme, ...] = ("header", "url-token", "none")
    sample = Sample(
        '{"specversion": "1.0", "id": "%ID%", "source": "whydenied", "type": '
        '"Microsoft.Resources.ResourceWriteFailure", "subject": "whydenied", "time": "%TIME%", "data": '
        '{"status": "Failed", "error": {"message": "%TEXT%"}, "message": "%TEXT%"}}',
        content_type="application/cloudevents+json",
    )
    setup = """\
az eventgrid event-subscription create --name whydenied --source-resource-id /subscriptions/SUBSCRIPTION \\
  --endpoint '%URL%' --event-delivery-schema cloudeventschemav1_0 \\
  --included-event-types Microsoft.Resources.ResourceWriteFailure Microsoft.Resources.ResourceDeleteFailure \\
    Microsoft.Resources.ResourceActionFailure
With the scheme header, add the header and %SECRET% under Delivery Properties of the subscription.
"""

    def greet(self, delivery: Delivery) -> Reply | None:
        """Allow the origin that asks, as CloudEvents' abuse protection wants it."""
        origin = delivery.headers.get("webhook-request-origin")
        if delivery.method != "OPTIONS" or not origin or not origin.isprintable():
            return None
        allowed = {"WebHook-Allowed-Origin": origin, "WebHook-Allowed-Rate": "*", "Allow": "POST"}
        return Reply(200, headers=allowed)

    def parse(self, delivery: Delivery) -> Parsed:
        """The failures among the events; a validation is answered with its code."""
        body = read_json(delivery.body)
        events = [as_mapping(one) for one in (body if isinstance(body, list) else [body])]
        if not all(as_text(one.get("id")) for one in events):
            raise Unparseable("Each event of Event Grid has an `id`, and one has not")
        for one in events:
            if one.get("eventType") == _VALIDATION:
                code = as_text(as_mapping(one.get("data")).get("validationCode"))
                return Parsed(reply=Reply(200, json.dumps({"validationResponse": code}).encode()))
        return Parsed(tuple(event for one in events if (event := _event(one, delivery))))


def _event(value: Mapping[str, Any], delivery: Delivery) -> ErrorEvent | None:
    data = dict(as_mapping(value.get("data")))
    kind = as_text(value.get("eventType")) or as_text(value.get("type")) or ""
    identity = str(value["id"])
    time = as_time(value.get("eventTime") or value.get("time"), delivery.received_at)
    if "operationName" in data:
        entry = {"eventTimestamp": time.isoformat(), "resourceUri": value.get("subject"), **data}
        return read_activity(entry, identity, delivery.received_at)
    if not data or not kind.endswith(_FAILURES):
        return None
    return read_record(data, identity=identity, received_at=time)


CONNECTOR = EventGridConnector()
