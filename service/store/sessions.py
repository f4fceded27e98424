"""Who is signed in where, and how that is ended."""

from dataclasses import dataclass
from datetime import UTC, datetime

from sqlalchemy import ColumnElement, Connection, func, select, update

from service.store.access import list_accounts
from service.store.access_tables import Account, Session, accounts, identities, sessions
from service.store.rows import as_records


@dataclass(frozen=True, slots=True)
class SignedIn:
    """A session that lasts, and whose it is."""

    session: Session
    username: str


def list_sessions(conn: Connection, account_id: str | None = None) -> list[SignedIn]:
    """The sessions that last, of one account or of everybody, the latest sign-in first."""
    query = select(sessions).where(_lasts()).order_by(sessions.c.id.desc())
    mine = query.where(sessions.c.account_id == account_id) if account_id else query
    people = select(accounts.c.id, accounts.c.username).where(accounts.c.disabled.is_(False))
    names = {row.id: row.username for row in conn.execute(people)}
    found = as_records(Session, conn.execute(mine))
    return [SignedIn(one, names[one.account_id]) for one in found if one.account_id in names]


@dataclass(frozen=True, slots=True)
class Member:
    """An account, the providers that vouch for it, and when one of its sessions was last used."""

    account: Account
    issuers: tuple[str, ...]
    last_seen_at: datetime | None


def list_members(conn: Connection) -> list[Member]:
    """Everybody who has an account, by name. Sessions that are over count as long as they are kept."""
    seen = select(sessions.c.account_id, func.max(sessions.c.last_seen_at).label("last")).group_by(
        sessions.c.account_id
    )
    last = {row.account_id: row.last for row in conn.execute(seen)}
    linked = conn.execute(select(identities.c.account_id, identities.c.issuer).order_by(identities.c.issuer)).all()
    return [
        Member(one, tuple(issuer for owner, issuer in linked if owner == one.id), last.get(one.id))
        for one in list_accounts(conn)
    ]


def revoke_session(conn: Connection, session_id: str, account_id: str | None = None) -> str | None:
    """End a session at once, where given only if it is of that account. Gives whose it was; None when nothing ended."""
    found = [one for one in list_sessions(conn, account_id) if one.session.id == session_id]
    if not found or not _revoke(conn, sessions.c.id == session_id):
        return None
    return found[0].username


def revoke_sessions(conn: Connection, account_id: str, *, but: str | None = None) -> int:
    """End every session of an account, except the one of the id `but`; gives how many ended."""
    mine = sessions.c.account_id == account_id
    return _revoke(conn, mine if but is None else mine & (sessions.c.id != but))


def _revoke(conn: Connection, which: ColumnElement[bool]) -> int:
    return conn.execute(update(sessions).where(which, _lasts()).values(revoked_at=datetime.now(UTC))).rowcount


def _lasts() -> ColumnElement[bool]:
    return sessions.c.revoked_at.is_(None) & (sessions.c.expires_at > datetime.now(UTC))
