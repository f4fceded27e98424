"""The schema's history: bring a database up to date, and tell whether tables and migrations agree.

Migrations are numbered files in `migrations/versions/`; a file's name starts with its revision. They run inside one
transaction that holds a lock, so that any number of processes may start at once.
"""

from pathlib import Path
from typing import TYPE_CHECKING, Any

from sqlalchemy import Connection, Engine, inspect, text

from service.store import (  # noqa: F401 - they complete the metadata
    access_tables,
    limit_tables,
    request_tables,
    tables,
    tally_tables,
)
from service.store.record import Record

if TYPE_CHECKING:
    from alembic.config import Config

_MIGRATIONS = Path(__file__).parent / "migrations"
_LOCK = 0x77686964  # any constant that no other program on the server uses


def migrate(engine: Engine) -> None:
    """Bring the database to the newest schema; a no-op when it is there. Safe from several processes at once.

    Raises `NewerSchema` when the database was migrated by a newer release.
    """
    with engine.connect() as conn:
        if _revision(conn) == _newest():
            return
    with engine.begin() as conn:
        if conn.dialect.name == "postgresql":
            conn.execute(text("SET LOCAL statement_timeout = 0"))  # a large table takes its time, and so does another's
            conn.execute(text("SET LOCAL lock_timeout = 0"))
            conn.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": _LOCK})
        _refuse_unknown(_revision(conn))
        from alembic import command  # noqa: PLC0415 - a start on a current schema should not pay for it

        command.upgrade(_config(conn), "head")


def is_current(conn: Connection) -> bool:
    """Whether the database has the schema of this release, or of a newer one, which leaves what this one needs."""
    return (_revision(conn) or "") >= _newest()


def drift(engine: Engine) -> list[str]:
    """What the tables of the code and the migrated database differ in; empty when every change has its migration."""
    from alembic.autogenerate import compare_metadata  # noqa: PLC0415
    from alembic.migration import MigrationContext  # noqa: PLC0415

    with engine.connect() as conn:
        if (found := _revision(conn)) != _newest():
            return [f"the database is at revision {found or 'none'}, the newest is {_newest()}: run migrate"]
        options = {"target_metadata": Record.metadata, "compare_type": True, "include_object": _is_described}
        context = MigrationContext.configure(conn, opts=options)
        return [str(difference) for difference in compare_metadata(context, Record.metadata)]


def write_migration(engine: Engine, number: str, subject: str) -> Path:
    """Draft the migration from the database's schema to the tables of the code, to be read before it is committed."""
    from alembic import command  # noqa: PLC0415

    with engine.begin() as conn:
        made = command.revision(_config(conn), message=subject, autogenerate=True, rev_id=number)
    script = made[0] if isinstance(made, list) else made
    assert script is not None
    return Path(script.path)


class NewerSchema(Exception):
    """The database holds a schema that this release does not know. Run the release that migrated it, or a newer one."""


def _is_described(_: object, name: str | None, *_rest: object) -> bool:
    """Whether the tables of the code describe it. Each kind of database keeps its full-text index in its own way."""
    return not (name or "").startswith(("excerpt_words", "excerpt_number", "ix_excerpt_words"))


def _revision(conn: Connection) -> str | None:
    if not inspect(conn).has_table("alembic_version"):
        return None
    return conn.execute(text("SELECT version_num FROM alembic_version")).scalar()


def _known() -> list[str]:
    return sorted(path.name.split("_")[0] for path in (_MIGRATIONS / "versions").glob("[0-9]*_*.py"))


def _newest() -> str:
    return _known()[-1]


def _refuse_unknown(revision: str | None) -> None:
    if revision is not None and revision not in _known():
        raise NewerSchema(
            f"the database is at schema {revision}, this release knows up to {_newest()}: run a newer release"
        )


def _config(conn: Connection) -> "Config":
    from alembic.config import Config  # noqa: PLC0415

    config = Config()
    config.set_main_option("script_location", str(_MIGRATIONS).replace("%", "%%"))
    attributes: dict[str, Any] = {"connection": conn, "metadata": Record.metadata}
    config.attributes.update(attributes)
    return config
