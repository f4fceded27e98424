"""A real server on loopback for the web tests, and clients for it."""

import contextlib
import socket
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import uvicorn


def wait_until(condition: Callable[[], Any], seconds: float = 10.0) -> Any:
    """What the condition gives as soon as it is truthy; fails after `seconds`."""
    deadline = time.monotonic() + seconds
    while not (found := condition()):
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.01)
    return found


@contextlib.contextmanager
def running(app: Any) -> Iterator[int]:
    """Run an ASGI application on a free port of loopback; gives the port."""
    config = uvicorn.Config(
        app, host="127.0.0.1", port=0, loop="uvloop", http="httptools", ws="none", log_config=None, access_log=False
    )
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    wait_until(lambda: server.started or not thread.is_alive())
    assert server.started, "the application did not start"
    try:
        yield server.servers[0].sockets[0].getsockname()[1]
    finally:
        server.should_exit = True
        thread.join(20)


@pytest.fixture
def exchange() -> Callable[..., bytes]:
    """Send bytes to a port as they are, piece by piece, and read until the server closes or answers in full."""

    def send(port: int, *pieces: bytes, close: bool = False) -> bytes:
        with socket.create_connection(("127.0.0.1", port), timeout=10) as connection:
            for piece in pieces:
                connection.sendall(piece)
            if close:
                return b""
            return _read_answer(connection)

    return send


def _read_answer(connection: socket.socket) -> bytes:
    received = b""
    while chunk := connection.recv(65536):
        received += chunk
        head, found, body = received.partition(b"\r\n\r\n")
        lengths = [line for line in head.lower().split(b"\r\n") if line.startswith(b"content-length:")]
        if found and lengths and len(body) >= int(lengths[0].split(b":")[1]):
            break
    return received
