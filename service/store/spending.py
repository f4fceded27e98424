"""Calls of models as the database remembers them: what budgets and limits count, whichever worker made the call."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import Connection, func, insert, select, text, update

from service.store.ids import new_id
from service.store.tables import model_calls

_LOOKED_BACK = timedelta(days=31)
_LOCK = 0x77686C6D  # any constant that no other program on the server uses


@dataclass(frozen=True, slots=True)
class NewCall:
    """A call that is about to be sent. `cost` is the most that it may cost, in dollars; None without a price."""

    failure_id: str
    provider: str
    model: str
    prompt: str
    prompt_version: str
    cost: float | None


@dataclass(frozen=True, slots=True)
class Total:
    """What the calls of one model came to. `unpriced`: how many of them have no known cost."""

    provider: str
    model: str
    calls: int
    failed: int
    input_tokens: int
    output_tokens: int
    cost: float
    unpriced: int


def lock_spending(conn: Connection) -> None:
    """Hold up other workers until the transaction ends, so that two do not spend the same rest of a budget."""
    if conn.dialect.name == "postgresql":  # SQLite has one writer at a time anyway
        conn.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": _LOCK})


def open_call(conn: Connection, call: NewCall, now: datetime) -> str:
    """Write down a call before it is sent. Returns its id."""
    call_id = new_id()
    fields = {name: getattr(call, name) for name in NewCall.__slots__}
    counts = {"outcome": "running", "input_tokens": 0, "output_tokens": 0}
    conn.execute(insert(model_calls).values(id=call_id, started_at=now, **fields, **counts))
    return call_id


def close_call(
    conn: Connection,
    *,
    call_id: str,
    outcome: str,
    model: str,
    tokens: Sequence[int],
    cost: float | None,
    seconds: float | None,
) -> None:
    """Write down how a call ended. `tokens` are those that went in and came out."""
    conn.execute(
        update(model_calls)
        .where(model_calls.c.id == call_id)
        .values(
            outcome=outcome, model=model, input_tokens=tokens[0], output_tokens=tokens[1], cost=cost, seconds=seconds
        )
    )


def mark_lost(conn: Connection, before: datetime) -> int:
    """Calls that began so long ago and have no end: their workers died. Their cost stays at the most it may be.

    Looks back a month, so that years of calls need not be read again and again.
    """
    began = model_calls.c.started_at.between(before - _LOOKED_BACK, before)
    lost = update(model_calls).where(began, model_calls.c.outcome == "running")
    return conn.execute(lost.values(outcome="lost")).rowcount


def spent_since(conn: Connection, since: datetime) -> float:
    """Dollars spent, and set aside for calls in flight, since then."""
    spent = select(func.sum(model_calls.c.cost)).where(model_calls.c.started_at >= since)
    return float(conn.execute(spent).scalar() or 0.0)


def last_starts(conn: Connection, since: datetime, limit: int) -> list[datetime]:
    """When the latest calls since then began, the newest first."""
    query = select(model_calls.c.started_at).where(model_calls.c.started_at > since)
    return list(conn.execute(query.order_by(model_calls.c.started_at.desc()).limit(limit)).scalars())


def list_totals(conn: Connection) -> Sequence[Total]:
    """What each model cost, the dearest first."""
    call = model_calls.c
    query = select(
        call.provider,
        call.model,
        func.count(),
        func.count().filter(call.outcome.in_(("failed", "lost"))),
        func.sum(call.input_tokens),
        func.sum(call.output_tokens),
        func.coalesce(func.sum(call.cost), 0.0).label("cost"),
        func.count().filter(call.cost.is_(None)),
    ).group_by(call.provider, call.model)
    return [Total(*row) for row in conn.execute(query.order_by(text("cost DESC"), call.model))]


def last_call_of(conn: Connection, failure_id: str) -> datetime | None:
    """When the model was last asked about a failure."""
    query = select(func.max(model_calls.c.started_at)).where(model_calls.c.failure_id == failure_id)
    return conn.execute(query).scalar()
