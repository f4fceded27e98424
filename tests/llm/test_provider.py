"""What every provider in the folder must keep, and how they are found."""

import pytest

from service.llm.base import LLMError, Usage, discover, open_provider
from service.llm.pricing import AS_OF, PRICES, Price, price_call


@pytest.mark.parametrize("name", sorted(discover()))
def test_every_provider_is_named_after_its_module_and_has_a_priced_default_model(name: str) -> None:
    factory = discover()[name]
    assert factory.__module__ == f"service.llm.{name}"
    provider = open_provider(name, api_key="k")
    assert provider.name == name
    assert provider.model == factory.default_model
    assert price_call(provider.model, Usage(1_000_000, 0)) is not None


def test_an_unknown_provider_is_refused_with_the_known_names() -> None:
    with pytest.raises(LLMError, match="'clippy' is not known; known are anthropic, openai, xai"):
        open_provider("clippy", api_key="k")


def test_cached_tokens_cost_less_and_an_unknown_model_costs_null() -> None:
    assert price_call("claude-sonnet-5-5", Usage(1_000_000, 100_000)) == 3.0
    assert price_call("claude-sonnet-5-5", Usage(1_000_000, 0, cache_read=1_000_000)) == 0.1
    assert price_call("claude-haiku-5-5", Usage(100_000, 0)) == 0.01
    assert price_call("claude-haiku-5-5", Usage(200_000, 0)) == 0.1
    assert price_call("claude-of-tomorrow", Usage(1, 1)) is None


def test_every_price_is_dated_and_reading_a_cache_is_cheaper_than_not() -> None:
    assert set(AS_OF) == set(discover())
    assert all(day.year >= 2026 for day in AS_OF.values())
    assert all(price.cache_read < price.input <= price.cache_write < price.output for price in PRICES.values())


def test_a_dated_name_of_a_model_has_its_price_and_a_declared_price_goes_first() -> None:
    assert price_call("gpt-5.4-mini-2026-03-17", Usage(1_000_000, 0)) == 0.75
    assert price_call("llama-at-home", Usage(1_000_000, 1_000_000), Price(0.0, 0.5, 0.0, 0.0)) == 0.5
