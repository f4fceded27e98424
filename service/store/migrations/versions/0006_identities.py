"""People of OpenID Connect providers, and what is known of a session."""

import sqlalchemy as sa
from alembic import op

revision = '0006'
down_revision = '0005'


def upgrade() -> None:
    op.create_table('identity',
    sa.Column('id', sa.String(), nullable=False),
    sa.Column('account_id', sa.String(), nullable=False),
    sa.Column('issuer', sa.String(), nullable=False),
    sa.Column('subject', sa.String(), nullable=False),
    sa.Column('created_at', sa.DateTime(timezone=True), nullable=False),
    sa.ForeignKeyConstraint(['account_id'], ['account.id'], name=op.f('fk_identity_account_id'), ondelete='CASCADE'),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_identity')),
    sa.UniqueConstraint('issuer', 'account_id', name=op.f('uq_identity_issuer_account_id')),
    sa.UniqueConstraint('issuer', 'subject', name=op.f('uq_identity_issuer_subject'))
    )
    op.add_column('session', sa.Column('last_seen_at', sa.DateTime(timezone=True), nullable=True))
    op.add_column('session', sa.Column('address', sa.String(), nullable=True))
    op.add_column('session', sa.Column('user_agent', sa.String(), nullable=True))
    op.add_column('session', sa.Column('issuer', sa.String(), nullable=True))
