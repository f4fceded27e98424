"""Signed tokens of a vendor's own identity service: RS256 JSON Web Tokens, checked against its published keys.

https://www.rfc-editor.org/rfc/rfc7519 and https://www.rfc-editor.org/rfc/rfc7517
"""

from collections.abc import Collection, Mapping
from functools import lru_cache
from typing import Any

from connectors.base import Auth, Delivery, KeyNeeded, Unauthenticated, Unparseable
from connectors.bodies import read_json

_LONGEST = 8_192


def verify_token(delivery: Delivery, auth: Auth, *, keys_url: str, issuers: Collection[str]) -> Mapping[str, Any]:
    """The claims of the bearer token, once signature, issuer, audience and times are right.

    `keys_url` is where the issuer publishes its keys; the connection's own setting beats it. The caller still has to
    compare who the token names with `auth.senders`, since the issuer signs for all its customers.
    Raises `Unauthenticated`, or `KeyNeeded` before the keys are there.
    """
    scheme, _, token = delivery.headers.get("authorization", "").strip().partition(" ")
    if scheme.lower() != "bearer" or not token.strip():
        raise Unauthenticated("The header Authorization holds no bearer token")
    if len(token) > _LONGEST:
        raise Unauthenticated("The bearer token is too long to be one")
    if not auth.audience:
        raise Unauthenticated("This connection names no audience, so it accepts no token; set one")
    url = auth.keys_url or keys_url
    if url not in delivery.keys:
        raise KeyNeeded(url)
    claims = _decoded(token.strip(), delivery.keys[url])
    _check_claims(claims, delivery, auth, issuers)
    return claims


def _decoded(token: str, key_set: bytes) -> Mapping[str, Any]:
    from joserfc import jwt  # noqa: PLC0415 - only two kinds of sender use tokens
    from joserfc.errors import JoseError  # noqa: PLC0415 - see above

    try:
        return jwt.decode(token, _keys(key_set), algorithms=["RS256"]).claims
    except (JoseError, Unparseable, ValueError, TypeError, KeyError, AttributeError):
        raise Unauthenticated("The bearer token is not signed with a key of its issuer") from None


@lru_cache(maxsize=32)
def _keys(key_set: bytes) -> Any:
    from joserfc.jwk import KeySet  # noqa: PLC0415 - see above

    return KeySet.import_key_set(read_json(key_set))


def _check_claims(claims: Mapping[str, Any], delivery: Delivery, auth: Auth, issuers: Collection[str]) -> None:
    audiences = claims.get("aud")
    if claims.get("iss") not in issuers:
        raise Unauthenticated("The bearer token comes from another issuer")
    if auth.audience not in (audiences if isinstance(audiences, list) else [audiences]):
        raise Unauthenticated("The bearer token was made for another audience than this connection's")
    now = delivery.received_at.timestamp()
    expires, begins = claims.get("exp"), claims.get("nbf", claims.get("iat", now))
    if not isinstance(expires, int | float) or now > expires + auth.tolerance:
        raise Unauthenticated("The bearer token has expired")
    if not isinstance(begins, int | float) or now < begins - auth.tolerance:
        raise Unauthenticated("The bearer token is not valid yet")
