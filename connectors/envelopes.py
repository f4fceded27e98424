"""Sentry's envelope: a line of headers, then items, each a line of headers and a payload.

https://develop.sentry.dev/sdk/data-model/envelopes/
"""

from collections.abc import Iterator, Mapping
from typing import Any

from connectors.base import Unparseable
from connectors.bodies import read_json

_MOST_ITEMS = 1_000


def read_envelope(body: bytes) -> tuple[Mapping[str, Any], list[tuple[Mapping[str, Any], bytes]]]:
    """The headers, and each item's headers and payload. Raises `Unparseable`, saying where, for broken framing."""
    line, position = _line(body, 0)
    headers = _headers(line, "The envelope's first line")
    return headers, list(_items(body, position))


def _items(body: bytes, position: int) -> Iterator[tuple[Mapping[str, Any], bytes]]:
    for number in range(1, _MOST_ITEMS + 1):
        position = _skip_blank_lines(body, position)
        if position >= len(body):
            return
        line, position = _line(body, position)
        headers = _headers(line, f"The header line of item {number}")
        payload, position = _payload(body, position, headers.get("length"))
        yield headers, payload
    raise Unparseable(f"The envelope has more than {_MOST_ITEMS} items")


def _payload(body: bytes, position: int, length: Any) -> tuple[bytes, int]:
    """The payload and where it ends. `length` is optional, and without a usable one the payload is a line."""
    if isinstance(length, int) and not isinstance(length, bool) and 0 <= length <= len(body) - position:
        return body[position : position + length], position + length
    return _line(body, position)


def _line(body: bytes, position: int) -> tuple[bytes, int]:
    end = body.find(b"\n", position)
    end = len(body) if end < 0 else end
    return body[position:end], end + 1


def _skip_blank_lines(body: bytes, position: int) -> int:
    while position < len(body) and body[position : position + 1] in b"\r\n":
        position += 1
    return position


def _headers(line: bytes, where: str) -> Mapping[str, Any]:
    try:
        value = read_json(line)
    except Unparseable as error:
        raise Unparseable(f"{where} is not JSON: {error}") from error
    if not isinstance(value, dict):
        raise Unparseable(f"{where} is not a JSON object")
    return value
