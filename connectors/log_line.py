"""One line of a log as an event, where it looks like a failure: text, JSON, or JSON wrapped by a container runtime.

All sources that send everything read their lines here, so that they agree on what is kept (`sieve.py`).
"""

import re
from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime
from typing import Any

from connectors.base import BodyTooLarge, Delivery, ErrorEvent, Parsed, Reply, Unparseable
from connectors.bodies import MOST_VALUES, read_json
from connectors.record import read_record
from connectors.sieve import looks_like_failure
from connectors.values import as_time, attributes_of, key_of

# OpenTelemetry's severity numbers by tens of four: https://opentelemetry.io/docs/specs/otel/logs/data-model/
_SEVERITIES = ("trace", "debug", "info", "warn", "error", "fatal")
# bunyan and pino number their levels by tens
_LEVELS = {"10": "trace", "20": "debug", "30": "info", "40": "warn", "50": "error", "60": "fatal"}
_LEVEL_IN_TEXT = re.compile(
    r"[\s\[\"=](FATAL|CRITICAL|PANIC|SEVERE|ERROR)[\s\]\":]|level=(fatal|critical|panic|error)\b"
)
_LOOKED_AT = 300


class LogLines:
    """The failures among the lines of one delivery, and how many lines were passed over.

    Raises `BodyTooLarge` for more than 10,000 lines.
    """

    def __init__(self, delivery: Delivery) -> None:
        self._delivery = delivery
        self._count = 0
        self._seen: dict[str, int] = {}
        self._events: list[ErrorEvent] = []
        self._body_key = ""

    def add(self, line: Any, **facts: Any) -> None:
        """Look at one line; `facts` are those of `read_log_line`, `time` as any value that can be read as one."""
        self._count += 1
        if self._count > MOST_VALUES:
            raise BodyTooLarge(f"The body has more than {MOST_VALUES} lines; send smaller batches")
        received_at = self._delivery.received_at
        given = {"identity": None, **facts, "time": as_time(facts.get("time"), received_at)}
        if given["time"] == received_at and not given["identity"]:
            given["identity"] = self._place()
        event = read_log_line(line, received_at=received_at, **given)
        if event is not None:
            again = self._seen[event.id] = self._seen.get(event.id, 0) + 1
            self._events.append(event if again == 1 else replace(event, id=f"{event.id}:{again}"))

    def _place(self) -> str:
        """The identity of a line that has neither an id nor a time: its number in these very bytes."""
        self._body_key = self._body_key or key_of(self._delivery.raw)
        return f"{self._body_key}:{self._count}"

    def parsed(self, reply: Reply | None = None) -> Parsed:
        """What was found, with the answer that the sender needs."""
        return Parsed(tuple(self._events), reply or Reply(), passed_over=self._count - len(self._events))


def severity_of(number: int) -> str | None:
    """The word for OpenTelemetry's severity number, 1 to 24; None for 0, which says nothing."""
    return _SEVERITIES[(number - 1) // 4] if 1 <= number <= 24 else None


def read_log_line(
    line: Any,
    *,
    identity: str | None,
    time: datetime,
    received_at: datetime,
    service_name: str | None = None,
    environment: str | None = None,
    severity: str | None = None,
    attributes: Mapping[str, Any] | None = None,
) -> ErrorEvent | None:
    """The event of a line that looks like a failure, else None.

    What the line itself says beats what its carrier says of it, but for a bare number as its level. Without `identity`
    it is known by content and time.
    """
    item = _opened(line)
    if not item:
        return None
    key = identity or key_of(item if isinstance(item, str) else repr(item), time.isoformat())
    event = read_record(item, identity=key, received_at=received_at)
    level = _level(event, severity)
    told = bool(event.exception_type or event.stacktrace)
    if not looks_like_failure(event.text, severity=level, http_status=event.http_status, has_exception=told):
        return None
    return replace(
        event,
        type="log",
        time=time if event.time == received_at else event.time,
        state="firing",
        service_name=event.service_name or service_name,
        environment=event.environment or environment,
        severity=level,
        grouping_key=None,
        attributes=attributes_of([*event.attributes.items(), *(attributes or {}).items()]),
    )


def _level(event: ErrorEvent, severity: str | None) -> str | None:
    own = event.severity or ""
    level = _LEVELS.get(own) or (own if own and not own.isdigit() else severity)
    if level is None and (found := _LEVEL_IN_TEXT.search(f" {event.text[:_LOOKED_AT]} ")):
        level = (found[1] or found[2]).lower()
    return level.lower() if level else None


def _opened(line: Any) -> dict[str, Any] | str:
    """The line's own object: JSON in a text, or in the `log` or `message` of a container runtime's record."""
    if isinstance(line, str):
        text = line.strip()
        return _object(text) or text
    if not isinstance(line, dict):
        return ""
    for name in ("log", "message", "MESSAGE", "msg"):
        inner = line.get(name)
        if isinstance(inner, str) and (found := _object(inner.strip())):
            rest = {key: value for key, value in line.items() if key != name}
            return {**rest, **found}
    return line


def _object(text: str) -> dict[str, Any] | None:
    if not (text.startswith("{") and text.endswith("}")):
        return None
    try:
        value = read_json(text.encode("utf-8", "replace"))
    except Unparseable:
        return None
    return value if isinstance(value, dict) else None
