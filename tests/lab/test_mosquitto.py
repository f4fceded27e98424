"""Mosquitto, proven: a real broker refuses, the first artifact mends it, and what lies beside stays refused.

Each refusal is read twice: by the code that an MQTT 5 client gets, and by the "Denied" of the broker's log. An acl_file
refuses no subscription: it leaves out the messages, so there is no refusal to read.
"""

import signal
import subprocess
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import paho.mqtt.client as mqtt
import pytest
from paho.mqtt.enums import CallbackAPIVersion
from paho.mqtt.reasoncodes import ReasonCode
from private_server import find_program, free_port, running, wait_until
from remedy import remedy


@dataclass(frozen=True)
class Case:
    """`acl` is what meter may do; `denied` where it may not publish; `still` where it may not afterwards either."""

    name: str
    acl: str
    denied: str
    still: tuple[str, ...]


CASES = [
    Case("publishes", "", "plant/7/power", ("plant/8/power", "plant/7/power/x")),
    Case("publishes where it may only listen", "topic read plant/#", "plant/7/power", ("plant/7/state",)),
    Case("publishes beside its own branch", "topic write plant/7/#", "plant/8/power", ("plant/8/state", "alarm")),
    Case("publishes under a leading slash", "topic write plant/7/power", "/plant/7/power", ("/plant/7/state",)),
]


class Lab:
    def __init__(self, folder: Path) -> None:
        self.port = free_port()
        self.log, self.acl = folder / "log", folder / "acl"
        self.config, passwords = folder / "mosquitto.conf", folder / "passwords"
        passwords.write_text("")
        for user in ("meter", "intern"):
            subprocess.run(
                [find_program("mosquitto_passwd"), "-b", passwords, user, user], check=True, capture_output=True
            )
        lines = (f"listener {self.port} 127.0.0.1", f"password_file {passwords}", f"acl_file {self.acl}")
        more = ("allow_anonymous false", "log_dest stderr", "log_type all", "persistence false")
        account = "root" if folder.owner() == "root" else folder.owner()
        self.config.write_text("\n".join((*lines, *more, f"user {account}", "")))
        self.write("")

    def write(self, acl: str) -> None:
        self.acl.write_text(acl + "\n")
        self.acl.chmod(0o600)

    def reload(self, process: subprocess.Popen[bytes], acl: str) -> None:
        before = self.log.read_text().count("Reloading config")
        self.write(acl)
        process.send_signal(signal.SIGHUP)
        wait_until(lambda: self.log.read_text().count("Reloading config") > before, "no reload")

    def refusal(self, user: str, topic: str) -> dict[str, str]:
        """What the client and the broker's log say; empty where it is allowed."""
        before = len(self.log.read_text())
        code = self._publish(user, topic)
        if not code:
            return {}
        wait_until(lambda: "Denied " in self.log.read_text()[before:], "nothing denied")
        return {"client": code, "server": self.log.read_text()[before:]}

    def _publish(self, user: str, topic: str) -> str:
        connected, answered = threading.Event(), threading.Event()
        said: list[ReasonCode] = []
        client = mqtt.Client(CallbackAPIVersion.VERSION2, client_id=f"{user}-1", protocol=mqtt.MQTTv5)
        client.username_pw_set(user, user)

        def note(_client: object, _data: object, _mid: int, code: ReasonCode, _properties: object) -> None:
            said.append(code)
            answered.set()

        client.on_connect = lambda *_: connected.set()
        client.on_publish = note
        client.connect("127.0.0.1", self.port)
        client.loop_start()
        assert connected.wait(20)
        client.publish(topic, "x", qos=1)
        assert answered.wait(20)
        client.disconnect()
        client.loop_stop()
        return (
            f"MQTT publish to topic {topic} failed: {said[0]} (reason code {said[0].value})"
            if said[0].is_failure
            else ""
        )


@pytest.fixture(scope="module")
def mosquitto(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Lab, subprocess.Popen[bytes]]]:
    lab = Lab(tmp_path_factory.mktemp("mosquitto"))
    with running([find_program("mosquitto"), "-c", lab.config], lab.log, port=lab.port) as process:
        yield lab, process


@pytest.mark.parametrize("carrier", ["client", "server"])
@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_the_first_artifact_mends_it_and_nothing_else(
    mosquitto: tuple[Lab, subprocess.Popen[bytes]], case: Case, carrier: str
) -> None:
    lab, process = mosquitto
    acl = f"user meter\n{case.acl}\n"
    lab.reload(process, acl)
    text = lab.refusal("meter", case.denied)[carrier]
    lab.reload(process, acl + remedy(text, {"USER_NAME": "meter"}))
    assert lab.refusal("meter", case.denied) == {}, text
    for topic in case.still:
        assert lab.refusal("meter", topic), f"{topic} works now"
    assert lab.refusal("intern", case.denied), text
