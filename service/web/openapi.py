"""The OpenAPI document: what every operation has in common, so that the modules of the API need not repeat it."""

from typing import Any

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi

from service.web.problems import Problem

DESCRIPTION = """Why was it denied, what is the smallest change that fixes it, and did it work.

Errors are RFC 9457 problem documents. Programs send an API key, `Authorization: Bearer wd_...`; its scopes are `ingest`
(send events), `read`, `review` and `admin` (everything). A person's session works too, for requests of its own origin."""


def describe(app: FastAPI) -> None:
    """Make `app.openapi()` tell the whole truth about problems."""

    def openapi() -> dict[str, Any]:
        if not app.openapi_schema:
            app.openapi_schema = _document(app)
        return app.openapi_schema

    app.openapi = openapi  # type: ignore[method-assign]  # the way FastAPI documents


def _document(app: FastAPI) -> dict[str, Any]:
    document = get_openapi(title=app.title, version=app.version, description=app.description, routes=app.routes)
    schemas = document.setdefault("components", {}).setdefault("schemas", {})
    schema = Problem.model_json_schema(ref_template="#/components/schemas/{model}")
    schemas.update(schema.pop("$defs", {}))
    schemas["Problem"] = schema
    for unused in ("HTTPValidationError", "ValidationError"):
        schemas.pop(unused, None)
    return document
