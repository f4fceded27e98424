"""`whydenied backup` and `whydenied retention`: keep a copy, and delete what is too old."""

import asyncio
from pathlib import Path
from typing import Annotated

import typer

from service.cli.start import fail, load_or_exit, open_database


def register(app: typer.Typer) -> None:
    """Add the commands."""
    app.command()(backup)
    app.command()(retention)


def backup(
    target: Annotated[Path, typer.Argument(help="The file to write; it must not be there yet.")],
) -> None:
    """Copy the SQLite database while the service runs. For PostgreSQL use pg_dump."""
    from sqlalchemy import make_url  # noqa: PLC0415 - other commands start faster without the database

    from service.store.copying import NotCopied, copy_sqlite  # noqa: PLC0415

    url = make_url(load_or_exit().database)
    if url.get_backend_name() != "sqlite" or not url.database:
        fail("only SQLite is copied here; for PostgreSQL run pg_dump (docs/storage.md)")
    source = Path(url.database)
    if not source.exists():
        fail(f"there is no database at {source} yet", 1)
    try:
        size = copy_sqlite(source, target)
    except NotCopied as error:
        fail(str(error), 1)
    typer.echo(f"{target}\t{size} bytes\tkeep the secret key with it: without it connections cannot be read")


def retention(
    days: Annotated[
        int | None, typer.Option(min=1, help="Keep this many days. Default: WHYDENIED_RETENTION_DAYS.")
    ] = None,
) -> None:
    """Delete events and unparsed deliveries that are too old, now. Failures and their answers stay."""
    from service.upkeep import delete_expired  # noqa: PLC0415 - other commands start faster without the database

    settings = load_or_exit()
    kept = days or settings.retention_days
    if kept is None:
        fail("say how many days to keep: --days, or WHYDENIED_RETENTION_DAYS")
    with open_database(settings) as engine:
        typer.echo(f"{asyncio.run(delete_expired(engine, kept))} records older than {kept} days are deleted")
