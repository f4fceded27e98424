"""Connections as REST shows and takes them. Each scheme has its own shape, so that the document says what it needs."""

import base64
import secrets
from collections.abc import Sequence
from datetime import datetime
from typing import Annotated, Literal
from urllib.parse import quote

from pydantic import Field, StringConstraints

from connectors.base import Auth, AuthScheme
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


def auth_from(request: AuthRequest, connector: str) -> tuple[Auth, tuple[str, ...]]:
    """The authentication that is asked for, and the secrets that were made for it."""
    if isinstance(request, NoAuth):
        return Auth("none"), ()
    made = () if request.secrets else (new_secret(connector, request.scheme),)
    return Auth(
        request.scheme,
        request.secrets or made,
        username=request.username if isinstance(request, BasicAuth) else None,
        name=request.name if isinstance(request, HeaderAuth) else None,
        tolerance=request.tolerance if isinstance(request, SignatureAuth) else 300,
    ), made


def new_secret(connector: str, scheme: AuthScheme) -> str:
    """A random secret, in the form of Standard Webhooks where that is how `generic` is signed."""
    if connector == "generic" and scheme == "signature":
        return "whsec_" + base64.b64encode(secrets.token_bytes(32)).decode()
    return secrets.token_hex(24)


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
