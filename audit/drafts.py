"""What goes into the writer and what comes out: drafts, keys and receipts."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Generic, Protocol, TypeAlias, TypeVar

from audit.note import LogSigner
from audit.proof import Proof

__all__ = ["Draft", "Lines", "LogKeys", "Receipt"]

T = TypeVar("T")
Lines: TypeAlias = Mapping[str, object]
"""Details in the profile of `audit.canonical`: strings, integers, true, false, null, arrays, objects."""


class LogKeys(Protocol):
    """Where the writer gets its keys; every key is 32 random bytes, synced to disk before it is handed out."""

    def signer(self, tenant: str) -> LogSigner:
        """Return the tenant's signing key, named with the log's origin."""
        ...

    def tenant_key(self, tenant: str) -> bytes:
        """Return the key of the tenant's shared details."""
        ...

    def subject_key(self, tenant: str, subject: str) -> bytes | None:
        """Return a subject's key, or None if the subject is erased or unknown."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Draft(Generic[T]):
    """What to record once the work has been done.

    Attributes:
        kind: one of `audit.entry.Kind`; stands only in the encrypted details.
        tenant: whose log.
        policy: ``sha256:...`` of the policy set in force; None repeats the one last named in this log. Decisions,
            grants and releases must name it.
        shared: details for the officer, under the tenant's key. **Nothing that is about one patient** belongs
            here: erasing destroys only the patient's own key.
        subjects: subject to that subject's own lines, under the subject's key. Name everybody the entry concerns,
            whatever the verdict: a permit and a denial must have the same people, or the effect shows.
        digests: name to bytes of which the details keep a salted digest (a request, a manifest).

    ``shared`` and ``subjects`` may be functions of what the work returned.
    """

    kind: str
    tenant: str
    policy: str | None = None
    shared: Lines | Callable[[T], Lines] = field(default_factory=dict)
    subjects: Mapping[str, Lines] | Callable[[T], Mapping[str, Lines]] = field(default_factory=dict)
    digests: Mapping[str, bytes] | Callable[[T], Mapping[str, bytes]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Receipt:
    """The promise that an entry is in the log, kept: made only after the commit.

    Attributes:
        index: number of the entry in its log, from 0.
        size: size of the tree that the checkpoint signs.
        entry: canonical bytes of the entry.
        hash: leaf hash of the entry (32 bytes).
        path: inclusion proof, sibling of the leaf first.
        checkpoint: signed checkpoint of that size.
    """

    index: int
    size: int
    entry: bytes
    hash: bytes
    path: tuple[bytes, ...]
    checkpoint: str

    @property
    def proof(self) -> str:
        """Return the text of a ``.tlog-proof`` file, which `python -m audit verify-receipt` checks."""
        proof = Proof(index=self.index, path=self.path, checkpoint=self.checkpoint, entry=self.entry)
        return proof.to_text()
