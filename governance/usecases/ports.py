"""What the use cases need of the outside: the log, and the house that holds everything together.

The log is known only by this protocol; `governance.bootstrap` puts the real one behind it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from pathlib import Path
from typing import Generic, Protocol, TypeVar

from sqlalchemy import Connection, Engine

from governance.access import AccessTable
from governance.core.rules import PolicySet
from governance.deidentify.plan import Plan
from governance.deidentify.records import Categories
from governance.keys import KeyStore
from governance.settings import Settings

__all__ = ["Draft", "House", "Kind", "Log", "Policies", "Receipt"]

T = TypeVar("T")


class Kind(StrEnum):
    """What an entry may be about; the log's own closed vocabulary."""

    DECISION = "decision"
    GRANT = "grant"
    OUTCOME = "outcome"
    RELEASE = "release"
    REVIEW = "review"
    CONSENT = "consent"
    WITHDRAWAL = "withdrawal"
    SUBJECT = "subject"
    REGISTER = "register"
    EVIDENCE = "evidence"
    POLICY = "policy"
    KEY = "key"
    SEARCH = "search"
    EXPORT = "export"
    FAILURE = "failure"


@dataclass(frozen=True, slots=True, kw_only=True)
class Draft(Generic[T]):
    """An entry to be.

    Attributes:
        kind: what happened.
        tenant: whose log.
        policy: digest of the policies in force, where they mattered.
        shared: details for the tenant's officer, made from what the work returned; encrypted. Nothing that is
            about one patient: erasing a patient destroys only the patient's own key.
        subjects: reference of everybody the entry concerns, whatever the verdict, to that person's own line;
            encrypted under that person's key. People without a key are left out.
    """

    kind: Kind
    tenant: str
    shared: Callable[[T], Mapping[str, object]]
    subjects: Callable[[T], Mapping[str, Mapping[str, object]]] = field(default=lambda _: {})
    policy: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Receipt:
    """Proof that an entry is in the log: its index and a ``.tlog-proof`` text (C2SP)."""

    index: int
    proof: str


class Log(Protocol):
    """The audit log: work and entry in one transaction, durable before this returns."""

    def record(self, draft: Draft[T], work: Callable[[Connection], T]) -> tuple[T, Receipt]:
        """Run the work and append its entry in one commit.

        Raises:
            UnknownOutcomeError: the commit failed; nobody knows whether it took effect.
            Exception: whatever the work raised; nothing was written then.
        """
        ...

    def size(self, tenant: str) -> int:
        """Return how many entries the tenant's log has."""
        ...

    def checkpoint(self, tenant: str) -> str | None:
        """Return the latest signed checkpoint, or None for an empty log."""
        ...

    def details(self, tenant: str, index: int) -> Mapping[str, object]:
        """Return the decrypted shared details of an entry.

        Raises:
            IntegrityError: they are not what was logged.
            NotFoundError: there is no such entry.
        """
        ...

    def account(self, tenant: str, ref: str) -> Sequence[Mapping[str, object]]:
        """Return everything logged about one patient, oldest first; empty if the patient has no key."""
        ...

    def receipt(self, tenant: str, index: int) -> Receipt:
        """Return the proof that an entry is in the log as it stands now."""
        ...

    def export(self, tenant: str, folder: Path) -> int:
        """Bring a served folder up to the latest checkpoint; return its size."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Policies:
    """The active set, the de-identification plans that go with it, and what codes say about categories."""

    policies: PolicySet
    plans: Mapping[str, Plan]
    categories: Categories


@dataclass(frozen=True, slots=True, kw_only=True)
class House:
    """Everything a use case may reach, composed once by `governance.bootstrap`.

    Attributes:
        current: returns the active policies; one attribute read.
        clock: returns now, aware, UTC.
    """

    settings: Settings
    engine: Engine
    log: Log
    keys: KeyStore
    access: AccessTable
    current: Callable[[], Policies]
    clock: Callable[[], datetime]
