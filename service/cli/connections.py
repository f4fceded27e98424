"""`whydenied connect` and `whydenied connections`: the monitoring sources."""

from collections.abc import Iterator, Mapping
from dataclasses import asdict, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from service.cli.start import fail, load_or_exit, note_deed, open_database
from service.settings import Settings

if TYPE_CHECKING:
    from connectors.pull import Puller
    from service.keyring import Keyring
    from service.store.tables import Pull

COMMANDS = typer.Typer(no_args_is_help=True, help="Monitoring sources that send events.")
Scheme = Literal["signature", "bearer", "basic", "header", "url-token", "none"]


def register(app: typer.Typer) -> None:
    """Add the commands."""
    app.command()(connect)
    app.add_typer(COMMANDS, name="connections")


def connect(
    name: Annotated[str, typer.Argument(help="Its name, a part of the address.")],
    connector: Annotated[str, typer.Option(help="How its deliveries are read: sentry, alertmanager, generic, ...")],
    scheme: Annotated[Scheme | None, typer.Option(help="How it proves itself. Default: the connector's best.")] = None,
    secret: Annotated[list[str] | None, typer.Option(help="A secret that exists already, e.g. Sentry's.")] = None,
    username: Annotated[str | None, typer.Option(help="For the scheme basic.")] = None,
    header: Annotated[str | None, typer.Option(help="For the scheme header: its name.")] = None,
    tolerance: Annotated[int, typer.Option(min=1, help="Seconds that a signed time may be off.")] = 300,
    sender: Annotated[
        list[str] | None, typer.Option(help="Whose deliveries are meant, where a vendor signs for all its customers.")
    ] = None,
    audience: Annotated[str | None, typer.Option(help="For whom a signed token must have been made.")] = None,
    keys_url: Annotated[str | None, typer.Option(help="Where the public keys are, if not at the vendor's.")] = None,
) -> None:
    """Make a connection; print its address, once its secret, and what to paste into the sender."""
    from connectors import discover  # noqa: PLC0415 - other commands start faster without these
    from connectors.base import Auth  # noqa: PLC0415
    from service.declared import DeclarationError, check_name, checked  # noqa: PLC0415
    from service.store.connections import NameTaken, create_connection  # noqa: PLC0415
    from service.web.connection_schema import made_view, new_secrets  # noqa: PLC0415

    settings, known = load_or_exit(), discover()
    if connector not in known:
        fail(f"the connector {connector!r} is not known; known are {', '.join(sorted(known))}")
    source = known[connector]
    chosen = scheme or source.schemes[0]
    made = () if secret else new_secrets(source, chosen)
    wanted = Auth(chosen, tuple(secret or made), username, header, tolerance, tuple(sender or ()), audience, keys_url)
    try:
        check_name(name)
        auth = checked(wanted, connector, known, later=source.vendor_secret)
        with open_database(settings) as engine, engine.begin() as conn:
            row = create_connection(conn, _keyring(settings), name, connector, auth)
            note_deed(conn, "made the connection", name)
    except (DeclarationError, NameTaken) as error:
        fail(str(error))
    base = settings.public_url or "http://localhost:8000"
    view = made_view(row, base, auth, source, made or tuple(secret or ()))
    typer.echo(f"address\t{view.url}\nscheme\t{chosen}")
    for value in made:
        typer.echo(f"secret, shown this once\t{value}")
    if not auth.secrets and source.vendor_secret:
        typer.echo(f"secret\tgive the one that {source.title} makes: whydenied connections secret {name}")
    typer.echo(f"\n{view.setup}", nl=False)


@COMMANDS.command()
def secret(
    name: Annotated[str, typer.Argument(help="Its name.")],
    value: Annotated[
        list[str],
        typer.Option("--secret", prompt=True, hide_input=True, help="One or two live values; asked for if absent."),
    ],
) -> None:
    """Give a connection the secret that its vendor made. It replaces those that were live."""
    from connectors import discover  # noqa: PLC0415 - other commands start faster without these
    from service.declared import DeclarationError, checked  # noqa: PLC0415
    from service.store.connections import IsDeclared, auth_of, change_auth, get_connection  # noqa: PLC0415

    settings = load_or_exit()
    keyring = _keyring(settings)
    with open_database(settings) as engine, engine.begin() as conn:
        row = get_connection(conn, name)
        if row is None:
            fail(f"there is no connection {name}", 1)
        auth = replace(auth_of(keyring, row), secrets=tuple(value))
        try:
            change_auth(conn, keyring, name, checked(auth, row.connector, discover()))
        except (DeclarationError, IsDeclared) as error:
            fail(str(error), 1)
        note_deed(conn, "gave the secret of", name)
    typer.echo(f"{name} has its secret; a running service uses it within seconds")


@COMMANDS.command()
def pull(
    name: Annotated[str, typer.Argument(help="Its name.")],
    put: Annotated[
        list[str] | None, typer.Option("--set", help="key=value, or key=@file for what a file holds; several times.")
    ] = None,
    off: Annotated[bool, typer.Option("--off", help="Take the settings and credentials away.")] = False,
) -> None:
    """Give a connection what it asks its source with, or show how that goes. Secrets stay unless they are set anew."""
    from connectors import discover  # noqa: PLC0415 - other commands start faster without these
    from service.pull_settings import (  # noqa: PLC0415
        PullSettingsError,
        complete,
        interval_of,
        kept_secrets,
        puller_of,
        shown,
    )
    from service.store.connections import IsDeclared, get_connection  # noqa: PLC0415
    from service.store.pulls import Schedule, get_pull, pull_settings, set_pull  # noqa: PLC0415

    settings = load_or_exit()
    keyring, given = _keyring(settings), dict(_pair(one) for one in put or ())
    with open_database(settings) as engine, engine.begin() as conn:
        row = get_connection(conn, name)
        if row is None:
            fail(f"there is no connection {name}", 1)
        connector = discover()[row.connector]
        try:
            puller = puller_of(connector)
            told = pull_settings(keyring, row) or {}
            if given or off:
                plain = shown(told, puller) | given
                told = {} if off else complete({**kept_secrets(told, plain, puller), **plain}, connector)
                wanted = None if off else Schedule(told, interval_of(told, puller))
                set_pull(conn, keyring, name, wanted, datetime.now(UTC))
                note_deed(conn, f"{'set' if wanted else 'ended'} the pulls of", name)
        except (PullSettingsError, IsDeclared) as error:
            fail(str(error), 1)
        for line in _pull_lines(puller, told, get_pull(conn, name)):
            typer.echo(line)


@COMMANDS.command()
def limits(
    name: Annotated[str, typer.Argument(help="Its name.")],
    rate: Annotated[int | None, typer.Option(min=0, help="Events per second and process.")] = None,
    events_per_day: Annotated[int | None, typer.Option(min=0, help="Events per day (UTC).")] = None,
    new_failures: Annotated[int | None, typer.Option(min=0, help="New failures per hour; more become one.")] = None,
    default: Annotated[bool, typer.Option("--default", help="Forget what was said; the settings hold.")] = False,
) -> None:
    """Say what a connection may deliver, or show it. 0 is no limit; what was never said goes by the settings."""
    from service.store.connections import IsDeclared, change_limits, get_connection  # noqa: PLC0415
    from service.store.limits import Limits, limits_by_connection  # noqa: PLC0415

    settings = load_or_exit()
    given = Limits(rate, events_per_day, new_failures)
    with open_database(settings) as engine, engine.begin() as conn:
        if get_connection(conn, name) is None:
            fail(f"there is no connection {name}", 1)
        own = Limits() if default else given.over(limits_by_connection(conn).get(name, Limits()))
        if default or given != Limits():
            try:
                change_limits(conn, name, own)
            except IsDeclared as error:
                fail(str(error), 1)
    general = Limits(settings.rate_limit, settings.events_per_day, settings.new_failures_per_hour)
    for field, most in asdict(own.over(general)).items():
        origin = "from the settings" if getattr(own, field) is None else "its own"
        typer.echo(f"{field}\t{most or 'no limit'}\t{origin}")


def _pair(given: str) -> tuple[str, str]:
    key, equals, value = given.partition("=")
    if not (key and equals):
        fail(f"--set takes key=value, not {given.split('=', maxsplit=1)[0]!r} alone")
    if not value.startswith("@"):
        return key, value
    try:
        return key, Path(value[1:]).read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        fail(f"{value[1:]} cannot be read: {error}")


def _pull_lines(puller: "Puller", told: Mapping[str, str], state: "Pull | None") -> Iterator[str]:
    """What is set, without secrets; what may be set; how the pulls go."""
    for one in puller.settings:
        default = one.default or ("missing" if one.required and state else "not set")
        value = "set" if one.secret and told.get(one.name) else told.get(one.name) or default
        yield f"{one.name}\t{value}\t{one.told}"
    if state is None:
        yield "no settings: nothing is asked"
        return
    yield f"next\t{state.next_at:%Y-%m-%d %H:%M:%S}" if state.next_at else "next\tfor a delivery without its text"
    yield f"last\t{state.last_at:%Y-%m-%d %H:%M:%S}" if state.last_at else "last\tnever"
    if state.last_error:
        yield f"error\t{state.last_error}"


@COMMANDS.command("list")
def list_them() -> None:
    """Show all connections."""
    from service.store.connections import list_connections  # noqa: PLC0415

    with open_database(load_or_exit()) as engine, engine.connect() as conn:
        for row in list_connections(conn):
            last = f"{row.last_delivery_at:%Y-%m-%d %H:%M}" if row.last_delivery_at else "nothing yet"
            typer.echo("\t".join([row.name, row.connector, row.auth_scheme, last, "declared" * row.declared]).rstrip())


@COMMANDS.command()
def test(name: Annotated[str, typer.Argument(help="Its name.")]) -> None:
    """Send a test event through a connection, proven as its sender would; it says in its text that it is one."""
    import asyncio  # noqa: PLC0415 - other commands start faster without these

    from service.app import StartError, create_app  # noqa: PLC0415
    from service.web.problems import ProblemError  # noqa: PLC0415
    from service.web.trial import try_connection  # noqa: PLC0415

    try:
        app = create_app(load_or_exit().model_copy(update={"worker": False}))
    except StartError as error:
        fail(str(error))
    services = app.state.services
    services.writer.start()
    try:
        services.connections.refresh()
        trial = asyncio.run(try_connection(services, app.ingest, name, "command line"))
    except ProblemError as problem:
        fail(problem.detail, 1)
    finally:
        services.writer.stop()
        services.refusals.write()
        services.engine.dispose()
    typer.echo(f"answered {trial.status}: {trial.detail}")
    if trial.failure_id is None:
        raise typer.Exit(1)
    typer.echo("delete it on the page of the connection")


@COMMANDS.command()
def remove(name: Annotated[str, typer.Argument(help="Its name.")]) -> None:
    """Remove a connection; what it delivered stays."""
    from service.store.connections import IsDeclared, NoSuchConnection, delete_connection  # noqa: PLC0415

    with open_database(load_or_exit()) as engine, engine.begin() as conn:
        try:
            delete_connection(conn, name)
        except (IsDeclared, NoSuchConnection) as error:
            fail(str(error), 1)
        note_deed(conn, "removed the connection", name)
    typer.echo(f"{name} is removed")


def _keyring(settings: Settings) -> "Keyring":
    from service.app import StartError, open_keyring  # noqa: PLC0415

    try:
        return open_keyring(settings)
    except StartError as error:
        fail(str(error))
