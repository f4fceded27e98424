"""The tables of who may do what: keys of programs, accounts of people, and the sessions of their browsers.

A change here needs a migration in `migrations/versions/`; `schema.drift` tells when one is missing.
"""

from datetime import datetime

from sqlalchemy import JSON, Index, UniqueConstraint
from sqlmodel import Field

from service.store.record import Record, one_of

ROLES = ("viewer", "reviewer", "admin")


class ApiKey(Record, table=True):
    """A machine's key: only the SHA-256 of the whole token is kept, `prefix` is what people recognise it by."""

    __tablename__ = "api_key"
    __table_args__ = (UniqueConstraint("digest"),)

    id: str = Field(primary_key=True)
    name: str
    prefix: str
    digest: str
    scopes: list[str] = Field(sa_type=JSON)
    created_at: datetime
    expires_at: datetime | None = None
    revoked_at: datetime | None = None
    last_used_at: datetime | None = None


class Account(Record, table=True):
    """A person who signs in. `username` is kept case-folded. An empty `password_hash` fits no password."""

    __tablename__ = "account"
    __table_args__ = (UniqueConstraint("username"), one_of("role", ROLES))

    id: str = Field(primary_key=True)
    username: str
    password_hash: str
    role: str
    disabled: bool = False
    created_at: datetime


class Identity(Record, table=True):
    """Whom an OpenID Connect provider calls `subject`; the only thing by which its people are known again."""

    __tablename__ = "identity"
    __table_args__ = (UniqueConstraint("issuer", "subject"), UniqueConstraint("issuer", "account_id"))

    id: str = Field(primary_key=True)
    account_id: str = Field(foreign_key="account.id", ondelete="CASCADE")
    issuer: str
    subject: str
    created_at: datetime


class Session(Record, table=True):
    """One signed-in browser: the SHA-256 of its token, and what it said of itself when it signed in.

    `issuer`: the provider that vouched for the person; null after a password. An earlier release kept none of the rest.
    """

    __tablename__ = "session"
    __table_args__ = (UniqueConstraint("digest"), Index(None, "account_id"), Index(None, "expires_at"))

    id: str = Field(primary_key=True)
    account_id: str = Field(foreign_key="account.id", ondelete="CASCADE")
    digest: str
    created_at: datetime
    expires_at: datetime
    revoked_at: datetime | None = None
    last_seen_at: datetime | None = None
    address: str | None = None
    user_agent: str | None = None
    issuer: str | None = None


api_keys = Record.metadata.tables["api_key"]
accounts = Record.metadata.tables["account"]
identities = Record.metadata.tables["identity"]
sessions = Record.metadata.tables["session"]
