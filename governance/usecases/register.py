"""Keep the register: parties, projects, data sets, flows, patients, evidence, callers' keys.

Each change is one entry of the log, in the same commit. Evidence is submitted by one person and verified by
another; a patient's keys are made and synced before anything of theirs is stored.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from enum import StrEnum
from typing import Any

from sqlalchemy import Connection

from governance.access import Action, Caller, Role
from governance.core.facts import Vocabulary
from governance.errors import InputError
from governance.store.callers import make_key, revoke_key
from governance.store.register import (
    Registered,
    add_tenant,
    register_datasets,
    register_flows,
    register_parties,
    register_projects,
    revoke_evidence,
    submit_evidence,
    verify_evidence,
)
from governance.store.subjects import register_subjects, subject_refs
from governance.usecases.ports import Draft, House, Kind, Receipt

__all__ = ["Item", "issue_key", "register", "retire_key", "revoke", "verify"]

Documents = Sequence[Mapping[str, Any]]
_LARGEST_BATCH = 100_000


class Item(StrEnum):
    """What can be registered."""

    PARTIES = "parties"
    PROJECTS = "projects"
    DATASETS = "datasets"
    FLOWS = "flows"
    SUBJECTS = "subjects"
    EVIDENCE = "evidence"


_KIND = {Item.SUBJECTS: Kind.SUBJECT, Item.EVIDENCE: Kind.EVIDENCE}


def register(house: House, caller: Caller, item: Item, documents: object, *, replace: bool = False
             ) -> tuple[Registered, Receipt]:  # fmt: skip
    """Register documents of one kind, all or none.

    Args:
        house: the composed house.
        caller: who registers.
        item: kind of document.
        documents: list of documents as parsed from JSON (one document may stand alone).
        replace: other content under a known id replaces it (never for evidence).

    Raises:
        InputError: with every fault.
        ConflictError: a known id comes with other content.
    """
    house.access.require(caller, Action.SUBMIT_EVIDENCE if item is Item.EVIDENCE else Action.REGISTER)
    batch = _batch(item, documents)
    work = _work(house, caller, item, batch, replace=replace)
    refs: list[str] = []
    if item is Item.SUBJECTS:
        refs = subject_refs(batch, tenant=caller.tenant, index_key=house.keys.index_key(caller.tenant))
        house.keys.create_subjects(caller.tenant, refs)
    draft: Draft[Registered] = Draft(
        kind=_KIND.get(item, Kind.REGISTER), tenant=caller.tenant,
        shared=lambda done: {"item": str(item), "added": done.added, "replaced": done.replaced,
                             "unchanged": done.unchanged, "user": caller.user,
                             "ids": [] if item is Item.SUBJECTS else sorted(str(d.get("id")) for d in batch)},
        subjects=lambda _: {ref: {"registered": True} for ref in refs},
    )  # fmt: skip
    return house.log.record(draft, work)


def verify(house: House, caller: Caller, evidence: str) -> Receipt:
    """Confirm a submitted document, by another person than who submitted it."""
    house.access.require(caller, Action.VERIFY_EVIDENCE)

    def work(connection: Connection) -> None:
        verify_evidence(connection, tenant=caller.tenant, id=evidence, by=caller.user, at=house.clock())

    return _evidence(house, caller, evidence, "verified", work)


def revoke(house: House, caller: Caller, evidence: str) -> Receipt:
    """Take a document out of force."""
    house.access.require(caller, Action.VERIFY_EVIDENCE)

    def work(connection: Connection) -> None:
        revoke_evidence(connection, tenant=caller.tenant, id=evidence, by=caller.user, at=house.clock())

    return _evidence(house, caller, evidence, "revoked", work)


def issue_key(house: House, caller: Caller, user: str, role: Role) -> tuple[str, Receipt]:
    """Make a key for a person or program; it is returned once."""
    house.access.require(caller, Action.MANAGE_KEYS)

    def work(connection: Connection) -> str:
        add_tenant(connection, caller.tenant, at=house.clock())
        return make_key(connection, tenant=caller.tenant, user=user, role=role, at=house.clock())

    draft: Draft[str] = Draft(kind=Kind.KEY, tenant=caller.tenant, shared=lambda key: {
        "made_for": user, "role": str(role), "prefix": key.split("_")[1], "user": caller.user})  # fmt: skip
    return house.log.record(draft, work)


def retire_key(house: House, caller: Caller, prefix: str) -> Receipt:
    """Revoke a key by its prefix."""
    house.access.require(caller, Action.MANAGE_KEYS)

    def work(connection: Connection) -> None:
        revoke_key(connection, tenant=caller.tenant, prefix=prefix, at=house.clock())

    draft: Draft[None] = Draft(kind=Kind.KEY, tenant=caller.tenant,
                        shared=lambda _: {"revoked": prefix, "user": caller.user})  # fmt: skip
    return house.log.record(draft, work)[1]


def _evidence(house: House, caller: Caller, evidence: str, what: str, work: Callable[[Connection], None]) -> Receipt:
    draft: Draft[None] = Draft(kind=Kind.EVIDENCE, tenant=caller.tenant,
                        shared=lambda _: {"evidence": evidence, "now": what, "user": caller.user})  # fmt: skip
    return house.log.record(draft, work)[1]


def _batch(item: Item, documents: object) -> Documents:
    """Take a list, or one document alone, within bounds."""
    batch = [documents] if isinstance(documents, Mapping) else documents
    if not isinstance(batch, list) or not batch:
        raise InputError(f"{item} are a JSON list of objects", where=str(item))
    if len(batch) > _LARGEST_BATCH:
        raise InputError(f"more than {_LARGEST_BATCH} documents at once", where=str(item), hint="send them in parts")
    if not all(isinstance(document, Mapping) for document in batch):
        raise InputError(f"{item} are a JSON list of objects", where=str(item))
    return batch


def _work(house: House, caller: Caller, item: Item, batch: Documents, *, replace: bool
          ) -> Callable[[Connection], Registered]:  # fmt: skip
    """Choose what writes this kind of document."""
    vocabulary: Vocabulary = house.current().policies.vocabulary
    tenant, index_key = caller.tenant, house.keys.index_key(caller.tenant)

    def work(connection: Connection) -> Registered:
        add_tenant(connection, tenant, at=house.clock())
        match item:
            case Item.PARTIES:
                return register_parties(connection, batch, vocabulary, tenant=tenant, replace=replace)
            case Item.PROJECTS:
                return register_projects(connection, batch, vocabulary, tenant=tenant, replace=replace)
            case Item.FLOWS:
                return register_flows(connection, batch, vocabulary, tenant=tenant, replace=replace)
            case Item.DATASETS:
                return register_datasets(connection, batch, vocabulary, tenant=tenant, index_key=index_key,
                                         replace=replace)  # fmt: skip
            case Item.SUBJECTS:
                return register_subjects(connection, batch, vocabulary, tenant=tenant, sealer=house.keys,
                                         index_key=index_key, replace=replace)  # fmt: skip
            case Item.EVIDENCE:
                return submit_evidence(connection, batch, vocabulary, tenant=tenant, by=caller.user, at=house.clock())

    return work
