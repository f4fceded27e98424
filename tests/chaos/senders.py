"""The load: numbered deliveries, each sent again until it is acknowledged, as real senders do."""

import itertools
import json
import random
import socket
import threading
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

import httpx

TOKEN = "a-secret-of-the-senders"
_PATH = "/ingest/chaos"
_TABLES, _NEW_DENIAL_EVERY = 40, 25
_WORDS = "amber birch cedar delta ember fjord grove heron inlet jetty knoll lagoon maple north ocean pine".split()


@dataclass
class Ledger:
    """What senders were told: the event id of every acknowledged delivery by its own id, and each other answer."""

    acknowledged: dict[str, str] = field(default_factory=dict)
    answers: Counter[str] = field(default_factory=Counter)
    cut: int = 0
    contradictions: list[str] = field(default_factory=list)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def note(self, ids: Sequence[str], told: Sequence[dict[str, Any]]) -> None:
        with self._lock:
            if len(ids) != len(told):
                self.contradictions.append(f"{len(ids)} events were sent, {len(told)} acknowledged: {ids}")
            for name, event in zip(ids, told, strict=False):
                before = self.acknowledged.setdefault(name, event["event_id"])
                if before != event["event_id"]:
                    self.contradictions.append(f"{name} was {before}, then {event['event_id']}")

    def count(self, answer: str) -> None:
        with self._lock:
            self.answers[answer] += 1


class Senders:
    """Threads that send until they are stopped. Deliveries go to any of `urls`; `pause` in seconds between two."""

    def __init__(self, urls: Sequence[str], seed: int, *, threads: int, pause: float) -> None:
        self.ledger = Ledger()
        self._urls = urls
        self._pause = pause
        self._numbers = itertools.count()
        self._stopping = threading.Event()
        self._threads = [threading.Thread(target=self._send_all, args=(seed + n,), daemon=True) for n in range(threads)]

    def start(self) -> None:
        for thread in self._threads:
            thread.start()

    def stop(self) -> None:
        """Let every sender finish what it has begun."""
        self._stopping.set()
        for thread in self._threads:
            thread.join(300)
            assert not thread.is_alive(), "a sender never got its last acknowledgement"

    def _send_all(self, seed: int) -> None:
        dice = random.Random(seed)
        headers = {"authorization": f"Bearer {TOKEN}"}
        with httpx.Client(headers=headers, trust_env=False, timeout=30) as client:
            while not self._stopping.is_set():
                events = [_event(next(self._numbers), dice) for _ in range(dice.choice([1] * 9 + [5]))]
                if dice.random() < 0.03:
                    self._hang_up(dice.choice(self._urls), events, dice)
                while not self._is_acknowledged(client, dice.choice(self._urls), events):
                    time.sleep(dice.uniform(0.1, 0.5))
                if dice.random() < 0.05:  # a sender that did not hear the answer
                    self._is_acknowledged(client, dice.choice(self._urls), events)
                self._stopping.wait(self._pause * dice.uniform(0.5, 1.5))

    def _is_acknowledged(self, client: httpx.Client, url: str, events: Sequence[dict[str, str]]) -> bool:
        try:
            reply = client.post(url + _PATH, json=events if len(events) > 1 else events[0])
        except httpx.HTTPError as error:
            self.ledger.count(type(error).__name__)
            return False
        self.ledger.count(str(reply.status_code))
        if reply.status_code in {429, 503} and "retry-after" not in reply.headers:
            self.ledger.contradictions.append(f"{reply.status_code} without Retry-After")
        if reply.status_code != 202:
            return False
        self.ledger.note([event["id"] for event in events], reply.json()["events"])
        return True

    def _hang_up(self, url: str, events: Sequence[dict[str, str]], dice: random.Random) -> None:
        """Send the head and a part of the body, then close the connection."""
        body = json.dumps(events).encode()
        head = (
            f"POST {_PATH} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {TOKEN}\r\nContent-Length: {len(body)}\r\n\r\n"
        )
        parts = urlsplit(url)
        try:
            with socket.create_connection((parts.hostname, parts.port), timeout=5) as wire:
                wire.sendall(head.encode() + body[: dice.randrange(len(body))])
        except OSError:
            return
        self.ledger.cut += 1


def _event(number: int, dice: random.Random) -> dict[str, str]:
    """Most are a denial that a rule knows, some one that only a model can read; of those new ones come now and then."""
    text = f'ERROR: permission denied for table t{dice.randrange(_TABLES)}\nDETAIL: role "billing_app" ran SELECT'
    if dice.random() < 0.25:
        text = f"the gatekeeper refuses {name_of(dice.randrange(1 + number // _NEW_DENIAL_EVERY))}"
    return {"id": f"d{number}", "message": text}


def name_of(number: int) -> str:
    """A name without digits, so that each is a failure of its own."""
    letters = [_WORDS[number // len(_WORDS) ** place % len(_WORDS)] for place in range(3)]
    return "-".join(letters)
