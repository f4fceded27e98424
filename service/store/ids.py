"""Identifiers: UUID version 7 as text, so that ids sort by the time they were made.

https://www.rfc-editor.org/rfc/rfc9562#name-uuid-version-7
"""

import itertools
import os
import secrets
import time
from array import array
from datetime import datetime

_COUNTER = itertools.count(secrets.randbits(12))
_DRAWN = array("Q")
os.register_at_fork(after_in_child=lambda: _DRAWN.__delitem__(slice(None)))


def new_id() -> str:
    """A fresh identifier; those of a later millisecond sort after those of an earlier one."""
    return _format(time.time_ns() // 1_000_000, next(_COUNTER) & 0xFFF, _draw() >> 2)


def first_id_at(moment: datetime) -> str:
    """The lowest identifier that can have been made at `moment`: everything made earlier sorts before it."""
    return _format(int(moment.timestamp() * 1000), 0, 0)


def _draw() -> int:
    """64 random bits, drawn many at a time: each call of the system lets go of the interpreter."""
    try:
        return _DRAWN.pop()
    except IndexError:
        _DRAWN.frombytes(os.urandom(2048))
        return secrets.randbits(64)


def _format(milliseconds: int, sequence: int, random: int) -> str:
    digits = f"{milliseconds:012x}7{sequence:03x}{0x8000000000000000 | random:016x}"
    return f"{digits[:8]}-{digits[8:12]}-{digits[12:16]}-{digits[16:20]}-{digits[20:]}"
