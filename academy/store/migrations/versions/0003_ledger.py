"""The audit trail's records; and in the audit log, since when they are kept."""

import time

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "ledger",
        sa.Column("sequence", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("at", sa.String(64), nullable=False),
        sa.Column("kind", sa.String(32), nullable=False),
        sa.Column("id", sa.Text, nullable=False),
        sa.Column("key", sa.Text, nullable=False),
        sa.Column("audit_sequence", sa.Integer, nullable=True),
        sa.Column("body", sa.Text, nullable=False),
        sa.Column("previous", sa.String(64), nullable=False),
        sa.Column("hash", sa.String(64), nullable=False),
    )
    op.create_index("ledger_by_key", "ledger", ["key", "sequence"])
    op.create_index("ledger_by_act", "ledger", ["audit_sequence"])
    # What is before this entry ran without anybody looking: there is no evidence of it.
    audit = sa.table(
        "audit",
        sa.column("at", sa.Float),
        sa.column("who", sa.String),
        sa.column("action", sa.String),
        sa.column("resource", sa.Text),
    )
    began = {
        "at": time.time(),
        "who": "academy",
        "action": "keep records",
        "resource": "/academy/audit/records",
    }
    op.bulk_insert(audit, [began])


def downgrade() -> None:
    op.drop_table("ledger")
