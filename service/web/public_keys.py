"""The public keys by which vendors sign, fetched where a connector says they are and kept for an hour.

A connector names only addresses that a sender cannot choose: its vendor's own, or the one that an administrator set.
"""

import asyncio
import time
from urllib.parse import urlsplit

import structlog

from service.outgoing import Unreachable, fetch

log = structlog.get_logger(__name__)

_KEPT = 3_600.0
_FAILED = 30.0
_TIMEOUT = 3.0
_LARGEST = 256 * 1024
_MOST = 100
_LOOPBACK = frozenset({"127.0.0.1", "::1", "localhost"})


class KeyUnavailable(Exception):
    """The keys cannot be had now. Safe to show."""


class PublicKeys:
    """A small cache in front of the vendors' key sets. For one event loop."""

    def __init__(self) -> None:
        self._kept: dict[str, tuple[float, bytes]] = {}
        self._failed: dict[str, float] = {}
        self._locks: dict[str, asyncio.Lock] = {}
        self._visits: set[asyncio.Task[None]] = set()

    async def get(self, url: str) -> bytes:
        """What is at the address, at most an hour old. Raises `KeyUnavailable`; the next try waits half a minute."""
        if len(self._kept) + len(self._failed) > _MOST:
            self._forget()
        async with self._locks.setdefault(url, asyncio.Lock()):
            now = time.monotonic()
            if url in self._kept and self._kept[url][0] > now:
                return self._kept[url][1]
            if self._failed.get(url, 0.0) > now:
                raise KeyUnavailable(_unavailable(url))
            try:
                body = await _get(url)
            except Unreachable as error:
                self._failed[url] = now + _FAILED
                log.warning("public keys could not be had", host=urlsplit(url).hostname, reason=str(error))
                raise KeyUnavailable(_unavailable(url)) from None
            self._kept[url] = (now + _KEPT, body)
            return body

    def _forget(self) -> None:
        self._kept.clear()
        self._failed.clear()
        self._locks.clear()

    def visit(self, url: str) -> None:
        """Fetch an address once, in the background: the way in which a vendor wants a subscription confirmed."""
        task = asyncio.create_task(_visit(url))
        self._visits.add(task)
        task.add_done_callback(self._visits.discard)


async def _visit(url: str) -> None:
    host = urlsplit(url).hostname
    try:
        await _get(url)
    except Unreachable as error:
        log.warning("subscription could not be confirmed", host=host, reason=str(error))
    else:
        log.info("subscription confirmed", host=host)


async def _get(url: str) -> bytes:
    split = urlsplit(url)
    if split.scheme != "https" and split.hostname not in _LOOPBACK:
        raise Unreachable("the address is not https")
    return await fetch(url, patience=_TIMEOUT, limit=_LARGEST)


def _unavailable(url: str) -> str:
    return f"The keys at {urlsplit(url).hostname} cannot be had, so no signature can be checked. Send it again later."
