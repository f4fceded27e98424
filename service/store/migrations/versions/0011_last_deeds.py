"""An index that has the latest time that anybody did a thing."""

from alembic import op

revision = '0011'
down_revision = '0010'


def upgrade() -> None:
    op.create_index(op.f('ix_activity_action_id'), 'activity', ['action', 'id'], unique=False)
