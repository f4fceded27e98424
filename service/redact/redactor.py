"""Masks secrets before the first write and before any prompt; what cannot be checked is not let through."""

import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache, partial
from hashlib import blake2b
from typing import Any, NamedTuple

import re2

from connectors.base import ErrorEvent
from service.redact import event_walk
from service.redact.assignments import STEMS, find_assigned, trigger_of
from service.redact.shapes import EMAIL, SHAPES, find_shaped
from service.redact.span import Span, View, blank, view_of
from service.redact.tokens import VENDORS, find_keys_of
from service.redact.values import hollow, looks_random

_ROUNDS = 3
_CROWDED = 512
_MOST_KNOWN = 64
_BREAK = r"(?:\r?\n|\\n)[ \t]{0,40}"
_END = r"""(?=["'\s\\,;)}\]]|\Z)"""
_JOINED = re.compile(
    rf"""(?:\\{_BREAK}|["'][ ]?[+.]?[ ]?\\?{_BREAK}(?:[+.][ ])?["'])"""
    rf"(?P<rest>[A-Za-z0-9+/_.%~-]{{4,512}}={{0,2}}){_END}"
)
_WRAPPED = re.compile(rf"{_BREAK}(?P<rest>[A-Za-z0-9+/_-]{{12,512}}={{0,2}}){_END}")
_MOST_LINES = 200
_SHORTEST_KNOWN = 12
_MEMORY = 128 << 20


class RedactionFailed(Exception):
    """The text could not be checked for secrets, so it must be neither stored nor shown. Names nothing of the text."""


@dataclass(frozen=True, slots=True)
class Redacted:
    """A text that is safe to store, and how many secrets of each kind were masked in it."""

    text: str
    counts: dict[str, int]


class Detector(NamedTuple):
    """Finds secrets of some kinds; runs only on texts in which its RE2 `trigger` occurs."""

    trigger: str
    find: Callable[[View], Iterable[Span]]


DETECTORS = (
    *(Detector(vendor.trigger, partial(find_keys_of, vendor)) for vendor in VENDORS),
    *(Detector(shape.trigger, partial(find_shaped, shape)) for shape in SHAPES),
    *(Detector(trigger_of(stem), partial(find_assigned, stem)) for stem in STEMS),
    Detector(EMAIL.trigger, partial(find_shaped, EMAIL)),
)


@cache
def triggers_of(detectors: tuple[Detector, ...]) -> Any:
    """The compiled `re2.Set` whose `Match(bytes)` gives the positions of the detectors worth running, or None."""
    options = re2.Options()
    options.encoding = re2.Options.Encoding.LATIN1
    options.max_mem = _MEMORY
    triggers = re2.Set.SearchSet(options)
    for detector in detectors:
        triggers.Add(detector.trigger)
    triggers.Compile()
    return triggers


class Redactor:
    """Replaces each secret by `[redacted:<kind>:<4 hex>]`; the hex digits are equal where the secret is equal.

    `key` (16 to 64 bytes) makes the digits useless to whoever does not hold it. E-mail addresses are often the
    principal of a denial, so they stay unless `emails` is set. Safe to share between threads.
    """

    def __init__(self, key: bytes, *, emails: bool = False) -> None:
        if not 16 <= len(key) <= blake2b.MAX_KEY_SIZE:
            raise ValueError("the redaction key needs 16 to 64 bytes")
        self._key = key
        self._detectors = DETECTORS if emails else DETECTORS[:-1]
        self._triggers = triggers_of(self._detectors)

    def redact(self, text: str) -> Redacted:
        """The text without its secrets, in time linear in its length. Raises `RedactionFailed`."""
        with _failing_closed():
            spans = self._find_in_all([text], {})[text]
            return Redacted(self._mask_spans(text, spans), dict(Counter(span.kind for span in spans)))

    def redact_event(self, event: ErrorEvent) -> ErrorEvent:
        """The event without secrets in any field or attribute. A secret recognised in one place is masked in all.

        A value under an attribute that is named like a secret is masked whole. Raises `RedactionFailed`.
        """
        with _failing_closed():
            seen = event_walk.read(event)
            if not seen.secrets and self._triggers.Match(_encode("\n".join(seen.texts))) is None:
                return seen.event
            found = self._find_in_all(seen.texts, seen.secrets)
            clean = {text: self._mask_spans(text, spans) for text, spans in found.items()}
            return event_walk.rebuild(seen.event, clean.__getitem__, self._mask)

    def _find_in_all(self, texts: Iterable[str], known: dict[str, str]) -> dict[str, list[Span]]:
        """All secrets of each text, in order; what is recognised in one is found in all, be it without any context.

        Looks again with those found blanked out, until nothing new turns up beside them; once is enough for a text
        that is full of them, which only an attacker sends.
        """
        known = dict(known)
        found: dict[str, list[Span]] = {text: [] for text in texts}
        rest = {text: text for text in found}
        for _ in range(_ROUNDS):
            new = {text: spans for text in rest if (spans := self._find(rest[text]))}
            for text, spans in new.items():
                known.update((text[span.start : span.end], span.kind) for span in spans)
            sure = [value for value in known if len(value) >= _SHORTEST_KNOWN and looks_random(value)][:_MOST_KNOWN]
            for text, spans in found.items():
                again = [span for value in sure for span in _occurrences(rest[text], value, known[value])]
                if again or text in new:
                    found[text] = _merge([*spans, *new.get(text, ()), *again])
                    rest[text] = blank(hollow(text), found[text])
            if not new or sum(map(len, new.values())) > _CROWDED:
                break
        return found

    def _find(self, text: str) -> list[Span]:
        hits = self._triggers.Match(_encode(text))
        if not hits:
            return []
        view = view_of(text)
        spans = _merge([span for hit in sorted(hits) for span in self._detectors[hit].find(view)])
        return _merge([*spans, *_continued(view.text, spans)])

    def _mask_spans(self, text: str, spans: list[Span]) -> str:
        pieces, position = [], 0
        for span in spans:
            pieces += [text[position : span.start], self._mask(span.kind, text[span.start : span.end])]
            position = span.end
        return "".join([*pieces, text[position:]]) if spans else text

    def _mask(self, kind: str, secret: str) -> str:
        digest = blake2b(_encode(secret), key=self._key, digest_size=2).hexdigest()
        return f"[redacted:{kind}:{digest}]"


def _continued(text: str, spans: list[Span]) -> Iterator[Span]:
    """What stands on the next lines of a secret that a line break cut: joined by its syntax, or looking as random."""
    for span in spans:
        end = span.end
        for _ in range(_MOST_LINES):
            found = _JOINED.match(text, end) or _WRAPPED.match(text, end)
            if not found or (found.re is _WRAPPED and not looks_random(found["rest"])):
                break
            end = found.end("rest")
            yield Span(found.start("rest"), end, span.kind)


def _occurrences(text: str, value: str, kind: str) -> Iterator[Span]:
    start = text.find(value)
    while start >= 0:
        yield Span(start, start + len(value), kind)
        start = text.find(value, start + len(value))


def _merge(spans: list[Span]) -> list[Span]:
    """Spans in order without overlap. Where several cover one place, the first found names it: order of detectors."""
    merged: list[tuple[int, Span]] = []
    for rank, span in sorted(enumerate(spans), key=lambda item: (item[1].start, -item[1].end)):
        if not merged or span.start >= merged[-1][1].end:
            merged.append((rank, span))
            continue
        before, last = merged[-1]
        first, kind = min((before, last.kind), (rank, span.kind))
        merged[-1] = (first, Span(last.start, max(last.end, span.end), kind))
    return [span for _, span in merged]


def _encode(text: str) -> bytes:
    return text.encode("utf-8", "surrogatepass")


@contextmanager
def _failing_closed() -> Iterator[None]:
    try:
        yield
    except Exception as error:
        raise RedactionFailed(f"the text could not be checked for secrets ({type(error).__name__})") from None
