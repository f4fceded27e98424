"""Numbers over all failures: how many, answered by whom, of what, how fast reviewed, at what cost."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from statistics import median

from sqlalchemy import Connection, Table, func, literal, select, union_all

from service.store.ids import first_id_at
from service.store.occurrences import count_by_day
from service.store.tables import analyses, failures, model_calls, reviews

_TOP, _MOST_REVIEWS = 10, 5_000
ByDay = Sequence[tuple[date, float]]


@dataclass(frozen=True, slots=True)
class Insights:
    """Days are UTC, the oldest first. `answered` has failures and events by producer; the tops have name and events.

    `review_hours` is the median time from a failure's first event to its first verdict, None without verdicts.
    """

    days: int
    events: ByDay
    failures: ByDay
    cost: ByDay
    answered: Sequence[tuple[str, int, int]]
    actions: Sequence[tuple[str, int]]
    principals: Sequence[tuple[str, int]]
    resources: Sequence[tuple[str, int]]
    review_hours: float | None
    reviewed: int


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
    """The numbers of the last days; shares and tops are over all failures that are kept."""
    hours = _review_hours(conn, now - timedelta(days=days))
    return Insights(
        days=days,
        events=count_by_day(conn, days, now),
        failures=_made_by_day(conn, failures, days, now),
        cost=_cost_by_day(conn, days, now),
        answered=_answered(conn),
        actions=_top(conn, "action"),
        principals=_top(conn, "principal"),
        resources=_top(conn, "resource"),
        review_hours=median(hours) if hours else None,
        reviewed=len(hours),
    )


def list_prompt_versions(conn: Connection) -> list[PromptVersion]:
    """Every version of every prompt that was used, the latest first."""
    verdict = reviews.c.decision
    judged = (
        select(
            analyses.c.producer_name,
            analyses.c.producer_version,
            func.count(analyses.c.id.distinct()),
            func.count(reviews.c.id).filter(verdict == "approve"),
            func.count(reviews.c.id).filter(verdict.in_(("reject", "correct"))),
            func.max(analyses.c.created_at),
        )
        .outerjoin(reviews, reviews.c.analysis_id == analyses.c.id)
        .where(analyses.c.producer == "llm")
        .group_by(analyses.c.producer_name, analyses.c.producer_version)
    )
    call = model_calls.c
    spent = select(call.prompt, call.prompt_version, func.count(), func.coalesce(func.sum(call.cost), 0.0)).group_by(
        call.prompt, call.prompt_version
    )
    calls = {(row[0], row[1]): (int(row[2]), float(row[3])) for row in conn.execute(spent)}
    answers = {(row[0], row[1]): row for row in conn.execute(judged)}
    found = []
    for prompt, version in answers.keys() | calls.keys():
        _, _, many, approved, rejected, last = answers.get((prompt, version), ("", "", 0, 0, 0, None))
        called, cost = calls.get((prompt, version), (0, 0.0))
        found.append(PromptVersion(prompt, version, many, approved, rejected, called, cost, last))
    oldest = datetime.min.replace(tzinfo=UTC)
    return sorted(found, key=lambda one: (one.last or oldest, one.prompt, one.version), reverse=True)


def _starts(days: int, now: datetime) -> list[datetime]:
    today = datetime.combine(now.astimezone(UTC).date(), datetime.min.time(), UTC)
    return [today - timedelta(days=back) for back in range(days - 1, -1, -1)]


def _made_by_day(conn: Connection, table: Table, days: int, now: datetime) -> list[tuple[date, float]]:
    starts = _starts(days, now)
    ranges = [
        select(literal(number), func.count()).where(
            table.c.id >= first_id_at(start), table.c.id < first_id_at(start + timedelta(days=1))
        )
        for number, start in enumerate(starts)
    ]
    counted = dict(conn.execute(union_all(*ranges)).all())
    return [(start.date(), counted.get(number, 0)) for number, start in enumerate(starts)]


def _cost_by_day(conn: Connection, days: int, now: datetime) -> list[tuple[date, float]]:
    starts = _starts(days, now)
    query = select(model_calls.c.started_at, model_calls.c.cost).where(
        model_calls.c.started_at >= starts[0], model_calls.c.cost.is_not(None)
    )
    spent = {start.date(): 0.0 for start in starts}
    for started, cost in conn.execute(query):
        day = started.astimezone(UTC).date()
        spent[day] = spent.get(day, 0.0) + cost
    return [(start.date(), round(spent[start.date()], 4)) for start in starts]


def _answered(conn: Connection) -> list[tuple[str, int, int]]:
    query = select(failures.c.producer, func.count(), func.coalesce(func.sum(failures.c.event_count), 0))
    return [(row[0], int(row[1]), int(row[2])) for row in conn.execute(query.group_by(failures.c.producer))]


def _top(conn: Connection, name: str) -> list[tuple[str, int]]:
    seen = func.sum(failures.c.event_count).label("seen")
    query = select(failures.c[name], seen).where(failures.c[name].is_not(None)).group_by(failures.c[name])
    return [(row[0], int(row[1])) for row in conn.execute(query.order_by(seen.desc(), failures.c[name]).limit(_TOP))]


def _review_hours(conn: Connection, since: datetime) -> list[float]:
    first = func.min(reviews.c.created_at)
    query = (
        select(failures.c.created_at, first)
        .join(failures, failures.c.id == reviews.c.failure_id)
        .group_by(failures.c.id, failures.c.created_at)
        .having(first >= since)
        .limit(_MOST_REVIEWS)
    )
    return [(reviewed - made).total_seconds() / 3600 for made, reviewed in conn.execute(query)]
