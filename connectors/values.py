"""Tolerant reading of foreign values: a number where text is expected, a null, a list of one, a time in any unit.

Nothing here raises on odd input; what cannot be read is None or empty. Text comes out free of NUL characters and lone
surrogates, which databases and encoders refuse.
"""

import json
import re
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from hashlib import blake2b
from typing import Any

_LONGEST_ATTRIBUTE = 500
_MOST_ATTRIBUTES = 30
_EXACT_NUMBERS = 2**53
_SKEW_SECONDS = 300
_PLACEHOLDER = re.compile(r"%(?:%|(?:\((\w+)\))?[-#0 +]*\d*(?:\.\d+)?[diouxXeEfFgGcrsa])")


def as_text(value: Any) -> str | None:
    """A value as stripped text, None when there is nothing in it; lists and objects as compact JSON."""
    if isinstance(value, str):
        return clean(value).strip() or None
    if value is None or value in ([], {}):
        return None
    if isinstance(value, list) and len(value) == 1:
        return as_text(value[0])
    if isinstance(value, dict | list):
        return clean(compact_json(value))
    return str(value).lower() if isinstance(value, bool) else str(value)


def clean(text: str) -> str:
    """Text without NUL characters and lone surrogates."""
    if "\x00" in text:
        text = text.replace("\x00", "\ufffd")
    return text if text.isascii() else text.encode("utf-8", "replace").decode()


def compact_json(value: Any) -> str:
    """JSON on one line, characters as they are; empty for what nests too deeply to print."""
    try:
        return json.dumps(value, ensure_ascii=False, separators=(", ", ": "), default=str)
    except (RecursionError, ValueError, TypeError):
        return ""


def as_mapping(value: Any) -> Mapping[str, Any]:
    """The value if it is a JSON object, else an empty one."""
    return value if isinstance(value, dict) else {}


def as_list(value: Any) -> list[Any]:
    """The value if it is a list, else an empty one."""
    return value if isinstance(value, list) else []


def dig(value: Any, *keys: str) -> Any:
    """The value under nested keys, None where the path ends early."""
    for key in keys:
        value = as_mapping(value).get(key)
    return value


def first_text(*values: Any) -> str | None:
    """The first value that has text."""
    for value in values:
        if text := as_text(value):
            return text
    return None


def as_status(value: Any) -> int | None:
    """An HTTP status from `403`, `"403"` or `"403 Forbidden"`."""
    if isinstance(value, bool | dict | list) or value is None:
        return None
    head = str(value).strip()[:4].rstrip()
    is_status = len(head) == 3 and head.isascii() and head.isdigit() and "1" <= head[0] <= "5"
    return int(head) if is_status else None


def as_time(value: Any, received_at: datetime) -> datetime:
    """A time as aware UTC, from ISO 8601 or epoch seconds, milli-, micro- or nanoseconds; without zone it is UTC.

    What cannot be read, lies before 1971 or more than five minutes after the receipt is taken as `received_at`.
    """
    read = _iso_time(value) if isinstance(value, str) and not _is_number(value) else _epoch_time(value)
    if read is None or read.year < 1971 or (read - received_at).total_seconds() > _SKEW_SECONDS:
        return received_at
    return read


def _is_number(text: str) -> bool:
    return text.replace(".", "", 1).strip().isdecimal()


def _iso_time(text: str) -> datetime | None:
    try:
        read = datetime.fromisoformat(text.strip().removesuffix(" UTC"))
        return (read if read.tzinfo else read.replace(tzinfo=UTC)).astimezone(UTC)
    except (ValueError, OverflowError):
        return None


def _epoch_time(value: Any) -> datetime | None:
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        return None
    try:
        seconds = float(value)
        for _ in range(3):  # nanoseconds are three steps from seconds
            seconds = seconds / 1000 if seconds > 1e11 else seconds
        return datetime.fromtimestamp(seconds, UTC)
    except (ValueError, OverflowError, OSError):
        return None


def key_of(*parts: Any) -> str:
    """A stable key of the parts, of any type: 32 hex digits."""
    digest = blake2b(digest_size=16)
    for part in parts:
        encoded = part if isinstance(part, bytes) else repr(part).encode("utf-8", "surrogatepass")
        digest.update(b"%d:" % len(encoded) + encoded)
    return digest.hexdigest()


def join_texts(pieces: Iterable[str | None]) -> str:
    """The pieces a line each, leaving out one that another already contains."""
    kept: list[str] = []
    for piece in pieces:
        if piece and not any(piece in other for other in kept):
            kept = [other for other in kept if other not in piece] + [piece]
    return "\n".join(kept)


def attributes_of(pairs: Iterable[tuple[str, Any]]) -> dict[str, str | int | float | bool]:
    """A small, flat set of facts: the first 30 scalars that say something, long text cut at 500 characters."""
    kept: dict[str, str | int | float | bool] = {}
    for name, value in pairs:
        if len(kept) == _MOST_ATTRIBUTES:
            break
        if isinstance(value, bool) or (isinstance(value, int | float) and abs(value) < _EXACT_NUMBERS):
            kept[clean(name)[:100]] = value
        elif isinstance(value, str | int | float) and (text := as_text(value)):
            kept[clean(name)[:100]] = text[:_LONGEST_ATTRIBUTE]
    return kept


def as_link(value: Any) -> str | None:
    """A web address, None for anything that a browser would not open as one."""
    text = as_text(value) if isinstance(value, str) else None
    return text if text and len(text) <= 2_000 and text.lower().startswith(("https://", "http://")) else None


def fill(template: str, values: Any) -> str:
    """Put the values of a list, tuple or object in the place of `%s`, `%(name)s` and their kin.

    Widths are ignored, for they could ask for gigabytes. A placeholder without a value stays.
    """
    if not isinstance(values, dict | list | tuple) or not values:
        return template
    in_order = iter(values if isinstance(values, list | tuple) else ())
    by_name = values if isinstance(values, dict) else {}

    def value_of(found: re.Match[str]) -> str:
        if found[0] == "%%":
            return "%"
        value = by_name.get(found[1], found[0]) if found[1] else next(in_order, found[0])
        return as_text(value) or ""

    return _PLACEHOLDER.sub(value_of, template)
