"""Facts found in the records themselves: categories, identifiers, people, birth dates, countries.

Guarantees: what is reported was found; what a caller says about the data is compared with it by whoever
joins them, the stricter winning. Where free text, an unknown resource type or a code of an open code system
could mean anything, the record is *unclassified*: the categories found are then a lower bound.

Example:
    >>> # facts_of_records([bundle], load_categories(folder)).categories
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path

from governance.deidentify.documents import Tree, read_document
from governance.deidentify.fhir import resources_of
from governance.deidentify.methods import Json
from governance.errors import InputError

__all__ = ["Categories", "RecordFacts", "SubjectFacts", "facts_of_records", "load_categories", "subject_facts"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Categories:
    """What elements and codes say, read from ``categories.yaml``."""

    resource_types: Mapping[str, frozenset[str]]
    neutral_types: frozenset[str]
    elements: Mapping[str, Mapping[str, str]]
    telecoms: Mapping[str, str]
    identifier_types: Mapping[str, str]
    extensions: Mapping[str, Mapping[str, str]]
    exact: Mapping[tuple[str, str], frozenset[str]]
    beginnings: Mapping[str, tuple[tuple[str, str], ...]]
    complete: frozenset[str]


@dataclass(frozen=True, slots=True, kw_only=True)
class SubjectFacts:
    """What one record says about its patient; for matching with the register, never handed out.

    Attributes:
        identifiers: (system, value) of the Patient; system may be empty.
        names: (family, given) as written.
        birth_date: FHIR date as written, or None.
        countries: countries of the addresses as written.
        deceased: FHIR dateTime, ``true``/``false`` as text, or None if not said.
    """

    identifiers: tuple[tuple[str, str], ...] = field(repr=False)
    names: tuple[tuple[str, str], ...] = field(repr=False)
    birth_date: str | None = field(repr=False)
    countries: tuple[str, ...]
    deceased: str | None = field(repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordFacts:
    """What records contain.

    Attributes:
        categories: categories certainly present.
        unclassified: there is content whose category cannot be told: ``categories`` is a lower bound.
        identifiers: identifiers present (vocabulary ``identifier``).
        people: how many patients.
        resources: how many resources.
        countries: countries of the patients' addresses.
        subjects: per patient, in order.
    """

    categories: frozenset[str]
    unclassified: bool
    identifiers: frozenset[str]
    people: int
    resources: int
    countries: frozenset[str]
    subjects: tuple[SubjectFacts, ...]


def _map(tree: Tree) -> Mapping[str, Tree]:
    return tree if isinstance(tree, Mapping) else {}


def _words(tree: Tree) -> tuple[str, ...]:
    return tuple(str(item) for item in tree) if isinstance(tree, list) else ()


def _texts(tree: Tree) -> Mapping[str, str]:
    return {key: str(value) for key, value in _map(tree).items()}


@cache
def load_categories(folder: Path) -> Categories:
    """Read ``categories.yaml`` of the profiles' folder.

    Raises:
        InputError: it is missing or unreadable.
    """
    document = read_document(folder / "categories.yaml")
    tree = document.value
    if not isinstance(tree, Mapping):
        raise InputError("the categories must be a mapping", where=document.name)
    types: dict[str, set[str]] = {}
    for category, names in _map(tree.get("resource_types")).items():
        for name in _words(names):
            types.setdefault(name, set()).add(category)
    exact: dict[tuple[str, str], set[str]] = {}
    beginnings: dict[str, list[tuple[str, str]]] = {}
    listed = tree.get("codes")
    for item in listed if isinstance(listed, list) else ():
        entry = _map(item)
        system, category = str(entry.get("system")), str(entry.get("category"))
        for code in _words(entry.get("codes")):
            if code.endswith("*"):
                beginnings.setdefault(system, []).append((code[:-1], category))
            else:
                exact.setdefault((system, code), set()).add(category)
    return Categories(
        resource_types={name: frozenset(found) for name, found in types.items()},
        neutral_types=frozenset(_words(tree.get("neutral_types"))),
        elements={name: _texts(says) for name, says in _map(tree.get("elements")).items()},
        telecoms=_texts(tree.get("telecoms")),
        identifier_types=_texts(tree.get("identifier_types")),
        extensions={name: _texts(says) for name, says in _map(tree.get("extensions")).items()},
        exact={key: frozenset(found) for key, found in exact.items()},
        beginnings={system: tuple(found) for system, found in beginnings.items()},
        complete=frozenset(_words(tree.get("complete"))),
    )


class _Survey:
    """Gathers what is found while walking."""

    def __init__(self, rules: Categories) -> None:
        self.rules = rules
        self.categories: set[str] = set()
        self.identifiers: set[str] = set()
        self.unclassified = False

    def resource(self, resource: Mapping[str, Json]) -> None:
        kind = str(resource.get("resourceType"))
        found = self.rules.resource_types.get(kind, frozenset())
        self.categories |= found
        if not found and kind not in self.rules.neutral_types:
            self.unclassified = True
        for name in resource:
            self._says(self.rules.elements.get(f"{kind}.{name}", {}))
        if kind == "Patient":
            self._patient(resource)
        self._walk(resource, kind)

    def _says(self, says: Mapping[str, str]) -> None:
        if "category" in says:
            self.categories.add(says["category"])
        if "identifier" in says:
            self.identifiers.add(says["identifier"])

    def _patient(self, patient: Mapping[str, Json]) -> None:
        for telecom in _objects(patient.get("telecom")):
            self.identifiers.add(self.rules.telecoms.get(str(telecom.get("system")), "telephone"))
        for address in _objects(patient.get("address")):
            parts = (("city", "city"), ("postalCode", "postal-code"))
            self.identifiers |= {word for key, word in parts if key in address}
        for identifier in _objects(patient.get("identifier")):
            codes = [
                self.rules.identifier_types.get(str(coding.get("code")))
                for concept in _objects(identifier.get("type"))
                for coding in _objects(concept.get("coding"))
            ]
            self.identifiers |= {word for word in codes if word} or {"medical-record-number"}

    def _walk(self, value: Json, kind: str) -> None:
        if isinstance(value, dict):
            system, code = value.get("system"), value.get("code")
            if isinstance(system, str) and isinstance(code, str):
                self._code(system, code)
            url = value.get("url")
            if isinstance(url, str):
                self._says(self.rules.extensions.get(url.rsplit("/", 1)[-1], {}))
            for key, item in value.items():
                if key in _TEXT_KEYS and isinstance(item, str) and item.strip():
                    self.unclassified = True
                    self.identifiers.add("free-text")
                self._walk(item, kind)
        elif isinstance(value, list):
            for item in value:
                self._walk(item, kind)

    def _code(self, system: str, code: str) -> None:
        found = set(self.rules.exact.get((system, code), ()))
        found |= {category for start, category in self.rules.beginnings.get(system, ()) if code.startswith(start)}
        self.categories |= found
        if not found and system not in self.rules.complete:
            self.unclassified = True


_TEXT_KEYS = frozenset({"div", "data", "valueString", "conclusion", "comment", "note", "description"})


def _objects(value: Json) -> Iterator[Mapping[str, Json]]:
    for one in value if isinstance(value, list) else (value,):
        if isinstance(one, dict):
            yield one


def subject_facts(patient: Mapping[str, Json]) -> SubjectFacts:
    """Return what a Patient resource says about its person."""
    born = patient.get("birthDate")
    died = patient.get("deceasedDateTime", patient.get("deceasedBoolean"))
    return SubjectFacts(
        identifiers=tuple(
            (str(one.get("system") or ""), str(one["value"]))
            for one in _objects(patient.get("identifier"))
            if isinstance(one.get("value"), str)
        ),
        names=tuple(
            (str(one.get("family") or ""), " ".join(str(part) for part in _list(one.get("given"))))
            for one in _objects(patient.get("name"))
        ),
        birth_date=born if isinstance(born, str) else None,
        countries=tuple(
            str(one["country"]) for one in _objects(patient.get("address")) if isinstance(one.get("country"), str)
        ),
        deceased=str(died).lower() if isinstance(died, bool) else died if isinstance(died, str) else None,
    )


def _list(value: Json) -> list[Json]:
    return value if isinstance(value, list) else [] if value is None else [value]


def facts_of_records(bundles: Iterable[Mapping[str, Json]], rules: Categories) -> RecordFacts:
    """Say what records contain.

    Args:
        bundles: FHIR Bundles, as `governance.deidentify.sources.read_records` gives them.
        rules: what elements and codes say.

    Raises:
        InputError: a Bundle is broken; says where, not what.
    """
    survey = _Survey(rules)
    subjects: list[SubjectFacts] = []
    resources = 0
    for ordinal, bundle in enumerate(bundles, start=1):
        for resource, _ in resources_of(bundle, ordinal=ordinal):
            resources += 1
            survey.resource(resource)
            if resource["resourceType"] == "Patient":
                subjects.append(subject_facts(resource))
    return RecordFacts(
        categories=frozenset(survey.categories),
        unclassified=survey.unclassified,
        identifiers=frozenset(survey.identifiers),
        people=len(subjects),
        resources=resources,
        countries=frozenset(country for subject in subjects for country in subject.countries),
        subjects=tuple(subjects),
    )
