"""Slack: events of channels where other tools post alerts, and an incoming webhook for those tools to post to.

https://docs.slack.dev/apis/events-api
https://docs.slack.dev/authentication/verifying-requests-from-slack
https://docs.slack.dev/messaging/sending-messages-using-incoming-webhooks
"""

import json
from collections.abc import Iterator, Mapping
from typing import Any

from connectors.base import Auth, AuthScheme, Connector, Delivery, ErrorEvent, Parsed, Reply, Sample, Unparseable
from connectors.bodies import read_payload
from connectors.signatures import verify_age, verify_hmac_sha256, verify_shared_secret
from connectors.tags import tagged_environment, tagged_service, tags_of
from connectors.trial import HexHMAC
from connectors.values import (
    as_link,
    as_list,
    as_mapping,
    as_text,
    as_time,
    attributes_of,
    dig,
    first_text,
    join_texts,
    key_of,
)

_TIMESTAMP = "x-slack-request-timestamp"
_DEEPEST = 6
_TEXTS = ("text", "fallback", "pretext", "title", "value")


class SlackConnector(Connector):
    """Reads messages: text, blocks and attachments of each."""

    name = "slack"
    title = "Slack"
    schemes: tuple[AuthScheme, ...] = ("signature", "url-token", "none")
    vendor_secret = True
    sample = Sample(
        '{"type": "event_callback", "event_id": "%ID%", "event": {"type": "message", "subtype": '
        '"bot_message", "text": "%TEXT%", "ts": "%SECONDS%.000100", "channel": "whydenied"}}',
    )
    signer = HexHMAC("x-slack-signature", "v0=", "x-slack-request-timestamp")
    setup = """\
api.slack.com/apps, your app:
  Basic Information     give the Signing Secret to this connection
  Event Subscriptions   Request URL %URL%, bot events message.channels
  OAuth & Permissions   channels:history; then invite the app to the channels where alerts are posted

A tool that posts to Slack can post here as well, by its incoming webhook, with a connection of the scheme url-token.
"""

    def authenticate(self, delivery: Delivery, auth: Auth) -> None:
        """Raise `Unauthenticated` unless Slack signed the time and the body."""
        if auth.scheme != "signature":
            verify_shared_secret(delivery, auth)
            return
        timestamp = delivery.headers.get(_TIMESTAMP, "")
        verify_age(timestamp, delivery, auth, _TIMESTAMP)
        signed = f"v0:{timestamp}:".encode() + delivery.raw
        verify_hmac_sha256(delivery, auth, "x-slack-signature", prefix="v0=", signed=signed)

    def parse(self, delivery: Delivery) -> Parsed:
        """The message; the address is confirmed, and changes and joins hold nothing."""
        body = read_payload(delivery.body, delivery.headers.get("content-type", ""), "Slack")
        if body.get("type") == "url_verification":
            challenge = {"challenge": as_text(body.get("challenge"))}
            return Parsed(reply=Reply(200, json.dumps(challenge).encode()))
        if body.get("type") == "event_callback":
            event = as_mapping(body.get("event"))
            kind, subtype = as_text(event.get("type")), as_text(event.get("subtype"))
            if kind not in {"message", "app_mention"} or subtype not in {None, "bot_message"}:
                return Parsed(reply=Reply(200))
            found = _event(event, as_text(body.get("event_id")) or key_of(delivery.body), delivery)
            return Parsed((found,) if found else (), Reply(200))
        found = _event(body, key_of(delivery.body), delivery)
        if found is None:
            raise Unparseable("A message of Slack has text, blocks or attachments, and this has none")
        return Parsed((found,), Reply(200, b"ok", "text/plain"))


def _event(message: Mapping[str, Any], identity: str, delivery: Delivery) -> ErrorEvent | None:
    text = join_texts(_texts(message))
    if not text:
        return None
    attachments = [as_mapping(one) for one in as_list(message.get("attachments"))]
    fields = [as_mapping(one) for attachment in attachments for one in as_list(attachment.get("fields"))]
    told = tags_of([{"name": as_text(one.get("title")), "value": as_text(one.get("value"))} for one in fields])
    return ErrorEvent(
        id=identity,
        text=_unescaped(text),
        type="slack.message",
        time=as_time(message.get("ts"), delivery.received_at),
        service_name=first_text(tagged_service(told), message.get("username"), dig(message, "bot_profile", "name")),
        environment=tagged_environment(told),
        url=as_link(next((one["title_link"] for one in attachments if one.get("title_link")), None)),
        attributes=attributes_of([("slack.channel", message.get("channel")), ("slack.ts", message.get("ts"))]),
    )


def _texts(value: Any, depth: int = 0) -> Iterator[str]:
    """Every text of a message in the order of its members."""
    if depth > _DEEPEST:
        return
    title, said = as_text(dig(value, "title")), as_text(dig(value, "value"))
    if title and said:  # a field of an attachment
        yield f"{title}: {said}"
        return
    for name in _TEXTS:
        if text := as_text(dig(value, name)) if isinstance(dig(value, name), str) else None:
            yield text
    for name in ("blocks", "attachments", "fields", "elements", "text"):
        inner = dig(value, name)
        for one in inner if isinstance(inner, list) else [inner] if isinstance(inner, dict) else []:
            yield from _texts(one, depth + 1)


def _unescaped(text: str) -> str:
    """Slack escapes three characters, and no others: https://docs.slack.dev/messaging/formatting-message-text"""
    return text.replace("&lt;", "<").replace("&gt;", ">").replace("&amp;", "&")


CONNECTOR = SlackConnector()
