"""The `whydenied` command. Every module here that has `register(app)` adds its commands; nothing is listed."""

import gc
import pkgutil
import sys
from functools import cache
from importlib import import_module
from typing import Annotated

import typer

from service import __version__

# A start makes a million objects that stay. At its usual pace the collector walks through them for a quarter of it.
_COLLECT_AFTER = 100_000

app = typer.Typer(
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    add_completion=False,
    help="Why was it denied, what is the smallest fix, and did it work.",
)


def _tell_version(asked: bool) -> None:
    if asked:
        typer.echo(f"whydenied {__version__}")
        raise typer.Exit


@app.callback()
def _root(
    _: Annotated[
        bool, typer.Option("--version", callback=_tell_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    """Why was it denied, what is the smallest fix, and did it work."""


@cache
def build_app() -> typer.Typer:
    """The application with every command group registered, once."""
    for module in sorted(info.name for info in pkgutil.iter_modules(__path__)):
        register = getattr(import_module(f"{__name__}.{module}"), "register", None)
        if register is not None:
            register(app)
    return app


def main() -> None:
    """Entry point of the console script. A reader that goes away (`| head`) ends it quietly."""
    gc.set_threshold(_COLLECT_AFTER)
    try:
        build_app()()
    except BrokenPipeError:
        sys.stderr.close()
        sys.exit(141)
