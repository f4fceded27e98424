"""What connections refused, and the path of an unparsed delivery."""

import sqlalchemy as sa
from alembic import op

revision = '0003'
down_revision = '0002'


def upgrade() -> None:
    op.create_table('refusal',
    sa.Column('id', sa.String(), nullable=False),
    sa.Column('connection', sa.String(), nullable=False),
    sa.Column('outcome', sa.String(), nullable=False),
    sa.Column('status', sa.Integer(), nullable=False),
    sa.Column('detail', sa.String(), nullable=False),
    sa.Column('user_agent', sa.String(), nullable=False),
    sa.Column('size', sa.Integer(), nullable=True),
    sa.Column('count', sa.Integer(), nullable=False),
    sa.Column('first_at', sa.DateTime(timezone=True), nullable=False),
    sa.Column('last_at', sa.DateTime(timezone=True), nullable=False),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_refusal')),
    sa.UniqueConstraint('connection', 'outcome', 'status', 'detail', 'user_agent', name=op.f('uq_refusal_connection_outcome_status_detail_user_agent'))
    )
    with op.batch_alter_table('unparsed', schema=None) as batch_op:
        batch_op.add_column(sa.Column('path', sa.String(), nullable=True))
