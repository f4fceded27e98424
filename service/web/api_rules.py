"""`GET /api/v1/rules`: what is known without a model."""

from typing import Annotated

from fastapi import APIRouter, Depends
from pydantic import Field

from service.domain import Cause, Confidence, Verdict
from service.match.matcher import ReadyRule
from service.web.access import needs
from service.web.problems import responses
from service.web.schema import Output
from service.web.services import Services, services_of

router = APIRouter(prefix="/api/v1", tags=["rules"])


class Rule(Output):
    """One known denial. `version` is the hash of the rule's content, as answers name it."""

    id: str
    title: str = Field(description="A template; the words in braces come from the event.")
    system: str
    verdict: Verdict
    cause: Cause
    confidence: Confidence
    version: str
    owner: str


@router.get("/rules", dependencies=[needs("read")], responses=responses(401, 403, 422))
def list_rules(services: Annotated[Services, Depends(services_of)], system: str | None = None) -> list[Rule]:
    """All rules that are loaded, by id; with `system`, those of one system."""
    known = services.pipeline.matcher.rules
    return [_rule(known[name]) for name in sorted(known) if system in {None, known[name].pack.system}]


def _rule(ready: ReadyRule) -> Rule:
    rule = ready.rule
    return Rule(
        id=rule.id,
        title=rule.title,
        system=ready.pack.system,
        verdict=rule.verdict,
        cause=rule.cause,
        confidence=rule.confidence,
        version=ready.version,
        owner=ready.pack.owner,
    )
