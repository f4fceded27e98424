"""`/settings`: what is in force here and where it was set. Changing it is for whoever starts the process."""

from dataclasses import asdict
from datetime import UTC, datetime
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Request
from fastapi.encoders import jsonable_encoder
from fastapi.responses import HTMLResponse, JSONResponse

from service.store.activity import last_activity
from service.upkeep import DELETED
from service.web.access import admin_page
from service.web.api_usage import load_usage
from service.web.pages import show
from service.web.services import Services, services_of

router = APIRouter(include_in_schema=False, dependencies=[Depends(admin_page)])
_Services = Annotated[Services, Depends(services_of)]


@router.get("/settings")
def show_settings(request: Request, services: _Services) -> HTMLResponse:
    """Retention, budgets, redaction, and every setting."""
    return show(request, "settings.html", section="/settings", **_in_force(services))


@router.get("/settings.json")
def settings_as_json(services: _Services) -> JSONResponse:
    """The same."""
    found = _in_force(services)
    told = found["settings"]
    return JSONResponse(jsonable_encoder(found | {"settings": [asdict(one) for one in told]}))


def _in_force(services: Services) -> dict[str, Any]:
    with services.engine.connect() as conn:
        deleted = last_activity(conn, DELETED)
        usage = load_usage(conn, services.models, datetime.now(UTC))
    by_name = {one.name: one for one in services.settings}
    return {
        "retention": {
            "days": services.retention_days,
            "last_deleted_at": deleted.at if deleted else None,
            "last_deleted": deleted.subject if deleted else None,
        },
        "budgets": {"day": usage.day, "month": usage.month, "calls_per_minute": usage.calls_per_minute},
        "redaction": {"emails": by_name["WHYDENIED_REDACT_EMAILS"].value == "true"},
        "settings": services.settings,
    }
