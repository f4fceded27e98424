"""What a reviewer sends. Each decision has its own shape, so that the OpenAPI document says what goes together."""

from typing import Annotated, Literal

from pydantic import ConfigDict, Field

from service.domain import Answer, Artifact, ByReviewer, Cause, Confidence, Evidence, Fix, Verdict, Verify
from service.store.reviews import Reason
from service.web.schema import Input, Line, Paragraphs

_PermissionCause = Literal[
    Cause.MISSING_GRANT,
    Cause.EXPLICIT_DENY,
    Cause.ORG_POLICY,
    Cause.PERMISSION_BOUNDARY,
    Cause.RESOURCE_POLICY,
    Cause.INSUFFICIENT_SCOPE,
    Cause.ROLE_TOO_LOW,
    Cause.TOKEN_OR_KEY_RESTRICTED,
    Cause.KEY_DISABLED_OR_REVOKED,
    Cause.ENTITLEMENT_NOT_ENABLED,
    Cause.NETWORK_OR_IP_RESTRICTION,
    Cause.FILE_MODE_OR_OWNERSHIP,
    Cause.MANDATORY_ACCESS_CONTROL,
    Cause.HIDDEN_AS_NOT_FOUND,
    Cause.ADMISSION_POLICY,
    Cause.SSO_OR_CONSENT_REQUIRED,
    Cause.PROTECTED_RESOURCE,
]
_OtherCause = Literal[
    Cause.RATE_LIMIT,
    Cause.QUOTA_OR_BILLING,
    Cause.NOT_FOUND,
    Cause.VALIDATION,
    Cause.NETWORK,
    Cause.OTHER,
    Cause.ENTITLEMENT_NOT_ENABLED,
]


class Advice(Input):
    """What to do where no grant helps: steps, and no artifact."""

    summary: Line
    steps: tuple[Line, ...] = ()
    risk: str | None = Field(None, max_length=2_000)
    undo: str | None = Field(None, max_length=2_000)


class Change(Advice):
    """The smallest change that resolves a permission failure."""

    artifacts: tuple[Artifact, ...] = Field((), max_length=10)


class _Correction(Input):
    system: Line | None = None
    title: Line
    explanation: Paragraphs = Field(min_length=1)
    principal: Line | None = None
    action: Line | None = None
    resource: Line | None = None
    missing_permissions: tuple[Line, ...] = ()
    confidence: Literal[Confidence.CONFIRMED, Confidence.LIKELY] = Confidence.CONFIRMED
    verify: Verify | None = None
    references: tuple[Line, ...] = ()


class PermissionCorrection(_Correction):
    """It is a permission failure."""

    verdict: Literal[Verdict.PERMISSION]
    cause: _PermissionCause
    fix: Change | None = None


class AuthenticationCorrection(_Correction):
    """Credentials are missing, malformed, expired or wrong."""

    verdict: Literal[Verdict.AUTHENTICATION]
    cause: Literal[Cause.AUTHENTICATION] = Cause.AUTHENTICATION
    fix: Advice | None = None


class OtherCorrection(_Correction):
    """Anything else that looks alike."""

    verdict: Literal[Verdict.OTHER]
    cause: _OtherCause
    fix: Advice | None = None


Correction = Annotated[
    PermissionCorrection | AuthenticationCorrection | OtherCorrection, Field(discriminator="verdict")
]


class _Review(Input):
    expected_version: int = Field(ge=0, le=2**31 - 1, description="`version` of the failure that the reviewer saw.")
    note: Paragraphs | None = None


class Approve(_Review):
    """The answer is right."""

    model_config = ConfigDict(json_schema_extra={"example": {"decision": "approve", "expected_version": 1}})

    decision: Literal["approve"]


class Correct(_Review):
    """The answer is wrong, and this is the right one."""

    decision: Literal["correct"]
    corrected: Correction


class Reject(_Review):
    """The answer is wrong."""

    decision: Literal["reject"]
    reason: Reason = "other"


ReviewRequest = Annotated[Approve | Correct | Reject, Field(discriminator="decision")]


def corrected_answer(correction: Correction, original: Answer, reviewer: str) -> Answer:
    """The reviewer's answer; quotes that prove a name which did not change are kept."""
    data = correction.model_dump()
    fix = data.pop("fix")
    return Answer(
        id=original.id,
        fix=Fix.model_validate(fix) if fix else None,
        evidence=tuple(_still_true(correction, original)),
        produced_by=ByReviewer(reviewer=reviewer, corrects=original.id),
        **data,
    )


def _still_true(correction: Correction, original: Answer) -> list[Evidence]:
    return [
        quote
        for quote in original.evidence
        if getattr(correction, quote.field, None) == getattr(original, quote.field, None)
    ]
