"""Full-text search over failures: every word of a query has to begin a word of what is known of the failure.

The index is made by migration 0005: FTS5 on SQLite (https://www.sqlite.org/fts5.html), a GIN index over `tsvector` on
PostgreSQL (https://www.postgresql.org/docs/current/textsearch.html). It has a row per failure, so that events of a
failure that is known cost it nothing.
"""

import re

from sqlalchemy import ColumnElement, Select, bindparam, column, func, literal_column, select, table

from service.store.tables import excerpts

_MOST_WORDS = 8
_PART = re.compile(r"[^\W_]+")
_numbers = table("excerpt_number", column("number"), column("failure_id"))
_words = table("excerpt_words", column("rowid"))


def matches(failure_id: ColumnElement[str], query: str, dialect: str) -> list[ColumnElement[bool]]:
    """The conditions that a failure fits every word of `query`, in any case. `dialect` is the database's name."""
    words = query.casefold().split()[:_MOST_WORDS]
    parts = [_PART.findall(word) for word in words]
    indexed = [found for found in parts if found]
    exact = [word for word, found in zip(words, parts, strict=True) if [word] != found]
    conditions = [excerpts.c.search.contains(word, autoescape=True) for word in exact]
    if dialect == "sqlite" and indexed and not exact:
        return [failure_id.in_(_in_fts5(indexed))]
    if indexed:
        found = excerpts.c.failure_id.in_(_in_fts5(indexed)) if dialect == "sqlite" else _in_tsvector(indexed)
        conditions.append(found)
    return [failure_id.in_(select(excerpts.c.failure_id).where(*conditions))] if conditions else []


def _in_fts5(words: list[list[str]]) -> Select[str]:
    """The ids of failures."""
    wanted = " AND ".join(" AND ".join([*(f'"{part}"' for part in parts), f'"{last}" *']) for *parts, last in words)
    found = select(_words.c.rowid).where(literal_column("excerpt_words").op("MATCH")(bindparam(None, wanted)))
    return select(_numbers.c.failure_id).where(_numbers.c.number.in_(found))


def _in_tsvector(words: list[list[str]]) -> ColumnElement[bool]:
    wanted = " & ".join(" & ".join([*(f"'{part}'" for part in parts), f"'{last}':*"]) for *parts, last in words)
    query = func.to_tsquery(literal_column("'simple'::regconfig"), wanted)
    return func.excerpt_words(excerpts.c.search).bool_op("@@")(query)
