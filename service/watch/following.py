"""The straight path of what is followed: read, sieve, deliver, and only then note how far."""

import asyncio
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from connectors.log_shipper import is_kept
from service.watch.delivery import Delivery
from service.watch.source import Batch, Notify, Source, WatchError
from service.watch.state import State

_POLL = 1.0
_SAVE_EVERY = 5.0


@dataclass(slots=True)
class Tally:
    """What became of the records."""

    read: int = 0
    kept: int = 0


async def follow(
    sources: Sequence[Source],
    delivery: Delivery,
    state: State,
    notify: Notify,
    *,
    once: bool = False,
    pause: Callable[[float], Awaitable[None]] = asyncio.sleep,
) -> Tally:
    """Until cancelled, or with `once` until everything there is was read. Raises `WatchError`."""
    tally, saved_at, trouble = Tally(), time.monotonic(), dict[str, str]()
    try:
        while True:
            is_busy = False
            for source in sources:
                batch = await _read(source, trouble, notify, once=once)
                if batch is not None:
                    is_busy = True
                    await _pass_on(source, batch, delivery, state, tally)
            if time.monotonic() - saved_at > _SAVE_EVERY:
                state.save()
                saved_at = time.monotonic()
            if not is_busy and once:
                return tally
            if not is_busy:
                await pause(_POLL)
    finally:
        for source in sources:
            await source.close()
        await delivery.close()
        state.save()


async def _read(source: Source, trouble: dict[str, str], notify: Notify, *, once: bool) -> Batch | None:
    try:
        batch = await source.read()
    except WatchError as error:
        if once:
            raise
        if trouble.get(source.name) != str(error):
            notify(f"{error}; it is tried again every second")
            trouble[source.name] = str(error)
        return None
    if trouble.pop(source.name, None):
        notify(f"{source.name} can be read again")
    return batch


async def _pass_on(source: Source, batch: Batch, delivery: Delivery, state: State, tally: Tally) -> None:
    """Deliver what is worth it. Places are kept before, so that the same records have the same ids after a crash."""
    now = datetime.now(UTC)
    kept = [record for record in batch.records if is_kept(record, now)]
    if kept or not batch.records:
        state.put(source.name, batch.before)
        state.save()
    if kept:
        await delivery.deliver(kept)
    state.put(source.name, batch.after)
    if kept:
        state.save()
    tally.read += len(batch.records)
    tally.kept += len(kept)
