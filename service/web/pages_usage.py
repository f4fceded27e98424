"""`/usage`: what models are asked and what they cost."""

from datetime import UTC, datetime
from typing import Annotated

from fastapi import APIRouter, Depends, Request
from fastapi.responses import Response

from service.web.api_usage import load_usage
from service.web.pages import show_twinned, twinned
from service.web.services import Services, services_of

router = APIRouter(include_in_schema=False)


@twinned(router, "/usage")
def show_usage(request: Request, services: Annotated[Services, Depends(services_of)]) -> Response:
    """Models, budgets and totals."""
    with services.engine.connect() as conn:
        usage = load_usage(conn, services.models, datetime.now(UTC))
    return show_twinned(request, "usage.html", usage, section="/usage", usage=usage)
