"""What the page of a failure shows, from stored rows. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from service.domain import Answer
from service.store.tables import Event, Failure, Review
from service.web.highlight import Segment, highlight_part
from service.web.queue_view import STATUS_WORDS, Progress, elapsed, progress_of
from service.web.words import REJECT_REASONS

_DECISIONS = {"approve": "Approved", "correct": "Corrected", "reject": "Rejected"}
_PROGRESS_TITLES = {
    "analysing": "The analysis is under way",
    "failed": "The model gave no usable answer",
    "unavailable": "No rule knows this text, and no model is configured",
}
_PROGRESS_DETAILS = {
    "analysing": "No rule knows this text, so a model reads it. The page shows the answer as soon as it is there.",
    "failed": "No reason was recorded.",
    "unavailable": (
        "Set WHYDENIED_LLM_API_KEY to have a model read what no rule knows, or add a rule for it. "
        "Nothing is claimed until then."
    ),
}
_NO_TEXT = "(the event was deleted for its age)"


@dataclass(frozen=True, slots=True)
class Occurrence:
    """One event in the list. `url` leads back to the source."""

    time: datetime
    service: str | None
    environment: str | None
    source: str
    url: str | None


@dataclass(frozen=True, slots=True)
class PastReview:
    words: str
    reviewer: str
    at: datetime
    reason: str | None
    note: str | None


@dataclass(frozen=True, slots=True)
class FailureView:
    """All that the page shows. `text_segments` is the text that the answer's evidence points into."""

    id: str
    version: int
    title: str
    status: str
    status_words: str
    regressed: bool
    resolved_at: datetime | None
    progress: Progress
    progress_title: str
    progress_detail: str
    elapsed: str
    answer: Answer | None
    analysis_id: str | None
    known_rule: bool
    text: str
    text_segments: Sequence[Segment]
    stack_segments: Sequence[Segment]
    stack_lines: int
    events: Sequence[Occurrence]
    more_events: bool
    services: Sequence[str]
    source: str
    seen: int
    first_seen: datetime
    last_seen: datetime
    reviews: Sequence[PastReview]


def failure_view(
    failure: Failure,
    *,
    answer: Answer | None,
    text: str,
    stack: str,
    events: Sequence[Event],
    reviews: Sequence[Review],
    services: Sequence[str],
    known_rule: bool,
    now: datetime,
) -> FailureView:
    """The view of one failure; `text` and `stack` are those of the event that the answer was read from."""
    progress = progress_of(failure)
    return FailureView(
        id=failure.id,
        version=failure.version,
        title=(answer.title if answer else failure.title) or "An error without words",
        status=failure.status,
        status_words=STATUS_WORDS.get(failure.status, failure.status),
        regressed=failure.regressed,
        resolved_at=failure.resolved_at,
        progress=progress,
        progress_title=_PROGRESS_TITLES.get(progress, ""),
        progress_detail=failure.analysis_note or _PROGRESS_DETAILS.get(progress, ""),
        elapsed=elapsed(failure.created_at, now),
        answer=answer,
        analysis_id=failure.current_analysis_id if answer else None,
        known_rule=known_rule,
        text=text,
        text_segments=highlight_part(text or _NO_TEXT, answer.evidence if answer else ()),
        stack_segments=highlight_part(stack, ()),
        stack_lines=stack.count("\n") + 1,
        events=[_occurrence(event) for event in events],
        more_events=failure.event_count > len(events),
        services=services,
        source=failure.connection,
        seen=failure.event_count,
        first_seen=failure.first_seen,
        last_seen=failure.last_seen,
        reviews=[_past_review(review) for review in reviews],
    )


def _occurrence(event: Event) -> Occurrence:
    return Occurrence(event.time, event.service_name, event.environment, event.connection, event.url)


def _past_review(review: Review) -> PastReview:
    return PastReview(
        words=_DECISIONS.get(review.decision, review.decision),
        reviewer=review.reviewer,
        at=review.created_at,
        reason=REJECT_REASONS.get(review.reason, review.reason) if review.reason else None,
        note=review.note,
    )
