"""What a person pastes into the sender: a connector's `setup` with the address and the proof of one connection."""

import base64
import re
from urllib.parse import quote, urlsplit

from connectors.base import Auth

_PLACE = re.compile(r"%(URL|HOST|PATH|NAME|SECRET|HEADER)%")
_NOT_SHOWN = "<secret>"


def fill_setup(setup: str, *, address: str, name: str, auth: Auth, secret: str | None) -> str:
    """The text for one connection; `address` is its URL without a token.

    A secret that cannot be shown (any more) stands as `<secret>`. A line with `%HEADER%` is left out where the
    connection's scheme needs no header.
    """
    shown = secret or _NOT_SHOWN
    header = _header(auth, shown)
    split = urlsplit(address)
    values = {
        "URL": f"{address}?token={quote(shown, safe='<>')}" if auth.scheme == "url-token" else address,
        "HOST": split.netloc,
        "PATH": split.path,
        "NAME": name,
        "SECRET": shown,
        "HEADER": header or "",
    }
    lines = [line for line in setup.splitlines() if header or "%HEADER%" not in line]
    return "\n".join(_PLACE.sub(lambda found: values[found[1]], line) for line in lines).strip("\n") + "\n"


def _header(auth: Auth, secret: str) -> str | None:
    match auth.scheme:
        case "bearer":
            return f"Authorization: Bearer {secret}"
        case "basic" if secret == _NOT_SHOWN:
            return f"Authorization: Basic <base64 of {auth.username}:{secret}>"
        case "basic":
            pair = base64.b64encode(f"{auth.username}:{secret}".encode()).decode()
            return f"Authorization: Basic {pair}"
        case "header":
            return f"{auth.name}: {secret}"
    return None
