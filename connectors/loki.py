"""Grafana Loki's push API, in JSON or as snappy-compressed protobuf, so that an agent only changes its address.

https://grafana.com/docs/loki/latest/reference/loki-http-api/#ingest-logs
https://github.com/grafana/loki/blob/main/pkg/push/push.proto
"""

import re
from collections.abc import Iterator, Mapping
from functools import cache
from typing import Any

from connectors.base import AuthScheme, Delivery, Parsed, Reply, Sample, Unparseable
from connectors.bodies import read_json
from connectors.codings import unsnappy
from connectors.log_line import LogLines
from connectors.loki_facts import facts_of
from connectors.loki_query import LokiQuery
from connectors.shared_secret import SharedSecretConnector
from connectors.values import as_list, as_mapping

_LABEL = re.compile(r'([a-zA-Z_:][\w:]*)="((?:[^"\\]|\\.)*)"')


class LokiConnector(SharedSecretConnector):
    """Keeps the lines that look like a failure, with the labels of their stream."""

    name = "loki"
    title = "Grafana Loki (push API)"
    group = "logs"
    schemes: tuple[AuthScheme, ...] = ("bearer", "basic", "header", "url-token", "none")
    pulls = LokiQuery()
    sample = Sample(
        '{"streams": [{"stream": {"level": "error"}, "values": [["%NANOS%", "%TEXT%"]]}]}',
        path="/loki/api/v1/push",
    )
    setup = """\
// Grafana Alloy
loki.write "whydenied" {
  endpoint {
    url          = "%URL%/loki/api/v1/push"
    bearer_token = "%SECRET%"
  }
}

# Promtail
clients:
  - url: %URL%/loki/api/v1/push
    bearer_token: %SECRET%
"""

    def greet(self, delivery: Delivery) -> Reply | None:
        """The readiness check that agents make."""
        return Reply(200, b"ready\n", "text/plain") if delivery.path.rstrip("/").endswith("/ready") else None

    def parse(self, delivery: Delivery) -> Parsed:
        """The failures among the lines."""
        is_json = delivery.headers.get("content-type", "").lower().startswith("application/json")
        streams = _from_json(delivery.body) if is_json else _from_protobuf(delivery.body)
        lines = LogLines(delivery)
        for labels, entries in streams:
            for time, line, metadata in entries:
                lines.add(line, **facts_of({**labels, **metadata}, time))
        return lines.parsed(Reply(204, b""))


_Entry = tuple[Any, Any, Mapping[str, Any]]


def _from_json(body: bytes) -> Iterator[tuple[Mapping[str, Any], list[_Entry]]]:
    request = read_json(body)
    if not isinstance(request, dict) or not isinstance(request.get("streams"), list):
        raise Unparseable("A push to Loki is an object with `streams`")
    for stream in map(as_mapping, request["streams"]):
        values = [value for value in as_list(stream.get("values")) if isinstance(value, list) and len(value) >= 2]
        yield (
            as_mapping(stream.get("stream")),
            [(value[0], value[1], as_mapping(value[2] if len(value) > 2 else None)) for value in values],
        )


def _from_protobuf(body: bytes) -> Iterator[tuple[Mapping[str, Any], list[_Entry]]]:
    from google.protobuf.message import DecodeError  # noqa: PLC0415 - only agents that push protobuf need it

    try:
        request = _push_request().FromString(unsnappy(body))
    except DecodeError:
        raise Unparseable("The body is no push of Loki: neither JSON nor snappy-compressed protobuf") from None
    for stream in request.streams:
        labels = {name: value.replace('\\"', '"') for name, value in _LABEL.findall(stream.labels[:10_000])}
        yield (
            labels,
            [
                (
                    entry.timestamp.seconds + entry.timestamp.nanos / 1e9,
                    entry.line,
                    {pair.name: pair.value for pair in entry.structuredMetadata},
                )
                for entry in stream.entries
            ],
        )


@cache
def _push_request() -> Any:
    """Loki's message, built from its description: no package publishes it."""
    from google.protobuf import descriptor_pb2, descriptor_pool, message_factory, timestamp_pb2  # noqa: PLC0415 - above

    file = descriptor_pb2.FileDescriptorProto(
        name="whydenied/loki_push.proto", package="whydenied.loki", syntax="proto3"
    )
    file.dependency.append(timestamp_pb2.DESCRIPTOR.name)
    text, one, many = 9, 1, 3  # the numbers of TYPE_STRING, LABEL_OPTIONAL, LABEL_REPEATED; 11 is TYPE_MESSAGE
    shapes: dict[str, list[tuple[str, int, int, int, str]]] = {
        "PushRequest": [("streams", 1, 11, many, ".whydenied.loki.Stream")],
        "Stream": [("labels", 1, text, one, ""), ("entries", 2, 11, many, ".whydenied.loki.Entry")],
        "Entry": [
            ("timestamp", 1, 11, one, ".google.protobuf.Timestamp"),
            ("line", 2, text, one, ""),
            ("structuredMetadata", 3, 11, many, ".whydenied.loki.Pair"),
        ],
        "Pair": [("name", 1, text, one, ""), ("value", 2, text, one, "")],
    }
    for name, fields in shapes.items():
        message = file.message_type.add(name=name)
        for field, number, kind, label, of in fields:
            message.field.add(name=field, number=number, type=kind, label=label, type_name=of or None)
    pool = descriptor_pool.DescriptorPool()
    pool.Add(descriptor_pb2.FileDescriptorProto.FromString(timestamp_pb2.DESCRIPTOR.serialized_pb))
    pool.Add(file)
    return message_factory.GetMessageClass(pool.FindMessageTypeByName("whydenied.loki.PushRequest"))


CONNECTOR = LokiConnector()
