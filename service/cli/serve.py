"""`whydenied serve`: run the service until it is told to stop."""

import gc
import signal
import sys
from types import FrameType
from typing import Annotated

import typer

from service.cli.start import BACKLOG, listen, load_or_exit, start_or_exit

_SWITCH_SECONDS = 0.0005
_COLLECT_AFTER = 10_000


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command()(serve)


def serve(
    host: Annotated[str, typer.Option(help="Address to listen on; 0.0.0.0 for all.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=0, max=65535, help="Port to listen on; 0 for a free one.")] = 8000,
) -> None:
    """Receive, explain and show failures. Settings come from WHYDENIED_* variables (docs/configuration.md)."""
    settings = load_or_exit()
    app = start_or_exit(settings)
    import structlog  # noqa: PLC0415 - other commands should not pay for these
    import uvicorn  # noqa: PLC0415

    from service.web.patience import PatientProtocol  # noqa: PLC0415

    listener = listen(host, port)
    address = f"http://{_name(host)}:{listener.getsockname()[1]}"
    structlog.get_logger(__name__).info("listening", url=address)
    _print_setup_link(app.state.services.sign_in.open_setup_token(), settings.public_url or address)
    config = uvicorn.Config(
        app,
        loop="uvloop",
        http=PatientProtocol,
        ws="none",
        lifespan="on",
        access_log=False,
        log_config=None,
        server_header=False,
        forwarded_allow_ips=settings.trusted_proxies,
        backlog=BACKLOG,
        timeout_keep_alive=75,
        timeout_graceful_shutdown=30,
    )
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, _end)
    # RE2 and SQLite let go of the interpreter often; with Python's 5 ms the event loop waits long to get it back.
    sys.setswitchinterval(_SWITCH_SECONDS)
    # What the start made stays; the collector need not walk through it again and again.
    gc.freeze()
    gc.set_threshold(_COLLECT_AFTER)

    class Server(uvicorn.Server):
        def handle_exit(self, sig: int, frame: FrameType | None) -> None:
            app.state.services.closing.set()
            super().handle_exit(sig, frame)

    server = Server(config)
    server.run(sockets=[listener])
    if not server.started:
        raise typer.Exit(3)


def _end(_signal: int, _frame: FrameType | None) -> None:
    """The server raises the signal again when it has shut down in order; that is no failure."""
    sys.exit(0)


def _print_setup_link(token: str | None, address: str) -> None:
    if token is not None:
        typer.echo(f"No account exists yet. Make the first one here, once: {address}/setup?token={token}", err=True)


def _name(host: str) -> str:
    if host in {"0.0.0.0", "127.0.0.1", "::", "::1"}:  # noqa: S104 - compared, not bound
        return "localhost"
    return f"[{host}]" if ":" in host else host
