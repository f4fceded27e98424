"""The tables of what models were asked, word for word as it was sent.

A change here needs a migration in `migrations/versions/`; `schema.drift` tells when one is missing.
"""

from sqlalchemy import JSON, Index, Text
from sqlmodel import Field

from service.store.record import Record


class PromptText(Record, table=True):
    """The part of a prompt that is the same for every failure, kept once under the SHA-256 of its text."""

    __tablename__ = "prompt_text"

    digest: str = Field(primary_key=True)
    text: str = Field(sa_type=Text)


class ModelRequest(Record, table=True):
    """What one call of a model was asked, secrets masked; `id` is the call's. Deleted for its age as events are.

    `findings` say what was wrong with the answer, once it was held against the event.
    """

    __tablename__ = "model_request"
    __table_args__ = (Index(None, "failure_id"),)

    id: str = Field(primary_key=True)
    failure_id: str = Field(foreign_key="failure.id", ondelete="CASCADE")
    system_digest: str
    user: str = Field(sa_type=Text)
    findings: list[str] = Field(default_factory=list, sa_type=JSON)


prompt_texts = Record.metadata.tables["prompt_text"]
model_requests = Record.metadata.tables["model_request"]
