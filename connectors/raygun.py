"""Raygun: its webhook, and its entry API, as its SDKs send to it.

https://raygun.com/documentation/integrations/webhooks/
https://raygun.com/documentation/product-guides/crash-reporting/api/
"""

from collections.abc import Iterator, Mapping
from typing import Any

from connectors.base import AuthScheme, Delivery, ErrorEvent, Parsed, Reply, Sample, Unparseable
from connectors.bodies import read_json
from connectors.raised import Raised, chain_stacktrace, chain_text
from connectors.shared_secret import SharedSecretConnector
from connectors.values import as_link, as_list, as_mapping, as_text, as_time, attributes_of, dig, first_text, key_of

_MOST_CAUSES = 10


class RaygunConnector(SharedSecretConnector):
    """Reads entries of SDKs whole, and notifications, which carry the message only."""

    name = "raygun"
    title = "Raygun"
    group = "errors"
    header_name = "X-ApiKey"
    schemes: tuple[AuthScheme, ...] = ("header", "basic", "url-token", "none")
    sample = Sample(
        '{"event": "error_notification", "eventType": "NewErrorOccurred", "error": {"url": "", "message": '
        '"%TEXT%", "firstOccurredOn": "%TIME%"}}',
    )
    setup = """\
Application settings, Integrations, Webhook: %URL%   (Raygun signs nothing: use the scheme url-token or basic)

Or let an SDK send here itself, its API key being a secret of this connection (scheme header):
  the SDK's endpoint is %URL%/entries and its API key %SECRET%
"""

    def parse(self, delivery: Delivery) -> Parsed:
        """The notification, or the entry of an SDK."""
        body = read_json(delivery.body)
        if not isinstance(body, dict):
            raise Unparseable("A message of Raygun is a JSON object, and this is not one")
        if isinstance(body.get("details"), dict):
            return Parsed((_entry(body, delivery),), Reply(202, b""))
        if not isinstance(body.get("error"), dict):
            raise Unparseable("A message of Raygun has `details` or an `error`, and this has neither")
        return Parsed((_notification(body, delivery),))


def _entry(body: Mapping[str, Any], delivery: Delivery) -> ErrorEvent:
    details = as_mapping(body["details"])
    chain = list(_chain(as_mapping(details.get("error"))))[::-1]
    custom = as_mapping(details.get("userCustomData"))
    return ErrorEvent(
        id=key_of(delivery.body),
        text=chain_text(chain),
        type="entry",
        time=as_time(body.get("occurredOn"), delivery.received_at),
        service_name=first_text(custom.get("service"), details.get("machineName")),
        environment=first_text(custom.get("environment"), dig(details, "environment", "name")),
        exception_type=chain[0].type if chain else None,
        stacktrace=chain_stacktrace(chain),
        grouping_key=as_text(details.get("groupingKey")),
        attributes=attributes_of(
            [("release", details.get("version")), ("tags", details.get("tags")), ("host", details.get("machineName"))]
        ),
    )


def _chain(error: Mapping[str, Any]) -> Iterator[Raised]:
    """The exception and its causes, the outermost first."""
    for _ in range(_MOST_CAUSES):
        if not error:
            return
        frames = [
            {"filename": frame.get("fileName"), "lineno": frame.get("lineNumber"), "function": frame.get("methodName")}
            for frame in map(as_mapping, reversed(as_list(error.get("stackTrace"))))
        ]
        yield Raised(as_text(error.get("className")), as_text(error.get("message")), frames)
        error = as_mapping(error.get("innerError"))


def _notification(body: Mapping[str, Any], delivery: Delivery) -> ErrorEvent:
    error, kind = as_mapping(body["error"]), first_text(body.get("eventType"), body.get("event")) or "error"
    url = as_link(error.get("url"))
    moment = first_text(error.get("lastOccurredOn"), error.get("firstOccurredOn"))
    return ErrorEvent(
        id=f"{kind}:{url}:{as_text(error.get('totalOccurrences')) or moment or ''}" if url else key_of(delivery.body),
        text=as_text(error.get("message")) or kind,
        type=kind,
        time=as_time(moment, delivery.received_at),
        service_name=as_text(dig(body, "application", "name")),
        url=url,
        grouping_key=url,
        attributes=attributes_of([("total_occurrences", error.get("totalOccurrences"))]),
    )


CONNECTOR = RaygunConnector()
