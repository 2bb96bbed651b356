"""The audit log: entries, details, leaves, tiles, heads, checkpoints, counters (the tables of `audit.tables`)."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0002_log"
down_revision = "0001_register"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Apply."""
    op.create_table(
        "log_entries",
        sa.Column("tenant", sa.String(64), nullable=False),
        sa.Column("sequence", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("entry", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("tenant", "sequence"),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "log_details",
        sa.Column("tenant", sa.String(64), nullable=False),
        sa.Column("sequence", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("key", sa.LargeBinary(), nullable=False),
        sa.Column("sealed", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("tenant", "sequence"),
    )
    op.create_table(
        "log_leaves",
        sa.Column("tenant", sa.String(64), nullable=False),
        sa.Column("label", sa.LargeBinary(), nullable=False),
        sa.Column("sequence", sa.BigInteger(), nullable=False),
        sa.Column("position", sa.Integer(), nullable=False),
        sa.Column("sealed", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("tenant", "label"),
    )
    op.create_index("ix_log_leaves_sequence", "log_leaves", ["tenant", "sequence", "position"], unique=True)
    op.create_table(
        "log_tiles",
        sa.Column("tenant", sa.String(64), nullable=False),
        sa.Column("level", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("number", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("hashes", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("tenant", "level", "number"),
    )
    op.create_table(
        "log_heads",
        sa.Column("tenant", sa.String(64), nullable=False),
        sa.Column("origin", sa.Text(), nullable=False),
        sa.Column("size", sa.BigInteger(), nullable=False),
        sa.Column("frontier", sa.LargeBinary(), nullable=False),
        sa.Column("policy", sa.Text(), nullable=True),
        sa.PrimaryKeyConstraint("tenant"),
    )
    op.create_table(
        "log_checkpoints",
        sa.Column("tenant", sa.String(64), nullable=False),
        sa.Column("size", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("note", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("tenant", "size"),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "log_counters",
        sa.Column("tenant", sa.String(64), nullable=False),
        sa.Column("counter", sa.LargeBinary(), nullable=False),
        sa.Column("next", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("tenant", "counter"),
        sqlite_with_rowid=False,
    )


def downgrade() -> None:
    """Undo; the log is gone with its tables."""
    op.drop_table("log_counters")
    op.drop_table("log_checkpoints")
    op.drop_table("log_heads")
    op.drop_table("log_tiles")
    op.drop_index("ix_log_leaves_sequence", table_name="log_leaves")
    op.drop_table("log_leaves")
    op.drop_table("log_details")
    op.drop_table("log_entries")
