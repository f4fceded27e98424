"""`/login`, `/logout` and `/setup`: with `pages_oidc` the only pages that need nobody signed in."""

from typing import Annotated

from fastapi import APIRouter, Depends, Request
from fastapi.responses import HTMLResponse, RedirectResponse, Response

from service.web.pages import form_fields, show
from service.web.services import Services, services_of
from service.web.sign_in import SignInRefused, browser_of, local_path

router = APIRouter(include_in_schema=False)
FOR_EVERYBODY = True
_Services = Annotated[Services, Depends(services_of)]
_Fields = Annotated[dict[str, str], Depends(form_fields)]


@router.get("/login")
def login_form(request: Request, services: _Services, next: str = "/", out: str = "") -> Response:  # noqa: A002 - named in the URL
    """The sign-in form; without any account, the way to the set-up. `out`: somebody has just signed out."""
    if services.sign_in.open_setup_token() is not None:
        return RedirectResponse("/setup", 303)
    return login_page(request, services, None, local_path(next), signed_out=out == "provider")


def login_page(
    request: Request,
    services: Services,
    error: str | None,
    target: str,
    status: int = 200,
    *,
    email: str = "",
    signed_out: bool = False,
) -> HTMLResponse:
    """The sign-in page, with what went wrong and the provider where there is one."""
    values = {"error": error, "next": target, "email": email, "signed_out": signed_out}
    values |= {"provider": _provider_name(services), "takes_passwords": services.sign_in.takes_passwords}
    return show(request, "login.html", status=status, **values)


@router.post("/login")
def log_in(request: Request, services: _Services, fields: _Fields) -> Response:
    """Sign in and go to where the person wanted to."""
    email, target = fields.get("email", "").strip(), local_path(fields.get("next", "/"))
    try:
        token = services.sign_in.sign_in(email, fields.get("password", ""), browser_of(request))
    except SignInRefused as refusal:
        return _refused(login_page(request, services, str(refusal), target, 401, email=email), refusal)
    response = RedirectResponse(target, 303)
    services.sign_in.remember(response, token)
    return response


@router.post("/logout")
def log_out(request: Request, services: _Services) -> Response:
    """End the session, in the database too."""
    issuer = services.sign_in.sign_out(request)
    at_provider = services.provider is not None and issuer == services.provider.client.issuer
    response = RedirectResponse("/login?out=provider" if at_provider else "/login", 303)
    services.sign_in.forget(response)
    return response


@router.get("/setup")
def setup_form(request: Request, services: _Services, token: str = "") -> Response:
    """The form for the first account."""
    if services.sign_in.open_setup_token() is None:
        return RedirectResponse("/login", 303)
    return show(request, "setup.html", error=None, token=token, provider=_provider_name(services))


@router.post("/setup")
def set_up(request: Request, services: _Services, fields: _Fields) -> Response:
    """Make the first account and sign it in."""
    email, token = fields.get("email", "").strip(), fields.get("token", "").strip()
    try:
        session = services.sign_in.make_first_account(token, email, fields.get("password", ""), browser_of(request))
    except SignInRefused as refusal:
        given = {"error": str(refusal), "token": token, "email": email, "provider": _provider_name(services)}
        return _refused(show(request, "setup.html", status=422, **given), refusal)
    response = RedirectResponse("/", 303)
    services.sign_in.remember(response, session)
    return response


def _refused(page: Response, refusal: SignInRefused) -> Response:
    if refusal.retry_after:
        page.status_code = 429
        page.headers["Retry-After"] = str(refusal.retry_after)
    return page


def _provider_name(services: Services) -> str | None:
    return services.provider.client.name if services.provider else None
