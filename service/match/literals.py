"""What a text must hold for a pattern to match it, read from the pattern: literals that are cheap to look for.

A condition is a group of literals, case-folded, of which the case-folded text must hold one. Syntax:
https://github.com/google/re2/wiki/Syntax
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from itertools import product

Conditions = tuple[tuple[str, ...], ...]

_SHORTEST = 3
_LONG_ENOUGH = 12
_MOST_CONDITIONS = 4
_MOST_TEXTS = 24
_MOST_TOGETHER = 150
_MOST_CHARS = 4
_WORDS = re.compile(r"[^\\^$.|()\[*+?{]+(?![*+?{])")
_REPEAT = re.compile(r"[*+?]|\{(\d+)(?:,\d*)?\}")
_GROUP = re.compile(r"\((?!\?)|\(\?P?<\w+>|\(\?[a-zA-Z-]*:")
_FLAGS = re.compile(r"\(\?[a-zA-Z-]+\)")
_CLASS = re.compile(r"\[\^?\]?(?:\[:\^?\w+:\]|\\.|[^\]\\])*\]", re.DOTALL)
_FEW_CHARS = re.compile(r"\[((?:\\\W|[^\]\\^\[-])+)\]")
_QUOTED = re.compile(r"\\Q(.*?)(?:\\E|\Z)", re.DOTALL)
_CODE = re.compile(r"\\x(?:\{([0-9A-Fa-f]+)\}|([0-9A-Fa-f]{2}))")
_CHAR_OF_KIND = re.compile(r"\\(?:[pP](?:\{[^}]*\}|.)|[0-7]{1,3}|[A-Za-z])")
_PLACES = ("\\b", "\\B", "\\A", "\\z")
_CONTROLS = {"\\n": "\n", "\\t": "\t", "\\r": "\r", "\\f": "\f", "\\v": "\v", "\\a": "\a"}


def conditions_of(pattern: str) -> tuple[Conditions, ...]:
    """What a text must hold, for each alternative of the pattern; one of them must be fulfilled.

    The most telling condition comes first; where nothing is sure, there is none. RE2 has accepted the pattern.
    """
    return tuple(_ranked(branch.conditions) for branch in _Reader(pattern).branches())


def _ranked(conditions: Iterable[frozenset[str]]) -> Conditions:
    found = {_without_longer(texts) for texts in conditions if _least(texts) >= _SHORTEST}
    return tuple(sorted(found, key=lambda texts: (-_worth(texts), texts))[:_MOST_CONDITIONS])


@dataclass(frozen=True, slots=True)
class _Part:
    """A part of a pattern: `texts` are all that it can match, None where they are many; `needs` hold in any case."""

    texts: frozenset[str] | None = None
    needs: tuple[frozenset[str], ...] = ()

    @property
    def conditions(self) -> tuple[frozenset[str], ...]:
        return self.needs if self.texts is None else (*self.needs, self.texts)


_ANYTHING = _Part()
_NOTHING = _Part(frozenset([""]))


def _literal(text: str) -> _Part:
    return _Part(frozenset([text.casefold()]))


def _without_longer(texts: Iterable[str]) -> tuple[str, ...]:
    """The texts that hold none of the others."""
    kept: list[str] = []
    for text in sorted(texts, key=lambda text: (len(text), text)):
        if not any(other in text for other in kept):
            kept.append(text)
    return tuple(kept)


def _least(texts: Iterable[str]) -> int:
    """Bytes of the shortest; a character of a script that few texts are in says more than a letter."""
    return min(len(text) if text.isascii() else len(text.encode()) for text in texts)


def _worth(texts: tuple[str, ...]) -> int:
    """How much looking for these saves: long ones are rare, many are less so."""
    return min(_least(texts), _LONG_ENOUGH) - len(texts).bit_length()


class _Reader:
    """Reads one pattern from left to right."""

    def __init__(self, pattern: str) -> None:
        self._pattern = pattern
        self._at = 0

    def branches(self) -> list[_Part]:
        """The alternatives up to the end of the group."""
        branches = [self._sequence()]
        while self._pattern.startswith("|", self._at):
            self._at += 1
            branches.append(self._sequence())
        return branches

    def _group(self) -> _Part:
        branches = self.branches()
        self._at += 1
        texts = [branch.texts for branch in branches if branch.texts is not None]
        if len(branches) == 1:
            return branches[0]
        if len(texts) == len(branches) and sum(map(len, texts)) <= _MOST_TEXTS:
            return _Part(frozenset[str]().union(*texts))
        best = (max(branch.conditions, key=_least, default=frozenset([""])) for branch in branches)
        together = frozenset[str]().union(*best)
        return _Part(needs=(together,)) if len(together) <= _MOST_TOGETHER else _ANYTHING

    def _sequence(self) -> _Part:
        """Neighbours that can match few texts are joined, so that literals are as long as can be."""
        texts, needs, whole = frozenset([""]), list[frozenset[str]](), True
        while self._at < len(self._pattern) and self._pattern[self._at] not in "|)":
            part = self._repeated()
            if part.texts is not None and len(texts) * len(part.texts) <= _MOST_TEXTS:
                texts = frozenset(map("".join, product(texts, part.texts)))
            else:
                needs += [texts, *part.needs]
                texts = frozenset([""]) if part.texts is None else part.texts
                whole = False
        return _Part(texts) if whole else _Part(needs=(*needs, texts))

    def _repeated(self) -> _Part:
        part = self._atom()
        while found := _REPEAT.match(self._pattern, self._at):
            self._at = found.end()
            if self._pattern.startswith("?", self._at):
                self._at += 1
            if found[0] == "?" and part.texts is not None:
                part = _Part(part.texts | {""})
            elif found[0] in "?*" or found[1] == "0":
                part = _ANYTHING
            else:
                part = _Part(needs=part.conditions)
        return part

    def _atom(self) -> _Part:
        if found := self._skip(_WORDS):
            return _literal(found[0])
        if found := self._skip(_CLASS):
            few = _FEW_CHARS.fullmatch(found[0])
            chars = frozenset(few[1].replace("\\", "").casefold()) if few else frozenset[str]()
            return _Part(chars) if 0 < len(chars) <= _MOST_CHARS else _ANYTHING
        if self._skip(_GROUP):
            return self._group()
        char = self._pattern[self._at]
        if char == "\\":
            return self._escape()
        if char == "(" and self._skip(_FLAGS):
            return _NOTHING
        self._at += 1
        return _ANYTHING if char == "." else _NOTHING if char in "^$" else _literal(char)

    def _escape(self) -> _Part:
        if found := self._skip(_QUOTED):
            return _literal(found[1])
        if found := self._skip(_CODE):
            return _literal(chr(int(found[1] or found[2], 16)))
        if found := self._skip(_CHAR_OF_KIND):
            if found[0] in _PLACES:
                return _NOTHING
            return _literal(_CONTROLS[found[0]]) if found[0] in _CONTROLS else _ANYTHING
        self._at += 2
        return _literal(self._pattern[self._at - 1])

    def _skip(self, form: re.Pattern[str]) -> re.Match[str] | None:
        found = form.match(self._pattern, self._at)
        self._at = found.end() if found else self._at
        return found
