"""The OpenID Connect provider as the network shows it: its discovery document, its keys, and its tokens.

Only the issuer that the settings name is believed, over https (or loopback), and what it answers is small and soon.
https://openid.net/specs/openid-connect-discovery-1_0.html, https://www.rfc-editor.org/rfc/rfc6749#section-4.1.3
"""

import asyncio
import base64
import json
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import quote, urlencode, urlsplit

import structlog

from service.outgoing import Unreachable, fetch, send_form
from service.web.oidc_claims import Admission, SignInFailed, UnknownKey, read_id_token

log = structlog.get_logger(__name__)

CALLBACK = "/login/oidc/callback"
_KEPT = 3_600.0
_BETWEEN_REFRESHES = 30.0
_PATIENCE = 5.0
_LARGEST = 256 * 1024
_LOOPBACK = frozenset({"127.0.0.1", "::1", "localhost"})


@dataclass(frozen=True, slots=True)
class Client:
    """What we are at the provider. `public_url` is ours, without a slash at its end; `name` is what people call it."""

    issuer: str
    client_id: str
    client_secret: str | None = field(repr=False)
    scopes: str
    name: str
    public_url: str
    admission: Admission

    @property
    def redirect_uri(self) -> str:
        return self.public_url + CALLBACK


def is_safe_address(url: object) -> bool:
    """Whether requests may go there: https, or http to this machine."""
    try:
        parts = urlsplit(str(url))
    except ValueError:
        return False
    is_ours = parts.scheme == "http" and parts.hostname in _LOOPBACK
    return bool(parts.hostname) and (parts.scheme == "https" or is_ours)


class Provider:
    """One provider, for one event loop. What it publishes is kept for an hour; an unknown key has it asked again."""

    def __init__(self, client: Client) -> None:
        self.client = client
        self._lock = asyncio.Lock()
        self._published: tuple[float, dict[str, Any], bytes] | None = None
        self._refreshed = -_BETWEEN_REFRESHES

    async def authorization_url(self, *, state: str, nonce: str, challenge: str) -> str:
        """Where to send a browser to sign in. Raises `SignInFailed`."""
        published, _ = await self._publication()
        query = {
            "response_type": "code",
            "client_id": self.client.client_id,
            "redirect_uri": self.client.redirect_uri,
            "scope": self.client.scopes,
            "state": state,
            "nonce": nonce,
            "code_challenge": challenge,
            "code_challenge_method": "S256",
        }
        return _with_query(published["authorization_endpoint"], query)

    async def sign_out_url(self) -> str | None:
        """Where to send a browser to sign out of the provider too; None where it offers nothing, or is away.

        https://openid.net/specs/openid-connect-rpinitiated-1_0.html
        """
        try:
            published, _ = await self._publication()
        except SignInFailed:
            return None
        address = published.get("end_session_endpoint")
        query = {"client_id": self.client.client_id, "post_logout_redirect_uri": f"{self.client.public_url}/login"}
        return _with_query(str(address), query) if self._is_safe(address) else None

    async def sign_in(self, *, code: str, verifier: str, nonce: str, issuer: str | None) -> Mapping[str, Any]:
        """What the provider says of whoever brought this code. Raises `SignInFailed`.

        `issuer` is the one that came with the code, https://www.rfc-editor.org/rfc/rfc9207.
        """
        published, keys = await self._publication()
        named = issuer is not None or published.get("authorization_response_iss_parameter_supported") is True
        if named and issuer != self.client.issuer:
            raise SignInFailed(_NOT_OURS, status=400, reason="the answer names another issuer")
        tokens = await self._exchange(published, code, verifier)
        token = str(tokens.get("id_token", ""))
        try:
            claims = self._read(token, keys, nonce)
        except UnknownKey:
            _, keys = await self._publication(again=True)
            claims = self._read(token, keys, nonce)
        return await self._completed(published, claims, tokens.get("access_token"))

    def _read(self, token: str, keys: bytes, nonce: str) -> Mapping[str, Any]:
        client = self.client
        return read_id_token(token, _key_set(keys), issuer=client.issuer, client_id=client.client_id, nonce=nonce)

    async def _exchange(self, published: Mapping[str, Any], code: str, verifier: str) -> dict[str, Any]:
        form = {
            "grant_type": "authorization_code",
            "code": code,
            "redirect_uri": self.client.redirect_uri,
            "code_verifier": verifier,
        }
        headers = {"Accept": "application/json"} | self._proof(published, form)
        try:
            status, body = await send_form(
                published["token_endpoint"], form, patience=_PATIENCE, limit=_LARGEST, headers=headers
            )
        except Unreachable as error:
            raise self._away(str(error)) from None
        answer = _object(body)
        if status != 200:
            reason = f"the token endpoint answered {status} {str(answer.get('error', ''))[:60]}".strip()
            raise SignInFailed("The provider took the sign-in back. Start again.", status=400, reason=reason)
        return answer

    def _proof(self, published: Mapping[str, Any], form: dict[str, str]) -> dict[str, str]:
        """Prove who we are, in the way that the provider takes: in the header it answers with, or in the form."""
        name, secret = self.client.client_id, self.client.client_secret
        ways = published.get("token_endpoint_auth_methods_supported") or ["client_secret_basic"]
        if secret is None:
            form["client_id"] = name
        elif "client_secret_basic" in ways:
            pair = f"{quote(name, safe='')}:{quote(secret, safe='')}".encode()
            return {"Authorization": f"Basic {base64.b64encode(pair).decode()}"}
        else:
            form |= {"client_id": name, "client_secret": secret}
        return {}

    async def _completed(
        self, published: Mapping[str, Any], claims: Mapping[str, Any], access_token: object
    ) -> Mapping[str, Any]:
        """The claims, with those that the provider tells only when it is asked with the access token."""
        address, admission = published.get("userinfo_endpoint"), self.client.admission
        lacks = "email" not in claims or (admission.roles and admission.role_claim not in claims)
        if not lacks or not isinstance(access_token, str) or not self._is_safe(address):
            return claims
        try:
            headers = {"Authorization": f"Bearer {access_token}"}
            more = _object(await fetch(str(address), patience=_PATIENCE, limit=_LARGEST, headers=headers))
        except Unreachable as error:
            raise self._away(str(error)) from None
        if more.get("sub") != claims["sub"]:
            raise SignInFailed(_NOT_OURS, status=502, reason="userinfo tells of somebody else")
        return {**more, **claims}

    async def _publication(self, *, again: bool = False) -> tuple[dict[str, Any], bytes]:
        """The discovery document and the key set, asked `again` at most every half minute. Raises `SignInFailed`."""
        async with self._lock:
            now = time.monotonic()
            may_ask = again and now - self._refreshed >= _BETWEEN_REFRESHES
            if self._published is None or self._published[0] <= now or may_ask:
                self._refreshed = now if again else self._refreshed
                self._published = (now + _KEPT, *await self._fetch_publication())
            return self._published[1:]

    async def _fetch_publication(self) -> tuple[dict[str, Any], bytes]:
        well_known = f"{self.client.issuer.rstrip('/')}/.well-known/openid-configuration"
        try:
            published = _object(await fetch(well_known, patience=_PATIENCE, limit=_LARGEST))
            if published.get("issuer") != self.client.issuer:
                raise self._away("its discovery document names another issuer")
            needed = ("authorization_endpoint", "token_endpoint", "jwks_uri")
            if unsafe := [name for name in needed if not self._is_safe(published.get(name))]:
                raise self._away(f"no safe address for {', '.join(unsafe)} in its discovery document")
            keys = await fetch(published["jwks_uri"], patience=_PATIENCE, limit=_LARGEST)
        except Unreachable as error:
            raise self._away(str(error)) from None
        return published, keys

    def _is_safe(self, url: object) -> bool:
        """Whether the provider may send us there: a provider elsewhere has nothing to seek on this machine."""
        ours = urlsplit(self.client.issuer).scheme
        return is_safe_address(url) and urlsplit(str(url)).scheme in {"https", ours}

    def _away(self, reason: str) -> SignInFailed:
        log.warning("the OpenID Connect provider cannot be used", issuer=self.client.issuer, reason=reason)
        return SignInFailed(
            f"{self.client.name} does not answer as it should. Try again in a minute, or sign in with a password.",
            status=503,
            reason=reason,
        )


_NOT_OURS = "That is not the answer to a sign-in that began here. Start again."


def _object(body: bytes) -> dict[str, Any]:
    try:
        found = json.loads(body)
    except ValueError:
        found = None
    return found if isinstance(found, dict) else {}


def _key_set(body: bytes) -> Any:
    from joserfc.errors import JoseError  # noqa: PLC0415 - most installations have no provider
    from joserfc.jwk import KeySet  # noqa: PLC0415 - see above

    keys = _object(body).get("keys")
    signing = [key for key in keys if _signs(key)] if isinstance(keys, list) else []
    try:
        return KeySet.import_key_set({"keys": signing})
    except (JoseError, ValueError, TypeError, KeyError) as error:
        message = "The provider's keys cannot be read. Tell an admin."
        raise SignInFailed(message, status=502, reason=type(error).__name__) from None


def _signs(key: object) -> bool:
    return isinstance(key, dict) and key.get("kty") in {"RSA", "EC"} and key.get("use", "sig") == "sig"


def _with_query(address: str, query: Mapping[str, str]) -> str:
    return f"{address}{'&' if urlsplit(address).query else '?'}{urlencode(query)}"
