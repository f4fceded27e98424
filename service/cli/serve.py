"""`whydenied serve`: run the service until it is told to stop."""

from typing import Annotated

import typer

from service.cli.start import load_or_exit, start_or_exit


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
    import uvicorn  # noqa: PLC0415 - other commands should not pay for it

    config = uvicorn.Config(
        app,
        host=host,
        port=port,
        loop="uvloop",
        http="httptools",
        ws="none",
        lifespan="on",
        access_log=False,
        log_config=None,
        server_header=False,
        forwarded_allow_ips=settings.trusted_proxies,
        timeout_keep_alive=75,
        timeout_graceful_shutdown=30,
    )
    socket = config.bind_socket()
    address = settings.public_url or f"http://{_name(host)}:{socket.getsockname()[1]}"
    _print_setup_link(app.state.services.sign_in.open_setup_token(), address)
    server = uvicorn.Server(config)
    server.run(sockets=[socket])
    if not server.started:
        raise typer.Exit(3)


def _print_setup_link(token: str | None, address: str) -> None:
    if token is not None:
        typer.echo(f"No account exists yet. Make the first one here, once: {address}/setup?token={token}", err=True)


def _name(host: str) -> str:
    return "localhost" if host in {"0.0.0.0", "127.0.0.1", "::", "::1"} else host  # noqa: S104 - compared, not bound
