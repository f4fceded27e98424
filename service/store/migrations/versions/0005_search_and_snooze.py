"""Full-text search over failures, snoozing, and who did what."""

import sqlalchemy as sa
from alembic import op

revision = '0005'
down_revision = '0004'

_SQLITE = (
    "CREATE TABLE excerpt_number (number INTEGER PRIMARY KEY, failure_id VARCHAR NOT NULL UNIQUE)",
    """CREATE VIRTUAL TABLE excerpt_words USING fts5(
      search, content='', detail=none, columnsize=0, tokenize='unicode61')""",
    """CREATE TRIGGER excerpt_added AFTER INSERT ON excerpt BEGIN
      INSERT INTO excerpt_number (failure_id) VALUES (new.failure_id);
      INSERT INTO excerpt_words (rowid, search)
        SELECT number, new.search FROM excerpt_number WHERE failure_id = new.failure_id;
    END""",
    """CREATE TRIGGER excerpt_changed AFTER UPDATE OF search ON excerpt WHEN old.search <> new.search BEGIN
      INSERT INTO excerpt_words (excerpt_words, rowid, search)
        SELECT 'delete', number, old.search FROM excerpt_number WHERE failure_id = old.failure_id;
      INSERT INTO excerpt_words (rowid, search)
        SELECT number, new.search FROM excerpt_number WHERE failure_id = new.failure_id;
    END""",
    """CREATE TRIGGER excerpt_deleted AFTER DELETE ON excerpt BEGIN
      INSERT INTO excerpt_words (excerpt_words, rowid, search)
        SELECT 'delete', number, old.search FROM excerpt_number WHERE failure_id = old.failure_id;
      DELETE FROM excerpt_number WHERE failure_id = old.failure_id;
    END""",
    "INSERT INTO excerpt_number (failure_id) SELECT failure_id FROM excerpt",
    """INSERT INTO excerpt_words (rowid, search)
      SELECT number, search FROM excerpt_number JOIN excerpt ON excerpt.failure_id = excerpt_number.failure_id""",
)
_POSTGRESQL = (
    r"""CREATE FUNCTION excerpt_words(search text) RETURNS tsvector LANGUAGE sql IMMUTABLE PARALLEL SAFE AS
      $$ SELECT to_tsvector('pg_catalog.simple', regexp_replace(search, '[\x01-/:-@\[-`{-\x7f]+', ' ', 'g')) $$""",
    "CREATE INDEX ix_excerpt_words ON excerpt USING gin (excerpt_words(search))",
)


def upgrade() -> None:
    op.create_table('activity',
    sa.Column('id', sa.String(), nullable=False),
    sa.Column('at', sa.DateTime(timezone=True), nullable=False),
    sa.Column('who', sa.String(), nullable=False),
    sa.Column('action', sa.String(), nullable=False),
    sa.Column('subject', sa.String(), nullable=False),
    sa.Column('failure_id', sa.String(), nullable=True),
    sa.Column('note', sa.Text(), nullable=True),
    sa.ForeignKeyConstraint(['failure_id'], ['failure.id'], name=op.f('fk_activity_failure_id'), ondelete='CASCADE'),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_activity'))
    )
    with op.batch_alter_table('activity', schema=None) as batch_op:
        batch_op.create_index(batch_op.f('ix_activity_failure_id_id'), ['failure_id', 'id'], unique=False)
    op.add_column('failure', sa.Column('snoozed_until', sa.DateTime(timezone=True), nullable=True))
    op.add_column('failure', sa.Column('snoozed_at_count', sa.Integer(), nullable=True))
    op.create_index(op.f('ix_failure_snoozed_until'), 'failure', ['snoozed_until'], unique=False,
                    sqlite_where=sa.text('snoozed_until IS NOT NULL'),
                    postgresql_where=sa.text('snoozed_until IS NOT NULL'))
    for statement in _SQLITE if op.get_bind().dialect.name == 'sqlite' else _POSTGRESQL:
        op.get_bind().exec_driver_sql(statement.replace('%', '%%'))
