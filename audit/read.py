"""Reading the log back: entries, details for the officer, one person's account, and proofs from tiles.

Guarantees: whatever is decrypted was first held against the hash in its entry; an account is complete over what was
logged, or raises.

Example:
    >>> reader = LogReader(engine, "clinic")                        # doctest: +SKIP
    >>> [stored.entry.type_class for stored in reader.entries()]    # doctest: +SKIP
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass

from sqlalchemy import Connection, Engine, select

from audit.details import (
    counter_id,
    derive,
    key_id,
    label,
    lines_context,
    sealed_hash,
    shared_context,
    unpad,
    unseal,
)
from audit.drafts import Lines, Receipt
from audit.entry import Entry, OneSubject, SubjectTree
from audit.errors import ProofError
from audit.stored import StoredTiles
from audit.tables import checkpoints, counters, details, entries, heads, leaves
from audit.tree import (
    Nodes,
    consistency_path,
    inclusion_path,
    leaf_hash,
    range_hash,
    root_of,
    verify_consistency,
    verify_inclusion,
)

__all__ = ["AccountLine", "LogReader", "StoredEntry"]

_PAGE = 512
_NODES_KEPT = 50_000
"""Tree nodes that a reader remembers, some 10 MB; they never change."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredEntry:
    """An entry and its place."""

    index: int
    data: bytes
    entry: Entry


@dataclass(frozen=True, slots=True, kw_only=True)
class AccountLine:
    """One event of one person.

    Attributes:
        index: number of the entry.
        number: number of the event for this person, from 0.
        at: instant, ISO 8601.
        kind: kind of the entry.
        lines: what was recorded about this person.
        leaf_path: proof of the person's leaf in the entry's tree of people; empty if the label is in the entry.
        position: position of the leaf.
    """

    index: int
    number: int
    at: str
    kind: str
    lines: Lines
    label: bytes
    position: int
    leaf_path: tuple[bytes, ...]


class LogReader:
    """Reads one tenant's log; safe to use beside the writer. Keep it: it remembers what proofs are made of."""

    def __init__(self, engine: Engine, tenant: str) -> None:
        self._engine, self._tenant = engine, tenant
        self._nodes: Nodes = {}

    def size(self) -> int:
        """Return how many entries the log has."""
        with self._engine.connect() as connection:
            return self._size(connection)

    def checkpoint(self) -> str | None:
        """Return the latest signed checkpoint, or None for an empty log."""
        with self._engine.connect() as connection:
            return self._note(connection, self._size(connection))

    def entries(self, start: int = 0, end: int | None = None) -> Iterator[StoredEntry]:
        """Yield entries in order.

        Args:
            start: first index.
            end: index after the last, or None for all there are now.
        """
        last = self.size() if end is None else min(end, self.size())
        ours = entries.c.tenant == self._tenant
        for first in range(start, last, _PAGE):
            page = entries.c.sequence.between(first, min(first + _PAGE, last) - 1)
            query = select(entries.c.sequence, entries.c.entry).where(ours & page).order_by(entries.c.sequence)
            with self._engine.connect() as connection:
                rows = connection.execute(query).all()
            for row in rows:
                yield StoredEntry(index=row.sequence, data=row.entry, entry=Entry.from_bytes(row.entry))

    def shared(self, index: int, tenant_key: bytes) -> Lines:
        """Return the decrypted shared details of an entry: at, details, digests, kind, salt, subjects, unkeyed.

        Raises:
            ProofError: the ciphertext is not the one that was logged, or the key does not open it.
        """
        here = (details.c.tenant == self._tenant) & (details.c.sequence == index)
        with self._engine.connect() as connection:
            entry = self._entry(connection, index)
            row = connection.execute(select(details.c.key, details.c.sealed).where(here)).one_or_none()
            origin = self._origin(connection)
        if row is None or sealed_hash(row.sealed) != entry.details:
            raise ProofError(f"the details of entry {index} are not those that were logged")
        if row.key != key_id(tenant_key):
            raise ProofError(f"the details of entry {index} are sealed with another key of the tenant")
        return _object(unpad(unseal(derive(tenant_key, b"shared"), row.sealed, shared_context(origin))))

    def account(self, subject_key: bytes) -> tuple[AccountLine, ...]:
        """Return everything logged about one person, oldest first.

        Raises:
            ProofError: an event is missing, or is not what was logged.
        """
        found: list[AccountLine] = []
        with self._engine.connect() as connection:
            while (line := self._line(connection, subject_key, len(found))) is not None:
                found.append(line)
            here = (counters.c.tenant == self._tenant) & (counters.c.counter == counter_id(subject_key))
            counted = connection.execute(select(counters.c.next).where(here)).scalar_one_or_none() or 0
        if counted > len(found):
            raise ProofError(f"event {len(found)} of this person is missing", hint="verify the log")
        return tuple(found)

    def receipt(self, index: int, size: int | None = None) -> Receipt:
        """Return the receipt of an entry, from tiles.

        Args:
            index: number of the entry.
            size: size of a signed checkpoint, or None for the latest.

        Raises:
            ProofError: there is no such entry or checkpoint.
        """
        with self._engine.connect() as connection:
            size = self._size(connection) if size is None else size
            note = self._note(connection, size)
            if note is None:
                raise ProofError(f"no checkpoint of size {size} was signed")
            path = inclusion_path(index, size, self._tiles(connection, size).node)
            data = self._data(connection, index)
        return Receipt(index=index, size=size, entry=data, hash=leaf_hash(data), path=tuple(path), checkpoint=note)

    def consistency(self, old: int, new: int | None = None) -> tuple[bytes, ...]:
        """Return the proof that the log of size ``old`` is a prefix of that of size ``new`` (None: the latest).

        Raises:
            ProofError: not 0 < old <= new <= size.
        """
        with self._engine.connect() as connection:
            size = self._size(connection)
            new = size if new is None else new
            if new > size:
                raise ProofError(f"the log has {size} entries only")
            node = self._tiles(connection, new).node
            path = consistency_path(old, new, node)
            verify_consistency(old, new, range_hash(0, old, node), range_hash(0, new, node), path)
        return tuple(path)

    def subject_leaves(self, index: int) -> tuple[tuple[bytes, bytes], ...]:
        """Return label and hash of each leaf of an entry, in order."""
        with self._engine.connect() as connection:
            return self._leaves(connection, index)

    # -- rows -------------------------------------------------------------------------------------------------

    def _tiles(self, connection: Connection, size: int) -> StoredTiles:
        """Return the tree of a size; nodes that were computed before are kept, up to a bound."""
        if len(self._nodes) > _NODES_KEPT:
            self._nodes = {}
        return StoredTiles(connection, self._tenant, size, self._nodes)

    def _size(self, connection: Connection) -> int:
        return connection.execute(select(heads.c.size).where(heads.c.tenant == self._tenant)).scalar_one_or_none() or 0

    def _origin(self, connection: Connection) -> str:
        return str(connection.execute(select(heads.c.origin).where(heads.c.tenant == self._tenant)).scalar_one())

    def _note(self, connection: Connection, size: int) -> str | None:
        here = (checkpoints.c.tenant == self._tenant) & (checkpoints.c.size == size)
        return connection.execute(select(checkpoints.c.note).where(here)).scalar_one_or_none()

    def _data(self, connection: Connection, index: int) -> bytes:
        here = (entries.c.tenant == self._tenant) & (entries.c.sequence == index)
        data = connection.execute(select(entries.c.entry).where(here)).scalar_one_or_none()
        if data is None:
            raise ProofError(f"no entry {index}")
        return bytes(data)

    def _entry(self, connection: Connection, index: int) -> Entry:
        return Entry.from_bytes(self._data(connection, index))

    def _leaves(self, connection: Connection, index: int) -> tuple[tuple[bytes, bytes], ...]:
        here = (leaves.c.tenant == self._tenant) & (leaves.c.sequence == index)
        query = select(leaves.c.label, leaves.c.sealed).where(here).order_by(leaves.c.position)
        return tuple((row.label, sealed_hash(row.sealed)) for row in connection.execute(query))

    def _line(self, connection: Connection, subject_key: bytes, number: int) -> AccountLine | None:
        own_label = label(subject_key, number)
        here = (leaves.c.tenant == self._tenant) & (leaves.c.label == own_label)
        row = connection.execute(select(leaves.c.sequence, leaves.c.sealed).where(here)).one_or_none()
        if row is None:
            return None
        index: int = row.sequence
        position, path = self._leaf_proof(connection, index, own_label, sealed_hash(row.sealed))
        context = lines_context(self._origin(connection), own_label)
        opened = _object(unpad(unseal(derive(subject_key, b"lines"), row.sealed, context)))
        lines = opened["lines"]
        assert isinstance(lines, dict)
        return AccountLine(
            index=index, number=number, at=str(opened["at"]), kind=str(opened["kind"]), lines=lines, label=own_label,
            position=position, leaf_path=path,
        )  # fmt: skip

    def _leaf_proof(
        self, connection: Connection, index: int, own_label: bytes, lines_hash: bytes
    ) -> tuple[int, tuple[bytes, ...]]:
        """Return position and proof of a person's leaf, after checking it against the entry."""
        people = self._entry(connection, index).subjects
        if isinstance(people, OneSubject):
            if (people.label, people.hash) != (own_label, lines_hash):
                raise ProofError(f"the lines stored with entry {index} are not those that were logged")
            return 0, ()
        if not isinstance(people, SubjectTree):
            raise ProofError(f"entry {index} is about nobody, but lines are stored with it")
        row = [leaf_hash(own + hashed) for own, hashed in self._leaves(connection, index)]
        own_leaf = leaf_hash(own_label + lines_hash)
        if own_leaf not in row or len(row) != people.count or root_of(row) != people.root:
            raise ProofError(f"the people stored with entry {index} are not those that were logged")
        position = row.index(own_leaf)
        path = inclusion_path(position, len(row), lambda level, at: root_of(row[at << level : (at + 1) << level]))
        verify_inclusion(own_leaf, position, len(row), path, people.root)
        return position, tuple(path)


def _object(data: bytes) -> dict[str, object]:
    value = json.loads(data)
    if not isinstance(value, dict):
        raise ProofError("decrypted details are not an object")
    return value
