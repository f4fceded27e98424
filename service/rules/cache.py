"""What takes seconds to compute from the rules, kept as JSON under the name of its input. Only a copy: it may go."""

import hashlib
import os
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import msgspec

_FORMAT = 2
_CACHED_VERSIONS = 8


def remember(stem: str, source: bytes, compute: Callable[[], Any]) -> Any:
    """What `compute` makes of `source`, as JSON holds it. `stem` names its file, and its forerunners, which go."""
    digest = hashlib.sha256(b"%d " % _FORMAT + source).hexdigest()[:32]
    cache = _folder() / f"{stem}-{digest}.json"
    try:
        held = msgspec.json.decode(cache.read_bytes())
    except (OSError, msgspec.DecodeError):
        value = compute()
    else:
        _mark_as_used(cache)
        return held
    _write(cache, stem, value)
    return value


def _mark_as_used(cache: Path) -> None:
    """The copies that were used last are kept."""
    with suppress(OSError):
        os.utime(cache)


def _folder() -> Path:
    base = os.environ.get("XDG_CACHE_HOME")
    return (Path(base) if base else Path.home() / ".cache") / "whydenied"


def _write(cache: Path, stem: str, value: Any) -> None:
    try:
        cache.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        partial = cache.with_suffix(f".{os.getpid()}.tmp")
        partial.write_bytes(msgspec.json.encode(value))
        partial.replace(cache)
        held = sorted(cache.parent.glob(f"{stem}-{'?' * 32}.json"), key=lambda path: path.stat().st_mtime)
        for old in held[:-_CACHED_VERSIONS]:
            old.unlink(missing_ok=True)
    except (OSError, TypeError):
        return  # a read-only home or an unusual YAML value costs seconds per start, nothing else
