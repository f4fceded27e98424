"""How the answers of rules and prompts fare with reviewers."""

from collections.abc import Mapping
from datetime import datetime
from statistics import median
from typing import NamedTuple

from sqlalchemy import Connection, func, select

from service.store.ids import first_id_at
from service.store.tables import analyses, failures, reviews

LOOKED_AT = 2_000
HOURS = {"under 1 h": 1.0, "1 to 4 h": 4.0, "4 to 24 h": 24.0, "1 to 3 d": 72.0, "3 to 7 d": 168.0}
_LONGER = "over 7 d"


class Judged(NamedTuple):
    """Verdicts on the answers of one producer; corrections count as rejected."""

    approved: int
    rejected: int

    @property
    def rate(self) -> float | None:
        """The share approved, 0 to 1; None without verdicts."""
        total = self.approved + self.rejected
        return self.approved / total if total else None


class ReviewTimes(NamedTuple):
    """Hours from a failure's first event to its first verdict: the median (None without verdicts), how many, and how
    many took how long.
    """

    median: float | None
    failures: int
    spread: Mapping[str, int]


def list_judged(conn: Connection) -> dict[tuple[str, str, str], Judged]:
    """Verdicts by kind, name and version of what gave the answer, over the latest 2,000 verdicts."""
    latest = select(reviews.c.analysis_id, reviews.c.decision).order_by(reviews.c.id.desc()).limit(LOOKED_AT).subquery()
    parts = analyses.c.producer + "\n" + analyses.c.producer_name + "\n" + analyses.c.producer_version
    # Looked up for each verdict: for a join, PostgreSQL reads all answers that were ever given.
    producer = select(parts).where(analyses.c.id == latest.c.analysis_id).scalar_subquery()
    found = select(producer.label("producer"), latest.c.decision).subquery()
    approved = func.count().filter(found.c.decision == "approve")
    counted = select(found.c.producer, approved, func.count()).group_by(found.c.producer)
    return {_producer(text): Judged(good, many - good) for text, good, many in conn.execute(counted)}


def _producer(text: str) -> tuple[str, str, str]:
    kind, _, rest = text.partition("\n")
    name, _, version = rest.rpartition("\n")
    return kind, name, version


def review_times(conn: Connection, since: datetime) -> ReviewTimes:
    """How long failures waited for a verdict, over the latest 2,000 verdicts since then."""
    query = (
        select(reviews.c.failure_id, reviews.c.created_at, failures.c.created_at)
        .join(failures, failures.c.id == reviews.c.failure_id)
        .where(reviews.c.id >= first_id_at(since))
        .order_by(reviews.c.id.desc())
        .limit(LOOKED_AT)
    )
    first = {failure: (at - made).total_seconds() / 3600 for failure, at, made in conn.execute(query).all()}
    hours = sorted(max(0.0, one) for one in first.values())
    spread = dict.fromkeys((*HOURS, _LONGER), 0)
    for one in hours:
        spread[next((word for word, most in HOURS.items() if one < most), _LONGER)] += 1
    return ReviewTimes(median(hours) if hours else None, len(hours), spread)
