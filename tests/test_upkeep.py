"""Events that are too old are deleted; what was learned from them stays."""

from datetime import UTC, datetime, timedelta

from sqlalchemy import Engine, select

from service.store.ids import first_id_at, new_id
from service.store.tables import unparsed
from service.upkeep import delete_expired


def test_only_what_is_older_than_the_limit_goes(engine: Engine) -> None:
    now = datetime.now(UTC)
    ids = [first_id_at(now - timedelta(days=31)), first_id_at(now - timedelta(days=29)), new_id()]
    row = {"connection": "c", "received_at": now, "reason": "r", "headers": {}, "body": ""}
    with engine.begin() as conn:
        conn.execute(unparsed.insert(), [{"id": id_, **row} for id_ in ids])
    assert delete_expired(engine, 30) == 1
    assert delete_expired(engine, 30) == 0
    with engine.connect() as conn:
        assert set(conn.execute(select(unparsed.c.id)).scalars()) == set(ids[1:])
