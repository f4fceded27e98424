"""Redis, proven: a real server refuses, the first artifact mends it, and what lies beside stays refused.

Each refusal is read twice: as the traceback of the Python client, and as the entry of the server's ACL LOG.
"""

import subprocess
import traceback
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

import pytest
import redis
from private_server import find_program, free_port, running
from remedy import remedy

Do = Callable[[redis.Redis], object]


@dataclass(frozen=True)
class Case:
    """`rules` is what worker may do; `denied` what he may not; `still` what he may not do afterwards either."""

    name: str
    rules: str
    denied: Do
    still: tuple[Do, ...]
    attempts: int = 1
    known: dict[str, str] = field(default_factory=dict)


def listen(client: redis.Redis, *, to: str = "", pattern: str = "") -> None:
    with client.pubsub() as channel:
        if pattern:
            channel.psubscribe(pattern)
        else:
            channel.subscribe(to)
        channel.parse_response()


CASES = [
    Case("runs a command", "~* +ping", lambda r: r.get("a"), (lambda r: r.set("a", 1), lambda r: r.flushdb())),
    Case("runs a subcommand", "~* +get", lambda r: r.config_get("port"), (lambda r: r.config_set("maxclients", 90),)),
    Case("empties a database", "~* +get", lambda r: r.flushdb(), (lambda r: r.flushall(), lambda r: r.set("a", 1))),
    Case(
        "reads a key",
        "~cart:* +@all",
        lambda r: r.get("session:81"),
        (lambda r: r.set("session:81", 1), lambda r: r.get("profile:1")),
    ),
    Case(
        "writes a key",
        "~cart:* +@all",
        lambda r: r.set("session:81", 1),
        (lambda r: r.get("session:81"), lambda r: r.set("profile:1", 1)),
    ),
    Case(
        "writes a hash",
        "~cart:* +@all",
        lambda r: r.hset("session:81", "f", 1),
        (lambda r: r.hget("session:81", "f"), lambda r: r.hset("profile:1", "f", 1)),
    ),
    Case(
        "counts, which reads and writes", "~cart:* +@all", lambda r: r.incr("hits:81"), (lambda r: r.incr("profile:1"),)
    ),
    Case("reads one bare key", "~cart:* +@all", lambda r: r.get("counter"), (lambda r: r.get("counter2"),)),
    Case("reads a list", "~cart:* +@all", lambda r: r.lrange("jobs:a", 0, 9), (lambda r: r.lpush("jobs:a", 1),)),
    Case("takes from a list", "~cart:* +@all", lambda r: r.lpop("jobs:a"), (lambda r: r.lpop("mail:a"),)),
    Case(
        "publishes",
        "resetchannels &news +@all ~*",
        lambda r: r.publish("orders", "x"),
        (lambda r: r.publish("audit", "x"),),
    ),
    Case(
        "subscribes",
        "resetchannels &news +@all ~*",
        lambda r: listen(r, to="orders"),
        (lambda r: listen(r, to="audit"),),
        known={"CHANNEL": "orders"},
    ),
    Case(
        "subscribes to a pattern",
        "resetchannels &orders.eu +@all ~*",
        lambda r: listen(r, pattern="orders.*"),
        (lambda r: listen(r, pattern="audit.*"), lambda r: r.publish("audit.eu", "x")),
        known={"CHANNEL": "orders.*"},
    ),
    Case(
        "writes beside a selector that reads",
        "+ping (+get ~cart:*)",
        lambda r: r.set("cart:1", 1),
        (lambda r: r.set("session:1", 1), lambda r: r.delete("cart:1")),
        attempts=2,
    ),
]


class Lab:
    def __init__(self, port: int) -> None:
        self.port = port
        self.admin = redis.Redis(port=port)

    def prepare(self, rules: str) -> None:
        self.admin.flushall()
        for user in ("worker", "intern"):
            self.admin.execute_command("ACL", "SETUSER", user, "reset", "on", f">{user}")
            self._add(user, rules)

    def _add(self, user: str, rules: str) -> None:
        words = rules.replace("(", "\0").split("\0")
        selectors = [f"({selector}" for selector in words[1:]]
        self.admin.execute_command("ACL", "SETUSER", user, *words[0].split(), *selectors)

    def apply(self, artifact: str) -> None:
        """As an admin pastes it into redis-cli."""
        done = subprocess.run(
            [find_program("redis-cli"), "-p", str(self.port)],
            input=artifact,
            capture_output=True,
            text=True,
            check=True,
        )
        assert done.stdout.strip() == "OK", done.stdout

    def refusal(self, user: str, do: Do) -> dict[str, str]:
        """What the client's traceback and the server's ACL LOG say; empty where it works."""
        self.admin.execute_command("ACL", "LOG", "RESET")
        client = redis.Redis(port=self.port, username=user, password=user)
        try:
            do(client)
        except redis.exceptions.NoPermissionError:
            client.close()
            log = subprocess.run(
                [find_program("redis-cli"), "-p", str(self.port), "--no-raw", "ACL", "LOG", "1"],
                capture_output=True,
                text=True,
                check=True,
            )
            return {"client": traceback.format_exc(), "server": log.stdout}
        client.close()
        return {}


@pytest.fixture(scope="module")
def redis_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    folder = tmp_path_factory.mktemp("redis")
    port = free_port()
    command = [find_program("redis-server"), "--port", str(port), "--bind", "127.0.0.1", "--dir", str(folder)]
    with running([*command, "--save", "", "--appendonly", "no"], folder / "log", port=port):
        lab = Lab(port)
        yield lab
        lab.admin.close()


@pytest.mark.parametrize("carrier", ["client", "server"])
@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_the_first_artifact_mends_it_and_nothing_else(redis_server: Lab, case: Case, carrier: str) -> None:
    redis_server.prepare(case.rules)
    for _ in range(case.attempts):
        text = redis_server.refusal("worker", case.denied)[carrier]
        redis_server.apply(remedy(text, {"ACL_USER": "worker", **case.known}))
    assert redis_server.refusal("worker", case.denied) == {}, text
    for do in case.still:
        assert redis_server.refusal("worker", do), text
    assert redis_server.refusal("intern", case.denied), text
