"""Lists of failures: whichever way one is looked for, it holds the same; and no way reads whole tables in vain."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from itertools import product
from random import Random
from typing import Any

import pytest
from sqlalchemy import Engine, event, insert, text

from service.store import failures as listing
from service.store import search
from service.store.failures import FailureFilter, Sort, count_snoozed, counts_by_status, list_failures
from service.store.tables import excerpts, failures, sightings

MANY = 120
NOW = datetime.now(UTC)


@pytest.fixture
def rows(engine: Engine, monkeypatch: pytest.MonkeyPatch) -> list[dict[str, Any]]:
    """Failures that a list has to look beyond its first part for, where 10 are many."""
    monkeypatch.setattr(listing, "_NEAR", 10)
    monkeypatch.setattr(listing, "_FEW", 10)
    monkeypatch.setattr(search, "_COMMON", 10)
    dice = Random(4)
    made = [_row(dice, number) for number in range(MANY)]
    with engine.begin() as conn:
        conn.execute(insert(failures), made)
        places = ("connection", "service_name", "environment")
        conn.execute(insert(sightings), [{"failure_id": one["id"], **{at: one[at] for at in places}} for one in made])
        conn.execute(insert(excerpts), [{"failure_id": r["id"], "sample": "", "search": r["title"]} for r in made])
    return made


def _row(dice: Random, number: int) -> dict[str, Any]:
    seen = NOW - timedelta(hours=dice.randrange(600))
    system = dice.choice(["aws.s3", "aws.s3", "aws.iam", "gcp.run"]) if number % 40 else "aws.sqs"
    words = ("even" if number % 2 == 0 else "odd", "seldom" if number % 50 == 0 else "often")
    return {
        "id": f"{number:03}",
        "fingerprint": str(number),
        "fingerprint_version": 1,
        "status": dice.choice(["needs_review", "needs_review", "approved", "rejected"]),
        "title": f"denied {' '.join(words)} number-{number}",
        "connection": "sentry",
        "service_name": dice.choice(["shop", "cart"]),
        "environment": "test",
        "event_count": dice.choice([1, 2, 500]),
        "first_seen": seen,
        "last_seen": seen,
        "created_at": seen,
        "regressed": number % 30 == 0,
        "snoozed_until": NOW + timedelta(days=1) if number % 25 == 0 else None,
        "cause": "missing_grant" if number % 40 else "explicit_deny",
        "producer": "rule",
        "system": system,
    }


FILTERS: list[dict[str, Any]] = [
    {},
    {"status": "needs_review", "snoozed": False},
    {"snoozed": True},
    {"system": "aws", "cause": "missing_grant", "service": "shop"},
    {"system": "aws.sqs"},
    {"cause": "explicit_deny", "service": "cart"},
]
LISTS: list[Sort] = ["latest", "priority", "events"]
QUERIES = ["", "denied", "den odd", "seldom", "denied seldom", "even number-1", "denied - number", "zebra"]


def fits(row: dict[str, Any], wanted: dict[str, Any], query: str) -> bool:
    """What the filter says, without a database."""
    names = {"service": "service_name"}
    facts = {name: value for name, value in wanted.items() if name not in {"system", "snoozed"}}
    title = row["title"].replace("-", " ").split()
    words = [part for word in query.split() for part in word.split("-") if part]
    return (
        all(row[names.get(name, name)] == value for name, value in facts.items())
        and ("system" not in wanted or f"{row['system']}.".startswith(f"{wanted['system']}."))
        and ("snoozed" not in wanted or (row["snoozed_until"] is not None) == wanted["snoozed"])
        and all(any(one.startswith(word) for one in title) for word in words)
        and all(word in row["title"] for word in query.split())
    )


def rank(row: dict[str, Any], sort: Sort) -> tuple[Any, ...]:
    if sort == "latest":
        return row["last_seen"], row["id"]
    if sort == "events":
        return row["event_count"], row["id"]
    return row["regressed"], row["event_count"] / (1 + (NOW - row["last_seen"]) / timedelta(days=1)), row["id"]


def test_every_way_of_looking_finds_the_same(engine: Engine, rows: list[dict[str, Any]]) -> None:
    with engine.connect() as conn:
        for wanted, query, sort in [*product(FILTERS, QUERIES, LISTS[:2]), *product(FILTERS[:2], QUERIES, LISTS[2:])]:
            fitting = [row for row in rows if fits(row, wanted, query)]
            expected = [row["id"] for row in sorted(fitting, key=lambda row: rank(row, sort), reverse=True)]
            filters = FailureFilter(**wanted, q=query or None)
            first = list_failures(conn, filters, None, 17, sort)
            found = [one.id for one in first.items]
            if first.next_cursor:
                found += [one.id for one in list_failures(conn, filters, first.next_cursor, 200, sort).items]
            assert found == expected, (wanted, query, sort)


@pytest.fixture
def plans(engine: Engine, rows: list[dict[str, Any]]) -> Iterator[list[str]]:
    """How the database goes about each statement of the test, line by line."""
    del rows
    lines: list[str] = []
    is_sqlite = engine.dialect.name == "sqlite"

    def explain(conn: Any, _cursor: Any, statement: str, values: Any, *_: Any) -> None:
        if statement.startswith("SELECT"):
            plan = conn.exec_driver_sql(f"EXPLAIN {'QUERY PLAN ' if is_sqlite else ''}{statement}", values)
            lines.extend(row[-1].strip() for row in plan)

    event.listen(engine, "before_cursor_execute", explain)
    yield lines
    event.remove(engine, "before_cursor_execute", explain)


def whole_tables(plans: list[str]) -> list[str]:
    """The steps that read a whole table, row by row, although there is an index."""
    bare = ("SCAN failure", "SCAN excerpt", "SCAN sighting")
    return [line for line in plans if line in bare or "Seq Scan on " in line]


@pytest.mark.parametrize(
    ("wanted", "index"),
    [
        ({}, "ix_failure_last_seen_id"),
        ({"status": "approved"}, "ix_failure_status_last_seen_id"),
        ({"status": "needs_review", "snoozed": False}, "ix_failure_status_last_seen_id"),
        ({"snoozed": True}, "ix_failure_snoozed_until_snoozed_at_count_event_count"),
        ({"system": "aws.sqs"}, "ix_failure_system"),
        ({"cause": "explicit_deny"}, "ix_failure_cause"),
        ({"q": "seldom"}, "sqlite_autoindex_failure"),
        ({"q": "denied"}, "ix_failure_last_seen_id"),
    ],
)
def test_a_list_of_the_latest_reads_no_whole_table(
    engine: Engine, plans: list[str], wanted: dict[str, Any], index: str
) -> None:
    with engine.connect() as conn:
        if engine.dialect.name == "postgresql":  # which reads a table of this size at once if it may
            conn.execute(text("SET LOCAL enable_seqscan = off"))
        assert list_failures(conn, FailureFilter(**wanted), None, 2).items
    assert not whole_tables(plans), plans
    if engine.dialect.name == "sqlite":
        assert any(index in line for line in plans), plans


def test_counts_for_tabs_read_indexes_only(engine: Engine, plans: list[str]) -> None:
    with engine.connect() as conn:
        if engine.dialect.name == "postgresql":
            conn.execute(text("SET LOCAL enable_seqscan = off"))
        exact = counts_by_status(conn)
        assert counts_by_status(conn, 7) == {status: min(many, 7) for status, many in exact.items()}
        assert sum(exact.values()) == MANY
        assert count_snoozed(conn) == len(range(0, MANY, 25))
    assert not whole_tables(plans)
    if engine.dialect.name == "sqlite":
        assert all("USING COVERING INDEX" in line for line in plans if " failure " in line), plans
