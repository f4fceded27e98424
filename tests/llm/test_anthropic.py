"""What only Anthropic's API has; the rest is in test_provider_contract.py."""

import asyncio

import pytest
from messages_api import KEY, MODEL, MessagesApi, Reply, message, refuse

from service.llm.anthropic import Anthropic
from service.llm.base import Completion, LLMError, Usage
from service.llm.draft import Draft
from service.prompt.model import Prompt


def ask(api: MessagesApi, prompt: Prompt, *, model: str = MODEL, times: int = 1) -> Completion[Draft]:
    async def run() -> Completion[Draft]:
        provider = Anthropic(api_key=KEY, model=model, base_url=api.url)
        try:
            return [await provider.ask(prompt.render_sample(), Draft) for _ in range(times)][-1]
        finally:
            await provider.close()

    return asyncio.run(run())


def test_sends_the_constant_part_first_marked_for_the_cache_and_the_event_last(
    messages_api: MessagesApi, root_cause: Prompt
) -> None:
    completion = ask(messages_api, root_cause)
    request = messages_api.requests[0]
    rendered = root_cause.render_sample()
    assert request["system"] == [{"type": "text", "text": rendered.system, "cache_control": {"type": "ephemeral"}}]
    assert request["messages"] == [{"role": "user", "content": rendered.user}]
    assert request["output_config"]["effort"] == rendered.effort
    assert request["max_tokens"] == rendered.max_tokens
    assert (completion.model, completion.stop_reason) == (MODEL, "end_turn")
    assert messages_api.refused == []


def test_tokens_of_the_cache_count_as_input(messages_api: MessagesApi, root_cause: Prompt) -> None:
    text = messages_api.default.body["content"][0]["text"]
    messages_api.script = [message(text, cache_read_input_tokens=900, cache_creation_input_tokens=100)]
    assert ask(messages_api, root_cause).usage == Usage(input=2200, output=300, cache_write=100, cache_read=900)


def test_a_model_that_knows_no_effort_is_asked_without_and_remembered(
    messages_api: MessagesApi, root_cause: Prompt
) -> None:
    ask(messages_api, root_cause, model="claude-haiku-4-5", times=2)
    assert len(messages_api.refused) == 1
    assert ["effort" in r["output_config"] for r in messages_api.requests] == [False, False]


REFUSALS = {
    "usage limit": (refuse(400, "invalid_request_error", "You have reached your API usage limits"), (True, True, None)),
    "spend limit": (
        refuse(429, "rate_limit_error", "Limit reached", error_code="enforced_spend_limit_reached"),
        (True, True, None),
    ),
    "bad request": (refuse(400, "invalid_request_error", "messages: too long"), (True, False, None)),
    "context full": (message("{", "model_context_window_exceeded"), (True, False, None)),
    "milliseconds": (refuse(429, "rate_limit_error", "Slow", {"retry-after-ms": "250"}), (False, False, 0.25)),
    "overloaded": (refuse(529, "overloaded_error", "Overloaded", {"retry-after": "3"}), (False, False, 3.0)),
    "conflict": (refuse(409, "conflict_error", "Conflict"), (False, False, None)),
}


@pytest.mark.parametrize(("reply", "meant"), list(REFUSALS.values()), ids=list(REFUSALS))
def test_its_own_errors_are_understood(
    messages_api: MessagesApi, root_cause: Prompt, reply: Reply, meant: tuple[bool, bool, float | None]
) -> None:
    messages_api.script = [reply]
    with pytest.raises(LLMError) as caught:
        ask(messages_api, root_cause)
    assert (caught.value.permanent, caught.value.account, caught.value.retry_after) == meant
    assert len(messages_api.requests) == 1
