"""The register: parties, projects, data sets, flows, evidence and patients, as checked documents.

Guarantees: every fault of a file is reported at once and nothing of it is written; registering the same
content again changes nothing; other content under a known id is a conflict unless a replacement is asked for.
Evidence counts only when verified by somebody else than who submitted it. Patients are stored by keyed
reference with sealed facts. Every function that writes takes the writer's connection and never commits.

Example:
    >>> register_parties(connection, documents, vocabulary, tenant="clinic")    # doctest: +SKIP
    Registered(added=12, replaced=0, unchanged=0)
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Table, and_, delete, insert, select, update

from governance.core.facts import Vocabulary
from governance.errors import AccessDeniedError, ConflictError, Diagnostic, InputError, NotFoundError
from governance.store.documents import (
    DatasetDocument,
    EvidenceDocument,
    FlowDocument,
    PartyDocument,
    ProjectDocument,
    read_documents,
)  # fmt: skip
from governance.store.sealing import subject_ref
from governance.store.tables import (
    cohort_members,
    cohorts,
    datasets,
    evidence,
    flows,
    parties,
    parts,
    projects,
    tenants,
)  # fmt: skip
from governance.store.values import suggestion

__all__ = [
    "Registered",
    "add_tenant",
    "other_content",
    "register_datasets",
    "register_flows",
    "register_parties",
    "register_projects",
    "registered_ids",
    "revoke_evidence",
    "submit_evidence",
    "tenant_ids",
    "verify_evidence",
]  # fmt: skip

_Documents = Sequence[Mapping[str, Any]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Registered:
    """How many documents were new, replaced, or already there with the same content."""

    added: int = 0
    replaced: int = 0
    unchanged: int = 0


def add_tenant(connection: Connection, tenant: str, *, at: datetime) -> bool:
    """Add a tenant; return whether it is new."""
    if connection.scalar(select(tenants.c.id).where(tenants.c.id == tenant)) is not None:
        return False
    connection.execute(insert(tenants).values(id=tenant, made=at))
    return True


def tenant_ids(connection: Connection) -> tuple[str, ...]:
    """Return every tenant's id, sorted."""
    return tuple(connection.scalars(select(tenants.c.id).order_by(tenants.c.id)))


def registered_ids(connection: Connection, table: Table, tenant: str) -> frozenset[str]:
    """Return the ids of a tenant's rows in a register table (not for patients)."""
    return frozenset(connection.scalars(select(table.c.id).where(table.c.tenant == tenant)))


def register_parties(
    connection: Connection, documents: _Documents, vocabulary: Vocabulary, *, tenant: str, replace: bool = False,
    where: str = "parties",
) -> Registered:
    """Register institutions.

    Args:
        connection: the writer's connection.
        documents: as parsed from JSON.
        vocabulary: names that may be used.
        tenant: tenant id.
        replace: other content under a known id replaces it.
        where: what diagnostics start with.

    Raises:
        InputError: with all faults.
        ConflictError: if a known id comes with other content.
    """
    read = read_documents(PartyDocument, documents, vocabulary, where=where)
    rows = [
        {"id": d.id, "name": d.name, "place": d.place, "group": d.group, "facts": d.facts,
         "owners": [owner.model_dump(exclude_none=True) for owner in d.owners], "undisclosed_share": d.undisclosed}
        for d in read
    ]  # fmt: skip
    return _put(connection, parties, tenant, rows, replace=replace, where=where)


def register_projects(
    connection: Connection, documents: _Documents, vocabulary: Vocabulary, *, tenant: str, replace: bool = False,
    where: str = "projects",
) -> Registered:
    """Register studies and programmes; see `register_parties`."""
    read = read_documents(ProjectDocument, documents, vocabulary, where=where)
    rows = [{"id": d.id, "facts": d.facts} for d in read]
    return _put(connection, projects, tenant, rows, replace=replace, where=where)


def register_flows(
    connection: Connection, documents: _Documents, vocabulary: Vocabulary, *, tenant: str, replace: bool = False,
    where: str = "flows",
) -> Registered:
    """Register what is known of movements between two registered parties; see `register_parties`."""
    read = read_documents(FlowDocument, documents, vocabulary, where=where)
    ends = ("exporter", "recipient")
    named = {(f"{where}[{n}].{end}", getattr(d, end)) for n, d in enumerate(read) for end in ends}
    _require(connection, parties, tenant, named, "party")
    rows = [{"id": d.id, "exporter": d.exporter, "recipient": d.recipient, "facts": d.facts} for d in read]
    return _put(connection, flows, tenant, rows, replace=replace, where=where)


def register_datasets(
    connection: Connection, documents: _Documents, vocabulary: Vocabulary, *, tenant: str, index_key: bytes,
    replace: bool = False, where: str = "datasets",
) -> Registered:
    """Register data sets with their parts and cohorts; see `register_parties`.

    Args:
        connection: the writer's connection.
        documents: as parsed from JSON.
        vocabulary: names that may be used.
        tenant: tenant id.
        index_key: turns the cohorts' patients into references.
        replace: other content under a known id replaces it, parts and cohorts included.
        where: what diagnostics start with.
    """
    read = read_documents(DatasetDocument, documents, vocabulary, where=where)
    _check_inside(read, where)
    _require(connection, parties, tenant, {(f"{where}[{n}].holder", d.holder) for n, d in enumerate(read)}, "party")
    _require(connection, projects, tenant,
             {(f"{where}[{n}].project", d.project) for n, d in enumerate(read) if d.project}, "project")  # fmt: skip
    added = replaced = 0
    for number, document in enumerate(read):
        state = _Dataset.of(document, tenant, index_key)
        known = _Dataset.load(connection, tenant, document.id)
        if known is None:
            added += 1
        elif known == state:
            continue
        elif not replace:
            raise other_content(f"{where}[{number}]", document.id)
        else:
            replaced += 1
            known.drop(connection)
        state.save(connection)
    return Registered(added=added, replaced=replaced, unchanged=len(read) - added - replaced)


def submit_evidence(
    connection: Connection, documents: _Documents, vocabulary: Vocabulary, *, tenant: str, by: str, at: datetime,
    where: str = "evidence",
) -> Registered:
    """Put documents on file; they count only once somebody else has verified them.

    Args:
        connection: the writer's connection.
        documents: as parsed from JSON.
        vocabulary: evidence types, their match keys, outcomes and properties.
        tenant: tenant id.
        by: user who submits.
        at: instant of submission.
        where: what diagnostics start with.

    Raises:
        InputError: with all faults.
        ConflictError: if a known id comes with other content; evidence is never replaced.
    """
    read = read_documents(EvidenceDocument, documents, vocabulary, where=where)
    late = [n for n, d in enumerate(read) if d.valid_until is not None and d.valid_until < d.valid_from]
    if late:
        faults = [Diagnostic(where=f"{where}[{n}].valid_until", message="lies before `valid_from`") for n in late]
        raise InputError(f"{where} is not usable", where=where, diagnostics=faults)
    rows = [
        {"id": d.id, "type": d.type, "scope": {key: sorted(set(values)) for key, values in d.scope.items()},
         "issued_on": d.issued_on, "valid_from": d.valid_from, "valid_until": d.valid_until, "outcome": d.outcome,
         "properties": d.plain_properties()}
        for d in read
    ]  # fmt: skip
    fresh = {"state": "submitted", "submitted_by": by, "submitted": at}
    return _put(connection, evidence, tenant, rows, replace=False, where=where, fresh=fresh)


def verify_evidence(connection: Connection, *, tenant: str, id: str, by: str, at: datetime) -> None:  # noqa: A002
    """Confirm a submitted document after having seen it.

    Raises:
        NotFoundError: if there is none of this id.
        AccessDeniedError: if `by` submitted it.
        ConflictError: if it is not waiting for verification.
    """
    row = _evidence_state(connection, tenant, id)
    if row.submitted_by == by:
        raise AccessDeniedError("evidence is verified by another person than who submitted it",
                                hint="ask a colleague to look at the document")  # fmt: skip
    if row.state != "submitted":
        raise ConflictError(f"the evidence is {row.state}, not submitted", hint="submit it anew under another id")
    _set_evidence(connection, tenant, id, "submitted", state="verified", verified_by=by, verified=at)


def revoke_evidence(connection: Connection, *, tenant: str, id: str, by: str, at: datetime) -> None:  # noqa: A002
    """Take a document out of force; it stops counting with the very next decision.

    Raises:
        NotFoundError: if there is none of this id.
        ConflictError: if it is revoked already.
    """
    row = _evidence_state(connection, tenant, id)
    if row.state == "revoked":
        raise ConflictError("the evidence is revoked already")
    _set_evidence(connection, tenant, id, row.state, state="revoked", revoked_by=by, revoked=at)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Dataset:
    """A data set's rows, comparable."""

    row: dict[str, Any]
    parts: list[dict[str, Any]]
    cohorts: dict[str, frozenset[str]]

    @classmethod
    def of(cls, document: DatasetDocument, tenant: str, index_key: bytes) -> _Dataset:
        row = {"tenant": tenant, "id": document.id, "holder": document.holder, "place": document.place,
               "project": document.project, "facts": document.facts}  # fmt: skip
        slices = [{"tenant": tenant, "dataset": document.id, "id": part.id, "position": position, "facts": part.facts}
                  for position, part in enumerate(document.parts)]  # fmt: skip
        groups = {name: frozenset(subject_ref(index_key, tenant, member) for member in members)
                  for name, members in document.cohorts.items()}  # fmt: skip
        return cls(row=row, parts=slices, cohorts=groups)

    @classmethod
    def load(cls, connection: Connection, tenant: str, id_: str) -> _Dataset | None:
        row = connection.execute(
            select(datasets).where(datasets.c.tenant == tenant, datasets.c.id == id_)
        ).mappings().first()  # fmt: skip
        if row is None:
            return None
        slices = connection.execute(
            select(parts).where(parts.c.tenant == tenant, parts.c.dataset == id_).order_by(parts.c.position)
        ).mappings()  # fmt: skip
        groups: dict[str, set[str]] = {name: set() for name in connection.scalars(
            select(cohorts.c.name).where(cohorts.c.tenant == tenant, cohorts.c.dataset == id_)
        )}  # fmt: skip
        for name, subject in connection.execute(
            select(cohort_members.c.cohort, cohort_members.c.subject)
            .where(cohort_members.c.tenant == tenant, cohort_members.c.dataset == id_)
        ):  # fmt: skip
            groups[name].add(subject)
        return cls(row=dict(row), parts=[dict(part) for part in slices],
                   cohorts={name: frozenset(members) for name, members in groups.items()})  # fmt: skip

    def save(self, connection: Connection) -> None:
        connection.execute(insert(datasets).values(self.row))
        tenant, id_ = self.row["tenant"], self.row["id"]
        if self.parts:
            connection.execute(insert(parts), self.parts)
        for name, members in self.cohorts.items():
            connection.execute(insert(cohorts).values(tenant=tenant, dataset=id_, name=name))
            if members:
                connection.execute(insert(cohort_members), [
                    {"tenant": tenant, "dataset": id_, "cohort": name, "subject": ref} for ref in sorted(members)
                ])  # fmt: skip

    def drop(self, connection: Connection) -> None:
        tenant, id_ = self.row["tenant"], self.row["id"]
        for table in (cohort_members, cohorts, parts):
            connection.execute(delete(table).where(table.c.tenant == tenant, table.c.dataset == id_))
        connection.execute(delete(datasets).where(datasets.c.tenant == tenant, datasets.c.id == id_))


def _put(
    connection: Connection, table: Table, tenant: str, rows: Sequence[dict[str, Any]], *, replace: bool, where: str,
    fresh: Mapping[str, Any] | None = None,
) -> Registered:
    """Insert rows, compare those already there, replace or refuse; ``fresh`` is set on new rows only."""
    added = replaced = 0
    for number, row in enumerate(rows):
        key = and_(table.c.tenant == tenant, table.c.id == row["id"])
        known = connection.execute(select(table).where(key)).mappings().first()
        if known is None:
            connection.execute(insert(table).values(tenant=tenant, **row, **(fresh or {})))
            added += 1
        elif any(known[name] != value for name, value in row.items()):
            if not replace:
                raise other_content(f"{where}[{number}]", row["id"])
            connection.execute(update(table).where(key).values(**row))
            replaced += 1
    return Registered(added=added, replaced=replaced, unchanged=len(rows) - added - replaced)


def other_content(where: str, named: str | None = None) -> ConflictError:
    """Make the refusal of other content under a known id; a patient's id is never named."""
    which = "this patient" if named is None else f"`{named}`"
    return ConflictError(f"{which} is registered with other content", where=where,
                         hint="ask for a replacement if the register is to change")  # fmt: skip


def _require(connection: Connection, table: Table, tenant: str, named: set[tuple[str, str]], kind: str) -> None:
    """Refuse names of rows that are not registered, all at once."""
    known = registered_ids(connection, table, tenant)
    faults = [
        Diagnostic(where=where, message=f"unknown {kind} `{name}`",
                   hint=suggestion(name, known) or f"register the {kind} first")
        for where, name in sorted(named) if name not in known
    ]  # fmt: skip
    if faults:
        raise InputError(f"a {kind} is not registered", diagnostics=faults)


def _check_inside(read: Sequence[DatasetDocument], where: str) -> None:
    """Refuse part ids that stand twice in one data set."""
    faults = [
        Diagnostic(where=f"{where}[{n}].parts", message="a part id stands twice", hint="an id is given once")
        for n, document in enumerate(read) if len({part.id for part in document.parts}) < len(document.parts)
    ]  # fmt: skip
    if faults:
        raise InputError(f"{where} is not usable", where=where, diagnostics=faults)


def _evidence_state(connection: Connection, tenant: str, id_: str) -> Any:  # noqa: ANN401 - a database row
    row = connection.execute(
        select(evidence.c.state, evidence.c.submitted_by).where(evidence.c.tenant == tenant, evidence.c.id == id_)
    ).first()
    if row is None:
        raise NotFoundError(f"there is no evidence `{id_}`", hint="submit it first")
    return row


def _set_evidence(connection: Connection, tenant: str, id_: str, before: str, **values: object) -> None:
    done = connection.execute(
        update(evidence)
        .where(evidence.c.tenant == tenant, evidence.c.id == id_, evidence.c.state == before)
        .values(**values)
    )
    if done.rowcount != 1:
        raise ConflictError("the evidence changed in the meantime", hint="look at it again")
