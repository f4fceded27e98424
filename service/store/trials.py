"""The failures that test events made: what they are told by, and their deletion."""

from sqlalchemy import Connection, delete

from service.store.tables import Failure, failures

TEST_RULE = "whydenied.test-event"


def is_trial(failure: Failure) -> bool:
    """Whether the rule of test events answers the failure: then all of its events are test events."""
    return failure.producer_name == TEST_RULE


def delete_trials(conn: Connection, connection: str) -> int:
    """Delete the test events of a connection with their failure; says how many failures there were."""
    which = (failures.c.connection == connection, failures.c.producer_name == TEST_RULE)
    return conn.execute(delete(failures).where(*which)).rowcount
