"""What a monitoring source is to whydenied: bytes in, error events and an exact answer out.

A connector is one module of this package with a `CONNECTOR` attribute. It does no I/O: `authenticate` and `parse`
are pure functions of the delivery. Names of fields follow OpenTelemetry; the envelope follows CloudEvents.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING, Any, Literal, Protocol

if TYPE_CHECKING:
    from connectors.pull import Puller

Group = Literal["errors", "alerts", "logs", "cloud", "kubernetes", "delivery", "uptime", "any"]
AuthScheme = Literal["signature", "bearer", "basic", "header", "url-token", "none"]


@dataclass(frozen=True, slots=True)
class Auth:
    """How one connection proves who sent a delivery.

    `secrets` may hold two live values for rotation; an empty list refuses everything unless `scheme` is `none`.
    `username` belongs to `basic`, `name` (a header name) to `header`. `tolerance` is the age in seconds that a
    signed time may have, in both directions.

    A vendor that signs with a private key of its own signs for all its customers alike: there `senders` says whose
    deliveries are meant (a topic, a service account, an application), `audience` for whom a token must have been made,
    and `keys_url` where the public keys are, if not at the vendor's own address.
    """

    scheme: AuthScheme
    secrets: tuple[str, ...] = ()
    username: str | None = None
    name: str | None = None
    tolerance: int = 300
    senders: tuple[str, ...] = ()
    audience: str | None = None
    keys_url: str | None = None


@dataclass(frozen=True, slots=True)
class Delivery:
    """One HTTP request to `/ingest/{connection}{path}`, as received.

    `headers` have lower-case names. `raw` is the body as it came over the wire, `body` the same after
    `Content-Encoding` was undone under the size cap; signatures cover `raw`. `path` is what follows the
    connection's name. `keys` holds the public keys that `KeyNeeded` asked for, by their URL.
    """

    method: str
    path: str
    query: Mapping[str, str]
    headers: Mapping[str, str]
    raw: bytes
    body: bytes
    received_at: datetime
    keys: Mapping[str, bytes] = field(default_factory=dict)


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
    """What a delivery holds. No events and no error: authentic, understood, nothing to keep (a ping, a session).

    `passed_over` counts records of a log or trace that were understood and look like no failure. `confirm_url` is an
    address of the vendor's, checked by the connector, that is fetched once to begin a subscription.
    """

    events: tuple[ErrorEvent, ...] = ()
    reply: Reply = Reply()
    passed_over: int = 0
    confirm_url: str | None = None


@dataclass(frozen=True, slots=True)
class Sample:
    """The least delivery of a source that holds a failure, to try a connection with.

    In `body`, `%TEXT%` is the error text, `%BASE64%` the same so coded, `%ID%` a fresh word, and `%TIME%`, `%SECONDS%`
    and `%NANOS%` are now. `path` is what follows the connection's name; `headers` have lower-case names.
    """

    body: str
    path: str = ""
    content_type: str = "application/json"
    headers: Mapping[str, str] = field(default_factory=dict)


class Signer(Protocol):
    """How a vendor signs, so that a delivery of our own making can be signed as well."""

    def sign(self, raw: bytes, secret: str, identity: str, moment: datetime) -> Mapping[str, str]:
        """The headers that prove the body."""
        ...


class Unauthenticated(Exception):
    """The delivery does not prove its sender: 401. The message is safe to show and names no secret."""


class KeyNeeded(Exception):
    """The delivery can be checked once `Delivery.keys` holds what is at `url`.

    The connector has made sure that the sender cannot choose this address.
    """

    def __init__(self, url: str) -> None:
        super().__init__(url)
        self.url = url


class Unparseable(Exception):
    """Authentic, but not in the format promised: stored as unparsed, answered 2xx. The message says where it broke."""


class BodyTooLarge(Exception):
    """More than the limit, compressed, decompressed or in events: 413, so that the sender splits it. Safe to show."""


class Connector(Protocol):
    """One monitoring source; a connector derives from this and is found by its module's `CONNECTOR`.

    `schemes` lists the ways of authentication it supports, the recommended one first. `setup` tells a person what to
    paste where, with the places of `connectors/setup.py`. `vendor_secret` is true where the vendor makes the secret of
    a signature, so that none can be made here; `public_key` where `signature` means the vendor's own key. `limits` are
    the least caps in bytes of a body as sent and decompressed, where the protocol promises more than the service's.
    `group` is where people look for it, `header_name` the header that the vendor fixes for its secret, if it does.
    `sample` and `signer` make the deliveries that try a connection.
    `pulls` asks the source for what its deliveries lack, where the connection has credentials for that.
    """

    name: str
    title: str
    schemes: tuple[AuthScheme, ...]
    setup: str
    group: Group = "any"
    header_name: str | None = None
    sample: Sample | None = None
    signer: Signer | None = None
    vendor_secret: bool = False
    public_key: bool = False
    limits: tuple[int, int] = (0, 0)
    pulls: "Puller | None" = None

    def greet(self, delivery: Delivery) -> Reply | None:
        """The answer to a GET, HEAD or OPTIONS, which carries no event and no proof; None where it means nothing."""
        return None

    def refuse(self, delivery: Delivery, status: int, detail: str) -> Reply | None:
        """A refusal as the sender's protocol words it; None for a problem document. `detail` is safe to show."""
        return None

    def authenticate(self, delivery: Delivery, auth: Auth) -> None:
        """Raise `Unauthenticated` unless the delivery proves it comes from the connection's sender.

        Raise `KeyNeeded` to be called again with a public key.
        """

    def parse(self, delivery: Delivery) -> Parsed:
        """Read an authentic delivery.

        Raise `Unparseable` where it is not what the source sends, `BodyTooLarge` for more events than fit one delivery.
        """
        ...
