"""Bodies that are too large, too slow or cut off are refused without holding more of them than the limit."""

import asyncio
from collections.abc import Callable
from typing import Any

import pytest

from service.web.body import BodyReader, BodyRefused, answer_and_drain


class Sender:
    """An ASGI `receive` that hands out chunks and counts how many were taken; after the last it hangs."""

    def __init__(self, *chunks: bytes, ends: bool = True, cut: bool = False) -> None:
        self.chunks = list(chunks)
        self.ends = ends
        self.cut = cut
        self.taken = 0

    async def __call__(self) -> dict[str, Any]:
        if self.taken < len(self.chunks):
            self.taken += 1
            more = self.taken < len(self.chunks) or not self.ends
            return {"type": "http.request", "body": self.chunks[self.taken - 1], "more_body": more}
        if self.cut:
            return {"type": "http.disconnect"}
        await asyncio.Event().wait()
        raise AssertionError("unreachable")


def read(sender: Sender, limit: int = 10, headers: dict[str, str] | None = None, **options: Any) -> bytes:
    reader = BodyReader(timeout=options.pop("timeout", 5.0), **options)
    return asyncio.run(reader.read(sender, headers or {}, limit))


def refusal(action: Callable[[], bytes]) -> str:
    with pytest.raises(BodyRefused) as caught:
        action()
    return caught.value.reason


def test_a_body_in_pieces_is_put_together() -> None:
    assert read(Sender(b"abc", b"def", b"ghij")) == b"abcdefghij"


def test_a_declared_length_over_the_limit_is_refused_before_a_byte_is_read() -> None:
    sender = Sender(b"x" * 11)
    assert refusal(lambda: read(sender, headers={"content-length": "11"})) == "too_large"
    assert sender.taken == 0


def test_an_undeclared_length_is_refused_at_the_chunk_that_passes_the_limit() -> None:
    sender = Sender(b"x" * 6, b"x" * 6, b"x" * 6, b"x" * 6)
    assert refusal(lambda: read(sender)) == "too_large"
    assert sender.taken == 2


def test_a_sender_that_stalls_is_given_up() -> None:
    assert refusal(lambda: read(Sender(b"abc", ends=False), timeout=0.05)) == "timeout"


def test_a_sender_that_hangs_up_is_told_from_one_that_finished() -> None:
    assert refusal(lambda: read(Sender(b"abc", ends=False, cut=True))) == "cut"


def test_all_unfinished_bodies_together_stay_within_the_budget() -> None:
    async def two_at_once() -> str:
        reader = BodyReader(timeout=5.0, budget=15)
        first = asyncio.create_task(reader.read(Sender(b"x" * 10, ends=False), {}, 100))
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        try:
            await reader.read(Sender(b"x" * 4, b"x" * 4), {}, 100)
        except BodyRefused as refused:
            first.cancel()
            return refused.reason
        return "accepted"

    assert asyncio.run(two_at_once()) == "busy"


def test_an_early_refusal_is_sent_before_the_rest_is_drained() -> None:
    sent: list[dict[str, Any]] = []

    async def send(message: Any) -> None:
        sent.append(message)

    sender = Sender(b"x", b"y", b"z")
    start = {"type": "http.response.start", "status": 413, "headers": []}
    asyncio.run(answer_and_drain(sender, send, start, b"no"))
    assert [message.get("body") for message in sent] == [None, b"no", b""]
    assert (b"connection", b"close") in sent[0]["headers"]
    assert sender.taken == 3
