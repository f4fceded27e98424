"""`whydenied migrate`: bring the database to this release's schema. `serve` does it too."""

import typer

from service.cli.start import load_or_exit, open_database


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command()(migrate)


def migrate() -> None:
    """Bring the database to the schema of this release; nothing happens when it is there."""
    with open_database(load_or_exit()) as engine:
        typer.echo(f"{engine.url.render_as_string(hide_password=True)} is up to date")
