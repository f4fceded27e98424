"""`/sources/new`: choose a source, then make its connection. Its secret is made too, and shown once."""

from collections.abc import Mapping
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Request
from fastapi.responses import Response
from pydantic import ValidationError

from connectors.base import AuthScheme, Connector
from service.web.access import admin_page
from service.web.api_connections import post_connection
from service.web.connection_schema import ConnectionRequest
from service.web.connection_view import show_connection
from service.web.pages import form_fields, show_twinned, twinned
from service.web.problems import ProblemError
from service.web.services import Services, services_of
from service.web.words import GROUPS, SCHEMES

router = APIRouter(include_in_schema=False, dependencies=[Depends(admin_page)])
_Services = Annotated[Services, Depends(services_of)]
_FIELDS = ("name", "connector", "scheme", "username", "header", "senders", "audience", "keys_url")
_USERNAME, _HEADER = "whydenied", "X-Whydenied-Key"
_MESSAGES = {
    "name": "Lower-case letters, digits, dots, dashes and underscores, at most 63.",
    "scheme": "Choose one of the list.",
    "username": "Give the user name that the sender uses, without a colon.",
    "header": "Give the name of the header that carries the secret.",
    "secret": "A secret has 8 to 500 characters. Leave it empty to have one made.",
    "senders": "Give at most 50, one on each line.",
    "audience": "At most 2,000 characters.",
    "keys_url": "Give an address that begins with https://.",
}


@twinned(router, "/sources/new")
def connection_form(request: Request, services: _Services, connector: str = "", q: str = "") -> Response:
    """The list of sources, or the form of the one that was chosen."""
    chosen = services.connectors.get(connector)
    if chosen is None:
        return _choice(request, services, q, f"There is no source called {connector}." if connector else "")
    return _form(request, chosen, _presets(chosen))


@router.post("/sources/new")
def make_connection(
    request: Request, services: _Services, fields: Annotated[dict[str, str], Depends(form_fields)]
) -> Response:
    """Make the connection and show how to send to it; else the form again, with what is to mend."""
    given = {name: value.strip() for name, value in fields.items()}
    chosen = services.connectors.get(given.get("connector", ""))
    if chosen is None:
        return _choice(request, services, "", "Choose a source first.", 422)
    try:
        made = post_connection(
            ConnectionRequest.model_validate(_request_data(given, chosen)), request, services, request.state.account
        )
    except ValidationError as error:
        wrong = {_field(problem["loc"]) for problem in error.errors()}
        return _form(request, chosen, given, {name: _MESSAGES.get(name, "Not valid.") for name in wrong}, 422)
    except ProblemError as problem:
        return _form(request, chosen, given, {_field_of(problem): problem.detail}, problem.status)
    return show_connection(request, services, made.name, made=made.secrets)


def _request_data(given: Mapping[str, str], connector: Connector) -> dict[str, Any]:
    scheme = given.get("scheme", "")
    auth: dict[str, Any] = {"scheme": scheme}
    if scheme == "signature" and connector.public_key:
        auth["senders"] = [line.strip() for line in given.get("senders", "").splitlines() if line.strip()]
        auth |= {name: given[name] for name in ("audience", "keys_url") if given.get(name)}
    elif given.get("secret") and scheme != "none":
        auth["secrets"] = [given["secret"]]
    if scheme == "basic":
        auth["username"] = given.get("username", "")
    if scheme == "header":
        auth["name"] = given.get("header", "")
    return {"name": given.get("name", ""), "connector": connector.name, "auth": auth}


def _field(place: tuple[int | str, ...]) -> str:
    """The form's field for a place in the request."""
    match place:
        case ("auth", _, "secrets", *_):
            return "secret"
        case ("auth", _, "name"):
            return "header"
        case ("auth", _, "username" | "senders" | "audience" | "keys_url" as name, *_):
            return name
        case ("auth", *_):
            return "scheme"
    return str(place[0])


def _field_of(problem: ProblemError) -> str:
    if problem.slug == "name-taken":
        return "name"
    return "senders" if "under senders" in problem.detail else "scheme"


def _presets(connector: Connector) -> dict[str, str]:
    header = connector.header_name or _HEADER
    return {"scheme": connector.schemes[0], "username": _USERNAME, "header": header, "name": connector.name}


def _choice(request: Request, services: Services, q: str, error: str = "", status: int = 200) -> Response:
    words = q.lower().split()
    listed = sorted(services.connectors.values(), key=lambda one: one.title.lower())
    fitting = [one for one in listed if all(word in f"{one.title} {one.name}".lower() for word in words)]
    groups = [(title, [one for one in fitting if one.group == group]) for group, title in GROUPS.items()]
    shown = [(title, members) for title, members in groups if members]
    twin = {"items": [{"name": one.name, "title": one.title, "group": one.group} for one in fitting]}
    return show_twinned(
        request,
        "connect.html",
        twin,
        status=status,
        section="/sources",
        groups=shown,
        q=q,
        error=error,
        count=len(listed),
    )


def _form(
    request: Request,
    connector: Connector,
    fields: Mapping[str, str],
    errors: Mapping[str, str] | None = None,
    status: int = 200,
) -> Response:
    return show_twinned(
        request,
        "connect_form.html",
        {"connector": connector.name, "title": connector.title, "schemes": connector.schemes},
        status=status,
        section="/sources",
        fields={name: fields.get(name, "") for name in _FIELDS},
        errors=errors or {},
        connector=connector,
        schemes=[(scheme, SCHEMES[scheme], _scheme_hint(scheme, connector)) for scheme in connector.schemes],
        secret_schemes=[
            s for s in connector.schemes if s != "none" and not (s == "signature" and connector.public_key)
        ],
    )


def _scheme_hint(scheme: AuthScheme, connector: Connector) -> str:
    if scheme == "signature" and connector.public_key:
        return "with the vendor's own key, so there is no secret; say whose deliveries are meant"
    if scheme == "signature" and connector.vendor_secret:
        return f"{connector.title} makes the secret; give it here or later"
    return _HINTS[scheme]


_HINTS: dict[AuthScheme, str] = {
    "signature": "nobody can change a delivery or send it again later",
    "bearer": "Authorization: Bearer, then the secret",
    "basic": "the secret is the password",
    "header": "the secret stands in a header",
    "url-token": "?token= and the secret; it ends up in logs of proxies",
    "none": "whoever reaches the address may post",
}
