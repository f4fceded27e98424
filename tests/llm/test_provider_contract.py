"""What every provider in the folder must keep, against a server as strict as its API that can misbehave as it can."""

import asyncio
import contextlib
import json
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass
from email.utils import formatdate
from functools import partial
from pathlib import Path
from typing import Any

import chat_api
import messages_api
import pytest
from messages_api import MessagesApi, Reply, whydenied_draft

from service.domain import Cause, Verdict
from service.llm import base
from service.llm.base import Completion, LLMError, Usage, discover, open_provider
from service.llm.draft import Draft
from service.prompt.model import Prompt


@dataclass(frozen=True)
class Double:
    """A provider's stand-in and its words. `refusals` and `ends` are what its documentation lists."""

    serve: Callable[[], AbstractContextManager[MessagesApi]]
    key: str
    message: Callable[..., Reply]
    refuse: Callable[..., Reply]
    own_faults: Mapping[str, Reply]
    too_large: Reply
    declined: Reply
    cut_off: Reply
    cached: Mapping[str, Any]
    usage: Usage


def _openai_like(serve: Any, refuse: Callable[..., Reply], own_faults: Mapping[str, Reply], large: Reply) -> Double:
    return Double(
        serve=serve,
        key=chat_api.KEY,
        message=chat_api.message,
        refuse=refuse,
        own_faults=own_faults,
        too_large=large,
        declined=chat_api.message(None, "content_filter"),
        cut_off=chat_api.message('{"verdict": "perm', "length"),
        cached={"prompt_tokens_details": {"cached_tokens": 900}},
        usage=Usage(input=1200, output=300, cache_read=900),
    )


DOUBLES = {
    "anthropic": Double(
        serve=messages_api.serve_messages_api,
        key=messages_api.KEY,
        message=messages_api.message,
        refuse=messages_api.refuse,
        own_faults={
            "key was refused": messages_api.refuse(401, "authentication_error", "invalid x-api-key"),
            "cannot pay": messages_api.refuse(402, "billing_error", "Payment required"),
            "cannot pay for the call (400": messages_api.refuse(
                400, "invalid_request_error", "Your credit balance is too low"
            ),
            "may not use": messages_api.refuse(403, "permission_error", "Your API key does not have permission"),
            "WHYDENIED_LLM_MODEL": messages_api.refuse(404, "not_found_error", "model: claude-nine"),
        },
        too_large=messages_api.refuse(413, "request_too_large", "Request exceeds the maximum size"),
        declined=messages_api.message("", "refusal"),
        cut_off=messages_api.message('{"verdict": "perm', "max_tokens"),
        cached={"cache_read_input_tokens": 900, "input_tokens": 300},
        usage=Usage(input=1200, output=300, cache_read=900),
    ),
    "openai": _openai_like(
        chat_api.serve_chat_api,
        chat_api.refuse,
        {
            "key was refused": chat_api.refuse(
                401, "invalid_request_error", "Incorrect API key", code="invalid_api_key"
            ),
            "cannot pay": chat_api.refuse(
                429, "insufficient_quota", "You exceeded your current quota", code="insufficient_quota"
            ),
            "may not use": chat_api.refuse(403, "invalid_request_error", "Project does not have access to model `m`"),
            "WHYDENIED_LLM_MODEL": chat_api.refuse(
                404, "invalid_request_error", "The model `m` does not exist", code="model_not_found"
            ),
        },
        chat_api.refuse(400, "invalid_request_error", "maximum context length is 8192", code="context_length_exceeded"),
    ),
    "xai": _openai_like(
        partial(chat_api.serve_chat_api, "xai"),
        chat_api.refuse_flat,
        {
            "key was refused": chat_api.refuse_flat(400, "invalid-argument", "Incorrect API key provided: xa***zz"),
            "cannot pay": chat_api.refuse_flat(
                403, "permission-denied", "Your team has either used all available credits or reached its limit"
            ),
            "may not use": chat_api.refuse_flat(403, "permission-denied", "Access to the chat endpoint is denied."),
            "WHYDENIED_LLM_MODEL": chat_api.refuse_flat(404, "not-found", "The model grok-0 does not exist"),
        },
        chat_api.refuse_flat(400, "invalid-argument", "This model's maximum prompt length is 131072"),
    ),
}


@pytest.fixture(params=sorted(DOUBLES))
def name(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def double(name: str) -> Double:
    return DOUBLES[name]


@pytest.fixture
def api(double: Double) -> Iterator[MessagesApi]:
    with double.serve() as running:
        yield running


@dataclass(frozen=True)
class Asking:
    """Asks the double once, with the real provider."""

    name: str
    double: Double
    api: MessagesApi
    prompt: Prompt

    def __call__(self, *, timeout: float = 60.0, key: str | None = None) -> Completion[Draft]:
        async def run() -> Completion[Draft]:
            provider = open_provider(self.name, api_key=key or self.double.key, base_url=self.api.url, timeout=timeout)
            try:
                return await provider.ask(self.prompt.render_sample(), Draft)
            finally:
                await provider.close()

        return asyncio.run(run())

    def error(self, *replies: Reply, timeout: float = 60.0, key: str | None = None) -> LLMError:
        self.api.script = list(replies)
        with pytest.raises(LLMError) as caught:
            self(timeout=timeout, key=key)
        for shown in (str(caught.value), caught.value.told or ""):
            assert self.double.key not in shown
            assert "orders_id_seq" not in shown
        return caught.value


@pytest.fixture
def ask(name: str, double: Double, api: MessagesApi, root_cause: Prompt) -> Asking:
    return Asking(name, double, api, root_cause)


def test_every_provider_has_its_double() -> None:
    assert set(DOUBLES) == set(discover())


def test_asks_once_and_reads_a_typed_draft_with_its_tokens(ask: Asking, double: Double, api: MessagesApi) -> None:
    fields = {"verdict": "permission", "cause": "missing_grant", "resource": "orders_id_seq"}
    api.script = [double.message(json.dumps(whydenied_draft(**fields)), **double.cached)]
    completion = ask()
    assert completion.draft.verdict is Verdict.PERMISSION
    assert completion.draft.cause is Cause.MISSING_GRANT
    assert completion.usage == double.usage
    assert completion.provider == ask.name
    assert 0 < completion.latency < 30
    assert (len(api.requests), api.refused) == (1, [])


def test_its_own_account_is_named_as_the_cause_and_not_retried(ask: Asking, double: Double, api: MessagesApi) -> None:
    for words, reply in double.own_faults.items():
        error = ask.error(reply)
        assert (error.permanent, error.account) == (True, True), words
        assert words in error.message
        assert "not the failure it looked at" in error.message
        assert error.told
    assert len(api.requests) == len(double.own_faults)


def test_a_wrong_key_is_refused_by_the_server_itself_and_shown_nowhere(ask: Asking) -> None:
    wrong = "sk-ant-api03-wrong-key-0123456789"
    error = ask.error(key=wrong)
    assert error.account
    assert wrong not in f"{error.message} {error.told}"


def test_a_gateway_that_repeats_the_key_does_not_spread_it(ask: Asking, double: Double) -> None:
    error = ask.error(double.refuse(401, "authentication_error", f"bad key {double.key} or sk-ant-api03-oth****er"))
    assert "[hidden]" in error.message
    assert "sk-ant" not in f"{error.message} {error.told}"


def test_trouble_that_passes_may_be_retried_after_the_time_asked_for(ask: Asking, double: Double) -> None:
    later = {"retry-after": formatdate(time.time() + 40, usegmt=True)}
    assert 30 < (ask.error(double.refuse(429, "rate_limit", "Slow down", later)).retry_after or 0) <= 41
    waits: list[tuple[Reply, float | None]] = [
        (double.refuse(429, "rate_limit", "Slow down", {"retry-after": "7"}), 7.0),
        (double.refuse(429, "rate_limit", "Slow down", {"retry-after": "soon"}), None),
        (double.refuse(429, "rate_limit", "Slow down"), None),
        (double.refuse(500, "api_error", "Internal"), None),
        (double.refuse(503, "overloaded", "Overloaded", {"retry-after": "3"}), 3.0),
        (Reply(b"<html>502</html>", 502), None),
        (double.refuse(504, "timeout", "Timed out"), None),
    ]
    for reply, wait in waits:
        error = ask.error(reply)
        assert (error.permanent, error.account, error.retry_after) == (False, False, wait)


def test_what_cannot_succeed_later_is_permanent_and_says_what_was_paid_for(ask: Asking, double: Double) -> None:
    assert "too large" in ask.error(double.too_large).message
    assert "refused the request (302" in ask.error(Reply({}, 302, {"location": "https://elsewhere.example"})).message
    for reply, words in ((double.declined, "declined"), (double.cut_off, "cut off at 8000 tokens")):
        error = ask.error(reply)
        assert words in error.message
        assert (error.permanent, error.account, error.billed) == (True, False, True)
        assert error.usage == Usage(1200, 300)


OUT_OF_FORM = {
    "words": "I think the role lacks SELECT.",
    "half json": '{"verdict": "permission"',
    "unknown cause": json.dumps(whydenied_draft(verdict="permission", cause="gremlins")),
    "contradictory field": json.dumps(whydenied_draft() | {"evidence": "none"}),
    "missing field": '{"verdict": "unknown"}',
    "extra field": json.dumps(whydenied_draft() | {"id": "1"}),
    "deep": "[" * 20_000,
    "empty": "",
}


def test_an_answer_out_of_form_is_no_answer_and_may_be_asked_again(ask: Asking, double: Double) -> None:
    for text in OUT_OF_FORM.values():
        error = ask.error(double.message(text))
        assert (error.permanent, error.billed, error.usage) == (False, True, Usage(1200, 300))
        assert "does not fit the form" in error.message


def test_an_answer_that_is_not_the_providers_is_trouble_that_passes(ask: Asking) -> None:
    strange = [Reply(b"<html>Just a moment...</html>"), Reply({"hello": "world"}), Reply([1]), Reply(b"\xff\xfe")]
    for reply in strange:
        error = ask.error(reply)
        assert (error.permanent, error.billed) == (False, False)
        assert "did not answer as the" in error.message


def test_an_answer_that_breaks_off_is_trouble_that_passes(ask: Asking, double: Double) -> None:
    whole = double.message(json.dumps(whydenied_draft()))
    error = ask.error(Reply(whole.body, breaks_off=True))
    assert (error.permanent, error.account) == (False, False)


def test_a_slow_answer_is_waited_for(ask: Asking, double: Double, api: MessagesApi) -> None:
    api.script = [Reply(double.message(json.dumps(whydenied_draft())).body, delay=0.5)]
    assert ask(timeout=30).latency >= 0.5


def test_a_silent_server_is_given_up_after_the_total_time(ask: Asking) -> None:
    error = ask.error(Reply(hang=True), timeout=0.4)
    assert (error.permanent, error.timed_out) == (False, True)


def test_a_slow_answer_is_given_up_even_when_bytes_keep_coming(name: str, double: Double, root_cause: Prompt) -> None:
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
        url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
        provider = open_provider(name, api_key=double.key, base_url=url, timeout=0.5)
        with pytest.raises(LLMError, match="within"):
            await provider.ask(root_cause.render_sample(), Draft)
        await provider.close()
        await gone.wait()
        server.close()

    asyncio.run(run())


def test_nobody_at_the_address_is_said_without_login_data(name: str, root_cause: Prompt) -> None:
    async def run() -> None:
        provider = open_provider(name, api_key="k", base_url="http://user:hunter2@127.0.0.1:9/gateway?token=abc")
        try:
            await provider.ask(root_cause.render_sample(), Draft)
        finally:
            await provider.close()

    with pytest.raises(LLMError) as caught:
        asyncio.run(run())
    assert not caught.value.permanent
    assert "http://127.0.0.1:9/gateway" in caught.value.message
    assert "hunter2" not in caught.value.message
    assert "abc" not in caught.value.message


def test_many_calls_go_at_once_and_after_a_close_in_another_loop(
    name: str, double: Double, api: MessagesApi, root_cause: Prompt
) -> None:
    api.default = Reply(double.message(json.dumps(whydenied_draft())).body, delay=0.2)
    provider = open_provider(name, api_key=double.key, base_url=api.url)

    async def run() -> None:
        await asyncio.gather(*(provider.ask(root_cause.render_sample(), Draft) for _ in range(20)))
        await provider.close()

    asyncio.run(run())
    asyncio.run(run())
    assert len(api.requests) == 40
    assert api.most_in_flight >= 15


def test_no_client_library_is_imported_before_the_first_call(name: str) -> None:
    code = (
        f"import sys; from service.llm.base import open_provider; open_provider({name!r}, api_key='k');"
        "assert not {'anthropic', 'dbos', 'httpx', 'httpx2'} & set(sys.modules), 'imported too early'"
    )
    subprocess.run([sys.executable, "-c", code], check=True, cwd=Path(base.__file__).parents[2])
