"""Who was denied what, as lines between names that a template draws as SVG. Pure."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from service.store.denials import Pair
from service.web.words import short

WIDTH, ROW = 720, 26
_LEFT, _RIGHT, _TOP = 300, 420, 20
_WIDEST, _LONGEST, _START = 14.0, 40, 14


@dataclass(frozen=True, slots=True)
class Label:
    """A name at the height of its line, shortened to what fits."""

    name: str
    short: str
    y: float


@dataclass(frozen=True, slots=True)
class Line:
    """One pair: a curve from a principal to a resource, as thick as its events."""

    pair: Pair
    path: str
    width: float


@dataclass(frozen=True, slots=True)
class DenialMap:
    """Principals on the left, resources on the right. `summary` says in words what the picture shows."""

    height: int
    left: int
    right: int
    principals: Sequence[Label]
    resources: Sequence[Label]
    lines: Sequence[Line]
    summary: str


def draw_map(pairs: Sequence[Pair]) -> DenialMap:
    """The map of pairs, the one with the most events first in each column."""
    principals = _labels(_by_events([(pair.principal, pair.events) for pair in pairs]))
    resources = _labels(_by_events([(pair.resource, pair.events) for pair in pairs]))
    left, right = ({one.name: one.y for one in column} for column in (principals, resources))
    most = max((pair.events for pair in pairs), default=1)
    lines = [
        Line(pair, _curve(left[pair.principal], right[pair.resource]), round(max(1.0, _WIDEST * pair.events / most), 1))
        for pair in pairs
    ]
    rows = max(len(principals), len(resources))
    return DenialMap(rows * ROW + _TOP, _LEFT, _RIGHT, principals, resources, lines, _summary(pairs))


def _by_events(named: Sequence[tuple[str, int]]) -> list[str]:
    counted: Counter[str] = Counter()
    for name, events in named:
        counted[name] += events
    return [name for name, _ in counted.most_common()]


def _labels(names: Sequence[str]) -> list[Label]:
    return [
        Label(name, short(name, _LONGEST, _START), _TOP + ROW * (number + 0.5)) for number, name in enumerate(names)
    ]


def _curve(start: float, end: float) -> str:
    middle = (_LEFT + _RIGHT) // 2
    return f"M{_LEFT + 8} {start} C{middle} {start} {middle} {end} {_RIGHT - 8} {end}"


def _summary(pairs: Sequence[Pair]) -> str:
    if not pairs:
        return "No answer named both a principal and a resource."
    first = pairs[0]
    return f"Most often {first.principal} was denied {first.resource}: {first.events:,} events."
