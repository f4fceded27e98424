"""Anthropic's Messages API, https://platform.claude.com/docs/en/api/messages, by its SDK. The only importer of the SDK.

The SDK takes more than a second to import, so that happens on the first call, in a thread.
"""

import asyncio
import re
import time
from email.utils import mktime_tz, parsedate_tz
from functools import cache
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from pydantic import BaseModel, ValidationError

from service.llm.base import Completion, LLMError, Schema, Usage
from service.prompt.model import Rendered

if TYPE_CHECKING:
    from anthropic import APIError, APIStatusError, AsyncAnthropic
    from anthropic.types import Message

_BASE_URL = "https://api.anthropic.com"
_CONNECT_SECONDS = 5.0
_TOTAL_SECONDS = 60.0
_KEY_SETTINGS = "WHYDENIED_LLM_API_KEY or WHYDENIED_LLM_API_KEY_FILE"
_OWN_ACCOUNT = "This is whydenied's own access to the model, not the failure it looked at."
_OWN_FAULTS = {
    401: f"whydenied's own key was refused ({{said}}). Set a valid {_KEY_SETTINGS} and restart.",
    402: "whydenied's own account cannot pay for the call ({said}). Settle it with the provider.",
    403: f"whydenied's own key may not use {{model}} ({{said}}). Give it access, or set another {_KEY_SETTINGS}.",
    404: "The model {model!r} or the address {address} is unknown ({said}). Set WHYDENIED_LLM_MODEL or "
    "WHYDENIED_LLM_BASE_URL and restart.",
}
_TROUBLE = {429: "The provider's rate limit is reached", 529: "The provider is overloaded"}
_TRANSIENT = frozenset({408, 409, 429})
_KEY_SHAPE = re.compile(r"\bsk-[\w*-]{6,}")
_MONEY = ("credit balance", "usage limits", "spend_limit", "billing")


class Anthropic:
    """Claude through the official SDK. Retries are the caller's business, so that it can honour Retry-After."""

    name = "anthropic"
    default_model = "claude-sonnet-5-5"

    def __init__(self, *, api_key: str, model: str | None = None, base_url: str | None = None) -> None:
        self.model = model or self.default_model
        self._api_key = api_key
        self._base_url = base_url or _BASE_URL
        self._address = _without_login(self._base_url)
        self._opening = asyncio.Lock()
        self._client: AsyncAnthropic | None = None
        self._takes_effort = True

    async def ask(self, prompt: Rendered, schema: type[Schema]) -> Completion[Schema]:
        """See `Provider.ask`."""
        async with self._opening:
            if self._client is None:
                self._client = await asyncio.to_thread(self._connect)
        client = self._client
        started = time.monotonic()
        try:
            async with asyncio.timeout(_TOTAL_SECONDS):
                message = await self._send(client, prompt, schema)
        except TimeoutError:
            raise LLMError(f"The model gave no answer within {_TOTAL_SECONDS:.0f} s", permanent=False) from None
        return self._read(message, schema, prompt.max_tokens, time.monotonic() - started)

    async def close(self) -> None:
        """See `Provider.close`."""
        client, self._client, self._opening = self._client, None, asyncio.Lock()
        if client is not None:
            await client.close()

    def _connect(self) -> "AsyncAnthropic":
        import anthropic  # noqa: PLC0415  1.6 s that a service without failures need not spend

        return anthropic.AsyncAnthropic(
            api_key=self._api_key,
            base_url=self._base_url,
            max_retries=0,
            open_telemetry=False,
            http_client=anthropic.DefaultAsyncHttpxClient(
                timeout=anthropic.Timeout(_TOTAL_SECONDS, connect=_CONNECT_SECONDS), follow_redirects=False
            ),
        )

    async def _send(self, client: "AsyncAnthropic", prompt: Rendered, schema: type[Schema]) -> "Message":
        from anthropic import APIError, BadRequestError  # noqa: PLC0415  loaded by _connect

        try:
            return await self._create(client, prompt, schema)
        except BadRequestError as error:
            if not (self._takes_effort and "effort" in (error.api_message or "")):
                raise self._explain(error) from error
            # Older models refuse the parameter; which ones is the provider's to say.
            self._takes_effort = False
            return await self._send(client, prompt, schema)
        except APIError as error:
            raise self._explain(error) from error

    async def _create(self, client: "AsyncAnthropic", prompt: Rendered, schema: type[Schema]) -> "Message":
        config: Any = {"format": {"type": "json_schema", "schema": _form_of(schema)}}
        if self._takes_effort:
            config["effort"] = prompt.effort
        return await client.messages.create(
            model=self.model,
            max_tokens=prompt.max_tokens,
            system=[{"type": "text", "text": prompt.system, "cache_control": {"type": "ephemeral"}}],
            messages=[{"role": "user", "content": prompt.user}],
            output_config=config,
        )

    def _read(self, message: "Message", schema: type[Schema], max_tokens: int, latency: float) -> Completion[Schema]:
        from anthropic import types  # noqa: PLC0415  loaded by _connect

        if not (isinstance(message, types.Message) and isinstance(message.usage, types.Usage)):
            raise LLMError(f"{self._address} did not answer as the Messages API does", permanent=False)
        if message.stop_reason == "refusal":
            told = "The model declined to answer this event. An engineer has to look at it."
            raise LLMError(told, permanent=True, billed=True)
        if message.stop_reason == "max_tokens":
            told = f"The model's answer was cut off at {max_tokens} tokens (max_tokens of the prompt)"
            raise LLMError(told, permanent=True, billed=True)
        if message.stop_reason != "end_turn":
            raise LLMError(f"The model stopped without an answer ({message.stop_reason})", permanent=True, billed=True)
        draft = _parse("".join(block.text for block in message.content if block.type == "text"), schema)
        used = message.usage
        written, read = used.cache_creation_input_tokens or 0, used.cache_read_input_tokens or 0
        usage = Usage(used.input_tokens + written + read, used.output_tokens, written, read)
        return Completion(draft, self.name, message.model, usage, message.stop_reason, latency)

    def _explain(self, error: "APIError") -> LLMError:
        from anthropic import APIResponseValidationError, APIStatusError, APITimeoutError  # noqa: PLC0415

        if isinstance(error, APIStatusError):
            return _explain_status(error, self.model, self._address, self._api_key)
        if isinstance(error, APITimeoutError):
            return LLMError(f"{self._address} did not answer in time", permanent=False)
        if isinstance(error, APIResponseValidationError):
            return LLMError(f"{self._address} did not answer as the Messages API does", permanent=False)
        return LLMError(
            f"{self._address} cannot be reached. Check the network, a proxy, or WHYDENIED_LLM_BASE_URL.",
            permanent=False,
        )


PROVIDER = Anthropic


@cache
def _form_of(schema: type[BaseModel]) -> dict[str, Any]:
    """The schema as the API takes it; making it takes milliseconds."""
    from anthropic import transform_schema  # noqa: PLC0415  loaded by _connect

    return transform_schema(schema)


def _parse(text: str, schema: type[Schema]) -> Schema:
    try:
        return schema.model_validate_json(text)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        place = ".".join(map(str, first["loc"])) or "the whole"
        told = f"The model's answer does not fit the form: {place}: {first['msg']}"
        raise LLMError(told, permanent=False, billed=True) from None


def _without_login(url: str) -> str:
    parts = urlsplit(url)
    return parts._replace(netloc=parts.netloc.rpartition("@")[2], query="", fragment="").geturl()


def _explain_status(error: "APIStatusError", model: str, address: str, key: str) -> LLMError:
    said = _quote(error, key)
    status = error.status_code
    if any(word in f"{error.error_code or ''} {said}".lower() for word in _MONEY):
        status = 402
    if status in _OWN_FAULTS:
        what = _OWN_FAULTS[status].format(said=f"{error.status_code}{said}", model=model, address=address)
        return LLMError(f"{what} {_OWN_ACCOUNT}", permanent=True, account=True)
    if status in _TRANSIENT or status >= 500:
        what = _TROUBLE.get(status, "The provider has trouble")
        return LLMError(f"{what} ({status}{said})", permanent=False, retry_after=_retry_after(error))
    what = "The event is too large for the model" if status == 413 else "The provider refused the request"
    return LLMError(f"{what} ({status}{said})", permanent=True)


def _quote(error: "APIStatusError", key: str) -> str:
    """The provider's words, short and on one line, without the key where a gateway repeats it."""
    words = " ".join((error.api_message or "").split())
    words = _KEY_SHAPE.sub("[hidden]", words.replace(key, "[hidden]"))[:200]
    return f": {words}" if words else ""


def _retry_after(error: "APIStatusError") -> float | None:
    """Seconds to wait, from `retry-after-ms` or `retry-after` (seconds or a date)."""
    headers = error.response.headers
    for name, unit in (("retry-after-ms", 0.001), ("retry-after", 1.0)):
        try:
            return max(0.0, float(headers[name]) * unit)
        except (KeyError, ValueError):
            continue
    moment = parsedate_tz(headers.get("retry-after", ""))
    return max(0.0, mktime_tz(moment) - time.time()) if moment else None
