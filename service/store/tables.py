"""The tables of failures, and of what is received and done, with named constraints; `access_tables` has the others.

A change here needs a migration in `migrations/versions/`; `schema.drift` tells when one is missing.
"""

from datetime import datetime
from typing import Any

from sqlalchemy import JSON, Index, Text, UniqueConstraint, text
from sqlmodel import Field

from service.store.record import Record, one_of

FAILURE_STATUSES = ("needs_review", "approved", "rejected")
ANALYSIS_STATES = ("answered", "queued", "running", "failed", "unavailable")
DECISIONS = ("approve", "correct", "reject")
_IS_SNOOZED = text("snoozed_until IS NOT NULL")


class Failure(Record, table=True):
    """One distinct denial, however many events: what it is, its answer's headline, and where its review stands.

    `version` changes with the current analysis and with every review, never with a mere count. `pinned`: a reviewer
    approved or corrected the current analysis, so that no rule or model displaces it. Kept narrow, because every event
    changes it. `current_analysis_id` has no foreign key: it would close a cycle, which SQLite cannot alter.
    `snoozed_until`: nobody wants to see it before; with `snoozed_at_count` not once it has more events than that.
    """

    __tablename__ = "failure"
    __table_args__ = (
        UniqueConstraint("fingerprint", "fingerprint_version"),
        one_of("status", FAILURE_STATUSES),
        one_of("analysis_state", ANALYSIS_STATES),
        Index(None, "last_seen", "id"),
        Index(None, "status", "last_seen", "id"),
        Index(None, "system"),
        Index(None, "cause"),
        Index(None, "analysis_state", "id"),
        Index(
            None,
            *("snoozed_until", "snoozed_at_count", "event_count"),
            sqlite_where=_IS_SNOOZED,
            postgresql_where=_IS_SNOOZED,
        ),
    )

    id: str = Field(primary_key=True)
    fingerprint: str
    fingerprint_version: int
    status: str = "needs_review"
    analysis_state: str = "queued"
    analysis_note: str | None = None
    version: int = 1
    pinned: bool = False
    regressed: bool = False
    title: str
    principal: str | None = None
    action: str | None = None
    resource: str | None = None
    service_name: str | None = None
    environment: str | None = None
    connection: str
    event_count: int = 0
    first_seen: datetime
    last_seen: datetime
    resolved_at: datetime | None = None
    snoozed_until: datetime | None = None
    snoozed_at_count: int | None = None
    current_analysis_id: str | None = None
    verdict: str | None = None
    cause: str | None = None
    system: str | None = None
    confidence: str | None = None
    producer: str = "none"
    producer_name: str | None = None
    producer_version: str | None = None
    created_at: datetime


class Excerpt(Record, table=True):
    """The start of a failure's first event, and the case-folded text that searches look in.

    Migration 0005 adds the index over the words of `search`, which only the databases themselves keep.
    """

    __tablename__ = "excerpt"

    failure_id: str = Field(primary_key=True, foreign_key="failure.id", ondelete="CASCADE")
    sample: str = Field(sa_type=Text)
    search: str = Field(sa_type=Text)


class Event(Record, table=True):
    """One occurrence as delivered, redacted. `failure_id` is null only for a `resolved` event that closed nothing."""

    __tablename__ = "event"
    __table_args__ = (
        UniqueConstraint("connection", "source_id"),
        one_of("state", ("firing", "resolved")),
        Index(None, "failure_id", "id"),
    )

    id: str = Field(primary_key=True)
    connection: str
    source_id: str
    failure_id: str | None = Field(default=None, foreign_key="failure.id", ondelete="CASCADE")
    state: str = "firing"
    time: datetime
    received_at: datetime
    type: str
    text: str = Field(sa_type=Text)
    service_name: str | None = None
    environment: str | None = None
    severity: str | None = None
    exception_type: str | None = None
    stacktrace: str | None = Field(default=None, sa_type=Text)
    http_status: int | None = None
    url: str | None = None
    grouping_key: str | None = None
    attributes: dict[str, Any] = Field(default_factory=dict, sa_type=JSON)
    context: dict[str, Any] = Field(default_factory=dict, sa_type=JSON)


class Sighting(Record, table=True):
    """Where a failure was seen: one row per combination, empty text for what the event did not say."""

    __tablename__ = "sighting"
    __table_args__ = (
        Index(None, "service_name", "failure_id"),
        Index(None, "environment", "failure_id"),
        Index(None, "connection", "failure_id"),
    )

    failure_id: str = Field(primary_key=True, foreign_key="failure.id", ondelete="CASCADE")
    connection: str = Field(primary_key=True)
    service_name: str = Field(primary_key=True)
    environment: str = Field(primary_key=True)


class Opening(Record, table=True):
    """A vendor's group whose firing events opened a failure, and when an event last resolved the group."""

    __tablename__ = "opening"
    __table_args__ = (Index(None, "failure_id"),)

    connection: str = Field(primary_key=True)
    grouping_key: str = Field(primary_key=True)
    failure_id: str = Field(primary_key=True, foreign_key="failure.id", ondelete="CASCADE")
    resolved_at: datetime | None = None


class Analysis(Record, table=True):
    """One proposed root cause and fix, never changed once written. Its evidence points into the text of `event_id`."""

    __tablename__ = "analysis"
    __table_args__ = (
        UniqueConstraint("failure_id", "producer", "producer_name", "producer_version"),
        Index(None, "event_id"),
        Index(None, "producer", "producer_name", "producer_version", "created_at"),
    )

    id: str = Field(primary_key=True)
    failure_id: str = Field(foreign_key="failure.id", ondelete="CASCADE")
    event_id: str | None = Field(default=None, foreign_key="event.id", ondelete="SET NULL")
    answer: dict[str, Any] = Field(sa_type=JSON)
    verdict: str
    cause: str | None = None
    system: str | None = None
    confidence: str
    producer: str
    producer_name: str
    producer_version: str
    created_at: datetime


class ModelCall(Record, table=True):
    """One call of a model, written before it is sent. `cost` in dollars: what it may cost at most until it has ended.

    `outcome`: running, answered, failed; lost where its worker died. `cost` is null for a model without a price. It
    stays when its failure is deleted, because the money stays spent.
    """

    __tablename__ = "model_call"
    __table_args__ = (Index(None, "started_at"), Index(None, "failure_id"))

    id: str = Field(primary_key=True)
    failure_id: str
    provider: str
    model: str
    prompt: str
    prompt_version: str
    outcome: str = "running"
    started_at: datetime
    input_tokens: int = 0
    output_tokens: int = 0
    cost: float | None = None
    seconds: float | None = None


class Review(Record, table=True):
    """One human verdict on an analysis. `corrected_analysis_id` is the answer the reviewer wrote instead."""

    __tablename__ = "review"
    __table_args__ = (
        one_of("decision", DECISIONS),
        Index(None, "failure_id", "created_at"),
        Index(None, "analysis_id"),
        Index(None, "corrected_analysis_id"),
    )

    id: str = Field(primary_key=True)
    failure_id: str = Field(foreign_key="failure.id", ondelete="CASCADE")
    analysis_id: str = Field(foreign_key="analysis.id", ondelete="CASCADE")
    reviewer: str
    decision: str
    reason: str | None = None
    note: str | None = Field(default=None, sa_type=Text)
    corrected_analysis_id: str | None = Field(default=None, foreign_key="analysis.id", ondelete="SET NULL")
    created_at: datetime


class Activity(Record, table=True):
    """What somebody did, other than to decide on an answer, which is a review.

    `subject` names what it was done to, in words that outlive it; `failure_id` is set where that is a failure.
    """

    __tablename__ = "activity"
    __table_args__ = (Index(None, "failure_id", "id"), Index(None, "action", "id"))

    id: str = Field(primary_key=True)
    at: datetime
    who: str
    action: str
    subject: str
    failure_id: str | None = Field(default=None, foreign_key="failure.id", ondelete="CASCADE")
    note: str | None = Field(default=None, sa_type=Text)


class Unparsed(Record, table=True):
    """An authentic delivery that was not in the format promised: redacted, kept for replay.

    `path` is what followed the connection's name in the address; null for what an earlier release kept.
    """

    __tablename__ = "unparsed"
    __table_args__ = (Index(None, "connection", "id"),)

    id: str = Field(primary_key=True)
    connection: str
    received_at: datetime
    reason: str
    headers: dict[str, Any] = Field(default_factory=dict, sa_type=JSON)
    body: str = Field(sa_type=Text)
    path: str | None = None


class Refusal(Record, table=True):
    """One kind of refusal by a connection, and how often it happened. Nothing of the delivery's body or proof.

    `size` is the length in bytes that the last such delivery announced.
    """

    __tablename__ = "refusal"
    __table_args__ = (UniqueConstraint("connection", "outcome", "status", "detail", "user_agent"),)

    id: str = Field(primary_key=True)
    connection: str
    outcome: str
    status: int
    detail: str
    user_agent: str
    size: int | None = None
    count: int = 0
    first_at: datetime
    last_at: datetime


class Connection(Record, table=True):
    """One configured monitoring source. `auth` and `pull`, the settings of its pulls, are encrypted.

    Only the file changes what is `declared` in it.
    """

    __tablename__ = "connection"
    __table_args__ = (UniqueConstraint("name"),)

    id: str = Field(primary_key=True)
    name: str
    connector: str
    declared: bool = False
    auth_scheme: str
    auth: str = Field(sa_type=Text)
    created_at: datetime
    updated_at: datetime
    last_delivery_at: datetime | None = None
    pull: str | None = Field(default=None, sa_type=Text)


class Pull(Record, table=True):
    """Where the pulls of a connection stand: one row per connection with settings for them, named by the connection.

    `next_at` is null where only a delivery without its text causes one; while a pull runs it is when that is given up
    as dead. `failed` counts the failures since the last success, `new_events` what was new to us in all.
    """

    __tablename__ = "pull"
    __table_args__ = (Index(None, "next_at"),)

    connection: str = Field(primary_key=True)
    cursor: str | None = Field(default=None, sa_type=Text)
    next_at: datetime | None = None
    last_at: datetime | None = None
    last_error: str | None = Field(default=None, sa_type=Text)
    failed: int = 0
    new_events: int = 0


class WaitingEvent(Record, table=True):
    """A redacted event, accepted without its error text, that is stored as an event once that was asked for."""

    __tablename__ = "waiting_event"
    __table_args__ = (UniqueConstraint("connection", "source_id"), Index(None, "due_at"))

    id: str = Field(primary_key=True)
    connection: str
    source_id: str
    event: str = Field(sa_type=Text)
    tries: int = 0
    due_at: datetime


failures = Record.metadata.tables["failure"]
excerpts = Record.metadata.tables["excerpt"]
events = Record.metadata.tables["event"]
sightings = Record.metadata.tables["sighting"]
openings = Record.metadata.tables["opening"]
analyses = Record.metadata.tables["analysis"]
model_calls = Record.metadata.tables["model_call"]
reviews = Record.metadata.tables["review"]
activities = Record.metadata.tables["activity"]
unparsed = Record.metadata.tables["unparsed"]
refusals = Record.metadata.tables["refusal"]
connections = Record.metadata.tables["connection"]
pulls = Record.metadata.tables["pull"]
waiting_events = Record.metadata.tables["waiting_event"]
