"""The answer contract: the frozen types that REST, CLI, storage and tests all speak. No I/O.

`Answer` is one proposed root cause and fix. Its JSON form is stable; add fields, never change one's meaning.
"""

from enum import StrEnum
from typing import Annotated, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator


class Verdict(StrEnum):
    """What kind of refusal it is.

    permission: a known identity lacks authorization, or a policy, mode, scope, entitlement or allow-list forbids it.
    authentication: credentials are missing, malformed, expired or wrong.
    other: anything else that looks alike. unknown: whydenied abstains.
    """

    PERMISSION = "permission"
    AUTHENTICATION = "authentication"
    OTHER = "other"
    UNKNOWN = "unknown"


class Cause(StrEnum):
    """The closed list of causes. Which verdict each may stand with: `CAUSES_OF`."""

    MISSING_GRANT = "missing_grant"
    EXPLICIT_DENY = "explicit_deny"
    ORG_POLICY = "org_policy"
    PERMISSION_BOUNDARY = "permission_boundary"
    RESOURCE_POLICY = "resource_policy"
    INSUFFICIENT_SCOPE = "insufficient_scope"
    ROLE_TOO_LOW = "role_too_low"
    TOKEN_OR_KEY_RESTRICTED = "token_or_key_restricted"  # noqa: S105 a cause, not a credential
    KEY_DISABLED_OR_REVOKED = "key_disabled_or_revoked"
    ENTITLEMENT_NOT_ENABLED = "entitlement_not_enabled"
    NETWORK_OR_IP_RESTRICTION = "network_or_ip_restriction"
    FILE_MODE_OR_OWNERSHIP = "file_mode_or_ownership"
    MANDATORY_ACCESS_CONTROL = "mandatory_access_control"
    HIDDEN_AS_NOT_FOUND = "hidden_as_not_found"
    ADMISSION_POLICY = "admission_policy"
    SSO_OR_CONSENT_REQUIRED = "sso_or_consent_required"
    PROTECTED_RESOURCE = "protected_resource"
    AUTHENTICATION = "authentication"
    RATE_LIMIT = "rate_limit"
    QUOTA_OR_BILLING = "quota_or_billing"
    NOT_FOUND = "not_found"
    VALIDATION = "validation"
    NETWORK = "network"
    OTHER = "other"


_OTHER_CAUSES = frozenset(
    {Cause.RATE_LIMIT, Cause.QUOTA_OR_BILLING, Cause.NOT_FOUND, Cause.VALIDATION, Cause.NETWORK, Cause.OTHER}
)
CAUSES_OF: dict[Verdict, frozenset[Cause]] = {
    Verdict.PERMISSION: frozenset(Cause) - _OTHER_CAUSES - {Cause.AUTHENTICATION},
    Verdict.AUTHENTICATION: frozenset({Cause.AUTHENTICATION}),
    # A disabled service, and an edge (region, WAF) that answered before anybody's rights were looked at.
    Verdict.OTHER: _OTHER_CAUSES | {Cause.ENTITLEMENT_NOT_ENABLED, Cause.NETWORK_OR_IP_RESTRICTION},
    Verdict.UNKNOWN: frozenset(),
}


class Confidence(StrEnum):
    """confirmed: the text says so in words only this cause produces. likely: the best reading. unknown: none."""

    CONFIRMED = "confirmed"
    LIKELY = "likely"
    UNKNOWN = "unknown"


class ArtifactKind(StrEnum):
    """The language of an artifact; it decides how captured values are quoted when it is rendered."""

    SQL = "sql"
    JSON_POLICY = "json-policy"
    MANIFEST = "manifest"
    CONFIG = "config"
    REDIS_ACL = "redis-acl"
    SHELL = "shell"
    HTTP = "http"


class Contract(BaseModel):
    """Base of every contract type: immutable, and an unknown field is an error."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class Evidence(Contract):
    """A quote of the event text: `text[start:end] == quote`, offsets in characters of the text as stored."""

    quote: str
    start: int = Field(ge=0)
    end: int = Field(ge=0)
    field: str


class Artifact(Contract):
    """One change that an admin can apply as it stands once each placeholder is replaced."""

    kind: ArtifactKind
    title: str
    content: str
    placeholders: tuple[str, ...] = ()
    apply: str


class Fix(Contract):
    """The smallest change that resolves the failure, with what it risks and how to take it back."""

    summary: str
    steps: tuple[str, ...] = ()
    artifacts: tuple[Artifact, ...] = ()
    risk: str | None = None
    undo: str | None = None


class Verify(Contract):
    """A read-only check that the fix worked, and what it prints then."""

    command: str
    expect: str


class ByRule(Contract):
    kind: Literal["rule"] = "rule"
    rule: str
    version: str


class ByLLM(Contract):
    """Provenance of a model's answer. `cost` in US dollars, `latency` in seconds."""

    kind: Literal["llm"] = "llm"
    prompt: str
    prompt_version: str
    provider: str
    model: str
    input_tokens: int
    output_tokens: int
    cost: float | None
    latency: float


class ByReviewer(Contract):
    """An engineer's correction of an earlier analysis."""

    kind: Literal["reviewer"] = "reviewer"
    reviewer: str
    corrects: str


class ByNobody(Contract):
    kind: Literal["none"] = "none"


ProducedBy = Annotated[ByRule | ByLLM | ByReviewer | ByNobody, Field(discriminator="kind")]


class Answer(Contract):
    """Why it was denied, the smallest fix, and how to verify it.

    `principal`, `action` and `resource` stand exactly as in the event, or are null. `cause` is null only for `unknown`.
    Raises `ValidationError` where verdict, cause, confidence and artifacts contradict each other.
    """

    id: str
    verdict: Verdict
    cause: Cause | None
    system: str | None
    title: str
    explanation: str
    principal: str | None = None
    action: str | None = None
    resource: str | None = None
    missing_permissions: tuple[str, ...] = ()
    confidence: Confidence
    evidence: tuple[Evidence, ...] = ()
    fix: Fix | None = None
    verify: Verify | None = None
    references: tuple[str, ...] = ()
    produced_by: ProducedBy

    @model_validator(mode="after")
    def _is_consistent(self) -> Self:
        if self.verdict is Verdict.UNKNOWN:
            if self.cause is not None or self.confidence is not Confidence.UNKNOWN:
                raise ValueError("an unknown verdict has no cause and confidence unknown")
        elif self.cause not in CAUSES_OF[self.verdict]:
            raise ValueError(f"cause {self.cause} cannot stand with verdict {self.verdict}")
        elif self.confidence is Confidence.UNKNOWN:
            raise ValueError("a verdict other than unknown needs confidence confirmed or likely")
        if self.verdict is not Verdict.PERMISSION and self.fix and self.fix.artifacts:
            raise ValueError("only a permission failure may carry artifacts")
        return self


def abstain(answer_id: str, reason: str) -> Answer:
    """The answer that claims nothing: no rule knows the text."""
    return Answer(
        id=answer_id,
        verdict=Verdict.UNKNOWN,
        cause=None,
        system=None,
        title="No known denial recognised",
        explanation=reason,
        confidence=Confidence.UNKNOWN,
        produced_by=ByNobody(),
    )
