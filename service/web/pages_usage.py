"""`/usage`: what models are asked and what they cost."""

from datetime import UTC, datetime
from typing import Annotated

from fastapi import APIRouter, Depends, Request
from fastapi.responses import HTMLResponse

from service.web.api_usage import load_usage
from service.web.pages import show
from service.web.services import Services, services_of

router = APIRouter(include_in_schema=False)


@router.get("/usage")
def show_usage(request: Request, services: Annotated[Services, Depends(services_of)]) -> HTMLResponse:
    """Models, budgets and totals."""
    with services.engine.connect() as conn:
        usage = load_usage(conn, services.models, datetime.now(UTC))
    return show(request, "usage.html", section="/usage", usage=usage)
