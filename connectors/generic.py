"""Any tool that can post: a JSON object or list, JSON Lines, a form, or plain text; each item becomes an event.

The names that are understood stand in `connectors/fields.py`. Signatures are those of https://www.standardwebhooks.com.
"""

from collections.abc import Iterable
from datetime import datetime
from typing import Any, Literal

from connectors.base import Auth, AuthScheme, BodyTooLarge, Delivery, ErrorEvent, Parsed, Unparseable
from connectors.bodies import MOST_VALUES, read_form, read_json_values, read_text
from connectors.fields import Fields
from connectors.log_record import as_log_record
from connectors.signatures import delivery_id, verify_shared_secret, verify_standard_webhook
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
    key_of,
)

_OVER = frozenset("resolved resolve ok closed close recovered recovery cleared true".split())
_JSON_IN_FORM = ("payload", "data", "json")
_PLAIN_ERROR = frozenset("type name class message msg reason stack stack_trace stacktrace".split())
_LONGEST_KEY = 200
_ERROR_MEMBERS = ("error.", "exception.", "err.")  # they stand in the text
_RESERVED = frozenset({"service", "environment", "http_status", "exception_type", "url", "text"})


class GenericConnector:
    """Reads what no other connector claims."""

    name = "generic"
    title = "Anything that posts JSON or text"
    schemes: tuple[AuthScheme, ...] = ("signature", "bearer", "basic", "header", "url-token", "none")

    def authenticate(self, delivery: Delivery, auth: Auth) -> None:
        """Raise `Unauthenticated` unless the Standard Webhooks signature or the shared secret is right."""
        if auth.scheme == "signature":
            verify_standard_webhook(delivery, auth)
        else:
            verify_shared_secret(delivery, auth)

    def parse(self, delivery: Delivery) -> Parsed:
        """An event for each object and each text of the body. Raises `Unparseable` where there is neither."""
        keys = _Keys(delivery)
        return Parsed(tuple(_event(item, keys, delivery.received_at) for item in _items(delivery)))


def _items(delivery: Delivery) -> list[Any]:
    body = delivery.body.strip()
    content_type = delivery.headers.get("content-type", "").lower()
    if not body:
        raise Unparseable("The body is empty; send a JSON object or the error text")
    if "json" in content_type or body[:1] in b'{["\xef\xff\xfe':
        try:
            return _flat(read_json_values(body, content_type))
        except Unparseable:
            if "json" in content_type:
                raise
    if "x-www-form-urlencoded" in content_type and (item := _form_item(body, content_type)):
        return [item] if isinstance(item, dict) else _flat(item)
    return [_text_item(body, content_type)]


def _flat(values: list[Any]) -> list[Any]:
    """Objects and texts of the values, lists opened once."""
    items: list[Any] = []
    for value in values:
        items.extend(value if isinstance(value, list) else [value])
    if len(items) > MOST_VALUES:
        raise BodyTooLarge(f"The body has more than {MOST_VALUES} events; send smaller batches")
    kept = [item for item in items if isinstance(item, dict | str) and item]
    if items and not kept:
        raise Unparseable("The JSON holds no object and no text; send an object with a message")
    return kept


def _form_item(body: bytes, content_type: str) -> dict[str, Any] | list[Any] | None:
    """What a form says: the JSON in its `payload`, `data` or `json`, a log record, or its fields where one is known."""
    form = read_form(body, content_type)
    for name in _JSON_IN_FORM:
        if form.get(name, "").lstrip().startswith(("{", "[")):
            return read_json_values(form[name].encode("utf-8", "replace"))
    return as_log_record(form) or (form if Fields(form).has("message", "error_message") else None)


def _text_item(body: bytes, content_type: str) -> str:
    text = read_text(body, content_type)
    if "\x00" in text or text.count("\ufffd") * 10 > len(text):
        raise Unparseable("The body is binary; send JSON or text")
    return text


class _Keys:
    """Gives each item of one delivery an id that a repeated delivery gives again.

    It is that of the delivery where the sender names one, else the item's own, else a hash of its content. Equal items
    of one delivery are counted, so that they stay apart.
    """

    def __init__(self, delivery: Delivery) -> None:
        self._delivery = as_text(delivery_id(delivery) or delivery.headers.get("idempotency-key"))
        self._seen: dict[str, int] = {}

    def of(self, item: Any, own: str | None) -> str:
        key = self._delivery or own or key_of(item if isinstance(item, str) else compact_json(item))
        key = key if len(key) <= _LONGEST_KEY else key_of(key)
        count = self._seen[key] = self._seen.get(key, 0) + 1
        return key if count == 1 else f"{key}:{count}"


def _event(item: Any, keys: _Keys, received_at: datetime) -> ErrorEvent:
    if isinstance(item, str):
        return ErrorEvent(id=keys.of(item, None), text=clean(item).strip(), type="text", time=received_at)
    found = Fields(item)
    severity = first_text(*found["severity"])
    return ErrorEvent(
        id=keys.of(item, _own_key(found)),
        text=_text(item, found),
        type=first_text(*found["type"]) or "event",
        time=next((as_time(value, received_at) for value in found["time"]), received_at),
        state=_state(found),
        service_name=_first(found["service"]),
        environment=_first(found["environment"]),
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


def _own_key(found: Fields) -> str | None:
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


CONNECTOR = GenericConnector()
