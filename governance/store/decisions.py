"""Decisions, grants and releases on file; contents sealed under the tenant's key.

Every function takes a connection inside somebody's transaction and never commits.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime

import orjson
from sqlalchemy import Connection, insert, select, update

from governance.errors import ConflictError, NotFoundError
from governance.store.tables import decisions, grants, idempotency, releases, reviews

__all__ = [
    "SEALED_DECISION", "StoredDecision", "decision_by_id", "decision_by_key", "digest_of", "grant_by_id",
    "insert_decision", "insert_grant", "insert_release", "open_reviews", "set_receipt",
]  # fmt: skip

SEALED_DECISION = "decisions"
"""Purpose of sealing: the name of the table."""

Seal = Callable[[bytes], bytes]
Open = Callable[[bytes], bytes]


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredDecision:
    """One decision as it was recorded.

    Attributes:
        content: canonical JSON object: request, ruling, user, view.
    """

    id: str
    effect: str
    policy: str
    at: datetime
    request_digest: str
    content: dict[str, object]
    receipt_index: int | None


def digest_of(document: object) -> str:
    """Return ``sha256:`` and the hash of a document's canonical JSON."""
    return "sha256:" + hashlib.sha256(orjson.dumps(document, option=orjson.OPT_SORT_KEYS)).hexdigest()


def insert_decision(connection: Connection, *, tenant: str, decision: StoredDecision, seal: Seal,
                    key: str | None) -> None:  # fmt: skip
    """Write a decision and, with an idempotency key, remember what the key was used for.

    Raises:
        ConflictError: if the key was used meanwhile.
    """
    sealed = seal(orjson.dumps(decision.content, option=orjson.OPT_SORT_KEYS))
    if key is not None:
        used = select(idempotency.c.key).where(idempotency.c.tenant == tenant, idempotency.c.key == key)
        if connection.execute(used).first() is not None:
            raise ConflictError("this idempotency key was used meanwhile", hint="send the same request once more")
        connection.execute(insert(idempotency).values(
            tenant=tenant, key=key, request_digest=decision.request_digest, at=decision.at,
            sealed=seal(decision.id.encode()),
        ))  # fmt: skip
    connection.execute(insert(decisions).values(
        tenant=tenant, id=decision.id, request_digest=decision.request_digest, sealed=sealed, effect=decision.effect,
        policy=decision.policy, at=decision.at, receipt_index=None, idempotency_key=key,
    ))  # fmt: skip


def set_receipt(connection: Connection, *, tenant: str, decision: str, index: int) -> None:
    """Note which entry of the log a decision is."""
    where = (decisions.c.tenant == tenant, decisions.c.id == decision)
    connection.execute(update(decisions).where(*where).values(receipt_index=index))


def decision_by_id(connection: Connection, *, tenant: str, decision: str, unseal: Open) -> StoredDecision:
    """Read one decision.

    Raises:
        NotFoundError: if the tenant has none of this id.
    """
    row = connection.execute(
        select(decisions).where(decisions.c.tenant == tenant, decisions.c.id == decision)
    ).first()
    if row is None:
        raise NotFoundError("no such decision", where="decision")
    return StoredDecision(
        id=row.id, effect=row.effect, policy=row.policy, at=row.at, request_digest=row.request_digest,
        content=orjson.loads(unseal(row.sealed)), receipt_index=row.receipt_index,
    )  # fmt: skip


def decision_by_key(connection: Connection, *, tenant: str, key: str, digest: str, unseal: Open) -> str | None:
    """Return the id of the decision that an idempotency key was used for, or None.

    Raises:
        ConflictError: if the key was used for another request.
    """
    row = connection.execute(
        select(idempotency).where(idempotency.c.tenant == tenant, idempotency.c.key == key)
    ).first()
    if row is None:
        return None
    if row.request_digest != digest:
        raise ConflictError("this idempotency key was used for another request", where="Idempotency-Key",
                            hint="use a fresh key for a new request")  # fmt: skip
    return unseal(row.sealed).decode()


def open_reviews(connection: Connection, *, tenant: str, decision: str, rules: Sequence[str], at: datetime) -> None:
    """Open one review for each rule that wants a person."""
    for number, rule in enumerate(rules, start=1):
        connection.execute(insert(reviews).values(
            tenant=tenant, id=f"{decision}-r{number}", decision=decision, rule=rule, state="open", opened=at,
        ))  # fmt: skip


def insert_grant(connection: Connection, *, tenant: str, id: str, decision: str, recipient: str | None,  # noqa: A002
                 profile: str, policy: str, issued: datetime, lapses: datetime) -> None:  # fmt: skip
    """Write a grant; it counts as sent until its outcome says otherwise."""
    connection.execute(insert(grants).values(
        tenant=tenant, id=id, decision=decision, recipient=recipient, profile=profile, policy=policy,
        issued=issued, lapses=lapses,
    ))  # fmt: skip


def grant_by_id(connection: Connection, *, tenant: str, decision: str) -> tuple[str, datetime, datetime | None]:
    """Return id, lapse and closing time of a decision's grant.

    Raises:
        NotFoundError: if the decision has no grant.
    """
    row = connection.execute(select(grants).where(grants.c.tenant == tenant, grants.c.decision == decision)).first()
    if row is None:
        raise NotFoundError("this decision has no grant", where="decision", hint='ask with `"carry": "self"`')
    return row.id, row.lapses, row.closed


def insert_release(connection: Connection, *, tenant: str, id: str, decision: str, manifest_digest: str,  # noqa: A002
                   at: datetime) -> None:  # fmt: skip
    """Write a release by the digest of its manifest."""
    connection.execute(insert(releases).values(
        tenant=tenant, id=id, decision=decision, manifest_digest=manifest_digest, state="released", at=at,
    ))  # fmt: skip
