"""Fixtures of the REST and ingest tests: one running service per module, and a client with the admin key."""

from collections.abc import Iterator

import httpx
import pytest
import structlog
from api_client import ADMIN_KEY, client
from service_site import Site, running_site


@pytest.fixture(scope="session", autouse=True)
def _plain_logs() -> None:
    """The logs of services in this process, without the local variables that structlog shows by default."""
    renderers = [structlog.processors.format_exc_info, structlog.processors.JSONRenderer()]
    structlog.configure(processors=[structlog.processors.add_log_level, *renderers])


@pytest.fixture(scope="module")
def api_site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    with running_site(tmp_path_factory.mktemp("service"), admin_api_key=ADMIN_KEY) as running:
        yield running


@pytest.fixture(scope="module")
def admin(api_site: Site) -> Iterator[httpx.Client]:
    with client(api_site) as opened:
        yield opened
