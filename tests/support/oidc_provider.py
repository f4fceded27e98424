"""An OpenID Connect provider on loopback that follows the protocol, and can be told to break it.

It publishes its discovery document and keys, asks nobody for a password, hands out codes that work once and only with
the right verifier, secret and redirect URI, and signs tokens with RSA keys that it can change.
"""

import base64
import json
import secrets
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from hashlib import sha256
from typing import Any
from urllib.parse import parse_qsl, urlencode

from joserfc import jwt
from joserfc.jwk import ECKey, OctKey, RSAKey
from joserfc.jws import JWSRegistry
from vendor_api import Answer, Asked, Vendor, vendor_api

CLIENT_ID, CLIENT_SECRET = "whydenied", "the client's secret, as long as good ones are"


@dataclass
class Provider:
    """Who signs in next is `person`; `tamper` changes the claims of the ID token, `sign` how it is signed."""

    vendor: Vendor
    person: dict[str, Any] = field(default_factory=dict)
    tamper: Callable[[dict[str, Any]], None] = lambda _claims: None
    sign: Callable[["Provider", dict[str, Any]], str] = lambda provider, claims: provider.signed(claims)
    userinfo: dict[str, Any] = field(default_factory=dict)
    issues_as: str | None = None
    ways: tuple[str, ...] = ("client_secret_basic",)
    keys: list[RSAKey | ECKey] = field(default_factory=list)
    codes: dict[str, dict[str, str]] = field(default_factory=dict)

    @property
    def issuer(self) -> str:
        return self.vendor.url

    def rotate(self) -> None:
        """From now on another key signs, and only that one is published: first one of RSA, then of a curve."""
        name = {"kid": secrets.token_hex(4), "use": "sig"}
        key = ECKey.generate_key("P-256", name) if self.keys else RSAKey.generate_key(2048, name)
        self.keys = [key]

    def signed(self, claims: dict[str, Any], key: RSAKey | ECKey | None = None) -> str:
        key = key or self.keys[0]
        return jwt.encode({"alg": "ES256" if key.key_type == "EC" else "RS256", "kid": key.kid}, claims, key)

    def routes(self) -> None:
        for method, path, answer in (
            ("GET", "/.well-known/openid-configuration", self._discovery),
            ("GET", "/keys", lambda _: Answer({"keys": [key.as_dict(private=False) for key in self.keys]})),
            ("GET", "/authorize", self._authorize),
            ("POST", "/token", self._token),
            ("GET", "/userinfo", self._userinfo),
            ("GET", "/bye", lambda asked: Answer(None, 302, {"location": asked.query["post_logout_redirect_uri"]})),
        ):
            self.vendor.route(method, path, answer)

    def _discovery(self, _: Asked) -> Answer:
        places = {"authorization": "authorize", "token": "token", "userinfo": "userinfo", "end_session": "bye"}
        return Answer(
            {
                "issuer": self.issues_as or self.issuer,
                **{f"{name}_endpoint": f"{self.issuer}/{path}" for name, path in places.items()},
                "jwks_uri": f"{self.issuer}/keys",
                "token_endpoint_auth_methods_supported": list(self.ways),
                "response_types_supported": ["code"],
                "subject_types_supported": ["public"],
                "id_token_signing_alg_values_supported": ["RS256", "ES256"],
            }
        )

    def _authorize(self, asked: Asked) -> Answer:
        query = dict(asked.query)
        right = (query["response_type"], query["client_id"], query["code_challenge_method"])
        if right != ("code", CLIENT_ID, "S256") or "openid" not in query["scope"].split():
            return Answer({"error": "invalid_request"}, 400)
        code = secrets.token_hex(8)
        self.codes[code] = query
        back = urlencode({"code": code, "state": query["state"], "iss": self.issuer})
        return Answer(None, 302, {"location": f"{query['redirect_uri']}?{back}"})

    def _token(self, asked: Asked) -> Answer:
        form = dict(parse_qsl(asked.body.decode()))
        if not self._is_client(asked, form):
            return Answer({"error": "invalid_client"}, 401)
        began = self.codes.pop(form["code"], None)
        challenge = base64.urlsafe_b64encode(sha256(form["code_verifier"].encode()).digest()).rstrip(b"=").decode()
        if began is None or began["redirect_uri"] != form["redirect_uri"] or began["code_challenge"] != challenge:
            return Answer({"error": "invalid_grant"}, 400)
        now = int(time.time())
        claims = {"iss": self.issuer, "aud": CLIENT_ID, "exp": now + 300, "iat": now, "nonce": began["nonce"]}
        claims |= self.person
        self.tamper(claims)
        return Answer({"access_token": "access", "token_type": "Bearer", "id_token": self.sign(self, claims)})

    def _is_client(self, asked: Asked, form: dict[str, str]) -> bool:
        if "client_secret_basic" in self.ways:
            pair = "whydenied:the%20client%27s%20secret%2C%20as%20long%20as%20good%20ones%20are"
            wanted = base64.b64encode(pair.encode()).decode()
            return asked.headers.get("authorization") == f"Basic {wanted}"
        return (form.get("client_id"), form.get("client_secret")) == (CLIENT_ID, CLIENT_SECRET)

    def _userinfo(self, asked: Asked) -> Answer:
        return Answer({"sub": self.person["sub"], **self.userinfo})


def unsigned(_provider: Provider, claims: dict[str, Any]) -> str:
    """A token of the algorithm `none`."""
    parts = [json.dumps(part).encode() for part in ({"alg": "none", "typ": "JWT"}, claims)]
    return ".".join(base64.urlsafe_b64encode(part).rstrip(b"=").decode() for part in parts) + "."


def signed_with_the_secret(provider: Provider, claims: dict[str, Any]) -> str:
    """A token whose HMAC key is the client's secret, under the name of the published key."""
    header = {"alg": "HS256", "kid": provider.keys[0].kid}
    return jwt.encode(header, claims, OctKey.import_key(CLIENT_SECRET), registry=JWSRegistry(algorithms=["HS256"]))


def signed_by_a_stranger(provider: Provider, claims: dict[str, Any]) -> str:
    """A token of somebody else's key that goes by the name of the published one."""
    name = {"kid": provider.keys[0].kid}
    is_rsa = provider.keys[0].key_type == "RSA"
    return provider.signed(claims, RSAKey.generate_key(2048, name) if is_rsa else ECKey.generate_key("P-256", name))


def settings_for(provider: "Provider", roles: str) -> dict[str, str]:
    """What makes a service sign in with this provider, `roles` as WHYDENIED_OIDC_ROLES has them."""
    return {
        "public_url": "http://localhost",
        "oidc_issuer": provider.issuer,
        "oidc_client_id": CLIENT_ID,
        "oidc_client_secret": CLIENT_SECRET,
        "oidc_name": "Example Login",
        "oidc_roles": roles,
    }


@contextmanager
def running_provider() -> Iterator[Provider]:
    """A provider until the block ends."""
    with vendor_api() as vendor:
        provider = Provider(vendor)
        provider.rotate()
        provider.routes()
        yield provider
