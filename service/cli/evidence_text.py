"""The lines of an event that hold evidence, with each quote marked: in colour on a terminal, by carets elsewhere."""

from dataclasses import dataclass

from rich.text import Text

from service.domain import Evidence
from service.match.answer import DENIAL
from service.render import strip_control

_CONTEXT_LINES = 2
_WINDOW = 400
_LEAD = 60
_REPLACEMENT = "\N{REPLACEMENT CHARACTER}"


@dataclass(frozen=True)
class _Line:
    """One line of the text: what is shown of it, and the marks in it as (start, end, is a capture)."""

    shown: str
    marks: tuple[tuple[int, int, bool], ...]


def mark_evidence(text: str, evidence: tuple[Evidence, ...], *, colour: bool) -> Text:
    """Marked lines with two lines of context. Control characters of the event never reach the terminal."""
    lines = _lines_around(text, evidence)
    shown = [_coloured(line) if colour else _plain(line) for line in lines]
    return Text("\n").join(shown)


def _lines_around(text: str, evidence: tuple[Evidence, ...]) -> list[_Line]:
    first = max(0, text.count("\n", 0, min(item.start for item in evidence)) - _CONTEXT_LINES)
    last = text.count("\n", 0, max(item.end for item in evidence)) + _CONTEXT_LINES
    lines: list[_Line] = []
    offset = 0
    for number, line in enumerate(text.split("\n")):
        if number > last:
            break
        if number >= first:
            lines.append(_window(line, offset, evidence))
        offset += len(line) + 1
    return lines


def _window(line: str, offset: int, evidence: tuple[Evidence, ...]) -> _Line:
    inside = [
        (max(item.start - offset, 0), min(item.end - offset, len(line)), item.field != DENIAL)
        for item in evidence
        if item.start < offset + len(line) and item.end > offset
    ]
    cut = max(0, min(start for start, _, _ in inside) - _LEAD) if inside and len(line) > _WINDOW else 0
    shown = line[cut : cut + _WINDOW]
    marks = tuple((start - cut, min(end - cut, len(shown)), capture) for start, end, capture in inside)
    lead = "…" if cut else ""
    moved = tuple((start + len(lead), end + len(lead), capture) for start, end, capture in marks if start < len(shown))
    return _Line(lead + "".join(_visible(char) for char in shown) + ("…" if len(line) > cut + _WINDOW else ""), moved)


def _visible(char: str) -> str:
    if char == "\t":
        return " "
    return char if strip_control(char) == char else _REPLACEMENT


def _coloured(line: _Line) -> Text:
    marked = Text(line.shown, style="dim")
    for start, end, capture in line.marks:
        marked.stylize("bold not dim reverse" if capture else "not dim", start, end)
    return marked


def _plain(line: _Line) -> Text:
    if not line.marks:
        return Text(line.shown)
    under = [" "] * max(end for _, end, _ in line.marks)
    for start, end, _ in line.marks:
        under[start:end] = "^" * (end - start)
    return Text(f"{line.shown}\n{''.join(under)}")
