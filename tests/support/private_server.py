"""Private servers for the lab: own ports on loopback and own folders, ended with the test session.

`PROGRAMS` says which programs each fixture needs and which Debian package brings each.
"""

import os
import shutil
import socket
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from pathlib import Path

_PATH = os.pathsep.join((os.environ.get("PATH", ""), "/usr/sbin", "/sbin", "/usr/lib/rabbitmq/bin"))
_NODE_CLIENTS = Path(__file__).resolve().parents[1] / "clients" / "node"
ELASTALERT = _NODE_CLIENTS.parent / "elastalert" / ".venv" / "bin" / "elastalert"
PROGRAMS = {
    "mariadb": {"mariadbd": "mariadb-server"},
    "redis_server": {"redis-server": "redis-server"},
    "rabbitmq": {"/usr/lib/rabbitmq/bin/rabbitmq-server": "rabbitmq-server"},
    "nats_server": {"nats-server": "nats-server"},
    "mosquitto": {"mosquitto": "mosquitto"},
    "nginx": {"nginx": "nginx-light", "setfacl": "acl"},
    "reverse_proxy": {"nginx": "nginx-light"},
    "files": {"setfacl": "acl", "chattr": "e2fsprogs", "ssh-keygen": "openssh-client", "/usr/bin/python3": "python3"},
    "low_ports": {"nginx": "nginx-light", "nats-server": "nats-server", "/usr/bin/python3": "python3"},
    "sudo": {"sudo": "sudo"},
    "node_clients": {
        "node": "nodejs",
        f"{_NODE_CLIENTS}/node_modules/@sentry/node/package.json": f"by: npm install --prefix {_NODE_CLIENTS}",
    },
    "elastalert": {str(ELASTALERT): "by: make elastalert"},
    "prometheus": {"prometheus": "prometheus", "prometheus-alertmanager": "prometheus-alertmanager"},
    "journal": {"journalctl": "systemd", "/lib/systemd/systemd-journal-remote": "systemd-journal-remote"},
    "rsyslog": {"rsyslogd": "rsyslog", "/usr/lib/x86_64-linux-gnu/rsyslog/omelasticsearch.so": "rsyslog-elasticsearch"},
}
_NEED_ROOT = frozenset({"nginx", "files", "low_ports", "sudo"})


def find_program(name: str) -> str:
    """The path of a program, also where only root has it on his path."""
    found = shutil.which(name, path=_PATH)
    assert found, f"{name} is not installed"
    return found


def _is_here(program: str) -> bool:
    return shutil.which(program, path=_PATH) is not None or Path(program).is_file()


def missing_fixtures() -> dict[str, str]:
    """The lab's fixtures that cannot be had here, each with what to do about it."""
    missing = {}
    for fixture, programs in PROGRAMS.items():
        wanted = [package for program, package in programs.items() if not _is_here(program)]
        if wanted:
            missing[fixture] = f"install {' '.join(wanted)}"
    if os.geteuid() != 0:
        missing |= dict.fromkeys(_NEED_ROOT, "run as root: it needs other users, capabilities and mounts")
    return missing


def free_port() -> int:
    """A port of loopback that nobody uses now."""
    with closing(socket.socket()) as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


@contextmanager
def running(
    command: Sequence[str | Path], log: Path, *, port: int, settings: Mapping[str, str] = {}, user: str | None = None
) -> Iterator[subprocess.Popen[bytes]]:
    """A program until the block ends, once `port` answers. What it writes goes to `log`."""
    with log.open("ab") as output:
        process = subprocess.Popen(
            command,
            env={**os.environ, "PATH": _PATH, **settings},
            cwd=log.parent,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            user=user,
        )
    try:
        wait_until(lambda: process.poll() is not None or answers(port), f"{command[0]} does not answer, see {log}")
        assert process.poll() is None, f"{command[0]} ended: {log.read_text(errors='replace')[-2000:]}"
        yield process
    finally:
        process.terminate()
        try:
            process.wait(timeout=20)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait(timeout=20)


def answers(port: int) -> bool:
    """Whether somebody listens there."""
    with closing(socket.socket()) as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def wait_until(happened: Callable[[], object], otherwise: str, seconds: float = 30) -> None:
    """Wait for something outside this process; fails with `otherwise` when it takes too long.

    It looks less and less often, so as not to take the time from what it waits for.
    """
    end = time.monotonic() + seconds
    pause = 0.01
    while not happened():
        assert time.monotonic() < end, otherwise
        time.sleep(pause)
        pause = min(pause * 1.3, 0.3)
