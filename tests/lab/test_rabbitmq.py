"""RabbitMQ, proven: a real broker refuses, the first artifact mends it, and what lies beside stays refused.

Each refusal is read twice: as pika raises it, and as the broker logs it.
"""

import json
import shlex
import subprocess
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pika
import pytest
from pika.adapters.blocking_connection import BlockingChannel
from pika.exceptions import AMQPError
from private_server import find_program, free_port, running, wait_until
from remedy import explain, remedy

Do = Callable[[BlockingChannel], object]


@dataclass(frozen=True)
class Case:
    """`rights` are the user's three patterns: configure, write, read. `still`: refused afterwards too."""

    user: str
    rights: tuple[str, str, str] | None
    denied: Do
    still: tuple[Do, ...]
    known: dict[str, str] = field(default_factory=dict)

    @property
    def name(self) -> str:
        return self.user.replace("-", " ")


CASES = [
    Case(
        "declares-a-queue",
        ("^none$", "^mail$", "^mail$"),
        lambda c: c.queue_declare("mail"),
        (lambda c: c.queue_declare("mail2"), lambda c: c.exchange_declare("mail-x")),
    ),
    Case(
        "declares-an-exchange",
        ("^none$", "^$", "^$"),
        lambda c: c.exchange_declare("events.eu"),
        (lambda c: c.exchange_declare("events-eu"), lambda c: publish(c, "events.eu")),
    ),
    Case(
        "publishes",
        ("^$", "^none$", "^$"),
        lambda c: publish(c, "orders"),
        (lambda c: publish(c, "audit"), lambda c: c.basic_get("jobs")),
    ),
    Case(
        "consumes",
        ("^$", "^$", "^none$"),
        lambda c: c.basic_consume("jobs", print),
        (lambda c: c.basic_get("bills"), lambda c: publish(c, "orders")),
    ),
    Case(
        "takes-one-message",
        ("^$", "^$", "^none$"),
        lambda c: c.basic_get("jobs"),
        (lambda c: c.basic_get("bills"), lambda c: c.queue_delete("jobs")),
    ),
    Case(
        "empties-a-queue", ("^$", "^$", "^none$"), lambda c: c.queue_purge("jobs"), (lambda c: c.queue_purge("bills"),)
    ),
    Case(
        "binds-a-queue",
        ("^$", "^none$", "^orders$"),
        lambda c: c.queue_bind("jobs", "orders"),
        (lambda c: c.queue_bind("bills", "orders"), lambda c: c.queue_bind("jobs", "audit")),
    ),
    Case(
        "enters-a-vhost",
        None,
        lambda c: c.basic_get("jobs"),
        (lambda c: publish(c, "orders"), lambda c: c.queue_declare("mail")),
        {"CONFIGURE_PATTERN": "^$", "WRITE_PATTERN": "^$", "READ_PATTERN": "^jobs$"},
    ),
]


def publish(channel: BlockingChannel, exchange: str) -> None:
    channel.confirm_delivery()
    channel.basic_publish(exchange, "key", b"x")


_IDLE = "+S 1:1 +sbwt none +sbwtdcpu none +sbwtdio none"  # a scheduler that has nothing to do takes no processor


class Lab:
    """One node without plugins, whose users and rights come from a file; rabbitmqctl is the admin."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.log, self.port = folder, folder / "log", free_port()
        self.node = f"lab{self.port}@localhost"
        self.settings = {
            "HOME": str(folder),
            "ERL_EPMD_PORT": str(free_port()),
            "RABBITMQ_NODENAME": self.node,
            "RABBITMQ_NODE_IP_ADDRESS": "127.0.0.1",
            "RABBITMQ_NODE_PORT": str(self.port),
            "RABBITMQ_DIST_PORT": str(free_port()),
            "RABBITMQ_MNESIA_BASE": str(folder / "data"),
            "RABBITMQ_LOGS": "-",
            "RABBITMQ_CONFIG_FILE": str(folder / "rabbitmq.conf"),
            "RABBITMQ_ENABLED_PLUGINS_FILE": str(folder / "plugins"),
            "RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS": _IDLE,
            "RABBITMQ_CTL_ERL_ARGS": _IDLE,
        }
        (folder / "plugins").write_text("[].")
        (folder / "rabbitmq.conf").write_text(f"load_definitions = {folder / 'users.json'}\n")
        (folder / "users.json").write_text(json.dumps(_definitions()))

    def admin(self, command: str) -> None:
        """A command line of rabbitmqctl, as an admin runs it."""
        program, *words = shlex.split(command)
        subprocess.run(
            [f"/usr/lib/rabbitmq/bin/{program}", "-n", self.node, *words],  # the one on the path changes the user
            env=self.settings | {"PATH": "/usr/lib/rabbitmq/bin:/usr/sbin:/usr/bin:/bin"},
            cwd=self.folder,
            check=True,
            capture_output=True,
        )

    def refusal(self, user: str, do: Do) -> dict[str, str]:
        """What pika and the broker's log say; empty where it works."""
        before = len(self.log.read_text())
        where = pika.ConnectionParameters(
            "127.0.0.1", self.port, "shop", pika.PlainCredentials(user, user), blocked_connection_timeout=20
        )
        try:
            with pika.BlockingConnection(where) as connection:
                do(connection.channel())
        except AMQPError as error:
            wait_until(lambda: "refused" in self.log.read_text()[before:], f"the log does not tell of {error!r}")
            return {"client": f"{type(error).__name__}: {error!r}", "server": self.log.read_text()[before:]}
        return {}


def _definitions() -> dict[str, object]:
    names = [user for case in CASES for user in (case.user, f"other-{case.user}")]
    rights = {user: case.rights for case in CASES for user in (case.user, f"other-{case.user}") if case.rights}
    where = {"vhost": "shop", "durable": True, "auto_delete": False, "arguments": {}}
    exchange = {**where, "type": "topic", "internal": False}
    return {
        "rabbit_version": "3.10.0",
        "users": [{"name": name, "password": name, "tags": ""} for name in names],
        "vhosts": [{"name": "shop"}],
        "permissions": [
            {"user": user, "vhost": "shop", "configure": configure, "write": write, "read": read}
            for user, (configure, write, read) in rights.items()
        ],
        "queues": [{**where, "name": name} for name in ("jobs", "bills")],
        "exchanges": [{**exchange, "name": name} for name in ("orders", "audit")],
    }


@pytest.fixture(scope="module")
def rabbitmq(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    lab = Lab(tmp_path_factory.mktemp("rabbitmq"))
    with running(["/usr/lib/rabbitmq/bin/rabbitmq-server"], lab.log, port=lab.port, settings=lab.settings):
        wait_until(lambda: "Server startup complete" in lab.log.read_text(), "RabbitMQ does not start")
        yield lab
        lab.admin("rabbitmqctl stop")
    subprocess.run(
        [find_program("epmd"), "-port", lab.settings["ERL_EPMD_PORT"], "-kill"], check=False, capture_output=True
    )


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_the_first_artifact_mends_it_and_nothing_else(rabbitmq: Lab, case: Case) -> None:
    texts = rabbitmq.refusal(case.user, case.denied)
    present = dict(zip(("PRESENT_CONFIGURE", "PRESENT_WRITE", "PRESENT_READ"), case.rights or (), strict=False))
    known = {"USER": case.user, "VHOST": "shop", **present, **case.known}
    assert explain(texts["client"]).resource == explain(texts["server"]).resource
    rabbitmq.admin(remedy(texts["server"], known))
    assert rabbitmq.refusal(case.user, case.denied) == {}, texts
    for do in case.still:
        assert rabbitmq.refusal(case.user, do), texts
    assert rabbitmq.refusal(f"other-{case.user}", case.denied), texts
