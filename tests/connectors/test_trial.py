"""Every connection can be tried with a delivery of our own making, unless only the vendor's key can prove one."""

from dataclasses import replace
from datetime import UTC, datetime

import pytest

from connectors import discover
from connectors.base import Auth, Unauthenticated
from connectors.trial import can_be_tried, make_trial

TEXT = "whydenied test event 20260504T120000Z of the connection ci: nothing was denied"
NOW = datetime(2026, 5, 4, 12, tzinfo=UTC)
SECRET = "a-secret-" + "of-the-test"


def auth_for(connector, scheme):
    secrets = () if scheme == "none" else (SECRET,)
    return Auth(scheme, secrets, username="ci", name=connector.header_name or "X-Key")


@pytest.mark.parametrize("connector", discover().values(), ids=discover())
def test_a_trial_proves_itself_and_holds_one_failure_with_the_text(connector):
    for scheme in connector.schemes:
        auth = auth_for(connector, scheme)
        delivery = make_trial(connector, auth, text=TEXT, identity="trial1", moment=NOW)
        if connector.public_key and scheme == "signature":
            assert delivery is None
            continue
        assert delivery is not None, f"{connector.name} brings no sample, or no signer for its signature"
        connector.authenticate(delivery, auth)
        (event,) = connector.parse(delivery).events
        assert TEXT in event.text, scheme
        assert event.state == "firing"
        assert abs((event.time - NOW).total_seconds()) < 1
        if scheme != "none":
            with pytest.raises(Unauthenticated):
                connector.authenticate(delivery, replace(auth, secrets=("another-secret",)))


def test_a_connection_without_its_secret_cannot_be_tried():
    sentry = discover()["sentry"]
    assert not can_be_tried(sentry, Auth("signature"))
    assert make_trial(sentry, Auth("signature"), text=TEXT, identity="x", moment=NOW) is None


def test_a_dated_signature_is_as_old_as_its_trial():
    slack = discover()["slack"]
    auth = auth_for(slack, "signature")
    delivery = make_trial(slack, auth, text=TEXT, identity="x", moment=NOW)
    assert delivery
    with pytest.raises(Unauthenticated):
        slack.authenticate(replace(delivery, received_at=NOW.replace(hour=13)), auth)
