"""The index of what is snoozed holds all that says whether it still is."""

import sqlalchemy as sa
from alembic import op

revision = '0010'
down_revision = '0009'

_IS_SNOOZED = sa.text('snoozed_until IS NOT NULL')


def upgrade() -> None:
    op.create_index(op.f('ix_failure_snoozed_until_snoozed_at_count_event_count'), 'failure',
                    ['snoozed_until', 'snoozed_at_count', 'event_count'], unique=False,
                    sqlite_where=_IS_SNOOZED, postgresql_where=_IS_SNOOZED)
    op.drop_index(op.f('ix_failure_snoozed_until'), table_name='failure')
