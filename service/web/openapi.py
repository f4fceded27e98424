"""The OpenAPI document: what every operation has in common, so that the modules of the API need not repeat it."""

from collections.abc import Mapping
from typing import Any

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi

from connectors.base import Connector
from service.web.problems import Problem, responses

DESCRIPTION = """Why was it denied, what is the smallest change that fixes it, and did it work.

Errors are RFC 9457 problem documents. Programs send an API key, `Authorization: Bearer wd_...`; its scopes are `ingest`
(send events), `read`, `review` and `admin` (everything). A person's session works too, for requests of its own site."""

_ANYWHERE = {str(status): response for status, response in responses(500, 503).items()}
_API = "/api/v1"
_ONE_FAILURE = ("get", f"{_API}/failures/{{failure_id}}")
_FAILURE_EVENTS = ("get", f"{_API}/failures/{{failure_id}}/events")
_ONE_ANALYSIS = ("get", f"{_API}/analyses/{{analysis_id}}")
_REVIEW = ("post", f"{_API}/analyses/{{analysis_id}}/review")
_STORED_FAILURE = {"failure_id": "$response.body#/failure/id"}
_CURRENT = {"analysis_id": "$response.body#/current_analysis_id"}
_LINKS = (
    (f"{_API}/events", "post", "202", "failure", _ONE_FAILURE, _STORED_FAILURE),
    (f"{_API}/events", "post", "202", "events", _FAILURE_EVENTS, _STORED_FAILURE),
    (_ONE_FAILURE[1], "get", "200", "analysis", _ONE_ANALYSIS, _CURRENT),
    (_ONE_FAILURE[1], "get", "200", "review", _REVIEW, _CURRENT),
)


def describe(app: FastAPI) -> None:
    """Make `app.openapi()` tell the whole truth about problems."""

    def openapi() -> dict[str, Any]:
        if not app.openapi_schema:
            app.openapi_schema = _document(app)
        return app.openapi_schema

    app.openapi = openapi  # type: ignore[method-assign]  # the way FastAPI documents


def _document(app: FastAPI) -> dict[str, Any]:
    document = get_openapi(title=app.title, version=app.version, description=app.description, routes=app.routes)
    if prefix := app.state.services.prefix:
        document["servers"] = [{"url": prefix}]
    schemas = document.setdefault("components", {}).setdefault("schemas", {})
    schema = Problem.model_json_schema(ref_template="#/components/schemas/{model}")
    schemas.update(schema.pop("$defs", {}))
    schemas["Problem"] = schema
    for unused in ("HTTPValidationError", "ValidationError"):
        schemas.pop(unused, None)
    for operations in document["paths"].values():
        for operation in operations.values():
            operation["responses"].update(_ANYWHERE)
    _link(document["paths"])
    _name_connectors(schemas["ConnectionRequest"], app.state.services.connectors)
    return document


def _link(paths: dict[str, Any]) -> None:
    """Which operation continues with what another one answered."""
    for path, method, status, name, target, parameters in _LINKS:
        operation = paths[target[1]][target[0]]["operationId"]
        links = paths[path][method]["responses"][status].setdefault("links", {})
        links[name] = {"operationId": operation, "parameters": parameters}


def _name_connectors(schema: dict[str, Any], connectors: Mapping[str, Connector]) -> None:
    """Which connectors there are, and the schemes of each, are known only when they have been discovered."""
    schema["properties"]["connector"]["enum"] = sorted(connectors)
    schema["allOf"] = [
        {
            "if": {"properties": {"connector": {"const": name}}},
            "then": {"properties": {"auth": _auth_of(connector)}},
        }
        for name, connector in sorted(connectors.items())
    ]


def _auth_of(connector: Connector) -> dict[str, Any]:
    schema: dict[str, Any] = {"properties": {"scheme": {"enum": list(connector.schemes)}}}
    if connector.public_key:
        signed = {"properties": {"senders": {"minItems": 1}, "secrets": {"type": "null"}}, "required": ["senders"]}
        schema |= {"if": {"properties": {"scheme": {"const": "signature"}}}, "then": signed}
    return schema
