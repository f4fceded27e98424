"""An occurrence as the row of an event: text that both databases take, keys that fit an index."""

from datetime import UTC, datetime
from hashlib import sha256
from typing import Any, overload

from service.store.ids import new_id
from service.store.occurrence import Occurrence

_KEY_LENGTH = 255
_STATUSES = range(1000)
_YEARS = range(1970, 9999)


def event_row(occurrence: Occurrence, now: datetime) -> dict[str, Any]:
    """The columns of `tables.Event`, without a failure yet."""
    event = occurrence.event
    status = event.http_status  # looked up in a range, None would be compared with all of it
    return {
        "id": new_id(),
        "connection": as_key(occurrence.connection),
        "source_id": as_key(event.id),
        "failure_id": None,
        "state": event.state,
        "time": _plausible(event.time, now),
        "received_at": now,
        "type": as_text(event.type),
        "text": as_text(event.text),
        "service_name": as_key(event.service_name),
        "environment": as_key(event.environment),
        "severity": as_text(event.severity),
        "exception_type": as_text(event.exception_type),
        "stacktrace": as_text(event.stacktrace),
        "http_status": status if status is not None and status in _STATUSES else None,
        "url": as_text(event.url),
        "grouping_key": as_key(event.grouping_key),
        "attributes": event.attributes,
        "context": occurrence.context,
    }


@overload
def as_text(value: str) -> str: ...
@overload
def as_text(value: str | None) -> str | None: ...
def as_text(value: str | None) -> str | None:
    """The text without NUL and lone surrogates, which databases refuse; each becomes one character, so offsets hold."""
    if not value:
        return value
    if "\x00" in value:
        value = value.replace("\x00", "\N{REPLACEMENT CHARACTER}")
    return value if value.isascii() else value.encode("utf-8", "replace").decode()


@overload
def as_key(value: str) -> str: ...
@overload
def as_key(value: str | None) -> str | None: ...
def as_key(value: str | None) -> str | None:
    """The text, or its start and a hash where it is too long for an index."""
    value = as_text(value)
    if value is None or len(value) <= _KEY_LENGTH:
        return value
    digest = sha256(value.encode()).hexdigest()
    return f"{value[: _KEY_LENGTH - len(digest) - 1]}#{digest}"


def _plausible(time: datetime, now: datetime) -> datetime:
    """The time, as UTC where it has no zone; `now` for a year that no error can be from."""
    if time.year not in _YEARS:
        return now
    return time if time.tzinfo else time.replace(tzinfo=UTC)
