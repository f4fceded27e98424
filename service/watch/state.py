"""Keeps how far each source was read in a file, so that a restart goes on there."""

import fcntl
import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import IO, Any

from service.watch.source import WatchError

_FORMAT = 1


class State:
    """The places by source. One process at a time has the file; `save` replaces it whole."""

    def __init__(self, path: Path) -> None:
        """Raises `WatchError` where the file cannot be used."""
        self._path = path
        self._lock = _lock(path)
        try:
            self._places = _read(path)
        except WatchError:
            self.close()
            raise
        self._saved = dict(self._places)

    def get(self, name: str) -> Mapping[str, Any] | None:
        """The place of a source, None where it was never read."""
        return self._places.get(name)

    def put(self, name: str, place: Mapping[str, Any]) -> None:
        """Note the place of a source."""
        self._places[name] = place

    def save(self) -> None:
        """Write the places where they changed, durably. Raises `WatchError`."""
        if self._places == self._saved:
            return
        fresh = self._path.with_name(f"{self._path.name}.new")
        try:
            with _open_private(fresh) as file:
                json.dump({"format": _FORMAT, "places": self._places}, file)
                file.flush()
                os.fsync(file.fileno())
            fresh.replace(self._path)
        except OSError as error:
            raise WatchError(f"the state {self._path} cannot be written: {error.strerror}") from None
        self._saved = dict(self._places)

    def close(self) -> None:
        """Let another process have it."""
        self._lock.close()


def _lock(path: Path) -> IO[str]:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        file = _open_private(path.with_name(f"{path.name}.lock"))
    except OSError as error:
        raise WatchError(f"the state {path} cannot be kept: {error.strerror}; name another with --state") from None
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        file.close()
        raise WatchError(f"another whydenied watch keeps its state in {path}; name another with --state") from None
    return file


def _read(path: Path) -> dict[str, Mapping[str, Any]]:
    try:
        told = json.loads(path.read_text(encoding="utf-8"))
        places = told["places"] if told["format"] == _FORMAT else None
    except FileNotFoundError:
        return {}
    except (OSError, ValueError, LookupError, TypeError):
        places = None
    if not isinstance(places, dict) or not all(isinstance(one, dict) for one in places.values()):
        raise WatchError(f"the state {path} cannot be read; remove it to begin anew, or name another with --state")
    return places


def _open_private(path: Path) -> IO[str]:
    return os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w", encoding="utf-8")
