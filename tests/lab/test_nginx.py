"""nginx, proven: its worker is refused, the first artifact mends it, and what lies beside stays refused.

The master is root, as in production; the worker is nobody. The text is the line of the error log.
"""

import re
import signal
import subprocess
import tempfile
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest
from private_server import find_program, free_port, running, wait_until
from remedy import explain, remedies

from service.domain import Verdict

KNOWN = {"WEB_SERVER_USER": "nobody"}


class Lab:
    """A server of one folder; `rules` is what stands in the location /closed/."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.log, self.port = folder, folder / "log", free_port()
        self.log.touch()
        self.process: subprocess.Popen[bytes] | None = None
        self.write("deny all;")

    def write(self, rules: str) -> None:
        folders = "".join(f"{kind}_temp_path {self.folder};" for kind in ("proxy", "fastcgi", "uwsgi", "scgi"))
        upload = f"client_body_temp_path {self.folder}/upload; client_body_in_file_only on; proxy_pass http://127.0.0.1:{self.port}/;"
        (self.folder / "nginx.conf").write_text(
            f"""daemon off; user nobody nogroup; pid {self.folder}/pid; error_log {self.log};
            events {{}} http {{ access_log off; {folders} server {{
            listen 127.0.0.1:{self.port}; root {self.folder}/www;
            location /closed/ {{ {rules} }} location /upload {{ {upload} }} }} }}"""
        )

    def reload(self, rules: str) -> None:
        """Wait until the new workers answer: the old ones end with the reload."""
        assert self.process
        before = self.log.read_text().count("gracefully shutting down")
        self.write(rules)
        self.process.send_signal(signal.SIGHUP)
        wait_until(
            lambda: self.log.read_text().count("gracefully shutting down") > before or self.get("/closed/a") == 200,
            "no reload",
        )

    def admin(self, command: str) -> None:
        subprocess.run(["sh", "-ec", command], cwd=self.folder / "www", check=True, capture_output=True)

    def get(self, path: str, body: bytes | None = None) -> int:
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self.port}{path}", data=body, timeout=20) as answer:
                status: int = answer.status
                return status
        except urllib.error.HTTPError as error:
            error.close()
            return error.code

    def refusal(self, path: str, body: bytes | None = None) -> str:
        """The lines of the error log that the request leaves."""
        before = len(self.log.read_text())
        assert self.get(path, body) in {403, 500}
        wait_until(lambda: "request:" in self.log.read_text()[before:], "nothing logged")
        return self.log.read_text()[before:]


@pytest.fixture
def nginx() -> Iterator[Lab]:
    with tempfile.TemporaryDirectory(prefix="whydenied-nginx-", dir="/var/tmp") as name:
        folder = Path(name)
        folder.chmod(0o755)
        (folder / "www" / "closed").mkdir(parents=True)
        (folder / "www" / "closed" / "a").write_text("x")
        lab = Lab(folder)
        command = [find_program("nginx"), "-e", lab.log, "-c", folder / "nginx.conf"]
        with running(command, folder / "output", port=lab.port) as lab.process:
            yield lab


def test_a_file_that_the_worker_may_not_read(nginx: Lab) -> None:
    nginx.admin("echo x > logo; cp logo other; chmod 600 logo other")
    nginx.admin(remedies(nginx.refusal("/logo"), KNOWN)[0])
    assert nginx.get("/logo") == 200
    assert nginx.get("/other") == 403
    assert nginx.refusal("/other")


def test_a_directory_that_the_worker_may_not_enter(nginx: Lab) -> None:
    nginx.admin("mkdir media; echo x > media/logo; echo x > media/secret; chmod 600 media/secret; chmod 700 media")
    text = nginx.refusal("/media/logo")
    for artifact in remedies(text, {**KNOWN, "CLOSED_DIRECTORY": str(nginx.folder / "www" / "media")})[:2]:
        nginx.admin(artifact)
    assert nginx.get("/media/logo") == 200
    assert nginx.get("/media/secret") == 403
    assert nginx.get("/media/") == 403


def test_an_upload_that_the_worker_may_not_store(nginx: Lab) -> None:
    nginx.admin("echo x > logo; chown -R root ../upload; chmod 700 ../upload")
    nginx.admin(remedies(nginx.refusal("/upload/logo", b"x" * 70_000), KNOWN)[0])
    assert nginx.get("/upload/logo", b"x" * 70_000) != 500
    assert (nginx.folder / "upload").stat().st_mode & 0o007 == 0


def test_an_address_that_is_denied(nginx: Lab) -> None:
    line = remedies(nginx.refusal("/closed/a"))[0]
    assert re.fullmatch(r"allow 127\.0\.0\.1;", line)
    nginx.reload(f"{line} deny all;")
    wait_until(lambda: nginx.get("/closed/a") == 200, "still denied")


def test_a_directory_without_index_is_nobodys_right(nginx: Lab) -> None:
    answer = explain(nginx.refusal("/"))
    assert answer.verdict is Verdict.OTHER
    assert answer.fix
    assert answer.fix.artifacts == ()
