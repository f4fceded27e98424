"""Which approved failures resemble a new one: by the words they share, without a model and always the same."""

import re
from collections.abc import Sequence
from typing import Any

from service.domain import Answer
from service.store.failures import Precedent

_WORD = re.compile(r"[a-z][a-z_]{3,}")
_ENOUGH = 0.3
_READ, _EXCERPT = 8_000, 600


def pick_similar(text: str, precedents: Sequence[Precedent], limit: int) -> list[dict[str, Any]]:
    """At most `limit` precedents that share many words with the text, the most alike first, as a prompt shows them."""
    words = _words(text)
    rated = [(_likeness(words, _words(one.text)), one) for one in precedents]
    best = sorted((pair for pair in rated if pair[0] >= _ENOUGH), key=lambda pair: -pair[0])
    return [{"event": one.text[:_EXCERPT], "answer": _excerpt(one.answer)} for _, one in best[:limit]]


def _words(text: str) -> frozenset[str]:
    return frozenset(_WORD.findall(text[:_READ].lower()))


def _likeness(one: frozenset[str], other: frozenset[str]) -> float:
    return len(one & other) / len(one | other) if one and other else 0.0


def _excerpt(answer: Answer) -> dict[str, Any]:
    fields = {"verdict", "cause", "system", "principal", "action", "resource", "missing_permissions"}
    shown = {name: value for name, value in answer.model_dump(mode="json", include=fields).items() if value}
    return shown | ({"fix": answer.fix.summary} if answer.fix else {})
