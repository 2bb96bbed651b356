"""What may have changed between a decision and the commit that acts on it, checked again inside that commit.

Consents and the ledger have their own checks (`governance.store.consents`, `governance.store.ledger`); this one
is for evidence: a document that was revoked meanwhile no longer carries a permit.
"""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import Connection, func, select

from governance.core.evidence import EvidenceItem, EvidenceState
from governance.errors import ConflictError
from governance.store.tables import evidence

__all__ = ["recheck_evidence"]

_CHUNK = 500


def recheck_evidence(connection: Connection, *, tenant: str, items: Sequence[EvidenceItem]) -> None:
    """Refuse to go on if a document that the decision could rest on is no longer verified.

    Args:
        connection: the writer's connection, in the transaction that hands out.
        tenant: whose register.
        items: the evidence that was gathered for the decision.

    Raises:
        ConflictError: if one was revoked since; decide again.
    """
    ids = [item.id for item in items]
    standing = sum(
        connection.scalar(
            select(func.count()).where(
                evidence.c.tenant == tenant, evidence.c.id.in_(ids[start : start + _CHUNK]),
                evidence.c.state == EvidenceState.VERIFIED.value,
            )
        ) or 0
        for start in range(0, len(ids), _CHUNK)
    )  # fmt: skip
    if standing != len(ids):
        raise ConflictError("a document on file was revoked after the decision; nothing was handed out",
                            hint="decide again")  # fmt: skip
