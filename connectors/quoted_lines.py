"""The lines of a log that an alert is about, put below what the alert says of them."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any

from connectors.base import ErrorEvent
from connectors.log_line import LogLines
from connectors.pull import found_at
from connectors.values import as_text, join_texts

MOST_LINES = 20
_LONGEST_LINE, _LONGEST = 4_000, 12_000


def quote_lines(event: ErrorEvent, lines: Sequence[Any], now: datetime) -> ErrorEvent:
    """The event with at most 20 different lines, texts or objects: those that look like a failure, if any does."""
    reader = LogLines(found_at(now))
    for number, line in enumerate(lines):
        reader.add(line, identity=str(number))
    failures = reader.parsed().events
    told = list(dict.fromkeys([one.text for one in failures] or filter(None, map(as_text, lines))))
    quoted, room = [event.text], _LONGEST
    for text in told[:MOST_LINES]:
        quoted.append(text[: min(room, _LONGEST_LINE)])
        room -= len(quoted[-1])
    if not failures:
        return replace(event, text=join_texts(quoted))
    first = failures[0]
    return replace(
        event,
        text=join_texts(quoted),
        service_name=event.service_name or first.service_name,
        environment=event.environment or first.environment,
        exception_type=event.exception_type or first.exception_type,
        stacktrace=event.stacktrace or first.stacktrace,
        http_status=event.http_status or first.http_status,
    )
