"""The first tables."""

import sqlalchemy as sa
from alembic import op

revision = '0001'
down_revision = None


def upgrade() -> None:
    op.create_table('account',
    sa.Column('id', sa.String(), nullable=False),
    sa.Column('username', sa.String(), nullable=False),
    sa.Column('password_hash', sa.String(), nullable=False),
    sa.Column('role', sa.String(), nullable=False),
    sa.Column('disabled', sa.Boolean(), nullable=False),
    sa.Column('created_at', sa.DateTime(timezone=True), nullable=False),
    sa.CheckConstraint("role IN ('viewer', 'reviewer', 'admin')", name=op.f('ck_account_role')),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_account')),
    sa.UniqueConstraint('username', name=op.f('uq_account_username'))
    )
    op.create_table('api_key',
    sa.Column('id', sa.String(), nullable=False),
    sa.Column('name', sa.String(), nullable=False),
    sa.Column('prefix', sa.String(), nullable=False),
    sa.Column('digest', sa.String(), nullable=False),
    sa.Column('scopes', sa.JSON(), nullable=False),
    sa.Column('created_at', sa.DateTime(timezone=True), nullable=False),
    sa.Column('expires_at', sa.DateTime(timezone=True), nullable=True),
    sa.Column('revoked_at', sa.DateTime(timezone=True), nullable=True),
    sa.Column('last_used_at', sa.DateTime(timezone=True), nullable=True),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_api_key')),
    sa.UniqueConstraint('digest', name=op.f('uq_api_key_digest'))
    )
    op.create_table('connection',
    sa.Column('id', sa.String(), nullable=False),
    sa.Column('name', sa.String(), nullable=False),
    sa.Column('connector', sa.String(), nullable=False),
    sa.Column('declared', sa.Boolean(), nullable=False),
    sa.Column('auth_scheme', sa.String(), nullable=False),
    sa.Column('auth', sa.Text(), nullable=False),
    sa.Column('created_at', sa.DateTime(timezone=True), nullable=False),
    sa.Column('updated_at', sa.DateTime(timezone=True), nullable=False),
    sa.Column('last_delivery_at', sa.DateTime(timezone=True), nullable=True),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_connection')),
    sa.UniqueConstraint('name', name=op.f('uq_connection_name'))
    )
    op.create_table('failure',
    sa.Column('id', sa.String(), nullable=False),
    sa.Column('fingerprint', sa.String(), nullable=False),
    sa.Column('fingerprint_version', sa.Integer(), nullable=False),
    sa.Column('status', sa.String(), nullable=False),
    sa.Column('analysis_state', sa.String(), nullable=False),
    sa.Column('analysis_note', sa.String(), nullable=True),
    sa.Column('version', sa.Integer(), nullable=False),
    sa.Column('pinned', sa.Boolean(), nullable=False),
    sa.Column('regressed', sa.Boolean(), nullable=False),
    sa.Column('title', sa.String(), nullable=False),
    sa.Column('principal', sa.String(), nullable=True),
    sa.Column('action', sa.String(), nullable=True),
    sa.Column('resource', sa.String(), nullable=True),
    sa.Column('service_name', sa.String(), nullable=True),
    sa.Column('environment', sa.String(), nullable=True),
    sa.Column('connection', sa.String(), nullable=False),
    sa.Column('event_count', sa.Integer(), nullable=False),
    sa.Column('first_seen', sa.DateTime(timezone=True), nullable=False),
    sa.Column('last_seen', sa.DateTime(timezone=True), nullable=False),
    sa.Column('resolved_at', sa.DateTime(timezone=True), nullable=True),
    sa.Column('current_analysis_id', sa.String(), nullable=True),
    sa.Column('verdict', sa.String(), nullable=True),
    sa.Column('cause', sa.String(), nullable=True),
    sa.Column('system', sa.String(), nullable=True),
    sa.Column('confidence', sa.String(), nullable=True),
    sa.Column('producer', sa.String(), nullable=False),
    sa.Column('producer_name', sa.String(), nullable=True),
    sa.Column('producer_version', sa.String(), nullable=True),
    sa.Column('created_at', sa.DateTime(timezone=True), nullable=False),
    sa.CheckConstraint("analysis_state IN ('answered', 'queued', 'running', 'failed', 'unavailable')", name=op.f('ck_failure_analysis_state')),
    sa.CheckConstraint("status IN ('needs_review', 'approved', 'rejected')", name=op.f('ck_failure_status')),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_failure')),
    sa.UniqueConstraint('fingerprint', 'fingerprint_version', name=op.f('uq_failure_fingerprint_fingerprint_version'))
    )
    with op.batch_alter_table('failure', schema=None) as batch_op:
        batch_op.create_index(batch_op.f('ix_failure_analysis_state_id'), ['analysis_state', 'id'], unique=False)
        batch_op.create_index(batch_op.f('ix_failure_cause'), ['cause'], unique=False)
        batch_op.create_index(batch_op.f('ix_failure_last_seen_id'), ['last_seen', 'id'], unique=False)
        batch_op.create_index(batch_op.f('ix_failure_status_last_seen_id'), ['status', 'last_seen', 'id'], unique=False)
        batch_op.create_index(batch_op.f('ix_failure_system'), ['system'], unique=False)

    op.create_table('unparsed',
    sa.Column('id', sa.String(), nullable=False),
    sa.Column('connection', sa.String(), nullable=False),
    sa.Column('received_at', sa.DateTime(timezone=True), nullable=False),
    sa.Column('reason', sa.String(), nullable=False),
    sa.Column('headers', sa.JSON(), nullable=False),
    sa.Column('body', sa.Text(), nullable=False),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_unparsed'))
    )
    with op.batch_alter_table('unparsed', schema=None) as batch_op:
        batch_op.create_index(batch_op.f('ix_unparsed_connection_id'), ['connection', 'id'], unique=False)

    op.create_table('event',
    sa.Column('id', sa.String(), nullable=False),
    sa.Column('connection', sa.String(), nullable=False),
    sa.Column('source_id', sa.String(), nullable=False),
    sa.Column('failure_id', sa.String(), nullable=True),
    sa.Column('state', sa.String(), nullable=False),
    sa.Column('time', sa.DateTime(timezone=True), nullable=False),
    sa.Column('received_at', sa.DateTime(timezone=True), nullable=False),
    sa.Column('type', sa.String(), nullable=False),
    sa.Column('text', sa.Text(), nullable=False),
    sa.Column('service_name', sa.String(), nullable=True),
    sa.Column('environment', sa.String(), nullable=True),
    sa.Column('severity', sa.String(), nullable=True),
    sa.Column('exception_type', sa.String(), nullable=True),
    sa.Column('stacktrace', sa.Text(), nullable=True),
    sa.Column('http_status', sa.Integer(), nullable=True),
    sa.Column('url', sa.String(), nullable=True),
    sa.Column('grouping_key', sa.String(), nullable=True),
    sa.Column('attributes', sa.JSON(), nullable=False),
    sa.Column('context', sa.JSON(), nullable=False),
    sa.CheckConstraint("state IN ('firing', 'resolved')", name=op.f('ck_event_state')),
    sa.ForeignKeyConstraint(['failure_id'], ['failure.id'], name=op.f('fk_event_failure_id'), ondelete='CASCADE'),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_event')),
    sa.UniqueConstraint('connection', 'source_id', name=op.f('uq_event_connection_source_id'))
    )
    with op.batch_alter_table('event', schema=None) as batch_op:
        batch_op.create_index(batch_op.f('ix_event_failure_id_id'), ['failure_id', 'id'], unique=False)

    op.create_table('excerpt',
    sa.Column('failure_id', sa.String(), nullable=False),
    sa.Column('sample', sa.Text(), nullable=False),
    sa.Column('search', sa.Text(), nullable=False),
    sa.ForeignKeyConstraint(['failure_id'], ['failure.id'], name=op.f('fk_excerpt_failure_id'), ondelete='CASCADE'),
    sa.PrimaryKeyConstraint('failure_id', name=op.f('pk_excerpt'))
    )
    op.create_table('opening',
    sa.Column('connection', sa.String(), nullable=False),
    sa.Column('grouping_key', sa.String(), nullable=False),
    sa.Column('failure_id', sa.String(), nullable=False),
    sa.Column('resolved_at', sa.DateTime(timezone=True), nullable=True),
    sa.ForeignKeyConstraint(['failure_id'], ['failure.id'], name=op.f('fk_opening_failure_id'), ondelete='CASCADE'),
    sa.PrimaryKeyConstraint('connection', 'grouping_key', 'failure_id', name=op.f('pk_opening'))
    )
    with op.batch_alter_table('opening', schema=None) as batch_op:
        batch_op.create_index(batch_op.f('ix_opening_failure_id'), ['failure_id'], unique=False)

    op.create_table('session',
    sa.Column('id', sa.String(), nullable=False),
    sa.Column('account_id', sa.String(), nullable=False),
    sa.Column('digest', sa.String(), nullable=False),
    sa.Column('created_at', sa.DateTime(timezone=True), nullable=False),
    sa.Column('expires_at', sa.DateTime(timezone=True), nullable=False),
    sa.Column('revoked_at', sa.DateTime(timezone=True), nullable=True),
    sa.ForeignKeyConstraint(['account_id'], ['account.id'], name=op.f('fk_session_account_id'), ondelete='CASCADE'),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_session')),
    sa.UniqueConstraint('digest', name=op.f('uq_session_digest'))
    )
    with op.batch_alter_table('session', schema=None) as batch_op:
        batch_op.create_index(batch_op.f('ix_session_account_id'), ['account_id'], unique=False)
        batch_op.create_index(batch_op.f('ix_session_expires_at'), ['expires_at'], unique=False)

    op.create_table('sighting',
    sa.Column('failure_id', sa.String(), nullable=False),
    sa.Column('connection', sa.String(), nullable=False),
    sa.Column('service_name', sa.String(), nullable=False),
    sa.Column('environment', sa.String(), nullable=False),
    sa.ForeignKeyConstraint(['failure_id'], ['failure.id'], name=op.f('fk_sighting_failure_id'), ondelete='CASCADE'),
    sa.PrimaryKeyConstraint('failure_id', 'connection', 'service_name', 'environment', name=op.f('pk_sighting'))
    )
    with op.batch_alter_table('sighting', schema=None) as batch_op:
        batch_op.create_index(batch_op.f('ix_sighting_connection_failure_id'), ['connection', 'failure_id'], unique=False)
        batch_op.create_index(batch_op.f('ix_sighting_environment_failure_id'), ['environment', 'failure_id'], unique=False)
        batch_op.create_index(batch_op.f('ix_sighting_service_name_failure_id'), ['service_name', 'failure_id'], unique=False)

    op.create_table('analysis',
    sa.Column('id', sa.String(), nullable=False),
    sa.Column('failure_id', sa.String(), nullable=False),
    sa.Column('event_id', sa.String(), nullable=True),
    sa.Column('answer', sa.JSON(), nullable=False),
    sa.Column('verdict', sa.String(), nullable=False),
    sa.Column('cause', sa.String(), nullable=True),
    sa.Column('system', sa.String(), nullable=True),
    sa.Column('confidence', sa.String(), nullable=False),
    sa.Column('producer', sa.String(), nullable=False),
    sa.Column('producer_name', sa.String(), nullable=False),
    sa.Column('producer_version', sa.String(), nullable=False),
    sa.Column('created_at', sa.DateTime(timezone=True), nullable=False),
    sa.ForeignKeyConstraint(['event_id'], ['event.id'], name=op.f('fk_analysis_event_id'), ondelete='SET NULL'),
    sa.ForeignKeyConstraint(['failure_id'], ['failure.id'], name=op.f('fk_analysis_failure_id'), ondelete='CASCADE'),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_analysis')),
    sa.UniqueConstraint('failure_id', 'producer', 'producer_name', 'producer_version', name=op.f('uq_analysis_failure_id_producer_producer_name_producer_version'))
    )
    with op.batch_alter_table('analysis', schema=None) as batch_op:
        batch_op.create_index(batch_op.f('ix_analysis_event_id'), ['event_id'], unique=False)
        batch_op.create_index(batch_op.f('ix_analysis_producer_producer_name_created_at'), ['producer', 'producer_name', 'created_at'], unique=False)

    op.create_table('review',
    sa.Column('id', sa.String(), nullable=False),
    sa.Column('failure_id', sa.String(), nullable=False),
    sa.Column('analysis_id', sa.String(), nullable=False),
    sa.Column('reviewer', sa.String(), nullable=False),
    sa.Column('decision', sa.String(), nullable=False),
    sa.Column('reason', sa.String(), nullable=True),
    sa.Column('note', sa.Text(), nullable=True),
    sa.Column('corrected_analysis_id', sa.String(), nullable=True),
    sa.Column('created_at', sa.DateTime(timezone=True), nullable=False),
    sa.CheckConstraint("decision IN ('approve', 'correct', 'reject')", name=op.f('ck_review_decision')),
    sa.ForeignKeyConstraint(['analysis_id'], ['analysis.id'], name=op.f('fk_review_analysis_id'), ondelete='CASCADE'),
    sa.ForeignKeyConstraint(['corrected_analysis_id'], ['analysis.id'], name=op.f('fk_review_corrected_analysis_id'), ondelete='SET NULL'),
    sa.ForeignKeyConstraint(['failure_id'], ['failure.id'], name=op.f('fk_review_failure_id'), ondelete='CASCADE'),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_review'))
    )
    with op.batch_alter_table('review', schema=None) as batch_op:
        batch_op.create_index(batch_op.f('ix_review_analysis_id'), ['analysis_id'], unique=False)
        batch_op.create_index(batch_op.f('ix_review_corrected_analysis_id'), ['corrected_analysis_id'], unique=False)
        batch_op.create_index(batch_op.f('ix_review_failure_id_created_at'), ['failure_id', 'created_at'], unique=False)
