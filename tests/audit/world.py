"""A small world for the log's tests: keys in memory, a clock that stands still, a database in a folder."""

from __future__ import annotations

import hashlib
from datetime import UTC, datetime
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from sqlalchemy import Connection, Engine, create_engine, text

from audit.drafts import Draft
from audit.export import export
from audit.note import LogSigner, Verifier
from audit.tables import metadata
from audit.writer import Writer

TENANT = "clinic"
ORIGIN = "example.org/clinic"
POLICY = "sha256:" + "ab" * 32
NOW = datetime(2026, 11, 22, 19, 45, tzinfo=UTC)


class MemoryKeys:
    """Keys derived from names; a subject can be erased."""

    def __init__(self) -> None:
        self.erased: set[str] = set()
        self.signing = Ed25519PrivateKey.from_private_bytes(bytes(range(64, 96)))

    def signer(self, tenant: str) -> LogSigner:
        return LogSigner(f"example.org/{tenant}", self.signing)

    def tenant_key(self, tenant: str) -> bytes:
        return hashlib.sha256(b"tenant " + tenant.encode()).digest()

    def subject_key(self, tenant: str, subject: str) -> bytes | None:
        if subject in self.erased or subject.startswith("unknown"):
            return None
        return hashlib.sha256(f"subject {tenant} {subject}".encode()).digest()


class World:
    """A folder with database, guard and served log."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.database = folder / "house.db"
        self.served = folder / "log"
        self.guard = folder / "guard"
        self.keys = MemoryKeys()
        self.engine = self.new_engine()
        metadata.create_all(self.engine)
        with self.engine.begin() as connection:
            connection.execute(text("CREATE TABLE IF NOT EXISTS business (n INTEGER PRIMARY KEY, note TEXT)"))

    def new_engine(self) -> Engine:
        return create_engine(f"sqlite:///{self.database}")

    def writer(self, **options: object) -> Writer:
        settings = {"clock": lambda: NOW, "guard": self.guard} | options
        return Writer(self.engine, self.keys, **settings)  # type: ignore[arg-type]

    @property
    def verifiers(self) -> list[Verifier]:
        return [self.keys.signer(TENANT).verifier]

    def export(self) -> int:
        return export(self.engine, TENANT, self.verifiers, self.served)

    def business(self) -> list[int]:
        with self.engine.connect() as connection:
            return list(connection.execute(text("SELECT n FROM business ORDER BY n")).scalars())


def draft(number: int = 0, subjects: int = 1, kind: str = "decision", tenant: str = TENANT) -> Draft[int]:
    """Return a draft whose subjects are taken in turn from ten people."""
    people = {f"patient-{(number + n) % max(10, subjects)}": {"state": "given"} for n in range(subjects)}
    return Draft(
        kind=kind, tenant=tenant, policy=POLICY, shared=lambda result: {"effect": "permit", "n": result}, subjects=people,
        digests={"request": b"{}"},
    )  # fmt: skip


def insert_business(number: int, note: str = "") -> object:
    """Return work that inserts a row and returns its number."""

    def work(connection: Connection) -> int:
        connection.execute(text("INSERT INTO business VALUES (:n, :note)"), {"n": number, "note": note})
        return number

    return work


def fill(world: World, entries: int, *, every: int = 7, several: int = 3) -> None:
    """Log some entries, each ``every``-th about several people."""
    with world.writer() as writer:
        waiting = [
            writer.submit(draft(n, subjects=several if n % every == every - 1 else 1), insert_business(n))
            for n in range(entries)
        ]
        for future in waiting:
            future.result()
