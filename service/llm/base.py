"""What an LLM provider is to whydenied: a rendered prompt in, a typed draft and its price in tokens out.

A provider is one module of this package with a `PROVIDER` attribute. It imports its SDK on first use, not on import.
"""

import pkgutil
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib import import_module
from types import MappingProxyType
from typing import Generic, Protocol, TypeVar

from pydantic import BaseModel

from service.prompt.model import Rendered

Schema = TypeVar("Schema", bound=BaseModel)
CALL_SECONDS = 60.0


class LLMError(Exception):
    """A call gave no draft. The message is for people and holds no secret and nothing of the prompt.

    `permanent`: the same call cannot succeed later. `retry_after`: seconds the provider asks to wait. `account`:
    whydenied's own key, plan, model or address is at fault, so no call succeeds until an admin changes it.
    `billed`: the model did work that is paid for, so do not repeat the call often; `usage` is what it used.
    `timed_out`: nobody knows whether it did. `told`: the provider's refusal as an SDK would log it, without the key.
    """

    def __init__(
        self,
        message: str,
        *,
        permanent: bool,
        retry_after: float | None = None,
        account: bool = False,
        billed: bool = False,
        timed_out: bool = False,
        usage: "Usage | None" = None,
        told: str | None = None,
    ) -> None:
        super().__init__(message)
        self.message = message
        self.permanent = permanent
        self.retry_after = retry_after
        self.account = account
        self.billed = billed
        self.timed_out = timed_out
        self.usage = usage
        self.told = told


@dataclass(frozen=True, slots=True)
class Usage:
    """Tokens of one call. `input` counts all of them; the cached ones among them are priced differently."""

    input: int
    output: int
    cache_write: int = 0
    cache_read: int = 0


@dataclass(frozen=True, slots=True)
class Completion(Generic[Schema]):
    """One answer of a model. `model` is the id the provider returned, `latency` is in seconds."""

    draft: Schema
    provider: str
    model: str
    usage: Usage
    stop_reason: str
    latency: float


class Provider(Protocol):
    """One way to ask a model. `model` is the configured one. Use it in one event loop, and close it there."""

    name: str
    model: str

    async def ask(self, prompt: Rendered, schema: type[Schema]) -> Completion[Schema]:
        """One call, without retries, ended when its time is up. Raises `LLMError`."""

    async def close(self) -> None:
        """Give up connections. `ask` may be used again afterwards, also in another event loop."""


class ProviderFactory(Protocol):
    """What a provider module offers as `PROVIDER`."""

    name: str
    default_model: str

    def __call__(self, *, api_key: str, model: str | None, base_url: str | None, timeout: float) -> Provider:
        """A provider for these settings; None takes the default. `timeout` in seconds is for a whole call. Does no I/O.

        An empty `api_key` is for servers that want none.
        """


@cache
def discover() -> Mapping[str, ProviderFactory]:
    """Every provider of this package by name."""
    package = import_module("service.llm")
    modules = (import_module(f"service.llm.{info.name}") for info in pkgutil.iter_modules(package.__path__))
    found = (getattr(module, "PROVIDER", None) for module in modules)
    return MappingProxyType({factory.name: factory for factory in found if factory is not None})


def open_provider(
    name: str, *, api_key: str, model: str | None = None, base_url: str | None = None, timeout: float = CALL_SECONDS
) -> Provider:
    """The provider called `name`. Raises `LLMError` with the known names."""
    factories = discover()
    if name not in factories:
        raise LLMError(f"LLM provider {name!r} is not known; known are {', '.join(sorted(factories))}", permanent=True)
    return factories[name](api_key=api_key, model=model, base_url=base_url, timeout=timeout)
