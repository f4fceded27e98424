"""What commands share that need the settings, the database or the whole service: open it, or end with a message."""

import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, NoReturn

import typer

from service.settings import Settings, SettingsError, load_settings, unknown_variables

if TYPE_CHECKING:
    from sqlalchemy import Connection, Engine

    from service.app import Application

BACKLOG = 2_048  # connections that wait to be taken


def fail(message: str, code: int = 2) -> NoReturn:
    """End the command with a message on standard error."""
    typer.echo(f"whydenied: {message}", err=True)
    raise typer.Exit(code)


def load_or_exit() -> Settings:
    """The settings, or exit code 2 and a line per wrong one. Misspelt variables are pointed out."""
    try:
        settings = load_settings()
    except SettingsError as error:
        fail(f"the settings cannot be used:\n{error}")
    for line in unknown_variables():
        typer.echo(f"whydenied: {line}", err=True)
    return settings


def start_or_exit(settings: Settings, **options: float) -> "Application":
    """The application with its logs set up, or exit code 2 and what stands in its way."""
    from service import log, tracing  # noqa: PLC0415 - commands that need no server start faster without them
    from service.app import StartError, create_app  # noqa: PLC0415

    log.configure(settings.log_level, settings.log_format)
    tracing.start(os.environ)
    try:
        return create_app(settings, **options)
    except StartError as error:
        fail(str(error))


def listen(host: str, port: int) -> socket.socket:
    """A listening socket: who connects from now on waits for the start to end instead of being refused.

    Where the address cannot be had, exit code 1.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        return socket.create_server((host, port), family=family, backlog=BACKLOG)
    except OSError as error:
        fail(f"cannot listen on {host} port {port}: {error.strerror or error}", 1)


def note_deed(conn: "Connection", action: str, subject: str) -> None:
    """Write a change made by a command into the audit log, in its transaction. No secret may stand in it."""
    from service.store.activity import note_activity  # noqa: PLC0415 - commands without a database start faster

    note_activity(conn, "command line", action, subject)


@contextmanager
def open_database(settings: Settings) -> Iterator["Engine"]:
    """The migrated database, or exit code 2 and why it cannot be opened."""
    from service.app import StartError, open_store  # noqa: PLC0415

    try:
        engine = open_store(settings)
    except StartError as error:
        fail(str(error))
    try:
        yield engine
    finally:
        engine.dispose()
