"""What endpoints and pages work with: built by the composition root, read from `request.app.state.services`."""

import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from sqlalchemy import Engine
from starlette.requests import Request

from connectors.base import Connector
from service.keyring import Keyring
from service.metrics import Metrics
from service.pipeline import Pipeline
from service.store.writer import Writer
from service.web.gate import Gate
from service.web.live import LiveConnections
from service.web.oidc_provider import Provider
from service.web.prefix import prefix_of
from service.web.refusals import Refusals
from service.web.sign_in import SignIn


@dataclass(frozen=True, slots=True)
class ModelSetup:
    """Which models are asked, as provider and name in order of preference, and what they may cost in US dollars."""

    models: tuple[tuple[str, str], ...]
    budget_day: float | None
    budget_month: float | None
    calls_per_minute: int | None


@dataclass(frozen=True, slots=True)
class ShownSetting:
    """A setting as it is in force; a secret's value is not in it. `source`: where it was set."""

    name: str
    value: str
    source: str
    description: str


@dataclass(frozen=True, slots=True)
class Services:
    """One running service. `public_url` has no slash at its end and is None when nobody set it.

    `ask_model` begins the analysis of queued failures at once, where this process has a worker; it never blocks.
    `provider` vouches for people, where one is set. `closing` is set when the server is told to stop, so that responses
    without an end find one.
    """

    engine: Engine
    pipeline: Pipeline
    writer: Writer
    connectors: Mapping[str, Connector]
    connections: LiveConnections
    refusals: Refusals
    gate: Gate
    keyring: Keyring
    metrics: Metrics
    sign_in: SignIn
    public_url: str | None
    metrics_public: bool
    models: ModelSetup
    ask_model: Callable[[Sequence[str]], None]
    provider: Provider | None
    settings: tuple[ShownSetting, ...]
    retention_days: int | None
    closing: threading.Event = field(default_factory=threading.Event)

    @property
    def prefix(self) -> str:
        """The path that the service lives below, behind a proxy; empty where it has a host of its own."""
        return prefix_of(self.public_url)


def services_of(request: Request) -> Services:
    """The services of the application that got the request."""
    services: Services = request.app.state.services
    return services
