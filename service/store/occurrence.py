"""What goes into the writer and what comes out of it."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from connectors.base import ErrorEvent
from service.domain import Answer
from service.store.ids import new_id


@dataclass(frozen=True, slots=True)
class Occurrence:
    """One redacted event, with the failure it belongs to and, when a rule matched, the rule's answer.

    `connection` is a name. `answer` makes the answer for a given analysis id; it is called only when the failure lacks
    an analysis by that rule and version. `rule_version` is `<rule id>@<content hash>`. Both are given, or neither.
    `is_general`: a general rule's answer, which is shown until a model's is there.
    """

    connection: str
    event: ErrorEvent
    context: Mapping[str, Any]
    fingerprint: str
    fingerprint_version: int
    answer: Callable[[str], Answer] | None = None
    rule_version: str | None = None
    is_general: bool = False


@dataclass(frozen=True, slots=True)
class UnparsedDelivery:
    """A redacted delivery to keep for replay, because its connector could not read it."""

    connection: str
    received_at: datetime
    reason: str
    headers: Mapping[str, Any]
    body: str
    path: str = ""
    id: str = field(default_factory=new_id)


@dataclass(frozen=True, slots=True)
class Stored:
    """One occurrence as committed.

    A `duplicate` has the ids of the delivery that came first. `failure_id` is null only for a resolved event that
    closed nothing. `analysis_id` is the failure's current analysis; `own_answer` says that it is the one which the
    occurrence's own rule gives (else a reviewer's, a model's or none). `needs_analysis`: new, and no system's own rule
    answered. `folded`: its own failure would have been one too many of its connection.
    """

    event_id: str
    failure_id: str | None
    duplicate: bool = False
    new_failure: bool = False
    analysis_id: str | None = None
    own_answer: bool = False
    needs_analysis: bool = False
    folded: bool = False


class Overloaded(Exception):
    """The queue is full and nothing was taken. Try again after `retry_after` seconds."""

    def __init__(self, retry_after: int) -> None:
        super().__init__(f"too many events are waiting to be stored, try again in {retry_after} s")
        self.retry_after = retry_after


class StoreUnavailable(Exception):
    """The database did not take the events; nothing was acknowledged. Sending them again is safe."""


class Unstorable(Exception):
    """The database refuses these very events; sending them again will not help."""
