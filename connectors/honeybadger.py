"""Honeybadger: its webhook, and its notice API, as its SDKs send to it.

https://docs.honeybadger.io/guides/integrations/webhook/
https://docs.honeybadger.io/api/reporting-exceptions/
"""

import json
from collections.abc import Mapping
from typing import Any

from connectors.base import Auth, AuthScheme, Connector, Delivery, ErrorEvent, Parsed, Reply, Sample, Unparseable
from connectors.bodies import read_json
from connectors.raised import Raised, chain_stacktrace, chain_text
from connectors.signatures import verify_named_secret
from connectors.values import as_link, as_list, as_mapping, as_text, as_time, attributes_of, dig, first_text, key_of

_SDK_KEY = "x-api-key"
_WEBHOOK_TOKEN = "honeybadger-token"  # noqa: S105 - the name of a header
_FIRING = frozenset({"occurred", "unresolved", "rate_exceeded", "down", "check_in_missing"})
_OVER = frozenset({"resolved", "up", "check_in_reporting"})


class HoneybadgerConnector(Connector):
    """Reads faults and notices."""

    name = "honeybadger"
    title = "Honeybadger"
    group = "errors"
    header_name = "Honeybadger-Token"
    schemes: tuple[AuthScheme, ...] = ("header", "bearer", "basic", "url-token", "none")
    sample = Sample(
        '{"event": "occurred", "message": "%TEXT%", "fault": {"id": 1, "klass": "whydenied", "message": '
        '"%TEXT%"}, "notice": {"id": "%ID%", "message": "%TEXT%"}}',
    )
    setup = """\
Project, Settings, Alerts and integrations, Webhook: %URL%
  Token: %SECRET%   (sent as Honeybadger-Token; this connection: scheme header)

Or let an SDK send here itself, its API key being a secret of this connection:
  honeybadger.configure(api_key="%SECRET%", endpoint="%URL%")
"""

    def authenticate(self, delivery: Delivery, auth: Auth) -> None:
        """Raise `Unauthenticated` unless the secret is shown as the webhook's token or the SDK's API key."""
        verify_named_secret(delivery, auth, _SDK_KEY if _SDK_KEY in delivery.headers else _WEBHOOK_TOKEN)

    def parse(self, delivery: Delivery) -> Parsed:
        """The fault of a webhook, or the notice of an SDK."""
        body = read_json(delivery.body)
        if not isinstance(body, dict):
            raise Unparseable("A message of Honeybadger is a JSON object, and this is not one")
        if "event" in body:
            return _webhook(body, delivery)
        if not isinstance(body.get("error"), dict):
            raise Unparseable("A message of Honeybadger has an `event` or an `error`, and this has neither")
        event = _notice(body, delivery)
        return Parsed((event,), Reply(201, json.dumps({"id": event.id}).encode()))


def _webhook(body: Mapping[str, Any], delivery: Delivery) -> Parsed:
    kind = as_text(body.get("event")) or ""
    if kind not in _FIRING | _OVER:
        return Parsed()
    fault, notice = as_mapping(body.get("fault")), as_mapping(body.get("notice"))
    number = first_text(fault.get("id"), dig(body, "outage", "id"), dig(body, "check_in", "id"))
    message = first_text(notice.get("message"), fault.get("message"), body.get("message"))
    raised = Raised(as_text(fault.get("klass")), message, _frames(dig(notice, "backtrace")))
    said = first_text(notice.get("id"), fault.get("last_notice_at"), dig(body, "outage", "up_at"))
    return Parsed(
        (
            ErrorEvent(
                id=f"{kind}:{number}:{said or ''}" if number else key_of(delivery.body),
                text=chain_text([raised], [None if fault else as_text(body.get("message"))]),
                type=kind,
                time=as_time(first_text(notice.get("created_at"), fault.get("last_notice_at")), delivery.received_at),
                state="resolved" if kind in _OVER else "firing",
                service_name=as_text(dig(body, "project", "name")),
                environment=first_text(fault.get("environment"), notice.get("environment_name")),
                exception_type=as_text(fault.get("klass")),
                stacktrace=chain_stacktrace([raised]),
                url=as_link(first_text(fault.get("url"), notice.get("url"), body.get("url"))),
                grouping_key=number,
                attributes=attributes_of([("component", fault.get("component")), ("action", fault.get("action"))]),
            ),
        )
    )


def _notice(body: Mapping[str, Any], delivery: Delivery) -> ErrorEvent:
    error, server = as_mapping(body["error"]), as_mapping(body.get("server"))
    causes = [
        Raised(as_text(cause.get("class")), as_text(cause.get("message")), _frames(cause.get("backtrace")))
        for cause in map(as_mapping, reversed(as_list(error.get("causes"))))
    ]
    outer = Raised(as_text(error.get("class")), as_text(error.get("message")), _frames(error.get("backtrace")))
    chain = [*causes, outer]
    return ErrorEvent(
        id=as_text(error.get("token")) or key_of(delivery.body),
        text=chain_text(chain),
        type="notice",
        time=as_time(server.get("time"), delivery.received_at),
        service_name=first_text(dig(body, "request", "component"), server.get("hostname")),
        environment=as_text(server.get("environment_name")),
        exception_type=outer.type,
        stacktrace=chain_stacktrace(chain),
        grouping_key=as_text(error.get("fingerprint")),
        attributes=attributes_of([("action", dig(body, "request", "action")), ("release", server.get("revision"))]),
    )


def _frames(backtrace: Any) -> list[dict[str, Any]]:
    """Newest first as sent; the source is an object of line number to code."""
    return [
        {
            "filename": first_text(frame.get("file")),
            "lineno": frame.get("number"),
            "function": frame.get("method"),
            "in_app": frame.get("context") == "app" if "context" in frame else None,
            "context_line": as_mapping(frame.get("source")).get(str(frame.get("number"))),
        }
        for frame in map(as_mapping, reversed(as_list(backtrace)))
    ]


CONNECTOR = HoneybadgerConnector()
