"""Find the one rule that knows a text, in time linear in the text whatever it says.

RE2's filter looks for the literals that each pattern cannot do without; only patterns whose literals are all there run.
(A RE2 set over whole patterns is as fast on texts it knows, but builds thousands of automaton states on a new one.)
Of several matching rules the choice is fixed by docs/rules.md, "Which rule wins".
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import re2

from service.match.answer import Match, build_match
from service.match.pattern import check_repeats, compile_pattern, options, reason_of
from service.match.specificity import count_literals, widen
from service.match.tidy import View, tidy
from service.rules.load import RuleError
from service.rules.model import Matches, Pack, Rule, version_of

_PATTERNS_PER_FILTER = 1_600
"""Each filter reads the whole text, so few are fast; RE2 keeps a filter's literals in one automaton of a fixed size,
which some 2,000 of our patterns fill."""


@dataclass(frozen=True)
class Alternative:
    """One pattern of a rule. The exact automaton is built when it is first needed."""

    text: str

    @cached_property
    def exact(self) -> Any:
        return compile_pattern(self.text)

    @cached_property
    def literals(self) -> int:
        return count_literals(self.text)


@dataclass(frozen=True)
class ReadyRule:
    """A rule with its pack, content hash and patterns, ready to run."""

    rule: Rule
    pack: Pack
    version: str
    alternatives: tuple[Alternative, ...]

    @cached_property
    def vetoes(self) -> tuple[Any, ...]:
        return tuple(compile_pattern(pattern) for pattern in self.rule.unless)

    @cached_property
    def capture_names(self) -> tuple[str, ...]:
        """Every name a template of the rule may use besides the tables and `context`."""
        groups = (name for alternative in self.alternatives for name in alternative.exact.groupindex)
        fields = ("principal", "action", "resource")
        return tuple(dict.fromkeys([*groups, *self.rule.extract, *self.rule.derive, *fields]))

    @property
    def is_general(self) -> bool:
        return self.pack.layer == "general"

    def beats(self, other: "ReadyRule") -> bool:
        if other is self:
            return False
        outranks = other.pack is self.pack and other.rule.fallback and not self.rule.fallback
        return outranks or self.pack.beats(self.rule, other.rule.id)


@dataclass(frozen=True)
class Candidate:
    """A rule that matches a text, by which of its patterns, and from which byte on."""

    ready: ReadyRule
    alternative: Alternative
    start: int
    view: View

    @cached_property
    def found(self) -> Any:
        """The match in characters of the view; the search for candidates runs on its bytes."""
        return self.alternative.exact.search(self.view.text)

    @property
    def rank(self) -> tuple[bool, int, int, str]:
        """Smaller wins: system before general, more literal characters, earlier, id."""
        return self.ready.is_general, -self.alternative.literals, self.start, self.ready.rule.id


class Matcher:
    """All rules, compiled. Immutable and safe to share between threads."""

    def __init__(self, packs: Sequence[Pack]) -> None:
        """Raises `RuleError` naming the rule whose pattern RE2 refuses."""
        self.packs = tuple(packs)
        self.rules: dict[str, ReadyRule] = {}
        self._owners: list[tuple[ReadyRule, int]] = []
        open_filters: list[tuple[Any, list[str]]] = []
        for pack in packs:
            for rule in pack.rules:
                self._add(pack, rule, open_filters)
        self._filters: list[tuple[int, Any]] = []
        for number, (part, patterns) in enumerate(open_filters):
            self._filters += _compiled(part, patterns, number * _PATTERNS_PER_FILTER)

    def _add(self, pack: Pack, rule: Rule, filters: list[tuple[Any, list[str]]]) -> None:
        ready = ReadyRule(rule, pack, version_of(pack, rule), tuple(Alternative(text) for text in rule.pattern_texts))
        self.rules[rule.id] = ready
        for index, alternative in enumerate(ready.alternatives):
            if len(self._owners) % _PATTERNS_PER_FILTER == 0:
                filters.append((re2.Filter(), []))
            part, patterns = filters[-1]
            try:
                check_repeats(alternative.text)
                patterns.append(widen(alternative.text))
                part.Add(patterns[-1], options())
            except (re2.error, ValueError) as error:
                raise RuleError(f"{pack.system}.yaml {rule.id}: pattern {index + 1}: {reason_of(error)}") from None
            self._owners.append((ready, index))

    def match(self, text: str, context: Mapping[str, Any]) -> Match | None:
        """The match of the winning rule, or None where no rule knows the text."""
        view = tidy(text)
        winner = choose(self.candidates(view, context))
        if winner is None:
            return None
        return build_match(winner.ready, winner.found, view, context)

    def candidates(self, view: View, context: Mapping[str, Any]) -> list[Candidate]:
        """Every rule that matches, by its first alternative that does."""
        possible: dict[str, tuple[ReadyRule, list[int]]] = {}
        for hit in self._hits(view.text.lower()):
            ready, index = self._owners[hit]
            possible.setdefault(ready.rule.id, (ready, []))[1].append(index)
        data = view.text.encode()
        found = (self._try(ready, indexes, view, data, context) for ready, indexes in possible.values())
        return [candidate for candidate in found if candidate]

    def _hits(self, text: str) -> list[int]:
        """Which patterns have all their literals in the text, in the order in which they were added."""
        parts = ((first, part.Match(text, potential=True)) for first, part in self._filters)
        return [first + hit for first, hits in parts for hit in sorted(hits or ())]

    def _try(
        self, ready: ReadyRule, indexes: list[int], view: View, data: bytes, context: Mapping[str, Any]
    ) -> Candidate | None:
        for index in indexes:
            found = ready.alternatives[index].exact.search(data)
            if found:
                break
        else:
            return None
        if contradicted(ready.rule, context) or any(veto.search(data) for veto in ready.vetoes):
            return None
        return Candidate(ready, ready.alternatives[index], found.start(), view)


def _compiled(part: Any, patterns: Sequence[str], first: int) -> list[tuple[int, Any]]:
    """The filter, with the number of its first pattern; or its halves where RE2 has no room for so many literals."""
    try:
        part.Compile()
    except re2.error:
        if len(patterns) < 2:
            raise
        middle = len(patterns) // 2
        halves = (patterns[:middle], first), (patterns[middle:], first + middle)
        return [found for half, at in halves for found in _compiled(filter_of(half), half, at)]
    return [(first, part)]


def filter_of(patterns: Sequence[str]) -> Any:
    """An RE2 filter of widened patterns, still to be compiled."""
    part = re2.Filter()
    for pattern in patterns:
        part.Add(pattern, options())
    return part


def choose(candidates: Iterable[Candidate]) -> Candidate | None:
    """The winner of docs/rules.md, "Which rule wins"."""
    matching = list(candidates)
    standing = [c for c in matching if not any(_outdoes(other.ready, c.ready) for other in matching)]
    return min(standing or matching, key=lambda candidate: candidate.rank, default=None)


def _outdoes(one: ReadyRule, other: ReadyRule) -> bool:
    """Two rules that supersede each other cancel out, so that neither leaves the field to a third."""
    return one.beats(other) and not other.beats(one)


def contradicted(rule: Rule, context: Mapping[str, Any]) -> str | None:
    """The first condition of the rule that the context does not meet, in words; None where all hold."""
    for name, wanted in rule.when.items():
        held = context.get(name)
        if isinstance(wanted, Matches):
            if held is None and wanted.required:
                return f"the context has no {name}"
            if held is not None and not compile_pattern(wanted.matches).search(str(held)):
                return f"context {name} is {held!r}, not like {wanted.matches!r}"
        elif held is not None and str(held) not in {str(value) for value in wanted}:
            return f"context {name} is {held!r}, not one of {', '.join(map(str, wanted))}"
    return None
