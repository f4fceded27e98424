"""`whydenied keys`: the API keys of programs."""

from datetime import timedelta
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated

import typer

from service.cli.start import fail, load_or_exit, note_deed, open_database

if TYPE_CHECKING:
    from service.store.access_tables import ApiKey

COMMANDS = typer.Typer(no_args_is_help=True, help="API keys of programs.")


class Scope(StrEnum):
    """What a key may do."""

    INGEST = "ingest"
    READ = "read"
    REVIEW = "review"
    ADMIN = "admin"


def register(app: typer.Typer) -> None:
    """Add the commands."""
    app.add_typer(COMMANDS, name="keys")


@COMMANDS.command()
def add(
    name: Annotated[str, typer.Argument(help="What it is for.")],
    scope: Annotated[list[Scope], typer.Option(help="ingest, read, review, or admin for everything; repeat it.")],
    days: Annotated[int | None, typer.Option(min=1, help="Days until it ends. Default: it does not end.")] = None,
) -> None:
    """Make an API key and print it once."""
    from service.store.access import create_api_key  # noqa: PLC0415 - other commands start faster without it

    with open_database(load_or_exit()) as engine, engine.begin() as conn:
        key, token = create_api_key(conn, name, scope, timedelta(days=days) if days else None)
        note_deed(conn, "made the API key", f"{key.name} ({key.prefix}): {', '.join(scope)}")
    typer.echo(f"id\t{key.id}\nkey, shown this once\t{token}")


@COMMANDS.command("list")
def list_them() -> None:
    """Show all keys; the newest stands first."""
    from service.store.access import list_api_keys  # noqa: PLC0415

    with open_database(load_or_exit()) as engine, engine.connect() as conn:
        for key in list_api_keys(conn):
            typer.echo("\t".join([key.id, key.prefix, key.name, ",".join(key.scopes), _state(key)]))


@COMMANDS.command()
def revoke(key_id: Annotated[str, typer.Argument(help="Its id, as `keys list` shows it.")]) -> None:
    """End a key at once."""
    from service.store.access import revoke_api_key  # noqa: PLC0415

    with open_database(load_or_exit()) as engine, engine.begin() as conn:
        if not revoke_api_key(conn, key_id):
            fail(f"there is no live key {key_id}", 1)
        note_deed(conn, "revoked the API key", key_id)
    typer.echo(f"{key_id} is revoked")


def _state(key: "ApiKey") -> str:
    if key.revoked_at:
        return f"revoked {key.revoked_at:%Y-%m-%d}"
    return f"until {key.expires_at:%Y-%m-%d}" if key.expires_at else "live"
