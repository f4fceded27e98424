"""Who was denied what most, over the failures that were seen last: rows in one query, the rest is pure."""

from collections import Counter, defaultdict
from collections.abc import Sequence
from heapq import nlargest
from operator import attrgetter
from typing import Literal, NamedTuple

from sqlalchemy import Connection, select

from service.store.tables import failures

LOOKED_AT = 2_000
Field = Literal["principal", "action", "resource"]


class Denial(NamedTuple):
    """What is counted of one failure. `events` are all that were ever received of it."""

    producer: str
    principal: str | None
    action: str | None
    resource: str | None
    events: int


class Pair(NamedTuple):
    """A principal and a resource that it was denied; the action with the most events first."""

    principal: str
    resource: str
    actions: Sequence[str]
    events: int


def list_denials(conn: Connection) -> list[Denial]:
    """The failures that were seen last, at most `LOOKED_AT`."""
    row = failures.c
    query = select(row.producer, row.principal, row.action, row.resource, row.event_count)
    latest = conn.execute(query.order_by(row.last_seen.desc(), row.id.desc()).limit(LOOKED_AT))
    return list(map(Denial._make, latest.all()))


def rank(denials: Sequence[Denial], field: Field, most: int) -> list[tuple[str, int]]:
    """The names with the most events; a failure whose answer has no name counts for none."""
    counted: dict[str, int] = {}
    for name, events in map(attrgetter(field, "events"), denials):
        if name:
            counted[name] = counted.get(name, 0) + events
    least = min(nlargest(most, counted.values()), default=0)
    named = [pair for pair in counted.items() if pair[1] >= least]
    return sorted(named, key=lambda pair: (-pair[1], pair[0]))[:most]


def pair_up(denials: Sequence[Denial], most: int) -> list[Pair]:
    """Which of the principals denied most were denied which of the resources denied to them most.

    At most `most` principals and as many resources, the pair with the most events first.
    """
    named = [one for one in denials if one.principal and one.resource]
    principals = {name for name, _ in rank(named, "principal", most)}
    theirs = [one for one in named if one.principal in principals]
    resources = {name for name, _ in rank(theirs, "resource", most)}
    cells: defaultdict[tuple[str, str], Counter[str]] = defaultdict(Counter)
    for one in theirs:
        if one.principal and one.resource in resources:
            cells[one.principal, one.resource][one.action or ""] += one.events
    pairs = (
        Pair(*names, [action for action, _ in counted.most_common() if action], counted.total())
        for names, counted in cells.items()
    )
    return sorted(pairs, key=lambda pair: (-pair.events, pair.principal, pair.resource))
