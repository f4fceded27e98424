"""The part of a failure that changes, read and changed only under its lock, and whose answer may displace whose."""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, bindparam, select, update

from service.domain import Answer, ByLLM, ByReviewer, ByRule
from service.store.bulk import chunks, insert_missing
from service.store.event_row import as_text
from service.store.tables import analyses, excerpts, failures

_TITLE_LENGTH = 200


@dataclass(frozen=True, slots=True)
class Head:
    """A failure's review state and current answer, as they stand while its row is locked."""

    id: str
    status: str
    version: int
    pinned: bool
    resolved_at: datetime | None
    analysis_state: str
    current_analysis_id: str | None
    producer: str
    producer_version: str | None


_LOCK = (
    select(*(failures.c[name] for name in Head.__slots__))
    .where(failures.c.id.in_(bindparam("ids", expanding=True)))
    .order_by(failures.c.id)
    .with_for_update(key_share=True)
)


def lock_heads(conn: Connection, failure_ids: Iterable[str]) -> dict[str, Head]:
    """Lock these failures until the transaction ends, in an order that all writers share. Missing ones are left out."""
    found: dict[str, Head] = {}
    for chunk in chunks(sorted(set(failure_ids))):
        found.update((row[0], Head(*row)) for row in conn.execute(_LOCK, {"ids": chunk}))
    return found


def attach(conn: Connection, head: Head, answer: Answer, event_id: str | None, now: datetime) -> Head:
    """Keep an answer as an analysis of the locked failure, and make it the current one where it may be.

    A reviewer's verdict stands, and a model does not displace a rule. An answer by the same producer and version is
    kept once: a second one changes nothing.
    """
    producer, name, version = producer_of(answer)
    row = {
        "id": answer.id,
        "failure_id": head.id,
        "event_id": event_id,
        "answer": answer.model_dump(mode="json"),
        "verdict": answer.verdict.value,
        "cause": answer.cause and answer.cause.value,
        "system": answer.system,
        "confidence": answer.confidence.value,
        "producer": producer,
        "producer_name": name,
        "producer_version": version,
        "created_at": now,
    }
    if not insert_missing(conn, analyses, [row]) or head.pinned or (producer == "llm" and head.producer == "rule"):
        return head
    return make_current(conn, head, answer)


def make_current(conn: Connection, head: Head, answer: Answer, **review: Any) -> Head:
    """Show this answer as the failure's; `review` are the columns that a verdict changes with it."""
    producer, name, version = producer_of(answer)
    changed = replace(
        head,
        version=head.version + 1,
        status=review.get("status", "needs_review"),
        pinned=review.get("pinned", False),
        analysis_state="answered",
        current_analysis_id=answer.id,
        producer=producer,
        producer_version=version,
    )
    sample = conn.execute(select(excerpts.c.sample).where(excerpts.c.failure_id == head.id)).scalar_one()
    shown, search = headline(answer, sample)
    conn.execute(update(excerpts).where(excerpts.c.failure_id == head.id).values(search=search))
    conn.execute(
        update(failures)
        .where(failures.c.id == head.id)
        .values(
            version=changed.version,
            status=changed.status,
            pinned=changed.pinned,
            analysis_state="answered",
            analysis_note=None,
            current_analysis_id=answer.id,
            producer=producer,
            producer_name=name,
            producer_version=version,
            verdict=answer.verdict.value,
            cause=answer.cause and answer.cause.value,
            system=answer.system,
            confidence=answer.confidence.value,
            **shown,
            **{key: value for key, value in review.items() if key not in {"status", "pinned"}},
        )
    )
    return changed


def headline(answer: Answer | None, text: str) -> tuple[dict[str, Any], str]:
    """What lists show of a failure, from its answer, else from its text; and the text that searches look in."""
    first_line = next((line.strip() for line in text.splitlines() if line.strip()), "(no text)")
    title = as_text(answer.title) if answer else first_line
    who = {name: as_text(getattr(answer, name, None)) for name in ("principal", "action", "resource")}
    search = "\n".join(value for value in [title, *who.values(), text] if value).casefold()
    return {"title": title[:_TITLE_LENGTH], **who}, search


def producer_of(answer: Answer) -> tuple[str, str, str]:
    """Kind, name and version of what made the answer: unique per failure, so that no producer answers twice."""
    by = answer.produced_by
    if isinstance(by, ByRule):
        return by.kind, by.rule, by.version
    if isinstance(by, ByLLM):
        return by.kind, by.prompt, by.prompt_version
    if isinstance(by, ByReviewer):
        return by.kind, by.reviewer, by.corrects
    return by.kind, "", ""
