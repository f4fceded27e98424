"""`/healthz`, `/readyz`, `/metrics`: for whoever watches the service. No page, no part of the REST API."""

from typing import Annotated

from fastapi import APIRouter, Depends, Request
from fastapi.responses import JSONResponse, Response
from sqlalchemy.exc import SQLAlchemyError

from service.metrics import CONTENT_TYPE
from service.store.schema import is_current
from service.web.access import identify
from service.web.problems import ProblemError
from service.web.services import Services, services_of

router = APIRouter(include_in_schema=False)
_Services = Annotated[Services, Depends(services_of)]


@router.api_route("/healthz", methods=["GET", "HEAD"])
async def healthz() -> JSONResponse:
    """The process answers. Nothing else is looked at, so that a database that is away restarts nobody."""
    return JSONResponse({"status": "ok"})


@router.api_route("/readyz", methods=["GET", "HEAD"])
def readyz(services: _Services) -> JSONResponse:
    """Whether events would be accepted now: 200, or 503 with what is wrong."""
    checks = {"writer": _writer(services), **_database(services)}
    ready = set(checks.values()) == {"ok"}
    return JSONResponse({"status": "ok" if ready else "unready", "checks": checks}, 200 if ready else 503)


@router.get("/metrics")
def metrics(request: Request, services: _Services) -> Response:
    """Metrics for Prometheus."""
    if not services.metrics_public:
        caller = identify(request, services)
        if caller is None or not caller.may("read"):
            detail = "Metrics are not public here: send an API key of scope read."
            raise ProblemError(401, "unauthenticated", detail, headers={"WWW-Authenticate": "Bearer"})
    return Response(services.metrics.page(), media_type=CONTENT_TYPE)


def _writer(services: Services) -> str:
    if not services.writer.is_alive:
        return "stopped"
    return "stalled" if services.writer.is_stalled else "ok"


def _database(services: Services) -> dict[str, str]:
    try:
        with services.engine.connect() as conn:
            return {"database": "ok", "migrations": "ok" if is_current(conn) else "pending"}
    except SQLAlchemyError:
        return {"database": "unreachable"}
