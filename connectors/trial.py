"""A delivery of our own making, to try a connection with: the least that its source sends, proven as it wants.

Its text says that it is a test, so that nobody takes it for a failure of theirs.
"""

import base64
import hashlib
import hmac
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from connectors.base import Auth, Connector, Delivery

_PLACE = re.compile(r"%(TEXT|BASE64|ID|TIME|SECONDS|NANOS)%")


@dataclass(frozen=True, slots=True)
class HexHMAC:
    """A hex HMAC-SHA256 in `header` after `prefix`; with `dated`, the header of a time that is signed too."""

    header: str
    prefix: str = ""
    dated: str | None = None

    def sign(self, raw: bytes, secret: str, _identity: str, moment: datetime) -> Mapping[str, str]:
        """The headers that prove the body."""
        seconds = str(int(moment.timestamp()))
        signed = f"{self.prefix.rstrip('=')}:{seconds}:".encode() + raw if self.dated else raw
        found = {self.header: self.prefix + hmac.new(secret.encode(), signed, "sha256").hexdigest()}
        return {**found, self.dated: seconds} if self.dated else found


class StandardWebhook:
    """The headers of https://www.standardwebhooks.com."""

    def sign(self, raw: bytes, secret: str, identity: str, moment: datetime) -> Mapping[str, str]:
        """The headers that prove the body."""
        seconds = str(int(moment.timestamp()))
        key = base64.b64decode(secret.removeprefix("whsec_")) if secret.startswith("whsec_") else secret.encode()
        proof = hmac.new(key, f"{identity}.{seconds}.".encode() + raw, hashlib.sha256).digest()
        signature = f"v1,{base64.b64encode(proof).decode()}"
        return {"webhook-id": identity, "webhook-timestamp": seconds, "webhook-signature": signature}


def can_be_tried(connector: Connector, auth: Auth) -> bool:
    """Whether `make_trial` makes something: not where the vendor's own key signs, and not without a secret."""
    if connector.sample is None:
        return False
    if auth.scheme == "signature":
        return connector.signer is not None and bool(auth.secrets)
    return auth.scheme == "none" or bool(auth.secrets)


def make_trial(connector: Connector, auth: Auth, *, text: str, identity: str, moment: datetime) -> Delivery | None:
    """One delivery with `text`, a word or line without quotes, as error; None where nothing can prove it."""
    sample = connector.sample
    if sample is None or not can_be_tried(connector, auth):
        return None
    values = {
        "TEXT": text,
        "BASE64": base64.b64encode(text.encode()).decode(),
        "ID": identity,
        "TIME": moment.isoformat(timespec="seconds").replace("+00:00", "Z"),
        "SECONDS": str(int(moment.timestamp())),
        "NANOS": str(int(moment.timestamp()) * 1_000_000_000),
    }
    raw = _PLACE.sub(lambda found: values[found[1]], sample.body).encode()
    query = {"token": auth.secrets[0]} if auth.scheme == "url-token" else {}
    headers = {"content-type": sample.content_type, **sample.headers, **_proof(connector, auth, raw, identity, moment)}
    return Delivery("POST", sample.path, query, headers, raw, raw, moment)


def _proof(connector: Connector, auth: Auth, raw: bytes, identity: str, moment: datetime) -> Mapping[str, str]:
    match auth.scheme:
        case "signature" if connector.signer:
            return connector.signer.sign(raw, auth.secrets[0], identity, moment)
        case "bearer":
            return {"authorization": f"Bearer {auth.secrets[0]}"}
        case "basic":
            pair = f"{auth.username}:{auth.secrets[0]}".encode("latin-1", "replace")
            return {"authorization": f"Basic {base64.b64encode(pair).decode()}"}
        case "header":
            return {(auth.name or "").lower(): auth.secrets[0]}
    return {}
