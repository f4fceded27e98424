"""`/settings/accounts` and `/settings/sessions`: everybody who may sign in, and everybody who is."""

from typing import Annotated, Any

from fastapi import APIRouter, Depends, Request
from fastapi.responses import HTMLResponse, RedirectResponse, Response
from pydantic import ValidationError

from service.web.access import admin_page
from service.web.api_accounts import (
    AccountChange,
    AccountRequest,
    AccountSecret,
    delete_account_sessions,
    get_accounts,
    patch_account,
    post_account,
)
from service.web.api_sessions import delete_session, load_sessions
from service.web.notices import Notice, account_notice
from service.web.pages import form_fields, show
from service.web.problems import ProblemError
from service.web.schema import PathId
from service.web.services import Services, services_of

router = APIRouter(prefix="/settings", include_in_schema=False, dependencies=[Depends(admin_page)])
_Services = Annotated[Services, Depends(services_of)]
_Fields = Annotated[dict[str, str], Depends(form_fields)]
_CHANGES = {
    "lock": {"disabled": True},
    "unlock": {"disabled": False},
    "password": {"new_password": True},
}


@router.get("/accounts")
def show_accounts(request: Request, services: _Services) -> HTMLResponse:
    """All accounts, and a form for another."""
    return _accounts(request, services, notice=account_notice(request.query_params))


@router.get("/accounts.json")
def accounts_as_json() -> RedirectResponse:
    """The same, by REST."""
    return RedirectResponse("/api/v1/accounts", 307)


@router.post("/accounts")
def make_account(request: Request, services: _Services, fields: _Fields) -> HTMLResponse:
    """Make an account; its password is shown this once."""
    try:
        wanted = AccountRequest.model_validate({"email": fields.get("email", "").strip(), "role": fields.get("role")})
        made = post_account(wanted, request.state.account, services)
    except ValidationError:
        return _accounts(request, services, errors={"email": "Give an e-mail address."}, fields=fields, status=422)
    except ProblemError as problem:
        return _accounts(request, services, errors={"email": problem.detail}, fields=fields, status=problem.status)
    return _accounts(request, services, made=made)


@router.post("/accounts/{account_id}")
def change_account(request: Request, services: _Services, account_id: PathId, fields: _Fields) -> Response:
    """Change a role, lock somebody out or in, make a new password, or sign him out everywhere."""
    what = fields.get("do", "")
    try:
        if what == "sign-out":
            delete_account_sessions(account_id, request.state.account, services)
            return RedirectResponse("/settings/accounts?done=signed-out", 303)
        change = AccountChange.model_validate(_CHANGES.get(what, {"role": fields.get("role")}))
        changed = patch_account(account_id, change, request.state.account, services)
    except ValidationError:
        return _accounts(request, services, notice=Notice("That is no role.", "bad"), status=422)
    except ProblemError as problem:
        return _accounts(request, services, notice=Notice(problem.detail, "bad"), status=problem.status)
    if changed.password:
        return _accounts(request, services, made=changed)
    return RedirectResponse("/settings/accounts?done=changed", 303)


@router.get("/sessions")
def show_sessions(request: Request, services: _Services) -> HTMLResponse:
    """Everybody's sessions."""
    found = load_sessions(services, request.state.account, everybody=True)
    notice = account_notice(request.query_params)
    return show(request, "sessions.html", section="/settings", sessions=found, notice=notice)


@router.get("/sessions.json")
def sessions_as_json() -> RedirectResponse:
    """The same, by REST."""
    return RedirectResponse("/api/v1/sessions", 307)


@router.post("/sessions/end")
def end_session(request: Request, services: _Services, fields: _Fields) -> RedirectResponse:
    """Sign one browser out."""
    delete_session(fields.get("session", ""), request.state.account, services)
    return RedirectResponse("/settings/sessions?done=ended", 303)


def _accounts(
    request: Request,
    services: Services,
    *,
    made: AccountSecret | None = None,
    status: int = 200,
    **values: Any,
) -> HTMLResponse:
    given = {"fields": {"role": "reviewer"}, "errors": {}, "notice": None, "made": made, **values}
    provider = services.provider
    sets_roles = provider.client.name if provider and provider.client.admission.roles else None
    given |= {"accounts": get_accounts(services), "takes_passwords": services.sign_in.takes_passwords}
    return show(request, "accounts.html", status=status, section="/settings", sets_roles=sets_roles, **given)
