"""`whydenied worker`: ask models and pull from sources, beside web processes; as many processes as are wanted."""

import asyncio
import signal
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Annotated

import typer

from service.cli.start import fail, listen, load_or_exit, start_or_exit

_SWEEP = 5.0  # seconds until a failure that a web process received is taken up
_PROBES = frozenset({"/healthz", "/readyz", "/metrics"})

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Receive, Scope, Send

    from service.app import Application


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command()(worker)


def worker(
    host: Annotated[str, typer.Option(help="Address of the probes; 0.0.0.0 for all.")] = "127.0.0.1",
    port: Annotated[
        int | None, typer.Option(min=0, max=65535, help="Serve /healthz, /readyz and /metrics, and nothing else, here.")
    ] = None,
) -> None:
    """Do the background work of a service whose web processes run with WHYDENIED_WORKER=false."""
    settings = load_or_exit()
    if not settings.worker:
        fail("WHYDENIED_WORKER is false: that is for the web processes; leave it out here")
    listener = None if port is None else listen(host, port)
    app = start_or_exit(settings, sweep_seconds=_SWEEP)
    asyncio.run(_work(app, listener))


async def _work(app: "Application", listener: socket.socket | None) -> None:
    """Run what a service runs beside its web server, until SIGTERM or SIGINT; what is under way is ended in order."""
    told = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, told.set)
    async with app.router.lifespan_context(app), _probed(app, listener):
        await told.wait()


@asynccontextmanager
async def _probed(app: "Application", listener: socket.socket | None) -> AsyncIterator[None]:
    """Answer whoever watches the process."""
    if listener is None:
        yield
        return
    import uvicorn  # noqa: PLC0415 - other commands should not pay for it

    config = uvicorn.Config(
        _only_probes(app.shield),
        lifespan="off",
        ws="none",
        access_log=False,
        log_config=None,
        server_header=False,
        timeout_graceful_shutdown=5,
    )
    server = uvicorn.Server(config)
    serving = asyncio.create_task(server.serve(sockets=[listener]))
    try:
        yield
    finally:
        server.should_exit = True
        await serving


def _only_probes(app: "ASGIApp") -> "ASGIApp":
    from starlette.responses import PlainTextResponse  # noqa: PLC0415 - see above

    nothing = PlainTextResponse("A worker answers to probes only.\n", 404)

    async def answer(scope: "Scope", receive: "Receive", send: "Send") -> None:
        await (app if scope["path"] in _PROBES else nothing)(scope, receive, send)

    return answer
