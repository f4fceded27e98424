"""Cut hostile text into segments that a page shows one by one. Pure; produces no HTML.

A segment is a run of text under the same evidence fields and of one kind. Invisible characters (terminal escapes,
bidirectional overrides, zero-width characters) become visible `⟨U+202E⟩` marks, so that text cannot lie about itself.
"""

import re
import unicodedata
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby, pairwise
from typing import Literal

from service.domain import Evidence

SegmentKind = Literal["plain", "mask", "invisible", "placeholder", "cut"]

_MASK = re.compile(r"(\[redacted:[\w.-]{1,60}(?::[0-9a-f]{1,16})?\])")
_INVISIBLE_CATEGORIES = frozenset({"Cc", "Cf", "Cs", "Zl", "Zp"})
_SPAN_LIMIT = 50


@dataclass(frozen=True, slots=True)
class Segment:
    """`text` to show as it stands, what it is, and the evidence fields that quote it."""

    text: str
    kind: SegmentKind = "plain"
    fields: tuple[str, ...] = ()


def is_invisible(character: str) -> bool:
    """Whether a terminal or a browser would obey the character or show nothing for it."""
    return character not in "\n\t" and unicodedata.category(character) in _INVISIBLE_CATEGORIES


def mark_invisible(text: str) -> str:
    """The text with every invisible character as its `⟨U+XXXX⟩` mark; CRLF line ends become LF."""
    return "".join(segment.text for segment in _visible(text, ()))


def highlight(text: str, evidence: Sequence[Evidence]) -> list[Segment]:
    """Segments of `text` in order. Spans may overlap or nest; one that does not quote this text is ignored."""
    spans = [span for span in evidence if span.quote and text[span.start : span.end] == span.quote][:_SPAN_LIMIT]
    cuts = sorted({0, len(text)}.union(*((span.start, span.end) for span in spans)))
    segments: list[Segment] = []
    for start, end in pairwise(cuts):
        covering = (span.field for span in spans if span.start <= start and end <= span.end)
        segments.extend(_masked(text[start:end], tuple(dict.fromkeys(covering))))
    return segments


def highlight_part(text: str, evidence: Sequence[Evidence], limit: int = 20_000) -> list[Segment]:
    """Like `highlight`; of a long text only `limit` characters around the first quote, and how many are left out."""
    if len(text) <= limit:
        return highlight(text, evidence)
    first = min((span.start for span in evidence), default=0)
    start = max(0, min(first - limit // 4, len(text) - limit))
    moved = [
        span.model_copy(update={"start": span.start - start, "end": span.end - start})
        for span in evidence
        if start <= span.start and span.end <= start + limit
    ]
    shown = highlight(text[start : start + limit], moved)
    return [*_cut(start), *shown, *_cut(len(text) - start - limit)]


def mark_placeholders(content: str, placeholders: Sequence[str]) -> list[Segment]:
    """Segments of an artifact's content, with each listed placeholder where it stands as a whole word."""
    words = sorted((word for word in placeholders if word), key=len, reverse=True)
    if not words:
        return list(_masked(content, ()))
    pattern = re.compile(r"(?<![A-Za-z0-9_])(" + "|".join(map(re.escape, words)) + r")(?![A-Za-z0-9_])")
    segments: list[Segment] = []
    for index, piece in enumerate(pattern.split(content)):
        segments.extend([Segment(mark_invisible(piece), "placeholder")] if index % 2 else _masked(piece, ()))
    return segments


def _cut(count: int) -> list[Segment]:
    return [Segment(f"[{count:,} characters left out]", "cut")] if count else []


def _masked(text: str, fields: tuple[str, ...]) -> Iterator[Segment]:
    for index, piece in enumerate(_MASK.split(text)):
        if index % 2:
            yield Segment(piece, "mask", fields)
        else:
            yield from _visible(piece, fields)


def _visible(text: str, fields: tuple[str, ...]) -> Iterator[Segment]:
    text = text.replace("\r\n", "\n")
    if text.replace("\n", "").replace("\t", "").isprintable():
        if text:
            yield Segment(text, "plain", fields)
        return
    for hidden, run in groupby(text, is_invisible):
        if hidden:
            yield Segment("".join(f"⟨U+{ord(character):04X}⟩" for character in run), "invisible", fields)
        else:
            yield Segment("".join(run), "plain", fields)
