"""`/sources/new`: make a connection. Its secret is made too, and shown once."""

from collections.abc import Mapping
from typing import Annotated, Any, get_args

from fastapi import APIRouter, Depends, Request
from fastapi.responses import HTMLResponse
from pydantic import ValidationError

from connectors.base import AuthScheme
from service.web.access import admin_page
from service.web.api_connections import post_connection
from service.web.connection_schema import ConnectionRequest
from service.web.pages import base_url, form_fields, show
from service.web.pages_queue import first_event_command
from service.web.problems import ProblemError
from service.web.services import Services, services_of
from service.web.words import SCHEMES

router = APIRouter(include_in_schema=False, dependencies=[Depends(admin_page)])
_Services = Annotated[Services, Depends(services_of)]
_PLAIN = {"bearer", "url-token", "none"}
_MESSAGES = {
    "name": "Lower-case letters, digits, dots, dashes and underscores, at most 63.",
    "scheme": "Choose one of the list.",
    "username": "Give the user name that the sender uses, without a colon.",
    "header": "Give the name of the header that carries the secret.",
    "secret": "A secret has 8 to 500 characters. Leave it empty to have one made.",
}


@router.get("/sources/new")
def connection_form(request: Request, services: _Services) -> HTMLResponse:
    """The empty form."""
    return _form(request, services, {"scheme": "bearer", "connector": "generic"})


@router.post("/sources/new")
def make_connection(
    request: Request, services: _Services, fields: Annotated[dict[str, str], Depends(form_fields)]
) -> HTMLResponse:
    """Make the connection and show how to send to it; else the form again, with what is to mend."""
    given = {name: value.strip() for name, value in fields.items()}
    try:
        made = post_connection(ConnectionRequest.model_validate(_request_data(given)), request, services)
    except ValidationError as error:
        wrong = {_field(problem["loc"]) for problem in error.errors()}
        return _form(request, services, given, {name: _MESSAGES.get(name, "Not valid.") for name in wrong}, 422)
    except ProblemError as problem:
        field = "name" if problem.slug == "name-taken" else "scheme"
        return _form(request, services, given, {field: problem.detail}, problem.status)
    command = first_event_command(base_url(request), made.name, made.scheme) if _takes_curl(made) else None
    return show(
        request, "connection_made.html", section="/sources", made=made, scheme=SCHEMES[made.scheme], curl=command
    )


def _takes_curl(made: Any) -> bool:
    return made.connector == "generic" and made.scheme in _PLAIN


def _request_data(given: Mapping[str, str]) -> dict[str, Any]:
    auth: dict[str, Any] = {"scheme": given.get("scheme", "")}
    if given.get("secret") and auth["scheme"] != "none":
        auth["secrets"] = [given["secret"]]
    if auth["scheme"] == "basic":
        auth["username"] = given.get("username", "")
    if auth["scheme"] == "header":
        auth["name"] = given.get("header", "")
    return {"name": given.get("name", ""), "connector": given.get("connector", ""), "auth": auth}


def _field(place: tuple[int | str, ...]) -> str:
    """The form's field for a place in the request."""
    match place:
        case ("auth", _, "secrets", *_):
            return "secret"
        case ("auth", _, "name"):
            return "header"
        case ("auth", _, "username"):
            return "username"
        case ("auth", *_):
            return "scheme"
    return str(place[0])


def _form(
    request: Request,
    services: Services,
    fields: Mapping[str, str],
    errors: Mapping[str, str] | None = None,
    status: int = 200,
) -> HTMLResponse:
    shown = {name: fields.get(name, "") for name in ("name", "connector", "scheme", "username", "header")}
    return show(
        request,
        "connection.html",
        status=status,
        section="/sources",
        fields=shown,
        errors=errors or {},
        connectors=[(name, connector.title) for name, connector in services.connectors.items()],
        schemes=[(scheme, SCHEMES[scheme]) for scheme in get_args(AuthScheme)],
    )
