"""The OpenID Connect provider of the settings."""

from urllib.parse import urlsplit

from service.settings import PREFIX, Settings
from service.store.access_tables import ROLES
from service.web.oidc_claims import Admission
from service.web.oidc_provider import Client, Provider, is_safe_address


class OidcSettingsError(Exception):
    """The provider cannot be used as it is set. The message names the variable and no secret."""


def open_provider(settings: Settings) -> Provider | None:
    """The provider that the settings name, or None. Asks it nothing yet. Raises `OidcSettingsError`."""
    issuer = settings.oidc_issuer
    if issuer is None:
        return None
    if not is_safe_address(issuer):
        raise OidcSettingsError(f"{PREFIX}OIDC_ISSUER: must be an https address (http only on this machine)")
    if settings.oidc_client_id is None or settings.public_url is None:
        raise OidcSettingsError(f"{PREFIX}OIDC_ISSUER needs {PREFIX}OIDC_CLIENT_ID and {PREFIX}PUBLIC_URL")
    secret = settings.oidc_client_secret
    client = Client(
        issuer=issuer,
        client_id=settings.oidc_client_id,
        client_secret=secret.get_secret_value() if secret else None,
        scopes=" ".join(dict.fromkeys(["openid", *settings.oidc_scopes.split()])),
        name=settings.oidc_name or urlsplit(issuer).hostname or issuer,
        public_url=settings.public_url,
        admission=Admission(
            role_claim=settings.oidc_role_claim,
            roles=_roles(settings.oidc_roles or ""),
            domains=frozenset(_parts((settings.oidc_domains or "").casefold(), ",")),
            trust_emails=settings.oidc_trust_emails,
        ),
    )
    return Provider(client)


def _roles(text: str) -> tuple[tuple[str, str], ...]:
    """`admin=platform; viewer=*` as pairs of value and role."""
    pairs = []
    for part in _parts(text, ";"):
        role, _, value = part.partition("=")
        if role.strip() not in ROLES or not value.strip():
            raise OidcSettingsError(
                f"{PREFIX}OIDC_ROLES: `{part}` is not ROLE=VALUE with a role of {', '.join(ROLES)}; separate pairs by ;"
            )
        pairs.append((value.strip(), role.strip()))
    return tuple(pairs)


def _parts(text: str, separator: str) -> list[str]:
    return [part.strip() for part in text.split(separator) if part.strip()]
