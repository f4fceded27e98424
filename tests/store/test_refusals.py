"""What a connection refused: one row for each kind, counted, and only the newest kinds."""

from datetime import UTC, datetime, timedelta

from sqlalchemy import Engine

from connectors.base import Auth
from service.keyring import Keyring
from service.store.connections import create_connection, declare, delete_connection
from service.store.refusals import KEPT, RefusalKind, Tally, list_refusals, note_refusals

NOW = datetime(2026, 5, 4, 12, tzinfo=UTC)


def kind(detail: str = "The signature is missing.") -> RefusalKind:
    return RefusalKind("unauthenticated", 401, detail, "curl/8")


def tally(count: int = 1, minute: int = 0, size: int | None = 9) -> Tally:
    return Tally(count, NOW + timedelta(minutes=minute), NOW + timedelta(minutes=minute), size)


def test_equal_refusals_are_one_row_that_counts(engine: Engine) -> None:
    with engine.begin() as conn:
        note_refusals(conn, "counted", [(kind(), tally(3))])
        note_refusals(conn, "counted", [(kind(), tally(2, minute=5, size=None))])
        (row,) = list_refusals(conn, "counted")
    assert (row.count, row.size, row.first_at, row.last_at) == (5, None, NOW, NOW + timedelta(minutes=5))


def test_only_the_newest_kinds_are_kept_of_each_connection(engine: Engine) -> None:
    with engine.begin() as conn:
        note_refusals(conn, "other", [(kind(), tally())])
        note_refusals(conn, "busy", [(kind(str(n)), tally(minute=n)) for n in range(KEPT + 5)])
        assert [row.detail for row in list_refusals(conn, "busy")] == [str(n) for n in range(KEPT + 4, 4, -1)]
        assert len(list_refusals(conn, "other")) == 1


def test_they_go_with_their_connection(engine: Engine) -> None:
    with engine.begin() as conn:
        create_connection(conn, Keyring(b"k" * 32), "gone-soon", "generic", Auth("none"))
        note_refusals(conn, "gone-soon", [(kind(), tally())])
        delete_connection(conn, "gone-soon")
        assert list_refusals(conn, "gone-soon") == []


def test_they_go_with_a_connection_that_its_file_declares_no_more(engine: Engine) -> None:
    keyring = Keyring(b"k" * 32)
    with engine.begin() as conn:
        create_connection(conn, keyring, "left-the-file", "generic", Auth("none"), declared=True)
        note_refusals(conn, "left-the-file", [(kind(), tally())])
        declare(conn, keyring, [])
        assert list_refusals(conn, "left-the-file") == []
