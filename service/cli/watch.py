"""`whydenied watch`: follow files and the journal of this host, and deliver their failures to a service elsewhere."""

import asyncio
import os
import signal
import socket
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Annotated
from urllib.parse import urlsplit

import typer

from service.cli.start import fail

if TYPE_CHECKING:
    from service.watch.following import Tally
    from service.watch.source import Source
    from service.watch.state import State


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command()(watch)


def watch(
    files: Annotated[list[Path] | None, typer.Argument(metavar="FILE", help="Files to follow; several.")] = None,
    journal: Annotated[bool, typer.Option("--journal", help="Follow the journal of systemd.")] = False,
    unit: Annotated[list[str] | None, typer.Option(help="Of the journal this unit alone; several times.")] = None,
    journal_directory: Annotated[
        Path | None, typer.Option(help="Another folder of journals, such as that of the host in a container.")
    ] = None,
    url: Annotated[
        str, typer.Option(envvar="WHYDENIED_WATCH_URL", help="The address of a connection of the kind log-shipper.")
    ] = "",
    token_file: Annotated[
        Path | None, typer.Option(help="File with the connection's secret; else WHYDENIED_WATCH_TOKEN.")
    ] = None,
    state: Annotated[
        Path | None, typer.Option(help="Where it is kept how far was read. Default: a file in the user's state folder.")
    ] = None,
    from_start: Annotated[
        bool, typer.Option("--from-start", help="At the first start, begin with what is there already.")
    ] = False,
    once: Annotated[bool, typer.Option("--once", help="End when everything there is was read.")] = False,
    service: Annotated[str | None, typer.Option(help="The service that writes these files.")] = None,
    environment: Annotated[str | None, typer.Option(help="Its environment, such as production.")] = None,
) -> None:
    """Deliver the failures in log files and the journal to a connection, each once, across restarts and outages."""
    has_journal = bool(journal or unit or journal_directory)
    _check(files or [], url, has_journal=has_journal)
    from service.watch.files import Facts, FileSource  # noqa: PLC0415 - other commands start faster without these
    from service.watch.journal import JournalSource  # noqa: PLC0415
    from service.watch.source import WatchError  # noqa: PLC0415
    from service.watch.state import State  # noqa: PLC0415

    facts = Facts(socket.gethostname(), service, environment)
    try:
        with closing(State(state or _state_file())) as places:
            sources: list[Source] = [
                FileSource(path, places.get(str(path)), facts, _say, at_end=not from_start, once=once)
                for path in dict.fromkeys(path.absolute() for path in files or [])
            ]
            if has_journal:
                kept, folder = places.get(JournalSource.name), journal_directory
                sources.append(JournalSource(kept, units=unit or (), folder=folder, at_end=not from_start, once=once))
            tally = asyncio.run(_run(sources, places, url, token_file, once=once))
    except WatchError as error:
        fail(str(error), 1)
    _say(f"read {tally.read} records, delivered the {tally.kept} that look like a failure")


def _check(files: list[Path], url: str, *, has_journal: bool) -> None:
    if not files and not has_journal:
        fail("name files to follow, or --journal")
    if urlsplit(url).scheme not in {"http", "https"} or not urlsplit(url).hostname:
        fail("--url must be the address of a connection, such as https://whydenied.example.com/ingest/web-1")


async def _run(sources: "list[Source]", state: "State", url: str, token_file: Path | None, *, once: bool) -> "Tally":
    from service.watch.delivery import Delivery  # noqa: PLC0415 - see above
    from service.watch.following import Tally, follow  # noqa: PLC0415

    def token() -> str | None:
        return _token(token_file)

    token()
    task = asyncio.ensure_future(follow(sources, Delivery(url, token, _say, once=once), state, _say, once=once))
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, task.cancel)
    _say(f"following {', '.join(source.name for source in sources)}; failures go to {urlsplit(url).hostname}")
    try:
        return await task
    except asyncio.CancelledError:
        return Tally()


def _token(file: Path | None) -> str | None:
    from service.watch.source import WatchError  # noqa: PLC0415 - see above

    if file is None:
        return os.environ.get("WHYDENIED_WATCH_TOKEN") or None
    try:
        return file.read_text(encoding="ascii").strip()
    except (OSError, UnicodeDecodeError) as error:
        raise WatchError(f"the secret cannot be read from {file}: {error}") from None


def _state_file() -> Path:
    """In the folder that systemd gives a unit (StateDirectory=), else in the user's own."""
    if folder := os.environ.get("STATE_DIRECTORY"):
        return Path(folder.partition(":")[0]) / "watch.json"
    base = os.environ.get("XDG_STATE_HOME") or "~/.local/state"
    return Path(base).expanduser() / "whydenied" / "watch.json"


def _say(text: str) -> None:
    typer.echo(f"whydenied: {text}", err=True)
