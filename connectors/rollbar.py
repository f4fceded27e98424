"""Rollbar: its webhook, and its item API, as its SDKs send to it.

https://docs.rollbar.com/docs/webhooks
https://docs.rollbar.com/reference/create-item
"""

import json
from collections.abc import Mapping
from typing import Any

from connectors.base import AuthScheme, Delivery, ErrorEvent, Parsed, Reply, Sample, Unparseable
from connectors.bodies import read_json
from connectors.raised import Raised, chain_stacktrace, chain_text
from connectors.shared_secret import SharedSecretConnector
from connectors.values import (
    as_link,
    as_list,
    as_mapping,
    as_status,
    as_text,
    as_time,
    attributes_of,
    dig,
    first_text,
    key_of,
)

_STATES = {"resolved_item": "resolved"}
_IGNORED = frozenset({"test", "deploy"})


class RollbarConnector(SharedSecretConnector):
    """Reads items and occurrences."""

    name = "rollbar"
    title = "Rollbar"
    group = "errors"
    header_name = "X-Rollbar-Access-Token"
    schemes: tuple[AuthScheme, ...] = ("header", "basic", "url-token", "none")
    sample = Sample(
        '{"event_name": "new_item", "data": {"item": {"id": 1, "counter": 1, "title": "%TEXT%", '
        '"last_occurrence": {"uuid": "%ID%", "body": {"message": {"body": "%TEXT%"}}}}}}',
    )
    setup = """\
Project, Settings, Notifications, Webhook: %URL%   (Rollbar signs nothing: use the scheme url-token or basic)

Or let an SDK send here itself, its access token being a secret of this connection (scheme header):
  rollbar.init("%SECRET%", endpoint="%URL%/api/1/item/")
"""

    def parse(self, delivery: Delivery) -> Parsed:
        """The occurrence of an item."""
        body = read_json(delivery.body)
        data = as_mapping(as_mapping(body).get("data"))
        if not data:
            raise Unparseable("A message of Rollbar has its contents in `data`, and this has none")
        if "event_name" in body:
            return _webhook(as_text(body.get("event_name")) or "", data, delivery)
        event = _occurrence(data, delivery, {}, as_text(data.get("uuid")) or key_of(delivery.body))
        answer = {"err": 0, "result": {"id": None, "uuid": event.id}}
        return Parsed((event,), Reply(200, json.dumps(answer).encode()))


def _webhook(kind: str, data: Mapping[str, Any], delivery: Delivery) -> Parsed:
    if kind in _IGNORED:
        return Parsed()
    item = as_mapping(data.get("item"))
    occurrence = as_mapping(item.get("last_occurrence")) or as_mapping(data.get("occurrence"))
    number = first_text(item.get("id"), item.get("counter"))
    said = first_text(dig(occurrence, "id"), item.get("last_occurrence_id"), item.get("last_occurrence_timestamp"))
    identity = f"{kind}:{number}:{said or ''}" if number else key_of(delivery.body)
    merged = {"environment": item.get("environment"), "level": item.get("level"), **occurrence}
    return Parsed((_occurrence(merged, delivery, {**item, "url": data.get("url"), "event_name": kind}, identity),))


def _occurrence(data: Mapping[str, Any], delivery: Delivery, item: Mapping[str, Any], identity: str) -> ErrorEvent:
    body = as_mapping(data.get("body"))
    chain = [_raised(trace) for trace in reversed(as_list(body.get("trace_chain")) or [body.get("trace")])]
    chain = [raised for raised in chain if raised.line]
    message = as_mapping(body.get("message"))
    said = [as_text(message.get("body")), None if chain else first_text(item.get("title"), data.get("title"))]
    return ErrorEvent(
        id=identity,
        text=chain_text(chain, said),
        type=as_text(item.get("event_name")) or "item",
        time=as_time(data.get("timestamp") or item.get("last_occurrence_timestamp"), delivery.received_at),
        state="resolved" if as_text(item.get("event_name")) in _STATES else "firing",
        service_name=first_text(dig(data, "custom", "service"), dig(data, "server", "host"), item.get("project_name")),
        environment=as_text(data.get("environment")),
        severity=as_text(data.get("level")),
        exception_type=chain[0].type if chain else None,
        stacktrace=chain_stacktrace(chain),
        http_status=as_status(dig(data, "custom", "http_status")),
        url=as_link(item.get("url")),
        grouping_key=first_text(item.get("id"), data.get("fingerprint")),
        attributes=attributes_of(
            [(name, data.get(name)) for name in ("context", "code_version", "framework", "language", "platform")]
        ),
    )


def _raised(trace: Any) -> Raised:
    exception = as_mapping(as_mapping(trace).get("exception"))
    frames = [
        {**frame, "context_line": frame.get("code"), "function": frame.get("method")}
        for frame in map(as_mapping, as_list(as_mapping(trace).get("frames")))
    ]
    return Raised(
        as_text(exception.get("class")), first_text(exception.get("message"), exception.get("description")), frames
    )


CONNECTOR = RollbarConnector()
