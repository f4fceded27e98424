"""A private PostgreSQL server for tests: its own folder, its own port on loopback, gone when it is closed."""

import functools
import os
import pwd
import shutil
import socket
import subprocess
import tempfile
from pathlib import Path

HOW_TO_INSTALL = "install PostgreSQL 14 or newer (Debian: apt-get install postgresql; macOS: brew install postgresql)"
_UNSAFE_BUT_FAST = ("fsync=off", "full_page_writes=off", "max_connections=200", "shared_buffers=32MB")


@functools.cache
def find_binaries() -> Path | None:
    """The folder of the newest server's programs, or None where there is no server."""
    on_path = shutil.which("initdb")
    if on_path and (Path(on_path).parent / "postgres").exists():
        return Path(on_path).resolve().parent
    installed = Path("/usr/lib/postgresql").glob("*/bin/initdb")
    return max((initdb.parent for initdb in installed), key=lambda bin_: int(bin_.parent.name), default=None)


class PostgresServer:
    """A running server. As root it runs as the user `postgres`, because it refuses to be root.

    Its files go into a folder of their own in `where`, which that user has to be able to enter. It flushes nothing
    unless other `settings` are given.
    """

    def __init__(self, where: Path | None = None, settings: tuple[str, ...] = _UNSAFE_BUT_FAST) -> None:
        self._settings = settings
        binaries = find_binaries()
        assert binaries is not None, HOW_TO_INSTALL
        self._binaries = binaries
        self._folder = Path(tempfile.mkdtemp(prefix="whydenied-postgres-", dir=where))
        self._user = ["runuser", "-u", "postgres", "--"] if os.geteuid() == 0 else []
        if self._user:
            os.chown(self._folder, pwd.getpwnam("postgres").pw_uid, -1)
        self._port = _free_port()
        self._run("initdb", "--no-sync", "--no-locale", "-A", "trust", "-U", "postgres", "-E", "UTF8")
        self.start()

    def url(self, database: str = "postgres") -> str:
        """The address of one database of this server."""
        return f"postgresql://postgres@127.0.0.1:{self._port}/{database}"

    def read_log(self) -> str:
        """What the server wrote so far."""
        return (self._folder / "log").read_text()

    def start(self) -> None:
        """Start it and wait until it accepts connections."""
        settings = (*self._settings, f"port={self._port}", f"unix_socket_directories={self._folder}")
        options = " ".join(f"-c {setting}" for setting in (*settings, "listen_addresses=127.0.0.1"))
        self._run("pg_ctl", "start", "-w", "-l", str(self._folder / "log"), "-o", options)

    def stop(self) -> None:
        """Stop it without waiting for anybody, as a crash would."""
        self._run("pg_ctl", "stop", "-w", "-m", "immediate")

    def revive(self) -> None:
        """Start it again if it ended by itself, as it does when it cannot write its log."""
        if not self._is_running():
            self.start()

    def close(self) -> None:
        """Stop it, if it still runs, and remove its files."""
        if self._is_running():
            self.stop()
        shutil.rmtree(self._folder)

    def run_client(self, program: str, *arguments: str) -> None:
        """Run one of the programs that come with the server, as the user of this process."""
        done = subprocess.run([str(self._binaries / program), *arguments], capture_output=True, timeout=60, check=False)
        assert done.returncode == 0, f"{program} failed: {done.stderr.decode()}"

    def _is_running(self) -> bool:
        return (
            subprocess.run(self._command("pg_ctl", "status"), cwd="/", capture_output=True, check=False).returncode == 0
        )

    def _command(self, program: str, *arguments: str) -> list[str]:
        return [*self._user, str(self._binaries / program), "-D", str(self._folder / "data"), *arguments]

    def _run(self, program: str, *arguments: str) -> None:
        command = self._command(program, *arguments)
        with (self._folder / "output").open("a+") as output:
            done = subprocess.run(
                command, cwd="/", stdin=subprocess.DEVNULL, stdout=output, stderr=output, timeout=60, check=False
            )
            output.seek(0)
            assert done.returncode == 0, f"{program} failed: {output.read()}"


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port
