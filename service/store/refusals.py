"""Deliveries that connections refused: for each the newest kinds, with how often and when. Never a body or a proof."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import datetime

from sqlalchemy import Connection, delete, func, select, update

from service.store.bulk import insert_missing
from service.store.ids import new_id
from service.store.rows import as_records
from service.store.tables import Refusal, refusals

KEPT = 20


@dataclass(frozen=True, slots=True)
class RefusalKind:
    """What makes refusals of one connection equal. `detail` is safe to show, `user_agent` what the sender claims."""

    outcome: str
    status: int
    detail: str
    user_agent: str


@dataclass(slots=True)
class Tally:
    """How often one kind of refusal happened; `size` in bytes as the last delivery announced it."""

    count: int
    first_at: datetime
    last_at: datetime
    size: int | None


def note_refusals(conn: Connection, connection: str, found: Sequence[tuple[RefusalKind, Tally]]) -> None:
    """Add to what is known of one connection, and keep its newest `KEPT` kinds.

    Two processes that meet a new kind in the same moment may lose one of the two counts, never the kind.
    """
    for refused, tally in found:
        key = {"connection": connection, **asdict(refused)}
        same = (refusals.c[name] == value for name, value in key.items())
        values = {"count": refusals.c.count + tally.count, "last_at": tally.last_at, "size": tally.size}
        if not conn.execute(update(refusals).where(*same).values(values)).rowcount:
            insert_missing(conn, refusals, [{"id": new_id(), **key, **asdict(tally)}])
    newest = select(refusals.c.id).where(refusals.c.connection == connection).order_by(*_LATEST_FIRST).limit(KEPT)
    conn.execute(delete(refusals).where(refusals.c.connection == connection, refusals.c.id.not_in(newest)))


def list_refusals(conn: Connection, connection: str) -> list[Refusal]:
    """The kinds that are kept of one connection, the one that happened last first."""
    query = select(refusals).where(refusals.c.connection == connection).order_by(*_LATEST_FIRST)
    return as_records(Refusal, conn.execute(query))


def last_refusals(conn: Connection) -> dict[str, datetime]:
    """When each connection last refused a delivery, as far as that is kept."""
    query = select(refusals.c.connection, func.max(refusals.c.last_at)).group_by(refusals.c.connection)
    return dict(conn.execute(query).all())


_LATEST_FIRST = (refusals.c.last_at.desc(), refusals.c.id.desc())
