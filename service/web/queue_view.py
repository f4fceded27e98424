"""What a row of the queue shows, from a stored failure. Pure."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal

from service.store.failures import is_snoozed
from service.store.tables import Analysis, Failure
from service.web.words import as_utc, short

Progress = Literal["answered", "analysing", "failed", "unavailable"]
STATUS_WORDS = {"needs_review": "needs review", "approved": "approved", "rejected": "rejected"}
_LINE, _SHORT, _HEAD = 75, 34, 8
_PROGRESS: dict[str, Progress] = {
    "queued": "analysing",
    "running": "analysing",
    "failed": "failed",
    "unavailable": "unavailable",
}


@dataclass(frozen=True, slots=True)
class Row:
    """One failure in two lines. `place` says where it was seen; `note` stands in for a denial that is not known yet.

    `may_be_picked`: a rule answered it and it waits, so that it may be approved together with others.
    """

    id: str
    href: str
    status: str
    status_words: str
    progress: Progress
    stage_word: str
    elapsed: str
    verdict: str | None
    cause: str | None
    title: str
    principal: str | None
    action: str | None
    resource: str | None
    place: str
    confidence: str | None
    producer: str | None
    note: str | None
    seen: int
    last_seen: datetime
    regressed: bool
    resolved: bool
    snoozed: datetime | None
    may_be_picked: bool


def row_of(failure: Failure, query: str, now: datetime) -> Row:
    """The row; `query` is the list's query string, so that the next item stays within the same filter."""
    progress = progress_of(failure)
    return Row(
        id=failure.id,
        href=f"/failures/{failure.id}{query}",
        status=failure.status,
        status_words=STATUS_WORDS.get(failure.status, failure.status),
        progress=progress,
        stage_word=stage_word(failure),
        elapsed=elapsed(failure.created_at, now),
        verdict=failure.verdict,
        cause=failure.cause,
        title=failure.title or "An error without words",
        **fitting(principal=failure.principal, action=failure.action, resource=failure.resource),
        place=" / ".join(part for part in (failure.service_name, failure.environment, failure.connection) if part),
        confidence=failure.confidence if failure.verdict else None,
        producer=producer_words(failure),
        note=_note(failure, progress),
        seen=failure.event_count,
        last_seen=failure.last_seen,
        regressed=failure.regressed,
        resolved=failure.resolved_at is not None,
        snoozed=snoozed_until(failure, now),
        may_be_picked=failure.producer == "rule" and failure.status == "needs_review",
    )


def snoozed_until(failure: Failure, now: datetime) -> datetime | None:
    """When a snooze ends, `NEVER` where only its next event ends it; None where the failure is awake."""
    return as_utc(failure.snoozed_until) if failure.snoozed_until and is_snoozed(failure, now) else None


def fitting(**names: str | None) -> dict[str, str | None]:
    """Names that fit one line together; where they do not, of a long one its start and its telling end."""
    if sum(len(name or "") for name in names.values()) <= _LINE:
        return names
    return {field: short(name, _SHORT, _HEAD) if name else name for field, name in names.items()}


def progress_of(failure: Any) -> Progress:
    """Where the analysis stands."""
    return _PROGRESS.get(failure.analysis_state, "answered")


def stage_words(failure: Failure) -> str:
    """What an analysis under way is doing, or waiting for."""
    return failure.analysis_note or "It waits for its turn."


def stage_word(failure: Failure) -> str:
    """`waiting` before a model is asked, `analysing` while it is."""
    return "waiting" if failure.analysis_state == "queued" else "analysing"


def elapsed(since: datetime, now: datetime) -> str:
    """`12 s`, `3 min`, `2 h`: how long somebody has been waiting."""
    seconds = max(0, int((now - as_utc(since)).total_seconds()))
    if seconds < 90:
        return f"{seconds} s"
    return f"{seconds // 60} min" if seconds < 5400 else f"{seconds // 3600} h"


def producer_words(made: Failure | Analysis) -> str | None:
    """The rule's id, or `prompt@version` without the version's hash, or who corrected it."""
    if made.producer == "llm":
        return f"{made.producer_name}@{(made.producer_version or '').partition('-')[0]}"
    return made.producer_name if made.producer != "none" else None


def _note(failure: Failure, progress: Progress) -> str | None:
    if failure.producer != "none":
        return None
    if progress == "analysing":
        return failure.analysis_note or "No rule knows it; a model is asked."
    if progress == "failed":
        return failure.analysis_note or "The model gave no usable answer."
    if progress == "unavailable":
        return "No rule knows this text, and no model is configured to ask."
    return None
