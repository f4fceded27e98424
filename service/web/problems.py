"""Errors as RFC 9457 problem details. Endpoints raise `ProblemError`; `errors.py` makes the responses."""

import json
from collections.abc import Mapping, Sequence
from http import HTTPStatus
from typing import Any

from pydantic import BaseModel, ConfigDict, Field
from starlette.exceptions import HTTPException
from starlette.responses import Response

MEDIA_TYPE = "application/problem+json"
_TYPE = "urn:whydenied:problem:"


class FieldProblem(BaseModel):
    """One invalid value of the request."""

    pointer: str = Field(
        description="JSON pointer into the body (`#/text`), or `query/limit`, `path/...`, `header/...`."
    )
    detail: str


class Problem(BaseModel):
    """Why a request was refused (RFC 9457)."""

    model_config = ConfigDict(extra="allow")

    type: str = Field(description="Identifies the kind of problem; stable.", examples=[_TYPE + "invalid-request"])
    title: str = Field(description="The kind of problem in words.")
    status: int = Field(ge=400, le=599)
    detail: str = Field(description="What happened here and what to do.")
    errors: list[FieldProblem] | None = Field(None, description="Invalid values, one by one.")


class ProblemError(Exception):
    """Ends a request with a problem. `slug` names the kind; `members` are added to the document as they are."""

    def __init__(
        self, status: int, slug: str, detail: str, *, headers: Mapping[str, str] | None = None, **members: Any
    ) -> None:
        super().__init__(detail)
        self.status = status
        self.slug = slug
        self.detail = detail
        self.headers = dict(headers or {})
        self.members = members


def problem_body(status: int, slug: str, detail: str, **members: Any) -> bytes:
    """The JSON document of one problem."""
    title = slug.replace("-", " ").capitalize()
    document = {"type": _TYPE + slug, "title": title, "status": status, "detail": detail, **members}
    return json.dumps(document, ensure_ascii=True, separators=(",", ":")).encode()


def problem_response(problem: ProblemError) -> Response:
    """A response that carries the problem."""
    body = problem_body(problem.status, problem.slug, problem.detail, **problem.members)
    return Response(body, problem.status, problem.headers, MEDIA_TYPE)


def responses(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """The OpenAPI description of the problems that an operation can answer with."""
    schema = {"$ref": "#/components/schemas/Problem"}
    return {
        status: {"description": HTTPStatus(status).phrase, "content": {MEDIA_TYPE: {"schema": schema}}}
        for status in statuses
    }


def _slug(status: int) -> str:
    if status == 413:
        return "content-too-large"  # Python 3.11 and 3.13 name it differently
    return HTTPStatus(status).phrase.lower().replace(" ", "-").replace("'", "")


_DETAILS = {
    400: "The request cannot be read: its body is not text in UTF-8, or no form.",
    404: "Nothing is at this address.",
    405: "This address does not take that method; the Allow header lists those it takes.",
    413: "The request body is larger than this service accepts.",
}


def from_http_exception(error: HTTPException) -> ProblemError:
    """The framework's own refusals (no route, wrong method, body too large, unreadable form)."""
    standard = HTTPStatus(error.status_code).phrase
    detail = (
        str(error.detail) if error.detail and error.detail != standard else _DETAILS.get(error.status_code, standard)
    )
    return ProblemError(error.status_code, _slug(error.status_code), detail, headers=error.headers)


def from_validation(errors: Sequence[Mapping[str, Any]]) -> ProblemError:
    """Invalid input, with a pointer to each value. The values themselves are not repeated."""
    fields = [{"pointer": _pointer(error["loc"]), "detail": _message(error)} for error in errors]
    first = fields[0] if fields else {"pointer": "#", "detail": "invalid"}
    detail = f"{first['pointer']}: {first['detail']}" + (f" (and {len(fields) - 1} more)" if len(fields) > 1 else "")
    return ProblemError(422, "invalid-request", detail, errors=fields)


def _message(error: Mapping[str, Any]) -> str:
    if error["type"] == "json_invalid":
        return f"not valid JSON: {error.get('ctx', {}).get('error', error['msg'])}"
    return str(error["msg"]).removeprefix("Value error, ")


def _pointer(location: Sequence[Any]) -> str:
    place, *path = [str(part).replace("~", "~0").replace("/", "~1") for part in location] or ["body"]
    return "#" + "".join(f"/{part}" for part in path) if place == "body" else "/".join([place, *path])


def crash(request_id: str) -> ProblemError:
    """The last resort; whoever wraps the application logs the cause."""
    detail = f"Something broke inside the service. Its log has the cause under request id {request_id}."
    return ProblemError(500, "internal-error", detail)


def unavailable() -> ProblemError:
    """The database is away."""
    detail = "The database does not answer. Nothing was changed; try again later."
    return ProblemError(503, "store-unavailable", detail, headers={"Retry-After": "5"})
