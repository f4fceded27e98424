"""`whydenied export`, `whydenied import` and `whydenied move`: take what was learned elsewhere."""

import os
import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, BinaryIO

import typer

from service.cli.start import fail, load_or_exit, note_deed, open_database

if TYPE_CHECKING:
    from service.store.archive_intake import Taken


def register(app: typer.Typer) -> None:
    """Add the commands."""
    app.command("export")(export_archive)
    app.command("import")(import_archive)
    app.command()(move)


def export_archive(
    file: Annotated[
        Path, typer.Argument(help="The file to write, which must not be there yet; - for standard output.")
    ],
    events: Annotated[bool, typer.Option("--events", help="The events too, not just each failure's excerpt.")] = False,
) -> None:
    """Write failures, answers, reviews and what was done to them as JSON Lines. No secret of a connection is in it."""
    from service.store.archive import export_lines  # noqa: PLC0415 - other commands start faster without the database

    with open_database(load_or_exit()) as engine:
        lines = export_lines(engine, with_events=events)
        if file == Path("-"):
            _write(lines, sys.stdout.buffer)
            return
        with _new_private_file(file) as output:
            _write(lines, output)
    typer.echo(f"{file}\t{file.stat().st_size} bytes")


def import_archive(
    file: Annotated[Path, typer.Argument(help="What `whydenied export` wrote; - for standard input.")],
) -> None:
    """Add what an export holds and the database does not. What is there already stays; each conflict is told."""
    from service.store.archive_intake import NotAnArchive, import_lines  # noqa: PLC0415

    def report(number: int, why: str) -> None:
        typer.echo(f"line {number}: {why}", err=True)

    with open_database(load_or_exit()) as engine:
        try:
            with sys.stdin.buffer if file == Path("-") else file.open("rb") as source:
                taken = import_lines(engine, _lines(source), report)
        except OSError as error:
            fail(f"{file} cannot be read: {error.strerror}")
        except NotAnArchive as error:
            fail(f"{file} is not imported: {error}")
        if added := sum(taken.added.values()):
            with engine.begin() as conn:
                note_deed(conn, "imported", f"{added:,} rows of an export")
    _print(taken)
    if taken.left_out:
        raise typer.Exit(1)


def move(
    to: Annotated[str, typer.Option("--to", help="postgresql://user@host/name; the password best in a PGPASSFILE.")],
) -> None:
    """Copy the whole SQLite database into an empty PostgreSQL database: all of it, or nothing."""
    from service.store.moving import NotMoved, move_all  # noqa: PLC0415

    settings = load_or_exit()
    if not to.startswith(("postgresql:", "postgres:")) or not settings.database.startswith("sqlite:"):
        fail("moved is from SQLite to PostgreSQL only; copy a PostgreSQL database with pg_dump (docs/storage.md)")
    target_settings = settings.model_copy(update={"database_url": to})
    with open_database(settings) as source, open_database(target_settings) as target:
        try:
            move_all(source, target, lambda table, rows: typer.echo(f"{table}\t{rows}"))
        except NotMoved as error:
            fail(str(error), 1)
    typer.echo(
        "Moved. Set WHYDENIED_DATABASE_URL to the new address, keep the secret key, and start the service again."
    )


def _write(lines: Iterable[bytes], output: BinaryIO) -> None:
    output.writelines(line + b"\n" for line in lines)
    output.flush()


def _lines(source: BinaryIO) -> Iterator[bytes]:
    from service.store.archive_intake import MAX_LINE  # noqa: PLC0415

    number = 0
    while line := source.readline(MAX_LINE + 1):
        number += 1
        if len(line) > MAX_LINE:
            fail(f"line {number} is longer than {MAX_LINE} bytes: that is no export; what came before it is stored", 1)
        yield line


@contextmanager
def _new_private_file(file: Path) -> Iterator[BinaryIO]:
    """A file for its owner only, which has its name once it is whole."""
    if file.exists():
        fail(f"{file} is there already; choose another name", 1)
    partial = file.with_name(f".{file.name}.part")
    try:
        partial.unlink(missing_ok=True)
        with os.fdopen(os.open(partial, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600), "wb") as output:
            yield output
            os.fsync(output.fileno())
        partial.replace(file)
    except OSError as error:
        partial.unlink(missing_ok=True)
        fail(f"{file} could not be written: {error.strerror}", 1)


def _print(taken: "Taken") -> None:
    for kind in taken.added:
        if taken.added[kind] or taken.there[kind]:
            typer.echo(f"{kind}\t{taken.added[kind]} added\t{taken.there[kind]} were there")
    typer.echo(f"{taken.left_out} lines left out")
