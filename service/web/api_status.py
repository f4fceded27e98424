"""`GET /api/v1/status`: the state of the service in numbers."""

from typing import Annotated

from fastapi import APIRouter, Depends
from pydantic import Field

from service import __version__
from service.store.deliveries import count_unparsed
from service.store.failures import counts_by_status
from service.web.access import needs
from service.web.problems import responses
from service.web.schema import Output, Status
from service.web.services import Services, services_of

router = APIRouter(prefix="/api/v1", tags=["status"])


class ServiceStatus(Output):
    version: str
    rules: int = Field(description="Rules that are loaded.")
    model_configured: bool = Field(description="Whether a model is asked where no rule answers.")
    waiting: int = Field(description="Events that wait for their transaction in this process.")
    failures: dict[Status, int] = Field(description="Failures by review status.")
    unparsed: dict[str, int] = Field(description="Deliveries that could not be read, by connection.")


@router.get("/status", dependencies=[needs("read")], responses=responses(401, 403))
def get_status(services: Annotated[Services, Depends(services_of)]) -> ServiceStatus:
    """The version, and how much of what there is."""
    with services.engine.connect() as conn:
        failures, unparsed = counts_by_status(conn), count_unparsed(conn)
    return ServiceStatus(
        version=__version__,
        rules=len(services.pipeline.matcher.rules),
        model_configured=bool(services.models.models),
        waiting=services.writer.waiting,
        failures=failures,
        unparsed=unparsed,
    )
