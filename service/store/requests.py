"""What models were asked about a failure, and what was found wrong with their answers."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from hashlib import sha256
from typing import Any

from sqlalchemy import Connection, Select, select, update

from service.store.bulk import insert_missing
from service.store.event_row import as_text
from service.store.request_tables import model_requests, prompt_texts
from service.store.tables import failures, model_calls

_MOST_CALLS = 50


@dataclass(frozen=True, slots=True)
class Call:
    """One call of a model. `cost` in dollars, None without a price; `seconds` is None where there was no answer.

    `is_kept`: what was asked can still be read.
    """

    id: str
    failure_id: str
    provider: str
    model: str
    prompt: str
    prompt_version: str
    outcome: str
    started_at: datetime
    input_tokens: int
    output_tokens: int
    cost: float | None
    seconds: float | None
    findings: Sequence[str]
    is_kept: bool


@dataclass(frozen=True, slots=True)
class Asked:
    """The two parts of a request, word for word; secrets were masked before it was made."""

    system: str
    user: str


def keep_request(conn: Connection, call_id: str, failure_id: str, system: str, user: str) -> None:
    """Keep what a call is about to ask, in the transaction that opens it. A failure that is gone leaves nothing."""
    there = select(failures.c.id).where(failures.c.id == failure_id).with_for_update(read=True, key_share=True)
    if conn.execute(there).first() is None:
        return
    digest = sha256(system.encode()).hexdigest()
    insert_missing(conn, prompt_texts, [{"digest": digest, "text": as_text(system)}])
    row = {"id": call_id, "failure_id": failure_id, "system_digest": digest, "user": as_text(user), "findings": []}
    insert_missing(conn, model_requests, [row])


def keep_findings(conn: Connection, call_id: str, findings: Sequence[str]) -> None:
    """Keep what was wrong with the answer to a call."""
    conn.execute(update(model_requests).where(model_requests.c.id == call_id).values(findings=list(findings)))


def list_calls(conn: Connection, failure_id: str) -> list[Call]:
    """The latest 50 calls about a failure, the latest first."""
    query = _calls().where(model_calls.c.failure_id == failure_id).order_by(model_calls.c.started_at.desc())
    return [_call(row) for row in conn.execute(query.limit(_MOST_CALLS))]


def get_call(conn: Connection, call_id: str) -> Call | None:
    """One call, or None."""
    row = conn.execute(_calls().where(model_calls.c.id == call_id)).first()
    return _call(row) if row else None


def get_asked(conn: Connection, call_id: str) -> Asked | None:
    """What a call asked; None where that is not kept, or not any more."""
    query = (
        select(prompt_texts.c.text, model_requests.c.user)
        .join(prompt_texts, prompt_texts.c.digest == model_requests.c.system_digest)
        .where(model_requests.c.id == call_id)
    )
    row = conn.execute(query).first()
    return Asked(*row) if row else None


def _calls() -> Select[Any]:
    return select(model_calls, model_requests.c.id.label("kept"), model_requests.c.findings).outerjoin(
        model_requests, model_requests.c.id == model_calls.c.id
    )


def _call(row: Any) -> Call:
    named = {name: getattr(row, name) for name in Call.__slots__ if name not in {"findings", "is_kept"}}
    return Call(**named, findings=list(row.findings or ()), is_kept=row.kept is not None)
