"""Proof of a sender: shared secrets and HMAC signatures over the bytes as sent, compared in constant time.

Every function raises `Unauthenticated` with a message that is safe to show. An empty secret never proves anything.
"""

import base64
import binascii
import hashlib
import hmac
from collections.abc import Iterable

from connectors.base import Auth, AuthScheme, Delivery, Unauthenticated

_STANDARD_PREFIXES = ("webhook", "svix")
_MOST_SIGNATURES = 10


def verify_shared_secret(delivery: Delivery, auth: Auth) -> None:
    """Check the schemes that carry the secret itself: bearer, basic, header, url-token (`?token=`), and none."""
    if auth.scheme == "none":
        return
    reader = _READERS.get(auth.scheme)
    if reader is None:
        raise Unauthenticated(f"The scheme {auth.scheme!r} is not one that this connector checks")
    if not is_one_of(reader(delivery, auth), live_secrets(auth)):
        raise Unauthenticated(f"The {_PLACES[auth.scheme]} holds no secret of this connection")


def live_secrets(auth: Auth) -> tuple[str, ...]:
    """The secrets that may prove a sender. Raises `Unauthenticated` when none is set: empty never means open."""
    secrets = tuple(secret for secret in auth.secrets if secret.strip())
    if not secrets:
        raise Unauthenticated(
            "This connection has no secret set, so it accepts nothing; set one, or ask for scheme none"
        )
    return secrets


def is_one_of(given: str | None, secrets: Iterable[str]) -> bool:
    """Compare with every secret, on bytes and in constant time; text of any kind is safe to give."""
    if not given:
        return False
    forms = [given.encode("utf-8", "surrogatepass")]
    if not given.isascii() and max(given) <= "\xff":
        forms.append(given.encode("latin-1"))  # a header's characters are its bytes, which may have been UTF-8
    wanted = [secret.encode("utf-8", "surrogatepass") for secret in secrets]
    return any(hmac.compare_digest(form, secret) for secret in wanted for form in forms)


def verify_token_word(delivery: Delivery, auth: Auth, word: str) -> None:
    """Like `verify_shared_secret`, where the sender writes another word than `Bearer` before its token."""
    scheme, _, token = delivery.headers.get("authorization", "").strip().partition(" ")
    if auth.scheme == "bearer" and scheme.lower() == word.lower():
        if not is_one_of(token.strip(), live_secrets(auth)):
            raise Unauthenticated(f"The token after {word} is no secret of this connection")
        return
    verify_shared_secret(delivery, auth)


def verify_named_secret(delivery: Delivery, auth: Auth, header: str) -> None:
    """Like `verify_shared_secret`, where the vendor fixes the header of the scheme `header`."""
    given = delivery.headers.get(header.lower())
    if auth.scheme == "header" and given is not None:
        if not is_one_of(given, live_secrets(auth)):
            raise Unauthenticated(f"The header {header} holds no secret of this connection")
        return
    verify_shared_secret(delivery, auth)


def verify_hmac_sha256(
    delivery: Delivery, auth: Auth, header: str, *, prefix: str = "", signed: bytes | None = None
) -> None:
    """Check a hex HMAC-SHA256 keyed with any live secret, in the header of that (lower-case) name.

    It covers the raw body, or `signed` where a vendor signs more. `prefix` is what stands before the digits; with one,
    the header may list several signatures, separated by commas, and any may be right.
    """
    given = delivery.headers.get(header, "").strip()
    secrets = live_secrets(auth)
    if not given:
        raise Unauthenticated(f"The header {header} is missing; it must hold the signature of the body")
    body = delivery.raw if signed is None else signed
    expected = [hmac.new(secret.encode("utf-8", "surrogatepass"), body, "sha256").hexdigest() for secret in secrets]
    signatures = [part.strip() for part in given.split(",")[:_MOST_SIGNATURES]] if prefix else [given]
    shown = [part.removeprefix(prefix).lower() for part in signatures if part.startswith(prefix)]
    if not any(is_one_of(part, expected) for part in shown):
        raise Unauthenticated(f"The signature in {header} is not that of this body with a secret of this connection")


def verify_age(timestamp: str, delivery: Delivery, auth: Auth, header: str) -> None:
    """Check that a signed time, in whole seconds since 1970, is near the receipt in both directions."""
    if not (timestamp.isascii() and timestamp.isdigit() and len(timestamp) <= 12):
        raise Unauthenticated(f"{header} is not a whole number of seconds")
    age = delivery.received_at.timestamp() - int(timestamp)
    if age > auth.tolerance:
        raise Unauthenticated(f"{header} is more than {auth.tolerance} s old")
    if age < -auth.tolerance:
        raise Unauthenticated(f"{header} is more than {auth.tolerance} s in the future")


def verify_standard_webhook(delivery: Delivery, auth: Auth) -> None:
    """Check a Standard Webhooks signature (headers `webhook-id`, `-timestamp`, `-signature`; `svix-*` alike).

    https://github.com/standard-webhooks/standard-webhooks/blob/main/spec/standard-webhooks.md
    """
    message_id, timestamp, signatures = _standard_headers(delivery)
    # A full stop would let one signed message be read as another: the signed parts are joined by it.
    if "." in message_id:
        raise Unauthenticated("webhook-id must not contain a full stop")
    verify_age(timestamp, delivery, auth, "webhook-timestamp")
    signed = f"{message_id}.{timestamp}.".encode("utf-8", "surrogatepass") + delivery.raw
    expected = [_sign(key, signed) for secret in live_secrets(auth) for key in _standard_keys(secret)]
    given = [item.removeprefix("v1,") for item in signatures.split() if item.startswith("v1,")]
    if not any(is_one_of(item, expected) for item in given):
        raise Unauthenticated("webhook-signature holds no v1 signature made with a secret of this connection")


def delivery_id(delivery: Delivery) -> str | None:
    """The Standard Webhooks id of the delivery, equal on every retry."""
    return next((value for prefix in _STANDARD_PREFIXES if (value := delivery.headers.get(f"{prefix}-id"))), None)


def _standard_headers(delivery: Delivery) -> tuple[str, str, str]:
    for prefix in _STANDARD_PREFIXES:
        found = [delivery.headers.get(f"{prefix}-{part}", "") for part in ("id", "timestamp", "signature")]
        if all(found):
            return found[0], found[1], found[2]
    raise Unauthenticated("The headers webhook-id, webhook-timestamp and webhook-signature must all be there")


def _standard_keys(secret: str) -> list[bytes]:
    """The keys that a secret may stand for: the bytes after `whsec_`, or, for an unmarked secret, itself too."""
    marked = secret.startswith("whsec_")
    encoded = secret.removeprefix("whsec_").strip()
    try:
        decoded = base64.b64decode(encoded + "=" * (-len(encoded) % 4), validate=True)
    except (binascii.Error, ValueError):
        decoded = b""
    keys = [decoded] if decoded else []
    return keys if marked else [*keys, secret.encode("utf-8", "surrogatepass")]


def _sign(key: bytes, signed: bytes) -> str:
    return base64.b64encode(hmac.new(key, signed, hashlib.sha256).digest()).decode()


def _bearer(delivery: Delivery, _auth: Auth) -> str | None:
    scheme, _, token = delivery.headers.get("authorization", "").strip().partition(" ")
    return token.strip() if scheme.lower() == "bearer" else None


def _basic_password(delivery: Delivery, auth: Auth) -> str | None:
    scheme, _, encoded = delivery.headers.get("authorization", "").strip().partition(" ")
    if scheme.lower() != "basic" or not auth.username:
        return None
    try:
        pair = base64.b64decode(encoded.strip(), validate=True).decode("latin-1")
    except ValueError:
        return None
    username, _, password = pair.partition(":")
    return password if is_one_of(username, [auth.username]) else None


def _named_header(delivery: Delivery, auth: Auth) -> str | None:
    return delivery.headers.get(auth.name.lower()) if auth.name else None


def _query_token(delivery: Delivery, _auth: Auth) -> str | None:
    return delivery.query.get("token")


_READERS = {"bearer": _bearer, "basic": _basic_password, "header": _named_header, "url-token": _query_token}
_PLACES: dict[AuthScheme, str] = {
    "bearer": "header Authorization: Bearer",
    "basic": "header Authorization: Basic",
    "header": "secret header",
    "url-token": "query parameter token",
}
