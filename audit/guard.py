"""The guard: remembers outside the database how far a log was signed, so that a restored one is not signed anew.

Two slots of one small file are written in turn, each with a checksum: a write that is torn leaves the other. What
is remembered only grows. The file is synced at least once a second while it changes and when it closes; it follows
the commit and precedes the answer, so it may be behind the database but never ahead of it.
"""

from __future__ import annotations

import os
import time
from hashlib import sha256
from pathlib import Path

from audit.errors import LogBehindError

__all__ = ["SizeGuard"]

_SLOT = 4096
_RECORD = 8 + 8 + 32 + 32
_SYNC_SECONDS = 1.0


class SizeGuard:
    """Size and root of the last signed tree of one log."""

    def __init__(self, folder: Path, tenant: str) -> None:
        self._path = folder / f"{sha256(tenant.encode()).hexdigest()[:24]}.guard"
        self._file = -1
        self._turn = 0
        self._synced = 0.0
        self.size = 0
        self.root = b""

    @property
    def exists(self) -> bool:
        """Whether this log was guarded before."""
        return self._path.exists()

    def open(self, *, create: bool) -> None:
        """Open the guard and read what it remembers.

        Args:
            create: make an empty one if there is none.

        Raises:
            LogBehindError: both slots are damaged, or there is no guard.
        """
        if not self.exists:
            if not create:
                raise LogBehindError(
                    "the guard of this log is missing: nobody knows how far it was signed",
                    hint="restore it with the key store, or compare with the last checkpoint handed out and adopt",
                )
            self._path.parent.mkdir(parents=True, exist_ok=True)
            self._file = os.open(self._path, os.O_RDWR | os.O_CREAT, 0o600)
            self.remember(0, sha256(b"").digest())
            self.sync()
            _sync_folder(self._path.parent)
            return
        self._file = os.open(self._path, os.O_RDWR)
        found = [record for slot in (0, 1) if (record := self._read(slot)) is not None]
        if not found:
            raise LogBehindError("the guard of this log is damaged", hint="restore it with the key store")
        self._turn, self.size, self.root = max(found)

    def _read(self, slot: int) -> tuple[int, int, bytes] | None:
        data = os.pread(self._file, _RECORD, slot * _SLOT)
        if len(data) != _RECORD or sha256(data[:-32]).digest() != data[-32:]:
            return None
        return int.from_bytes(data[:8], "big"), int.from_bytes(data[8:16], "big"), data[16:48]

    def remember(self, size: int, root: bytes) -> None:
        """Remember a signed tree."""
        self._turn += 1
        record = self._turn.to_bytes(8, "big") + size.to_bytes(8, "big") + root
        os.pwrite(self._file, record + sha256(record).digest(), self._turn % 2 * _SLOT)
        self.size, self.root = size, root
        now = time.monotonic()
        if now - self._synced > _SYNC_SECONDS:
            self._synced = now
            self.sync()

    def sync(self) -> None:
        """Write through to the disk."""
        os.fsync(self._file)

    def close(self) -> None:
        """Sync and close."""
        if self._file >= 0:
            self.sync()
            os.close(self._file)
            self._file = -1


def _sync_folder(folder: Path) -> None:
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
