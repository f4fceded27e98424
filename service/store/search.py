"""Full-text search over failures: every word of a query has to begin a word of what is known of the failure.

The index is made by migration 0005: FTS5 on SQLite (https://www.sqlite.org/fts5.html), a GIN index over `tsvector` on
PostgreSQL (https://www.postgresql.org/docs/current/textsearch.html). It has a row per failure, so that events of a
failure that is known cost it nothing.
"""

import re
from typing import Literal

from sqlalchemy import ColumnElement, Connection, Select, bindparam, column, false, func, literal_column, select, table

from service.store.tables import excerpts

_MOST_WORDS = 8
_COMMON = 5_000
_PART = re.compile(r"[^\W_]+")
_numbers = table("excerpt_number", column("number"), column("failure_id"))
_words = table("excerpt_words", column("rowid"))
Frequency = Literal["rare", "common"]


def matches(
    failure_id: ColumnElement[str], query: str, dialect: str, *, each: bool = False
) -> list[ColumnElement[bool]]:
    """The conditions that a failure fits every word of `query`, in any case. `dialect` is the database's name.

    Signs count beside words only: no index has them, so that alone they find nothing. Either all that fit are gathered,
    or `each` failure is looked at, which is less work where nearly all fit or few are left. PostgreSQL chooses by
    itself: it knows how frequent words are.
    """
    words = _read(query)
    parts = [found for found in words.values() if found]
    if not parts:
        return [false()] if words else []
    exact = [excerpts.c.search.contains(word, autoescape=True) for word, found in words.items() if found != [word]]
    if dialect == "postgresql":
        return [failure_id.in_(select(excerpts.c.failure_id).where(*exact, _in_tsvector(parts)))]
    found = select(excerpts.c.failure_id).where(*exact)
    if each:
        number = select(_numbers.c.number).where(_numbers.c.failure_id == failure_id).scalar_subquery()
        looked_at = [found.where(excerpts.c.failure_id == failure_id).exists()] if exact else []
        return [number.in_(_rows_of(parts)), *looked_at]
    return [failure_id.in_(found.where(excerpts.c.failure_id.in_(_in_fts5(parts))) if exact else _in_fts5(parts))]


def frequency_of(conn: Connection, query: str) -> Frequency | None:
    """Whether at most 5,000 failures fit, signs in the words aside. None without words, and where PostgreSQL judges."""
    parts = [found for found in _read(query).values() if found]
    if not parts or conn.dialect.name == "postgresql":
        return None
    # Whole words are counted first: to put all beginnings of a common word together takes a hundred times as long.
    is_common = any(conn.execute(_rows_of(parts, end).offset(_COMMON).limit(1)).first() for end in ("", " *"))
    return "common" if is_common else "rare"


def _read(query: str) -> dict[str, list[str]]:
    """The words of a query, each with its parts as the index has them; signs have none."""
    return {word: _PART.findall(word) for word in query.casefold().split()[:_MOST_WORDS]}


def _rows_of(words: list[list[str]], ending: str = " *") -> Select[int]:
    """The rows of the FTS5 index that have all parts; `ending` follows the last part of each word."""
    wanted = " AND ".join(
        " AND ".join([*(f'"{part}"' for part in parts), f'"{last}"{ending}']) for *parts, last in words
    )
    return select(_words.c.rowid).where(literal_column("excerpt_words").op("MATCH")(bindparam(None, wanted)))


def _in_fts5(words: list[list[str]]) -> Select[str]:
    """The ids of failures."""
    return select(_numbers.c.failure_id).where(_numbers.c.number.in_(_rows_of(words)))


def _in_tsvector(words: list[list[str]]) -> ColumnElement[bool]:
    wanted = " & ".join(" & ".join([*(f"'{part}'" for part in parts), f"'{last}':*"]) for *parts, last in words)
    query = func.to_tsquery(literal_column("'simple'::regconfig"), wanted)
    return func.excerpt_words(excerpts.c.search).bool_op("@@")(query)
