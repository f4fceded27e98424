"""Pages of a list that keeps growing: the cursor says where the last page ended, not how far down that was."""

import base64
import binascii
from dataclasses import dataclass
from datetime import datetime
from typing import Generic, TypeVar

import msgspec

_T = TypeVar("_T")


class InvalidCursor(ValueError):
    """The cursor was not made by this list."""


@dataclass(frozen=True, slots=True)
class Page(Generic[_T]):
    """Some rows, and the cursor of the next page; without one this is the last."""

    items: list[_T]
    next_cursor: str | None


def encode_cursor(*key: str | datetime) -> str:
    """An opaque text that holds the sort key of a page's last row."""
    return base64.urlsafe_b64encode(msgspec.json.encode(key)).decode().rstrip("=")


def decode_time_cursor(cursor: str) -> tuple[datetime, str]:
    """The time and id in a cursor. Raises `InvalidCursor`."""
    return _decode(cursor, tuple[datetime, str])


def decode_id_cursor(cursor: str) -> str:
    """The id in a cursor. Raises `InvalidCursor`."""
    return _decode(cursor, tuple[str])[0]


def decode_offset_cursor(cursor: str) -> int:
    """The number of rows before the page, in a cursor of a list whose order has no key. Raises `InvalidCursor`."""
    text = decode_id_cursor(cursor)
    if not (text.isascii() and text.isdigit() and len(text) < 8):
        raise InvalidCursor("this cursor is not one that the list gave out: start again without it")
    return int(text)


def _decode(cursor: str, kind: type[_T]) -> _T:
    try:
        raw = base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4))
        return msgspec.json.decode(raw, type=kind)
    except (binascii.Error, ValueError, msgspec.MsgspecError):
        raise InvalidCursor("this cursor is not one that the list gave out: start again without it") from None
