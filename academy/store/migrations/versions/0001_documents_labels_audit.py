"""Documents, labels and the audit log."""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "documents",
        sa.Column("sequence", sa.Integer, primary_key=True, autoincrement=True),
        sa.Column("key", sa.String(700), nullable=False, unique=True),
        sa.Column("collection", sa.String(700), nullable=False),
        sa.Column("id", sa.String(700), nullable=False),
        sa.Column("body", sa.JSON, nullable=False),
        sa.Column("archived", sa.Boolean, nullable=False),
        sa.Column("revision", sa.Integer, nullable=False),
        sa.Column("created_at", sa.Float(53), nullable=False),
        sa.Column("modified_at", sa.Float(53), nullable=False),
    )
    op.create_index("documents_by_collection", "documents", ["collection", "sequence"])
    op.create_table(
        "labels",
        sa.Column("container", sa.String(700), primary_key=True),
        sa.Column("label", sa.String(255), primary_key=True),
        sa.Column("version", sa.String(255), nullable=False),
    )
    op.create_table(
        "audit",
        sa.Column("sequence", sa.Integer, primary_key=True, autoincrement=True),
        sa.Column("at", sa.Float(53), nullable=False),
        sa.Column("who", sa.String(255), nullable=False),
        sa.Column("action", sa.String(64), nullable=False),
        sa.Column("resource", sa.Text, nullable=False),
        sa.Column("revision", sa.Integer, nullable=True),
    )
    op.create_index("audit_by_resource", "audit", ["resource", "sequence"])


def downgrade() -> None:
    for table in ("audit", "labels", "documents"):
        op.drop_table(table)
