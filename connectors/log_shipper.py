"""Log shippers by plain HTTP: Fluent Bit, Fluentd, Vector, Logstash, syslog-ng, rsyslog, journald, Docker.

https://docs.fluentbit.io/manual/pipeline/outputs/http
https://vector.dev/docs/reference/configuration/sinks/http/
https://www.freedesktop.org/software/systemd/man/latest/systemd.journal-fields.html
"""

from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import Any

from connectors.base import AuthScheme, Delivery, Parsed, Reply, Sample
from connectors.bodies import read_form, read_json_values, read_text
from connectors.log_line import LogLines, read_log_line
from connectors.shared_secret import SharedSecretConnector
from connectors.values import as_mapping, as_text, as_time, clean, dig, first_text

_SYSLOG = ("emerg", "alert", "crit", "err", "warning", "notice", "info", "debug")
_TIMES = ("@timestamp", "timestamp", "time", "ts", "date", "_SOURCE_REALTIME_TIMESTAMP", "__REALTIME_TIMESTAMP")
_UNIT_ENDS = (".service", ".timer", ".socket")


class LogShipperConnector(SharedSecretConnector):
    """Keeps the lines that look like a failure: JSON in any framing, a form's message, or text line by line."""

    name = "log-shipper"
    title = "Log shippers (Fluent Bit, Vector, Logstash, rsyslog, syslog-ng, journald)"
    group = "logs"
    schemes: tuple[AuthScheme, ...] = ("bearer", "basic", "header", "url-token", "none")
    sample = Sample('{"timestamp": "%TIME%", "level": "error", "message": "%TEXT%"}')
    setup = """\
# Fluent Bit
[OUTPUT]
    Name     http
    Match    *
    Host     %HOST%
    Port     443
    URI      %PATH%
    tls      on
    Format   json_lines
    compress gzip
    Header   Authorization Bearer %SECRET%

# Vector
[sinks.whydenied]
type = "http"
inputs = ["logs"]
uri = "%URL%"
encoding.codec = "json"
framing.method = "newline_delimited"
compression = "gzip"
auth = { strategy = "bearer", token = "%SECRET%" }

# Logstash
output { http { url => "%URL%" http_method => "post" format => "json_batch"
  headers => { "Authorization" => "Bearer %SECRET%" } } }

# syslog-ng
destination d_whydenied { http(url("%URL%") method("POST") headers("Authorization: Bearer %SECRET%")
  body("$(format-json --scope rfc5424 --scope nv-pairs)") delimiter("\\n")); };

# files and journald, followed by whydenied itself; the secret stands in a file that its user alone may read
whydenied watch --url '%URL%' --token-file /etc/whydenied/token --journal /var/log/app.log

# journald, once
journalctl -o json -p warning --since -1h | curl '%URL%' -H 'Authorization: Bearer %SECRET%' --data-binary @-
"""

    def parse(self, delivery: Delivery) -> Parsed:
        """The failures among the lines."""
        lines = LogLines(delivery)
        for record in _records(delivery):
            lines.add(_own(record), **(_facts(record) if isinstance(record, dict) else {}))
        return lines.parsed(Reply(200, b"{}"))


def is_kept(record: Mapping[str, Any], now: datetime) -> bool:
    """Whether this connector would keep the record: senders that ask first need not send the rest."""
    facts = _facts(record)
    facts["time"] = as_time(facts["time"], now)
    return read_log_line(_own(record), received_at=now, **facts) is not None


def journal_message(record: Mapping[str, Any]) -> str:
    """The message of a journal's entry: a list of numbers where it is no UTF-8, of texts where there are several.

    https://systemd.io/JOURNAL_EXPORT_FORMATS/#journal-json-format
    """
    message = record.get("MESSAGE")
    if isinstance(message, str):
        return clean(message)
    if not isinstance(message, list):
        return as_text(message) or ""
    if all(isinstance(one, int) and 0 <= one < 256 for one in message):
        return bytes(message).decode("utf-8", "replace")
    return "\n".join(journal_message({"MESSAGE": one}) for one in message if isinstance(one, str))


def _records(delivery: Delivery) -> Iterator[Any]:
    content_type = delivery.headers.get("content-type", "").lower()
    body = delivery.body.strip()
    if "x-www-form-urlencoded" in content_type and not body.startswith((b"{", b"[")):
        yield read_form(body, content_type)
    elif body.startswith((b"{", b"[")):
        for value in read_json_values(body, content_type):
            yield from value if isinstance(value, list) else [value]
    else:
        yield from read_text(body, content_type).splitlines()


def _own(record: Any) -> Any:
    """The record without what the shipper added to it."""
    if not isinstance(record, dict):
        return record
    if "__CURSOR" in record or "__REALTIME_TIMESTAMP" in record:
        return {"message": journal_message(record)}
    return {name: value for name, value in record.items() if name != "kubernetes"}


def _facts(record: Mapping[str, Any]) -> dict[str, Any]:
    """What shippers say of a line beside the line, in their own words."""
    kubernetes = as_mapping(record.get("kubernetes"))
    labels = as_mapping(kubernetes.get("labels") or kubernetes.get("pod_labels"))
    return {
        "identity": as_text(record.get("__CURSOR")),
        "time": next((record[name] for name in _TIMES if name in record), None),
        "service_name": _service(record, kubernetes, labels),
        "environment": first_text(record.get("environment"), record.get("env"), labels.get("environment")),
        "severity": _severity(record),
        "attributes": {
            "host.name": first_text(
                record.get("_HOSTNAME"), record.get("HOST"), record.get("hostname"), record.get("host")
            ),
            "k8s.namespace.name": first_text(kubernetes.get("namespace_name"), kubernetes.get("pod_namespace")),
            "k8s.pod.name": kubernetes.get("pod_name"),
            "log.file.path": dig(record, "log", "file", "path"),
            "process.owner": first_text(record.get("_UID"), record.get("uid")),
        },
    }


def _service(record: Mapping[str, Any], kubernetes: Mapping[str, Any], labels: Mapping[str, Any]) -> str | None:
    unit = as_text(record.get("_SYSTEMD_UNIT")) or ""
    for end in _UNIT_ENDS:
        unit = unit.removesuffix(end)
    return first_text(
        labels.get("app.kubernetes.io/name"),
        labels.get("app"),
        kubernetes.get("container_name"),
        unit,
        *(record.get(name) for name in ("SYSLOG_IDENTIFIER", "PROGRAM", "programname", "appname", "syslogtag", "tag")),
        dig(record, "container_name"),
    )


def _severity(record: Mapping[str, Any]) -> str | None:
    """Syslog's numbers, 0 to 7, as words; else what the record calls its level."""
    number = as_text(record.get("PRIORITY")) or as_text(record.get("syslogseverity")) or ""
    if len(number) == 1 and "0" <= number <= "7":
        return _SYSLOG[int(number)]
    return first_text(number, record.get("LEVEL"), record.get("severity"), record.get("level"))


CONNECTOR = LogShipperConnector()
