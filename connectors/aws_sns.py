"""Amazon SNS: notifications and subscription confirmations over HTTPS, signed with Amazon's own key.

https://docs.aws.amazon.com/sns/latest/dg/sns-verify-signature-of-message.html
"""

import re
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit

from connectors.aws_alarm import AlarmLogs
from connectors.aws_message import read_message
from connectors.base import (
    Auth,
    AuthScheme,
    Connector,
    Delivery,
    KeyNeeded,
    Parsed,
    Sample,
    Unauthenticated,
    Unparseable,
)
from connectors.bodies import read_json
from connectors.signatures import verify_shared_secret
from connectors.values import as_mapping, as_time

_HOST = re.compile(r"sns\.[a-z0-9-]{3,30}\.amazonaws\.com(?:\.cn)?")
_LONGEST_RETRY = 3_700  # seconds; SNS repeats a delivery for up to an hour with its first time


class SNSConnector(Connector):
    """Reads what SNS delivers; `senders` are the ARNs of the topics that may post."""

    name = "aws-sns"
    title = "AWS SNS (CloudWatch alarms)"
    group = "cloud"
    schemes: tuple[AuthScheme, ...] = ("signature", "basic", "url-token", "none")
    public_key = True
    pulls = AlarmLogs()
    sample = Sample(
        '{"Type": "Notification", "MessageId": "%ID%", "TopicArn": '
        '"arn:aws:sns:us-east-1:111122223333:whydenied", "Message": "%TEXT%", "Timestamp": "%TIME%"}',
    )
    setup = """\
aws sns subscribe --topic-arn TOPIC_ARN --protocol https --notification-endpoint '%URL%'
(with the scheme basic: https://USER:%SECRET%@%HOST%%PATH%)

The subscription confirms itself as soon as its first, signed request has been checked.
With the scheme signature the topic's ARN must be among the senders of this connection, and raw delivery must be off.
Signature version 2 is better than the default:
aws sns set-topic-attributes --topic-arn TOPIC_ARN --attribute-name SignatureVersion --attribute-value 2

An alarm tells of numbers. For the log lines behind it, whydenied asks CloudWatch Logs:
whydenied connections pull %NAME% --set region=eu-central-1
"""

    def authenticate(self, delivery: Delivery, auth: Auth) -> None:
        """Raise `Unauthenticated` unless Amazon signed the message and one of the connection's topics sent it."""
        if auth.scheme != "signature":
            verify_shared_secret(delivery, auth)
            return
        message = _message(delivery)
        if str(message.get("TopicArn")) not in auth.senders:
            raise Unauthenticated("The topic is not among the senders of this connection")
        certificate = _certificate_url(message)
        if certificate not in delivery.keys:
            raise KeyNeeded(certificate)
        from connectors.aws_signature import verify_message  # noqa: PLC0415 - X.509 costs 0.1 s that few services need

        verify_message(message, delivery.keys[certificate])
        age = delivery.received_at - as_time(message.get("Timestamp"), delivery.received_at)
        if age.total_seconds() > max(auth.tolerance, _LONGEST_RETRY):
            raise Unauthenticated("The message is too old to be a first delivery or a retry")

    def parse(self, delivery: Delivery) -> Parsed:
        """The event of a notification; a subscription is confirmed, raw delivery is read as the message it is."""
        if delivery.headers.get("x-amz-sns-rawdelivery") == "true":
            identity = delivery.headers.get("x-amz-sns-message-id", "")
            event = read_message(delivery.body.decode("utf-8", "replace"), identity, delivery.received_at)
            return Parsed((event,) if event and identity else ())
        message = as_mapping(read_json(delivery.body))
        kind = message.get("Type")
        if kind == "SubscriptionConfirmation":
            return Parsed(confirm_url=_confirm_url(message))
        if kind == "UnsubscribeConfirmation":
            return Parsed()
        if kind != "Notification" or not isinstance(message.get("MessageId"), str):
            raise Unparseable("An SNS delivery has a Type and a MessageId, and this has not")
        text = message.get("Message")
        received_at = as_time(message.get("Timestamp"), delivery.received_at)
        event = read_message(text if isinstance(text, str) else "", message["MessageId"], received_at)
        return Parsed((event,) if event else ())


def _message(delivery: Delivery) -> Mapping[str, Any]:
    try:
        return as_mapping(read_json(delivery.raw))
    except Unparseable:
        raise Unauthenticated("The delivery is not JSON, so it is no signed message") from None


def _certificate_url(message: Mapping[str, Any]) -> str:
    """Where Amazon's certificate is. Raises `Unauthenticated` for an address that is not Amazon's own."""
    url = str(message.get("SigningCertURL") or message.get("SigningCertUrl") or "")
    if not (_is_amazons(url) and urlsplit(url).path.endswith(".pem")):
        raise Unauthenticated("SigningCertURL is not an address of Amazon SNS")
    return url


def _confirm_url(message: Mapping[str, Any]) -> str:
    url = str(message.get("SubscribeURL") or "")
    if not _is_amazons(url):
        raise Unparseable("SubscribeURL is not an address of Amazon SNS, so it is not visited")
    return url


def _is_amazons(url: str) -> bool:
    try:
        split = urlsplit(url)
        return split.scheme == "https" and bool(_HOST.fullmatch(split.netloc))
    except ValueError:
        return False


CONNECTOR = SNSConnector()
