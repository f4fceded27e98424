"""What a model is asked to fill in: the answer contract without what only the service may say.

The id, the provenance, the offsets of evidence and the references are not the model's to give. Every field is required
and nullable where it may be absent, because providers compile this into a grammar.
"""

from typing import Literal

from pydantic import BaseModel, ConfigDict

from service.domain import ArtifactKind, Cause, Verdict


class _Draft(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class DraftQuote(_Draft):
    """Words of the event, and the field of the answer that they prove."""

    quote: str
    field: Literal["verdict", "cause", "principal", "action", "resource"]


class DraftArtifact(_Draft):
    """One change, as in the answer contract."""

    kind: ArtifactKind
    title: str
    content: str
    placeholders: list[str]
    apply: str


class DraftFix(_Draft):
    """The smallest change, as in the answer contract."""

    summary: str
    steps: list[str]
    artifacts: list[DraftArtifact]
    risk: str | None
    undo: str | None


class DraftVerify(_Draft):
    """A read-only check, as in the answer contract."""

    command: str
    expect: str


class Draft(_Draft):
    """A model's proposal, before it is grounded in the event."""

    verdict: Verdict
    cause: Cause | None
    system: str | None
    evidence: list[DraftQuote]
    principal: str | None
    action: str | None
    resource: str | None
    missing_permissions: list[str]
    confidence: Literal["likely", "unknown"]
    title: str
    explanation: str
    fix: DraftFix | None
    verify: DraftVerify | None


OUTPUTS: dict[str, type[BaseModel]] = {"Draft": Draft}
