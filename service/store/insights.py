"""Numbers over all failures: how many, answered by whom, of what, how fast reviewed, at what cost."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from functools import cache
from typing import Any

from sqlalchemy import CompoundSelect, Connection, Integer, bindparam, func, literal_column, select, union_all

from service.store.denials import Pair, list_denials, pair_up, rank
from service.store.ids import first_id_at
from service.store.occurrences import DAY, days_until
from service.store.tables import analyses, failures, model_calls
from service.store.tallies import count_answered
from service.store.verdicts import ReviewTimes, list_judged, review_times

_TOP, _MAPPED = 10, 8
ByDay = Sequence[tuple[date, float]]


@dataclass(frozen=True, slots=True)
class Insights:
    """Days are UTC, the oldest first. `answered` has events by the kind of what answered them.

    The tops have names and events of the 2,000 failures seen last; `map` says who was denied what.
    """

    days: int
    events: ByDay
    failures: ByDay
    cost: ByDay
    answered: Sequence[tuple[str, int]]
    actions: Sequence[tuple[str, int]]
    principals: Sequence[tuple[str, int]]
    resources: Sequence[tuple[str, int]]
    map: Sequence[Pair]
    reviews: ReviewTimes


@dataclass(frozen=True, slots=True)
class PromptVersion:
    """How one version of a prompt fares. `cost` in dollars; `rejected` counts corrections too."""

    prompt: str
    version: str
    answers: int
    approved: int
    rejected: int
    calls: int
    cost: float
    last: datetime | None


def load_insights(conn: Connection, days: int, now: datetime) -> Insights:
    """The numbers of the last days."""
    starts = days_until(now, days)
    by_day: Counter[date] = Counter()
    by_producer: Counter[str] = Counter()
    for (day, producer), many in count_answered(conn, days, now, ("day", "producer")).items():
        by_day[day] += many
        by_producer[producer] += many
    denials = list_denials(conn)
    return Insights(
        days=days,
        events=[(start.date(), by_day[start.date()]) for start in starts],
        failures=_per_day(conn, _MADE, starts),
        cost=[(day, round(cost, 4)) for day, cost in _per_day(conn, _COST, starts)],
        answered=by_producer.most_common(),
        actions=rank(denials, "action", _TOP),
        principals=rank(denials, "principal", _TOP),
        resources=rank(denials, "resource", _TOP),
        map=pair_up(denials, _MAPPED),
        reviews=review_times(conn, starts[0]),
    )


def list_prompt_versions(conn: Connection) -> list[PromptVersion]:
    """Every version of every prompt that was used, the latest first; verdicts are those of the latest 2,000."""
    answer, call = analyses.c, model_calls.c
    made = select(answer.producer_name, answer.producer_version, func.count(), func.max(answer.created_at))
    made = made.where(answer.producer == "llm").group_by(answer.producer_name, answer.producer_version)
    spent = select(call.prompt, call.prompt_version, func.count(), func.coalesce(func.sum(call.cost), 0.0))
    calls = {(row[0], row[1]): row for row in conn.execute(spent.group_by(call.prompt, call.prompt_version))}
    answers = {(row[0], row[1]): row for row in conn.execute(made)}
    judged = list_judged(conn)
    found = []
    for prompt, version in answers.keys() | calls.keys():
        _, _, many, last = answers.get((prompt, version), ("", "", 0, None))
        _, _, called, cost = calls.get((prompt, version), ("", "", 0, 0.0))
        approved, rejected = judged.get(("llm", prompt, version), (0, 0))
        found.append(PromptVersion(prompt, version, many, approved, rejected, called, float(cost), last))
    oldest = datetime.min.replace(tzinfo=UTC)
    return sorted(found, key=lambda one: (one.last or oldest, one.prompt, one.version), reverse=True)


_MADE = (func.count(), failures.c.id)
_COST = (func.coalesce(func.sum(model_calls.c.cost), 0.0), model_calls.c.id)


def _per_day(conn: Connection, measure: tuple[Any, Any], starts: Sequence[datetime]) -> list[tuple[date, float]]:
    edges = {f"edge_{number}": first_id_at(edge) for number, edge in enumerate([*starts, starts[-1] + DAY])}
    found: dict[int, float] = dict(conn.execute(_by_day(*measure, len(starts)), edges).all())
    return [(start.date(), found.get(number, 0)) for number, start in enumerate(starts)]


@cache
def _by_day(measure: Any, id_: Any, days: int) -> CompoundSelect[int, float]:
    """The statement: what is measured over the rows whose id was made on each day. Made once."""
    edges: list[Any] = [bindparam(f"edge_{number}") for number in range(days + 1)]
    return union_all(
        *(
            select(literal_column(str(number), Integer), measure).where(id_ >= edges[number], id_ < edges[number + 1])
            for number in range(days)
        )
    )
