"""The verifier: re-hashes a served log from its first entry and says exactly what is wrong and where.

Needs the served files and a public key; the standard library and cryptography. It trusts no hash that it has not
computed: entries come from the bundles, the root is rebuilt from them, tiles and leaves are held against it.

Example:
    >>> verify_folder(Path("log")).ok                     # doctest: +SKIP
    True
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path

from audit.checkpoint import Checkpoint, open_checkpoint
from audit.entry import check_entry
from audit.errors import AuditError, FormatError
from audit.note import Verifier
from audit.tiles import (
    BUNDLE,
    TILE_WIDTH,
    TilePath,
    bundle_path,
    leaves_path,
    parse_bundle,
    parse_number,
    parse_path,
    tile_path,
)
from audit.tree import Frontier, leaf_hash, root_of

__all__ = ["Fault", "Report", "read_keys", "verify_folder"]

_FAULT_LIMIT = 100


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """One thing that is wrong: in which file, at which entry or hash, and what."""

    where: str
    what: str


@dataclass(slots=True, kw_only=True)
class Report:
    """What a verification found.

    Attributes:
        entries: entries that were re-hashed.
        files: files that were read.
        signers: names of the keys that signed the checkpoint.
        since: sizes of earlier checkpoints that this log continues.
        leaves: entries with several people whose leaves were checked.
        leaves_missing: entries with several people whose leaves are not served (if no leaves are served at all).
        unsigned: files that could not be held against anything: beyond the checkpoint (an export is under way) or
            beside a broken bundle.
        own_key: the key came from the log's own folder.
    """

    origin: str = ""
    size: int = 0
    root: str = ""
    entries: int = 0
    files: int = 0
    signers: tuple[str, ...] = ()
    since: list[int] = field(default_factory=list)
    leaves: int = 0
    leaves_missing: int = 0
    unsigned: int = 0
    own_key: bool = True
    faults: list[Fault] = field(default_factory=list)
    more_faults: int = 0

    @property
    def ok(self) -> bool:
        """Nothing is wrong."""
        return not self.faults

    def fault(self, where: str, what: str) -> None:
        """Note a fault; after a hundred only their number."""
        if len(self.faults) < _FAULT_LIMIT:
            self.faults.append(Fault(where=where, what=what))
        else:
            self.more_faults += 1


def read_keys(data: bytes) -> tuple[Verifier, ...]:
    """Read a key file: one verifying key on each line, each line ended by a line feed.

    Raises:
        FormatError: it is not one.
    """
    try:
        text = data.decode("utf-8")
    except UnicodeDecodeError as error:
        raise FormatError("a key file that is not UTF-8") from error
    if not text.endswith("\n"):
        raise FormatError("a key file that does not end in a line feed")
    return tuple(Verifier.from_text(line) for line in text[:-1].split("\n"))


def verify_folder(folder: Path, keys: Sequence[Verifier] | None = None, since: Sequence[bytes] = ()) -> Report:
    """Verify a served log.

    Args:
        folder: the served folder.
        keys: keys of the log from a source you trust; None takes those in the folder.
        since: earlier signed checkpoints of this log that it must continue.
    """
    return _Verification(folder, keys, since).run()


class _Verification:
    """One run over one folder."""

    def __init__(self, folder: Path, keys: Sequence[Verifier] | None, since: Sequence[bytes]) -> None:
        self._folder = folder
        self._report = Report(own_key=keys is None)
        self._expected: set[str] = set()
        self._keys = self._own_keys() if keys is None else tuple(keys)
        self._since = since
        self._broken: set[tuple[int, int]] = set()
        self._unreadable: set[int] = set()
        self._people: list[tuple[int, int, bytes]] = []

    def run(self) -> Report:
        checkpoint = self._checkpoint()
        earlier = self._earlier(checkpoint)
        if checkpoint is not None:
            self._report.origin, self._report.size = checkpoint.origin, checkpoint.size
            self._report.root = checkpoint.root.hex()
            self._entries(checkpoint, earlier)
            self._leaves()
            self._other_files()
        return self._report

    # -- key and checkpoints ----------------------------------------------------------------------------------

    def _own_keys(self) -> tuple[Verifier, ...]:
        try:
            return read_keys(self._read("key"))
        except AuditError as error:
            self._report.fault("key", error.message)
            return ()

    def _checkpoint(self) -> Checkpoint | None:
        data = b""
        try:
            data = self._read("checkpoint")
            checkpoint, self._report.signers = open_checkpoint(data, self._keys)
        except AuditError as error:
            self._report.fault("checkpoint", error.message)
            return _unsigned(data)
        return checkpoint

    def _earlier(self, now: Checkpoint | None) -> dict[int, bytes]:
        """Read the earlier checkpoints and return the root that each size must have had."""
        roots: dict[int, bytes] = {}
        for number, data in enumerate(self._since):
            where = f"earlier checkpoint {number + 1}"
            try:
                before, _ = open_checkpoint(data, self._keys)
            except AuditError as error:
                self._report.fault(where, error.message)
                continue
            if now is None or before.origin != now.origin:
                self._report.fault(where, "is of another log")
            elif before.size > now.size:
                what = f"has {before.size} entries, this log only {now.size}: entries were taken away"
                self._report.fault(where, what)
            elif roots.setdefault(before.size, before.root) != before.root:
                self._report.fault(where, f"two signed checkpoints of size {before.size} differ: the log was forked")
        return roots

    # -- entries and tiles ------------------------------------------------------------------------------------

    def _entries(self, checkpoint: Checkpoint, earlier: dict[int, bytes]) -> None:
        """Re-hash every entry, compare every tile, rebuild the root; say on which side a difference lies."""
        size = checkpoint.size
        ours, theirs = Frontier(), Frontier()
        differ: list[tuple[str, str, str]] = []
        row: list[bytes] = []
        whole = True
        for number in range(-(-size // TILE_WIDTH)):
            width = min(TILE_WIDTH, size - number * TILE_WIDTH)
            tile = self._tile(0, number, width)
            hashes = self._bundle(number, width, tile)
            if hashes is None and tile is None:
                what = f"neither bundle nor tile is usable; entries from {number * TILE_WIDTH} on were not checked"
                self._report.fault(bundle_path(number, width), what)
                return
            whole = whole and hashes is not None
            if hashes is not None and tile is not None and hashes != tile:
                differ.append(_difference(number, hashes, tile))
            used, others = hashes or tile or [], tile or hashes or []
            root = root_of(used)
            self._grow(ours, used, root, earlier)
            self._grow(theirs, others, root if others == used else root_of(others), {})
            if width == TILE_WIDTH:
                row.append(root)
        entries_right = whole and ours.root() == checkpoint.root
        tiles_right = theirs.root() == checkpoint.root
        for entry_where, tile_where, what in differ:
            if not entries_right:
                self._report.fault(entry_where, "does not hash to what " + ("the log signed" if tiles_right else what))
            if not tiles_right:
                self._report.fault(tile_where, "is not the hash of the entry")
        if whole and not entries_right and not differ:
            self._report.fault("checkpoint", "its root is not the root of the entries")
        self._upper_tiles(size, row)

    def _grow(self, frontier: Frontier, hashes: list[bytes], root: bytes, earlier: dict[int, bytes]) -> None:
        """Append the hashes of a tile, and compare the root at the sizes of earlier checkpoints."""
        end = frontier.size + TILE_WIDTH
        if len(hashes) == TILE_WIDTH and not any(frontier.size < size <= end for size in earlier):
            frontier.append_node(8, root)
            return
        for one in hashes:
            frontier.append(one)
            wanted = earlier.get(frontier.size)
            if wanted is None:
                continue
            if frontier.root() == wanted:
                self._report.since.append(frontier.size)
            else:
                what = f"the log of size {frontier.size} is not what was signed then: it was rewritten"
                self._report.fault(f"earlier checkpoint of size {frontier.size}", what)

    def _bundle(self, number: int, width: int, tile: list[bytes] | None) -> list[bytes] | None:
        """Read a bundle and return the hashes of its entries; entries that are not entries are faults.

        A bundle whose lengths do not add up is a fault at the first entry that does not fit the tile.
        """
        path, first, data = bundle_path(number, width), number * TILE_WIDTH, b""
        try:
            data = self._read(path)
            entries = parse_bundle(data, width)
        except FormatError as error:
            self._broken.add((BUNDLE, number))
            where = f"{path} entry {first + _first_misfit(data, tile)}" if data and tile else path
            self._report.fault(where, error.message)
            return None
        self._report.entries += width
        for offset, entry in enumerate(entries):
            try:
                found = check_entry(entry)
            except FormatError as error:
                self._unreadable.add(first + offset)
                self._report.fault(f"{path} entry {first + offset}", error.message)
                continue
            if found["count"] is not None:
                self._people.append((first + offset, int(found["count"]), bytes.fromhex(found["root"].decode())))
        return [sha256(b"\x00" + entry).digest() for entry in entries]

    def _tile(self, level: int, number: int, width: int) -> list[bytes] | None:
        path = tile_path(level, number, width)
        try:
            data = self._read(path)
        except FormatError as error:
            self._report.fault(path, error.message)
            return None
        if len(data) != 32 * width:
            self._broken.add((level, number))
            self._report.fault(path, f"has {len(data)} bytes instead of {32 * width}")
            return None
        return [data[at : at + 32] for at in range(0, len(data), 32)]

    def _upper_tiles(self, size: int, row: list[bytes]) -> None:
        """Hold the tiles of level 1 and above against the roots of the full tiles below them."""
        level = 1
        while size >> (8 * level):
            above = []
            for number in range(-(-len(row) // TILE_WIDTH)):
                wanted = row[number * TILE_WIDTH : (number + 1) * TILE_WIDTH]
                tile = self._tile(level, number, len(wanted))
                if tile is not None and tile != wanted:
                    at = next(i for i, (one, other) in enumerate(zip(tile, wanted, strict=True)) if one != other)
                    path = tile_path(level, number, len(wanted))
                    self._report.fault(f"{path} hash {at}", "is not the root of the tile below it")
                if len(wanted) == TILE_WIDTH:
                    above.append(root_of(wanted))
            row, level = above, level + 1

    # -- leaves and leftovers ---------------------------------------------------------------------------------

    def _leaves(self) -> None:
        if not (self._folder / "leaves").is_dir():
            self._report.leaves_missing = len(self._people)
            return
        for index, count, root in self._people:
            path = leaves_path(index)
            try:
                data = self._read(path)
            except FormatError as error:
                self._report.fault(path, error.message)
                continue
            row = [data[at : at + 64] for at in range(0, len(data), 64)]
            if len(data) != 64 * count or row != sorted(row) or root_of([leaf_hash(one) for one in row]) != root:
                self._report.fault(path, f"the leaves are not those of entry {index}")
            else:
                self._report.leaves += 1

    def _other_files(self) -> None:
        """Check what lies beside: other widths of a tile must agree with it; nothing else belongs there."""
        for path in sorted(self._files()):
            if path in self._expected:
                continue
            if self._is_uncheckable_leaf(path):
                self._report.unsigned += 1
                continue
            try:
                parsed = parse_path(path)
            except FormatError:
                self._report.fault(path, "is no file of a served log")
                continue
            if not self._fits(path, parsed):
                self._report.fault(path, "does not begin as the tile or bundle that stands in the log")

    def _files(self) -> Iterator[str]:
        for top in ("tile", "leaves"):
            for file in (self._folder / top).rglob("*"):
                if not file.is_dir():
                    yield file.relative_to(self._folder).as_posix()

    def _is_uncheckable_leaf(self, path: str) -> bool:
        """Say whether leaves belong to an entry beyond the checkpoint, or to one that cannot be read."""
        try:
            index = parse_number(path.removeprefix("leaves/"))
        except FormatError:
            return False
        beyond = index >= self._report.size
        return beyond or index in self._unreadable or (BUNDLE, index // TILE_WIDTH) in self._broken

    def _fits(self, path: str, parsed: TilePath) -> bool:
        """Say whether an older (or newer, not yet signed) tile agrees with the one in the log as far as both go."""
        count = self._report.size if parsed.level == BUNDLE else self._report.size >> (8 * parsed.level)
        now = min(TILE_WIDTH, count - parsed.number * TILE_WIDTH)
        if now <= 0 or (parsed.level, parsed.number) in self._broken:
            self._report.unsigned += 1
            return True
        width = min(now, parsed.width)
        try:
            other, ours = self._read(path), self._read(tile_path(parsed.level, parsed.number, now))
            if parsed.level == BUNDLE:
                return parse_bundle(other, parsed.width)[:width] == parse_bundle(ours, now)[:width]
        except FormatError:
            return False
        return len(other) == 32 * parsed.width and other[: 32 * width] == ours[: 32 * width]

    def _read(self, path: str) -> bytes:
        self._expected.add(path)
        try:
            data = (self._folder / path).read_bytes()
        except OSError as error:
            raise FormatError("the file is missing or cannot be read") from error
        self._report.files += 1
        return data


def _difference(number: int, hashes: list[bytes], tile: list[bytes]) -> tuple[str, str, str]:
    """Say where a bundle and its tile first differ, as seen from both."""
    at = next(i for i, (one, other) in enumerate(zip(hashes, tile, strict=True)) if one != other)
    count = sum(one != other for one, other in zip(hashes, tile, strict=True))
    width, entry = len(hashes), number * TILE_WIDTH + at
    others = f" (and {count - 1} more after it)" if count > 1 else ""
    return (
        f"{bundle_path(number, width)} entry {entry}",
        f"{tile_path(0, number, width)} hash {at}",
        f"its tile says{others}; the tile does not lead to the signed root either",
    )


def _first_misfit(data: bytes, tile: list[bytes]) -> int:
    """Return the first entry of a broken bundle that does not hash to what its tile says."""
    at = 0
    for number, wanted in enumerate(tile):
        end = at + 2 + int.from_bytes(data[at : at + 2], "big")
        if end > len(data) or leaf_hash(data[at + 2 : end]) != wanted:
            return number
        at = end
    return len(tile) - 1


def _unsigned(data: bytes) -> Checkpoint | None:
    """Read a checkpoint whose signature is wrong, to go on and see whether the entries are right."""
    lines = data.decode("utf-8", "replace").split("\n")
    try:
        return Checkpoint.from_text("\n".join(lines[:3]) + "\n")
    except FormatError:
        return None
