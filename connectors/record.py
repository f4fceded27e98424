"""An object of unknown shape, or a text, as one error event. The names that are understood stand in `fields.py`."""

from collections.abc import Iterable
from datetime import datetime
from typing import Any, Literal

from connectors.base import ErrorEvent
from connectors.fields import Fields
from connectors.tags import tagged_environment, tagged_service, tags_of
from connectors.values import (
    as_link,
    as_status,
    as_text,
    as_time,
    attributes_of,
    clean,
    compact_json,
    first_text,
    join_texts,
)

_OVER = frozenset("resolved resolve ok closed close recovered recovery cleared true".split())
_PLAIN_ERROR = frozenset("type name class message msg reason stack stack_trace stacktrace code errno".split())
_ERROR_MEMBERS = ("error.", "exception.", "err.")  # they stand in the text
_RESERVED = frozenset({"service", "environment", "http_status", "exception_type", "url", "text"})


def read_record(
    item: dict[str, Any] | str, *, identity: str, received_at: datetime, found: Fields | None = None
) -> ErrorEvent:
    """The event that a text, or an object with fields of known names, tells of. `identity` becomes its id.

    `found` are the fields of the object, where they are known already.
    """
    if isinstance(item, str):
        return ErrorEvent(id=identity, text=clean(item).strip(), type="text", time=received_at)
    found = found or Fields(item)
    severity = first_text(*found["severity"])
    service, environment = _first(found["service"]), _first(found["environment"])
    if item.get("tags") and not (service and environment):
        tags = tags_of(item["tags"])
        service, environment = service or tagged_service(tags), environment or tagged_environment(tags)
    return ErrorEvent(
        id=identity,
        text=_text(item, found),
        type=first_text(*found["type"]) or "event",
        time=next((as_time(value, received_at) for value in found["time"]), received_at),
        state=_state(found),
        service_name=service,
        environment=environment,
        severity=severity.lower() if severity else None,
        exception_type=_first(found["error_type"]),
        stacktrace=_first(found["stack"]),
        http_status=next((status for value in found["http_status"] if (status := as_status(value))), None),
        url=next((link for value in found["link"] if (link := as_link(value))), None),
        grouping_key=first_text(*found["group"], *found["id"], *found["title"]),
        attributes=attributes_of(pair for pair in found.rest.items() if not _is_told_elsewhere(pair[0])),
    )


def _is_told_elsewhere(name: str) -> bool:
    return name in _RESERVED or name.startswith(_ERROR_MEMBERS)


def own_key(found: Fields) -> str | None:
    """The object's own id, with its state and time where it has a state; None where it names none."""
    own = first_text(*found["id"])
    state = first_text(*found["state"]) if own else None
    # An alert keeps its id through all its changes of state: by the id alone a second firing would pass for a repeat.
    return f"{own}:{state}:{first_text(*found['time']) or ''}" if state else own


def _text(item: dict[str, Any], found: Fields) -> str:
    """Title, messages, errors, logs and stack, each once; an API's bare error body stands as the JSON it is."""
    if found.has("vendor_error") and not found.has(
        "title", "service", "environment", "link", "time", "severity", "group"
    ):
        return compact_json(item)
    said = _texts(found["title"] + found["message"])
    return join_texts([*said, *_errors(found), *_texts(found["output"] + found["stack"])]) or compact_json(item)


def _errors(found: Fields) -> list[str]:
    """An error with more to it than type, message and stack as JSON, else the usual line `type: message`."""
    if not found.has("error_message", "error_code"):
        return []
    messages = found["error_message"]
    whole = [
        compact_json(value) for value in messages if isinstance(value, dict) and not _PLAIN_ERROR.issuperset(value)
    ]
    if whole:
        return whole
    kind = _first(found["error_type"])
    lines = [f"{kind}: {text}" if kind and kind not in text else text for text in _texts(messages)]
    return lines + [f"code: {code}" for code in _texts(found["error_code"]) if not as_status(code)]


def _texts(values: Iterable[Any]) -> list[str]:
    """The values that are text: strings, and lists as lines."""
    return [text for value in values if (text := _lines(value))]


def _lines(value: Any) -> str:
    if isinstance(value, str):
        return clean(value).strip()
    lines = value if isinstance(value, list) else []
    return "\n".join(clean(line) if isinstance(line, str) else compact_json(line) for line in lines).strip()


def _first(values: Iterable[Any]) -> str | None:
    for value in values:
        if text := _lines(value):
            return text
    return None


def _state(found: Fields) -> Literal["firing", "resolved"]:
    for value in found["state"]:
        if (as_text(value) or "").lower() in _OVER:
            return "resolved"
    return "firing"
