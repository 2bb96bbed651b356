"""Patients in the register: kept by keyed reference with sealed facts, found again by their identifiers.

Guarantees: nothing of a patient is kept in clear; every fault of a file is reported at once, by ordinal, never by
id or value; other content under a known patient is a conflict unless a replacement is asked for; an identifier
belongs to one patient only.

Example:
    >>> register_subjects(connection, documents, vocabulary, tenant="clinic", sealer=keys, index_key=key)
    ...     # doctest: +SKIP
    Registered(added=300, replaced=0, unchanged=0)
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import orjson
from sqlalchemy import Connection, delete, insert, select, update

from governance.core.facts import Vocabulary
from governance.errors import ConflictError
from governance.store.documents import SubjectDocument, read_documents
from governance.store.register import Registered, other_content
from governance.store.sealing import SEALED_SUBJECT, Sealer, identifier_ref, subject_ref
from governance.store.tables import subject_identifiers, subjects

__all__ = ["find_subject", "identifier_refs_of", "register_subjects", "subject_refs"]

_Documents = Sequence[Mapping[str, Any]]
_CHUNK = 500


def register_subjects(
    connection: Connection, documents: _Documents, vocabulary: Vocabulary, *, tenant: str, sealer: Sealer,
    index_key: bytes, replace: bool = False, where: str = "subjects",
) -> Registered:
    """Register patients; their keys must exist (see `subject_refs`).

    Args:
        connection: the writer's connection.
        documents: as parsed from JSON; nothing of them is kept in clear.
        vocabulary: names that may be used.
        tenant: tenant id.
        sealer: seals facts under each patient's key.
        index_key: turns ids and identifiers into references.
        replace: other facts or identifiers replace what is known.
        where: what diagnostics start with; ordinals, never ids, follow.

    Raises:
        InputError: with all faults.
        ConflictError: if a patient is known otherwise, or an identifier belongs to somebody else.
    """
    read = read_documents(SubjectDocument, documents, vocabulary, where=where)
    refs = [subject_ref(index_key, tenant, document.id) for document in read]
    marks = [{identifier_ref(index_key, tenant, i.system, i.value) for i in document.identifiers} for document in read]
    known = _Known.load(connection, tenant, refs, {mark for one in marks for mark in one})
    fresh: list[dict[str, Any]] = []
    replaced = 0
    for number, (document, ref) in enumerate(zip(read, refs, strict=True)):
        place = f"{where}[{number}]"
        known.claim(marks[number], ref, place)
        plain = orjson.dumps(_short_names(document.facts), option=orjson.OPT_SORT_KEYS)
        sealed = known.sealed.get(ref)
        if sealed is None:
            fresh.append({"tenant": tenant, "ref": ref, "sealed": sealer.seal(tenant, ref, plain, SEALED_SUBJECT)})
        elif known.marks.get(ref, set()) == marks[number] and sealer.open(tenant, ref, sealed, SEALED_SUBJECT) == plain:
            marks[number] = set()  # already there
        elif not replace:
            raise other_content(place)
        else:
            replaced += 1
            _replace_subject(connection, tenant, ref, sealer.seal(tenant, ref, plain, SEALED_SUBJECT))
    rows = [{"tenant": tenant, "identifier": mark, "subject": ref}
            for ref, one in zip(refs, marks, strict=True) for mark in sorted(one)]  # fmt: skip
    for table, values in ((subjects, fresh), (subject_identifiers, rows)):
        for start in range(0, len(values), _CHUNK):
            connection.execute(insert(table), values[start : start + _CHUNK])
    return Registered(added=len(fresh), replaced=replaced, unchanged=len(read) - len(fresh) - replaced)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Known:
    """What the register knows of a batch of patients: sealed facts, identifiers, whose an identifier is."""

    sealed: dict[str, bytes]
    marks: dict[str, set[str]]
    owners: dict[str, str]

    @classmethod
    def load(cls, connection: Connection, tenant: str, refs: Sequence[str], asked: set[str]) -> _Known:
        sealed: dict[str, bytes] = {}
        marks: dict[str, set[str]] = {}
        owners: dict[str, str] = {}
        held, person = subject_identifiers.c, subjects.c
        for start in range(0, len(refs), _CHUNK):
            some = refs[start : start + _CHUNK]
            rows = connection.execute(
                select(person.ref, person.sealed).where(person.tenant == tenant, person.ref.in_(some))
            )
            sealed.update((row.ref, row.sealed) for row in rows)
            for ref, mark in connection.execute(
                select(held.subject, held.identifier).where(held.tenant == tenant, held.subject.in_(some))
            ):
                marks.setdefault(ref, set()).add(mark)
        wanted = sorted(asked)
        for start in range(0, len(wanted), _CHUNK):
            rows = connection.execute(
                select(held.identifier, held.subject)
                .where(held.tenant == tenant, held.identifier.in_(wanted[start : start + _CHUNK]))
            )  # fmt: skip
            owners.update((row.identifier, row.subject) for row in rows)
        return cls(sealed=sealed, marks=marks, owners=owners)

    def claim(self, marks: set[str], ref: str, where: str) -> None:
        """Note whose identifiers these are; refuse one that is another patient's, of the register or this batch."""
        if any(self.owners.setdefault(mark, ref) != ref for mark in marks):
            raise ConflictError("an identifier belongs to another patient", where=f"{where}.identifiers",
                                hint="correct it or merge the two")  # fmt: skip


def subject_refs(documents: _Documents, *, tenant: str, index_key: bytes) -> list[str]:
    """Return the references of patients' documents, so that their keys can be made before they are registered."""
    ids = (document.get("id") for document in documents if isinstance(document, Mapping))
    return [subject_ref(index_key, tenant, id_) for id_ in ids if isinstance(id_, str) and id_]


def find_subject(
    connection: Connection, identifiers: Sequence[tuple[str, str]], *, tenant: str, index_key: bytes
) -> str | None:
    """Return the reference of the patient whom these ``(system, value)`` identifiers belong to, or None.

    Raises:
        ConflictError: if they belong to different patients.
    """
    marks = [identifier_ref(index_key, tenant, system, value) for system, value in identifiers]
    found = set(connection.scalars(
        select(subject_identifiers.c.subject)
        .where(subject_identifiers.c.tenant == tenant, subject_identifiers.c.identifier.in_(marks))
    ))  # fmt: skip
    if len(found) > 1:
        raise ConflictError("the record's identifiers belong to different patients", hint="correct or merge them first")
    return found.pop() if found else None


def identifier_refs_of(connection: Connection, tenant: str, ref: str) -> set[str]:
    """Return the keyed identifiers of a patient."""
    columns = subject_identifiers.c
    return set(connection.scalars(
        select(columns.identifier).where(columns.tenant == tenant, columns.subject == ref)
    ))  # fmt: skip


def _replace_subject(connection: Connection, tenant: str, ref: str, sealed: bytes) -> None:
    columns = subject_identifiers.c
    connection.execute(update(subjects).where(subjects.c.tenant == tenant, subjects.c.ref == ref).values(sealed=sealed))
    connection.execute(delete(subject_identifiers).where(columns.tenant == tenant, columns.subject == ref))


def _short_names(facts: Mapping[str, Any]) -> dict[str, Any]:
    return {name.removeprefix("subject."): value for name, value in facts.items()}
