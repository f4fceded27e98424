"""Full-text search: any beginning of any word of the text finds it, hostile queries find nothing and break nothing."""

from collections.abc import Callable
from datetime import timedelta

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import Engine, delete, text

from service.domain import Answer
from service.store.analyses import add_analysis
from service.store.failures import FailureFilter, list_failures
from service.store.occurrence import Occurrence
from service.store.tables import failures
from service.store.writer import Writer

Occur = Callable[..., Occurrence]
TEXT = (
    "User arn:aws:iam::111122223333:user/Ann_Lee is 403-denied s3:GetObject on Straße-größe, pod web-7d9f, 日本語 "
    "3.5e7 9a8b"
)


def found(engine: Engine, query: str, **filters: str) -> list[str]:
    with engine.connect() as conn:
        return [one.fingerprint for one in list_failures(conn, FailureFilter(q=query, **filters), None, 9).items]


def test_every_beginning_of_every_word_finds_the_text(engine: Engine, writer: Writer, occur: Occur) -> None:
    writer.submit([occur(text=TEXT), occur(fingerprint="two", text="nothing alike", minute=1)]).result(20)
    for word in [*TEXT.split(), "111122223333", "ann", "LEE", "getobject", "web-7d", "9a8", "user arn", "s3:Get"]:
        assert found(engine, word.rstrip(",")) in (["one"], ["two", "one"]), word
    for word in ("nowhere", "s3:PutObject", "getobjects", "rn:aws", "ann:lee"):
        assert found(engine, word) == [], word


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(query=st.text(max_size=30) | st.text("\"'*()^:-+{}|&!<>\\%_ aANDORNEAR", max_size=30))
def test_a_hostile_query_is_only_words(engine: Engine, query: str) -> None:
    assert found(engine, query.replace("\x00", "")) == []


def test_the_index_follows_new_answers_and_deletions(
    engine: Engine, writer: Writer, occur: Occur, answered: Callable[..., Answer]
) -> None:
    [stored] = writer.submit([occur(text="gibberish")]).result(20)
    with engine.begin() as conn:
        add_analysis(conn, stored.failure_id or "", answered("a", title="Zebra quota"))
    assert found(engine, "zeb") == found(engine, "gibb") == ["one"]
    with engine.begin() as conn:
        conn.execute(delete(failures))
    assert found(engine, "zeb") == []
    if engine.dialect.name == "sqlite":
        with engine.begin() as conn:
            assert conn.execute(text("SELECT count(*) FROM excerpt_number")).scalar() == 0
            conn.execute(text("INSERT INTO excerpt_words (excerpt_words) VALUES ('integrity-check')"))


def test_failures_can_be_sorted_by_events_and_by_priority(engine: Engine, writer: Writer, occur: Occur) -> None:
    many_long_ago = [occur(fingerprint="old", minute=-60 * 24 * 30) for _ in range(6)]
    some_today = [occur(fingerprint="new") for _ in range(4)]
    back = [occur(fingerprint="back", grouping_key="g", minute=-9)]
    writer.submit([*many_long_ago, *some_today, *back]).result(20)
    writer.submit([occur(grouping_key="g", state="resolved", minute=-8)]).result(20)
    writer.submit([occur(fingerprint="back", grouping_key="g", minute=-7)]).result(20)
    with engine.connect() as conn:
        by_events = list_failures(conn, FailureFilter(), None, 2, "events")
        rest = list_failures(conn, FailureFilter(), by_events.next_cursor, 2, "events")
        by_priority = list_failures(conn, FailureFilter(), None, 9, "priority").items
    assert [one.fingerprint for one in by_events.items + rest.items] == ["old", "new", "back"]
    assert rest.next_cursor is None
    assert [one.fingerprint for one in by_priority] == ["back", "new", "old"]
    assert by_priority[0].last_seen - by_priority[2].last_seen > timedelta(days=29)
