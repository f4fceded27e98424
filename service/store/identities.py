"""People whom an OpenID Connect provider vouches for, and the accounts that are theirs.

They are known again by issuer and subject only. A verified e-mail address may name the account once, at first sight.
"""

from dataclasses import dataclass
from datetime import UTC, datetime

from sqlalchemy import Connection, insert, select

from service.store.access import (
    AlreadySetUp,
    LastAdmin,
    change_account,
    count_accounts,
    create_account,
    create_first_account,
    list_accounts,
)
from service.store.access_tables import Account, accounts, identities
from service.store.activity import note_activity
from service.store.ids import new_id
from service.store.rows import as_record


@dataclass(frozen=True, slots=True)
class Person:
    """Whom a provider vouches for. `email` is None unless it is verified; `role` is None where no claim gives one."""

    issuer: str
    subject: str
    email: str | None
    role: str | None


class NotAdmitted(Exception):
    """There is no account for this person. The message is for him."""


def admit(conn: Connection, person: Person) -> Account:
    """The account of a person who just proved himself: the known one, the one of his address, or a new one.

    Gives it the role that the provider's claim gives. Raises `NotAdmitted`.
    """
    account = _known(conn, person) or _of_address(conn, person) or _made(conn, person)
    if account.disabled:
        raise NotAdmitted("Your account is locked. Ask an admin.")
    if person.role and person.role != account.role:
        return _in_role(conn, account, person.role)
    return account


def _known(conn: Connection, person: Person) -> Account | None:
    query = select(accounts).join(identities, identities.c.account_id == accounts.c.id)
    mine = query.where(identities.c.issuer == person.issuer, identities.c.subject == person.subject)
    return as_record(Account, conn.execute(mine).first())


def _of_address(conn: Connection, person: Person) -> Account | None:
    wanted = person.email.strip().casefold() if person.email else None
    found = next((one for one in list_accounts(conn) if one.username == wanted), None)
    if found is None:
        return None
    others = select(identities.c.id).where(identities.c.account_id == found.id, identities.c.issuer == person.issuer)
    if conn.execute(others).first():
        raise NotAdmitted(f"The account {found.username} belongs to somebody else at the provider. Ask an admin.")
    _link(conn, found, person)
    return found


def _made(conn: Connection, person: Person) -> Account:
    if person.email is None:
        raise NotAdmitted("The provider does not say that your e-mail address is verified, so no account is yours yet.")
    if person.role is None:
        raise NotAdmitted(f"Nobody has made an account for {person.email}. Ask an admin.")
    made = _first(conn, person.email, person.role) or create_account(conn, person.email, "", person.role)
    _link(conn, made, person)
    return made


def _first(conn: Connection, email: str, role: str) -> Account | None:
    if count_accounts(conn):
        return None
    if role != "admin":
        raise NotAdmitted("The first account has to be an admin's: use the set-up link of the service's log.")
    try:
        return create_first_account(conn, email, "")
    except AlreadySetUp:
        return None


def _link(conn: Connection, account: Account, person: Person) -> None:
    names = {"id": new_id(), "account_id": account.id, "issuer": person.issuer, "subject": person.subject}
    conn.execute(insert(identities).values(**names, created_at=datetime.now(UTC)))
    note_activity(conn, account.username, "linked the account", f"{account.username} to {person.issuer}")


def _in_role(conn: Connection, account: Account, role: str) -> Account:
    """The account in the role that the provider gives, unless nobody could administer then."""
    try:
        with conn.begin_nested():
            change_account(conn, account.id, role=role)
    except LastAdmin:
        return account
    note_activity(conn, account.username, "changed the account", f"{account.username}: {role}, as the provider says")
    return Account(**{**account.model_dump(), "role": role})
