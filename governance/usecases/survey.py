"""Read the records once to learn whose they are and which resources belong to which part of the data.

What a caller says about the data is a claim; what stands in the records is a fact. The stricter wins: a
resource goes only if every category found in it is covered by a part that was asked for and permitted, and a
resource that could be anything goes only if nothing at all is held back.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from sqlalchemy import select

from governance.access import Caller
from governance.core.facts import Taxonomy, Vocabulary
from governance.core.request import PartFacts
from governance.core.truth import Truth
from governance.deidentify.methods import Json
from governance.deidentify.profile import BaseRules
from governance.deidentify.records import Categories, facts_of_records, subject_facts
from governance.deidentify.sources import read_records
from governance.errors import ConflictError, InputError
from governance.store.subjects import find_subject
from governance.store.tables import parts
from governance.usecases.ports import House

__all__ = ["PartFilter", "Survey", "registered_parts", "survey_records"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Survey:
    """Whose the records are.

    Attributes:
        owners: ordinal to the patient's reference; None where the patient is not registered or cannot be told.
        nobody: ordinals of records without a patient (institutions, practitioners).
        resources: how many resources were read.
    """

    owners: Mapping[int, str | None]
    nobody: frozenset[int]
    resources: int

    @property
    def refs(self) -> frozenset[str]:
        """References of the patients whose records are at hand."""
        return frozenset(ref for ref in self.owners.values() if ref is not None)


def survey_records(house: House, caller: Caller, source: Path, base: BaseRules,
                   progress: Callable[[str, int, int | None], None]) -> Survey:  # fmt: skip
    """Read every record once and match its patient with the register.

    Raises:
        InputError: a record is broken; says which, by ordinal and path. Nothing was handed out.
    """
    index_key = house.keys.index_key(caller.tenant)
    owners: dict[int, str | None] = {}
    nobody: set[int] = set()
    resources = 0
    with house.engine.connect() as connection:
        for group in read_records(source, base):
            entries = group.bundle.get("entry")
            resources += len(entries) if isinstance(entries, list) else 0
            progress("reading", group.ordinal, None)
            patient = _patient(group.bundle)
            if patient is None:
                nobody.add(group.ordinal)
                continue
            identifiers = subject_facts(patient).identifiers
            try:
                owners[group.ordinal] = find_subject(connection, identifiers, tenant=caller.tenant, index_key=index_key)
            except ConflictError as error:
                raise InputError(error.message, where=f"{group.ordinal}/Patient/identifier", hint=error.hint) from None
    return Survey(owners=owners, nobody=frozenset(nobody), resources=resources)


def _patient(bundle: Mapping[str, Json]) -> Mapping[str, Json] | None:
    entries = bundle.get("entry")
    for entry in entries if isinstance(entries, list) else ():
        resource = entry.get("resource") if isinstance(entry, dict) else None
        if isinstance(resource, dict) and resource.get("resourceType") == "Patient":
            return resource
    return None


def registered_parts(house: House, caller: Caller, dataset: object) -> frozenset[str]:
    """Return the ids of every registered part of a data set, asked for or not."""
    with house.engine.connect() as connection:
        rows = connection.scalars(select(parts.c.id).where(parts.c.tenant == caller.tenant, parts.c.dataset == dataset))
        return frozenset(rows)


class PartFilter:
    """Tells which resources may go when only some parts of the data may."""

    def __init__(self, rules: Categories, vocabulary: Vocabulary, asked: tuple[PartFacts, ...],
                 registered: frozenset[str]) -> None:  # fmt: skip
        self._rules = rules
        self._taxonomy: Taxonomy = vocabulary.taxonomies["category"]
        self._registered = registered
        self._covers: dict[str, frozenset[str]] = {}
        for part in asked:
            found = part.facts.get("data.categories")
            self._covers[part.id] = found if isinstance(found, frozenset) else frozenset()

    def goes(self, resource: Mapping[str, Json], permitted: frozenset[str]) -> bool:
        """Say whether a resource may go to somebody who may have these parts.

        Args:
            resource: FHIR resource; its narrative counts as free text.
            permitted: ids of the parts that may go.
        """
        found = facts_of_records([{"resourceType": "Bundle", "entry": [{"resource": dict(resource)}]}], self._rules)
        if any(not self._covered(category, permitted) for category in found.categories):
            return False
        if permitted >= self._registered:
            return True
        if resource.get("resourceType") in self._rules.neutral_types:
            return True
        return bool(found.categories) and "free-text" not in found.identifiers

    def _covered(self, category: str, permitted: frozenset[str]) -> bool:
        return any(
            self._taxonomy.relation(category, term) is Truth.TRUE
            for part in permitted for term in self._covers.get(part, frozenset())
        )  # fmt: skip
