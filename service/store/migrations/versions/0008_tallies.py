"""Events by day and by what answered them; an index that has the versions of what answered."""

import sqlalchemy as sa
from alembic import op

revision = '0008'
down_revision = '0007'


def upgrade() -> None:
    op.create_table('tally',
    sa.Column('day', sa.Date(), nullable=False),
    sa.Column('producer', sa.String(), nullable=False),
    sa.Column('producer_name', sa.String(), nullable=False),
    sa.Column('events', sa.Integer(), nullable=False),
    sa.PrimaryKeyConstraint('day', 'producer', 'producer_name', name=op.f('pk_tally'))
    )
    op.create_table('tally_mark',
    sa.Column('name', sa.String(), nullable=False),
    sa.Column('upto', sa.DateTime(timezone=True), nullable=False),
    sa.PrimaryKeyConstraint('name', name=op.f('pk_tally_mark'))
    )
    with op.batch_alter_table('analysis', schema=None) as batch_op:
        batch_op.drop_index(batch_op.f('ix_analysis_producer_producer_name_created_at'))
        batch_op.create_index(batch_op.f('ix_analysis_producer_producer_name_producer_version_created_at'),
                              ['producer', 'producer_name', 'producer_version', 'created_at'], unique=False)
