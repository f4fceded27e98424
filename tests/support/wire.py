"""HTTP written by hand, for senders that do what no client library does."""

import socket
from collections.abc import Iterable
from urllib.parse import urlsplit


class Wire:
    """One connection to a service. Use it as a context."""

    def __init__(self, url: str) -> None:
        parts = urlsplit(url)
        self._socket = socket.create_connection((parts.hostname, parts.port), timeout=20)

    def __enter__(self) -> "Wire":
        return self

    def __exit__(self, *_: object) -> None:
        self._socket.close()

    def send(self, *pieces: bytes) -> None:
        """Send bytes as they are."""
        for piece in pieces:
            self._socket.sendall(piece)

    def head(self, path: str, *headers: str) -> None:
        """Send the head of a POST."""
        self.send("\r\n".join([f"POST {path} HTTP/1.1", "Host: localhost", *headers, "", ""]).encode())

    def chunks(self, pieces: Iterable[bytes]) -> int:
        """Send pieces of a chunked body until the service has closed; gives how many bytes went out."""
        sent = 0
        try:
            for piece in pieces:
                self.send(f"{len(piece):x}\r\n".encode(), piece, b"\r\n")
                sent += len(piece)
        except OSError:
            pass
        return sent

    def answer(self) -> tuple[int, bytes]:
        """Status and body of the answer."""
        received = b""
        while chunk := self._socket.recv(65_536):
            received += chunk
            head, found, body = received.partition(b"\r\n\r\n")
            length = next((line for line in head.lower().split(b"\r\n") if line.startswith(b"content-length:")), None)
            if found and length and len(body) >= int(length.split(b":")[1]):
                break
        head, _, body = received.partition(b"\r\n\r\n")
        return int(head.split()[1]), body
