"""Approved answers of failures alike are found again, cheaply, and nothing that was not approved is."""

import time
from collections.abc import Callable, Iterator
from dataclasses import replace as dataclass_replace

import pytest
from sqlalchemy import Engine, event
from worker_setting import occurrence

from service.domain import Answer, ByRule, Cause, Confidence, Fix, Verdict
from service.store.reviews import review
from service.store.tables import failures
from service.store.writer import Writer
from service.worker import similar
from service.worker.similar import Precedents


def rule_answer(answer_id: str, system: str) -> Answer:
    return Answer(
        id=answer_id,
        verdict=Verdict.PERMISSION,
        cause=Cause.MISSING_GRANT,
        system=system,
        title="Known",
        explanation="A rule knows it.",
        resource="refunds",
        confidence=Confidence.LIKELY,
        fix=Fix(summary="Grant SELECT."),
        produced_by=ByRule(rule="demo.rule", version="1"),
    )


@pytest.fixture
def keep(engine: Engine) -> Iterator[Callable[..., None]]:
    """Store answered failures, each text as its own; those with `approve` are approved."""
    writer = Writer(engine)
    writer.start()

    def put(texts: list[str], *, system: str = "postgresql", approve: bool = True) -> None:
        made = [
            dataclass_replace(occurrence(text), answer=lambda i: rule_answer(i, system), rule_version="demo.rule@1")
            for text in texts
        ]
        stored = writer.submit(made).result()
        with engine.begin() as conn:
            for one in stored:
                version = conn.execute(failures.select().where(failures.c.id == one.failure_id)).one().version
                if approve:
                    review(conn, one.analysis_id or "", "ann", "approve", expected_version=version)

    yield put
    writer.stop()


def found(engine: Engine, precedents: Precedents, text: str, limit: int = 3) -> list[str]:
    with engine.connect() as conn:
        return [one["event"] for one in precedents.find(conn, text, limit)]


def test_the_most_alike_approved_failures_are_shown_and_strangers_are_not(
    engine: Engine, keep: Callable[..., None]
) -> None:
    keep(["certificate has expired while connecting", "permission denied for table refunds"])
    keep(["permission denied for table refunds while reading a report of payments"])
    keep(["permission denied for table invoices"], approve=False)
    precedents = Precedents()
    assert found(engine, precedents, "permission denied for table orders") == [
        "permission denied for table refunds",
        "permission denied for table refunds while reading a report of payments",
    ]
    assert len(found(engine, precedents, "permission denied for table orders", 1)) == 1
    assert found(engine, precedents, "") == []
    with engine.connect() as conn:
        [first, *_] = precedents.find(conn, "permission denied for table orders", 3)
    assert first["answer"] == {
        "verdict": "permission",
        "cause": "missing_grant",
        "system": "postgresql",
        "resource": "refunds",
        "fix": "Grant SELECT.",
    }


def test_a_text_that_names_the_system_needs_fewer_words_in_common(engine: Engine, keep: Callable[..., None]) -> None:
    keep(["vault refused reading kv/shop with this token today"], system="vault")
    keep(["nexus refused reading maven central with this token today"], system="nexus")
    assert found(engine, Precedents(), "vault refused another policy entirely, says checkout service log") == [
        "vault refused reading kv/shop with this token today"
    ]


def test_an_answer_that_is_approved_later_is_found_and_one_that_stands_no_more_is_not(
    engine: Engine, keep: Callable[..., None]
) -> None:
    precedents = Precedents()
    assert found(engine, precedents, "permission denied for table orders") == []
    keep(["permission denied for table refunds"])
    assert found(engine, precedents, "permission denied for table orders") != []
    with engine.begin() as conn:
        conn.execute(failures.update().values(status="rejected"))
    assert found(engine, precedents, "permission denied for table orders") == []


def test_looking_again_reads_only_what_is_new(engine: Engine, keep: Callable[..., None]) -> None:
    keep([f"permission denied for table {word}" for word in ("refunds", "invoices", "payments", "parcels")])
    precedents, statements = Precedents(), []
    found(engine, precedents, "permission denied for table orders")
    event.listen(engine, "before_cursor_execute", lambda *a: statements.append(str(a[2])))
    found(engine, precedents, "quite another matter")
    assert len([one for one in statements if one.startswith("SELECT")]) == 1, statements


def test_two_thousand_precedents_cost_milliseconds() -> None:
    precedents = Precedents()
    words = [frozenset(f"word{chr(97 + (n * k) % 26)}x" for k in range(40)) for n in range(2_000)]
    precedents._known = {str(n): (held, frozenset()) for n, held in enumerate(words)}
    text = similar._words("permission denied for table orders " * 40)
    started = time.process_time()
    rated = [similar._likeness(text, *held) for held in precedents._known.values()]
    assert len(rated) == 2_000
    assert time.process_time() - started < 0.1
