"""Every recorded delivery of every connector is accepted by the running service, and a forged one is not."""

from dataclasses import replace
from pathlib import Path

import httpx
import pytest
from api_client import client, connect
from service_site import Site

from connectors.base import Auth
from connectors.recording import Recording, find_recordings, read_recording

PAYLOADS = Path(__file__).parents[1] / "connectors" / "payloads"
EVERY = [read_recording(path) for path in find_recordings(PAYLOADS)]
RECORDINGS = [one for one in EVERY if not one.delivery.keys]  # those would be fetched; see test_ingest_public_keys.py
FOREVER = 10**9


def post(sender: httpx.Client, path: str, recording: Recording) -> httpx.Response:
    sent = recording.delivery
    headers = {name: value for name, value in sent.headers.items() if name not in {"host", "content-length"}}
    return sender.request(sent.method, f"{path}{recording.target}", content=sent.raw, headers=headers)


@pytest.mark.parametrize("recording", RECORDINGS, ids=lambda recording: f"{recording.connector}-{recording.case}")
def test_a_recorded_delivery_is_accepted_and_a_forged_one_refused(api_site: Site, recording: Recording) -> None:
    auth = replace(recording.auth, tolerance=FOREVER)
    stranger = replace(auth, secrets=("a-secret-nobody-else-has",)) if auth.secrets else Auth("bearer", ("x" * 20,))
    name = f"{recording.connector}-{recording.case}".replace("_", "-")
    path = connect(api_site, name, recording.connector, auth)
    forged_path = connect(api_site, f"{name}-forged", recording.connector, stranger)
    with client(api_site, None) as sender:
        accepted = post(sender, path, recording)
        forged = post(sender, forged_path, recording)
    assert accepted.status_code in {200, 201, 202, 204}, accepted.text
    assert forged.status_code in ({403} if recording.connector == "splunk-hec" else {401})
    assert forged.headers["www-authenticate"]
    with api_site.services.engine.connect() as conn:
        stored = conn.exec_driver_sql("SELECT connection FROM event UNION SELECT connection FROM unparsed").scalars()
        assert f"{name}-forged" not in set(stored)
