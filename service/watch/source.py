"""What is followed, and how far it was read."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

Record = Mapping[str, Any]
Notify = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Batch:
    """Records, oldest first, in the words of the connector `log-shipper`.

    `before` and `after` are the places before the first and after the last of them; each record's `__CURSOR` follows
    from its place, so that what is read again from `before` is known to be the same.
    """

    records: Sequence[Record]
    before: Mapping[str, Any]
    after: Mapping[str, Any]


class Source(Protocol):
    """One thing that is followed."""

    name: str

    async def read(self) -> Batch | None:
        """What there is now, None where nothing is; what was read before is taken as done."""
        ...

    async def close(self) -> None:
        """Let go of files and processes."""
        ...


class WatchError(Exception):
    """A source cannot be followed, or nothing can be delivered. The message says what to do; no secret is in it."""
