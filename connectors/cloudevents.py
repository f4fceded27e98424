"""CloudEvents 1.0 over HTTP: structured, binary and batched, from any producer.

https://github.com/cloudevents/spec/blob/v1.0.2/cloudevents/bindings/http-protocol-binding.md
"""

import base64
from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any
from urllib.parse import unquote

from connectors.base import (
    Auth,
    AuthScheme,
    BodyTooLarge,
    Connector,
    Delivery,
    ErrorEvent,
    Parsed,
    Reply,
    Sample,
    Unparseable,
)
from connectors.bodies import MOST_VALUES, read_json, read_text
from connectors.record import read_record
from connectors.signatures import verify_shared_secret, verify_standard_webhook
from connectors.trial import StandardWebhook
from connectors.values import as_mapping, as_text, as_time, attributes_of, first_text


class CloudEventsConnector(Connector):
    """Reads the data of each event; source and id make its identity."""

    name = "cloudevents"
    title = "CloudEvents"
    schemes: tuple[AuthScheme, ...] = ("bearer", "signature", "basic", "header", "url-token", "none")
    sample = Sample(
        '{"specversion": "1.0", "id": "%ID%", "source": "whydenied", "type": "whydenied.test", "time": '
        '"%TIME%", "data": {"message": "%TEXT%"}}',
        content_type="application/cloudevents+json",
    )
    signer = StandardWebhook()
    setup = """\
curl '%URL%' -H 'Content-Type: application/cloudevents+json' \\
  -H '%HEADER%' \\
  -d '{"specversion": "1.0", "id": "1", "source": "/billing", "type": "com.example.failed", "data": {"message": "..."}}'
"""

    def greet(self, delivery: Delivery) -> Reply | None:
        """Allow the origin that asks, as the specification's abuse protection wants it."""
        origin = delivery.headers.get("webhook-request-origin")
        if delivery.method != "OPTIONS" or not origin or not origin.isprintable():
            return None
        return Reply(200, headers={"WebHook-Allowed-Origin": origin, "WebHook-Allowed-Rate": "*", "Allow": "POST"})

    def authenticate(self, delivery: Delivery, auth: Auth) -> None:
        """Raise `Unauthenticated` unless the connection's secret is shown, or signed with as Standard Webhooks does."""
        if auth.scheme == "signature":
            verify_standard_webhook(delivery, auth)
        else:
            verify_shared_secret(delivery, auth)

    def parse(self, delivery: Delivery) -> Parsed:
        """The events of the delivery, in any of the three modes."""
        events = {event.id: event for value in _values(delivery) if (event := _event(value, delivery))}
        return Parsed(tuple(events.values()))


def _values(delivery: Delivery) -> Iterator[Mapping[str, Any]]:
    if "ce-id" in delivery.headers:
        attributes = {name[3:]: unquote(value) for name, value in delivery.headers.items() if name.startswith("ce-")}
        yield {**attributes, "data": _binary_data(delivery)}
        return
    body = read_json(delivery.body)
    values = body if isinstance(body, list) else [body]
    if len(values) > MOST_VALUES:
        raise BodyTooLarge(f"The batch has more than {MOST_VALUES} events; send smaller ones")
    for value in values:
        if not isinstance(value, dict) or not as_text(value.get("id")) or "source" not in value:
            raise Unparseable("A CloudEvent has an `id` and a `source`, and one has not")
        yield value


def _binary_data(delivery: Delivery) -> Any:
    content_type = delivery.headers.get("content-type", "").lower()
    return read_json(delivery.body) if "json" in content_type else read_text(delivery.body, content_type)


def _event(value: Mapping[str, Any], delivery: Delivery) -> ErrorEvent | None:
    data = value.get("data")
    if "data_base64" in value:
        try:
            data = read_text(base64.b64decode(str(value["data_base64"]), validate=True))
        except ValueError:
            raise Unparseable("An event's data_base64 is not base64") from None
    if not isinstance(data, dict | str) or not data or (isinstance(data, str) and not data.strip()):
        return None
    source, kind = as_text(value.get("source")), as_text(value.get("type")) or "event"
    identity = f"{source}#{as_text(value.get('id'))}"
    event = read_record(data, identity=identity, received_at=as_time(value.get("time"), delivery.received_at))
    subject = first_text(value.get("subject"))
    kept = [*event.attributes.items(), *as_mapping({"ce.source": source, "ce.subject": subject}).items()]
    return replace(event, type=kind, service_name=event.service_name or source, attributes=attributes_of(kept))


CONNECTOR = CloudEventsConnector()
