"""Reading a request body that may be too large, too slow, cut off, or one of too many at once."""

import asyncio
from collections.abc import Mapping
from typing import Literal

from starlette.types import Message, Receive, Send

_DRAIN_SECONDS = 2.0
_DRAIN_BYTES = 64 * 1024 * 1024


class BodyRefused(Exception):
    """The body was not read to its end. `reason` tells why."""

    def __init__(self, reason: Literal["too_large", "timeout", "cut", "busy"]) -> None:
        super().__init__(reason)
        self.reason = reason


class BodyReader:
    """Reads bodies for one process; `budget` caps the bytes of unfinished bodies that it holds at once."""

    def __init__(self, *, timeout: float, budget: int = 256 * 1024 * 1024) -> None:
        self._timeout = timeout
        self._budget = budget
        self._held = 0

    async def read(self, receive: Receive, headers: Mapping[str, str], limit: int) -> bytes:
        """The whole body, at most `limit` bytes. Raises `BodyRefused`, before reading when its length is declared."""
        declared = headers.get("content-length", "")
        if declared.isdigit() and int(declared) > limit:
            raise BodyRefused("too_large")
        try:
            async with asyncio.timeout(self._timeout):
                message = await receive()
                if not message.get("more_body"):
                    return _chunk(message, limit)
                return await self._read_rest(message, receive, limit)
        except TimeoutError:
            raise BodyRefused("timeout") from None

    async def _read_rest(self, message: Message, receive: Receive, limit: int) -> bytes:
        body = bytearray()
        try:
            while True:
                chunk = _chunk(message, limit - len(body))
                body += chunk
                self._held += len(chunk)
                if self._held > self._budget:
                    raise BodyRefused("busy")
                if not message.get("more_body"):
                    return bytes(body)
                message = await receive()
        finally:
            self._held -= len(body)


def _chunk(message: Message, room: int) -> bytes:
    if message["type"] != "http.request":
        raise BodyRefused("cut")
    chunk: bytes = message.get("body", b"")
    if len(chunk) > room:
        raise BodyRefused("too_large")
    return chunk


async def answer_and_drain(receive: Receive, send: Send, start: Message, body: bytes) -> None:
    """Send a whole answer, then read on for a moment before the connection closes.

    A sender that is still writing would otherwise see a broken connection instead of the answer.
    """
    await send({**start, "headers": [*start["headers"], (b"connection", b"close")]})
    await send({"type": "http.response.body", "body": body, "more_body": True})
    read = 0
    try:
        async with asyncio.timeout(_DRAIN_SECONDS):
            while read < _DRAIN_BYTES:
                message = await receive()
                read += len(message.get("body", b""))
                if not message.get("more_body"):
                    break
    except TimeoutError:
        pass
    await send({"type": "http.response.body", "body": b""})
