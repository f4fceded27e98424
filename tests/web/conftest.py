"""Fixtures of the REST and ingest tests: one running service per module, and a client with the admin key."""

from collections.abc import Iterator

import httpx
import pytest
from api_client import ADMIN_KEY, client
from service_site import Site, running_site


@pytest.fixture(scope="module")
def api_site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    with running_site(tmp_path_factory.mktemp("service"), admin_api_key=ADMIN_KEY) as running:
        yield running


@pytest.fixture(scope="module")
def admin(api_site: Site) -> Iterator[httpx.Client]:
    with client(api_site) as opened:
        yield opened
