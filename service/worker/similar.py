"""Which approved failures resemble a new one: by the words they share and the system they name, without a model."""

import re
import threading
from typing import Any

from sqlalchemy import Connection

from service.llm.inquiry import example_of
from service.store.precedents import list_approved, load_answers, load_texts

_WORD = re.compile(r"[a-z][a-z_]{3,}")
_READ = 8_000
_ENOUGH, _ENOUGH_OF_ONE_SYSTEM, _SAME_SYSTEM = 0.3, 0.1, 0.2
_MOST = 2_000


class Precedents:
    """The approved answers of a store, with the words of their texts kept in memory. For use by many threads.

    Of more than two thousand, those of the failures seen last count.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._known: dict[str, tuple[frozenset[str], frozenset[str]]] = {}

    def find(self, conn: Connection, text: str, limit: int) -> list[dict[str, Any]]:
        """At most `limit` of them as a prompt shows them, the most alike first."""
        words = _words(text)
        with self._lock:
            self._refresh(conn)
            rated = [(_likeness(words, *held), analysis_id) for analysis_id, held in self._known.items()]
        best = [one for one in sorted(rated, key=lambda one: -one[0])[:limit] if one[0] > 0]
        chosen = [analysis_id for _, analysis_id in best]
        if not chosen:
            return []
        texts, answers = load_texts(conn, chosen), load_answers(conn, chosen)
        return [example_of(texts[one][0], answers[one]) for one in chosen if one in texts and one in answers]

    def _refresh(self, conn: Connection) -> None:
        ids = list_approved(conn, _MOST)
        fresh = load_texts(conn, [one for one in ids if one not in self._known])
        new = {one: (_words(text), _names(system)) for one, (text, system) in fresh.items()}
        self._known = {one: held for one in ids if (held := new.get(one) or self._known.get(one))}


def _words(text: str) -> frozenset[str]:
    return frozenset(_WORD.findall(text[:_READ].lower()))


def _names(system: str | None) -> frozenset[str]:
    return frozenset(_WORD.findall(system or ""))


def _likeness(words: frozenset[str], others: frozenset[str], names: frozenset[str]) -> float:
    """The share of common words, more where the text names the other's system; 0 where that is too little."""
    if not words or not others:
        return 0.0
    common = len(words & others)
    share = common / (len(words) + len(others) - common)
    if names & words:
        return share + _SAME_SYSTEM if share >= _ENOUGH_OF_ONE_SYSTEM else 0.0
    return share if share >= _ENOUGH else 0.0
