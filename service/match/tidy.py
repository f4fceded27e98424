"""The view of a text that rules match: what the carrier added is taken away, and offsets still lead back.

Carriers colour logs, escape JSON (once or more), print Python's bytes (`b'…'`), escape HTML, close a tag behind the
last word and end lines with CRLF. All of it is undone here, once, so that a rule describes a plain sentence.
"""

import re
from bisect import bisect_right
from collections.abc import Callable
from dataclasses import dataclass

_ANSI = re.compile(r"\x1b(?:\[[0-?]*[ -/]*[@-~]|\][^\x07\x1b]*(?:\x07|\x1b\\)|[@-Z\\-_])|\r(?=\n)")
_JSON_ESCAPE = re.compile(r'\\(?:(["\\/bfnrt])|u([0-9a-fA-F]{4}))')
_LINE_ESCAPE = re.compile(r"\\(?:r\\n|[nt])")
_PYTHON_QUOTE = re.compile(r"\\{1,3}'")
_WINDOWS_PATH = re.compile(r"[A-Za-z]:\\")
_HTML = re.compile(r"&(quot|#34|#x22|apos|#39|#x27|#039|lt|#60|gt|#62|amp|nbsp);", re.IGNORECASE)
_CLOSING_TAG = re.compile(r"</(?:pre|code|span|td|li|b|strong|em)>", re.IGNORECASE)
_JSON_CHARS = {"b": " ", "f": " ", "n": "\n", "r": "", "t": "\t"}
_HTML_CHARS = {
    "quot": '"', "#34": '"', "#x22": '"', "apos": "'", "#39": "'", "#x27": "'", "#039": "'",
    "lt": "<", "#60": "<", "gt": ">", "#62": ">", "amp": "&", "nbsp": " ",
}  # fmt: skip
_MAX_JSON_LEVELS = 3


@dataclass(frozen=True, slots=True)
class View:
    """`text` is what rules see. From position `starts[i]` on, the original lies `shifts[i]` characters further."""

    text: str
    original: str
    starts: tuple[int, ...] = (0,)
    shifts: tuple[int, ...] = (0,)

    def origin(self, position: int) -> int:
        """The offset in the original text of a position in the view."""
        if len(self.starts) == 1:
            return position + self.shifts[0]
        return position + self.shifts[bisect_right(self.starts, position) - 1]

    def origin_span(self, start: int, end: int) -> tuple[int, int]:
        """The span of the original that holds the view's `[start, end)`."""
        if end <= start:
            return self.origin(start), self.origin(start)
        return self.origin(start), min(len(self.original), self.origin(end - 1) + 1)


def tidy(text: str) -> View:
    """The view of a text; the text itself, at no cost, where a carrier left no trace. Lone surrogates become `?`."""
    view = View(text if text.isascii() else text.encode("utf-8", "replace").decode(), text)
    if "\x1b" in text or "\r" in text:
        view = _substitute(view, _ANSI, lambda _: "")
    if "\\&" in view.text:
        view = _undo_html(view)  # escaped as JSON first, as HTML afterwards
    if "\\" in view.text:
        view = _undo_json(view)
    if "</" in view.text:
        view = _substitute(view, _CLOSING_TAG, lambda _: " ")
    return _undo_html(view)


def _undo_html(view: View) -> View:
    for _ in range(2):
        if "&" in view.text and ";" in view.text:
            view = _substitute(view, _HTML, lambda found: _HTML_CHARS[found.group(1).lower()])
    return view


def _undo_json(view: View) -> View:
    for _ in range(_MAX_JSON_LEVELS):
        if '\\"' not in view.text:
            break
        view = _substitute(view, _JSON_ESCAPE, _json_char)
    if "\\'" in view.text:
        view = _substitute(view, _PYTHON_QUOTE, lambda _: "'")
    if "\\n" in view.text and not _WINDOWS_PATH.search(view.text):
        view = _substitute(view, _LINE_ESCAPE, lambda found: "\t" if found.group().endswith("t") else "\n")
    return view


def _json_char(found: re.Match[str]) -> str:
    if found.group(2):
        code = int(found.group(2), 16)
        return chr(code) if 32 <= code < 0xD800 else " "
    return _JSON_CHARS.get(found.group(1), found.group(1))


def _substitute(view: View, pattern: re.Pattern[str], replace: Callable[[re.Match[str]], str]) -> View:
    pieces: list[str] = []
    starts, shifts = [0], [view.shifts[0]]
    done = length = 0
    for found in pattern.finditer(view.text):
        keep = view.text[done : found.start()]
        new = replace(found)
        pieces += (keep, new)
        _carry_breaks(view, done, found.start(), length, starts, shifts)
        length += len(keep)
        _break(starts, shifts, length, view.origin(found.start()) - length)
        length += len(new)
        done = found.end()
        _break(starts, shifts, length, view.origin(done) - length)
    if not pieces:
        return view
    _carry_breaks(view, done, len(view.text), length, starts, shifts)
    pieces.append(view.text[done:])
    return View("".join(pieces), view.original, tuple(starts), tuple(shifts))


def _carry_breaks(view: View, start: int, end: int, length: int, starts: list[int], shifts: list[int]) -> None:
    first = bisect_right(view.starts, start)
    for index in range(first, bisect_right(view.starts, end - 1) if end > start else first):
        moved = view.starts[index] - start + length
        _break(starts, shifts, moved, view.starts[index] + view.shifts[index] - moved)


def _break(starts: list[int], shifts: list[int], position: int, shift: int) -> None:
    if starts[-1] == position:
        shifts[-1] = shift
    else:
        starts.append(position)
        shifts.append(shift)
