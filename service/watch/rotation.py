"""Which file a place lies in, after the files of a log were renamed, copied or truncated meanwhile."""

import os
import re
import stat
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, replace
from hashlib import blake2b
from pathlib import Path
from typing import Any
from uuid import uuid4

_HEAD = 1024
_TELLING = 256  # so many equal bytes are no mere greeting at the start of every file
_PACKED = (".gz", ".bz2", ".xz", ".zst", ".lz4", ".zip")
_DIGITS = re.compile(r"\d+")


@dataclass(frozen=True, slots=True)
class Place:
    """How far which file was read.

    `run` is a word of our own for the file since it was begun, `head` a hash of its first `head_size` bytes; `in_line`:
    the place lies within a line that is passed over, since it is too long.
    """

    run: str
    device: int
    inode: int
    offset: int = 0
    head: str = ""
    head_size: int = 0
    in_line: bool = False

    @classmethod
    def read(cls, told: Mapping[str, Any] | None) -> "Place | None":
        """The place as it was kept; None where there is none."""
        try:
            return cls(**told) if told else None
        except TypeError:
            return None

    def told(self) -> dict[str, Any]:
        """The place as it is kept."""
        return asdict(self)

    def advanced(self, file: int, offset: int, *, in_line: bool) -> "Place":
        """The place further on in the same open file."""
        size = min(_HEAD, offset)
        return replace(self, offset=offset, head=head_of(file, size), head_size=size, in_line=in_line)


def beginning(path: Path, *, at_end: bool = False) -> Place:
    """A place in a file that was never read. Raises `OSError`."""
    file = open_plain(path)
    try:
        told = os.fstat(file)
        place = Place(uuid4().hex, told.st_dev, told.st_ino)
        return place.advanced(file, told.st_size, in_line=False) if at_end else place
    finally:
        os.close(file)


def open_plain(path: Path) -> int:
    """A descriptor of a plain file; a pipe or a device would keep us waiting. Raises `OSError`."""
    file = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    if not stat.S_ISREG(os.fstat(file).st_mode):
        os.close(file)
        raise OSError(None, "it is no plain file")
    return file


def head_of(file: int, size: int) -> str:
    """A hash of the first `size` bytes."""
    return blake2b(os.pread(file, size, 0), digest_size=8).hexdigest() if size else ""


def is_at(file: int, place: Place) -> bool:
    """Whether the open file is the very one of the place."""
    told = os.fstat(file)
    return (told.st_dev, told.st_ino) == (place.device, place.inode)


def holds(file: int, place: Place) -> bool:
    """Whether the open file can still be the one that was read up to the place."""
    return os.fstat(file).st_size >= place.offset and head_of(file, place.head_size) == place.head


def to_read(path: Path, place: Place) -> list[tuple[Path, Place]]:
    """The files that hold what follows the place, oldest first; `path` is the last, unless it does not exist now.

    Where no file holds the place any more it is `path` alone, from its start. Raises `OSError`.
    """
    rotated = sorted(_rotated(path), key=_modified)
    for is_same_file in (True, False):
        for at, one in enumerate((path, *rotated)):
            found = _place_in(one, place, is_same_file=is_same_file)
            if found is not None:
                later = [other for other in rotated[at:] if _pattern(other) == _pattern(one)] if at else []
                return [(one, found), *_beginnings([*later, path] if at else [])]
    return _beginnings([path])


def _beginnings(paths: list[Path]) -> list[tuple[Path, Place]]:
    return [(one, beginning(one)) for one in paths if one.exists()]


def _rotated(path: Path) -> Iterator[Path]:
    """Files beside the path that seem to be it under an older name, such as app.log.1 and app-20260302.log."""
    for one in path.parent.iterdir():
        is_kin = one.name.startswith((f"{path.name}.", f"{path.name}-", f"{path.stem}-", f"{path.stem}."))
        if is_kin and one != path and one.suffix not in _PACKED and one.is_file():
            yield one


def _modified(path: Path) -> int:
    return path.stat().st_mtime_ns if path.exists() else 0


def _pattern(path: Path) -> str:
    return _DIGITS.sub("0", path.name)


def _place_in(path: Path, place: Place, *, is_same_file: bool) -> Place | None:
    """The place in this file, None where it lies in another. A copy is known by its first bytes."""
    try:
        file = open_plain(path)
    except OSError:
        return None
    try:
        told = os.fstat(file)
        same = is_at(file, place)
        if same is not is_same_file or not holds(file, place) or not (same or place.head_size >= _TELLING):
            return None
        return replace(place, device=told.st_dev, inode=told.st_ino)
    finally:
        os.close(file)
