"""A process that stores numbered events from several threads and says on standard output which were acknowledged.

python writer_process.py DATABASE_URL SEED COUNT: events `e0` to `e<COUNT - 1>` in an order that the seed decides; one
line per event once it is committed: its id, and `new` or `duplicate`.
"""

import random
import sys
import threading
from collections.abc import Sequence
from datetime import UTC, datetime

from connectors.base import ErrorEvent
from service.store.engine import open_engine
from service.store.writer import Occurrence, Writer

_THREADS = 4
_FINGERPRINTS = 17


def _occurrence(number: int) -> Occurrence:
    event = ErrorEvent(
        id=f"e{number}", text="access denied", type="error", time=datetime.now(UTC), grouping_key=f"g{number % 5}"
    )
    return Occurrence("test", event, {}, f"fingerprint {number % _FINGERPRINTS}", 1)


def _store_all(writer: Writer, numbers: Sequence[int], dice: random.Random) -> None:
    rest = list(numbers)
    while rest:
        group = [rest.pop() for _ in range(min(len(rest), dice.randint(1, 4)))]
        stored = writer.submit([_occurrence(number) for number in group]).result(60)
        told = (
            f"e{number} {'duplicate' if one.duplicate else 'new'}\n" for number, one in zip(group, stored, strict=True)
        )
        sys.stdout.write("".join(told))
        sys.stdout.flush()


def main() -> None:
    url, seed, count = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
    engine = open_engine(url)
    writer = Writer(engine, batch_limit=16)
    writer.start()
    numbers = list(range(count))
    random.Random(seed).shuffle(numbers)
    threads = [
        threading.Thread(target=_store_all, args=(writer, numbers[n::_THREADS], random.Random(seed + n)))
        for n in range(_THREADS)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    writer.stop()


if __name__ == "__main__":
    main()
