"""Three hundred made-up secrets: thirty kinds, each in ten places. Built here, lest a scanner take them for real."""

import base64
import json
import random
import string
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from urllib.parse import quote

_ALNUM = string.ascii_letters + string.digits
_HEX = "0123456789abcdef"
_UPPER = string.ascii_uppercase + string.digits
_URLSAFE = _ALNUM + "_-"


@dataclass(frozen=True)
class Planted:
    """One event text with a secret in it. `traces` must not be found anywhere afterwards."""

    kind: str
    place: str
    text: str
    traces: tuple[str, ...]


def _of(length: int, letters: str = _ALNUM) -> Callable[[random.Random], str]:
    return lambda chance: "".join(chance.choices(letters, k=length))


def _after(prefix: str, length: int, letters: str = _ALNUM) -> Callable[[random.Random], str]:
    return lambda chance: prefix + _of(length, letters)(chance)


def _jwt(chance: random.Random) -> str:
    head = base64.urlsafe_b64encode(b'{"alg":"HS256","typ":"JWT"}').rstrip(b"=").decode()
    body = base64.urlsafe_b64encode(json.dumps({"sub": _of(8)(chance)}).encode()).rstrip(b"=").decode()
    return f"{head}.{body}.{_of(43, _URLSAFE)(chance)}"


KINDS: dict[str, tuple[str, Callable[[random.Random], str]]] = {
    "anthropic key": ("x-api-key", _after("sk-ant-" + "api03-", 93, _URLSAFE)),
    "openai key": ("Authorization", _after("sk-" + "proj-", 48)),
    "xai key": ("Authorization", _after("xai" + "-", 80)),
    "groq key": ("Authorization", _after("gsk" + "_", 52)),
    "google key": ("x-goog-api-key", _after("AIza", 35, _URLSAFE)),
    "hugging face token": ("Authorization", _after("hf" + "_", 34)),
    "github token": ("Authorization", _after("ghp" + "_", 36)),
    "github fine-grained token": ("Authorization", _after("github" + "_pat_", 82)),
    "gitlab token": ("PRIVATE-TOKEN", _after("glpat" + "-", 20, _URLSAFE)),
    "slack token": ("Authorization", _after("xoxb" + "-", 48, string.digits + _ALNUM)),
    "stripe key": ("Authorization", _after("sk" + "_live_", 24)),
    "npm token": ("Authorization", _after("npm" + "_", 36)),
    "pypi token": ("Authorization", _after("pypi" + "-AgEIcHlwaS5vcmc", 60, _URLSAFE)),
    "vault token": ("X-Vault-Token", _after("hvs" + ".", 90)),
    "databricks token": ("Authorization", _after("dapi", 32, _HEX)),
    "shopify token": ("X-Shopify-Access-Token", _after("shpat" + "_", 32, _HEX)),
    "sendgrid key": ("Authorization", lambda c: f"SG.{_of(22)(c)}.{_of(43)(c)}"),
    "digitalocean token": ("Authorization", _after("dop_v1" + "_", 64, _HEX)),
    "json web token": ("Authorization", _jwt),
    "aws secret key": ("aws_secret_access_key", _of(40)),
    "aws session token": ("x-amz-security-token", _of(180)),
    "azure account key": ("AccountKey", lambda c: base64.b64encode(c.randbytes(64)).decode()),
    "database password": ("password", _of(18)),
    "client secret": ("client_secret", _of(40, _URLSAFE)),
    "generic key": ("api_key", _of(32)),
    "refresh token": ("refresh_token", _of(64, _URLSAFE)),
    "session cookie": ("session", _of(44, _URLSAFE)),
    "webhook secret": ("webhook_secret", _after("whsec" + "_", 32)),
    "signing key": ("signing_key", _of(64, _HEX)),
    "one-time passphrase": ("passphrase", _of(20)),
}


def _header(name: str, secret: str) -> tuple[str, tuple[str, ...]]:
    value = f"Bearer {secret}" if name == "Authorization" else secret
    return f"POST /v1/x HTTP/1.1\nHost: api.example.com\n{name}: {value}\nAccept: */*\n\n403 refused", (secret,)


def _json(name: str, secret: str) -> tuple[str, tuple[str, ...]]:
    return json.dumps({"error": "refused", "request": {name: secret, "user": "till"}}), (secret,)


def _nested_json(name: str, secret: str) -> tuple[str, tuple[str, ...]]:
    return json.dumps({"message": json.dumps({"body": json.dumps({name: secret})})}), (secret,)


def _query(name: str, secret: str) -> tuple[str, tuple[str, ...]]:
    key = "access_token" if name == "Authorization" else name
    written = quote(secret, safe="")
    return f"GET https://api.example.com/v1/x?user=till&{key}={written} failed: 403", (secret, written)


def _login(name: str, secret: str) -> tuple[str, tuple[str, ...]]:
    written = quote(secret, safe="")
    return f"cannot open postgresql://till:{written}@db.example.com:5432/shop: refused", (secret, written)


def _traceback(name: str, secret: str) -> tuple[str, tuple[str, ...]]:
    key = name.replace("-", "_").lower()
    value = f"Bearer {secret}" if name == "Authorization" else secret
    return (
        f'Traceback (most recent call last):\n  File "/srv/till.py", line 8, in send\n    send({key}={value!r})\n'
        f"    {key} = {value!r}\nRefused: 403",
        (secret,),
    )


def _split(name: str, secret: str) -> tuple[str, tuple[str, ...]]:
    half = len(secret) // 2
    value = f"Bearer {secret}" if name == "Authorization" else secret
    cut = len(value) - len(secret) + half
    return f'config: {{\n  "{name}":\n    "{value[:cut]}\\\n{value[cut:]}"\n}}\nrefused', (
        secret[:half][-8:],
        secret[half:][:8],
    )


def _percent(name: str, secret: str) -> tuple[str, tuple[str, ...]]:
    written = "".join(f"%{ord(c):02X}" for c in secret)
    key = "access_token" if name == "Authorization" else name
    return f"redirect=https%3A%2F%2Fapi.example.com%2Fx%3F{quote(key)}%3D{written}%26user%3Dtill refused", (
        secret,
        written,
    )


def _basic(name: str, secret: str) -> tuple[str, tuple[str, ...]]:
    written = base64.b64encode(f"till:{secret}".encode()).decode()
    return f"curl -H 'Authorization: Basic {written}' https://api.example.com/x\n403 refused", (
        secret,
        written.rstrip("="),
    )


def _environment(name: str, secret: str) -> tuple[str, tuple[str, ...]]:
    key = "API_TOKEN" if name == "Authorization" else name.upper().replace("-", "_")
    return f"environment:\nHOME=/srv\n{key}={secret}\nLANG=C\n403 refused", (secret,)


PLACES: dict[str, Callable[[str, str], tuple[str, tuple[str, ...]]]] = {
    "header": _header,
    "JSON": _json,
    "JSON in JSON in JSON": _nested_json,
    "URL query": _query,
    "URL login": _login,
    "traceback": _traceback,
    "two lines": _split,
    "percent-encoded": _percent,
    "base64": _basic,
    "environment": _environment,
}


def plant() -> Iterator[Planted]:
    """All of them, always the same."""
    chance = random.Random(20261122)
    for kind, (name, make) in KINDS.items():
        for place, write in PLACES.items():
            text, traces = write(name, make(chance))
            yield Planted(kind, place, f"{text}\nplanted {kind} in {place}", traces)
