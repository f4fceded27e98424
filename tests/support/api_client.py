"""Clients of the REST API and of ingest, for a service that runs in this process."""

import httpx
from service_site import Site

from connectors.base import Auth
from service.store.access import create_api_key
from service.store.connections import create_connection

ADMIN_KEY = "wd_00000000_an_admin_key_for_tests"
TABLE_DENIED = "ERROR: permission denied for table orders"


def client(site: Site, token: str | None = ADMIN_KEY) -> httpx.Client:
    """A client that sends the key, or nothing."""
    headers = {"authorization": f"Bearer {token}"} if token else {}
    return httpx.Client(base_url=site.url, headers=headers, trust_env=False, verify=False, timeout=20)


def key_with(site: Site, *scopes: str) -> str:
    """A new API key with these scopes."""
    with site.services.engine.begin() as conn:
        return create_api_key(conn, " ".join(scopes), scopes)[1]


def connect(site: Site, name: str, connector: str = "generic", auth: Auth | None = None) -> str:
    """Make a connection that receives at once; gives its path."""
    with site.services.engine.begin() as conn:
        create_connection(conn, site.services.keyring, name, connector, auth or Auth("none"))
    site.services.connections.refresh()
    return f"/ingest/{name}"


def metric(site: Site, line: str) -> float:
    """The value of one line of /metrics; 0 when it is not there yet."""
    page = httpx.get(f"{site.url}/metrics", trust_env=False, timeout=60).text
    return next((float(found.rsplit(" ", 1)[1]) for found in page.splitlines() if found.startswith(f"{line} ")), 0.0)
