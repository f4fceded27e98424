"""Google Cloud Pub/Sub push: log entries of a sink above all, with Google's own token as proof.

https://cloud.google.com/pubsub/docs/push
https://cloud.google.com/pubsub/docs/authenticate-push-subscriptions
"""

import base64
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from connectors.base import (
    Auth,
    AuthScheme,
    Connector,
    Delivery,
    ErrorEvent,
    Parsed,
    Sample,
    Unauthenticated,
    Unparseable,
)
from connectors.bodies import read_json, read_text
from connectors.gcp_entries import LoggingEntries
from connectors.gcp_incident import is_incident, read_incident
from connectors.gcp_log_entry import is_log_entry, read_log_entry
from connectors.record import read_record
from connectors.signatures import verify_shared_secret
from connectors.tokens import verify_token
from connectors.values import as_mapping, as_text, as_time

_KEYS = "https://www.googleapis.com/oauth2/v3/certs"
_ISSUERS = ("https://accounts.google.com", "accounts.google.com")


class PubSubConnector(Connector):
    """Reads what a push subscription sends; `senders` are the e-mail addresses of its service account."""

    name = "gcp-pubsub"
    title = "Google Cloud Pub/Sub (Logging)"
    group = "cloud"
    schemes: tuple[AuthScheme, ...] = ("signature", "url-token", "none")
    pulls = LoggingEntries()
    public_key = True
    sample = Sample(
        '{"message": {"messageId": "%ID%", "publishTime": "%TIME%", "attributes": {}, "data": "%BASE64%"}, '
        '"subscription": "projects/whydenied/subscriptions/whydenied"}',
    )
    setup = """\
gcloud logging sinks create whydenied pubsub.googleapis.com/projects/PROJECT/topics/whydenied \\
  --log-filter='protoPayload.status.code=7 OR severity>=ERROR'
gcloud pubsub subscriptions create whydenied --topic=whydenied --ack-deadline=60 \\
  --push-endpoint='%URL%' \\
  --push-auth-service-account=PUSHER@PROJECT.iam.gserviceaccount.com --push-auth-token-audience='%URL%'

With the scheme signature the service account is among the senders of this connection, and its audience that address.
"""

    def authenticate(self, delivery: Delivery, auth: Auth) -> None:
        """Raise `Unauthenticated` unless Google's token names the connection's service account.

        Any customer of Google can have a token made for any audience: only the account tells one from another.
        """
        if auth.scheme != "signature":
            verify_shared_secret(delivery, auth)
            return
        claims = verify_token(delivery, auth, keys_url=_KEYS, issuers=_ISSUERS)
        if claims.get("email_verified") is not True or claims.get("email") not in auth.senders:
            raise Unauthenticated("The token's service account is not among the senders of this connection")

    def parse(self, delivery: Delivery) -> Parsed:
        """The event of the message, or of the bare payload where the subscription unwraps it."""
        body = read_json(delivery.body)
        message = as_mapping(as_mapping(body).get("message"))
        if "subscription" not in as_mapping(body):
            identity = delivery.headers.get("x-goog-pubsub-message-id", "")
            return _parsed(body, identity, delivery.received_at)
        identity = as_text(message.get("messageId")) or as_text(message.get("message_id")) or ""
        time = as_time(message.get("publishTime"), delivery.received_at)
        return _parsed(_data(message), identity, time)


def _data(message: Mapping[str, Any]) -> Any:
    try:
        data = base64.b64decode(str(message.get("data") or ""), validate=True)
    except ValueError:
        raise Unparseable("The message's data is not base64") from None
    try:
        return read_json(data)
    except Unparseable:
        return read_text(data).strip()


def _parsed(value: Any, identity: str, time: datetime) -> Parsed:
    if not identity:
        raise Unparseable("The message has no id; send the message wrapped, or with Pub/Sub's metadata as headers")
    if value in ("", {}, []) or not isinstance(value, dict | str):
        return Parsed()
    event, is_log = _event(value, identity, time)
    return Parsed((event,) if event else (), passed_over=int(is_log and event is None))


def _event(value: dict[str, Any] | str, identity: str, time: datetime) -> tuple[ErrorEvent | None, bool]:
    """The event, and whether it was looked for in a log entry."""
    if isinstance(value, dict) and is_log_entry(value):
        return read_log_entry(value, identity, time), True
    if isinstance(value, dict) and is_incident(value):
        return read_incident(value, time), False
    return read_record(value, identity=identity, received_at=time), False


CONNECTOR = PubSubConnector()
