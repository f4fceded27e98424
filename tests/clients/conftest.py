"""One running service with PostgreSQL's rules for all clients of a file."""

from collections.abc import Iterator

import pytest
from api_client import ADMIN_KEY
from service_site import Site, running_site

from service.rules.load import default_folder


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    folder = tmp_path_factory.mktemp("clients")
    packs = [str(default_folder() / "postgresql.yaml")]
    with running_site(folder, extra_rules=packs, admin_api_key=ADMIN_KEY) as running:
        yield running
