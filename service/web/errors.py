"""Every refusal and crash as a response: a page for a browser that asked for a page, else a problem document."""

from collections.abc import Callable, Iterable
from http import HTTPStatus

import structlog
from fastapi import FastAPI
from fastapi.exceptions import RequestValidationError
from fastapi.routing import APIRouter
from sqlalchemy.exc import InterfaceError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolExhausted
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Match, Route
from starlette.types import Scope

from service.web.pages import is_twin, show_error
from service.web.problems import (
    ProblemError,
    crash,
    from_http_exception,
    from_validation,
    problem_response,
    unavailable,
)

log = structlog.get_logger(__name__)

_NO_PAGES = ("/api/", "/ingest/", "/openapi.json", "/healthz", "/readyz", "/metrics")


def install_errors(app: FastAPI, routers: Iterable[APIRouter]) -> None:
    """Make the application answer every error in one of the two forms."""
    allowed = _method_table([*app.routes, *(route for router in routers for route in router.routes)])

    async def handle_problem(request: Request, error: Exception) -> Response:
        assert isinstance(error, ProblemError)
        return respond(request, error)

    async def handle_http(request: Request, error: Exception) -> Response:
        assert isinstance(error, HTTPException)
        problem = from_http_exception(error)
        if error.status_code == 405:
            problem.headers["Allow"] = ", ".join(allowed(request.scope))
        return respond(request, problem)

    async def handle_validation(request: Request, error: Exception) -> Response:
        assert isinstance(error, RequestValidationError)
        return respond(request, from_validation(error.errors()))

    async def handle_crash(request: Request, _error: Exception) -> Response:
        return respond(request, crash(request.state.request_id))

    async def handle_database(request: Request, error: Exception) -> Response:
        log.error("the database does not answer", error=str(getattr(error, "orig", error)))
        return respond(request, unavailable())

    for kind in (OperationalError, InterfaceError, PoolExhausted):
        app.add_exception_handler(kind, handle_database)
    app.add_exception_handler(ProblemError, handle_problem)
    app.add_exception_handler(HTTPException, handle_http)
    app.add_exception_handler(RequestValidationError, handle_validation)
    app.add_exception_handler(Exception, handle_crash)


def respond(request: Request, problem: ProblemError) -> Response:
    """The problem in the form that the caller reads."""
    if not is_page_request(request):
        return problem_response(problem)
    headline = HTTPStatus(problem.status).phrase.capitalize()
    response = show_error(request, problem.status, headline, problem.detail)
    response.headers.update(problem.headers)
    return response


def is_page_request(request: Request) -> bool:
    """Whether a browser asked for a page."""
    wants_page = "text/html" in request.headers.get("accept", "") and not is_twin(request)
    return wants_page and not request.url.path.startswith(_NO_PAGES)


def _method_table(routes: Iterable[object]) -> Callable[[Scope], list[str]]:
    """Which methods a path takes, over all of its routes: the framework names those of the first one only."""
    known = [route for route in routes if isinstance(route, Route)]

    def allowed(scope: Scope) -> list[str]:
        return sorted({method for route in known if _fits(route, scope) for method in route.methods or ()})

    return allowed


def _fits(route: Route, scope: Scope) -> bool:
    return route.matches(scope)[0] is not Match.NONE
