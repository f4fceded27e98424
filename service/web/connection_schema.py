"""Connections as REST shows and takes them. Each scheme has its own shape, so that the document says what it needs."""

import base64
import secrets
from collections.abc import Sequence
from datetime import datetime
from typing import Annotated, Literal
from urllib.parse import quote

from pydantic import Field, StringConstraints

from connectors.base import Auth, AuthScheme, Connector
from connectors.setup import fill_setup
from service.declared import NAME_PATTERN
from service.store.tables import Connection
from service.web.schema import Input, Output

_Secret = Annotated[str, StringConstraints(min_length=8, max_length=500, pattern=r"\S")]
_Secrets = Annotated[
    tuple[_Secret, ...] | None,
    Field(min_length=1, max_length=2, description="One or two live values. Default: one is made and shown once."),
]


class _Shared(Input):
    secrets: _Secrets = None


class SignatureAuth(_Shared):
    """The sender signs each body."""

    scheme: Literal["signature"]
    tolerance: int = Field(300, ge=1, le=86_400, description="Seconds that a signed time may be off.")
    senders: tuple[Annotated[str, StringConstraints(min_length=1, max_length=300, pattern=r"\S")], ...] = Field(
        (), max_length=50, description="Whose deliveries are meant, where a vendor signs for all its customers alike."
    )
    audience: str | None = Field(None, max_length=2_000, description="For whom a signed token must have been made.")
    keys_url: str | None = Field(
        None, max_length=2_000, pattern="^https?://", description="Where the public keys are, if not at the vendor's."
    )


class BearerAuth(_Shared):
    """`Authorization: Bearer <secret>`."""

    scheme: Literal["bearer"]


class BasicAuth(_Shared):
    """`Authorization: Basic`, the secret as password."""

    scheme: Literal["basic"]
    username: str = Field(min_length=1, max_length=200, pattern=r"^[^:\x00-\x1f]+$")


class HeaderAuth(_Shared):
    """The secret in a header of its own."""

    scheme: Literal["header"]
    name: str = Field(min_length=1, max_length=100, pattern=r"^[A-Za-z0-9-]+$")


class UrlTokenAuth(_Shared):
    """The secret as `?token=` in the address."""

    scheme: Literal["url-token"]


class NoAuth(Input):
    """Everybody who reaches the address may post."""

    scheme: Literal["none"]


AuthRequest = Annotated[
    SignatureAuth | BearerAuth | BasicAuth | HeaderAuth | UrlTokenAuth | NoAuth, Field(discriminator="scheme")
]
Name = Annotated[str, StringConstraints(pattern=NAME_PATTERN)]


class ConnectionRequest(Input):
    """A monitoring source to receive from."""

    name: Name = Field(description="Part of the address: `/ingest/{name}`.")
    connector: str = Field(description="How its deliveries are read.")
    auth: AuthRequest


class ConnectionView(Output):
    """One configured source. Its secrets are never shown again."""

    name: str
    connector: str
    scheme: AuthScheme
    declared: bool = Field(description="It comes from the connections file, and only the file changes it.")
    url: str = Field(description="Where the sender posts.")
    created_at: datetime
    last_delivery_at: datetime | None


class ConnectionSecrets(ConnectionView):
    """A source with the secrets that were just made."""

    secrets: tuple[str, ...] = Field(description="Shown this once. Empty where the caller gave the secrets.")


class ConnectionMade(ConnectionSecrets):
    """A source with what to do next."""

    setup: str = Field(description="What to paste into the sender, and where.")


class RefusalView(Output):
    """Deliveries that a connection refused for one reason. Their bodies and proofs are not kept."""

    outcome: str = Field(description="The name of the reason in the metrics.")
    status: int = Field(description="The status that the sender got.")
    detail: str
    user_agent: str = Field(description="What the sender said that it is; anybody can say anything.")
    size: int | None = Field(description="Bytes that the last such delivery announced.")
    count: int
    first_at: datetime
    last_at: datetime


class TrialView(Output):
    """What became of a test event."""

    status: int = Field(description="What the sender would have been answered.")
    failure_id: str | None = Field(description="Where it was stored; null where it was not.")
    detail: str


class SecretsRequest(Input):
    """The secrets that the vendor made."""

    secrets: Annotated[tuple[_Secret, ...], Field(min_length=1, max_length=2, description="One or two live values.")]


def auth_from(request: AuthRequest, connector: Connector) -> tuple[Auth, tuple[str, ...]]:
    """The authentication that is asked for, and the secrets that were made for it.

    None are made where the vendor makes them: until they are given, the connection accepts nothing.
    """
    if isinstance(request, NoAuth):
        return Auth("none"), ()
    given = request.secrets or ()
    made = () if given else new_secrets(connector, request.scheme)
    special = request.model_dump(exclude={"secrets"})
    return Auth(**{**special, "secrets": given or made}), made


def new_secrets(connector: Connector, scheme: AuthScheme) -> tuple[str, ...]:
    """A random secret, in the form of Standard Webhooks where that is how `generic` is signed.

    None for a signature that the vendor makes with a secret or a key of its own.
    """
    if scheme == "none" or (scheme == "signature" and (connector.vendor_secret or connector.public_key)):
        return ()
    if connector.name == "generic" and scheme == "signature":
        return ("whsec_" + base64.b64encode(secrets.token_bytes(32)).decode(),)
    return (secrets.token_hex(24),)


def made_view(row: Connection, base: str, auth: Auth, connector: Connector, made: Sequence[str] = ()) -> ConnectionMade:
    """A new source with what to paste where."""
    view = view_of(row, base, made)
    address = f"{base}/ingest/{row.name}"
    secret = made[0] if made else None
    setup = fill_setup(connector.setup, address=address, name=row.name, auth=auth, secret=secret)
    return ConnectionMade(**view.model_dump(), setup=setup)


def view_of(row: Connection, base: str, made: Sequence[str] = ()) -> ConnectionSecrets:
    """The source as REST shows it; `base` is the service's address."""
    url = f"{base}/ingest/{row.name}"
    if row.auth_scheme == "url-token" and made:
        url = f"{url}?token={quote(made[0], safe='')}"
    return ConnectionSecrets(
        name=row.name,
        connector=row.connector,
        scheme=row.auth_scheme,
        declared=row.declared,
        url=url,
        created_at=row.created_at,
        last_delivery_at=row.last_delivery_at,
        secrets=tuple(made),
    )
