"""What only servers that speak chat completions do; the rest is in test_provider_contract.py."""

import asyncio
import json

import pytest
from chat_api import KEY, Dialect, answer, message, refuse, refuse_flat, serve_chat_api
from messages_api import MessagesApi, Reply, whydenied_draft

from service.llm.base import Completion, LLMError, Usage
from service.llm.draft import Draft
from service.llm.openai import OpenAI
from service.llm.xai import XAI
from service.prompt.model import Prompt


def ask(
    api: MessagesApi, prompt: Prompt, *, kind: type[OpenAI | XAI] = OpenAI, times: int = 1, model: str | None = None
) -> Completion[Draft]:
    async def run() -> Completion[Draft]:
        provider = kind(api_key=KEY, base_url=api.url, model=model)
        try:
            return [await provider.ask(prompt.render_sample(), Draft) for _ in range(times)][-1]
        finally:
            await provider.close()

    return asyncio.run(run())


def test_asks_for_strict_structured_output_with_the_constant_part_first(root_cause: Prompt) -> None:
    with serve_chat_api() as api:
        ask(api, root_cause)
    request, rendered = api.requests[0], root_cause.render_sample()
    assert request["messages"] == [
        {"role": "system", "content": rendered.system},
        {"role": "user", "content": rendered.user},
    ]
    assert request["max_completion_tokens"] == rendered.max_tokens
    assert request["response_format"]["json_schema"]["strict"] is True
    assert api.refused == []


SERVERS: dict[Dialect, tuple[int, str | None]] = {
    "openai": (0, "json_schema"),
    "older": (3, "json_object"),
    "oldest": (4, None),
}


@pytest.mark.parametrize("dialect", list(SERVERS))
def test_a_server_that_knows_less_is_asked_for_less_and_remembered(dialect: Dialect, root_cause: Prompt) -> None:
    refused, form = SERVERS[dialect]
    with serve_chat_api(dialect) as api:
        api.default = message("```json\n" + json.dumps(whydenied_draft()) + "\n```")
        ask(api, root_cause, times=2)
        assert len(api.refused) == refused
    for request in api.requests:
        assert request.get("response_format", {}).get("type") == form
        assert ("JSON schema" in request["messages"][0]["content"]) == (form != "json_schema")


def test_a_grok_that_takes_no_effort_is_asked_without(root_cause: Prompt) -> None:
    with serve_chat_api("xai") as api:
        ask(api, root_cause, kind=XAI, model="grok-4-0709", times=2)
        assert len(api.refused) == 1
    assert not any("reasoning_effort" in request for request in api.requests)


def test_reasoning_that_is_only_in_the_total_is_counted_as_output(root_cause: Prompt) -> None:
    with serve_chat_api("xai") as api:
        api.script = [message(json.dumps(whydenied_draft()), completion_tokens=300, total_tokens=2500)]
        assert ask(api, root_cause, kind=XAI).usage == Usage(1200, 1300)


def test_a_server_without_keys_gets_none(root_cause: Prompt) -> None:
    async def run(url: str) -> None:
        provider = OpenAI(api_key="", base_url=url, model="llama-at-home")
        try:
            await provider.ask(root_cause.render_sample(), Draft)
        finally:
            await provider.close()

    with serve_chat_api() as api, pytest.raises(LLMError, match="own key was refused"):
        asyncio.run(run(api.url))


REFUSALS = {
    "words of a gateway": (Reply({"detail": "Not enough permissions"}, 403), (True, True)),
    "a bare text": (Reply("Forbidden", 403), (True, True)),
    "against the guidelines": (
        refuse_flat(403, "permission-denied", "Content violates usage guidelines. Failed check: X"),
        (True, False),
    ),
    "a parameter that is not ours": (refuse(400, "invalid_request_error", "Unknown parameter: 'model'"), (True, False)),
    "unavailable": (Reply(b"<html>503</html>", 503), (False, False)),
    "more than anybody needs": (answer(title="x" * 5_000_000), (False, False)),
}


@pytest.mark.parametrize(("reply", "meant"), list(REFUSALS.values()), ids=list(REFUSALS))
def test_errors_of_every_shape_are_understood(root_cause: Prompt, reply: Reply, meant: tuple[bool, bool]) -> None:
    with serve_chat_api() as api:
        api.script = [reply]
        with pytest.raises(LLMError) as caught:
            ask(api, root_cause)
    assert (caught.value.permanent, caught.value.account) == meant
    assert len(api.requests) == 1
