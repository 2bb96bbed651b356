"""The log's tables: what the writer appends to and everybody else only reads.

Every row carries its tenant; there is one log per tenant. Nothing here is readable without keys except what stands
in the entries themselves. The writer never updates or deletes a row of `entries`, `details`, `leaves` or
`checkpoints`.
"""

from __future__ import annotations

from sqlalchemy import BigInteger, Column, Index, Integer, LargeBinary, MetaData, String, Table, Text

__all__ = ["checkpoints", "counters", "details", "entries", "heads", "leaves", "metadata", "tiles"]

metadata = MetaData()


def _tenant() -> Column[str]:
    return Column("tenant", String(64), primary_key=True)


entries = Table(
    "log_entries",
    metadata,
    _tenant(),
    Column("sequence", BigInteger, primary_key=True, autoincrement=False),
    Column("entry", LargeBinary, nullable=False),
    sqlite_with_rowid=False,
)
"""Canonical bytes of each entry; ``sequence`` is its index in the log."""

details = Table(
    "log_details",
    metadata,
    _tenant(),
    Column("sequence", BigInteger, primary_key=True, autoincrement=False),
    Column("key", LargeBinary, nullable=False),
    Column("sealed", LargeBinary, nullable=False),
)
"""Shared details: nonce, ciphertext and tag, and eight bytes that tell which tenant key sealed them."""

leaves = Table(
    "log_leaves",
    metadata,
    _tenant(),
    Column("label", LargeBinary, primary_key=True),
    Column("sequence", BigInteger, nullable=False),
    Column("position", Integer, nullable=False),
    Column("sealed", LargeBinary, nullable=False),
    Index("ix_log_leaves_sequence", "tenant", "sequence", "position", unique=True),
)
"""One leaf for each person of an entry and each filler: label and sealed lines, positions in label order."""

tiles = Table(
    "log_tiles",
    metadata,
    _tenant(),
    Column("level", Integer, primary_key=True, autoincrement=False),
    Column("number", BigInteger, primary_key=True, autoincrement=False),
    Column("hashes", LargeBinary, nullable=False),
)
"""Tiles, the last of each level possibly partial: 32 bytes for each hash."""

heads = Table(
    "log_heads",
    metadata,
    _tenant(),
    Column("origin", Text, nullable=False),
    Column("size", BigInteger, nullable=False),
    Column("frontier", LargeBinary, nullable=False),
    Column("policy", Text, nullable=True),
)
"""Where the log stands: size, frontier (32 bytes for each bit set in the size) and the policy digest last named."""

checkpoints = Table(
    "log_checkpoints",
    metadata,
    _tenant(),
    Column("size", BigInteger, primary_key=True, autoincrement=False),
    Column("note", Text, nullable=False),
    sqlite_with_rowid=False,
)
"""Every checkpoint that was signed, as a signed note."""

counters = Table(
    "log_counters",
    metadata,
    _tenant(),
    Column("counter", LargeBinary, primary_key=True),
    Column("next", BigInteger, nullable=False),
    sqlite_with_rowid=False,
)
"""Number of a subject's next label, under a name derived from the subject's key."""
