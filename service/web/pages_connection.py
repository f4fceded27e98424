"""`/sources/{name}`: one connection, what to paste into its sender, how it fares, and what can be done about it."""

import asyncio
from typing import Annotated

from fastapi import APIRouter, Depends, Request
from fastapi.responses import RedirectResponse, Response
from pydantic import ValidationError

from service.web.access import admin_page
from service.web.api_connections import delete_connection, delete_test, put_secrets, rotate_secret
from service.web.api_limits import LimitsRequest, put_limits
from service.web.connection_schema import SecretsRequest
from service.web.connection_view import show_connection
from service.web.notices import Notice, source_notice
from service.web.pages import form_fields, twinned
from service.web.problems import ProblemError
from service.web.schema import PathId
from service.web.services import Services, services_of
from service.web.trial import try_connection

router = APIRouter(include_in_schema=False)
_Services = Annotated[Services, Depends(services_of)]
_Fields = Annotated[dict[str, str], Depends(form_fields)]
_admins = [Depends(admin_page)]


@twinned(router, "/sources/{name}")
def connection_page(request: Request, services: _Services, name: PathId) -> Response:
    """How one connection fares. Its secrets are not shown again."""
    return show_connection(request, services, name, notice=source_notice(request.query_params))


@router.post("/sources/{name}/secret", dependencies=_admins, response_model=None)
def give_secret(request: Request, services: _Services, name: PathId, fields: _Fields) -> Response:
    """Take the secret that the vendor made."""
    try:
        wanted = SecretsRequest(secrets=(fields.get("secret", "").strip(),))
    except ValidationError:
        errors = {"secret": "A secret has 8 to 500 characters. Paste it as the vendor shows it."}
        return show_connection(request, services, name, errors=errors, status=422)
    put_secrets(name, wanted, request, services, request.state.account)
    return RedirectResponse(f"/sources/{name}?done=secret", 303)


@router.post("/sources/{name}/rotate", dependencies=_admins)
def rotate(request: Request, services: _Services, name: PathId, fields: _Fields) -> Response:
    """Make a new secret and show it this once."""
    made = rotate_secret(name, request, services, request.state.account, keep_old=fields.get("old") != "end")
    return show_connection(request, services, name, made=made.secrets)


@router.post("/sources/{name}/limits", dependencies=_admins, response_model=None)
def limit(request: Request, services: _Services, name: PathId, fields: _Fields) -> Response:
    """Say what it may deliver; an empty field goes by the settings."""
    given = {one: fields.get(one, "").strip() for one in LimitsRequest.model_fields}
    try:
        wanted = LimitsRequest.model_validate_strings({one: text for one, text in given.items() if text})
    except ValidationError as error:
        errors = {str(one["loc"][0]): "A number from 0 on; 0 is no limit." for one in error.errors()}
        return show_connection(request, services, name, errors=errors, fields=given, status=422)
    put_limits(name, wanted, services, request.state.account)
    return RedirectResponse(f"/sources/{name}?done=limits", 303)


@router.post("/sources/{name}/test", dependencies=_admins, response_model=None)
async def send_test(request: Request, services: _Services, name: PathId) -> Response:
    """Send a test event through the connection; the page says what became of it."""
    try:
        trial = await try_connection(services, request.app.ingest, name, request.state.account.name)
    except ProblemError as problem:
        if problem.status != 409:
            raise
        notice, status = Notice(problem.detail, "bad"), 409
    else:
        notice = Notice(
            f"The test event was answered {trial.status}. {trial.detail}", "good" if trial.failure_id else "bad"
        )
        status = 200
    return await asyncio.to_thread(show_connection, request, services, name, notice=notice, status=status)


@router.post("/sources/{name}/test/delete", dependencies=_admins)
def forget_test(request: Request, services: _Services, name: PathId) -> RedirectResponse:
    """Delete what test events stored."""
    delete_test(name, services, request.state.account)
    return RedirectResponse(f"/sources/{name}?done=untested", 303)


@router.post("/sources/{name}/delete", dependencies=_admins)
def delete(request: Request, services: _Services, name: PathId) -> RedirectResponse:
    """Remove the connection; what it delivered stays."""
    delete_connection(name, services, request.state.account)
    return RedirectResponse("/sources?done=deleted", 303)
