"""Failures whose rule gave the same answer but for the names in it, to be approved at once."""

import json
import re
from typing import Any

from sqlalchemy import Connection, select

from service.store.failures import get_failure, unindexed
from service.store.tables import Failure, analyses, failures

_NAMES = ("principal", "action", "resource")
_LOOKED_AT = 300
_BETWEEN_PARTS = re.compile(r"[:/@]+")
_SHORTEST_PART, _MOST_PARTS = 3, 100
_PRIVATE = 0xE000  # no text that people read has these characters
_COLUMNS = [column.name for column in failures.c]


def list_alike(conn: Connection, failure_id: str, limit: int) -> list[Failure]:
    """This failure and others that wait for review, answered by the same version of the same rule in the same words.

    Words are the same when they differ in nothing but the principal, action and resource of each. Empty where no rule
    answered it, or it does not wait. At most `limit`, of that version's latest 300 answers, the newest first.
    """
    one = get_failure(conn, failure_id)
    if one is None or one.producer != "rule" or one.status != "needs_review":
        return []
    answered = (
        select(analyses.c.id)
        .where(
            analyses.c.producer == "rule",
            analyses.c.producer_name == one.producer_name,
            analyses.c.producer_version == one.producer_version,
        )
        .order_by(analyses.c.created_at.desc())
        .limit(_LOOKED_AT)
    )
    waiting = (
        select(failures, analyses.c.answer)
        .select_from(analyses)
        .join(failures, failures.c.id == analyses.c.failure_id)
        .where(
            analyses.c.id.in_(list(conn.execute(answered).scalars())),
            failures.c.current_analysis_id == analyses.c.id,
            *(
                unindexed(failures.c[name], conn.dialect.name) == getattr(one, name)
                for name in ("status", "analysis_state")
            ),
        )
    )
    rows = conn.execute(waiting.order_by(failures.c.last_seen.desc())).mappings().all()
    mine = _words(conn.execute(select(analyses.c.answer).where(analyses.c.id == one.current_analysis_id)).scalar_one())
    alike = [row for row in rows if _words(row["answer"]) == mine]
    return [Failure(**{name: row[name] for name in _COLUMNS}) for row in alike[:limit]]


def _words(answer: dict[str, Any]) -> str:
    """The answer's text without its own names: what a reviewer reads once for all of them.

    Parts of a name count too: of `system:serviceaccount:shop:cart` a fix says only `cart`.
    """
    said = {name: value for name, value in answer.items() if name not in {"id", "evidence", *_NAMES}}
    text = json.dumps(said, sort_keys=True, ensure_ascii=False)
    marks: dict[str, str] = {}
    for number, field in enumerate(_NAMES):
        whole = json.dumps(str(answer.get(field) or ""), ensure_ascii=False)[1:-1]
        parts = [part for part in _BETWEEN_PARTS.split(whole) if len(part) >= _SHORTEST_PART][:_MOST_PARTS]
        for place, name in enumerate([whole, *parts]):
            marks.setdefault(name, f"\0{chr(_PRIVATE + 256 * number + place)}")
    for name in sorted(filter(None, marks), key=len, reverse=True):
        text = text.replace(name, marks[name])
    return text + "".join(f"\0{field}" for field in _NAMES if answer.get(field))
