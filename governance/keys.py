"""Keys: the ring that wraps, and the key store that lies apart from the database.

Guarantees: no key lies unwrapped on disk outside the ring's own file; a key is written and synced before
anything is encrypted with it; a destroyed key is overwritten and gone from file and write-ahead log.

The key store is a file of its own (``keys.db``) so that it can have short-lived backups. It holds, per
tenant: the key of the shared details of the log, the index key (references of subjects), one key and one
random 128-bit surrogate per subject, one random key per recipient and version, and the log's signing key.

Example:
    >>> ring = FileKeyRing.open(Path("data/ring.json"))            # doctest: +SKIP
    >>> store = KeyStore(Path("data/keys.db"), ring)               # doctest: +SKIP
    >>> store.tenant_key("clinic")                                 # doctest: +SKIP
"""

from __future__ import annotations

import json
import os
import secrets
import sqlite3
import threading
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Protocol

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from governance.errors import ConflictError, FaultError, InputError, IntegrityError

__all__ = ["FileKeyRing", "KeyRing", "KeyStore", "derive"]

_NONCE = 12
_CACHE_LIMIT = 200_000


def derive(key: bytes, context: str, length: int = 32) -> bytes:
    """Derive a key with HKDF-SHA256 (RFC 5869), empty salt.

    Args:
        key: uniformly random input key.
        context: what the derived key is for; separates domains.
        length: bytes wanted.
    """
    return HKDF(algorithm=SHA256(), length=length, salt=None, info=context.encode()).derive(key)


class KeyRing(Protocol):
    """Whatever holds the root keys: a file, a vault, a hardware module."""

    def wrap(self, plaintext: bytes, context: bytes) -> tuple[str, bytes]:
        """Encrypt a key; return the root key's id and the ciphertext."""
        ...

    def unwrap(self, root: str, ciphertext: bytes, context: bytes) -> bytes:
        """Decrypt a key.

        Raises:
            IntegrityError: if it was not wrapped by this root key for this context.
        """
        ...


class FileKeyRing:
    """Root keys in one file that only its owner may read (mode 0600), newest used for wrapping."""

    def __init__(self, keys: dict[str, bytes], current: str) -> None:
        self._keys = {name: AESGCM(key) for name, key in keys.items()}
        self._current = current

    @classmethod
    def open(cls, path: Path) -> FileKeyRing:
        """Open the ring, or make one with a fresh root key where there is none.

        Raises:
            InputError: if the file is no ring or others may read it.
        """
        if not path.exists():
            cls._write(path, {"r1": secrets.token_bytes(32)}, "r1")
        if path.stat().st_mode & 0o077:
            raise InputError("the key ring may be read by others", hint="chmod 600 the key ring file")
        try:
            document = json.loads(path.read_text())
            keys = {str(name): bytes.fromhex(value) for name, value in document["keys"].items()}
            return cls(keys, str(document["current"]))
        except (ValueError, KeyError, AttributeError, TypeError) as error:
            raise InputError("the key ring file is not readable", hint="restore it from its backup") from error

    @staticmethod
    def rotate(path: Path) -> str:
        """Add a fresh root key and make it current; older ones stay for unwrapping.

        Returns:
            The new root key's id.
        """
        document = json.loads(path.read_text())
        keys = {name: bytes.fromhex(value) for name, value in document["keys"].items()}
        name = f"r{len(keys) + 1}"
        FileKeyRing._write(path, {**keys, name: secrets.token_bytes(32)}, name)
        return name

    @staticmethod
    def _write(path: Path, keys: dict[str, bytes], current: str) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        draft = path.with_suffix(".new")
        handle = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(handle, "w") as file:
            json.dump({"current": current, "keys": {name: key.hex() for name, key in keys.items()}}, file)
            file.flush()
            os.fsync(file.fileno())
        draft.replace(path)

    def wrap(self, plaintext: bytes, context: bytes) -> tuple[str, bytes]:
        """Encrypt with the current root key (AES-256-GCM)."""
        nonce = secrets.token_bytes(_NONCE)
        return self._current, nonce + self._keys[self._current].encrypt(nonce, plaintext, context)

    def unwrap(self, root: str, ciphertext: bytes, context: bytes) -> bytes:
        """Decrypt with the root key that wrapped it."""
        try:
            return self._keys[root].decrypt(ciphertext[:_NONCE], ciphertext[_NONCE:], context)
        except (KeyError, InvalidTag) as error:
            raise IntegrityError("a key does not open with this key ring",
                                 hint="use the key ring that belongs to this key store") from error  # fmt: skip


class KeyStore:
    """All keys of all tenants, wrapped, in a SQLite file of their own; safe to use from many threads."""

    def __init__(self, path: Path, ring: KeyRing) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        if not path.exists():
            os.close(os.open(path, os.O_WRONLY | os.O_CREAT, 0o600))
        self._ring = ring
        self._lock = threading.RLock()
        self._cache: dict[tuple[str, str, str], bytes | None] = {}
        self._connection = sqlite3.connect(path, check_same_thread=False, isolation_level=None)
        self._connection.execute("PRAGMA journal_mode=WAL")
        self._connection.execute("PRAGMA synchronous=FULL")
        self._connection.execute("PRAGMA secure_delete=ON")
        self._connection.execute(
            "CREATE TABLE IF NOT EXISTS key (tenant TEXT NOT NULL, kind TEXT NOT NULL, ref TEXT NOT NULL,"
            " root TEXT NOT NULL, wrapped BLOB, PRIMARY KEY (tenant, kind, ref)) WITHOUT ROWID"
        )

    def close(self) -> None:
        """Close the file."""
        with self._lock:
            self._connection.close()

    def tenant_key(self, tenant: str) -> bytes:
        """Return the key of the shared details of the tenant's log, made on first use."""
        return self._get_or_make(tenant, "tenant", "", 32)

    def index_key(self, tenant: str) -> bytes:
        """Return the key that turns subjects' ids and identifiers into references."""
        return self._get_or_make(tenant, "index", "", 32)

    def recipient_key(self, tenant: str, recipient: str, version: int = 1) -> bytes:
        """Return the random key that a recipient's pseudonyms derive from."""
        return self._get_or_make(tenant, "recipient", f"{recipient}#{version}", 32)

    def log_signer(self, tenant: str) -> Ed25519PrivateKey:
        """Return the log's Ed25519 signing key."""
        return Ed25519PrivateKey.from_private_bytes(self._get_or_make(tenant, "log-signer", "", 32))

    def subject_key(self, tenant: str, ref: str) -> bytes | None:
        """Return a subject's key, or None if the subject is unknown or erased."""
        return self._get(tenant, "subject", ref)

    def surrogate(self, tenant: str, ref: str) -> bytes | None:
        """Return a subject's random 128-bit surrogate, or None if unknown or destroyed."""
        return self._get(tenant, "surrogate", ref)

    def create_subjects(self, tenant: str, refs: Iterable[str]) -> None:
        """Make key and surrogate for subjects that have none yet; one synced transaction.

        An erased subject is not made anew under the same reference: it stays without keys.

        Raises:
            FaultError: the disk did not take it.
        """
        with self._writing():
            for ref in refs:
                for kind, size in (("subject", 32), ("surrogate", 16)):
                    self._insert(tenant, kind, ref, secrets.token_bytes(size))

    def destroy_subject(self, tenant: str, ref: str, kinds: Sequence[str] = ("subject", "surrogate")) -> None:
        """Overwrite a subject's keys for good, in file and write-ahead log."""
        with self._lock:
            for kind in kinds:
                self._connection.execute(
                    "UPDATE key SET wrapped = NULL WHERE tenant = ? AND kind = ? AND ref = ?", (tenant, kind, ref)
                )
                self._cache.pop((tenant, kind, ref), None)
            self._connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
            self._connection.execute("VACUUM")
            self._connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")

    def seal(self, tenant: str, ref: str, plaintext: bytes, purpose: str) -> bytes:
        """Encrypt something of a subject's under the subject's key (AES-256-GCM).

        Raises:
            ConflictError: if the subject has no key (unknown or erased).
        """
        key = self.subject_key(tenant, ref)
        if key is None:
            raise ConflictError("this subject has no key", hint="register the subject; an erased one stays erased")
        nonce = secrets.token_bytes(_NONCE)
        sealed = AESGCM(derive(key, f"seal/{purpose}")).encrypt(nonce, plaintext, _bound(tenant, ref, purpose))
        return nonce + sealed

    def open(self, tenant: str, ref: str, sealed: bytes, purpose: str) -> bytes | None:
        """Decrypt what `seal` made, or None if the subject's key is gone.

        Raises:
            IntegrityError: if the bytes were changed or belong elsewhere.
        """
        key = self.subject_key(tenant, ref)
        if key is None:
            return None
        try:
            return AESGCM(derive(key, f"seal/{purpose}")).decrypt(
                sealed[:_NONCE], sealed[_NONCE:], _bound(tenant, ref, purpose)
            )
        except InvalidTag as error:
            raise IntegrityError("a sealed row does not open under its subject's key") from error

    def seal_shared(self, tenant: str, plaintext: bytes, purpose: str) -> bytes:
        """Encrypt something of the tenant's under the tenant's key."""
        nonce = secrets.token_bytes(_NONCE)
        cipher = AESGCM(derive(self.tenant_key(tenant), f"seal/{purpose}"))
        return nonce + cipher.encrypt(nonce, plaintext, _bound(tenant, "", purpose))

    def open_shared(self, tenant: str, sealed: bytes, purpose: str) -> bytes:
        """Decrypt what `seal_shared` made.

        Raises:
            IntegrityError: if the bytes were changed or belong elsewhere.
        """
        cipher = AESGCM(derive(self.tenant_key(tenant), f"seal/{purpose}"))
        try:
            return cipher.decrypt(sealed[:_NONCE], sealed[_NONCE:], _bound(tenant, "", purpose))
        except InvalidTag as error:
            raise IntegrityError("a sealed row does not open under its tenant's key") from error

    def _get(self, tenant: str, kind: str, ref: str) -> bytes | None:
        where = (tenant, kind, ref)
        cached = self._cache.get(where)
        if cached is not None:
            return cached
        with self._lock:
            row = self._connection.execute(
                "SELECT root, wrapped FROM key WHERE tenant = ? AND kind = ? AND ref = ?", where
            ).fetchone()
            if row is None or row[1] is None:
                return None
            key = self._ring.unwrap(row[0], row[1], _bound(*where))
            if len(self._cache) >= _CACHE_LIMIT:
                self._cache.clear()
            self._cache[where] = key
            return key

    def _get_or_make(self, tenant: str, kind: str, ref: str, size: int) -> bytes:
        key = self._get(tenant, kind, ref)
        if key is not None:
            return key
        with self._writing():
            self._insert(tenant, kind, ref, secrets.token_bytes(size))
        made = self._get(tenant, kind, ref)
        if made is None:
            raise ConflictError("this key was destroyed", hint="a destroyed key is not made anew")
        return made

    @contextmanager
    def _writing(self) -> Iterator[None]:
        """Hold one transaction; whatever fails, nothing of it stays.

        Raises:
            FaultError: the disk did not take it.
        """
        with self._lock:
            try:
                self._connection.execute("BEGIN IMMEDIATE")
                yield
                self._connection.execute("COMMIT")
            except BaseException as error:
                if self._connection.in_transaction:  # SQLite may have rolled back by itself
                    self._connection.execute("ROLLBACK")
                if isinstance(error, sqlite3.Error):
                    raise FaultError("the key store could not be written; nothing was done",
                                     hint="is the disk full?") from error  # fmt: skip
                raise

    def _insert(self, tenant: str, kind: str, ref: str, key: bytes) -> None:
        root, wrapped = self._ring.wrap(key, _bound(tenant, kind, ref))
        self._connection.execute(
            "INSERT INTO key (tenant, kind, ref, root, wrapped) VALUES (?, ?, ?, ?, ?) ON CONFLICT DO NOTHING",
            (tenant, kind, ref, root, wrapped),
        )


def _bound(*parts: str) -> bytes:
    """Join parts so that no two different tuples give the same bytes."""
    return json.dumps(parts, separators=(",", ":")).encode()
