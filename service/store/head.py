"""The part of a failure that changes, read and changed only under its lock, and whose answer may displace whose."""

from collections.abc import Iterable
from dataclasses import asdict, dataclass, replace
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, bindparam, select, update

from service.domain import Answer, ByLLM, ByReviewer, ByRule, Verdict
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
    producer_name: str | None
    producer_version: str | None

    def is_answered_by(self, rule_version: str | None) -> bool:
        """True when the current analysis is by this very rule, given as `<rule id>@<version>`."""
        return self.producer == "rule" and f"{self.producer_name}@{self.producer_version}" == rule_version

    @property
    def is_provisional(self) -> bool:
        """True while a general rule's answer is shown and a model's is still wanted."""
        return self.producer == "rule" and self.analysis_state != "answered"


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


def attach(
    conn: Connection, head: Head, answer: Answer, event_id: str | None, now: datetime, *, is_general: bool = False
) -> Head:
    """Keep an answer as an analysis of the locked failure, and make it the current one where it may be.

    A reviewer's verdict stands, and a model does not displace a system's own rule. The answer of a general rule stands
    until a model gives one that is not `unknown`, and displaces nobody's. An answer by the same producer and version
    is kept once: a second one changes nothing.
    """
    kept = keep_analysis(conn, head.id, answer, event_id, now)
    if not kept or head.pinned or not _may_displace(head, answer, is_general=is_general):
        return head
    return make_current(conn, head, answer, status="needs_review", is_general=is_general)


def _may_displace(head: Head, answer: Answer, *, is_general: bool) -> bool:
    by, name, _ = producer_of(answer)
    if is_general:
        return head.producer == "none" or head.is_provisional or (head.producer, head.producer_name) == (by, name)
    if by == "llm" and head.producer == "rule":
        return head.is_provisional and answer.verdict is not Verdict.UNKNOWN
    return True


def keep_analysis(conn: Connection, failure_id: str, answer: Answer, event_id: str | None, now: datetime) -> bool:
    """Store the answer; False when the failure has one by the same producer and version."""
    producer, name, version = producer_of(answer)
    row = {
        "id": answer.id,
        "failure_id": failure_id,
        "event_id": event_id,
        "answer": answer.model_dump(mode="json"),
        **_classification(answer),
        "producer": producer,
        "producer_name": name,
        "producer_version": version,
        "created_at": now,
    }
    return insert_missing(conn, analyses, [row]) == 1


def make_current(conn: Connection, head: Head, answer: Answer, *, status: str, is_general: bool = False) -> Head:
    """Show this stored answer as the failure's. It is pinned when its status is `approved`.

    The answer of a general rule leaves the failure among those that a model is asked about.
    """
    producer, name, version = producer_of(answer)
    changed = replace(
        head,
        version=head.version + 1,
        status=status,
        pinned=status == "approved",
        analysis_state=head.analysis_state if is_general else "answered",
        current_analysis_id=answer.id,
        producer=producer,
        producer_name=name,
        producer_version=version,
    )
    sample = conn.execute(select(excerpts.c.sample).where(excerpts.c.failure_id == head.id)).scalar_one()
    shown, search = headline(answer, sample)
    conn.execute(update(excerpts).where(excerpts.c.failure_id == head.id).values(search=search))
    values = {**asdict(changed), **_classification(answer), **shown, "analysis_note": None}
    if is_general:
        del values["analysis_note"]
    if changed.pinned:
        values["regressed"] = False
    del values["id"]
    conn.execute(update(failures).where(failures.c.id == head.id).values(values))
    return changed


def _classification(answer: Answer) -> dict[str, str | None]:
    return {
        "verdict": answer.verdict.value,
        "cause": answer.cause.value if answer.cause else None,
        "system": as_text(answer.system),
        "confidence": answer.confidence.value,
    }


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
