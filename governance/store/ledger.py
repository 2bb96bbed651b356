"""The ledger: people counted for a measure, reserved in the same transaction as the release or grant.

Guarantees: a reservation counts again what the decision was based on and refuses if it moved; people are
written only as keyed hashes; what was reserved counts until its grant says that nothing was sent, and a grant
that lapsed unclosed stays counted.

Example:
    >>> reserve(connection, tenant="clinic", gathered=gathered, ruling=ruling, source="r-1", at=now,
    ...         policies=policies, index_key=key, state="sent")                          # doctest: +SKIP
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from sqlalchemy import Connection, insert, select, update

from governance.core.docket import Docket
from governance.core.engine import engine_for
from governance.core.formula import value
from governance.core.rules import PolicySet
from governance.core.ruling import Effect, Ruling
from governance.core.truth import Truth
from governance.errors import ConflictError, IntegrityError, NotFoundError
from governance.store.counters import COUNTING, Counter, people_held
from governance.store.facts import Gathered
from governance.store.sealing import person_hash
from governance.store.tables import grants, ledger

__all__ = ["LapsedGrant", "close_grant", "lapsed_grants", "people_counted", "reserve"]

_CHUNK = 1_000


def reserve(
    connection: Connection, *, tenant: str, gathered: Gathered, ruling: Ruling, source: str, at: datetime,
    policies: PolicySet, index_key: bytes, state: Literal["reserved", "sent"] = "reserved",
) -> int:
    """Count the people of a permit, inside the transaction that hands out or grants.

    Args:
        connection: the writer's connection.
        tenant: whose ledger.
        gathered: what the decision was based on.
        ruling: the permit.
        source: id of the release or grant.
        at: instant at which they count.
        policies: the policies of the ruling.
        index_key: the tenant's index key.
        state: ``reserved`` for a grant, ``sent`` for a release of ours.

    Returns:
        How many rows were written.

    Raises:
        ConflictError: if the ledger moved since the decision; decide again.
        IntegrityError: if this is no permit of these facts, or rests on claims.
    """
    if ruling.effect is not Effect.PERMIT or ruling.policy != policies.digest or gathered.dry_run:
        raise IntegrityError("only a permit under the policies in force, resting on the register, reserves people")
    held = people_held(connection, gathered.counters, tenant)
    for counter, people in zip(gathered.counters, held, strict=True):
        if len(people) != counter.people:
            raise ConflictError("the ledger moved since the decision; nothing was handed out", hint="decide again")
    counters = {(counter.leg, counter.measure): counter for counter in gathered.counters}
    written = 0
    for place, refs in people_counted(policies, gathered, ruling).items():
        named = counters.get(place)
        if named is None:
            continue  # a counter that cannot be named: whatever law reads it found [0, infinity) and did not permit
        rows = [{**_row(named, tenant, source, at, state), "person": person_hash(index_key, tenant, ref)}
                for ref in sorted(refs)]  # fmt: skip
        for start in range(0, len(rows), _CHUNK):
            connection.execute(insert(ledger), rows[start : start + _CHUNK])
        written += len(rows)
    return written


def people_counted(policies: PolicySet, gathered: Gathered, ruling: Ruling) -> dict[tuple[int, str], frozenset[str]]:
    """Return, for each leg and measure, the people whom a permit counts there.

    Everybody whose going data are, or could be, within the measure: an unknown counts.
    """
    engine = engine_for(policies)
    docket = Docket(engine, gathered.question, gathered.facts, ruling.at)
    facts = gathered.facts
    going = {allowed.subject_class: frozenset(allowed.parts) for allowed in ruling.allowed}
    found: dict[tuple[int, str], set[str]] = {}
    cells = docket.cells(policies.profiles[ruling.profile or ""], [leg.counted for leg in facts.legs])
    for (people, part, leg), cell in cells if engine.within else ():
        if facts.parts[part].id in going.get(people, ()):
            for key, within in engine.within.items():
                if value(within, cell) is not Truth.FALSE:
                    found.setdefault((leg, key), set()).update(facts.classes[people].members)
    return {place: frozenset(refs) for place, refs in found.items() if refs}


def _row(counter: Counter, tenant: str, source: str, at: datetime, state: str) -> dict[str, object]:
    return {
        "tenant": tenant, "measure": counter.measure, "others": counter.others, "exporter": counter.exporter,
        "exporter_group": counter.exporter_group, "recipient": counter.recipient,
        "recipient_group": counter.recipient_group, "at": at, "source": source, "state": state,
    }  # fmt: skip


def close_grant(connection: Connection, *, tenant: str, grant: str, sent: bool, at: datetime) -> None:
    """Close a grant by its outcome.

    Args:
        connection: the writer's connection.
        tenant: tenant id.
        grant: grant id.
        sent: whether anything was sent; if not, its people are taken out of the ledger, unless it lapsed before.
        at: instant of the report.

    Raises:
        NotFoundError: if there is no such grant.
        ConflictError: if it is closed already, or a lapsed one is said not to have been used.
    """
    where = (grants.c.tenant == tenant, grants.c.id == grant)
    row = connection.execute(select(grants.c.closed, grants.c.lapses).where(*where)).first()
    if row is None:
        raise NotFoundError("there is no such grant", where="grant")
    if row.closed is not None:
        raise ConflictError("this grant is closed already", where="grant")
    late = at > row.lapses
    if late and not sent:
        raise ConflictError("this grant lapsed unclosed and counts as sent", where="grant",
                            hint="tell the compliance officer")  # fmt: skip
    outcome = ("sent-late" if late else "sent") if sent else "not-sent"
    done = connection.execute(
        update(grants).where(*where, grants.c.closed.is_(None)).values(closed=at, outcome=outcome)
    )
    if done.rowcount != 1:
        raise ConflictError("this grant was closed in the meantime", where="grant")
    connection.execute(
        update(ledger)
        .where(ledger.c.tenant == tenant, ledger.c.source == grant, ledger.c.state.in_(COUNTING))
        .values(state="sent" if sent else "released")
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class LapsedGrant:
    """A grant that nobody closed in time: it counts as sent, and the officer has to look at it."""

    id: str
    decision: str
    recipient: str | None
    lapsed: datetime


def lapsed_grants(connection: Connection, *, tenant: str, at: datetime) -> tuple[LapsedGrant, ...]:
    """Return a tenant's grants that lapsed unclosed, longest ago first."""
    rows = connection.execute(
        select(grants.c.id, grants.c.decision, grants.c.recipient, grants.c.lapses)
        .where(grants.c.tenant == tenant, grants.c.closed.is_(None), grants.c.lapses < at)
        .order_by(grants.c.lapses, grants.c.id)
    )
    return tuple(LapsedGrant(id=r.id, decision=r.decision, recipient=r.recipient, lapsed=r.lapses) for r in rows)
