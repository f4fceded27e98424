"""What engineers approved, to learn from: which answers stand, and the texts they were for."""

from collections.abc import Iterable

from sqlalchemy import Connection, select

from service.domain import Answer
from service.store.bulk import chunks
from service.store.tables import analyses, excerpts, failures


def list_approved(conn: Connection, limit: int) -> list[str]:
    """Ids of the answers that reviewers approved or wrote and that still stand, those of the latest failures first."""
    query = select(failures.c.current_analysis_id).where(
        failures.c.status == "approved", failures.c.current_analysis_id.is_not(None)
    )
    ordered = query.order_by(failures.c.last_seen.desc(), failures.c.id.desc()).limit(limit)
    return list(conn.execute(ordered).scalars())


def load_texts(conn: Connection, analysis_ids: Iterable[str]) -> dict[str, tuple[str, str | None]]:
    """The start of the text that each of these answers was for, and the system that refused."""
    found: dict[str, tuple[str, str | None]] = {}
    for chunk in chunks(sorted(set(analysis_ids))):
        query = (
            select(analyses.c.id, excerpts.c.sample, analyses.c.system)
            .join(excerpts, excerpts.c.failure_id == analyses.c.failure_id)
            .where(analyses.c.id.in_(chunk))
        )
        found.update((row.id, (row.sample, row.system)) for row in conn.execute(query))
    return found


def load_answers(conn: Connection, analysis_ids: Iterable[str]) -> dict[str, Answer]:
    """These answers by id; those that are gone are left out."""
    query = select(analyses.c.id, analyses.c.answer).where(analyses.c.id.in_(list(analysis_ids)))
    return {row.id: Answer.model_validate(row.answer) for row in conn.execute(query)}
