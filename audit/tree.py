"""The Merkle tree of RFC 6962 section 2.1: hashes, the frontier, proofs and their verification.

Everything that makes proofs asks for complete nodes through one function ``node(level, index)``, so the same code
proves from memory, from a batch and from tiles. Everything that verifies raises `ProofError`; it validates sizes
and hash lengths before it starts, so it always ends.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from hashlib import sha256
from typing import TypeAlias

from audit.errors import ProofError

__all__ = [
    "EMPTY_ROOT", "MAX_SIZE", "Frontier", "NodeSource", "Nodes", "consistency_path", "inclusion_path", "leaf_hash",
    "node_hash", "range_hash", "root_of", "verify_consistency", "verify_inclusion",
]  # fmt: skip

EMPTY_ROOT = sha256(b"").digest()
"""Root of the tree without entries."""
MAX_SIZE = 2**63
"""Sizes are below this."""

NodeSource: TypeAlias = Callable[[int, int], bytes]
"""Gives the complete node ``index`` at ``level`` (0: leaf hashes)."""
Nodes: TypeAlias = dict[tuple[int, int], bytes]


def leaf_hash(entry: bytes) -> bytes:
    """Hash an entry: SHA-256(0x00 || entry)."""
    return sha256(b"\x00" + entry).digest()


def node_hash(left: bytes, right: bytes) -> bytes:
    """Hash two subtrees: SHA-256(0x01 || left || right)."""
    return sha256(b"\x01" + left + right).digest()


def root_of(hashes: Sequence[bytes]) -> bytes:
    """Return the root over leaf hashes (or over any row of complete nodes)."""
    if not hashes:
        return EMPTY_ROOT
    row = list(hashes)
    while len(row) > 1:
        odd = row[-1:] if len(row) % 2 else []
        row = [sha256(b"\x01" + a + b).digest() for a, b in zip(row[::2], row[1::2], strict=False)] + odd
    return row[0]


class Frontier:
    """The complete subtrees of a growing tree, largest first: all that appending needs.

    Attributes:
        size: number of leaves.
        nodes: one hash for each bit that is set in ``size``, largest subtree first.
    """

    __slots__ = ("nodes", "size")

    def __init__(self, size: int = 0, nodes: Iterable[bytes] = ()) -> None:
        self.size = size
        self.nodes = list(nodes)
        if not 0 <= size < MAX_SIZE or len(self.nodes) != size.bit_count():
            raise ProofError("a frontier does not have one hash for each bit of its size")
        if any(len(node) != 32 for node in self.nodes):
            raise ProofError("a frontier holds a hash that is not 32 bytes long")

    def append(self, leaf: bytes, made: Nodes | None = None) -> None:
        """Append a leaf hash; complete nodes that it makes are noted in ``made``."""
        self.append_node(0, leaf, made)

    def append_node(self, level: int, node: bytes, made: Nodes | None = None) -> None:
        """Append a complete subtree of 2^level leaves; the size must be a multiple of that."""
        index = self.size >> level
        self.size += 1 << level
        if made is not None:
            made[level, index] = node
        while index & 1:
            node = sha256(b"\x01" + self.nodes.pop() + node).digest()
            level += 1
            index >>= 1
            if made is not None:
                made[level, index] = node
        self.nodes.append(node)

    def root(self) -> bytes:
        """Return the root."""
        if not self.nodes:
            return EMPTY_ROOT
        root = self.nodes[-1]
        for node in reversed(self.nodes[:-1]):
            root = node_hash(node, root)
        return root

    def positions(self) -> list[tuple[int, int]]:
        """Return level and index of each node, in the order of ``nodes``."""
        levels = [level for level in range(self.size.bit_length() - 1, -1, -1) if self.size >> level & 1]
        return [(level, (self.size >> level) - 1) for level in levels]


def range_hash(start: int, end: int, node: NodeSource) -> bytes:
    """Return the hash of the leaves ``start`` to ``end`` (exclusive), where ``start`` is aligned to the range."""
    width = end - start
    if width & (width - 1) == 0:
        level = width.bit_length() - 1
        return node(level, start >> level)
    half = 1 << (width - 1).bit_length() - 1
    return node_hash(range_hash(start, start + half, node), range_hash(start + half, end, node))


def inclusion_path(index: int, size: int, node: NodeSource) -> list[bytes]:
    """Return the inclusion proof of a leaf, its sibling first (RFC 6962 section 2.1.1).

    Raises:
        ProofError: the leaf is not in a tree of this size.
    """
    if not 0 <= index < size < MAX_SIZE:
        raise ProofError(f"no entry {index} in a log of {size}")
    path: list[bytes] = []
    level = 0
    while (1 << level) < size:
        sibling = index >> level ^ 1
        if (sibling + 1) << level <= size:
            path.append(node(level, sibling))
        elif sibling << level < size:
            path.append(range_hash(sibling << level, size, node))
        level += 1
    return path


def consistency_path(old: int, new: int, node: NodeSource) -> list[bytes]:
    """Return the proof that the tree of size ``old`` is a prefix of that of size ``new`` (RFC 6962 section 2.1.2).

    Raises:
        ProofError: not 0 < old <= new.
    """
    if not 0 < old <= new < MAX_SIZE:
        raise ProofError(f"no consistency proof from size {old} to {new}")
    path: list[bytes] = []
    start, end, whole = 0, new, True
    remaining = old
    while remaining != end - start:
        half = 1 << (end - start - 1).bit_length() - 1
        if remaining <= half:
            path.append(range_hash(start + half, end, node))
            end = start + half
        else:
            path.append(range_hash(start, start + half, node))
            start, remaining, whole = start + half, remaining - half, False
    if not whole:
        path.append(range_hash(start, end, node))
    return path[::-1]


def verify_inclusion(leaf: bytes, index: int, size: int, path: Sequence[bytes], root: bytes) -> None:
    """Check that a leaf hash stands at an index of the tree with this root (RFC 9162 section 2.1.3.2).

    Raises:
        ProofError: it does not.
    """
    if not 0 <= index < size < MAX_SIZE:
        raise ProofError(f"no entry {index} in a log of {size}")
    _check_hashes((leaf, root, *path))
    last = size - 1
    at, result = index, leaf
    for sibling in path:
        if last == 0:
            raise ProofError("the inclusion proof is too long")
        if at & 1 or at == last:
            result = node_hash(sibling, result)
            while not at & 1 and at:
                at >>= 1
                last >>= 1
        else:
            result = node_hash(result, sibling)
        at >>= 1
        last >>= 1
    if last != 0:
        raise ProofError("the inclusion proof is too short")
    if result != root:
        raise ProofError("the inclusion proof does not lead to the root")


def verify_consistency(old: int, new: int, old_root: bytes, new_root: bytes, path: Sequence[bytes]) -> None:
    """Check that a tree is a prefix of another (RFC 9162 section 2.1.4.2).

    Raises:
        ProofError: it is not; also for an empty older tree, of which everything is a continuation.
    """
    if not 0 < old <= new < MAX_SIZE:
        raise ProofError(f"no consistency from size {old} to {new}")
    _check_hashes((old_root, new_root, *path))
    if old == new:
        if path or old_root != new_root:
            raise ProofError("two logs of one size have different roots" if not path else "a proof where none belongs")
        return
    hashes = [old_root, *path] if old & (old - 1) == 0 else list(path)
    if not hashes:
        raise ProofError("the consistency proof is empty")
    before, after = _climb(old - 1, new - 1, hashes)
    if before != old_root:
        raise ProofError("the consistency proof does not lead to the older root")
    if after != new_root:
        raise ProofError("the consistency proof does not lead to the newer root")


def _climb(at: int, last: int, hashes: Sequence[bytes]) -> tuple[bytes, bytes]:
    """Fold a consistency proof into the older and the newer root (RFC 9162 section 2.1.4.2, steps 3 to 6)."""
    while at & 1:
        at >>= 1
        last >>= 1
    before = after = hashes[0]
    for sibling in hashes[1:]:
        if last == 0:
            raise ProofError("the consistency proof is too long")
        if at & 1 or at == last:
            before, after = node_hash(sibling, before), node_hash(sibling, after)
            while not at & 1 and at:
                at >>= 1
                last >>= 1
        else:
            after = node_hash(after, sibling)
        at >>= 1
        last >>= 1
    if last != 0:
        raise ProofError("the consistency proof is too short")
    return before, after


def _check_hashes(hashes: Iterable[bytes]) -> None:
    if any(len(one) != 32 for one in hashes):
        raise ProofError("a hash is not 32 bytes long")
