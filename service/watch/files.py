"""Follows one plain file through growth, renaming and truncation."""

import asyncio
import os
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from service.watch.lines import CHUNK, cut, time_of
from service.watch.rotation import Place, beginning, holds, is_at, open_plain, to_read
from service.watch.source import Batch, Notify, Record, WatchError

_GRACE = 3  # quiet reads of a renamed file before it is let go: its writer may not know yet


@dataclass(frozen=True, slots=True)
class Facts:
    """What is said of every record of this host."""

    host: str
    service: str | None = None
    environment: str | None = None


class FileSource:
    """One path, which need not exist yet. `at_end`: what it holds at the very first start is passed over.

    With `once` it is read to its end, a last line without its end included.
    """

    def __init__(
        self,
        path: Path,
        kept: Mapping[str, Any] | None,
        facts: Facts,
        notify: Notify,
        *,
        at_end: bool = True,
        once: bool = False,
    ) -> None:
        self.name = str(path)
        self._path = path
        self._facts = facts
        self._notify = notify
        self._once = once
        self._place = Place.read(kept)
        self._at_end = at_end
        self._file = -1
        self._run = self._place.run if self._place else ""
        self._is_rotated = self._is_done = False
        self._size = -1
        self._quiet = 0

    async def read(self) -> Batch | None:
        """The next records, None where there are none now. Raises `WatchError` where the file may not be read."""
        try:
            return await asyncio.to_thread(self._read)
        except OSError as error:
            raise WatchError(f"{self._path} cannot be read: {error.strerror or 'it is no plain file'}") from None

    async def close(self) -> None:
        """Close the file."""
        if self._file >= 0:
            os.close(self._file)
            self._file = -1

    def _read(self) -> Batch | None:
        while self._file >= 0 or self._open():
            place = self._place
            if place is None or not holds(self._file, place):
                self._leave(is_done=False)
                continue
            if place.run != self._run:
                self._run = place.run
                return Batch((), place.told(), place.told())
            found, is_done = self._cut(place)
            if found is not None or not is_done:
                return found
            self._leave(is_done=True)
        return None

    def _leave(self, *, is_done: bool) -> None:
        """Close the file: it is done, or no longer the one that was read."""
        os.close(self._file)
        self._file, self._is_done = -1, is_done

    def _cut(self, place: Place) -> tuple[Batch | None, bool]:
        """The next records, and where there are none, whether the file is done and another one follows it."""
        size = os.fstat(self._file).st_size
        data = os.pread(self._file, CHUNK, place.offset)
        is_end = place.offset + len(data) >= size
        is_quiet, self._size = is_end and size == self._size, size
        self._quiet = self._quiet + 1 if is_quiet else 0
        is_old = self._is_rotated or ((self._once or self._quiet >= _GRACE) and self._is_renamed())
        is_final = is_end and (is_old or self._once)
        found = cut(data, place.offset, is_settled=is_final or is_quiet, is_final=is_final, in_line=place.in_line)
        if not found.used:
            return None, is_final and is_old
        after = place.advanced(self._file, place.offset + found.used, in_line=found.in_line)
        self._place, now = after, datetime.now(UTC)
        records = tuple(self._record(place.run, at, text, now) for at, text in found.records)
        return Batch(records, place.told(), after.told()), False

    def _record(self, run: str, offset: int, text: str, now: datetime) -> Record:
        told = {
            "__CURSOR": f"{run}:{offset}",
            "@timestamp": time_of(text, now).isoformat(),
            "MESSAGE": text,
            "_HOSTNAME": self._facts.host,
            "log": {"file": {"path": self.name}},
            "SYSLOG_IDENTIFIER": self._facts.service,
            "environment": self._facts.environment,
        }
        return {name: value for name, value in told.items() if value is not None}

    def _open(self) -> bool:
        """Open what comes next; False where there is nothing yet, or where it is being rotated this very moment."""
        following = self._following()
        if not following:
            return False
        path, place = following[0]
        try:
            self._file = open_plain(path)
        except FileNotFoundError:
            return False
        if not is_at(self._file, place):
            self._leave(is_done=self._is_done)
            return False
        self._place, self._is_rotated, self._is_done = place, path != self._path, False
        self._size, self._quiet = -1, 0
        return True

    def _following(self) -> list[tuple[Path, Place]]:
        at_end, self._at_end = self._at_end, False
        if self._place is None:
            return [(self._path, beginning(self._path, at_end=at_end))] if self._path.exists() else []
        found = to_read(self._path, self._place)
        if found and found[0][1].run == self._place.run:
            return found[1:] if self._is_done else found
        if found and not self._is_done:
            self._notify(f"{self._path} is read from its start: it is not the file any more that was read before")
        return found

    def _is_renamed(self) -> bool:
        """Whether another file stands under the path now."""
        try:
            now, own = self._path.stat(), os.fstat(self._file)
        except FileNotFoundError:
            return False
        return not os.path.samestat(now, own)
