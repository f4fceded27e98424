"""`whydenied accounts`: the people who may sign in."""

import secrets
import sys
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from service.cli.start import fail, load_or_exit, note_deed, open_database

if TYPE_CHECKING:
    from sqlalchemy import Connection

    from service.store.access_tables import Account

COMMANDS = typer.Typer(no_args_is_help=True, help="People who may sign in.")
Role = Literal["viewer", "reviewer", "admin"]
_Email = Annotated[str, typer.Option(help="Their e-mail, which they sign in with.")]
_PasswordStdin = Annotated[bool, typer.Option("--password-stdin", help="Read the password from standard input.")]


def register(app: typer.Typer) -> None:
    """Add the commands."""
    app.add_typer(COMMANDS, name="accounts")


@COMMANDS.command()
def add(
    email: _Email,
    role: Annotated[Role, typer.Option(help="viewer looks, reviewer decides, admin does everything.")] = "reviewer",
    password_stdin: _PasswordStdin = False,
) -> None:
    """Add an account. Without --password-stdin a password is made and printed once."""
    from service.store import access  # noqa: PLC0415 - commands that need no database start faster without it

    if "@" not in email.strip("@"):
        fail(f"{email} is no e-mail address")
    password, hashed = _password(password_stdin)
    with open_database(load_or_exit()) as engine, engine.begin() as conn:
        try:
            made = access.create_account(conn, email, hashed, role)
        except access.NameTaken as error:
            fail(str(error), 1)
        note_deed(conn, "made the account", f"{made.username}: {role}")
    typer.echo(f"{email} may sign in as {role}")
    _show(password)


@COMMANDS.command("list")
def list_them() -> None:
    """Show all accounts."""
    from service.store import access  # noqa: PLC0415

    with open_database(load_or_exit()) as engine, engine.connect() as conn:
        for account in access.list_accounts(conn):
            typer.echo("\t".join([account.username, account.role, "disabled" * account.disabled]).rstrip())


@COMMANDS.command()
def change(
    email: _Email,
    role: Annotated[Role | None, typer.Option(help="The new role.")] = None,
    disable: Annotated[bool | None, typer.Option("--disable/--enable", help="Whether they may sign in.")] = None,
    new_password: Annotated[bool, typer.Option("--new-password", help="Make a password and print it once.")] = False,
    password_stdin: _PasswordStdin = False,
) -> None:
    """Change the role or the password of an account, or lock it out. Sessions end with the old password."""
    from service.store import access  # noqa: PLC0415

    password, hashed = _password(password_stdin) if new_password or password_stdin else (None, None)
    with open_database(load_or_exit()) as engine, engine.begin() as conn:
        account = _find(conn, email)
        try:
            access.change_account(conn, account.id, role=role, disabled=disable, password_hash=hashed)
        except access.LastAdmin as error:
            fail(str(error), 1)
        locked = {None: "", True: "locked out", False: "let in"}[disable]
        deeds = filter(None, (role, locked, "new password" if hashed else ""))
        note_deed(conn, "changed the account", f"{account.username}: {', '.join(deeds) or 'nothing'}")
    typer.echo(f"{email} is changed")
    _show(password)


@COMMANDS.command()
def sessions(email: Annotated[str | None, typer.Option(help="Of this person only.")] = None) -> None:
    """Show who is signed in: person, address, last use, browser."""
    from service.store.sessions import list_sessions  # noqa: PLC0415 - see above

    with open_database(load_or_exit()) as engine, engine.connect() as conn:
        account = _find(conn, email) if email else None
        for one in list_sessions(conn, account.id if account else None):
            session = one.session
            seen = f"{session.last_seen_at or session.created_at:%Y-%m-%d %H:%M}"
            agent = "".join(filter(str.isprintable, session.user_agent or "-"))
            typer.echo("\t".join([one.username, session.address or "-", seen, agent]))


@COMMANDS.command()
def sign_out(email: _Email) -> None:
    """Sign a person out everywhere."""
    from service.store.sessions import revoke_sessions  # noqa: PLC0415 - see above

    with open_database(load_or_exit()) as engine, engine.begin() as conn:
        account = _find(conn, email)
        ended = revoke_sessions(conn, account.id)
        note_deed(conn, "ended sessions", f"{account.username}: all {ended}")
    typer.echo(f"{email} is signed out of {ended} browsers")


def _find(conn: "Connection", email: str) -> "Account":
    from service.store import access  # noqa: PLC0415

    found = [account for account in access.list_accounts(conn) if account.username == email.strip().casefold()]
    return found[0] if found else fail(f"there is no account {email}", 1)


def _password(from_stdin: bool) -> tuple[str | None, str]:
    """A password to show, if it was made here, and its hash."""
    from service.web.passwords import WeakPassword, hash_password  # noqa: PLC0415

    made = None if from_stdin else secrets.token_urlsafe(15)
    try:
        return made, hash_password(made or sys.stdin.readline().rstrip("\r\n"))
    except WeakPassword as error:
        fail(str(error))


def _show(password: str | None) -> None:
    if password:
        typer.echo(f"password, shown this once: {password}")
