"""Bugsnag: its webhook, and its event API, as its SDKs send to it.

https://docs.bugsnag.com/product/integrations/data-forwarding/webhook/
https://bugsnagerrorreportingapi.docs.apiary.io/
"""

from collections.abc import Mapping, Sequence
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


class BugsnagConnector(SharedSecretConnector):
    """Reads events with their chain of exceptions."""

    name = "bugsnag"
    title = "Bugsnag"
    group = "errors"
    header_name = "Bugsnag-Api-Key"
    schemes: tuple[AuthScheme, ...] = ("header", "basic", "url-token", "none")
    sample = Sample(
        '{"trigger": {"type": "firstException"}, "error": {"id": "%ID%", "exceptionClass": "whydenied", '
        '"message": "%TEXT%", "receivedAt": "%TIME%"}}',
    )
    setup = """\
Settings, Integrations, Data forwarding, Webhook: %URL%   (Bugsnag signs nothing: use the scheme url-token or basic)

Or let an SDK send here itself, its API key being a secret of this connection (scheme header):
  bugsnag.configure(api_key="%SECRET%", endpoint="%URL%", session_endpoint="%URL%/sessions")
"""

    def parse(self, delivery: Delivery) -> Parsed:
        """The events; sessions are answered and not kept."""
        body = read_json(delivery.body)
        if not isinstance(body, dict):
            raise Unparseable("A message of Bugsnag is a JSON object, and this is not one")
        if isinstance(body.get("events"), list):
            found = [_sdk_event(as_mapping(one), number, delivery) for number, one in enumerate(body["events"])]
            return Parsed(tuple(found), Reply(202, b'{"status":"ok"}'))
        if "sessionCounts" in body or "sessions" in body:
            return Parsed(reply=Reply(202, b'{"status":"ok"}'))
        if not isinstance(body.get("error"), dict):
            if body.get("trigger"):
                return Parsed()
            raise Unparseable("A message of Bugsnag has `events` or an `error`, and this has neither")
        return Parsed((_webhook_event(body, delivery),))


def _sdk_event(event: Mapping[str, Any], number: int, delivery: Delivery) -> ErrorEvent:
    chain = [_raised(one) for one in reversed(as_list(event.get("exceptions")))]
    app, meta = as_mapping(event.get("app")), as_mapping(event.get("metaData"))
    return ErrorEvent(
        id=f"{key_of(delivery.body)}:{number}",
        text=chain_text(chain),
        type="event",
        time=as_time(dig(event, "device", "time"), delivery.received_at),
        service_name=first_text(
            dig(meta, "custom", "service"), app.get("id"), app.get("type"), dig(event, "device", "hostname")
        ),
        environment=as_text(app.get("releaseStage")),
        severity=as_text(event.get("severity")),
        exception_type=chain[0].type if chain else None,
        stacktrace=chain_stacktrace(chain),
        http_status=as_status(dig(meta, "response", "statusCode")),
        grouping_key=as_text(event.get("groupingHash")),
        attributes=attributes_of([("context", event.get("context")), ("release", app.get("version"))]),
    )


def _webhook_event(body: Mapping[str, Any], delivery: Delivery) -> ErrorEvent:
    error, kind = as_mapping(body["error"]), as_text(dig(body, "trigger", "type")) or "error"
    chain = _webhook_chain(error)
    status = as_text(error.get("status"))
    resolved = kind in {"errorStateManualChange", "errorStateChange"} and status in {"fixed", "resolved"}
    return ErrorEvent(
        id=f"{kind}:{first_text(error.get('id'), error.get('errorId')) or key_of(delivery.body)}:{status or ''}",
        text=chain_text(chain),
        type=kind,
        time=as_time(first_text(error.get("receivedAt"), error.get("firstReceived")), delivery.received_at),
        state="resolved" if resolved else "firing",
        service_name=as_text(dig(body, "project", "name")),
        environment=first_text(dig(error, "app", "releaseStage"), *as_list(error.get("releaseStages"))),
        severity=as_text(error.get("severity")),
        exception_type=as_text(error.get("exceptionClass")),
        stacktrace=chain_stacktrace(chain),
        url=as_link(error.get("url")),
        grouping_key=as_text(error.get("errorId")),
        attributes=attributes_of([("context", error.get("context")), ("release", dig(error, "app", "version"))]),
    )


def _webhook_chain(error: Mapping[str, Any]) -> Sequence[Raised]:
    if exceptions := as_list(error.get("exceptions")):
        return [_raised(one) for one in reversed(exceptions)]
    frames = _frames(error.get("stackTrace"))
    return [Raised(as_text(error.get("exceptionClass")), as_text(error.get("message")), frames)]


def _raised(exception: Any) -> Raised:
    """SDKs name the text differently: Node.js `errorMessage`, Python `message`."""
    found = as_mapping(exception)
    kind = first_text(found.get("errorClass"), found.get("exceptionClass"))
    frames = _frames(found.get("stacktrace") or found.get("stackTrace"))
    return Raised(kind, first_text(found.get("message"), found.get("errorMessage")), frames)


def _frames(frames: Any) -> list[dict[str, Any]]:
    """Newest first as sent; the code is an object of line number to source."""
    return [
        {
            "filename": frame.get("file"),
            "lineno": frame.get("lineNumber"),
            "function": frame.get("method"),
            "in_app": frame.get("inProject"),
            "context_line": as_mapping(frame.get("code")).get(str(frame.get("lineNumber"))),
        }
        for frame in map(as_mapping, reversed(as_list(frames)))
    ]


CONNECTOR = BugsnagConnector()
