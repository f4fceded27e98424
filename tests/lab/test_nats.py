"""NATS, proven: a real server refuses, the first artifact mends it, and what lies beside stays refused.

Each refusal is read twice: as the client's error callback gets it, and as the server logs it.
"""

import asyncio
import re
import signal
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import nats
import pytest
from private_server import find_program, free_port, running, wait_until
from remedy import remedy

Action = tuple[str, str]
PUBLISH, SUBSCRIBE = "publish", "subscribe"


@dataclass(frozen=True)
class Case:
    """`allowed` is what worker may do; `denied` what he may not; `still` what he may not do afterwards either."""

    name: str
    allowed: tuple[Action, ...]
    denied: Action
    still: tuple[Action, ...]


CASES = [
    Case(
        "publishes",
        ((PUBLISH, "news"),),
        (PUBLISH, "orders.created"),
        ((PUBLISH, "orders.deleted"), (SUBSCRIBE, "orders.created")),
    ),
    Case(
        "subscribes",
        ((SUBSCRIBE, "news"),),
        (SUBSCRIBE, "orders.created"),
        ((SUBSCRIBE, "orders.>"), (PUBLISH, "orders.created")),
    ),
    Case(
        "subscribes to a wildcard",
        ((SUBSCRIBE, "orders.eu"),),
        (SUBSCRIBE, "orders.*"),
        ((SUBSCRIBE, ">"), (PUBLISH, "orders.eu")),
    ),
    Case("subscribes to everything below", (), (SUBSCRIBE, "audit.>"), ((SUBSCRIBE, "orders.a"), (PUBLISH, "audit.a"))),
    Case(
        "waits for a reply",
        ((PUBLISH, "rpc.sum"),),
        (SUBSCRIBE, "_INBOX.worker.>"),
        ((SUBSCRIBE, "_INBOX.>"), (PUBLISH, "rpc.drop")),
    ),
    Case("asks JetStream", (), (PUBLISH, "$JS.API.STREAM.NAMES"), ((PUBLISH, "$JS.API.STREAM.CREATE.x"),)),
]


class Lab:
    """A server whose users worker and intern may do what `write` says."""

    def __init__(self, folder: Path) -> None:
        self.port = free_port()
        self.config = folder / "nats.conf"
        self.log = folder / "log"
        self.allowed: dict[str, dict[str, list[str]]] = {}
        self.allow("worker", ())

    def allow(self, user: str, actions: tuple[Action, ...]) -> None:
        self.allowed = {name: {PUBLISH: [], SUBSCRIBE: []} for name in ("worker", "intern")}
        for verb, subject in actions:
            self.allowed[user][verb].append(subject)
        self.write()

    def write(self) -> None:
        """The configuration; an empty list would allow everything."""
        users = defaultdict(list)
        for user, verbs in self.allowed.items():
            for verb, subjects in verbs.items():
                users[user].append(f"{verb}: {{ allow: {subjects or ['none']!r} }}".replace("'", '"'))
        entries = ", ".join(
            f"{{ user: {user}, password: {user}, permissions: {{ {', '.join(lists)} }} }}"
            for user, lists in users.items()
        )
        self.config.write_text(
            f"port: {self.port}\nhost: 127.0.0.1\njetstream: off\nauthorization: {{ users: [ {entries} ] }}\n"
        )

    def apply(self, artifact: str, process: object) -> None:
        """As the administrator does it: keep the entries that are there, add these, reload."""
        for verb, subjects in re.findall(r"(publish|subscribe): \{ allow: \[ (.*?) \] \}", artifact):
            self.allowed["worker"][verb] += re.findall(r'"([^"]+)"', subjects)
        self.write()
        self.reload(process)

    def reload(self, process: object) -> None:
        before = self.log.read_text().count("Reloaded server configuration")
        process.send_signal(signal.SIGHUP)
        wait_until(lambda: self.log.read_text().count("Reloaded server configuration") > before, "no reload")

    def refusal(self, user: str, action: Action) -> dict[str, str]:
        """What the client and the server say; empty where it is allowed."""
        before = len(self.log.read_text())
        error = asyncio.run(self._try(user, *action))
        if not error:
            return {}
        wait_until(lambda: "Violation" in self.log.read_text()[before:], "the server logged no violation")
        return {"client": error, "server": self.log.read_text()[before:]}

    async def _try(self, user: str, verb: str, subject: str) -> str:
        async def ignore(error: Exception) -> None:
            """The client keeps the error as its last one too."""

        client = await nats.connect(
            f"nats://{user}:{user}@127.0.0.1:{self.port}", error_cb=ignore, allow_reconnect=False
        )
        if verb == PUBLISH:
            await client.publish(subject, b"x")
        else:
            await client.subscribe(subject)
        await client.flush()
        await client.flush()  # the first one's ping may overtake what is pending
        error = client.last_error
        await client.close()
        return f"{type(error).__name__}: {error}" if error else ""


@pytest.fixture(scope="module")
def nats_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Lab, object]]:
    lab = Lab(tmp_path_factory.mktemp("nats"))
    with running([find_program("nats-server"), "-c", str(lab.config)], lab.log, port=lab.port) as process:
        yield lab, process


@pytest.mark.parametrize("carrier", ["client", "server"])
@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_the_first_artifact_mends_it_and_nothing_else(
    nats_server: tuple[Lab, object], case: Case, carrier: str
) -> None:
    lab, process = nats_server
    lab.allow("worker", case.allowed)
    lab.reload(process)
    text = lab.refusal("worker", case.denied)[carrier]
    lab.apply(remedy(text, {"USER_NAME": "worker"}), process)
    assert lab.refusal("worker", case.denied) == {}, text
    for action in case.still:
        assert lab.refusal("worker", action), f"{action} works now"
    assert lab.refusal("intern", case.denied), text
