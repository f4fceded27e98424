"""Run by Alembic: migrate over the connection that `schema` opened, inside its transaction."""

from typing import Any, Literal

from alembic import context
from sqlmodel.sql.sqltypes import AutoString, UTCDateTime


def _render(kind: str, item: Any, _: Any) -> str | Literal[False]:
    """Write the types that SQLModel wraps as SQLAlchemy's own, so that old migrations outlive SQLModel's changes."""
    if kind == "type" and isinstance(item, AutoString):
        return "sa.String()"
    if kind == "type" and isinstance(item, UTCDateTime):
        return "sa.DateTime(timezone=True)"
    return False


context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=context.config.attributes["metadata"],
    transactional_ddl=True,
    render_as_batch=True,
    render_item=_render,
)
with context.begin_transaction():
    context.run_migrations()
