"""What a monitoring source is to whydenied: bytes in, error events and an exact answer out.

A connector is one module of this package with a `CONNECTOR` attribute. It does no I/O: `authenticate` and `parse`
are pure functions of the delivery. Names of fields follow OpenTelemetry; the envelope follows CloudEvents.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Literal, Protocol

AuthScheme = Literal["signature", "bearer", "basic", "header", "url-token", "none"]


@dataclass(frozen=True, slots=True)
class Auth:
    """How one connection proves who sent a delivery.

    `secrets` may hold two live values for rotation; an empty list refuses everything unless `scheme` is `none`.
    `username` belongs to `basic`, `name` (a header name) to `header`. `tolerance` is the age in seconds that a
    signed time may have, in both directions.
    """

    scheme: AuthScheme
    secrets: tuple[str, ...] = ()
    username: str | None = None
    name: str | None = None
    tolerance: int = 300


@dataclass(frozen=True, slots=True)
class Delivery:
    """One HTTP request to `/ingest/{connection}{path}`, as received.

    `headers` have lower-case names. `raw` is the body as it came over the wire, `body` the same after
    `Content-Encoding` was undone under the size cap; signatures cover `raw`. `path` is what follows the
    connection's name.
    """

    method: str
    path: str
    query: Mapping[str, str]
    headers: Mapping[str, str]
    raw: bytes
    body: bytes
    received_at: datetime


@dataclass(frozen=True, slots=True)
class ErrorEvent:
    """One occurrence of an error, in OpenTelemetry's words.

    `text` is all the error text the source sent, innermost cause included, as a person would read it; rules and
    prompts see this and `context`. `id` is unique within the connection and equal for a repeated delivery.
    `grouping_key` is the vendor's own grouping. `state` follows the source: a `resolved` event closes what
    the firing event with the same grouping key opened.
    """

    id: str
    text: str
    type: str
    time: datetime
    state: Literal["firing", "resolved"] = "firing"
    service_name: str | None = None
    environment: str | None = None
    severity: str | None = None
    exception_type: str | None = None
    stacktrace: str | None = None
    http_status: int | None = None
    url: str | None = None
    grouping_key: str | None = None
    attributes: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Reply:
    """The answer a sender needs: exact status, headers and body."""

    status: int = 202
    body: bytes = b""
    content_type: str = "application/json"
    headers: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Parsed:
    """What a delivery holds. No events and no error: authentic, understood, nothing to keep (a ping, a session)."""

    events: tuple[ErrorEvent, ...] = ()
    reply: Reply = Reply()


class Unauthenticated(Exception):
    """The delivery does not prove its sender: 401. The message is safe to show and names no secret."""


class Unparseable(Exception):
    """Authentic, but not in the format promised: stored as unparsed, answered 2xx. The message says where it broke."""


class BodyTooLarge(Exception):
    """More than the limit, compressed, decompressed or in events: 413, so that the sender splits it. Safe to show."""


class Connector(Protocol):
    """One monitoring source. `schemes` lists the ways of authentication it supports, the recommended one first."""

    name: str
    title: str
    schemes: tuple[AuthScheme, ...]

    def authenticate(self, delivery: Delivery, auth: Auth) -> None:
        """Raise `Unauthenticated` unless the delivery proves it comes from the connection's sender."""

    def parse(self, delivery: Delivery) -> Parsed:
        """Read an authentic delivery.

        Raise `Unparseable` where it is not what the source sends, `BodyTooLarge` for more events than fit one delivery.
        """
