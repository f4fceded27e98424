"""What an OpenID Connect provider says of a person: the ID token checked, and the person read out of its claims. Pure.

https://openid.net/specs/openid-connect-core-1_0.html#IDTokenValidation
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from service.store.access import is_email
from service.store.identities import Person

# Asymmetric ones only: neither `none` nor an HMAC, whose key would be the client's secret.
ALGORITHMS = ("RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512")
_LEEWAY = 60
_RANKS = ("viewer", "reviewer", "admin")


class SignInFailed(Exception):
    """Nobody was signed in. The message is for the person, `reason` for the log; neither holds a secret."""

    def __init__(self, message: str, *, status: int = 403, reason: str = "") -> None:
        super().__init__(message)
        self.status = status
        self.reason = reason or message


class UnknownKey(SignInFailed):
    """The token names a key that is not among the provider's; it may have changed them."""


@dataclass(frozen=True, slots=True)
class Admission:
    """Who may come in, and as what. `roles`: pairs of a value of the claim `role_claim` and a role; `*` is anybody.

    Without `roles` only who has an account. `domains`: those of e-mail addresses; empty for all. `trust_emails`: take
    an address as verified where the provider says nothing about it.
    """

    role_claim: str = "groups"
    roles: tuple[tuple[str, str], ...] = ()
    domains: frozenset[str] = frozenset()
    trust_emails: bool = False


def read_id_token(token: str, keys: Any, *, issuer: str, client_id: str, nonce: str) -> Mapping[str, Any]:
    """The claims of a token that this provider signed for us, now, for this sign-in. `keys`: a joserfc `KeySet`.

    Raises `UnknownKey`, `SignInFailed`.
    """
    from joserfc import errors, jwt  # noqa: PLC0415 - most installations have no provider
    from joserfc.jws import JWSRegistry  # noqa: PLC0415 - see above

    registry = JWSRegistry(algorithms=ALGORITHMS, strict_check_header=False)
    wanted = jwt.JWTClaimsRegistry(
        leeway=_LEEWAY,
        iss={"essential": True, "value": issuer},
        aud={"essential": True, "value": client_id},
        nonce={"essential": True, "value": nonce},
        sub={"essential": True},
        exp={"essential": True},
        iat={"essential": True},
    )
    try:
        claims = jwt.decode(token, keys, registry=registry).claims
        wanted.validate(claims)
    except errors.InvalidKeyIdError as error:
        raise UnknownKey(_UNUSABLE, status=502, reason=str(error)) from None
    except (errors.JoseError, ValueError, TypeError, KeyError, AttributeError) as error:
        raise SignInFailed(_UNUSABLE, status=502, reason=f"{type(error).__name__}: {error}"[:200]) from None
    _check_party(claims, client_id)
    return claims


_UNUSABLE = "The provider's answer could not be verified, so nobody was signed in. Try again, or tell an admin."


def _check_party(claims: Mapping[str, Any], client_id: str) -> None:
    party = claims.get("azp")
    several = isinstance(claims["aud"], list) and len(claims["aud"]) > 1
    if (party is not None or several) and party != client_id:
        raise SignInFailed(_UNUSABLE, status=502, reason="the token was made for another party (azp)")


def read_person(claims: Mapping[str, Any], issuer: str, admission: Admission) -> Person:
    """Who the claims say it is, and as what he comes in. Raises `SignInFailed` when he may not."""
    email = _verified_email(claims, admission)
    if admission.domains and (email is None or email.rpartition("@")[2].casefold() not in admission.domains):
        raise SignInFailed("Only people with a verified e-mail address of certain domains may sign in here.")
    return Person(issuer, str(claims["sub"]), email, _role(claims, admission))


def _verified_email(claims: Mapping[str, Any], admission: Admission) -> str | None:
    email, verified = claims.get("email"), claims.get("email_verified")
    trusted = verified in (True, "true") or (verified is None and admission.trust_emails)
    return email if trusted and isinstance(email, str) and is_email(email) else None


def _role(claims: Mapping[str, Any], admission: Admission) -> str | None:
    if not admission.roles:
        return None
    held = {*_values(_find(claims, admission.role_claim)), "*"}
    found = [_RANKS.index(role) for value, role in admission.roles if value in held]
    if not found:
        raise SignInFailed("The provider knows you, but nothing it says of you lets you in here. Ask an admin.")
    return _RANKS[max(found)]


def _find(claims: Mapping[str, Any], path: str) -> object:
    """A claim by its name, or where no claim is named so by its path, such as `realm_access.roles`."""
    if path in claims:
        return claims[path]
    found: object = claims
    for name in path.split("."):
        found = found.get(name) if isinstance(found, Mapping) else None
    return found


def _values(claim: object) -> Iterator[str]:
    for value in claim if isinstance(claim, list) else [claim]:
        if isinstance(value, str):
            yield value
