"""Anthropic's Messages API, https://platform.claude.com/docs/en/api/messages, by its SDK. The only importer of the SDK.

The SDK takes more than a second to import, so that happens on the first call, in a thread.
"""

import asyncio
import time
from functools import cache
from typing import TYPE_CHECKING, Any

from pydantic import BaseModel

from service.llm.base import CALL_SECONDS, Completion, LLMError, Schema, Usage
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
from service.prompt.model import Rendered

if TYPE_CHECKING:
    from anthropic import APIError, AsyncAnthropic
    from anthropic.types import Message

_BASE_URL = "https://api.anthropic.com"
_CONNECT_SECONDS = 5.0
_PROTOCOL = "Messages API"


class Anthropic:
    """Claude through the official SDK. Retries are the caller's business, so that it can honour Retry-After."""

    name = "anthropic"
    default_model = "claude-sonnet-5-5"

    def __init__(
        self, *, api_key: str, model: str | None = None, base_url: str | None = None, timeout: float = CALL_SECONDS
    ) -> None:
        self.model = model or self.default_model
        self._base_url = base_url or _BASE_URL
        self._called = Called(self.name, self.model, without_login(self._base_url), api_key)
        self._timeout = timeout
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
            async with asyncio.timeout(self._timeout):
                message = await self._send(client, prompt, schema)
        except TimeoutError:
            raise timed_out(self._timeout) from None
        return self._read(message, schema, prompt.max_tokens, time.monotonic() - started)

    async def close(self) -> None:
        """See `Provider.close`."""
        client, self._client, self._opening = self._client, None, asyncio.Lock()
        if client is not None:
            await client.close()

    def _connect(self) -> "AsyncAnthropic":
        import anthropic  # noqa: PLC0415  1.6 s that a service without failures need not spend

        return anthropic.AsyncAnthropic(
            api_key=self._called.key,
            base_url=self._base_url,
            max_retries=0,
            open_telemetry=False,
            http_client=anthropic.DefaultAsyncHttpxClient(
                timeout=anthropic.Timeout(self._timeout, connect=_CONNECT_SECONDS), follow_redirects=False
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
            raise not_the_protocol(self._called, _PROTOCOL)
        used = message.usage
        written, read = used.cache_creation_input_tokens or 0, used.cache_read_input_tokens or 0
        usage = Usage(used.input_tokens + written + read, used.output_tokens, written, read)
        if message.stop_reason == "refusal":
            raise declined(usage)
        if message.stop_reason == "max_tokens":
            raise cut_off(max_tokens, usage)
        if message.stop_reason != "end_turn":
            raise stopped(message.stop_reason, usage)
        draft = read_draft("".join(block.text for block in message.content if block.type == "text"), schema, usage)
        return Completion(draft, self.name, message.model, usage, message.stop_reason, latency)

    def _explain(self, error: "APIError") -> LLMError:
        from anthropic import APIResponseValidationError, APIStatusError, APITimeoutError  # noqa: PLC0415

        if isinstance(error, APIStatusError):
            code = f"{error.type or ''} {error.error_code or ''}".strip()
            headers = error.response.headers
            return explain_refusal(self._called, error.status_code, code, error.api_message or "", headers)
        if isinstance(error, APITimeoutError):
            return LLMError(f"{self._called.address} did not answer in time", permanent=False)
        if isinstance(error, APIResponseValidationError):
            return not_the_protocol(self._called, _PROTOCOL)
        return unreachable(self._called)


PROVIDER = Anthropic


@cache
def _form_of(schema: type[BaseModel]) -> dict[str, Any]:
    """The schema as the API takes it; making it takes milliseconds."""
    from anthropic import transform_schema  # noqa: PLC0415  loaded by _connect

    return transform_schema(schema)
