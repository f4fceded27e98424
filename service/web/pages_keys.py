"""`/settings/keys`: the API keys of programs."""

from datetime import UTC, datetime
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Request
from fastapi.responses import HTMLResponse, RedirectResponse
from pydantic import ValidationError

from service.store.access import SCOPES
from service.web.access import admin_page
from service.web.api_keys import ApiKeyMade, ApiKeyRequest, delete_api_key, get_api_keys, post_api_key
from service.web.notices import account_notice
from service.web.pages import base_url, form_fields, show
from service.web.services import Services, services_of

router = APIRouter(prefix="/settings/keys", include_in_schema=False, dependencies=[Depends(admin_page)])
_Services = Annotated[Services, Depends(services_of)]
_Fields = Annotated[dict[str, str], Depends(form_fields)]
_LIFETIMES = (("30", "30 days"), ("90", "90 days"), ("365", "a year"), ("", "no end"))
_ERRORS = {
    "name": "Say what it is for, in one line.",
    "scopes": "Tick one at least.",
    "days": "Choose one of the list.",
}


@router.get("")
def show_keys(request: Request, services: _Services) -> HTMLResponse:
    """All keys, and a form for another."""
    return _keys(request, services, notice=account_notice(request.query_params))


@router.get(".json")
def keys_as_json() -> RedirectResponse:
    """The same, by REST."""
    return RedirectResponse("/api/v1/api-keys", 307)


@router.post("")
def make_key(request: Request, services: _Services, fields: _Fields) -> HTMLResponse:
    """Make a key and show it this once."""
    scopes = [scope for scope in SCOPES if fields.get(f"scope-{scope}")]
    wanted = {"name": fields.get("name", "").strip(), "scopes": scopes, "days": fields.get("days") or None}
    try:
        made = post_api_key(ApiKeyRequest.model_validate(wanted), request.state.account, services)
    except ValidationError as error:
        wrong = {str(one["loc"][0]) for one in error.errors()}
        errors = {name: message for name, message in _ERRORS.items() if name in wrong}
        return _keys(request, services, errors=errors, fields=fields, status=422)
    return _keys(request, services, made=made)


@router.post("/revoke")
def revoke_key(request: Request, services: _Services, fields: _Fields) -> RedirectResponse:
    """End a key at once."""
    delete_api_key(fields.get("key", ""), request.state.account, services)
    return RedirectResponse("/settings/keys?done=revoked", 303)


def _keys(
    request: Request, services: Services, *, made: ApiKeyMade | None = None, status: int = 200, **values: Any
) -> HTMLResponse:
    given = {"fields": {"scope-read": "yes", "days": "90"}, "errors": {}, "notice": None, "made": made, **values}
    listed = {"keys": get_api_keys(services), "scopes": SCOPES, "lifetimes": _LIFETIMES, "now": datetime.now(UTC)}
    return show(request, "keys.html", status=status, section="/settings", base=base_url(request), **listed, **given)
