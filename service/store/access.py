"""Who may do what: API keys of machines, accounts of people, and the sessions of their browsers.

Tokens have 192 random bits or more, so their SHA-256 is all that is stored of them. Passwords come hashed.
"""

import base64
import re
import secrets
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from hashlib import sha256

from sqlalchemy import ColumnElement, Connection, Engine, delete, func, insert, select, text, update

from service.keyring import Keyring
from service.store.access_tables import ROLES, Account, ApiKey, Session, accounts, api_keys, sessions
from service.store.bulk import insert_missing
from service.store.ids import new_id
from service.store.rows import as_record, as_records

SCOPES = ("ingest", "read", "review", "admin")
_PRESET = "preset"
_SHORTEST_PRESET = 12
_USE_PRECISION = timedelta(minutes=1)
EMAIL = r"[^@\x00-\x20\x7f-\xa0]{1,200}@[^@\x00-\x20\x7f-\xa0]{1,200}"
_FIRST_ACCOUNT = 0x77646163  # any constant that no other program on the server uses


class NameTaken(Exception):
    """Another account has this name."""


class AlreadySetUp(Exception):
    """There is an account already; only an admin adds another."""


class LastAdmin(Exception):
    """The change would leave nobody who can administer accounts."""


def create_api_key(
    conn: Connection, name: str, scopes: Iterable[str], lifetime: timedelta | None = None
) -> tuple[ApiKey, str]:
    """Make a key and return it with its token, `wd_<prefix>_<secret>`, which cannot be shown again.

    Raises `ValueError` for a scope that is not in `SCOPES`, or for none.
    """
    prefix = secrets.token_hex(4)
    token = f"wd_{prefix}_{secrets.token_hex(24)}"
    now = datetime.now(UTC)
    made = ApiKey(
        id=new_id(),
        name=name,
        prefix=prefix,
        digest=_digest(token),
        scopes=_known_scopes(scopes),
        created_at=now,
        expires_at=now + lifetime if lifetime else None,
    )
    conn.execute(insert(api_keys).values(made.model_dump()))
    return made, token


def preset_api_key(conn: Connection, token: str) -> None:
    """Make `token` the one preset admin key; a preset key that was another before is revoked.

    Raises `ValueError` when it is too short to be a secret.
    """
    if len(token) < _SHORTEST_PRESET:
        raise ValueError(f"the preset admin API key is shorter than {_SHORTEST_PRESET} characters")
    digest, now = _digest(token), datetime.now(UTC)
    others = (api_keys.c.name == _PRESET) & (api_keys.c.digest != digest) & api_keys.c.revoked_at.is_(None)
    conn.execute(update(api_keys).where(others).values(revoked_at=now))
    made = ApiKey(id=new_id(), name=_PRESET, prefix=digest[:8], digest=digest, scopes=["admin"], created_at=now)
    if not insert_missing(conn, api_keys, [made.model_dump()]):
        conn.execute(update(api_keys).where(api_keys.c.digest == digest).values(revoked_at=None))


def find_api_key(conn: Connection, token: str) -> ApiKey | None:
    """The key of this token, unless it is unknown, revoked or expired."""
    query = select(api_keys).where(api_keys.c.digest == _digest(token), api_keys.c.revoked_at.is_(None))
    key = as_record(ApiKey, conn.execute(query).first())
    return None if key is None or _is_over(key.expires_at) else key


def note_seen(engine: Engine, session: Session, lifetime: timedelta, idle: timedelta) -> None:
    """Remember that the session was used, and let it last `idle` longer, `lifetime` in all; once a minute at most."""
    now = datetime.now(UTC)
    if session.last_seen_at is None or now - session.last_seen_at >= _USE_PRECISION:
        until = min(session.created_at + lifetime, now + idle)
        with engine.begin() as conn:
            values = {"last_seen_at": now, "expires_at": until}
            conn.execute(update(sessions).where(sessions.c.id == session.id).values(values))


def note_use(engine: Engine, key: ApiKey) -> None:
    """Remember that the key was used; written once a minute at most, so that reading stays reading."""
    now = datetime.now(UTC)
    if key.last_used_at is None or now - key.last_used_at >= _USE_PRECISION:
        with engine.begin() as conn:
            conn.execute(update(api_keys).where(api_keys.c.id == key.id).values(last_used_at=now))


def list_api_keys(conn: Connection) -> list[ApiKey]:
    """All keys, the newest first; revoked and expired ones are among them."""
    return as_records(ApiKey, conn.execute(select(api_keys).order_by(api_keys.c.id.desc())))


def revoke_api_key(conn: Connection, key_id: str) -> bool:
    """End a key at once. False when there is none of this id, or it was revoked before."""
    alive = (api_keys.c.id == key_id) & api_keys.c.revoked_at.is_(None)
    return conn.execute(update(api_keys).where(alive).values(revoked_at=datetime.now(UTC))).rowcount > 0


def setup_token(keyring: Keyring) -> str:
    """The token that lets whoever reads the service's log make the first account, the same in every process.

    It opens nothing once an account exists: see `create_first_account`.
    """
    return base64.b32encode(keyring.derive("set-up-token"))[:24].decode().lower()


def is_email(text: str) -> bool:
    """Whether it can be an e-mail address, and so an account's name."""
    return re.fullmatch(EMAIL, text) is not None


def create_first_account(conn: Connection, username: str, password_hash: str) -> Account:
    """Make the first account, an admin. Raises `AlreadySetUp`, also for the slower of two who try at once."""
    if conn.dialect.name == "postgresql":
        conn.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": _FIRST_ACCOUNT})
    if count_accounts(conn):
        raise AlreadySetUp("there is an account already: sign in with it")
    return create_account(conn, username, password_hash, "admin")


def create_account(conn: Connection, username: str, password_hash: str, role: str) -> Account:
    """Add an account. Raises `NameTaken`, or `ValueError` for a role that is not in `ROLES`."""
    made = Account(
        id=new_id(),
        username=_folded(username),
        password_hash=password_hash,
        role=_known_role(role),
        created_at=datetime.now(UTC),
    )
    if not insert_missing(conn, accounts, [made.model_dump()]):
        raise NameTaken(f"there is an account {made.username} already")
    return made


def count_accounts(conn: Connection) -> int:
    """How many accounts there are, disabled ones too."""
    return conn.execute(select(func.count()).select_from(accounts)).scalar_one()


def find_account(conn: Connection, username: str) -> Account | None:
    """The account of this name, in any case, unless it is disabled."""
    query = select(accounts).where(accounts.c.username == _folded(username), accounts.c.disabled.is_(False))
    return as_record(Account, conn.execute(query).first())


def list_accounts(conn: Connection) -> list[Account]:
    """All accounts by name."""
    return as_records(Account, conn.execute(select(accounts).order_by(accounts.c.username)))


def change_account(
    conn: Connection,
    account_id: str,
    *,
    role: str | None = None,
    disabled: bool | None = None,
    password_hash: str | None = None,
) -> bool:
    """Change what is given. A new password or disabling ends the account's sessions. False when there is no account.

    Raises `LastAdmin` when nobody could administer afterwards, `ValueError` for a role that is not in `ROLES`.
    """
    given = {"role": role and _known_role(role), "disabled": disabled, "password_hash": password_hash}
    values = {name: value for name, value in given.items() if value is not None}
    if not values:
        return conn.execute(select(accounts.c.id).where(accounts.c.id == account_id)).first() is not None
    admins = select(accounts.c.id).where(accounts.c.role == "admin", accounts.c.disabled.is_(False))
    before = set(conn.execute(admins.order_by(accounts.c.id).with_for_update()).scalars())
    changed = conn.execute(update(accounts).where(accounts.c.id == account_id).values(values)).rowcount > 0
    if before and not conn.execute(admins.limit(1)).first():
        raise LastAdmin("this is the only admin: make somebody else an admin first")
    if disabled or password_hash:
        close_sessions(conn, account_id)
    return changed


def open_session(
    conn: Connection,
    account_id: str,
    lifetime: timedelta,
    *,
    address: str | None = None,
    user_agent: str | None = None,
    issuer: str | None = None,
) -> str:
    """Start a session and return its token. Sessions that are over are cleared away on the way."""
    now = datetime.now(UTC)
    conn.execute(delete(sessions).where(sessions.c.expires_at < now))
    token = secrets.token_urlsafe(32)
    made = Session(
        id=new_id(),
        account_id=account_id,
        digest=_digest(token),
        created_at=now,
        expires_at=now + lifetime,
        last_seen_at=now,
        address=address,
        user_agent=user_agent,
        issuer=issuer,
    )
    conn.execute(insert(sessions).values(made.model_dump()))
    return token


def find_session(conn: Connection, token: str) -> Session | None:
    """The session of this token, unless it is over."""
    query = select(sessions).where(sessions.c.digest == _digest(token), sessions.c.revoked_at.is_(None))
    return as_record(Session, conn.execute(query.where(sessions.c.expires_at > datetime.now(UTC))).first())


def get_account(conn: Connection, account_id: str) -> Account | None:
    """The account of this id, unless it is disabled."""
    query = select(accounts).where(accounts.c.id == account_id, accounts.c.disabled.is_(False))
    return as_record(Account, conn.execute(query).first())


def close_sessions(conn: Connection, account_id: str) -> None:
    """End every session of an account."""
    _close(conn, sessions.c.account_id == account_id)


def _close(conn: Connection, which: ColumnElement[bool]) -> None:
    alive = sessions.c.revoked_at.is_(None)
    conn.execute(update(sessions).where(which, alive).values(revoked_at=datetime.now(UTC)))


def _is_over(expires_at: datetime | None) -> bool:
    return expires_at is not None and expires_at <= datetime.now(UTC)


def _digest(token: str) -> str:
    return sha256(token.encode("utf-8", "replace")).hexdigest()


def _folded(username: str) -> str:
    return username.strip().casefold()


def _known_role(role: str) -> str:
    if role not in ROLES:
        raise ValueError(f"a role is one of {', '.join(ROLES)}")
    return role


def _known_scopes(scopes: Iterable[str]) -> list[str]:
    wanted = sorted(set(scopes), key=str)
    if not wanted or set(wanted) - set(SCOPES):
        raise ValueError(f"give one scope or more of {', '.join(SCOPES)}")
    return wanted
