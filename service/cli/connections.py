"""`whydenied connect` and `whydenied connections`: the monitoring sources."""

from typing import TYPE_CHECKING, Annotated, Literal

import typer

from service.cli.start import fail, load_or_exit, open_database
from service.settings import Settings

if TYPE_CHECKING:
    from service.keyring import Keyring

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
) -> None:
    """Make a connection, and print its address and, once, its secret."""
    from connectors import discover  # noqa: PLC0415 - other commands start faster without these
    from connectors.base import Auth  # noqa: PLC0415
    from service.declared import DeclarationError, check_name, checked  # noqa: PLC0415
    from service.store.connections import NameTaken, create_connection  # noqa: PLC0415
    from service.web.connection_schema import new_secret, view_of  # noqa: PLC0415

    settings, known = load_or_exit(), {one.name: one.schemes for one in discover().values()}
    chosen = scheme or (known[connector][0] if connector in known else "none")
    made = () if secret or chosen == "none" else (new_secret(connector, chosen),)
    try:
        check_name(name)
        auth = checked(Auth(chosen, tuple(secret or made), username, header, tolerance), connector, known)
        with open_database(settings) as engine, engine.begin() as conn:
            row = create_connection(conn, _keyring(settings), name, connector, auth)
    except (DeclarationError, NameTaken) as error:
        fail(str(error))
    view = view_of(row, settings.public_url or "http://localhost:8000", made or tuple(secret or ()))
    typer.echo(f"address\t{view.url}\nscheme\t{chosen}")
    for value in made:
        typer.echo(f"secret, shown this once\t{value}")


@COMMANDS.command("list")
def list_them() -> None:
    """Show all connections."""
    from service.store.connections import list_connections  # noqa: PLC0415

    with open_database(load_or_exit()) as engine, engine.connect() as conn:
        for row in list_connections(conn):
            last = f"{row.last_delivery_at:%Y-%m-%d %H:%M}" if row.last_delivery_at else "nothing yet"
            typer.echo("\t".join([row.name, row.connector, row.auth_scheme, last, "declared" * row.declared]).rstrip())


@COMMANDS.command()
def remove(name: Annotated[str, typer.Argument(help="Its name.")]) -> None:
    """Remove a connection; what it delivered stays."""
    from service.store.connections import IsDeclared, NoSuchConnection, delete_connection  # noqa: PLC0415

    with open_database(load_or_exit()) as engine, engine.begin() as conn:
        try:
            delete_connection(conn, name)
        except (IsDeclared, NoSuchConnection) as error:
            fail(str(error), 1)
    typer.echo(f"{name} is removed")


def _keyring(settings: Settings) -> "Keyring":
    from service.app import StartError, open_keyring  # noqa: PLC0415

    try:
        return open_keyring(settings)
    except StartError as error:
        fail(str(error))
