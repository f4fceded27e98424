"""Carries the requests of a pull to its source, through the one client factory, under limits."""

import asyncio
import ipaddress
import socket
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, TypeVar
from urllib.parse import urlsplit
from urllib.request import getproxies, proxy_bypass

from connectors.pull import Exchange, PullAnswer, PullError, PullLater, PullRefused, PullRequest, host_of, is_safe
from service.outgoing import open_client

if TYPE_CHECKING:
    import httpx

_T = TypeVar("_T")
_MOST_REQUESTS = 60
_PATIENCE, _WHOLE = 20.0, 120.0
_MOST_BYTES = 64 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class Proof:
    """What proves us to a source, and `authority`, the certificates (PEM) that alone prove the source to us."""

    headers: Mapping[str, str] = field(default_factory=dict)
    authority: str | None = None


Prove = Callable[[PullRequest], Awaitable[Proof]]
Pause = Callable[[float], Awaitable[None]]
_NO_PROOF = Proof()


async def drive(exchange: Exchange[_T], prove: Prove, pause: Pause = asyncio.sleep) -> _T:
    """What the pull returns. Raises `PullError`; more than 60 requests or two minutes are one."""
    import httpx  # noqa: PLC0415 - most starts of the service never call out

    try:
        async with asyncio.timeout(_WHOLE), AsyncExitStack() as stack:
            return await _converse(exchange, _Clients(stack), prove, pause)
    except TimeoutError:
        raise PullLater("the source took longer than two minutes") from None
    except (httpx.HTTPError, httpx.InvalidURL) as error:
        raise PullLater(f"the source cannot be reached ({type(error).__name__})") from None
    finally:
        exchange.close()


class _Clients:
    """A client for each set of certificates, closed with the stack."""

    def __init__(self, stack: AsyncExitStack) -> None:
        self._stack = stack
        self._open: dict[str | None, httpx.AsyncClient] = {}

    async def trusting(self, authority: str | None) -> "httpx.AsyncClient":
        if authority not in self._open:
            try:
                client = open_client(timeout=_PATIENCE, authority=authority)
            except ValueError as error:
                raise PullRefused(f"the source cannot be trusted: {error}") from None
            self._open[authority] = await self._stack.enter_async_context(client)
        return self._open[authority]


async def _converse(exchange: Exchange[_T], clients: _Clients, prove: Prove, pause: Pause) -> _T:
    trusted_host = ""
    try:
        request = await asyncio.to_thread(_advance, exchange, None)
        for _ in range(_MOST_REQUESTS):
            trusted_host = trusted_host or host_of(request)
            addresses = await _check(request, trusted_host)
            if request.wait:
                await pause(request.wait)
            proof = await prove(request) if request.proof else _NO_PROOF
            answer = await _send(await clients.trusting(proof.authority), request, proof.headers, addresses)
            request = await asyncio.to_thread(_advance, exchange, answer)
    except _Returned as returned:
        result: _T = returned.value
        return result
    raise PullError(f"the source would take more than {_MOST_REQUESTS} requests")


class _Returned(Exception):
    """The generator has returned; `StopIteration` cannot travel through a future."""

    def __init__(self, value: object) -> None:
        self.value: Any = value


def _advance(exchange: Exchange[_T], answer: PullAnswer | None) -> PullRequest:
    try:
        return next(exchange) if answer is None else exchange.send(answer)
    except StopIteration as stop:
        raise _Returned(stop.value) from None


async def _check(request: PullRequest, trusted_host: str) -> list[str]:
    """Refuse an address that credentials may not travel to, or that an answer chose within our own network.

    Gives the addresses that such a name has now, the only ones to connect to: asked for again it may have others. None
    stands for any; a proxy looks the name up itself.
    """
    parts, host = urlsplit(request.url), host_of(request)
    if not is_safe(f"{parts.scheme}://{parts.netloc}"):
        raise PullRefused(f"{host} is not asked: only https addresses are, without a user in them")
    if not request.by_answer or host == trusted_host:
        return []
    found = await _addresses_of(host)
    if _is_ours(host) or not all(ipaddress.ip_address(one).is_global for one in found):
        raise PullRefused("the source sends us to an address in a private network, which is not followed")
    if _goes_by_proxy(host):
        return []
    if not found:
        raise PullLater("the source sends us to a name without an address")
    return found


def _is_ours(host: str) -> bool:
    return host == "localhost" or host.endswith((".local", ".internal", ".localhost"))


async def _addresses_of(host: str) -> list[str]:
    """Every address of a name, or of a number in any notation; none where it has none here."""
    try:
        found = await asyncio.get_running_loop().getaddrinfo(host, None, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError):
        return []
    return list(dict.fromkeys(str(address[0]).partition("%")[0] for *_, address in found))


def _goes_by_proxy(host: str) -> bool:
    return bool(getproxies().keys() & {"https", "all"}) and not proxy_bypass(host)


async def _send(
    client: "httpx.AsyncClient", request: PullRequest, proof: Mapping[str, str], addresses: Sequence[str]
) -> PullAnswer:
    asked = client.build_request(
        request.method,
        request.url,
        params=list(request.query) or None,
        content=request.body or None,
        headers={**request.headers, **proof},
    )
    response = await _connect(client, asked, addresses)
    try:
        kept, seen = bytearray(), 0
        async for chunk in response.aiter_bytes():
            seen += len(chunk)
            kept += chunk
            if seen > (_MOST_BYTES if request.tail else request.limit):
                raise PullError(f"{host_of(request)} answers more than we take")
            if len(kept) > 2 * request.limit:
                del kept[: -request.limit]
        headers = {name.lower(): value for name, value in response.headers.items()}
        return PullAnswer(response.status_code, headers, bytes(kept[-request.limit :]))
    finally:
        await response.aclose()


async def _connect(client: "httpx.AsyncClient", asked: "httpx.Request", addresses: Sequence[str]) -> "httpx.Response":
    """Send it; where addresses are given, to the first of them that answers, as the host that it is for.

    `Host` was set when the request was made; the certificate is that of the name too.
    """
    import httpx  # noqa: PLC0415 - see above

    url = asked.url
    for number, address in enumerate(addresses, 1):
        asked.url = url.copy_with(host=address)
        asked.extensions = {**asked.extensions, "sni_hostname": url.raw_host.decode()}
        try:
            return await client.send(asked, stream=True)
        except (httpx.ConnectError, httpx.ConnectTimeout):
            if number == len(addresses):
                raise
    return await client.send(asked, stream=True)
