"""`POST /api/v1/explain`: one error text in, one answer out, nothing stored."""

from typing import Annotated

from fastapi import APIRouter, Depends

from service.domain import Answer
from service.redact import RedactionFailed
from service.web.access import needs
from service.web.problems import ProblemError, responses
from service.web.schema import ExplainRequest
from service.web.services import Services, services_of

router = APIRouter(prefix="/api/v1", tags=["explain"])


@router.post("/explain", dependencies=[needs("read")], responses=responses(400, 401, 403, 413, 422))
def explain(body: ExplainRequest, services: Annotated[Services, Depends(services_of)]) -> Answer:
    """Explain one error text. Rules answer at once; where none knows the text, the verdict is `unknown`."""
    try:
        return services.pipeline.explain(services.pipeline.clean(body.text), body.context)
    except RedactionFailed:
        raise ProblemError(503, "redaction-failed", "The text could not be cleared of secrets.") from None
