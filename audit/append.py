"""Appending a batch to one tenant's log: numbers, tree, tiles, head and the checkpoint that is signed.

`LogState` is where the log stood when the transaction began; `Appending` gathers what a batch adds and writes it in
a few statements. Nothing here commits.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from sqlalchemy import Connection, bindparam, insert, select, update

from audit.build import Built, Instant, TenantKey
from audit.checkpoint import Checkpoint, open_checkpoint, sign_checkpoint
from audit.drafts import Receipt
from audit.errors import LogBehindError, ProofError
from audit.guard import SizeGuard
from audit.note import LogSigner, TreeCosigner
from audit.stored import StoredTiles
from audit.tables import checkpoints, counters, details, entries, heads, leaves, tiles
from audit.tiles import TILE_WIDTH
from audit.tree import Frontier, Nodes, inclusion_path, leaf_hash, range_hash

__all__ = ["Appending", "LogState", "check_state", "load_state"]

_IN_LIMIT = 500
_FEW = 20

_READ_HEAD = select(heads).where(heads.c.tenant == bindparam("of"))
_MOVE_HEAD = (
    update(heads)
    .where(heads.c.tenant == bindparam("of"))
    .values(size=bindparam("to_size"), frontier=bindparam("to_frontier"), policy=bindparam("to_policy"))
)
_ONE_TILE = (
    (tiles.c.tenant == bindparam("of"))
    & (tiles.c.level == bindparam("at_level"))
    & (tiles.c.number == bindparam("at_number"))
)
_READ_TILE = select(tiles.c.hashes).where(_ONE_TILE)
_GROW_TILE = update(tiles).where(_ONE_TILE).values(hashes=bindparam("value"))
_READ_COUNTERS = select(counters.c.counter, counters.c.next).where(
    counters.c.tenant == bindparam("tenant"), counters.c.counter.in_(bindparam("some", expanding=True))
)
_RAISE_COUNTER = (
    update(counters)
    .where(counters.c.tenant == bindparam("of"), counters.c.counter == bindparam("which"))
    .values(next=bindparam("value"))
)


@dataclass(frozen=True, slots=True, kw_only=True)
class LogState:
    """Where one tenant's log stands.

    Attributes:
        exists: a head row is there.
        policy: policy digest last named.
    """

    tenant: str
    signer: LogSigner
    guard: SizeGuard
    frontier: Frontier
    exists: bool
    policy: str | None


def load_state(connection: Connection, tenant: str, signer: LogSigner, guard: SizeGuard) -> LogState:
    """Read the head of a log.

    Raises:
        LogBehindError: the head belongs to another key's log, or is damaged.
    """
    row = connection.execute(_READ_HEAD, {"of": tenant}).one_or_none()
    if row is None:
        return LogState(tenant=tenant, signer=signer, guard=guard, frontier=Frontier(), exists=False, policy=None)
    if row.origin != signer.name:
        raise LogBehindError("the log was begun under another origin", hint="is this its key store?")
    try:
        frontier = Frontier(row.size, [row.frontier[at : at + 32] for at in range(0, len(row.frontier), 32)])
    except ProofError as error:
        raise LogBehindError(f"the log's head is damaged: {error.message}", hint="restore the database") from error
    return LogState(tenant=tenant, signer=signer, guard=guard, frontier=frontier, exists=True, policy=row.policy)


def check_state(connection: Connection, state: LogState, *, adopt: bool) -> None:
    """Open the guard and check that the database continues what was signed.

    Raises:
        LogBehindError: it is behind, beside, signed by another key, or the guard is missing and not adopted.
    """
    size = state.frontier.size
    state.guard.open(create=size == 0 or adopt)
    if size < state.guard.size:
        raise LogBehindError(
            f"the database has {size} entries, but {state.guard.size} were signed: it is an older copy",
            hint="restore the latest database; signing on would fork the log",
        )
    if size == 0:
        return
    stored = StoredTiles(connection, state.tenant, size)
    root = state.frontier.root()
    note = connection.execute(
        select(checkpoints.c.note).where(checkpoints.c.tenant == state.tenant, checkpoints.c.size == size)
    ).scalar_one_or_none()
    try:
        if range_hash(0, size, stored.node) != root:
            raise ProofError("tiles and head of the log disagree")  # noqa: TRY301 - told in one form below
        if state.guard.size and range_hash(0, state.guard.size, stored.node) != state.guard.root:
            raise ProofError("the log is not a continuation of what was signed")  # noqa: TRY301
        if note is None:
            raise ProofError("the last checkpoint is missing")  # noqa: TRY301
        if open_checkpoint(note.encode(), [state.signer.verifier])[0].root != root:
            raise ProofError("the last checkpoint is of another tree")  # noqa: TRY301
    except ProofError as error:
        raise LogBehindError(error.message, hint="restore database and key store that belong together") from error
    state.guard.remember(size, root)


class Appending:
    """What one batch adds to one tenant's log.

    Attributes:
        at: the instant of the batch.
        tenant_key: what the batch derived from the tenant's key.
        policy: policy digest last named.
    """

    def __init__(
        self, state: LogState, tenant_key: TenantKey, at: Instant, second: TreeCosigner | None = None
    ) -> None:
        self._state, self._second = state, second
        self.at, self.tenant_key = at, tenant_key
        self.policy = state.policy
        self._old = state.frontier.size
        self._frontier = Frontier(self._old, state.frontier.nodes)
        self._nodes: Nodes = dict(zip(self._frontier.positions(), self._frontier.nodes, strict=True))
        self._built: list[Built] = []
        self._hashes: list[bytes] = []
        self._stored: dict[bytes, int] = {}
        self._next: dict[bytes, int] = {}
        self._checkpoint = ""

    @property
    def origin(self) -> str:
        """Name of the log."""
        return self._state.signer.name

    def numbers(self, connection: Connection, wanted: Iterable[bytes]) -> Mapping[bytes, int]:
        """Return the next number for each counter, counting what this batch has used."""
        ids = list(wanted)
        unread = [one for one in ids if one not in self._stored and one not in self._next]
        if len(unread) <= _FEW:
            self._read_few(connection, unread)
            unread = []
        for at in range(0, len(unread), _IN_LIMIT):
            values = {"tenant": self._state.tenant, "some": unread[at : at + _IN_LIMIT]}
            self._stored.update((row[0], row[1]) for row in connection.execute(_READ_COUNTERS, values))
        return {one: self._next.get(one, self._stored.get(one, 0)) for one in ids}

    def _read_few(self, connection: Connection, unread: Iterable[bytes]) -> None:
        """Read some counters on the driver itself: it happens for nearly every draft."""
        raw = connection.connection.dbapi_connection
        assert raw is not None
        mark = "?" if connection.dialect.paramstyle == "qmark" else "%s"
        cursor = raw.cursor()
        for one in unread:
            values = (self._state.tenant, one)
            cursor.execute(f"SELECT next FROM log_counters WHERE tenant = {mark} AND counter = {mark}", values)  # noqa: S608
            row = cursor.fetchone()
            if row is not None:
                self._stored[one] = row[0]
        cursor.close()

    def append(self, built: Built) -> int:
        """Append an entry and return its index."""
        index = self._frontier.size
        leaf = leaf_hash(built.entry)
        self._frontier.append(leaf, self._nodes)
        self._built.append(built)
        self._hashes.append(leaf)
        self._next.update(built.counters)
        self.policy = built.policy
        return index

    def write(self, connection: Connection) -> None:
        """Write entries, details, leaves, counters, tiles and head, and sign the checkpoint."""
        tenant, first = self._state.tenant, self._old
        numbered = list(enumerate(self._built, first))
        connection.execute(
            insert(entries), [{"tenant": tenant, "sequence": n, "entry": one.entry} for n, one in numbered]
        )
        connection.execute(
            insert(details),
            [{"tenant": tenant, "sequence": n, "key": one.key, "sealed": one.sealed} for n, one in numbered],
        )
        people = [
            {"tenant": tenant, "label": label, "sequence": n, "position": position, "sealed": sealed}
            for n, one in numbered
            for position, (label, sealed) in enumerate(one.leaves)
        ]
        if people:
            connection.execute(insert(leaves), people)
        self._write_counters(connection)
        self._write_tiles(connection)
        self._write_head(connection)

    def _write_counters(self, connection: Connection) -> None:
        tenant = self._state.tenant
        fresh = [one for one in self._next if one not in self._stored]
        if fresh:
            rows = [{"tenant": tenant, "counter": one, "next": self._next[one]} for one in fresh]
            connection.execute(insert(counters), rows)
        known = self._next.keys() & self._stored.keys()
        if known:
            rows = [{"of": tenant, "which": one, "value": self._next[one]} for one in known]
            connection.execute(_RAISE_COUNTER, rows)

    def _write_tiles(self, connection: Connection) -> None:
        tenant, level, fresh = self._state.tenant, 0, []
        while new := self._frontier.size >> (8 * level):
            old = self._old >> (8 * level)
            for number in range(old // TILE_WIDTH, -(-new // TILE_WIDTH)):
                start = max(old, number * TILE_WIDTH)
                end = min(new, (number + 1) * TILE_WIDTH)
                added = b"".join(self._nodes[8 * level, index] for index in range(start, end))
                if start == number * TILE_WIDTH and added:
                    fresh.append({"tenant": tenant, "level": level, "number": number, "hashes": added})
                elif added:
                    self._grow_tile(connection, level, number, start % TILE_WIDTH, added)
            level += 1
        if fresh:
            connection.execute(insert(tiles), fresh)

    def _grow_tile(self, connection: Connection, level: int, number: int, width: int, added: bytes) -> None:
        tile = {"of": self._state.tenant, "at_level": level, "at_number": number}
        before = connection.execute(_READ_TILE, tile).scalar_one_or_none()
        if before is None or len(before) != 32 * width:
            message = f"tile {number} of level {level} does not fit the log's head"
            raise LogBehindError(message, hint="restore the database")
        connection.execute(_GROW_TILE, {**tile, "value": before + added})

    def _write_head(self, connection: Connection) -> None:
        size = self._frontier.size
        checkpoint = Checkpoint(origin=self.origin, size=size, root=self._frontier.root())
        self._checkpoint = sign_checkpoint(checkpoint, self._state.signer, self._second, self.at.seconds)
        tenant = self._state.tenant
        connection.execute(insert(checkpoints), {"tenant": tenant, "size": size, "note": self._checkpoint})
        frontier = b"".join(self._frontier.nodes)
        if self._state.exists:
            moved = {"of": tenant, "to_size": size, "to_frontier": frontier, "to_policy": self.policy}
            connection.execute(_MOVE_HEAD, moved)
        else:
            head = {"tenant": tenant, "origin": self.origin, "size": size, "frontier": frontier, "policy": self.policy}
            connection.execute(insert(heads), head)

    def committed(self) -> LogState:
        """Remember what was signed, after the commit, and return where the log stands now."""
        self._state.guard.remember(self._frontier.size, self._frontier.root())
        return LogState(
            tenant=self._state.tenant, signer=self._state.signer, guard=self._state.guard, frontier=self._frontier,
            exists=True, policy=self.policy,
        )  # fmt: skip

    def _node(self, level: int, number: int) -> bytes:
        return self._nodes[level, number]

    def receipt(self, index: int) -> Receipt:
        """Return the receipt of an entry of this batch; its proof comes from the batch's own nodes."""
        size, at = self._frontier.size, index - self._old
        path = inclusion_path(index, size, self._node)
        return Receipt(
            index=index, size=size, entry=self._built[at].entry, hash=self._hashes[at], path=tuple(path),
            checkpoint=self._checkpoint,
        )  # fmt: skip
