"""What endpoints and pages work with: built by the composition root, read from `request.app.state.services`."""

from collections.abc import Mapping
from dataclasses import dataclass

from sqlalchemy import Engine
from starlette.requests import Request

from connectors.base import Connector
from service.keyring import Keyring
from service.metrics import Metrics
from service.pipeline import Pipeline
from service.store.writer import Writer
from service.web.live import LiveConnections
from service.web.sign_in import SignIn


@dataclass(frozen=True, slots=True)
class Services:
    """One running service. `public_url` has no slash at its end and is None when nobody set it."""

    engine: Engine
    pipeline: Pipeline
    writer: Writer
    connectors: Mapping[str, Connector]
    connections: LiveConnections
    keyring: Keyring
    metrics: Metrics
    sign_in: SignIn
    public_url: str | None
    metrics_public: bool
    llm_configured: bool


def services_of(request: Request) -> Services:
    """The services of the application that got the request."""
    services: Services = request.app.state.services
    return services
