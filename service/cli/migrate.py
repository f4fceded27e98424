"""`whydenied migrate`: bring the database to this release's schema. `serve` does it too."""

from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Annotated

import typer

from service.cli.start import load_or_exit, open_database


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command()(migrate)


def migrate(
    check: Annotated[
        bool, typer.Option("--check", help="Only tell whether the code's tables and its migrations agree.")
    ] = False,
) -> None:
    """Bring the database to the schema of this release; nothing happens when it is there."""
    if check:
        _check_migrations()
        return
    with open_database(load_or_exit()) as engine:
        typer.echo(f"{engine.url.render_as_string(hide_password=True)} is up to date")


def _check_migrations() -> None:
    """Migrate a database that is thrown away, and compare. Exit code 1 with a line per difference."""
    from service.store import schema  # noqa: PLC0415 - `explain` and `rules` start faster without the database
    from service.store.engine import open_engine  # noqa: PLC0415

    with TemporaryDirectory() as folder:
        engine = open_engine(f"sqlite:///{Path(folder) / 'check.db'}")
        schema.migrate(engine)
        differences = schema.drift(engine)
        engine.dispose()
    for difference in differences:
        typer.echo(f"no migration for: {difference}", err=True)
    if differences:
        raise typer.Exit(1)
    typer.echo("Tables and migrations agree.")
