"""`/account`: one's own password and sessions."""

from typing import Annotated

from fastapi import APIRouter, Depends, Request
from fastapi.encoders import jsonable_encoder
from fastapi.responses import HTMLResponse, JSONResponse, RedirectResponse, Response

from service.store.access import find_account
from service.web.access import Caller
from service.web.api_sessions import delete_session, end_other_sessions, load_sessions
from service.web.notices import account_notice
from service.web.pages import form_fields, show
from service.web.passwords import WeakPassword
from service.web.services import Services, services_of
from service.web.sign_in import SignInRefused, browser_of

router = APIRouter(include_in_schema=False)
_Services = Annotated[Services, Depends(services_of)]
_Fields = Annotated[dict[str, str], Depends(form_fields)]


@router.get("/account")
def show_account(request: Request, services: _Services) -> HTMLResponse:
    """Who one is here, the password, and where one is signed in."""
    return _page(request, services)


@router.get("/account.json")
def account_as_json(request: Request, services: _Services) -> JSONResponse:
    """The same."""
    caller: Caller = request.state.account
    mine = load_sessions(services, caller, everybody=False)
    return JSONResponse(jsonable_encoder({"name": caller.name, "scopes": sorted(caller.scopes), "sessions": mine}))


@router.post("/account/password")
def change_password(request: Request, services: _Services, fields: _Fields) -> Response:
    """A new password for the old one; all other browsers are signed out."""
    old, new = fields.get("old", ""), fields.get("new", "")
    try:
        token = services.sign_in.change_password(request.state.account.name, old, new, browser_of(request))
    except SignInRefused as refusal:
        return _page(request, services, {"old": str(refusal)}, 429 if refusal.retry_after else 422)
    except WeakPassword as error:
        return _page(request, services, {"new": str(error)}, 422)
    response = RedirectResponse("/account?done=password", 303)
    services.sign_in.remember(response, token)
    return response


@router.post("/account/sessions/end")
def end_session(request: Request, services: _Services, fields: _Fields) -> Response:
    """Sign one browser out."""
    delete_session(fields.get("session", ""), request.state.account, services)
    return RedirectResponse("/account?done=ended", 303)


@router.post("/account/sessions/others")
def end_others(request: Request, services: _Services) -> Response:
    """Sign every other browser out."""
    end_other_sessions(services, request.state.account)
    return RedirectResponse("/account?done=others", 303)


def _page(
    request: Request, services: Services, errors: dict[str, str] | None = None, status: int = 200
) -> HTMLResponse:
    caller: Caller = request.state.account
    with services.engine.connect() as conn:
        account = find_account(conn, caller.name)
    return show(
        request,
        "account.html",
        status=status,
        caller=caller,
        role=account.role if account else None,
        has_password=bool(account and account.password_hash and services.sign_in.takes_passwords),
        sessions=load_sessions(services, caller, everybody=False),
        errors=errors or {},
        fields={},
        notice=account_notice(request.query_params),
    )
