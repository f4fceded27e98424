"""What a body holds, whatever its framing: objects and texts, and an id for each that a repetition gives again."""

import re
from typing import Any

from connectors.base import BodyTooLarge, Delivery, Unparseable
from connectors.bodies import MOST_VALUES, read_form, read_json_values, read_multipart, read_text
from connectors.fields import Fields
from connectors.log_record import as_log_record
from connectors.sieve import looks_like_failure
from connectors.signatures import delivery_id
from connectors.values import as_text, compact_json, key_of

_JSON_IN_FORM = ("payload", "data", "json")
_LONGEST_KEY = 200
_FIELD = re.compile(r"[A-Za-z][\w.-]{0,40}")


def read_items(delivery: Delivery) -> list[Any]:
    """The objects and texts of a body of any framing. Raises `Unparseable` where there is neither."""
    body = delivery.body.strip()
    content_type = delivery.headers.get("content-type", "").lower()
    if not body:
        raise Unparseable("The body is empty; send a JSON object or the error text")
    if "json" in content_type or body[:1] in b'{["\xef\xff\xfe':
        try:
            return _flat(read_json_values(body, content_type))
        except Unparseable:
            # Templates that do not escape what they fill in make JSON that is none; a failure in it is still one.
            if "json" in content_type and not looks_like_failure(read_text(body, content_type)):
                raise
    if "form" in content_type and (item := _form_item(delivery.body, delivery.headers["content-type"])):
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
    form = (read_multipart if "multipart" in content_type.lower() else read_form)(body, content_type)
    for name in _JSON_IN_FORM:
        if form.get(name, "").lstrip().startswith(("{", "[")):
            return read_json_values(form[name].encode("utf-8", "replace"))
    is_form = Fields(form).has("message", "error_message") or (len(form) > 2 and all(map(_FIELD.fullmatch, form)))
    return as_log_record(form) or (form if is_form else None)


def _text_item(body: bytes, content_type: str) -> str:
    text = read_text(body, content_type)
    if "\x00" in text or text.count("\ufffd") * 10 > len(text):
        raise Unparseable("The body is binary; send JSON or text")
    return text


class Keys:
    """Gives each item of one delivery an id that a repeated delivery gives again.

    It is that of the delivery where the sender names one, else the item's own, else a hash of its content. Equal items
    of one delivery are counted, so that they stay apart.
    """

    def __init__(self, delivery: Delivery) -> None:
        self._delivery = as_text(delivery_id(delivery) or delivery.headers.get("idempotency-key"))
        self._seen: dict[str, int] = {}

    def of(self, item: Any, own: str | None) -> str:
        """The id of the item; `own` is what it calls itself."""
        key = self._delivery or own or key_of(item if isinstance(item, str) else compact_json(item))
        key = key if len(key) <= _LONGEST_KEY else key_of(key)
        count = self._seen[key] = self._seen.get(key, 0) + 1
        return key if count == 1 else f"{key}:{count}"
