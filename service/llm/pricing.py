"""What a call costs, from one table with its date. A model that is not in it costs null: no guess.

Prices in US dollars per million tokens, as of `AS_OF`, for requests of ordinary size and the standard service tier:
https://platform.claude.com/docs/en/about-claude/pricing (cache writes: of the five-minute cache, the only one in use
here), https://developers.openai.com/api/docs/pricing, https://docs.x.ai/developers/models. Both of the latter write
their cache for the plain price of input. A deployment with other prices declares them (docs/configuration.md).
"""

import re
from dataclasses import dataclass
from datetime import date
from typing import NamedTuple

from service.llm.base import Provider, Usage
from service.prompt.model import Rendered

AS_OF = {"anthropic": date(2026, 10, 24), "openai": date(2026, 11, 6), "xai": date(2026, 11, 6)}
_MILLION = 1_000_000
_HAIKU_BAND = 100_000


class Price(NamedTuple):
    """Dollars per million tokens."""

    input: float
    output: float
    cache_write: float
    cache_read: float


_OPUS_5 = Price(5, 25, 6.25, 0.50)
_HAIKU_5_5_LONG = Price(0.50, 2.50, 0.625, 0.05)
PRICES: dict[str, Price] = {
    "claude-fable-5-1": Price(10, 50, 12.50, 0.25),
    "claude-mythos-5-1": Price(10, 50, 12.50, 0.25),
    "claude-fable-5": Price(10, 50, 12.50, 1),
    "claude-mythos-5": Price(10, 50, 12.50, 1),
    "claude-opus-5-5": Price(4, 20, 5, 0.20),
    "claude-opus-5": _OPUS_5,
    "claude-opus-4-8": _OPUS_5,
    "claude-opus-4-7": _OPUS_5,
    "claude-opus-4-6": _OPUS_5,
    "claude-opus-4-5": _OPUS_5,
    "claude-opus-4-5-20251101": _OPUS_5,
    "claude-sonnet-5-5": Price(2, 10, 2.50, 0.10),
    "claude-sonnet-5": Price(2, 10, 2.50, 0.20),
    "claude-sonnet-4-6": Price(3, 15, 3.75, 0.30),
    "claude-sonnet-4-5": Price(3, 15, 3.75, 0.30),
    "claude-sonnet-4-5-20250929": Price(3, 15, 3.75, 0.30),
    "claude-haiku-5-5": Price(0.10, 0.50, 0.125, 0.01),
    "claude-haiku-4-5": Price(1, 5, 1.25, 0.10),
    "claude-haiku-4-5-20251001": Price(1, 5, 1.25, 0.10),
}
_CHEAPER_CACHE = {
    "gpt-6-astra": (10, 50, 1),
    "gpt-6-sol": (2, 10, 0.20),
    "gpt-6-luna": (0.10, 0.50, 0.01),
    "gpt-5.6-sol": (4, 20, 0.40),
    "gpt-5.6-terra": (2, 12, 0.20),
    "gpt-5.6-luna": (0.20, 1.20, 0.02),
    "gpt-5.5": (5, 30, 0.50),
    "gpt-5.4": (2.50, 15, 0.25),
    "gpt-5.4-mini": (0.75, 4.50, 0.075),
    "gpt-5.4-nano": (0.20, 1.25, 0.02),
    "grok-4.7": (2, 6, 0.50),
    "grok-4.6": (2, 6, 0.50),
    "grok-4.5": (2, 6, 0.50),
    "grok-4.3": (1.25, 2.50, 0.20),
    "grok-4.20-0309-reasoning": (1.25, 2.50, 0.20),
    "grok-4.20-0309-non-reasoning": (1.25, 2.50, 0.20),
    "grok-build-0.1": (1, 2, 0.20),
}
PRICES |= {model: Price(sent, made, sent, read) for model, (sent, made, read) in _CHEAPER_CACHE.items()}
_DATED = re.compile(r"-20\d\d-\d\d-\d\d\Z")


def find_price(model: str) -> Price | None:
    """The price of a model, also by the dated name that a provider returns, or None for one that is not listed."""
    return PRICES.get(model) or PRICES.get(_DATED.sub("", model))


def price_call(model: str, usage: Usage, price: Price | None = None) -> float | None:
    """The cost of one call in US dollars, or None for a model without a price. A declared `price` goes first."""
    declared, price = price, price or find_price(model)
    if price is None:
        return None
    if declared is None and model == "claude-haiku-5-5" and usage.input > _HAIKU_BAND:
        price = _HAIKU_5_5_LONG
    plain = usage.input - usage.cache_write - usage.cache_read
    dollars = (
        plain * price.input
        + usage.cache_write * price.cache_write
        + usage.cache_read * price.cache_read
        + usage.output * price.output
    )
    return round(dollars / _MILLION, 6)


_BYTES_PER_TOKEN = 2  # text and JSON have three to four; a budget must not be overdrawn by an unusual one


@dataclass(frozen=True, slots=True)
class Priced:
    """A provider with the prices of its model: those that an operator declared, else those listed here."""

    provider: Provider
    declared: Price | None = None

    @property
    def price(self) -> Price | None:
        """Dollars per million tokens of the configured model, if known."""
        return self.declared or find_price(self.provider.model)

    def cost_of(self, model: str, usage: Usage) -> float | None:
        """What a call cost, in dollars. `model` is the id that the provider returned."""
        return price_call(model, usage, self.declared or (None if find_price(model) else self.price))

    def most_of(self, prompt: Rendered) -> float | None:
        """What a call with this prompt costs at most, in dollars."""
        sent = len(f"{prompt.system}{prompt.user}".encode()) // _BYTES_PER_TOKEN
        return self.cost_of(self.provider.model, Usage(sent, prompt.max_tokens, cache_write=sent))
