"""What each connection may deliver, and how much it did."""

import sqlalchemy as sa
from alembic import op

revision = '0009'
down_revision = '0008'


def upgrade() -> None:
    op.create_table('connection_limit',
    sa.Column('connection', sa.String(), nullable=False),
    sa.Column('rate', sa.Integer(), nullable=True),
    sa.Column('events_per_day', sa.Integer(), nullable=True),
    sa.Column('new_failures_per_hour', sa.Integer(), nullable=True),
    sa.PrimaryKeyConstraint('connection', name=op.f('pk_connection_limit'))
    )
    op.create_table('intake',
    sa.Column('connection', sa.String(), nullable=False),
    sa.Column('day', sa.Date(), nullable=False),
    sa.Column('events', sa.Integer(), nullable=False),
    sa.PrimaryKeyConstraint('connection', 'day', name=op.f('pk_intake'))
    )
