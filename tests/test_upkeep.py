"""Events that are too old are deleted; what was learned from them stays."""

import asyncio
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import Engine, func, select

from service.store.activity import note_activity
from service.store.ids import first_id_at, new_id
from service.store.tables import activities, unparsed
from service.upkeep import delete_expired, keep_for


def test_only_what_is_older_than_the_limit_goes(engine: Engine) -> None:
    now = datetime.now(UTC)
    ids = [first_id_at(now - timedelta(days=31)), first_id_at(now - timedelta(days=29)), new_id()]
    row = {"connection": "c", "received_at": now, "reason": "r", "headers": {}, "body": ""}
    with engine.begin() as conn:
        conn.execute(unparsed.insert(), [{"id": id_, **row} for id_ in ids])
    assert asyncio.run(delete_expired(engine, 30)) == 1
    assert asyncio.run(delete_expired(engine, 30)) == 0
    with engine.connect() as conn:
        assert set(conn.execute(select(unparsed.c.id)).scalars()) == set(ids[1:])


def keep_old(engine: Engine, count: int) -> None:
    row = {"connection": "c", "received_at": datetime.now(UTC), "reason": "r", "headers": {}, "body": ""}
    first = first_id_at(datetime.now(UTC) - timedelta(days=31))
    with engine.begin() as conn:
        conn.execute(unparsed.insert(), [{"id": f"{first[:-5]}{number:05x}", **row} for number in range(count)])


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
def test_others_write_while_much_is_deleted(engine: Engine) -> None:
    keep_old(engine, 8_000)
    written = 0
    with ThreadPoolExecutor(1) as pool:
        deleting = pool.submit(asyncio.run, delete_expired(engine, 30))
        while not deleting.done() and written < 5:
            with engine.begin() as conn:
                note_activity(conn, "somebody", "wrote", "meanwhile")
            written += 1
    assert deleting.result() == 8_000
    assert written == 5


def test_a_long_deletion_ends_when_it_is_told_to(engine: Engine) -> None:
    keep_old(engine, 4_000)

    async def run() -> None:
        deleting = asyncio.create_task(delete_expired(engine, 30))
        await asyncio.sleep(0)  # it begins
        deleting.cancel()
        await asyncio.gather(deleting, return_exceptions=True)

    asyncio.run(run())
    with engine.connect() as conn:
        assert conn.execute(select(func.count()).select_from(unparsed)).scalar_one() == 3_000
        assert "1,000 records" in conn.execute(select(activities.c.subject)).scalar_one()


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
