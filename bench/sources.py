"""CPU of authenticating and parsing one webhook of about 2 KB, for every connector, beside a bare JSON parse of it."""

import json
import sys
import time
from collections.abc import Callable
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from connectors import discover
from connectors.recording import Recording, find_recordings, read_recording

PAYLOADS = Path(__file__).resolve().parents[1] / "tests" / "connectors" / "payloads"
ROUNDS = 300
CONNECTORS = discover()
SAMPLE = json.dumps({"alerts": [{"labels": {"a": "b" * 40, "n": number}} for number in range(28)]})


def microseconds(work: Callable[[], object]) -> float:
    """Median of five, in microseconds of CPU a call."""
    work()
    found = []
    for _ in range(5):
        began = time.process_time()
        for _ in range(ROUNDS):
            work()
        found.append((time.process_time() - began) / ROUNDS * 1e6)
    return sorted(found)[2]


def measure(one: Recording) -> tuple[float, float]:
    """Cost of the connector and of `json.loads`, scaled to 2 KB where the body is larger."""
    connector = CONNECTORS[one.connector]

    def read() -> None:
        connector.authenticate(one.delivery, one.auth)
        connector.parse(one.delivery)

    def yardstick() -> None:
        json.dumps(json.loads(SAMPLE))

    scale = max(1.0, len(one.delivery.body) / 2048)
    return microseconds(read) / scale, microseconds(yardstick)


def main() -> None:
    """Print a line for each connector's dearest recording."""
    dearest: dict[str, tuple[float, float, str]] = {}
    for path in find_recordings(PAYLOADS):
        one = read_recording(path)
        cost, bare = measure(one)
        dearest[one.connector] = max(dearest.get(one.connector, (0.0, 0.0, "")), (cost, bare, one.case))
    for name, (cost, bare, case) in sorted(dearest.items(), key=lambda item: -item[1][0]):
        print(f"{name:18} {cost:7.0f} us  {cost / bare:5.1f} x a 2 KB JSON round trip  ({case})")


if __name__ == "__main__":
    main()
