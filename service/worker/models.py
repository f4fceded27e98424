"""Which models are asked, how many calls at once, and what they may cost."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from service.llm.pricing import Priced
from service.worker.budget import Limits


def _nothing(_told: str) -> str:
    return ""


@dataclass(frozen=True, slots=True)
class Models:
    """The providers in order of preference, of which the first that is in order is asked.

    `concurrency`: calls in flight per process. `diagnose`: what whydenied's own rules say about a provider's refusal of
    its own key, empty where they say nothing.
    """

    providers: Sequence[Priced]
    limits: Limits = field(default_factory=Limits)
    concurrency: int = 4
    diagnose: Callable[[str], str] = _nothing

    def unpriced(self) -> list[str]:
        """The models without a price, whose calls no budget can count."""
        return [priced.provider.model for priced in self.providers if priced.price is None]
