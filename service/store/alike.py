"""Failures whose rule gave the same answer but for the names in it, to be approved at once."""

import json
from typing import Any

from sqlalchemy import Connection, select

from service.store.failures import get_failure, unindexed
from service.store.tables import Failure, analyses, failures

_NAMES = ("principal", "action", "resource")
_LOOKED_AT = 300
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
    """The answer's text without its own names: what a reviewer reads once for all of them."""
    said = {name: value for name, value in answer.items() if name not in {"id", "evidence", *_NAMES}}
    text = json.dumps(said, sort_keys=True, ensure_ascii=False)
    names = sorted((str(answer.get(name) or ""), f"\0{name}\0") for name in _NAMES)
    for name, mark in sorted(names, key=lambda pair: len(pair[0]), reverse=True):
        text = text.replace(json.dumps(name, ensure_ascii=False)[1:-1], mark) if name else text
    return text + "".join(mark for name, mark in names if name)
