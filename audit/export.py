"""Writing the served folder: checkpoint, key, tiles, entry bundles and leaves, as files that a web server can serve.

Guarantees: files appear whole (written aside, synced, renamed); the checkpoint is replaced last, so that whoever reads
it finds everything it speaks of; a folder is never taken back to a smaller log or over to another one.

Example:
    >>> export(engine, "clinic", [signer.verifier], Path("log"))       # doctest: +SKIP
    1187
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

from sqlalchemy import Connection, Engine, func, select

from audit.checkpoint import Checkpoint, open_checkpoint
from audit.details import sealed_hash
from audit.errors import LogBehindError, ProofError
from audit.note import Verifier
from audit.stored import StoredTiles
from audit.tables import checkpoints, entries, heads, leaves
from audit.tiles import BUNDLE, TILE_WIDTH, bundle_bytes, leaves_path, tile_paths
from audit.tree import range_hash

__all__ = ["export"]


def export(engine: Engine, tenant: str, keys: Sequence[Verifier], folder: Path) -> int:
    """Bring a served folder up to the log's latest checkpoint.

    Args:
        engine: the database.
        tenant: whose log.
        keys: the log's verifying keys, Ed25519 first; they are written to ``key``.
        folder: where to serve from; made if it does not exist.

    Returns:
        The size of the log that is served now.

    Raises:
        LogBehindError: the folder serves what the database does not continue.
        AuditError: what lies in the folder or the database does not verify.
    """
    folder.mkdir(parents=True, exist_ok=True)
    with engine.connect() as connection:
        size = connection.execute(select(heads.c.size).where(heads.c.tenant == tenant)).scalar_one_or_none() or 0
        _replace(folder, "key", "".join(key.to_text() + "\n" for key in keys).encode())
        if size == 0:
            return 0
        here = (checkpoints.c.tenant == tenant) & (checkpoints.c.size == size)
        note = connection.execute(select(checkpoints.c.note).where(here)).scalar_one()
        checkpoint, _ = open_checkpoint(note.encode(), keys)
        stored = StoredTiles(connection, tenant, size)
        since = _served(folder, keys, checkpoint, stored)
        for path in tile_paths(size, since):
            first = path.number * TILE_WIDTH
            data = (
                _bundle(connection, tenant, first, path.width)
                if path.level == BUNDLE
                else stored.tile(path.level, path.number)
            )
            _replace(folder, path.to_text(), data)
        _write_leaves(connection, tenant, folder, since, size)
        _replace(folder, "checkpoint", note.encode())
    return size


def _served(folder: Path, keys: Sequence[Verifier], now: Checkpoint, stored: StoredTiles) -> int:
    """Return the size that the folder serves already, after checking that the log continues it."""
    file = folder / "checkpoint"
    if not file.exists():
        return 0
    before, _ = open_checkpoint(file.read_bytes(), keys)
    if before.size > now.size or (before.size and range_hash(0, before.size, stored.node) != before.root):
        raise LogBehindError(
            f"the folder serves a log of {before.size} that the database does not continue",
            hint="restore the database, or serve from another folder",
        )
    return before.size


def _bundle(connection: Connection, tenant: str, first: int, width: int) -> bytes:
    page = (entries.c.tenant == tenant) & entries.c.sequence.between(first, first + width - 1)
    rows = connection.execute(select(entries.c.entry).where(page).order_by(entries.c.sequence)).scalars().all()
    if len(rows) != width:
        raise ProofError(f"entries from {first} on are missing in the database")
    return bundle_bytes(rows)


def _write_leaves(connection: Connection, tenant: str, folder: Path, since: int, size: int) -> None:
    """Write the leaves of the new entries that have several."""
    page = (leaves.c.tenant == tenant) & leaves.c.sequence.between(since, size - 1)
    several = select(leaves.c.sequence).where(page).group_by(leaves.c.sequence).having(func.count() > 1)
    for index in connection.execute(several.order_by(leaves.c.sequence)).scalars().all():
        here = (leaves.c.tenant == tenant) & (leaves.c.sequence == index)
        rows = connection.execute(select(leaves.c.label, leaves.c.sealed).where(here).order_by(leaves.c.position))
        _replace(folder, leaves_path(index), b"".join(row.label + sealed_hash(row.sealed) for row in rows))


def _replace(folder: Path, name: str, data: bytes) -> None:
    """Write a file whole: aside at the top of the folder (where the verifier does not look), synced, renamed."""
    path, aside = folder / name, folder / ".writing"
    path.parent.mkdir(parents=True, exist_ok=True)
    with aside.open("wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())
    aside.replace(path)
