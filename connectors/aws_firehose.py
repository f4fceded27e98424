"""CloudWatch Logs by way of a Firehose stream with an HTTP endpoint, and any text that such a stream carries.

https://docs.aws.amazon.com/firehose/latest/dev/httpdeliveryrequestresponse.html
https://docs.aws.amazon.com/AmazonCloudWatch/latest/logs/SubscriptionFilters.html
"""

import base64
import json
from collections.abc import Iterator, Mapping
from typing import Any

from connectors.aws_logs import CloudWatchLogs
from connectors.base import Auth, AuthScheme, Connector, Delivery, Parsed, Reply, Sample, Unauthenticated, Unparseable
from connectors.bodies import read_json, read_json_values
from connectors.codings import decode
from connectors.log_line import LogLines
from connectors.signatures import is_one_of, live_secrets
from connectors.values import as_list, as_mapping, as_text, dig, first_text


class FirehoseConnector(Connector):
    """Reads records of a stream and answers as Firehose demands; everything else it would send again for hours."""

    name = "aws-firehose"
    title = "AWS CloudWatch Logs (Firehose)"
    group = "cloud"
    header_name = "X-Amz-Firehose-Access-Key"
    schemes: tuple[AuthScheme, ...] = ("header", "none")
    pulls = CloudWatchLogs()
    sample = Sample(
        '{"requestId": "%ID%", "timestamp": 1, "records": [{"data": "%BASE64%"}]}',
        headers={"x-amz-firehose-protocol-version": "1.0", "x-amz-firehose-request-id": "%ID%"},
    )
    setup = """\
Firehose stream, destination HTTP endpoint:
  HTTP endpoint URL   %URL%
  Access key          %SECRET%   (this connection: scheme header, name X-Amz-Firehose-Access-Key)
  Content encoding    GZIP
  Parameters          service = ..., environment = ...   (they become the events' service and environment)
Then a subscription filter for each log group:
  aws logs put-subscription-filter --log-group-name GROUP --filter-name whydenied --filter-pattern '' \\
    --destination-arn STREAM_ARN --role-arn ROLE_ARN
"""

    def authenticate(self, delivery: Delivery, auth: Auth) -> None:
        """Raise `Unauthenticated` unless the stream shows the connection's secret as its access key."""
        if auth.scheme == "none":
            return
        given = delivery.headers.get("x-amz-firehose-access-key") or delivery.headers.get((auth.name or "").lower())
        if auth.scheme != "header" or not is_one_of(given, live_secrets(auth)):
            raise Unauthenticated("The access key of the stream is no secret of this connection")

    def parse(self, delivery: Delivery) -> Parsed:
        """The failures among the log lines of all records."""
        body = read_json(delivery.body)
        if not isinstance(body, dict) or not isinstance(body.get("records"), list):
            raise Unparseable("A Firehose request is an object with `requestId` and `records`")
        common = _common_attributes(delivery)
        lines = LogLines(delivery)
        for record in body["records"]:
            for line in _lines(as_mapping(record)):
                lines.add(line.get("message"), **_facts(line, common))
        answer = {"requestId": body.get("requestId"), "timestamp": int(delivery.received_at.timestamp() * 1000)}
        return lines.parsed(Reply(200, json.dumps(answer).encode()))


def _common_attributes(delivery: Delivery) -> Mapping[str, Any]:
    try:
        header = delivery.headers.get("x-amz-firehose-common-attributes", "{}")
        return as_mapping(dig(read_json(header.encode("utf-8", "replace")), "commonAttributes"))
    except Unparseable:
        return {}


def _lines(record: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    """Each log line with its group and stream; a record that CloudWatch Logs did not make is one line, or several."""
    try:
        data = base64.b64decode(str(record.get("data") or ""), validate=True)
    except ValueError:
        raise Unparseable("A record's data is not base64") from None
    text = decode(data, "gzip") if data.startswith(b"\x1f\x8b") else data
    values = read_json_values(text) if text.lstrip().startswith(b"{") else text.decode("utf-8", "replace").splitlines()
    for value in values:
        if isinstance(value, dict) and value.get("messageType") == "CONTROL_MESSAGE":
            continue
        if isinstance(value, dict) and "logEvents" in value:
            group = {"group": value.get("logGroup"), "stream": value.get("logStream"), "account": value.get("owner")}
            for line in as_list(value["logEvents"]):
                yield group | dict(as_mapping(line))
        else:
            yield {"message": value}


def _facts(line: Mapping[str, Any], common: Mapping[str, Any]) -> dict[str, Any]:
    group = as_text(line.get("group"))
    return {
        "identity": as_text(line.get("id")),
        "time": line.get("timestamp"),
        "service_name": first_text(common.get("service"), (group or "").rpartition("/")[2]),
        "environment": first_text(common.get("environment"), common.get("env")),
        "attributes": {
            "aws.log.group": group,
            "aws.log.stream": line.get("stream"),
            "cloud.account.id": line.get("account"),
        },
    }


CONNECTOR = FirehoseConnector()
