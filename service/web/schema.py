"""The shapes of the REST API beside the answer contract: what comes in and what goes out."""

import re
from datetime import datetime
from typing import Annotated, Literal

from fastapi import Path, Query
from pydantic import (
    AwareDatetime,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    JsonValue,
    StrictBool,
    StrictInt,
    StringConstraints,
)

from service.domain import Answer, Cause, Confidence, Verdict


def _is_rfc_3339(value: object) -> object:
    if isinstance(value, str) and re.match(r"\d{4}-\d\d-\d\d[Tt ]", value):
        return value
    raise ValueError("give a time as RFC 3339 text, such as 2026-11-21T09:30:00Z")


LONGEST_TEXT = 100_000
MOST_EVENTS = 1_000
_Number = Annotated[float, Field(strict=True, allow_inf_nan=False)]
NO_NUL = r"^[^\x00]*$"
Label = Annotated[str, StringConstraints(min_length=1, max_length=500)]
Line = Annotated[str, StringConstraints(min_length=1, max_length=500, pattern=NO_NUL)]
Paragraphs = Annotated[str, StringConstraints(max_length=20_000, pattern=NO_NUL)]
PathId = Annotated[str, Path(max_length=100, pattern=NO_NUL)]
FilterText = Annotated[str | None, Query(max_length=200, pattern=NO_NUL)]
Fact = Annotated[str, StringConstraints(max_length=4_000)] | StrictInt | _Number | StrictBool | None
Moment = Annotated[AwareDatetime, BeforeValidator(_is_rfc_3339)]
Context = Annotated[
    dict[str, Fact], Field(max_length=100, description="What is known beside the text: `http_status`, `service`, ...")
]


class Input(BaseModel):
    """Base of what comes in. An unknown field is an error, so that a misspelt one is not lost in silence."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class Output(BaseModel):
    """Base of what goes out."""

    model_config = ConfigDict(frozen=True, from_attributes=True)


class ExplainRequest(Input):
    """One error text."""

    model_config = ConfigDict(
        json_schema_extra={
            "example": {"text": "ERROR: permission denied for table orders", "context": {"service": "billing"}}
        }
    )

    text: str = Field(min_length=1, max_length=LONGEST_TEXT, description="The error as it was logged.")
    context: Context = Field(default_factory=dict)


class EventRequest(Input):
    """One occurrence of an error. Only `text` is needed; an `id` makes sending it again harmless."""

    model_config = ConfigDict(
        json_schema_extra={
            "example": {
                "id": "billing-7781",
                "text": "ERROR: permission denied for table orders",
                "service_name": "billing",
                "environment": "production",
            }
        }
    )

    text: str = Field(min_length=1, max_length=LONGEST_TEXT, description="The error as it was logged.")
    id: Label | None = Field(None, description="Unique per sender; the same id again is the same event.")
    type: Label = Field("error", description="The sender's own kind of event.")
    time: Moment | None = Field(None, description="When it happened, with its offset from UTC. Default: now.")
    state: Literal["firing", "resolved"] = Field(
        "firing", description="`resolved` closes what the firing event with the same `grouping_key` opened."
    )
    grouping_key: Label | None = None
    service_name: Label | None = None
    environment: Label | None = None
    severity: Label | None = None
    exception_type: Label | None = None
    stacktrace: str | None = Field(None, max_length=LONGEST_TEXT)
    http_status: int | None = Field(None, ge=100, le=599)
    url: str | None = Field(None, max_length=4_000)
    attributes: Context = Field(default_factory=dict)


class EventRef(Output):
    id: str
    duplicate: bool = Field(description="This event was stored before; nothing was counted twice.")


class FailureRef(Output):
    id: str


class AcceptedEvent(Output):
    """What became of one event, committed."""

    event: EventRef
    failure: FailureRef | None = Field(description="Null only for a `resolved` event that closed nothing.")
    analysis: Answer | None = Field(description="The answer when a rule knows the denial; else it is worked on.")


Status = Literal["needs_review", "approved", "rejected"]
AnalysisState = Literal["answered", "queued", "running", "failed", "unavailable"]
Producer = Literal["rule", "llm", "reviewer", "none"]


class Failure(Output):
    """One distinct denial, however many events."""

    id: str
    status: Status
    analysis_state: AnalysisState
    analysis_note: str | None = Field(description="Why there is no answer yet, in words.")
    version: int = Field(description="Changes with the answer and with each review; send it with a review.")
    title: str
    verdict: Verdict | None
    cause: Cause | None
    system: str | None
    principal: str | None
    action: str | None
    resource: str | None
    confidence: Confidence | None
    producer: Producer
    producer_name: str | None
    service_name: str | None
    environment: str | None
    connection: str
    event_count: int
    first_seen: datetime
    last_seen: datetime
    resolved_at: datetime | None
    snoozed_until: datetime | None = Field(description="Out of the queue until then; far away: until its next event.")
    snoozed_at_count: int | None = Field(description="One event more than these ends a snooze; null: no event does.")
    regressed: bool = Field(description="It happened again after it was resolved.")
    current_analysis_id: str | None


class Page(Output):
    """A part of a list."""

    next_cursor: str | None = Field(description="Send it as `cursor` for the next part; null at the end.")


class FailurePage(Page):
    items: list[Failure]


class Event(Output):
    """One occurrence as stored, secrets masked."""

    id: str
    connection: str
    source_id: str = Field(description="The sender's id of it.")
    failure_id: str | None
    state: Literal["firing", "resolved"]
    time: datetime
    received_at: datetime
    type: str
    text: str
    service_name: str | None
    environment: str | None
    severity: str | None
    exception_type: str | None
    stacktrace: str | None
    http_status: int | None
    url: str | None
    grouping_key: str | None
    attributes: dict[str, JsonValue]


class EventPage(Page):
    items: list[Event]


class Review(Output):
    """One engineer's verdict on an analysis."""

    id: str
    failure_id: str
    analysis_id: str
    reviewer: str
    decision: Literal["approve", "correct", "reject"]
    reason: str | None
    note: str | None
    corrected_analysis_id: str | None
    created_at: datetime


class Analysis(Answer):
    """A stored answer: the answer contract, and what it belongs to."""

    failure_id: str
    event_id: str | None = Field(description="The event whose text the evidence points into.")
    created_at: datetime


class Activity(Output):
    """What somebody did, other than to judge an answer."""

    id: str
    at: datetime
    who: str
    action: str
    subject: str = Field(description="What it was done to, or how.")
    failure_id: str | None
    note: str | None


class Handled(Output):
    """What was done, and where the failure stands now."""

    activity: Activity
    failure: Failure


class AnalysisRef(Output):
    """One answer that was given; `GET /api/v1/analyses/{id}` has the whole of it."""

    id: str
    verdict: Verdict
    cause: Cause | None
    system: str | None
    confidence: Confidence
    producer: Producer
    producer_name: str
    producer_version: str
    created_at: datetime


class ModelCall(Output):
    """One call of a model about a failure. `/calls/{id}.json` has what it was asked."""

    id: str
    started_at: datetime
    provider: str
    model: str
    prompt: str
    prompt_version: str = Field(description="The prompt's version and the beginning of its content's SHA-256.")
    outcome: Literal["running", "answered", "failed", "lost"]
    input_tokens: int
    output_tokens: int
    cost: float | None = Field(description="In US dollars; null for a model without a known price.")
    seconds: float | None
    findings: list[str] = Field(description="What was wrong with the answer, once it was held against the event.")


class FailureDetail(Failure):
    """A failure with its current answer and the history of its answers and reviews, the latest first."""

    analysis: Analysis | None
    analyses: list[AnalysisRef] = Field(description="Every answer it was given, also those that are not shown.")
    calls: list[ModelCall] = Field(description="What models were asked about it: the latest 50 calls.")
    reviews: list[Review]
    activity: list[Activity] = Field(description="Snoozes, reopenings, resolutions by hand and notes.")


class Reviewed(Output):
    """A stored review and where its failure stands now."""

    review: Review
    failure: Failure


class Unparsed(Output):
    """An authentic delivery that was not in the format promised, secrets masked."""

    id: str
    connection: str
    received_at: datetime
    reason: str
    headers: dict[str, str]
    body: str


class Replayed(Output):
    """What a kept delivery held, once it could be read: its events are stored, and it is kept no more."""

    events: list[AcceptedEvent]


class UnparsedPage(Page):
    items: list[Unparsed]
