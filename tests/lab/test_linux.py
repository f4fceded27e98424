"""Linux, proven: the kernel refuses an unprivileged user, the first artifact mends it, neighbours stay refused.

Everything happens in a folder of its own; root plays the admin, the users 61001 and 61002 are refused.
"""

import re
import shlex
import subprocess
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from remedy import explain, remedies, remedy

from service.domain import Cause, Verdict

USER, OTHER = "61001", "61002"


@dataclass(frozen=True)
class Case:
    """`made` by root; `denied` and `still` are run by the user; DIR is the folder.

    `artifact` is the first that is applied (the second where the text leaves two readings), `artifacts` how many.
    """

    name: str
    made: str
    denied: str
    still: tuple[str, ...]
    known: dict[str, str] = field(default_factory=dict)
    artifact: int = 0
    artifacts: int = 1
    others: str = ""


PYTHON = "/usr/bin/python3 -IS DIR/job.py"


CASES = [
    Case(
        "reads a file",
        "echo secret > report; chmod 600 report; echo x > other; chmod 600 other",
        "cat DIR/report",
        ("cat DIR/other", "sh -c 'echo x >> DIR/report'"),
    ),
    Case(
        "reads a file from Python",
        "echo secret > report; chmod 640 report; echo x > other; chmod 600 other;"
        "echo 'import pathlib; print(pathlib.Path(\"DIR/report\").read_text())' > job.py",
        PYTHON,
        ("cat DIR/other", "sh -c 'echo x >> DIR/report'"),
        {"RIGHTS": "r"},
    ),
    Case(
        "appends to a file from Python",
        "echo secret > report; chmod 644 report; echo x > other;"
        'echo \'print("x", file=open("DIR/report", "a"))\' > job.py',
        PYTHON,
        ("sh -c 'echo x >> DIR/other'", "rm -f DIR/report", "touch DIR/new"),
    ),
    Case(
        "writes a file from the shell",
        "echo secret > report; chmod 644 report; echo x > other",
        "sh -c 'echo x >> DIR/report'",
        ("sh -c 'echo x >> DIR/other'", "rm -f DIR/report"),
        artifact=1,
    ),
    Case(
        "makes a file from the shell",
        "mkdir data; mkdir other",
        "sh -c 'echo x > DIR/data/report'",
        ("sh -c 'echo x >> DIR/other/report'",),
        others="sh -c 'echo x > DIR/data/report2'",
    ),
    Case(
        "makes a directory",
        "mkdir data; mkdir other",
        "mkdir DIR/data/new",
        ("mkdir DIR/other/new", "touch DIR/mine"),
        others="mkdir DIR/data/new2",
    ),
    Case(
        "makes a directory from Python",
        "mkdir data; mkdir other; echo 'import os; os.mkdir(\"DIR/data/new\")' > job.py",
        PYTHON,
        ("mkdir DIR/other/new", "touch DIR/mine"),
        others="mkdir DIR/data/new2",
    ),
    Case(
        "makes a file",
        "mkdir data; mkdir other",
        "touch DIR/data/new.log",
        ("touch DIR/other/new",),
        others="touch DIR/data/x.log",
    ),
    Case(
        "deletes a file",
        "mkdir data; touch data/a; mkdir other; touch other/a",
        "rm -f DIR/data/a",
        ("rm -f DIR/other/a",),
        others="touch DIR/data/b",
    ),
    Case(
        "renames a file",
        "mkdir data; touch data/a",
        "mv DIR/data/a DIR/data/b",
        ("touch DIR/c",),
        others="touch DIR/data/c",
    ),
    Case(
        "runs a script",
        "printf '#!/bin/sh\\ntrue\\n' > run.sh; chmod 644 run.sh; cp run.sh other.sh",
        "sh -c DIR/run.sh",
        ("sh -c DIR/other.sh", "sh -c 'echo >> DIR/run.sh'"),
    ),
    Case(
        "lists a directory",
        "mkdir data; chmod 700 data; mkdir other; chmod 700 other",
        "ls DIR/data",
        ("ls DIR/other", "touch DIR/data/x"),
    ),
    Case(
        "reads a file below a closed directory",
        "mkdir -p data/in; echo x > data/in/report; chmod 700 data; echo x > data/secret; chmod 600 data/secret",
        "cat DIR/data/in/report",
        ("cat DIR/data/secret", "touch DIR/data/x", "ls DIR/data"),
        {"CLOSED_DIRECTORY": "DIR/data"},
        artifacts=2,
    ),
]


class Lab:
    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def path(self, text: str) -> str:
        return text.replace("DIR", str(self.folder))

    def admin(self, command: str) -> None:
        subprocess.run(["sh", "-ec", self.path(command)], cwd=self.folder, check=True, capture_output=True)

    def run(self, user: str, command: str) -> str:
        """What a command prints that must work."""
        run = [
            "setpriv",
            "--reuid",
            user,
            "--regid",
            "nogroup",
            "--clear-groups",
            "--",
            *shlex.split(self.path(command)),
        ]
        return subprocess.run(run, cwd="/", capture_output=True, text=True, check=True).stdout

    def refusal(self, user: str, command: str, *privileges: str, alone: bool = False) -> str:
        """What the program prints; empty where it works. `alone`: in a network of its own."""
        alone_in = ["unshare", "--net"] if alone else []
        become = ["setpriv", "--reuid", user, "--regid", "nogroup", "--clear-groups", *privileges, "--", "env"]
        run = [*alone_in, *become, *shlex.split(self.path(command))]  # root's capabilities end with the exec of env
        home = {"HOME": str(self.folder / "home"), "PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "LC_ALL": "C.UTF-8"}
        done = subprocess.run(run, cwd="/", env=home, capture_output=True, text=True, check=False, timeout=30)
        return done.stdout + done.stderr if done.returncode else ""


@pytest.fixture
def files() -> Iterator[Lab]:
    with tempfile.TemporaryDirectory(prefix="whydenied-lab-", dir="/var/tmp") as folder:
        Path(folder).chmod(0o755)
        yield Lab(Path(folder))


@pytest.fixture
def low_ports(files: Lab) -> Lab:
    return files


@pytest.fixture
def sudo(files: Lab) -> Lab:
    return files


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_the_first_artifact_mends_it_and_nothing_else(files: Lab, case: Case) -> None:
    files.admin(case.made)
    text = files.refusal(USER, case.denied)
    known = {"PROCESS_USER": USER, **{name: files.path(value) for name, value in case.known.items()}}
    found = remedies(text, known)
    for artifact in found[case.artifact : case.artifact + case.artifacts]:
        files.admin(artifact)
    assert files.refusal(USER, case.denied) == "", f"{found}\n{text}"
    for command in case.still:
        assert files.refusal(USER, command), f"{command} works now: {found}"
    assert files.refusal(OTHER, case.others or case.denied), found


LISTENERS = {
    "Go": "nats-server -a 0.0.0.0 -p 81",
    "Python": "/usr/bin/python3 -IS -m http.server 81",
    "C": "nginx -e stderr -g 'error_log stderr;' -c DIR/nginx.conf",
}


@pytest.mark.parametrize("language", LISTENERS)
def test_a_low_port_is_opened_by_one_capability(low_ports: Lab, language: str) -> None:
    """In a network of its own, so that no port of the host is touched."""
    listen = LISTENERS[language]
    folders = "".join(f"{kind}_temp_path DIR/t;" for kind in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi"))
    configuration = (
        f"daemon off; pid DIR/t/pid; events {{}} http {{ {folders} access_log off; server {{ listen 81; }} }}"
    )
    low_ports.admin(f"mkdir -m 1777 t; echo '{configuration}' > nginx.conf")
    text = low_ports.refusal(USER, f"timeout 20 {listen}", alone=True)
    given = re.findall("^AmbientCapabilities=(?:CAP_)(\\w+)$", remedy(text), re.MULTILINE)
    assert given == ["NET_BIND_SERVICE"], text
    capabilities = [f"--{kind}=+{name.lower()}" for kind in ("inh-caps", "ambient-caps") for name in given]
    printed = low_ports.refusal(USER, f"timeout 2 {listen}", *capabilities, alone=True)
    assert "ermission denied" not in printed.replace("/dev/null", "")
    assert low_ports.refusal(USER, "cat /etc/shadow", *capabilities, alone=True)


def test_git_trusts_one_repository(files: Lab) -> None:
    files.admin(f"git init -q DIR/a; git init -q DIR/b; mkdir DIR/home; chown {USER} DIR/home")
    text = files.refusal(USER, "git -C DIR/a status")
    artifact = shlex.join(shlex.split(remedy(text)))
    assert files.refusal(USER, artifact) == ""
    assert files.refusal(USER, "git -C DIR/a status") == ""
    assert "dubious" in files.refusal(USER, "git -C DIR/b status")


def test_a_key_that_others_can_read_is_closed(files: Lab) -> None:
    files.admin("ssh-keygen -q -t ed25519 -N '' -f DIR/key; chmod 644 DIR/key; chown nobody DIR/key")
    text = files.refusal("nobody", "ssh-keygen -y -f DIR/key")
    files.admin(remedy(text))
    assert "ssh-ed25519" in files.run("nobody", "ssh-keygen -y -f DIR/key")
    assert (files.folder / "key").stat().st_mode & 0o077 == 0


def test_what_modes_do_not_decide_gets_no_acl(files: Lab) -> None:
    files.admin("mkdir -m 1777 spool; touch spool/a; echo x > fixed; chmod 666 fixed; chattr +i fixed")
    try:
        for command in ("rm -f DIR/spool/a", "sh -c 'echo x >> DIR/fixed'"):
            answer = explain(files.refusal(USER, command))
            assert (answer.verdict, answer.cause) == (Verdict.PERMISSION, Cause.FILE_MODE_OR_OWNERSHIP)
            assert answer.fix
            assert answer.fix.artifacts == ()
            assert "lsattr" in " ".join(answer.fix.steps)
    finally:
        files.admin("chattr -i fixed")


@pytest.mark.parametrize("rule", ["", "nobody ALL=(root) /usr/bin/true"])
def test_one_command_is_allowed_by_sudo(sudo: Lab, rule: str) -> None:
    """With a sudoers file of its own, seen only in a mount namespace of its own."""
    sudoers = sudo.folder / "sudoers"

    def run(user: str, command: str) -> str:
        sudoers.chmod(0o440)
        become = f"setpriv --reuid {user} --regid nogroup --clear-groups"
        inside = f"mount --bind {sudoers} /etc/sudoers && exec {become} {command}"
        done = subprocess.run(
            ["unshare", "--mount", "sh", "-c", inside], capture_output=True, text=True, check=False, timeout=30
        )
        return done.stdout + done.stderr if done.returncode else ""

    sudoers.write_text(f"Defaults !authenticate\nroot ALL=(root) /usr/bin/true\n{rule}\n")
    text = run("nobody", "sudo -n /usr/bin/id")
    line = remedy(text, {"RUN_AS_USER": "root", "FULL_PATH_OF_COMMAND": "/usr/bin/id"})
    sudoers.chmod(0o600)
    sudoers.write_text(f"{sudoers.read_text()}{line}\n")
    assert run("nobody", "sudo -n /usr/bin/id") == "", text
    assert run("nobody", "sudo -n /usr/bin/whoami")
    assert run("daemon", "sudo -n /usr/bin/id")
