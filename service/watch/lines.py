"""Bytes of a file as records, each with the offset at which it begins. No input or output happens here."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime

from connectors.log_joining import LONGEST_RECORD, Joiner

CHUNK = 1024 * 1024
_TIME = re.compile(r"\[?(\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d)(?:[.,](\d{1,9}))?(?: ?(Z|UTC|[+-]\d\d:?\d\d))?")


@dataclass(frozen=True, slots=True)
class Cut:
    """The records of a piece of a file, each with its offset in the file, and how many bytes of the piece are done.

    `in_line`: the piece ends within a line that is too long; what is left of that line is passed over.
    """

    records: tuple[tuple[int, str], ...]
    used: int
    in_line: bool = False


def cut(data: bytes, offset: int, *, is_settled: bool, is_final: bool, in_line: bool = False) -> Cut:
    """The records of `data`, which lies at `offset` and begins a line unless `in_line`.

    Without `is_settled` the last record stays for later, as more lines of it may come; without `is_final` so does a
    last line without its end. Of a line that fills the whole piece its beginning is taken.
    """
    begin = 0
    if in_line:
        begin = data.find(b"\n") + 1
        if not begin:
            return Cut((), len(data), in_line=not is_final)
    is_full = len(data) >= CHUNK
    lines = list(_lines(data, begin, is_final=is_final))
    if not lines and is_full:
        return Cut(((offset + begin, _text(data[begin:])),), len(data), in_line=True)
    records, used = _joined(lines, begin)
    if not is_settled and records and not (is_full and len(records) == 1):
        used = records.pop()[0]
    return Cut(tuple((offset + at, text) for at, text in records if text.strip()), used)


def _lines(data: bytes, begin: int, *, is_final: bool) -> Iterator[tuple[int, int, str]]:
    """Where each whole line begins and ends, and its text."""
    while (end := data.find(b"\n", begin)) >= 0:
        yield begin, end + 1, _text(data[begin:end])
        begin = end + 1
    if is_final and begin < len(data):
        yield begin, len(data), _text(data[begin:])


def _joined(lines: list[tuple[int, int, str]], begin: int) -> tuple[list[tuple[int, str]], int]:
    joiner, records = Joiner(), list[tuple[int, list[str]]]()
    for at, _, line in lines:
        if joiner.continues(line):
            records[-1][1].append(line)
        else:
            records.append((at, [line]))
    return [(at, "\n".join(parts)) for at, parts in records], lines[-1][1] if lines else begin


def _text(line: bytes) -> str:
    return line[:LONGEST_RECORD].rstrip(b"\r").decode("utf-8", "replace")


def time_of(text: str, now: datetime) -> datetime:
    """The time at which a line was written, where it begins with one; else now. Without zone it is this machine's."""
    found = _TIME.match(text)
    if not found:
        return now
    zone = {None: "", "Z": "+00:00", "UTC": "+00:00"}.get(found[3], found[3])
    try:
        return datetime.fromisoformat(f"{found[1]}.{(found[2] or '0')[:6]:0<6}{zone}").astimezone(UTC)
    except (ValueError, OverflowError):
        return now
