"""The one way out: every HTTP request of our own goes through a client made here.

Redirects are never followed, and proxies are those of the environment, as operators expect.
"""

import asyncio
import ssl
from functools import lru_cache
from typing import TYPE_CHECKING

from service import __version__

if TYPE_CHECKING:
    import httpx

_STEPS = 3  # to connect, to ask, to listen


class Unreachable(Exception):
    """Nothing usable came back. The message says what, without the address."""


def open_client(
    *, timeout: float, headers: dict[str, str] | None = None, base_url: str = "", authority: str | None = None
) -> "httpx.AsyncClient":
    """A client for one purpose; `timeout` in seconds holds for each of connecting, sending and reading.

    `authority` holds the certificates, as PEM, that alone are trusted to vouch for an address. Raises `ValueError`.
    """
    import httpx  # noqa: PLC0415 - most starts of the service never call out

    agent = {"User-Agent": f"whydenied/{__version__}"}
    return httpx.AsyncClient(
        timeout=timeout,
        headers=agent | (headers or {}),
        base_url=base_url,
        follow_redirects=False,
        verify=_trusting(authority),
    )


@lru_cache(maxsize=64)
def _trusting(authority: str | None) -> ssl.SSLContext:
    """Kept, as the usual authorities take 70 ms to read."""
    import httpx  # noqa: PLC0415 - see above

    if authority is None:
        return httpx.create_ssl_context()
    try:
        return ssl.create_default_context(cadata=authority)
    except ssl.SSLError:
        raise ValueError("the certificates are no PEM") from None


async def fetch(url: str, *, patience: float, limit: int, headers: dict[str, str] | None = None) -> bytes:
    """The body of a 200 answer to a GET, at most `limit` bytes.

    `patience` in seconds holds for each step, and three times that for all, however slowly the answer trickles.
    Raises `Unreachable`.
    """
    status, body = await _ask("GET", url, patience, limit, headers)
    if status != 200:
        raise Unreachable(f"answered {status}")
    return body


async def send_form(
    url: str, form: dict[str, str], *, patience: float, limit: int, headers: dict[str, str] | None = None
) -> tuple[int, bytes]:
    """Status and body of the answer to a POST of form fields, with the bounds of `fetch`. Raises `Unreachable`."""
    return await _ask("POST", url, patience, limit, headers, form)


async def _ask(
    method: str,
    url: str,
    patience: float,
    limit: int,
    headers: dict[str, str] | None,
    form: dict[str, str] | None = None,
) -> tuple[int, bytes]:
    import httpx  # noqa: PLC0415 - see above

    try:
        async with (
            asyncio.timeout(_STEPS * patience),
            open_client(timeout=patience, headers=headers) as client,
            client.stream(method, url, data=form) as response,
        ):
            body = bytearray()
            async for chunk in response.aiter_bytes():
                body += chunk
                if len(body) > limit:
                    raise Unreachable(f"answered more than {limit} bytes")
            return response.status_code, bytes(body)
    except (httpx.HTTPError, httpx.InvalidURL, TimeoutError) as error:
        raise Unreachable(type(error).__name__) from error
