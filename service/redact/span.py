"""What detectors read and what they report."""

from collections.abc import Iterable
from typing import NamedTuple

from service.redact.values import FILLER, hollow


class Span(NamedTuple):
    """One secret: `text[start:end]`. `kind` names it in the mask."""

    start: int
    end: int
    kind: str


class View(NamedTuple):
    """A text without its earlier masks, and its lower-case twin: both as long as the text itself."""

    text: str
    lower: str


def view_of(text: str) -> View:
    """The view that detectors share."""
    text = hollow(text)
    lower = text.lower()
    if len(lower) != len(text):
        lower = "".join(char.lower() if len(char.lower()) == 1 else char for char in text)
    return View(text, lower)


def blank(text: str, spans: Iterable[Span]) -> str:
    """The text, equally long, with nothing left of the spans. They are in order and do not overlap."""
    pieces, position = [], 0
    for start, end, _ in spans:
        pieces += [text[position:start], FILLER * (end - start)]
        position = end
    return "".join([*pieces, text[position:]])
