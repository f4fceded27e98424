"""uvicorn's HTTP protocol, with an end to what it waits for: the head of a request has to come whole and soon.

uvicorn lets a connection that sends nothing, or its head byte by byte, stay for ever, and a head grow without end.
Bodies are bounded by their reader, idle connections by uvicorn's own keep-alive timeout.
"""

import asyncio

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

_LONGEST_HEAD = 30.0  # seconds until it is complete
_LARGEST_HEAD = 65_536  # bytes


class PatientProtocol(HttpToolsProtocol):
    """Closes a connection whose next head takes too long or is too large."""

    _timer: asyncio.TimerHandle | None = None
    _head_bytes = 0

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Expect a head."""
        super().connection_made(transport)
        self._timer = self.loop.call_later(_LONGEST_HEAD, transport.close)

    def data_received(self, data: bytes) -> None:
        """Pass bytes on; what they leave of a head is waited for."""
        super().data_received(data)
        if self.cycle is not None and not self.cycle.response_complete:
            self._forget_timer()
            self._head_bytes = 0
            return
        self._head_bytes += len(data)
        if self._head_bytes > _LARGEST_HEAD:
            self.transport.close()
        elif self._timer is None:
            self._timer = self.loop.call_later(_LONGEST_HEAD, self.transport.close)

    def connection_lost(self, exc: Exception | None) -> None:
        """Wait for nothing any more."""
        self._forget_timer()
        super().connection_lost(exc)

    def _forget_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
