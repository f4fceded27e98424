"""Reads one Sentry event in any of its forms: as an SDK sends it, as webhooks carry it, as the REST API prints it.

https://develop.sentry.dev/sdk/data-model/event-payloads/
"""

import re
from collections.abc import Callable, Iterator, Mapping
from datetime import datetime
from typing import Any
from urllib.parse import urlsplit

from connectors.base import ErrorEvent
from connectors.stacks import Frames, frames_of, print_compact_stack, print_stack
from connectors.values import (
    as_link,
    as_list,
    as_mapping,
    as_status,
    as_text,
    as_time,
    attributes_of,
    compact_json,
    dig,
    fill,
    first_text,
    join_texts,
    key_of,
)

_MOST_EXCEPTIONS = 20
_PROJECT_IN_URL = re.compile(r"/projects/[^/]+/([^/]+)/")
_STATUS_TAGS = ("http.status_code", "http.response.status_code", "http_status", "status_code")
_TAGS_ELSEWHERE = frozenset(
    {"environment", "service", "service.name", "level", "url", "http_status", "text", "release"}
)


def read_event(
    event: Mapping[str, Any],
    received_at: datetime,
    *,
    kind: str,
    project: str | None = None,
    issue: str | None = None,
    link: str | None = None,
    rule: str | None = None,
) -> ErrorEvent:
    """The event with its whole chain of exceptions; `project`, `issue`, `link` and `rule` are what stood around it."""
    tags = read_tags(event.get("tags"))
    chain = [_Raised(value) for value in _exceptions(event)[:_MOST_EXCEPTIONS]]
    return ErrorEvent(
        id=event_id(event) or key_of(compact_json(event)),
        text=_text(event, chain),
        type=kind,
        time=as_time(first_text(event.get("timestamp"), event.get("datetime"), event.get("dateCreated")), received_at),
        service_name=_service(event, tags, project),
        environment=first_text(tags.get("environment"), event.get("environment")),
        severity=first_text(event.get("level"), tags.get("level")),
        exception_type=next((raised.type for raised in chain if raised.type), None),
        stacktrace=_stacks(event, chain, print_stack) or None,
        http_status=_http_status(event, tags),
        url=as_link(event.get("web_url")) or as_link(link),
        grouping_key=first_text(issue, event.get("issue_id"), event.get("groupID"), event.get("group_id")),
        attributes=attributes_of([*_facts(event), ("rule", rule), *_other(tags)]),
    )


def event_id(event: Mapping[str, Any]) -> str | None:
    """The event's id in its canonical form, 32 hex digits; None if it has none."""
    text = first_text(event.get("event_id"), event.get("eventID"), event.get("id")) or ""
    text = text.replace("-", "").lower()
    return text if re.fullmatch(r"[0-9a-f]{32}", text) else None


def read_tags(tags: Any) -> dict[str, str]:
    """Tags from pairs (SDK, webhooks), objects with `key` and `value` (REST) or one object."""
    pairs: list[tuple[Any, Any]] = list(as_mapping(tags).items())
    for tag in as_list(tags):
        if isinstance(tag, list) and len(tag) == 2:
            pairs.append((tag[0], tag[1]))
        elif isinstance(tag, dict):
            pairs.append((tag.get("key"), tag.get("value")))
    return {name: text for key, value in pairs if (name := as_text(key)) and (text := as_text(value))}


class _Raised:
    """One exception of the chain."""

    def __init__(self, value: Mapping[str, Any]) -> None:
        name, module = as_text(value.get("type")), as_text(value.get("module"))
        name = name.rpartition("<locals>.")[2] if name else None
        qualified = name and module and "." not in name and module not in ("builtins", "__builtin__", "exceptions")
        self.type = f"{module}.{name}" if qualified else name
        message = as_text(value.get("value"))
        self.line = f"{self.type}: {message}" if self.type and message else message or self.type
        self.frames = frames_of(value.get("stacktrace")) or frames_of(value.get("raw_stacktrace"))


def _exceptions(event: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """The chain as sent: the innermost cause first."""
    for found in (event.get("exception"), event.get("sentry.interfaces.Exception"), _entry(event, "exception")):
        values = found.get("values", [found]) if isinstance(found, dict) else found
        kept: list[Mapping[str, Any]] = [value for value in as_list(values) if isinstance(value, dict) and value]
        if kept:
            return kept
    return []


def _entry(event: Mapping[str, Any], kind: str) -> Any:
    entries = (entry for entry in as_list(event.get("entries")) if dig(entry, "type") == kind)
    return next((entry.get("data") for entry in entries), None)


def _text(event: Mapping[str, Any], chain: list[_Raised]) -> str:
    """What was raised, root cause first, and what was logged; then the stacks."""
    said = join_texts([*(raised.line for raised in chain), *_messages(event)])
    headline = said or first_text(event.get("title"), event.get("culprit"), event.get("transaction"))
    stacks = _stacks(event, chain, print_compact_stack)
    return "\n\n".join(part for part in (headline or "Error without a message", stacks) if part)


def _messages(event: Mapping[str, Any]) -> Iterator[str | None]:
    logged = [event.get(name) for name in ("logentry", "sentry.interfaces.Message", "message")]
    for found in [*logged, _entry(event, "message")]:
        if isinstance(found, dict):
            formatted = as_text(found.get("formatted"))
            yield formatted or fill(as_text(found.get("message")) or "", found.get("params")) or None
        else:
            yield as_text(found)


def _stacks(event: Mapping[str, Any], chain: list[_Raised], printer: Callable[[Frames], str]) -> str:
    stacks = [(raised.type or "exception", raised.frames) for raised in chain]
    stacks = [(name, frames) for name, frames in stacks if frames] or [("message", frames_of(event.get("stacktrace")))]
    return "\n\n".join(
        f"Stack of {name} (most recent call last):\n{printer(frames)}" for name, frames in stacks if frames
    )


def _service(event: Mapping[str, Any], tags: Mapping[str, str], project: str | None) -> str | None:
    address = as_text(event.get("url")) or ""
    found = _PROJECT_IN_URL.search(address)
    return first_text(
        tags.get("service"),
        tags.get("service.name"),
        project,
        found[1] if found else None,
        event.get("server_name"),
        tags.get("server_name"),
    )


def _http_status(event: Mapping[str, Any], tags: Mapping[str, str]) -> int | None:
    """The status of the refusal. A 5xx is left out: it is what the application answered, not what it was answered."""
    given = [dig(event, "contexts", "response", "status_code"), *(tags.get(name) for name in _STATUS_TAGS)]
    return next((status for value in given if (status := as_status(value)) and 400 <= status < 500), None)


def _facts(event: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    for name in ("culprit", "transaction", "platform", "release", "logger"):
        yield name, as_text(event.get(name))
    yield "host", as_text(event.get("server_name"))
    for name in ("runtime", "os"):
        context = as_mapping(dig(event, "contexts", name))
        yield name, " ".join(text for key in ("name", "version") if (text := as_text(context.get(key)))) or None
    yield "method", as_text(dig(event, "request", "method"))
    yield "path", _path(dig(event, "request", "url"))


def _path(address: Any) -> str | None:
    try:
        return urlsplit(address).path or None if isinstance(address, str) else None
    except ValueError:
        return None


def _other(tags: Mapping[str, str]) -> Iterator[tuple[str, str]]:
    for name, value in tags.items():
        if name not in _TAGS_ELSEWHERE:
            yield name, value
