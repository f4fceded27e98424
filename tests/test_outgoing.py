"""What we ask of others ends soon, whatever they do."""

import asyncio

import pytest

from service.outgoing import Unreachable, fetch


def test_an_answer_that_trickles_is_given_up() -> None:
    async def trickle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """An answer that always goes on, a byte at a time."""
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 200 OK\r\ncontent-length: 1000000\r\n\r\n")
        while not writer.is_closing():
            writer.write(b"x")
            await asyncio.sleep(0.02)
        gone.set()

    async def run() -> None:
        async with await asyncio.start_server(trickle, "127.0.0.1", 0) as server:
            port = server.sockets[0].getsockname()[1]
            with pytest.raises(Unreachable, match="TimeoutError"):
                await fetch(f"http://127.0.0.1:{port}/", patience=0.1, limit=1_000_000)
            await gone.wait()

    gone = asyncio.Event()
    asyncio.run(asyncio.wait_for(run(), 20))
