"""The model stage under load: a provider that answers in one second, and how little the service adds to it.

200 distinct failures at once at 64 calls in flight, then one failure ten thousand times. The provider is a server of
this process that speaks the Messages API; what it costs is not counted.
"""

import asyncio
import json
import os
import tempfile
import threading
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import psutil
import uvloop
from load import build_request, drive
from servers import free_port, running, serve

_TOKEN, _ADMIN = "bench-token-" + "0" * 24, "bench-admin-" + "0" * 24
_QUOTE = "the steward of the archive turned the request away"
_DRAFT = {
    "verdict": "permission", "cause": "missing_grant", "system": "archive",
    "evidence": [{"quote": _QUOTE, "field": "cause"}], "principal": None, "action": None, "resource": None,
    "missing_permissions": [], "confidence": "likely",
    "title": "The archive refused", "explanation": "Its steward turned the request away.", "fix": None, "verify": None,
}  # fmt: skip
_REPLY = json.dumps(
    {
        "id": "msg_01", "type": "message", "role": "assistant", "model": "claude-sonnet-5-5", "stop_sequence": None,
        "content": [{"type": "text", "text": json.dumps(_DRAFT)}], "stop_reason": "end_turn",
        "usage": {"input_tokens": 4000, "output_tokens": 300},
    }
).encode()  # fmt: skip


class Provider:
    """Answers every request after `delay` seconds, and counts."""

    def __init__(self, delay: float) -> None:
        self.delay = delay
        self.calls = self.in_flight = self.most = 0
        self.url = ""

    async def answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One connection, for as many requests as it likes."""
        while head := await _head(reader):
            length = int(head.lower().split(b"content-length:", 1)[1].split(b"\r\n", 1)[0])
            await reader.readexactly(length)
            self.calls += 1
            self.in_flight += 1
            self.most = max(self.most, self.in_flight)
            await asyncio.sleep(self.delay)
            self.in_flight -= 1
            writer.write(
                b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: %d\r\n\r\n" % len(_REPLY)
            )
            writer.write(_REPLY)
        writer.close()


async def _head(reader: asyncio.StreamReader) -> bytes:
    try:
        return await reader.readuntil(b"\r\n\r\n")
    except (asyncio.IncompleteReadError, ConnectionError):
        return b""


@contextmanager
def providing(delay: float) -> Iterator[Provider]:
    """The provider in a thread of its own."""
    provider, ready, loop = Provider(delay), threading.Event(), uvloop.new_event_loop()

    async def serve() -> None:
        server = await asyncio.start_server(provider.answer, "127.0.0.1", 0, backlog=512)
        provider.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
        ready.set()

    loop.create_task(serve())
    threading.Thread(target=loop.run_forever, daemon=True).start()
    ready.wait()
    yield provider
    loop.call_soon_threadsafe(loop.stop)


@dataclass
class Figures:
    """What was measured; seconds and milliseconds."""

    seconds: float
    cpu_ms: float
    most_in_flight: int
    calls: int
    calls_for_one: int


def measure(failures: int = 200, concurrency: int = 64, times: int = 10_000) -> Figures:
    """Run both loads against one fresh service."""
    with tempfile.TemporaryDirectory() as folder, providing(1.0) as provider:
        port = free_port()
        with running(serve(port), port, "/healthz", _environment(Path(folder), provider.url, concurrency)) as service:
            _analyse(port, ["warm up"], 1)
            before, cpu = provider.calls, _cpu(service)
            seconds = _analyse(port, [f"by clerk {_name(number)}" for number in range(failures)], failures + 1)
            cpu_ms, calls = 1_000 * (_cpu(service) - cpu) / failures, provider.calls - before
            body = json.dumps({"message": f"{_QUOTE}, as ever"}).encode()
            for_one = provider.calls
            uvloop.run(_post_many(port, body, times))
            _wait_answered(port, failures + 2)
            time.sleep(2 * provider.delay)
            return Figures(seconds, cpu_ms, provider.most, calls, provider.calls - for_one)


def _environment(folder: Path, url: str, concurrency: int) -> dict[str, str]:
    declared = folder / "connections.yaml"
    declared.write_text(
        f"connections: [{{name: bench, connector: generic, auth: {{scheme: bearer, secrets: [{_TOKEN}]}}}}]\n"
    )
    env = {
        "WHYDENIED_DATA_DIR": str(folder / "var"),
        "WHYDENIED_CONNECTIONS": str(declared),
        "WHYDENIED_ADMIN_API_KEY": _ADMIN,
        "WHYDENIED_LOG_LEVEL": "warning",
        "WHYDENIED_LLM_API_KEY": "k",
        "WHYDENIED_LLM_BASE_URL": url,
        "WHYDENIED_LLM_CONCURRENCY": str(concurrency),
    }
    return env | (
        {"WHYDENIED_DATABASE_URL": os.environ["BENCH_POSTGRES_URL"]} if "BENCH_POSTGRES_URL" in os.environ else {}
    )


def _analyse(port: int, endings: list[str], answered: int) -> float:
    """Post one delivery of failures and wait until so many of the service are answered. Seconds."""
    body = json.dumps([{"message": f"{_QUOTE} {ending}"} for ending in endings]).encode()
    started = time.perf_counter()
    request = urllib.request.Request(
        f"http://127.0.0.1:{port}/ingest/bench",
        body,
        {"Authorization": f"Bearer {_TOKEN}", "Content-Type": "application/json"},
    )
    with urllib.request.urlopen(request, timeout=30):
        pass
    _wait_answered(port, answered)
    return time.perf_counter() - started


def _wait_answered(port: int, count: int) -> None:
    deadline = time.monotonic() + 120
    while (found := _answered(port)) < count:
        if time.monotonic() > deadline:
            raise SystemExit(f"only {found} of {count} failures were answered")
        time.sleep(0.25)


def _answered(port: int) -> int:
    request = urllib.request.Request(f"http://127.0.0.1:{port}/metrics", headers={"Authorization": f"Bearer {_ADMIN}"})
    with urllib.request.urlopen(request, timeout=30) as reply:
        lines = reply.read().decode().splitlines()
    return sum(
        int(float(line.rsplit(" ", 1)[1]))
        for line in lines
        if line.startswith("whydenied_failures_by_analysis{") and 'state="answered"' in line
    )


async def _post_many(port: int, body: bytes, times: int) -> None:
    request = build_request("/ingest/bench", body, {"Authorization": f"Bearer {_TOKEN}"})
    done = 0
    while done < times:
        result = await drive(port, lambda: request, connections=16, seconds=0.5)
        done += result.accepted


def _cpu(process: psutil.Process) -> float:
    times = process.cpu_times()
    return float(times.user + times.system)


def _name(number: int) -> str:
    """A word of letters, since numbers do not tell failures apart."""
    letters = ""
    for _ in range(3):
        number, rest = divmod(number, 17)
        letters += "bcdfghklmnprstvwz"[rest] + "aeiou"[rest % 5]
    return letters
