"""Senders that never finish a request's head lose their connection; all others notice nothing."""

import contextlib
import threading
from collections.abc import Iterator

import pytest
import uvicorn
from private_server import wait_until
from starlette.types import Receive, Scope, Send
from wire import Wire

from service.web import patience


async def hello(scope: Scope, receive: Receive, send: Send) -> None:
    await receive()
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"5")]})
    await send({"type": "http.response.body", "body": b"hello"})


@pytest.fixture(scope="module")
def url() -> Iterator[str]:
    config = uvicorn.Config(hello, port=0, lifespan="off", log_config=None, http=patience.PatientProtocol)
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    wait_until(lambda: server.started, "the server does not start")
    yield f"http://127.0.0.1:{server.servers[0].sockets[0].getsockname()[1]}"
    server.should_exit = True
    thread.join(30)


def is_closed(wire: Wire) -> bool:
    """Waits for the other side to close; anything it still says first is read."""
    try:
        while wire._socket.recv(4_096):
            pass
    except TimeoutError:
        return False
    except ConnectionError:
        return True
    return True


@pytest.mark.parametrize("begun", [b"", b"POST /ingest/x HTTP/1.1\r\nHost: x\r\nX-Slow: ", b"\r\n"])
def test_a_head_that_does_not_end_is_not_waited_for(url: str, begun: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(patience, "_LONGEST_HEAD", 0.1)
    with Wire(url) as wire:
        wire.send(begun)
        assert is_closed(wire)


def test_the_next_head_is_not_waited_for_either(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    with Wire(url) as wire:
        wire.head("/", "Content-Length: 0")
        assert wire.answer() == (200, b"hello")
        monkeypatch.setattr(patience, "_LONGEST_HEAD", 0.1)
        wire.send(b"GET / HT")
        assert is_closed(wire)


def test_a_head_without_end_is_cut_off(url: str) -> None:
    with Wire(url) as wire:
        wire.send(b"GET / HTTP/1.1\r\n")
        with contextlib.suppress(OSError):  # which write meets the closed connection is chance
            for _ in range(100):
                wire.send(b"X-More: " + b"x" * 8_000 + b"\r\n")
        assert is_closed(wire)
