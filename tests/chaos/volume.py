"""A small disk that can be filled: a tmpfs where mounting is permitted, else a cap on how far files may grow."""

import errno
import resource
import shutil
import subprocess
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

_BLOCK = 65_536


class Volume:
    """A folder. `is_mounted`: it is a file system of its own and really fills; else files are kept from growing."""

    def __init__(self, folder: Path, *, is_mounted: bool) -> None:
        self.folder = folder
        self.is_mounted = is_mounted
        self._capped: list[int] = []

    def fill(self, process_ids: Sequence[int]) -> None:
        """Leave no room: for anybody, or where nothing is mounted for these processes."""
        if self.is_mounted:
            _write_until_full(self.folder / "filler")
            return
        self._capped = list(process_ids)
        self._cap((_BLOCK, resource.RLIM_INFINITY))

    def clear(self) -> None:
        """Give the room back."""
        (self.folder / "filler").unlink(missing_ok=True)
        self._cap((resource.RLIM_INFINITY, resource.RLIM_INFINITY))
        self._capped = []

    def _cap(self, limits: tuple[int, int]) -> None:
        for process_id in self._capped:
            try:
                resource.prlimit(process_id, resource.RLIMIT_FSIZE, limits)
            except ProcessLookupError:
                continue  # killed in the meantime


@contextmanager
def small_volume(megabytes: int) -> Iterator[Volume]:
    """Mount one, and take it away at the end. It is open to other users, for servers that refuse to be root."""
    folder = Path(tempfile.mkdtemp(prefix="whydenied-chaos-"))
    folder.chmod(0o755)
    mount = ["mount", "-t", "tmpfs", "-o", f"size={megabytes}m,mode=755", "tmpfs", str(folder)]
    is_mounted = subprocess.run(mount, capture_output=True, check=False).returncode == 0
    try:
        yield Volume(folder, is_mounted=is_mounted)
    finally:
        if is_mounted:
            subprocess.run(["umount", "-l", str(folder)], capture_output=True, check=True)
        shutil.rmtree(folder)


def _write_until_full(file: Path) -> None:
    with file.open("ab", buffering=0) as filler:
        for size in (_BLOCK, 4_096, 512, 1):
            try:
                while True:
                    filler.write(b"\0" * size)
            except OSError as error:
                if error.errno != errno.ENOSPC:
                    raise
