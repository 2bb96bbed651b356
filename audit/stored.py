"""Tree nodes from the tiles in the database: proofs without rebuilding the tree."""

from __future__ import annotations

from sqlalchemy import Connection, select

from audit.errors import ProofError
from audit.tables import tiles
from audit.tiles import TILE_WIDTH
from audit.tree import Nodes, root_of

__all__ = ["StoredTiles"]


class StoredTiles:
    """Complete nodes of a tenant's tree of one size; each tile is read at most once.

    Args:
        connection: where the tiles are.
        tenant: whose log.
        size: size of the tree.
        known: complete nodes computed before, kept by the caller; they never change.
    """

    def __init__(self, connection: Connection, tenant: str, size: int, known: Nodes | None = None) -> None:
        self._connection, self._tenant, self._size = connection, tenant, size
        self._known: Nodes = {} if known is None else known
        self._tiles: dict[tuple[int, int], bytes] = {}

    def tile(self, level: int, number: int) -> bytes:
        """Return the hashes of a tile, cut to the size.

        Raises:
            ProofError: the database does not have them all.
        """
        data = self._tiles.get((level, number))
        if data is None:
            row = (tiles.c.tenant == self._tenant) & (tiles.c.level == level) & (tiles.c.number == number)
            width = min(TILE_WIDTH, (self._size >> (8 * level)) - number * TILE_WIDTH)
            found = self._connection.execute(select(tiles.c.hashes).where(row)).scalar_one_or_none()
            data = (found or b"")[: 32 * width]
            if len(data) != 32 * width:
                raise ProofError(f"tile {number} of level {level} is missing or too short", hint="restore the database")
            self._tiles[level, number] = data
        return data

    def node(self, level: int, index: int) -> bytes:
        """Return a complete node, hashed from the tile below it."""
        node = self._known.get((level, index))
        if node is None:
            node = self._hashed(level, index)
            if level:
                self._known[level, index] = node
        return node

    def _hashed(self, level: int, index: int) -> bytes:
        tile_level, above = divmod(level, 8)
        first, count = index << above, 1 << above
        data = self.tile(tile_level, first // TILE_WIDTH)
        start = 32 * (first % TILE_WIDTH)
        return root_of([data[at : at + 32] for at in range(start, start + 32 * count, 32)])
