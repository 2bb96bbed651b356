"""What the use cases need of the outside: the log, and the house that holds everything together.

The log is known only by this protocol; `governance.bootstrap` puts the real one behind it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Generic, Protocol, TypeVar

from sqlalchemy import Connection, Engine

from governance.access import AccessTable
from governance.core.rules import PolicySet
from governance.deidentify.plan import Plan
from governance.keys import KeyStore
from governance.settings import Settings

__all__ = ["Draft", "House", "Kind", "Log", "Policies", "Receipt"]

T = TypeVar("T")


class Kind(StrEnum):
    """The closed vocabulary of entries that the use cases write."""

    DECISION = "decision"
    GRANT = "grant"
    GRANT_CLOSED = "grant-closed"
    RELEASE = "release"
    CONSENT = "consent-recorded"
    WITHDRAWAL = "consent-withdrawn"
    REGISTERED = "register-changed"
    SUBJECTS = "subjects-registered"
    EVIDENCE_SUBMITTED = "evidence-submitted"
    EVIDENCE_VERIFIED = "evidence-verified"
    EVIDENCE_REVOKED = "evidence-revoked"
    POLICY_ACTIVATED = "policy-activated"
    KEY_MADE = "key-made"
    REVIEW_CLOSED = "review-closed"
    EXPORTED = "log-exported"
    READ = "log-read"
    FAILURE = "failure"


@dataclass(frozen=True, slots=True, kw_only=True)
class Draft(Generic[T]):
    """An entry to be.

    Attributes:
        kind: what happened.
        tenant: whose log.
        policy: digest of the policies in force, where they mattered.
        shared: details for the tenant's officer, made from what the work returned; encrypted.
        subjects: subject reference to the details of that subject's line; encrypted under the subject's key.
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


@dataclass(frozen=True, slots=True, kw_only=True)
class Policies:
    """The active set and the de-identification plans that go with it."""

    policies: PolicySet
    plans: Mapping[str, Plan]


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
