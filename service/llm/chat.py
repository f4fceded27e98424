"""The chat completions protocol, which OpenAI defined and most servers of models speak.

Reference: https://platform.openai.com/docs/api-reference/chat/create. Servers differ in the parameters they take; what
one refuses by name is left out or replaced, and remembered as long as the process runs.
"""

import asyncio
import json
import time
from collections.abc import Mapping
from functools import cache
from typing import TYPE_CHECKING, Any

from pydantic import BaseModel

from service.llm.base import CALL_SECONDS, Completion, Schema, Usage
from service.llm.refusal import (
    Called,
    cut_off,
    declined,
    explain_refusal,
    not_the_protocol,
    read_draft,
    stopped,
    timed_out,
    unreachable,
    without_login,
)
from service.outgoing import open_client
from service.prompt.model import Rendered

if TYPE_CHECKING:
    import httpx

_PROTOCOL = "chat completions API"
_FORMS = ("json_schema", "json_object", "text")
_LIMITS = ("max_completion_tokens", "max_tokens")
_MOST_BYTES = 4 * 1024 * 1024
_CALLS_PER_CLIENT = 16  # httpx looks through all connections of a client for each request
_NOT_TAKEN = frozenset({400, 404, 415, 422, 500, 501})
_IN_WORDS = "\n\nAnswer with one JSON object that fits this JSON schema, and with nothing else:\n"


class ChatCompletions:
    """A model behind an endpoint that speaks chat completions. Providers name the endpoint and its first model."""

    name = ""
    default_model = ""
    base_url = ""

    def __init__(
        self, *, api_key: str, model: str | None = None, base_url: str | None = None, timeout: float = CALL_SECONDS
    ) -> None:
        self.model = model or self.default_model
        self._url = (base_url or self.base_url).rstrip("/") + "/chat/completions"
        self._called = Called(self.name, self.model, without_login(base_url or self.base_url), api_key)
        self._timeout = timeout
        self._clients: list[_Client] = []
        self._form, self._limit, self._takes_effort = _FORMS[0], _LIMITS[0], True

    async def ask(self, prompt: Rendered, schema: type[Schema]) -> Completion[Schema]:
        """See `Provider.ask`."""
        started = time.monotonic()
        try:
            async with asyncio.timeout(self._timeout):
                reply = await self._send(prompt, schema)
        except TimeoutError:
            raise timed_out(self._timeout) from None
        return self._read(reply, schema, prompt.max_tokens, time.monotonic() - started)

    async def close(self) -> None:
        """See `Provider.close`."""
        clients, self._clients = self._clients, []
        for client in clients:
            await client.http.aclose()

    async def _send(self, prompt: Rendered, schema: type[BaseModel]) -> Any:
        """The body of a 200 answer. A parameter that the server does not take is left out, once."""
        while True:
            asked = (self._form, self._limit, self._takes_effort)
            status, body, headers = await self._post(self._request(prompt, schema))
            content = _decode(body)
            if status == 200:
                return content
            code, words = _error_in(content, body)
            adapted = status in _NOT_TAKEN and self._adapt(f"{code} {words}".lower(), asked)
            if not adapted:
                raise explain_refusal(self._called, status, code, words, headers)

    def _request(self, prompt: Rendered, schema: type[BaseModel]) -> dict[str, Any]:
        system = prompt.system
        if self._form != "json_schema":
            system += _IN_WORDS + json.dumps(strict_schema(schema))
        request: dict[str, Any] = {
            "model": self.model,
            "messages": [{"role": "system", "content": system}, {"role": "user", "content": prompt.user}],
            self._limit: prompt.max_tokens,
        }
        if self._form == "json_schema":
            form = {"name": schema.__name__.lower(), "strict": True, "schema": strict_schema(schema)}
            request["response_format"] = {"type": "json_schema", "json_schema": form}
        elif self._form == "json_object":
            request["response_format"] = {"type": "json_object"}
        if self._takes_effort:
            request["reasoning_effort"] = prompt.effort
        return request

    def _adapt(self, refusal: str, asked: tuple[str, str, bool]) -> bool:
        """Whether another request may be taken. `asked` is what was sent: another call may have adapted meanwhile."""
        if "reasoning" in refusal and "effort" in refusal:
            self._takes_effort = False
        elif any(limit in refusal for limit in _LIMITS) and asked[1] == _LIMITS[0]:
            self._limit = _LIMITS[1]
        elif any(word in refusal for word in ("response_format", "json_schema", "json_object", "structured output")):
            self._form = _FORMS[min(_FORMS.index(asked[0]) + 1, len(_FORMS) - 1)]
        return asked != (self._form, self._limit, self._takes_effort)

    async def _post(self, request: dict[str, Any]) -> tuple[int, bytes, Mapping[str, str]]:
        import httpx  # noqa: PLC0415 - 0.1 s that a service without failures need not spend

        client = self._free_client()
        client.in_flight += 1
        try:
            async with client.http.stream("POST", self._url, json=request) as reply:
                body = bytearray()
                async for chunk in reply.aiter_bytes():
                    body += chunk
                    if len(body) > _MOST_BYTES:
                        raise not_the_protocol(self._called, _PROTOCOL)
                return reply.status_code, bytes(body), reply.headers
        except httpx.DecodingError:
            raise not_the_protocol(self._called, _PROTOCOL) from None
        except (httpx.HTTPError, httpx.InvalidURL):
            raise unreachable(self._called) from None
        finally:
            client.in_flight -= 1

    def _free_client(self) -> "_Client":
        free = next((client for client in self._clients if client.in_flight < _CALLS_PER_CLIENT), None)
        if free is None:
            headers = {"Authorization": f"Bearer {self._called.key}"} if self._called.key else {}
            free = _Client(open_client(timeout=self._timeout, headers=headers))
            self._clients.append(free)
        return free

    def _read(self, reply: Any, schema: type[Schema], max_tokens: int, latency: float) -> Completion[Schema]:
        try:
            choice = reply["choices"][0]
            message, reason = choice["message"], choice.get("finish_reason") or "stop"
            usage, model = _usage_of(reply["usage"]), str(reply.get("model") or self.model)
            text = message.get("content") or ""
            refused = reason == "content_filter" or bool(message.get("refusal"))
        except (KeyError, IndexError, TypeError, AttributeError, ValueError):
            raise not_the_protocol(self._called, _PROTOCOL) from None
        if refused:
            raise declined(usage)
        if reason == "length":
            raise cut_off(max_tokens, usage)
        if reason != "stop" or not isinstance(text, str):
            raise stopped(reason, usage)
        return Completion(read_draft(text, schema, usage), self.name, model, usage, reason, latency)


class _Client:
    """One HTTP client and how many calls it carries."""

    def __init__(self, http: "httpx.AsyncClient") -> None:
        self.http = http
        self.in_flight = 0


@cache
def strict_schema(schema: type[BaseModel]) -> dict[str, Any]:
    """The schema as strict structured output takes it: every field required, nothing else allowed, no annotations.

    Rules: https://platform.openai.com/docs/guides/structured-outputs#supported-schemas
    """
    strict: dict[str, Any] = _strict(schema.model_json_schema())
    return strict


def _strict(node: Any) -> Any:
    if isinstance(node, list):
        return [_strict(one) for one in node]
    if not isinstance(node, dict):
        return node
    if "$ref" in node:
        return {"$ref": node["$ref"]}
    kept = {name: value for name, value in node.items() if name not in {"title", "description", "default"}}
    for name in ("properties", "$defs"):
        if name in kept:
            kept[name] = {key: _strict(value) for key, value in kept[name].items()}
    for name in ("items", "anyOf"):
        if name in kept:
            kept[name] = _strict(kept[name])
    if kept.get("type") == "object":
        kept |= {"additionalProperties": False, "required": list(kept.get("properties", {}))}
    return kept


def _usage_of(used: Mapping[str, Any]) -> Usage:
    """Tokens as they are billed. xAI leaves reasoning out of `completion_tokens`, so the total decides."""
    sent, made = int(used["prompt_tokens"]), int(used["completion_tokens"])
    cached = int((used.get("prompt_tokens_details") or {}).get("cached_tokens") or 0)
    total = int(used.get("total_tokens") or 0)
    return Usage(sent, max(made, total - sent), 0, min(cached, sent))


def _decode(body: bytes) -> Any:
    try:
        return json.loads(body)
    except (ValueError, RecursionError):
        return None


def _error_in(content: Any, body: bytes) -> tuple[str, str]:
    """Code and words of an error: OpenAI's envelope, xAI's flat one, a bare text, or FastAPI's `detail`."""
    error = content.get("error", content.get("detail", content)) if isinstance(content, dict) else content
    if isinstance(error, dict):
        code = " ".join(str(error[name]) for name in ("type", "code") if error.get(name))
        return code, str(error.get("message") or error.get("error") or "")
    code = str(content.get("code") or "") if isinstance(content, dict) else ""
    if isinstance(error, str | list):
        return code, str(error)
    return code, "a web page" if b"<html" in body[:1_000].lower() else ""
