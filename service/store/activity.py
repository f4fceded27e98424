"""Who did what, beside the verdicts: the rows of the audit log. Each is written in the transaction of the deed."""

from collections.abc import Sequence
from datetime import UTC, datetime

from sqlalchemy import Connection, Engine, insert, select

from service.store.ids import new_id
from service.store.paging import Page, decode_id_cursor, encode_cursor
from service.store.rows import as_record, as_records
from service.store.tables import Activity, Review, activities, reviews


def note_activity(
    conn: Connection, who: str, action: str, subject: str, *, failure_id: str | None = None, note: str | None = None
) -> Activity:
    """Write down that `who` did `action` to `subject`. No secret may stand in it."""
    made = Activity(
        id=new_id(), at=datetime.now(UTC), who=who, action=action, subject=subject, failure_id=failure_id, note=note
    )
    conn.execute(insert(activities).values(made.model_dump()))
    return made


def note_deed(engine: Engine, who: str, action: str, subject: str) -> None:
    """Write down a deed whose own transaction was somebody else's, such as the writer's."""
    with engine.begin() as conn:
        note_activity(conn, who, action, subject)


def list_activity_of(conn: Connection, failure_id: str, limit: int = 100) -> list[Activity]:
    """What was done to a failure, beside its reviews, the latest first."""
    query = select(activities).where(activities.c.failure_id == failure_id)
    return as_records(Activity, conn.execute(query.order_by(activities.c.id.desc()).limit(limit)))


def last_activity(conn: Connection, action: str) -> Activity | None:
    """The latest time that anybody did `action`."""
    query = select(activities).where(activities.c.action == action).order_by(activities.c.id.desc()).limit(1)
    return as_record(Activity, conn.execute(query).first())


def list_everything(conn: Connection, cursor: str | None, limit: int) -> Page[Activity | Review]:
    """Activities and reviews of everybody, the latest first. Raises `InvalidCursor`."""
    before = decode_id_cursor(cursor) if cursor else None
    deeds: Sequence[Activity | Review] = [
        *_latest(conn, Activity, before, limit + 1),
        *_latest(conn, Review, before, limit + 1),
    ]
    found = sorted(deeds, key=lambda one: one.id, reverse=True)[: limit + 1]
    return Page(found[:limit], encode_cursor(found[limit - 1].id) if len(found) > limit else None)


def _latest(
    conn: Connection, kind: type[Activity] | type[Review], before: str | None, limit: int
) -> Sequence[Activity | Review]:
    table = activities if kind is Activity else reviews
    query = select(table).order_by(table.c.id.desc()).limit(limit)
    return as_records(kind, conn.execute(query.where(table.c.id < before) if before else query))
