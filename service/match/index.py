"""Which patterns can match a text at all: those whose literals it holds, found in one pass over it."""

from collections import defaultdict
from collections.abc import Sequence

from ahocorasick_rs import AhoCorasick

from service.match.literals import Conditions

_MOST_LOOKED_FOR = 16  # literals of a condition; running the pattern costs less than looking for more
_Branch = tuple[int, Conditions]  # the pattern's number, and which conditions are left when the first is met


class LiteralIndex:
    """Patterns by number, each with what `conditions_of` says of it. Immutable and safe to share between threads.

    The first condition of each alternative is looked for in all texts, the others only where the first is met.
    """

    def __init__(self, patterns: Sequence[Sequence[Conditions]]) -> None:
        always = set()
        waiting: dict[tuple[str, ...], list[_Branch]] = defaultdict(list)
        for number, branches in enumerate(patterns):
            for conditions in branches:
                if conditions:
                    rest = (texts for texts in conditions[1:] if len(texts) <= _MOST_LOOKED_FOR)
                    waiting[conditions[0]].append((number, tuple(rest)))
                else:
                    always.add(number)
        groups: dict[str, list[list[_Branch]]] = defaultdict(list)
        for texts, group in waiting.items():
            for text in texts:
                groups[text].append(group)
        self._always = frozenset(always)
        self._groups = tuple(groups.values())
        self._literals = AhoCorasick(groups)

    def possible(self, text: str) -> list[int]:
        """The numbers of the patterns worth running, in order. The text holds no lone surrogates."""
        folded = text.casefold()
        found = {hit[0] for hit in self._literals.find_matches_as_indexes(folded, overlapping=True)}
        waiting = (branch for literal in found for group in self._groups[literal] for branch in group)
        return sorted(self._always.union(number for number, rest in waiting if _holds(folded, rest)))


def _holds(folded: str, conditions: Conditions) -> bool:
    return all(any(text in folded for text in texts) for texts in conditions)
