"""OpenTelemetry's OTLP over HTTP: logs and traces, in protobuf or JSON; an exporter only changes its endpoint.

https://opentelemetry.io/docs/specs/otlp/#otlphttp
"""

from collections.abc import Iterator, Mapping
from typing import Any

from connectors.base import AuthScheme, Delivery, Parsed, Reply, Sample, Unparseable
from connectors.bodies import read_json
from connectors.log_line import LogLines, severity_of
from connectors.shared_secret import SharedSecretConnector
from connectors.values import as_list, as_mapping, as_status, as_text, dig

_PROTOBUF = "application/x-protobuf"
_ERROR = 2  # Status.StatusCode.STATUS_CODE_ERROR
_DEEPEST = 8
_SERVICE = "service.name"
_ENVIRONMENTS = ("deployment.environment.name", "deployment.environment")


class OTLPConnector(SharedSecretConnector):
    """Keeps the log records and spans that look like a failure; metrics are answered and not read."""

    name = "otlp"
    title = "OpenTelemetry (OTLP/HTTP)"
    group = "logs"
    schemes: tuple[AuthScheme, ...] = ("bearer", "basic", "header", "url-token", "none")
    limits = (20 * 1024 * 1024, 20 * 1024 * 1024)  # the specification's advice for receivers
    sample = Sample(
        '{"resourceLogs": [{"scopeLogs": [{"logRecords": [{"timeUnixNano": "%NANOS%", "severityNumber": '
        '17, "severityText": "ERROR", "body": {"stringValue": "%TEXT%"}}]}]}]}',
        path="/v1/logs",
    )
    setup = """\
OTEL_EXPORTER_OTLP_PROTOCOL=http/protobuf
OTEL_EXPORTER_OTLP_ENDPOINT=%URL%
OTEL_EXPORTER_OTLP_HEADERS="Authorization=Bearer%20%SECRET%"

# or the Collector
exporters:
  otlphttp/whydenied:
    endpoint: %URL%
    headers: {Authorization: "Bearer %SECRET%"}
"""

    def parse(self, delivery: Delivery) -> Parsed:
        """The failures among the records, answered in the encoding of the request."""
        kind = delivery.path.rstrip("/").rpartition("/")[2] or "logs"
        is_protobuf = not delivery.headers.get("content-type", "").lower().startswith("application/json")
        reply = Reply(200, b"" if is_protobuf else b"{}", _PROTOBUF if is_protobuf else "application/json")
        if kind == "metrics":
            return Parsed(reply=reply)
        if kind not in {"logs", "traces"}:
            raise Unparseable(f"Of OTLP only v1/logs and v1/traces are read, not {delivery.path[:80]!r}")
        request = _from_protobuf(delivery.body, kind) if is_protobuf else as_mapping(read_json(delivery.body))
        lines = LogLines(delivery)
        for item, facts in _records(request) if kind == "logs" else _spans(request):
            lines.add(item, **facts)
        return lines.parsed(reply)


def _from_protobuf(body: bytes, kind: str) -> Mapping[str, Any]:
    """The request as OTLP's JSON has it."""
    from google.protobuf.message import DecodeError  # noqa: PLC0415 - 50 ms that only this sender needs
    from opentelemetry.proto.collector.logs.v1 import logs_service_pb2 as logs  # noqa: PLC0415 - see above
    from opentelemetry.proto.collector.trace.v1 import trace_service_pb2 as traces  # noqa: PLC0415 - see above

    try:
        made = logs.ExportLogsServiceRequest if kind == "logs" else traces.ExportTraceServiceRequest
        request = made.FromString(body)
    except DecodeError:
        raise Unparseable(f"The body is no protobuf message of OTLP's {kind}") from None
    return _plain(request)


def _plain(message: Any) -> dict[str, Any]:
    """The members that are set, by their JSON names; OTLP has no lists of anything but messages. Bytes are hex."""
    told = {}
    for field, value in message.ListFields():
        if field.message_type is None:
            told[field.json_name] = value.hex() if isinstance(value, bytes) else value
        elif hasattr(value, "ListFields"):
            told[field.json_name] = _plain(value)
        else:
            told[field.json_name] = [_plain(one) for one in value]
    return told


def _records(request: Mapping[str, Any]) -> Iterator[tuple[dict[str, Any], dict[str, Any]]]:
    for resource, record in _walk(request, "resourceLogs", "scopeLogs", "logRecords"):
        attributes = _attributes(record.get("attributes"))
        body = _value(record.get("body"))
        item = {**attributes, **(body if isinstance(body, dict) else {"message": body})}
        number = record.get("severityNumber")
        facts = _facts(resource, record, record.get("timeUnixNano") or record.get("observedTimeUnixNano"))
        facts["severity"] = severity_of(number) if isinstance(number, int) and number else record.get("severityText")
        yield item, facts


def _spans(request: Mapping[str, Any]) -> Iterator[tuple[dict[str, Any] | None, dict[str, Any]]]:
    """Each span that failed with its exceptions, the last first, since that is the one that ended it."""
    for resource, span in _walk(request, "resourceSpans", "scopeSpans", "spans"):
        told = [_attributes(event.get("attributes")) for event in map(as_mapping, as_list(span.get("events")))]
        exceptions = [one for one in told if "exception.message" in one or "exception.type" in one]
        status, message = dig(span, "status", "code"), as_text(dig(span, "status", "message"))
        attributes = _attributes(span.get("attributes"))
        if status != _ERROR and not exceptions and not _is_refused(attributes):
            yield None, {}
            continue
        item = {"name": span.get("name"), **attributes, **(exceptions[-1] if exceptions else {})}
        if message and message not in str(item.get("exception.message")):
            item["message"] = message
        facts = _facts(resource, span, span.get("endTimeUnixNano"))
        facts["severity"] = "error" if status == _ERROR else None
        yield item, facts


def _is_refused(attributes: Mapping[str, Any]) -> bool:
    status = as_status(attributes.get("http.response.status_code") or attributes.get("http.status_code"))
    return status is not None and status >= 400


def _walk(request: Mapping[str, Any], *levels: str) -> Iterator[tuple[dict[str, Any], Mapping[str, Any]]]:
    """Every record with the attributes of its resource."""
    outer, scopes, records = levels
    for group in map(as_mapping, as_list(request.get(outer))):
        resource = _attributes(dig(group, "resource", "attributes"))
        for scope in map(as_mapping, as_list(group.get(scopes))):
            for record in map(as_mapping, as_list(scope.get(records))):
                yield resource, record


def _facts(resource: Mapping[str, Any], record: Mapping[str, Any], time: Any) -> dict[str, Any]:
    names = (
        "k8s.namespace.name",
        "k8s.pod.name",
        "k8s.deployment.name",
        "host.name",
        "service.version",
        "cloud.region",
    )
    kept = {name: resource.get(name) for name in names}
    return {
        "time": time,
        "service_name": as_text(resource.get(_SERVICE)),
        "environment": next((as_text(resource[name]) for name in _ENVIRONMENTS if name in resource), None),
        "attributes": kept | {"trace_id": as_text(record.get("traceId")), "span_id": as_text(record.get("spanId"))},
    }


def _attributes(pairs: Any) -> dict[str, Any]:
    kept = {}
    for pair in map(as_mapping, as_list(pairs)):
        if isinstance(pair.get("key"), str):
            kept[pair["key"]] = _value(pair.get("value"))
    return kept


def _value(value: Any, depth: int = 0) -> Any:
    """OTLP's AnyValue as a plain value."""
    held = as_mapping(value)
    if "kvlistValue" in held and depth < _DEEPEST:
        pairs = map(as_mapping, as_list(as_mapping(held["kvlistValue"]).get("values")))
        return {str(pair.get("key")): _value(pair.get("value"), depth + 1) for pair in pairs}
    if "arrayValue" in held and depth < _DEEPEST:
        return [_value(one, depth + 1) for one in as_list(as_mapping(held["arrayValue"]).get("values"))]
    names = ("stringValue", "intValue", "doubleValue", "boolValue", "bytesValue")
    return next((held[name] for name in names if name in held), None)


CONNECTOR = OTLPConnector()
