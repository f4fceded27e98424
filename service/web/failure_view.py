"""What the page of a failure shows, from stored rows. Pure."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime

from service.domain import Answer
from service.store.failures import is_snoozed
from service.store.requests import Call
from service.store.tables import Activity, Analysis, Event, Failure, Review
from service.web.answer_diff import Change, list_changes
from service.web.chart import Chart, draw_bars
from service.web.highlight import Segment, highlight_part, name_quotes
from service.web.queue_view import (
    STATUS_WORDS,
    Progress,
    Row,
    elapsed,
    producer_words,
    progress_of,
    row_of,
    snoozed_until,
    stage_word,
)
from service.web.stack import own_frames
from service.web.words import REJECT_REASONS

_DECISIONS = {"approve": "Approved", "correct": "Corrected", "reject": "Rejected"}
_DEEDS = {"snooze": "Snoozed", "reopen": "Reopened", "resolve": "Resolved", "note": "Note"}
_DEEDS["asked the model again about"] = "Asked the model again"
_PROGRESS_TITLES = {
    "answered": "Why the model's answer is withheld",
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
_SECOND_TITLES = {
    "analysing": "A model is being asked as well",
    "failed": "A general rule answered; the model gave no usable answer",
    "unavailable": "Only a general rule knows this text, and no model is configured",
}
_SECOND_DETAILS = {
    "analysing": (
        "A general rule answered from the sentence alone. A model reads the event too; "
        "its answer is shown here when it knows more, and both are kept."
    ),
    "unavailable": (
        "The answer below was read from the sentence alone. Set WHYDENIED_LLM_API_KEY to have a model read it too, "
        "or add a rule for this system."
    ),
}
_STACK_BYTES = 16_000
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
class GivenAnswer:
    """One answer in the history. `is_current`: the one that the page shows."""

    id: str
    title: str
    verdict: str
    cause: str | None
    producer: str
    at: datetime
    is_current: bool


@dataclass(frozen=True, slots=True)
class PastReview:
    """One line of the history: a verdict, or what else somebody did. `changes` are those of a correction."""

    words: str
    reviewer: str
    at: datetime
    detail: str | None
    note: str | None
    changes: Sequence[Change] = ()


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
    stage_word: str
    elapsed: str
    answer: Answer | None
    analysis_id: str | None
    known_rule: bool
    text: str
    text_segments: Sequence[Segment]
    stack: str
    stack_segments: Sequence[Segment]
    stack_lines: int
    events: Sequence[Occurrence]
    more_events: bool
    services: Sequence[str]
    source: str
    seen: int
    first_seen: datetime
    last_seen: datetime
    given: Sequence[GivenAnswer]
    reviews: Sequence[PastReview]
    snoozed: datetime | None
    may_reopen: bool
    own_segments: Sequence[Segment]
    library_frames: int
    chart: Chart
    similar: Sequence[Row]
    principals: Sequence[str]
    environments: Sequence[str]
    calls: Sequence[Call]


def failure_view(
    failure: Failure,
    *,
    answer: Answer | None,
    text: str,
    stack: str,
    events: Sequence[Event],
    given: Sequence[Analysis],
    reviews: Sequence[Review],
    deeds: Sequence[Activity],
    services: Sequence[str],
    environments: Sequence[str],
    similar: Sequence[Failure],
    by_day: Sequence[tuple[date, int]],
    known_rule: bool,
    calls: Sequence[Call],
    now: datetime,
) -> FailureView:
    """The view of one failure; `text` and `stack` are those of the event that the answer was read from."""
    progress = progress_of(failure)
    own, library_frames = own_frames(stack)
    days = [(f"{day:%-d %b}", count) for day, count in by_day]
    return FailureView(
        id=failure.id,
        version=failure.version,
        title=(answer.title if answer else failure.title) or "An error without words",
        status=failure.status,
        status_words=STATUS_WORDS.get(failure.status, failure.status),
        regressed=failure.regressed,
        resolved_at=failure.resolved_at,
        progress=progress,
        progress_title=(_SECOND_TITLES if answer else _PROGRESS_TITLES).get(progress, ""),
        progress_detail=_progress_detail(failure, progress, answered=answer is not None),
        stage_word=stage_word(failure),
        elapsed=elapsed(failure.created_at, now),
        answer=answer,
        analysis_id=failure.current_analysis_id if answer else None,
        known_rule=known_rule,
        text=text,
        text_segments=highlight_part(text or _NO_TEXT, name_quotes(answer)),
        stack=stack,
        stack_segments=highlight_part(stack, (), _STACK_BYTES),
        stack_lines=stack.count("\n") + 1,
        events=sorted(map(_occurrence, events), key=lambda one: one.time, reverse=True),
        more_events=failure.event_count > len(events),
        services=services,
        source=failure.connection,
        seen=failure.event_count,
        first_seen=failure.first_seen,
        last_seen=failure.last_seen,
        given=[_given_answer(one, failure.current_analysis_id) for one in given],
        reviews=sorted(
            [
                *(_past_review(one, {each.id: each for each in given}) for one in reviews),
                *(_past_deed(one) for one in deeds),
            ],
            key=lambda one: one.at,
            reverse=True,
        ),
        snoozed=snoozed_until(failure, now),
        may_reopen=failure.status != "needs_review" or failure.resolved_at is not None or is_snoozed(failure, now),
        own_segments=highlight_part(own, (), _STACK_BYTES),
        library_frames=library_frames,
        chart=draw_bars("by-day", f"Events received on each of the last {len(days)} days", "Day (UTC)", days, "events"),
        similar=[row_of(one, "", now) for one in similar],
        principals=_principals(failure, similar),
        environments=environments,
        calls=calls,
    )


def _principals(failure: Failure, similar: Sequence[Failure]) -> list[str]:
    """Who was denied this: the failure's own principal, and those of others denied the same on the same."""
    same = [one for one in similar if (one.action, one.resource) == (failure.action, failure.resource)]
    return list(dict.fromkeys(one.principal for one in [failure, *same] if one.principal))


def _given_answer(one: Analysis, current: str | None) -> GivenAnswer:
    title = str(one.answer.get("title") or "")
    return GivenAnswer(
        one.id, title, one.verdict, one.cause, producer_words(one) or "nobody", one.created_at, one.id == current
    )


def _progress_detail(failure: Failure, progress: Progress, *, answered: bool) -> str:
    if answered and progress in _SECOND_DETAILS:
        return _SECOND_DETAILS[progress]
    return failure.analysis_note or _PROGRESS_DETAILS.get(progress, "")


def _occurrence(event: Event) -> Occurrence:
    return Occurrence(event.time, event.service_name, event.environment, event.connection, event.url)


def _past_review(review: Review, given: Mapping[str, Analysis]) -> PastReview:
    return PastReview(
        words=_DECISIONS.get(review.decision, review.decision),
        reviewer=review.reviewer,
        at=review.created_at,
        detail=REJECT_REASONS.get(review.reason, review.reason) if review.reason else None,
        note=review.note,
        changes=changes_of(review, given),
    )


def changes_of(review: Review, given: Mapping[str, Analysis]) -> list[Change]:
    """What a correction changed; empty for other verdicts. `given` are the failure's answers by id."""
    before, after = given.get(review.analysis_id), given.get(review.corrected_analysis_id or "")
    if before is None or after is None:
        return []
    return list_changes(Answer.model_validate(before.answer), Answer.model_validate(after.answer))


def _past_deed(deed: Activity) -> PastReview:
    return PastReview(_DEEDS.get(deed.action, deed.action), deed.who, deed.at, deed.subject or None, deed.note)
