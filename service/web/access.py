"""Who calls, and what they may do: programs by API key (`Authorization: Bearer`), people by their session cookie.

Scopes: `read` sees, `ingest` sends events, `review` decides, `admin` may do everything.
"""

from contextlib import suppress
from dataclasses import dataclass
from typing import Annotated, Any, Literal

from fastapi import Depends, Request, Security
from fastapi.security import APIKeyCookie, HTTPBearer
from sqlalchemy.exc import SQLAlchemyError

from service.store import access
from service.web.problems import ProblemError
from service.web.services import Services, services_of

Scope = Literal["ingest", "read", "review", "admin"]
ROLE_SCOPES: dict[str, frozenset[str]] = {
    "viewer": frozenset({"read"}),
    "reviewer": frozenset({"read", "review"}),
    "admin": frozenset(access.SCOPES),
}
_READING = frozenset({"GET", "HEAD"})
_POSTS_FOR_VIEWERS = frozenset({"/explain", "/account/password", "/account/sessions/end", "/account/sessions/others"})

_bearer = HTTPBearer(auto_error=False, scheme_name="apiKey", description="An API key: `wd_...`.")
_session = APIKeyCookie(
    name="whydenied", auto_error=False, scheme_name="session", description="Of a person signed in at `/login`."
)
_Services = Annotated[Services, Depends(services_of)]


@dataclass(frozen=True, slots=True)
class Caller:
    """Whoever made the request. `name` is a person's e-mail, or a key's name after `key `; only people have the ids."""

    name: str
    scopes: frozenset[str]
    account_id: str | None = None
    session_id: str | None = None

    @property
    def email(self) -> str:
        return self.name

    def may(self, scope: Scope) -> bool:
        return scope in self.scopes or "admin" in self.scopes


class SignInRequired(Exception):
    """A page was asked for by somebody who is not signed in."""


def identify(request: Request, services: Services) -> Caller | None:
    """The owner of the key if one is sent, else the person signed in, else None."""
    if "authorization" in request.headers:
        return _owner_of_key(request, services)
    found = services.sign_in.session_of(request)
    if found is None:
        return None
    session, account = found
    return Caller(account.username, ROLE_SCOPES[account.role], account.id, session.id)


def _owner_of_key(request: Request, services: Services) -> Caller | None:
    scheme, _, token = request.headers["authorization"].partition(" ")
    if scheme.lower() != "bearer" or not token.strip():
        return None
    with services.engine.connect() as conn:
        key = access.find_api_key(conn, token.strip())
    if key is None:
        return None
    with suppress(SQLAlchemyError):  # a database that is busy writing must not refuse a reader
        access.note_use(services.engine, key)
    return Caller(f"key {key.name}", frozenset(key.scopes))


def needs(scope: Scope) -> Any:
    """A dependency of API operations: the caller, who may do what `scope` says; else 401 or 403."""

    def caller(
        request: Request,
        services: _Services,
        _key: Annotated[object, Security(_bearer)] = None,
        _cookie: Annotated[object, Security(_session)] = None,
    ) -> Caller:
        found = identify(request, services)
        if found is None:
            detail = "Send an API key that is valid: `Authorization: Bearer wd_...`, or sign in."
            raise ProblemError(401, "unauthenticated", detail, headers={"WWW-Authenticate": "Bearer"})
        if not found.may(scope):
            raise ProblemError(403, "missing-scope", f"{found.name} lacks the scope {scope}.", needed=scope)
        return found

    return Depends(caller)


def page_caller(request: Request, services: _Services) -> Caller:
    """A dependency of every page: the person signed in, who is kept as `request.state.account`.

    Pages that change something need the role reviewer. Raises `SignInRequired`.
    """
    found = identify(request, services)
    if found is None:
        raise SignInRequired
    only_reads = request.method in _READING or request.url.path in _POSTS_FOR_VIEWERS
    if not found.may("read" if only_reads else "review"):
        raise ProblemError(403, "missing-role", "Your role lets you look, not change. Ask an admin for another role.")
    request.state.account = found
    return found


def admin_page(caller: Annotated[Caller, Depends(page_caller)]) -> Caller:
    """A dependency of pages for admins only."""
    if not caller.may("admin"):
        raise ProblemError(403, "missing-role", "Only an admin may do this.")
    return caller
