"""Why a rule did not match: for each pattern, how far the text went along with it."""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import re2

from service.match.matcher import ReadyRule, contradicted
from service.match.pattern import options
from service.match.tidy import tidy

_CONTEXT_SHOWN = 40
_LOOKED_AT = 8  # patterns of a rule, those that share most words with the text: a look takes milliseconds
_WORD = re.compile(r"[a-z]{4,}")
_GROUP_NAME = re.compile(r"\(\?P<\w+>")


@dataclass(frozen=True)
class NearMiss:
    """The part of a pattern that matches, the text it matched, and the part where the pattern stops."""

    rule: str
    reason: str
    matched: str
    text: str
    stopped_at: str

    @property
    def share(self) -> float:
        """How much of the pattern matched, 0 to 1."""
        whole = len(self.matched) + len(self.stopped_at)
        return len(self.matched) / whole if whole else 1.0


def nearest_by_words(rules: Iterable[ReadyRule], text: str, most: int) -> list[ReadyRule]:
    """The rules that share most words with the text, those that share none left out: worth a closer, slower look."""
    said = set(_WORD.findall(tidy(text).text.lower()))
    shared = [(max(_shared_words(one.text, said) for one in ready.alternatives), ready) for ready in rules]
    near = sorted(((share, ready) for share, ready in shared if share), key=lambda pair: -pair[0])
    return [ready for _, ready in near[:most]]


def _shared_words(pattern: str, said: set[str]) -> float:
    words = set(_WORD.findall(_GROUP_NAME.sub("", pattern).lower()))
    return len(words & said) / len(words) if words else 0.0


def explain_miss(ready: ReadyRule, text: str, context: Mapping[str, Any]) -> NearMiss:
    """Why this rule does not know this text: a veto, a condition, or the pattern that came nearest."""
    view = tidy(text).text
    said = set(_WORD.findall(view.lower()))
    nearest_first = sorted(ready.alternatives, key=lambda one: -_shared_words(one.text, said))[:_LOOKED_AT]
    misses = [_furthest(ready.rule.id, alternative.text, view) for alternative in nearest_first]
    nearest = max(misses, key=lambda miss: miss.share)
    if nearest.stopped_at:
        return nearest
    reason = contradicted(ready.rule, context) or _veto(ready, view) or "another rule won"
    return NearMiss(ready.rule.id, reason, nearest.matched, nearest.text, "")


def _veto(ready: ReadyRule, view: str) -> str | None:
    for pattern, compiled in zip(ready.rule.unless, ready.vetoes, strict=True):
        if found := compiled.search(view):
            return f"vetoed by `unless` {pattern!r}, which occurs as {found.group(0)[:_CONTEXT_SHOWN]!r}"
    return None


def _furthest(rule_id: str, pattern: str, view: str) -> NearMiss:
    for end in range(len(pattern), 0, -1):
        found = _search(pattern[:end], view)
        if found is not None:
            stopped = pattern[end:]
            reason = f"the pattern stops before {stopped[:_CONTEXT_SHOWN]!r}" if stopped else "the pattern matches"
            after = view[found.end() : found.end() + _CONTEXT_SHOWN]
            return NearMiss(rule_id, reason, pattern[:end], f"{found.group(0)[-_CONTEXT_SHOWN:]}|{after}", stopped)
    return NearMiss(rule_id, "no part of the pattern occurs", "", "", pattern)


def _search(prefix: str, view: str) -> Any:
    try:
        return re2.compile(prefix, options=options()).search(view)
    except re2.error:
        return None
