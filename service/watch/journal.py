"""Follows the journal of systemd, by its own program.

https://www.freedesktop.org/software/systemd/man/latest/journalctl.html
https://systemd.io/JOURNAL_EXPORT_FORMATS/#journal-json-format
"""

import asyncio
import json
import os
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from connectors.log_joining import LONGEST_RECORD, Joiner
from connectors.log_shipper import journal_message
from service.watch.source import Batch, Record, WatchError

_FIELDS = (
    "MESSAGE,PRIORITY,SYSLOG_IDENTIFIER,_SYSTEMD_UNIT,_SYSTEMD_USER_UNIT,_HOSTNAME,_UID,_PID,_BOOT_ID,_TRANSPORT,"
    "CONTAINER_NAME,_SOURCE_REALTIME_TIMESTAMP"
)
_MOST = 500
_PATIENCE, _LULL = 1.0, 0.3  # seconds until the first entry, and until no more come with it
_CHUNK = 64 * 1024
_LONGEST = 16 * 1024 * 1024


class JournalSource:
    """The entries of this machine's journal, of some units or all, or those of another folder of journals."""

    name = "journal"

    def __init__(
        self,
        kept: Mapping[str, Any] | None,
        *,
        units: Sequence[str] = (),
        folder: Path | None = None,
        at_end: bool = True,
        once: bool = False,
    ) -> None:
        self._cursor = str(kept["cursor"]) if kept and kept.get("cursor") else None
        self._at_end = at_end
        self._once = once
        self._chosen = [f"--unit={unit}" for unit in units] + ([f"--directory={folder}"] if folder else [])
        self._process: asyncio.subprocess.Process | None = None
        self._complaints = tempfile.TemporaryFile()  # noqa: SIM115 - a pipe that nobody reads would fill
        self._rest = b""

    async def read(self) -> Batch | None:
        """The next entries, None where there are none for a second. Raises `WatchError` where journalctl fails."""
        if self._cursor is None and self._at_end:
            self._at_end = False
            self._cursor = await self._newest()
            if self._cursor is not None:
                return Batch((), self._place(), self._place())
        before = self._place()
        entries = [entry for line in await self._lines() if (entry := _entry(line))]
        if not entries:
            return None
        self._cursor = str(entries[-1]["__CURSOR"])
        return Batch(_joined(entries), before, self._place())

    async def close(self) -> None:
        """End journalctl. Nothing is read after that."""
        process, self._process = self._process, None
        if process is not None and process.returncode is None:
            process.terminate()
            await process.wait()
        self._complaints.close()

    def _place(self) -> Mapping[str, Any]:
        return {"cursor": self._cursor}

    async def _lines(self) -> list[bytes]:
        """Whole lines, as they come until a lull; at the end of what there is, none."""
        if self._process is None:
            told = ["--after-cursor", self._cursor] if self._cursor else []
            self._process = await self._start(*told, "--no-tail", *([] if self._once else ["--follow"]))
            self._rest = b""
        output = self._process.stdout
        lines, patience = list[bytes](), _PATIENCE
        while output is not None and len(lines) < _MOST:
            try:
                async with asyncio.timeout(None if self._once else patience):
                    piece = await output.read(_CHUNK)
            except TimeoutError:
                return lines
            if not piece:
                if not lines:
                    await self._end()
                return lines
            *whole, self._rest = (self._rest + piece).split(b"\n")
            if len(self._rest) > _LONGEST:
                raise WatchError("the journal has an entry of more than 16 MB")
            lines += whole
            patience = _LULL if lines else _PATIENCE
        return lines

    async def _end(self) -> None:
        """journalctl has ended: with `once` that is the end, else it is started again by the next read."""
        process, self._process = self._process, None
        code = await process.wait() if process else 0
        if code or not self._once:
            raise WatchError(f"journalctl has ended ({code}): {self._complaint()}")

    def _complaint(self) -> str:
        size = self._complaints.seek(0, os.SEEK_END)
        self._complaints.seek(max(0, size - 2_000))
        told = self._complaints.read().decode("utf-8", "replace").strip().splitlines()
        self._complaints.seek(0)
        self._complaints.truncate()
        return told[-1] if told else "it does not say why"

    async def _newest(self) -> str | None:
        process = await self._start("--lines=1")
        output, _ = await process.communicate()
        if process.returncode:
            raise WatchError(f"journalctl fails ({process.returncode}): {self._complaint()}")
        entry = _entry(output.strip())
        return str(entry["__CURSOR"]) if entry else None

    async def _start(self, *told: str) -> asyncio.subprocess.Process:
        options = ("--output=json", f"--output-fields={_FIELDS}", "--all", "--quiet", "--no-pager")
        try:
            return await asyncio.create_subprocess_exec(
                "journalctl",
                *options,
                *self._chosen,
                *told,
                stdin=asyncio.subprocess.DEVNULL,
                stdout=asyncio.subprocess.PIPE,
                stderr=self._complaints,
            )
        except OSError as error:
            raise WatchError(f"journalctl cannot be started: {error.strerror}; it comes with systemd") from None


def _entry(line: bytes) -> dict[str, Any] | None:
    try:
        entry = json.loads(line)
    except ValueError:
        return None
    return entry if isinstance(entry, dict) and entry.get("__CURSOR") else None


def _joined(entries: Sequence[dict[str, Any]]) -> list[Record]:
    """The entries, with the lines of a stack trace that one process printed as one."""
    joiners: dict[tuple[Any, Any], tuple[Joiner, list[str]]] = {}
    records: list[tuple[dict[str, Any], list[str]]] = []
    for entry in entries:
        lines = journal_message(entry)[:LONGEST_RECORD].splitlines()
        if not lines:
            continue
        stream = (entry.get("_BOOT_ID"), entry.get("_PID"))
        joiner, record = joiners.get(stream) or (Joiner(), list[str]())
        if entry.get("_TRANSPORT") != "stdout" or not joiner.continues(lines[0]):
            record = []
            records.append((entry, record))
        for line in lines[1:]:
            joiner.continues(line)
        record += lines
        joiners[stream] = (joiner, record)
    return [{**entry, "MESSAGE": "\n".join(record)} for entry, record in records]
