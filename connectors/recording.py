"""Recorded deliveries: one HTTP request a file, as tests compare them and the demo posts them.

    {"about": "...", "received_at": "2026-03-02T10:00:00Z", "auth": {"scheme": "bearer", "secrets": ["..."]},
     "method": "POST", "path": "/?token=...", "headers": {...}, "body": ..., "keys": {"https://...": "..."},
     "denial": "..."}

`path` is what follows the connection's name. The body is `body` (text as it is; an object or list as compact JSON),
`body_lines` (the same a line each) or `body_base64`. `auth` is that of a connection which accepts the delivery; `keys`
are the sender's public keys by their address. `denial` is the bare text of the denial that it carries, if it does.
"""

import base64
import json
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlsplit

from connectors.base import Auth, Delivery
from connectors.codings import decode

EXPECTED_SUFFIX = ".expected.json"


@dataclass(frozen=True, slots=True)
class Recording:
    """One recorded delivery. `target` is its path with the query, `connector` the name of the folder it lies in."""

    connector: str
    case: str
    about: str
    auth: Auth
    target: str
    delivery: Delivery
    denial: str | None


def find_recordings(folder: Path) -> list[Path]:
    """The recordings of a folder of folders, `<connector>/<case>.json`, in order."""
    return sorted(path for path in folder.glob("*/*.json") if not path.name.endswith(EXPECTED_SUFFIX))


def read_recording(path: Path) -> Recording:
    """Read one file. Raises `ValueError` or `KeyError` for one that is not of this form."""
    request = json.loads(path.read_text(encoding="utf-8"))
    given = request.get("auth", {"scheme": "none"})
    headers = {name.lower(): value for name, value in request.get("headers", {}).items()}
    raw = _body(request)
    split = urlsplit(request.get("path", ""))
    delivery = Delivery(
        method=request.get("method", "POST"),
        path=split.path,
        query=dict(parse_qsl(split.query, keep_blank_values=True)),
        headers=headers,
        raw=raw,
        body=decode(raw, headers.get("content-encoding", "")),
        received_at=datetime.fromisoformat(request["received_at"]),
        keys={url: key.encode() for url, key in request.get("keys", {}).items()},
    )
    auth = Auth(**{**given, "secrets": tuple(given.get("secrets", ())), "senders": tuple(given.get("senders", ()))})
    denial = request.get("denial")
    return Recording(path.parent.name, path.stem, request["about"], auth, request.get("path", ""), delivery, denial)


def _body(request: dict[str, Any]) -> bytes:
    if "body_base64" in request:
        return base64.b64decode(request["body_base64"])
    if "body_lines" in request:
        return "".join(f"{_text(line)}\n" for line in request["body_lines"]).encode()
    return _text(request["body"]).encode()


def _text(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, separators=(",", ":"))
