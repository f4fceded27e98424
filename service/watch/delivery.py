"""Delivers records to a connection, again and again until it has them."""

import asyncio
import json
import random
from collections.abc import Awaitable, Callable, Iterator, Sequence
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from service.outgoing import open_client
from service.watch.source import Notify, Record, WatchError

if TYPE_CHECKING:
    import httpx

_MOST_BYTES, _MOST_RECORDS = 256 * 1024, 200
_PATIENCE = 30.0
_FIRST_WAIT, _LONGEST_WAIT, _LONGEST_ASKED = 1.0, 60.0, 600.0
_TRIES_ONCE = 5
_QUOTED = 300


class Delivery:
    """One connection at `url`, which may hold its token; `token` is read anew for each try, so that it can rotate.

    With `once` a service that refuses, or stays away, ends the delivery; else it is tried until it succeeds.
    """

    def __init__(
        self,
        url: str,
        token: Callable[[], str | None],
        notify: Notify,
        *,
        once: bool = False,
        pause: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self._url = url
        self._token = token
        self._notify = notify
        self._once = once
        self._pause = pause
        self._client: httpx.AsyncClient | None = None
        self.delivered = 0

    async def deliver(self, records: Sequence[Record]) -> None:
        """Returns when the service has committed all. Raises `WatchError` with `once`."""
        for piece in _pieces(records):
            await self._deliver(piece)
            self.delivered += len(piece)

    async def close(self) -> None:
        """Close the connection."""
        if self._client is not None:
            await self._client.aclose()

    async def _deliver(self, lines: list[bytes]) -> None:
        told, wait, tries = "", _FIRST_WAIT, 0
        while True:
            status, trouble, asked = await self._post(b"\n".join(lines))
            if not trouble:
                break
            if status == 413 and len(lines) > 1:
                half = len(lines) // 2
                await self._deliver(lines[:half])
                await self._deliver(lines[half:])
                break
            if status == 413:
                self._notify(f"a record is passed over: {trouble}")
                break
            tries += 1
            if self._once and (_is_final(status) or tries >= _TRIES_ONCE):
                raise WatchError(f"{trouble}; nothing is lost, the next run begins with these lines")
            if trouble != told:
                self._notify(f"{trouble}; it is tried again until it succeeds")
                told = trouble
            await self._pause(max(wait, min(asked, _LONGEST_ASKED)) * random.uniform(1.0, 1.25))  # noqa: S311
            wait = min(wait * 2, _LONGEST_WAIT)
        if told:
            self._notify(f"{self._host} takes records again")

    @property
    def _host(self) -> str:
        return urlsplit(self._url).hostname or "the service"

    async def _post(self, body: bytes) -> tuple[int, str, float]:
        """The status (0 without an answer), what is wrong, and for how many seconds it wants to be left alone."""
        import httpx  # noqa: PLC0415 - other commands start faster without it

        if self._client is None:
            self._client = open_client(timeout=_PATIENCE, headers={"Content-Type": "application/x-ndjson"})
        try:
            token = self._token()
            headers = {"Authorization": f"Bearer {token}"} if token else {}
            answer = await self._client.post(self._url, content=body, headers=headers)
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            return 0, f"{self._host} cannot be reached ({type(error).__name__})", 0.0
        except WatchError as error:
            return 0, str(error), 0.0
        if answer.is_success:
            return answer.status_code, "", 0.0
        return answer.status_code, f"{self._host} refuses ({answer.status_code}): {_reason(answer)}", _asked(answer)


def _pieces(records: Sequence[Record]) -> Iterator[list[bytes]]:
    piece, size = list[bytes](), 0
    for record in records:
        line = json.dumps(record, ensure_ascii=False).encode("utf-8", "replace")
        if piece and (size + len(line) > _MOST_BYTES or len(piece) == _MOST_RECORDS):
            yield piece
            piece, size = [], 0
        piece.append(line)
        size += len(line) + 1
    if piece:
        yield piece


def _is_final(status: int) -> bool:
    return 300 <= status < 500 and status not in (408, 429)


def _reason(answer: "httpx.Response") -> str:
    if answer.is_redirect:
        return "it names another address; give that one with --url"
    try:
        told = answer.json()["detail"]
    except (ValueError, LookupError, TypeError):
        told = answer.text
    return " ".join(str(told).split())[:_QUOTED] or "it does not say why"


def _asked(answer: "httpx.Response") -> float:
    told = answer.headers.get("retry-after", "")
    return float(told) if told.isascii() and told.isdigit() else 0.0
