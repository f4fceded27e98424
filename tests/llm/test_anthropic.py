"""The real SDK against a server that is as strict as the API, and misbehaves in the ways the API can."""

import asyncio
import contextlib
import json
import subprocess
import sys
import time
from email.utils import formatdate
from pathlib import Path

import pytest
from messages_api import KEY, MODEL, MessagesApi, Reply, answer, message, refuse, whydenied_draft

import service.llm.anthropic as module
from service.domain import Cause, Verdict
from service.llm.anthropic import Anthropic
from service.llm.base import Completion, LLMError, Usage
from service.llm.draft import Draft
from service.prompt.model import Prompt


def ask(url: str, prompt: Prompt, *, key: str = KEY, model: str = MODEL, times: int = 1) -> Completion[Draft]:
    async def run() -> Completion[Draft]:
        provider = Anthropic(api_key=key, model=model, base_url=url)
        try:
            done = [await provider.ask(prompt.render_sample(), Draft) for _ in range(times)]
            return done[-1]
        finally:
            await provider.close()

    return asyncio.run(run())


def error_of(api: MessagesApi, prompt: Prompt, *replies: Reply, key: str = KEY) -> LLMError:
    api.script = list(replies)
    with pytest.raises(LLMError) as caught:
        ask(api.url, prompt, key=key)
    assert KEY not in str(caught.value)
    assert "orders_id_seq" not in str(caught.value)
    return caught.value


def test_asks_once_and_reads_a_typed_draft_with_its_tokens(messages_api: MessagesApi, root_cause: Prompt) -> None:
    fields = {"verdict": "permission", "cause": "missing_grant", "resource": "orders_id_seq"}
    messages_api.script = [
        message(json.dumps(whydenied_draft(**fields)), cache_read_input_tokens=900, cache_creation_input_tokens=100)
    ]
    completion = ask(messages_api.url, root_cause)
    assert completion.draft.verdict is Verdict.PERMISSION
    assert completion.draft.cause is Cause.MISSING_GRANT
    assert completion.usage == Usage(input=2200, output=300, cache_write=100, cache_read=900)
    assert (completion.provider, completion.model, completion.stop_reason) == ("anthropic", MODEL, "end_turn")
    assert 0 < completion.latency < 30
    assert len(messages_api.requests) == 1


def test_sends_the_constant_part_first_marked_for_the_cache_and_the_event_last(
    messages_api: MessagesApi, root_cause: Prompt
) -> None:
    ask(messages_api.url, root_cause)
    request = messages_api.requests[0]
    rendered = root_cause.render_sample()
    assert request["system"] == [{"type": "text", "text": rendered.system, "cache_control": {"type": "ephemeral"}}]
    assert request["messages"] == [{"role": "user", "content": rendered.user}]
    assert request["output_config"]["effort"] == rendered.effort
    assert request["max_tokens"] == rendered.max_tokens
    assert messages_api.refused == []


def test_a_model_that_knows_no_effort_is_asked_without_and_remembered(
    messages_api: MessagesApi, root_cause: Prompt
) -> None:
    ask(messages_api.url, root_cause, model="claude-haiku-4-5", times=2)
    assert len(messages_api.refused) == 1
    assert ["effort" in r["output_config"] for r in messages_api.requests] == [False, False]


ACCOUNT_FAULTS = {
    "key refused": (refuse(401, "authentication_error", "invalid x-api-key"), "WHYDENIED_LLM_API_KEY"),
    "payment": (refuse(402, "billing_error", "Payment required"), "cannot pay"),
    "no credits": (refuse(400, "invalid_request_error", "Your credit balance is too low"), "cannot pay"),
    "usage limit": (refuse(400, "invalid_request_error", "You have reached your API usage limits"), "cannot pay"),
    "spend limit": (
        refuse(429, "rate_limit_error", "Limit reached", error_code="enforced_spend_limit_reached"),
        "cannot pay",
    ),
    "no permission": (refuse(403, "permission_error", "Your API key does not have permission"), "may not use"),
    "unknown model": (refuse(404, "not_found_error", "model: claude-nine"), "WHYDENIED_LLM_MODEL"),
}


@pytest.mark.parametrize(("reply", "words"), ACCOUNT_FAULTS.values(), ids=ACCOUNT_FAULTS)
def test_its_own_account_is_named_as_the_cause_and_not_retried(
    messages_api: MessagesApi, root_cause: Prompt, reply: Reply, words: str
) -> None:
    error = error_of(messages_api, root_cause, reply)
    assert error.permanent
    assert error.account
    assert words in error.message
    assert "not the failure it looked at" in error.message
    assert len(messages_api.requests) == 1


def test_a_wrong_key_is_refused_by_the_server_itself_and_never_repeated(
    messages_api: MessagesApi, root_cause: Prompt
) -> None:
    wrong = "sk-ant-api03-wrong-key-0123456789"
    error = error_of(messages_api, root_cause, key=wrong)
    assert error.account
    assert wrong not in error.message


def test_a_gateway_that_repeats_the_key_does_not_spread_it(messages_api: MessagesApi, root_cause: Prompt) -> None:
    error = error_of(
        messages_api, root_cause, refuse(401, "authentication_error", f"bad key {KEY} or sk-ant-api03-oth****er")
    )
    assert "[hidden]" in error.message
    assert "sk-ant" not in error.message


TRANSIENT = {
    "rate limit": (refuse(429, "rate_limit_error", "Slow down", {"retry-after": "7"}), 7.0),
    "milliseconds": (refuse(429, "rate_limit_error", "Slow down", {"retry-after-ms": "250"}), 0.25),
    "no hint": (refuse(429, "rate_limit_error", "Slow down"), None),
    "not a number": (refuse(429, "rate_limit_error", "Slow down", {"retry-after": "soon"}), None),
    "internal": (refuse(500, "api_error", "Internal server error"), None),
    "overloaded": (refuse(529, "overloaded_error", "Overloaded", {"retry-after": "3"}), 3.0),
    "bad gateway": (Reply(b"<html>502</html>", 502), None),
    "timeout upstream": (refuse(504, "timeout_error", "Timed out"), None),
    "conflict": (refuse(409, "conflict_error", "Conflict"), None),
}


@pytest.mark.parametrize(("reply", "wait"), TRANSIENT.values(), ids=TRANSIENT)
def test_trouble_that_passes_may_be_retried_after_the_time_asked_for(
    messages_api: MessagesApi, root_cause: Prompt, reply: Reply, wait: float | None
) -> None:
    error = error_of(messages_api, root_cause, reply)
    assert not error.permanent
    assert not error.account
    assert error.retry_after == wait
    assert len(messages_api.requests) == 1


def test_a_date_in_retry_after_is_understood(messages_api: MessagesApi, root_cause: Prompt) -> None:
    later = formatdate(time.time() + 40, usegmt=True)
    error = error_of(messages_api, root_cause, refuse(429, "rate_limit_error", "Slow down", {"retry-after": later}))
    assert error.retry_after is not None
    assert 30 < error.retry_after <= 41


PERMANENT = {
    "too large": (refuse(413, "request_too_large", "Request exceeds the maximum size"), "too large"),
    "bad request": (refuse(400, "invalid_request_error", "messages: too long"), "refused the request (400"),
    "redirect": (Reply({}, 302, {"location": "https://elsewhere.example/v1/messages"}), "refused the request (302"),
    "refusal": (message("", "refusal"), "declined"),
    "cut off": (message('{"verdict": "perm', "max_tokens"), "cut off at 8000 tokens"),
    "context full": (message("{", "model_context_window_exceeded"), "stopped without an answer"),
}


@pytest.mark.parametrize(("reply", "words"), PERMANENT.values(), ids=PERMANENT)
def test_what_cannot_succeed_later_is_permanent(
    messages_api: MessagesApi, root_cause: Prompt, reply: Reply, words: str
) -> None:
    error = error_of(messages_api, root_cause, reply)
    assert error.permanent
    assert not error.account
    assert words in error.message


BROKEN = {
    "no json": (message("I think the role lacks SELECT."), "does not fit the form"),
    "half json": (message('{"verdict": "permission"'), "does not fit the form"),
    "unknown cause": (answer(verdict="permission", cause="gremlins"), "cause"),
    "missing field": (message('{"verdict": "unknown"}'), "Field required"),
    "extra field": (message(json.dumps(whydenied_draft() | {"id": "1"})), "id"),
    "empty": (message(""), "does not fit the form"),
    "web page": (Reply(b"<html>Just a moment...</html>"), "did not answer as the Messages API does"),
    "other json": (Reply({"hello": "world"}), "did not answer as the Messages API does"),
    "json list": (Reply([1]), "did not answer as the Messages API does"),
}


@pytest.mark.parametrize(("reply", "words"), BROKEN.values(), ids=BROKEN)
def test_an_answer_out_of_form_is_no_answer_and_may_be_asked_again(
    messages_api: MessagesApi, root_cause: Prompt, reply: Reply, words: str
) -> None:
    error = error_of(messages_api, root_cause, reply)
    assert not error.permanent
    assert error.billed == ("Messages API" not in error.message)
    assert words in error.message


def test_a_silent_server_is_given_up_after_the_total_time(
    messages_api: MessagesApi, root_cause: Prompt, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "_TOTAL_SECONDS", 0.3)
    error = error_of(messages_api, root_cause, Reply(hang=True))
    assert not error.permanent


def test_a_slow_answer_is_given_up_even_when_bytes_keep_coming(
    root_cause: Prompt, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "_TOTAL_SECONDS", 0.5)

    async def drip(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\n\r\n")
        with contextlib.suppress(ConnectionError):
            while True:
                writer.write(b" ")
                await writer.drain()
                await asyncio.sleep(0.05)
        writer.close()
        gone.set()

    gone = asyncio.Event()

    async def run() -> None:
        server = await asyncio.start_server(drip, "127.0.0.1", 0)
        provider = Anthropic(api_key=KEY, base_url=f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}")
        with pytest.raises(LLMError, match="within"):
            await provider.ask(root_cause.render_sample(), Draft)
        await provider.close()
        await gone.wait()
        server.close()

    asyncio.run(run())


def test_nobody_at_the_address_is_said_without_login_data(root_cause: Prompt) -> None:
    with pytest.raises(LLMError) as caught:
        ask("http://user:hunter2@127.0.0.1:9/gateway?token=abc", root_cause)
    assert not caught.value.permanent
    assert "http://127.0.0.1:9/gateway" in caught.value.message
    assert "hunter2" not in caught.value.message
    assert "abc" not in caught.value.message


def test_many_calls_share_one_client(messages_api: MessagesApi, root_cause: Prompt) -> None:
    async def run() -> None:
        provider = Anthropic(api_key=KEY, model=MODEL, base_url=messages_api.url)
        await asyncio.gather(*(provider.ask(root_cause.render_sample(), Draft) for _ in range(20)))
        await provider.close()

    asyncio.run(run())
    assert len(messages_api.requests) == 20


def test_the_sdk_is_not_imported_before_the_first_call() -> None:
    code = (
        "import sys; from service.llm.base import open_provider; open_provider('anthropic', api_key='k');"
        "assert not {'anthropic', 'dbos', 'httpx2'} & set(sys.modules), 'imported too early'"
    )
    subprocess.run([sys.executable, "-c", code], check=True, cwd=Path(module.__file__).parents[2])
