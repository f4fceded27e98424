"""What models were asked."""

import sqlalchemy as sa
from alembic import op

revision = '0007'
down_revision = '0006'


def upgrade() -> None:
    op.create_table('prompt_text',
    sa.Column('digest', sa.String(), nullable=False),
    sa.Column('text', sa.Text(), nullable=False),
    sa.PrimaryKeyConstraint('digest', name=op.f('pk_prompt_text'))
    )
    op.create_table('model_request',
    sa.Column('id', sa.String(), nullable=False),
    sa.Column('failure_id', sa.String(), nullable=False),
    sa.Column('system_digest', sa.String(), nullable=False),
    sa.Column('user', sa.Text(), nullable=False),
    sa.Column('findings', sa.JSON(), nullable=False),
    sa.ForeignKeyConstraint(['failure_id'], ['failure.id'], name=op.f('fk_model_request_failure_id'),
                            ondelete='CASCADE'),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_model_request'))
    )
    with op.batch_alter_table('model_request', schema=None) as batch_op:
        batch_op.create_index(batch_op.f('ix_model_request_failure_id'), ['failure_id'], unique=False)
