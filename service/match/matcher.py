"""Find the one rule that knows a text, in time linear in the text whatever it says.

Only patterns whose literals the text holds run, each in RE2's automaton, which is built when it is first needed.
(A RE2 set over whole patterns is as fast on texts it knows, but builds thousands of automaton states on a new one.)
Of several matching rules the choice is fixed by docs/rules.md, "Which rule wins".
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import msgspec
import re2

from service.match.answer import Match, build_match
from service.match.index import LiteralIndex
from service.match.literals import Conditions, conditions_of
from service.match.pattern import compile_pattern, options, reason_of
from service.match.specificity import count_literals
from service.match.tidy import View, tidy
from service.rules.cache import remember
from service.rules.load import RuleError
from service.rules.model import Matches, Pack, Rule, version_of

_FEW = 200  # patterns that are read anew each time; reading thousands takes a second
_READING = 2  # grows with every change to what `conditions_of` says of a pattern


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
    alternatives: tuple[Alternative, ...]

    @cached_property
    def version(self) -> str:
        return version_of(self.pack, self.rule)

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
        ready = [_ready(rule, pack) for pack in packs for rule in pack.rules]
        self.rules = {one.rule.id: one for one in ready}
        self._owners = [(one, index) for one in ready for index in range(len(one.alternatives))]
        self._index = LiteralIndex(self._conditions())

    def _conditions(self) -> list[tuple[Conditions, ...]]:
        if len(self._owners) <= _FEW:
            return [_read(ready, index) for ready, index in self._owners]
        texts = [ready.alternatives[index].text for ready, index in self._owners]
        distinct, patterns = remember("literals", msgspec.json.encode([_READING, texts]), self._read_all)
        groups = [tuple(group) for group in distinct]
        return [tuple(tuple(groups[number] for number in branch) for branch in branches) for branches in patterns]

    def _read_all(self) -> tuple[list[tuple[str, ...]], list[list[list[int]]]]:
        """All distinct conditions, and for each alternative of each pattern the numbers of its own."""
        numbers: dict[tuple[str, ...], int] = {}
        patterns = [
            [[numbers.setdefault(one, len(numbers)) for one in branch] for branch in _read(ready, index)]
            for ready, index in self._owners
        ]
        return list(numbers), patterns

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
        for hit in self._index.possible(view.text):
            ready, index = self._owners[hit]
            possible.setdefault(ready.rule.id, (ready, []))[1].append(index)
        data = view.text.encode()
        found = (self._try(ready, indexes, view, data, context) for ready, indexes in possible.values())
        return [candidate for candidate in found if candidate]

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


def _ready(rule: Rule, pack: Pack) -> ReadyRule:
    return ReadyRule(rule, pack, tuple(Alternative(text) for text in rule.pattern_texts))


def _read(ready: ReadyRule, index: int) -> tuple[Conditions, ...]:
    """What a text must hold for a pattern. Raises `RuleError` where RE2 refuses the pattern."""
    text = ready.alternatives[index].text
    try:
        re2.compile(text, options=options())
    except re2.error as error:
        problem = f"{ready.pack.system}.yaml {ready.rule.id}: pattern {index + 1}: {reason_of(error)}"
        raise RuleError(problem) from None
    return conditions_of(text)


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
