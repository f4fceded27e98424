"""A chain of exceptions as text: what was raised, root cause first, then the stacks of the application's own code."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from connectors.stacks import Frames, print_compact_stack, print_stack
from connectors.values import join_texts


@dataclass(frozen=True, slots=True)
class Raised:
    """One exception; `frames` are oldest first, in the names of `connectors/stacks.py`."""

    type: str | None
    message: str | None
    frames: Frames = ()

    @property
    def line(self) -> str | None:
        """The usual line `type: message`."""
        if self.type and self.message and not self.message.startswith(self.type):
            return f"{self.type}: {self.message}"
        return self.message or self.type


def chain_text(chain: Sequence[Raised], said: Iterable[str | None] = ()) -> str:
    """What a person would read; `chain` has the root cause first, `said` is what was reported beside it."""
    headline = join_texts([*(raised.line for raised in chain), *said]) or "Error without a message"
    return "\n\n".join([headline, *_stacks(chain, compact=True)])


def chain_stacktrace(chain: Sequence[Raised]) -> str | None:
    """All frames of all exceptions."""
    return "\n\n".join(_stacks(chain, compact=False)) or None


def _stacks(chain: Sequence[Raised], *, compact: bool) -> list[str]:
    printer = print_compact_stack if compact else print_stack
    return [
        f"Stack of {raised.type or 'exception'} (most recent call last):\n{printer(raised.frames)}"
        for raised in chain
        if raised.frames
    ]
