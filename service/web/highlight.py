"""Cut hostile text into segments that a page shows one by one. Pure; produces no HTML.

A segment is a run of text under the same evidence fields and of one kind. Invisible characters (terminal escapes,
bidirectional overrides, zero-width characters) become visible `⟨U+202E⟩` marks, so that text cannot lie about itself.
"""

import re
import unicodedata
from bisect import bisect_left, bisect_right
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import accumulate, groupby, pairwise
from typing import Literal

from markupsafe import escape

from service.domain import Answer, Evidence

SegmentKind = Literal["plain", "mask", "invisible", "placeholder", "cut"]

_MASK = re.compile(r"(\[redacted:[\w.-]{1,60}(?::[0-9a-f]{1,16})?\])")
_INVISIBLE_CATEGORIES = frozenset({"Cc", "Cf", "Cs", "Zl", "Zp"})
_SPAN_LIMIT = 50
_CLAIMS = ("principal", "action", "resource", "cause", "system", "missing_permissions")
_MASK_MARKUP, _INVISIBLE_MARKUP = 90, 45  # bytes of HTML around one


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


def highlight_part(text: str, evidence: Sequence[Evidence], limit: int = 24_000) -> list[Segment]:
    """Like `highlight`; of a text over `limit` the part around the first quote, and how much is left out.

    `limit` is in bytes of the page, where `<` takes four and an invisible character as many as its mark.
    """
    sums = _weigh(text)
    if sums[-1] <= limit:
        return highlight(text, evidence)
    first = min((span.start for span in evidence if span.start <= len(text)), default=0)
    start = bisect_left(sums, min(sums[first] - limit // 4, sums[-1] - limit))
    end = bisect_right(sums, sums[start] + limit) - 1
    moved = [
        span.model_copy(update={"start": span.start - start, "end": span.end - start})
        for span in evidence
        if start <= span.start and span.end <= end
    ]
    return [*_cut(start), *highlight(text[start:end], moved), *_cut(len(text) - end)]


def _weigh(text: str) -> list[int]:
    """How many bytes of a page the first 0, 1, 2, ... characters take at most."""
    weights = [_weigh_character(character) for character in text]
    for mask in _MASK.finditer(text):
        weights[mask.start()] += _MASK_MARKUP
    return list(accumulate(weights, initial=0))


@lru_cache(4_096)
def _weigh_character(character: str) -> int:
    marked = mark_invisible(character)
    return len(escape(marked).encode()) + (_INVISIBLE_MARKUP if marked != character else 0)


def name_quotes(answer: Answer | None) -> list[Evidence]:
    """The answer's quotes under names that readers know. What else a rule captured only belongs to the denial."""
    named = {"principal": answer.principal, "action": answer.action, "resource": answer.resource} if answer else {}
    known = {quote: field for field, quote in named.items() if quote}

    def name(field: str, quote: str) -> str:
        return field if field in _CLAIMS else known.get(quote, "denial")

    return [
        span.model_copy(update={"field": name(span.field, span.quote)}) for span in (answer.evidence if answer else ())
    ]


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
