"""A small HTTP load generator: keep-alive connections, one request in flight on each, loopback only."""

import asyncio
import itertools
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import cast

_HEAD_END = b"\r\n\r\n"


@dataclass
class Result:
    """What one run saw. Latencies in seconds."""

    seconds: float = 0.0
    accepted: int = 0
    refused: int = 0
    latencies: list[float] = field(default_factory=list)

    @property
    def per_second(self) -> float:
        return self.accepted / self.seconds if self.seconds else 0.0

    def percentile(self, share: float) -> float:
        """Latency in milliseconds that `share` of the accepted requests did not exceed."""
        ordered = sorted(self.latencies)
        return 1_000 * ordered[min(len(ordered) - 1, int(share * len(ordered)))] if ordered else float("nan")


class _Client(asyncio.Protocol):
    def __init__(self, make_request: Callable[[], bytes], result: Result, until: float) -> None:
        self._make_request, self._result, self._until = make_request, result, until
        self._buffer = b""
        self._sent = 0.0
        self.done: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)
        self._send()

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        head = self._buffer.find(_HEAD_END)
        if head < 0:
            return
        headers = self._buffer[:head].lower()
        at = headers.find(b"content-length:")
        length = int(headers[at + 15 :].split(b"\r\n", 1)[0]) if at >= 0 else 0
        if len(self._buffer) < head + 4 + length:
            return
        self._count(self._buffer[9:10] == b"2")
        self._buffer = self._buffer[head + 4 + length :]
        self._send()

    def connection_lost(self, _: Exception | None) -> None:
        if not self.done.done():
            self.done.set_result(None)

    def _count(self, accepted: bool) -> None:
        if accepted:
            self._result.accepted += 1
            self._result.latencies.append(time.perf_counter() - self._sent)
        else:
            self._result.refused += 1

    def _send(self) -> None:
        self._sent = time.perf_counter()
        if self._sent >= self._until:
            self._transport.close()
            return
        self._transport.write(self._make_request())


async def drive(
    port: int | Sequence[int], make_request: Callable[[], bytes], *, connections: int, seconds: float
) -> Result:
    """Send requests over `connections`, which several ports share, for `seconds` and count the answers."""
    ports = itertools.cycle([port] if isinstance(port, int) else port)
    loop = asyncio.get_running_loop()
    result = Result()
    started = time.perf_counter()
    until = started + seconds
    clients = []
    for _, chosen in zip(range(connections), ports, strict=False):
        _, client = await loop.create_connection(lambda: _Client(make_request, result, until), "127.0.0.1", chosen)
        clients.append(client)
    await asyncio.gather(*(client.done for client in clients))
    result.seconds = time.perf_counter() - started
    return result


def build_request(path: str, body: bytes, headers: dict[str, str]) -> bytes:
    """One HTTP/1.1 POST as bytes."""
    lines = [
        f"POST {path} HTTP/1.1",
        "Host: 127.0.0.1",
        "Content-Type: application/json",
        f"Content-Length: {len(body)}",
    ]
    lines += [f"{name}: {value}" for name, value in headers.items()]
    return "\r\n".join(lines).encode() + _HEAD_END + body
