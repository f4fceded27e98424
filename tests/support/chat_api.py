"""A real HTTP server on loopback that speaks chat completions strictly, as OpenAI, as xAI, or as an older server.

It refuses what the real ones refuse: unknown parameters, a schema that strict mode does not take, a missing key.
"""

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from typing import Any, Literal

from messages_api import MessagesApi, Reply, serve_script, whydenied_draft

Dialect = Literal["openai", "xai", "older", "oldest"]
KEY = "key-of-a-test-0123456789abcdef"
MODEL = "gpt-6-sol"
_FIELDS = {
    *("model", "messages", "max_completion_tokens", "max_tokens", "response_format", "reasoning_effort", "temperature"),
    *("store", "metadata", "stream", "stop", "seed", "top_p", "n", "user", "service_tier", "tools", "tool_choice"),
}
_UNKNOWN_TO = {
    "older": {"reasoning_effort", "max_completion_tokens"},
    "oldest": {"reasoning_effort", "max_completion_tokens", "response_format"},
}
_SCHEMA_WORDS = {"type", "properties", "required", "additionalProperties", "items", "enum", "const", "anyOf", "$defs"}


def message(text: str | None, stop_reason: str = "stop", *, refusal: str | None = None, **usage: Any) -> Reply:
    """A successful answer with this text."""
    used = {"prompt_tokens": 1200, "completion_tokens": 300, "total_tokens": 1500, **usage}
    choice = {
        "index": 0,
        "message": {"role": "assistant", "content": text, "refusal": refusal},
        "finish_reason": stop_reason,
    }
    return Reply(
        {
            "id": "chatcmpl-1",
            "object": "chat.completion",
            "created": 1,
            "model": MODEL,
            "choices": [choice],
            "usage": used,
        }
    )


def answer(**fields: Any) -> Reply:
    """A successful answer with a draft."""
    return message(json.dumps(whydenied_draft(**fields)))


def refuse(status: int, kind: str, text: str, headers: Mapping[str, str] | None = None, code: str = "") -> Reply:
    """An error in OpenAI's envelope."""
    return Reply({"error": {"message": text, "type": kind, "param": None, "code": code or None}}, status, headers or {})


def refuse_flat(status: int, code: str, text: str, headers: Mapping[str, str] | None = None) -> Reply:
    """An error in xAI's envelope."""
    return Reply({"code": code, "error": text}, status, headers or {})


@contextmanager
def serve_chat_api(dialect: Dialect = "openai") -> Iterator[MessagesApi]:
    """Run the server for the length of a `with` block; its `url` ends with the version, as a base URL does."""
    with serve_script(partial(_problem, dialect)) as api:
        api.default = answer()
        api.url += "/v1"
        yield api


def _problem(dialect: Dialect, path: str, headers: Mapping[str, str], body: bytes) -> Reply | None:
    if path != "/v1/chat/completions":
        return refuse(404, "invalid_request_error", f"Unknown request URL: POST {path}", code="unknown_url")
    if headers.get("content-type") != "application/json":
        return refuse(415, "invalid_request_error", "Unsupported content type")
    if headers.get("authorization") != f"Bearer {KEY}":
        if dialect == "xai":
            return refuse_flat(400, "Client specified an invalid argument", "Incorrect API key provided: ke***ef")
        return refuse(401, "invalid_request_error", "Incorrect API key provided: ke***ef", code="invalid_api_key")
    try:
        fault = next(_faults(dialect, json.loads(body)), None)
    except (ValueError, TypeError, KeyError) as error:
        fault = f"We could not parse the JSON body of your request: {error}"
    if fault is None:
        return None
    return (
        refuse_flat(400, "invalid-argument", fault) if dialect == "xai" else refuse(400, "invalid_request_error", fault)
    )


def _faults(dialect: Dialect, request: dict[str, Any]) -> Iterator[str]:
    for name in sorted(set(request) - _FIELDS | set(request) & _UNKNOWN_TO.get(dialect, set())):
        yield f"Unrecognized request argument supplied: {name}"
    for name in ("model", "messages"):
        if not request.get(name):
            yield f"Missing required parameter: '{name}'."
    if dialect == "openai" and "max_tokens" in request:
        yield "Unsupported parameter: 'max_tokens' is not supported with this model. Use 'max_completion_tokens'."
    if dialect == "xai" and "reasoning_effort" in request and request["model"].startswith("grok-4-"):
        yield "Model grok-4 does not support parameter reasoningEffort: reasoning_effort."
    if request.get("reasoning_effort", "low") not in {"none", "minimal", "low", "medium", "high"}:
        yield "Invalid value for 'reasoning_effort'"
    for number, one in enumerate(request["messages"]):
        if set(one) != {"role", "content"} or one["role"] not in {"system", "user"} or not one["content"]:
            yield f"Invalid value for messages[{number}]"
    yield from _form_faults(dialect, request)


def _form_faults(dialect: Dialect, request: dict[str, Any]) -> Iterator[str]:
    form = request.get("response_format", {"type": "text"})
    if form["type"] == "json_object":
        if "json" not in json.dumps(request["messages"]).lower():
            yield "'messages' must contain the word 'json' to use 'response_format' of type 'json_object'."
    elif form["type"] == "json_schema":
        if dialect == "older":
            yield "'response_format.type' must be 'text' or 'json_object', not 'json_schema'"
        elif set(form) != {"type", "json_schema"} or set(form["json_schema"]) != {"name", "strict", "schema"}:
            yield "Invalid value for 'response_format.json_schema'"
        else:
            yield from _schema_faults(form["json_schema"]["schema"])


def _schema_faults(schema: dict[str, Any]) -> Iterator[str]:
    where = "Invalid schema for response_format: "
    if "$ref" in schema:
        if set(schema) != {"$ref"}:
            yield f"{where}$ref cannot have keywords beside it"
        return
    for word in sorted(set(schema) - _SCHEMA_WORDS):
        yield f"{where}'{word}' is not permitted"
    if schema.get("type") == "object":
        if schema.get("additionalProperties") is not False:
            yield f"{where}'additionalProperties' is required to be supplied and to be false"
        if set(schema.get("required", ())) != set(schema["properties"]):
            yield f"{where}'required' is required to be an array including every key in properties"
    for one in [*schema.get("properties", {}).values(), *schema.get("$defs", {}).values(), *schema.get("anyOf", ())]:
        yield from _schema_faults(one)
    if "items" in schema:
        yield from _schema_faults(schema["items"])
