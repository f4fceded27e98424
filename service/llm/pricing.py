"""What a call costs, from one table with its date. A model that is not in it costs null: no guess.

Prices in US dollars per million tokens, from https://platform.claude.com/docs/en/about-claude/pricing as of `AS_OF`.
Cache writes are for the five-minute cache, the only one in use here.
"""

from datetime import date
from typing import NamedTuple

from service.llm.base import Usage

AS_OF = date(2026, 10, 24)
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


def price_call(model: str, usage: Usage) -> float | None:
    """The cost of one call in US dollars, or None for a model without a price."""
    price = PRICES.get(model)
    if price is None:
        return None
    if model == "claude-haiku-5-5" and usage.input > _HAIKU_BAND:
        price = _HAIKU_5_5_LONG
    plain = usage.input - usage.cache_write - usage.cache_read
    dollars = (
        plain * price.input
        + usage.cache_write * price.cache_write
        + usage.cache_read * price.cache_read
        + usage.output * price.output
    )
    return round(dollars / _MILLION, 6)
