"""Events that are too old are deleted; what was learned from them stays."""

import asyncio
from datetime import UTC, datetime, timedelta

from sqlalchemy import Engine, select

from service.store.ids import first_id_at, new_id
from service.store.tables import unparsed
from service.upkeep import delete_expired, keep_for


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


def test_each_round_tells_how_many_were_deleted(engine: Engine) -> None:
    old = {"id": first_id_at(datetime.now(UTC) - timedelta(days=31)), "connection": "c", "reason": "r", "body": ""}
    with engine.begin() as conn:
        conn.execute(unparsed.insert(), {**old, "received_at": datetime.now(UTC), "headers": {}})

    async def run() -> list[int]:
        told: list[int] = []
        twice = asyncio.Event()

        def hear(deleted: int) -> None:
            told.append(deleted)
            if len(told) == 2:
                twice.set()

        rounds = asyncio.create_task(keep_for(engine, 30, interval=0.0, observe=hear))
        await asyncio.wait_for(twice.wait(), 60)
        rounds.cancel()
        await asyncio.gather(rounds, return_exceptions=True)
        return told[:2]

    assert asyncio.run(run()) == [1, 0]
