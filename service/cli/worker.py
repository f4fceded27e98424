"""`whydenied worker`: ask models and pull from sources, without a web server; as many processes as are wanted."""

import asyncio
import signal
from typing import TYPE_CHECKING

import typer

from service.cli.start import fail, load_or_exit, start_or_exit

_SWEEP = 5.0  # seconds until a failure that a web process received is taken up

if TYPE_CHECKING:
    from service.app import Application


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command()(worker)


def worker() -> None:
    """Do the background work of a service whose web processes run with WHYDENIED_WORKER=false."""
    settings = load_or_exit()
    if not settings.worker:
        fail("WHYDENIED_WORKER is false: that is for the web processes; leave it out here")
    app = start_or_exit(settings, sweep_seconds=_SWEEP)
    asyncio.run(_work(app))


async def _work(app: "Application") -> None:
    """Run what a service runs beside its web server, until SIGTERM or SIGINT; what is under way is ended in order."""
    told = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, told.set)
    async with app.router.lifespan_context(app):
        await told.wait()
