"""Pulls: the settings of a connection, where each stands, and events that wait for their text."""

import sqlalchemy as sa
from alembic import op

revision = '0004'
down_revision = '0003'


def upgrade() -> None:
    op.create_table('pull',
    sa.Column('connection', sa.String(), nullable=False),
    sa.Column('cursor', sa.Text(), nullable=True),
    sa.Column('next_at', sa.DateTime(timezone=True), nullable=True),
    sa.Column('last_at', sa.DateTime(timezone=True), nullable=True),
    sa.Column('last_error', sa.Text(), nullable=True),
    sa.Column('failed', sa.Integer(), nullable=False),
    sa.Column('new_events', sa.Integer(), nullable=False),
    sa.PrimaryKeyConstraint('connection', name=op.f('pk_pull'))
    )
    with op.batch_alter_table('pull', schema=None) as batch_op:
        batch_op.create_index(batch_op.f('ix_pull_next_at'), ['next_at'], unique=False)
    op.create_table('waiting_event',
    sa.Column('id', sa.String(), nullable=False),
    sa.Column('connection', sa.String(), nullable=False),
    sa.Column('source_id', sa.String(), nullable=False),
    sa.Column('event', sa.Text(), nullable=False),
    sa.Column('tries', sa.Integer(), nullable=False),
    sa.Column('due_at', sa.DateTime(timezone=True), nullable=False),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_waiting_event')),
    sa.UniqueConstraint('connection', 'source_id', name=op.f('uq_waiting_event_connection_source_id'))
    )
    with op.batch_alter_table('waiting_event', schema=None) as batch_op:
        batch_op.create_index(batch_op.f('ix_waiting_event_due_at'), ['due_at'], unique=False)
    with op.batch_alter_table('connection', schema=None) as batch_op:
        batch_op.add_column(sa.Column('pull', sa.Text(), nullable=True))
