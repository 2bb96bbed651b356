"""Everything known about a request at one instant, read once.

Guarantees: facts come from the register, the patients' sealed records, their consents and the ledger; what a
caller says counts only as `governance.store.claims` lets it. What is not known is left out, which is unknown.
A patient who is not registered is a patient without facts: no error tells the two apart. All reads happen on
one connection, so that they see one snapshot.

Example:
    >>> gathered = facts_for(connection, request, policies, tenant="clinic", at=now, sealer=keys,
    ...                      index_key=key)                                             # doctest: +SKIP
    >>> decide(policies, gathered.question, gathered.facts, now)                        # doctest: +SKIP
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, select

from governance.core.evidence import EvidenceItem, EvidenceState
from governance.core.facts import Holder, Value, Vocabulary
from governance.core.request import Facts, LegFacts, Question, SubjectClass
from governance.core.rules import PolicySet
from governance.store.classes import subject_classes
from governance.store.consents import consent_version
from governance.store.counters import Counter, LedgerReading, counters_for
from governance.store.reading import RequestReader
from governance.store.reads import Reads, reads_of
from governance.store.requests import RequestDocument
from governance.store.sealing import Sealer, person_hash
from governance.store.tables import evidence
from governance.store.values import fact_of

__all__ = ["Gathered", "facts_for"]

OWN_PAPERS = frozenset({"review-finding", "equivalent-tool"})
"""Evidence that the engine and the use cases look for, whatever the packs read."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Gathered:
    """The inputs of `decide`, and what a later release or grant has to check again.

    Attributes:
        refs: references of everybody asked about, sorted; empty for a mere count.
        notes: statements that go with the ruling, sorted.
        recipients: register id of each leg's recipient, None where it is not registered.
        counters: what was counted in the ledger, to be counted again when people are reserved.
        consent_version: the consent log as it was read, for `governance.store.consents.recheck_consents`.
        stored_request: the request without patients' ids and facts, as it may be kept and logged.
        dry_run: rests on claims; never to be released or granted.
    """

    question: Question
    facts: Facts
    refs: tuple[str, ...]
    notes: tuple[str, ...]
    recipients: tuple[str | None, ...]
    counters: tuple[Counter, ...]
    consent_version: int
    stored_request: dict[str, Any]
    dry_run: bool


def facts_for(
    connection: Connection,
    request: RequestDocument,
    policies: PolicySet,
    *,
    tenant: str,
    at: datetime,
    sealer: Sealer,
    index_key: bytes,
    known_at: datetime | None = None,
    only: Collection[str] | None = None,
) -> Gathered:
    """Gather everything known about a request.

    Args:
        connection: one snapshot is read; nothing is written.
        request: as `governance.store.requests.parse_request` returned it.
        policies: the policies in force; they say what is worth reading.
        tenant: whose register.
        at: instant of the decision, aware, UTC.
        sealer: opens patients' facts and consents.
        index_key: the tenant's index key.
        known_at: consents recorded later do not count (replays); by default `at`.
        only: references that the request's people are narrowed to (those whose records are at hand).

    Raises:
        InputError: if the request names what is not registered, or contradicts the register; all at once.
    """
    vocabulary, reads = policies.vocabulary, reads_of(policies)
    reader = RequestReader(connection, request, vocabulary, tenant)
    version = consent_version(connection, tenant)
    shared, legs, parts = reader.shared(), reader.legs(), reader.parts()
    refs, said = reader.refs(index_key), reader.said_of_subjects()
    reader.refuse_faults()
    if only is not None:
        refs = tuple(ref for ref in refs if ref in only)
    legs = [leg | reader.book.ownership(policies, party) for leg, party in zip(legs, reader.recipients, strict=True)]
    cells = [{**shared, **leg} for leg in legs]
    items = _evidence(connection, tenant, reads, cells)
    ledger = counters_for(connection, policies, cells, items, tenant=tenant, at=at)
    if request.subjects.count is not None:
        classes: tuple[SubjectClass, ...] = (SubjectClass(facts=said, size=request.subjects.count),)
    else:
        classes = subject_classes(connection, refs, tenant=tenant, vocabulary=vocabulary, read=reads.facts, at=at,
                                  sealer=sealer, said=said, known_at=known_at)  # fmt: skip
    question = Question(
        profiles=tuple(dict.fromkeys(request.profiles)), withhold_subjects=request.withhold.subjects,
        withhold_parts=request.withhold.parts, cannot=frozenset(request.cannot),
    )  # fmt: skip
    facts = Facts(
        shared=shared, parts=parts, evidence=items, classes=_counted_before(classes, ledger, tenant, index_key),
        legs=tuple(LegFacts(facts=leg, counted=counted) for leg, counted in zip(legs, ledger.counted, strict=True)),
    )  # fmt: skip
    return Gathered(
        question=question, facts=facts, refs=refs, notes=tuple(sorted(reader.claims.notes)), dry_run=request.dry_run,
        recipients=tuple(None if p is None or not p.registered else p.id for p in reader.recipients),
        counters=ledger.counters, consent_version=version, stored_request=_stored(request, vocabulary),
    )  # fmt: skip


_COMPARED = {
    "exporter": "exporter.id", "recipient": "recipient.id", "dataset": "dataset", "project": "project",
    "exporter-group": "exporter.group", "recipient-group": "recipient.group",
}  # fmt: skip
"""Match keys whose value is an id of the request (docs/semantics.md, section 2)."""


def _evidence(
    connection: Connection, tenant: str, reads: Reads, cells: Sequence[Mapping[str, Value]]
) -> tuple[EvidenceItem, ...]:
    """Return the verified evidence that could fit one of the legs, by id."""
    rows = connection.execute(
        select(evidence)
        .where(evidence.c.tenant == tenant, evidence.c.state == EvidenceState.VERIFIED.value,
               evidence.c.type.in_(reads.evidence | OWN_PAPERS))
        .order_by(evidence.c.id)
    )  # fmt: skip
    items = (
        EvidenceItem(
            id=row.id, type=row.type, state=EvidenceState(row.state), issued_on=row.issued_on,
            scope={key: frozenset(values) for key, values in row.scope.items()},
            valid_from=row.valid_from, valid_until=row.valid_until, outcome=row.outcome, properties=row.properties,
        )
        for row in rows
    )  # fmt: skip
    return tuple(item for item in items if any(_could_fit(item, cell) for cell in cells))


def _could_fit(item: EvidenceItem, cell: Mapping[str, Value]) -> bool:
    return all(
        cell.get(fact) is None or cell[fact] in item.scope[key]
        for key, fact in _COMPARED.items() if key in item.scope
    )  # fmt: skip


def _counted_before(
    classes: tuple[SubjectClass, ...], ledger: LedgerReading, tenant: str, index_key: bytes
) -> tuple[SubjectClass, ...]:
    """Note, for each class, how many of its members the ledger counts already."""
    if not any(ledger.people.values()):
        return classes
    noted = []
    for one in classes:
        marks = {person_hash(index_key, tenant, ref) for ref in one.members}
        before = {place: len(marks & people) for place, people in ledger.people.items()}
        noted.append(replace(one, counted_before={place: n for place, n in before.items() if n}))
    return tuple(noted)


def _stored(request: RequestDocument, vocabulary: Vocabulary) -> dict[str, Any]:
    """Return the request without what is about single patients: their ids, and facts said of them."""
    document = request.document()
    if request.subjects.ids is not None:
        document["subjects"] = {"people": len(request.subjects.ids)}
    kept = {}
    for key, value in request.facts.items():
        definition = fact_of(vocabulary, key)
        if definition is not None and definition.of is not Holder.SUBJECT:
            kept[key] = value
    left_out = sorted(set(request.facts) - set(kept))
    document.pop("facts", None)
    return document | ({"facts": kept} if kept else {}) | ({"facts_of_patients": left_out} if left_out else {})
