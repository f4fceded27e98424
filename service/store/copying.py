"""A copy of a SQLite database while it is in use, whole and checked.

https://www.sqlite.org/backup.html
"""

import os
import sqlite3
from pathlib import Path


class NotCopied(Exception):
    """There is no good copy. The message says why."""


def copy_sqlite(source: Path, target: Path) -> int:
    """Copy the database as it stands now into a new file that only its owner can read; gives its size in bytes.

    Writers go on meanwhile. The file appears under its name only when it is whole. Raises `NotCopied`.
    """
    if target.exists():
        raise NotCopied(f"{target} is there already; choose another name")
    partial = target.with_name(f".{target.name}.part")
    try:
        partial.unlink(missing_ok=True)
        os.close(os.open(partial, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600))
        _copy(source, partial)
        partial.replace(target)
    except (sqlite3.Error, OSError) as error:
        partial.unlink(missing_ok=True)
        raise NotCopied(f"{target} could not be written: {error}") from None
    return target.stat().st_size


def _copy(source: Path, target: Path) -> None:
    reading = sqlite3.connect(f"{source.absolute().as_uri()}?mode=ro", uri=True)
    writing = sqlite3.connect(target)
    try:
        reading.backup(writing)  # in one step: between two, a write of anybody would begin it anew
        problem = writing.execute("PRAGMA quick_check(1)").fetchone()[0]
        if problem != "ok":
            raise sqlite3.DatabaseError(f"the copy is damaged: {problem}")
    finally:
        writing.close()
        reading.close()
