"""Journals that systemd's own programs make and read, and what a source gives."""

import asyncio
import subprocess
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest

from service.watch.source import Batch, Source

BOOT, MACHINE = "0123456789abcdef0123456789abcdef", "fedcba9876543210fedcba9876543210"
FIRST = 1_772_445_600_000_000


@pytest.fixture
def take() -> Callable[[Source, int], list[Any]]:
    """What a source gives in so many reads: the records of all of them."""

    def read(source: Source, reads: int = 1) -> list[Any]:
        async def whole() -> list[Batch | None]:
            return [await source.read() for _ in range(reads)]

        return [record for batch in asyncio.run(whole()) if batch for record in batch.records]

    return read


@pytest.fixture
def journal(tmp_path: Path) -> Callable[..., Path]:
    """Writes entries to a journal: `journal(entry, ...)` with fields by name; gives its folder. Calls append."""
    folder, count = tmp_path / "journal", [0]
    folder.mkdir()

    def write(*entries: dict[str, str | bytes]) -> Path:
        exported = b"".join(_exported(entry, count[0] + at) for at, entry in enumerate(entries))
        count[0] += len(entries)
        command: Sequence[str | Path] = (
            "/lib/systemd/systemd-journal-remote",
            f"--output={folder}/remote.journal",
            "-",
        )
        subprocess.run(command, input=exported, check=True, capture_output=True, timeout=60)
        return folder

    return write


def _exported(entry: dict[str, str | bytes], number: int) -> bytes:
    """https://systemd.io/JOURNAL_EXPORT_FORMATS/"""
    head = f"__REALTIME_TIMESTAMP={FIRST + number * 1000}\n__MONOTONIC_TIMESTAMP={1 + number}\n_BOOT_ID={BOOT}\n"
    fields = {"_MACHINE_ID": MACHINE, "_HOSTNAME": "web-1", "_TRANSPORT": "stdout", "_PID": "7", **entry}
    parts = [head.encode()]
    for name, value in fields.items():
        raw = value.encode() if isinstance(value, str) else value
        parts.append(name.encode() + b"\n" + len(raw).to_bytes(8, "little") + raw + b"\n")
    return b"".join(parts) + b"\n"
