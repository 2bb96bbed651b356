"""Register documents as they are written in files and API bodies, and every fault in them at once.

Guarantees: a document that comes out of `read_documents` has a known shape, and each of its facts, places,
evidence types and outcomes exists in the vocabulary. Faults about patients give the ordinal and the field,
never a value or an id.

Facts stand under their short name (``type`` for ``recipient.type``) or their full one. What the engine
computes (ages, relations, counts) is refused: it would grow stale or prove itself.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import date
from typing import Annotated, Any, TypeVar

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, ValidationError

from governance.core.facts import FactDefinition, Holder, Vocabulary
from governance.errors import InputError
from governance.store.values import Faults, convert, names_of, shown, suggestion

__all__ = [
    "DatasetDocument", "EvidenceDocument", "FlowDocument", "IdentifierDocument", "OwnerDocument", "PartDocument",
    "PartyDocument", "ProjectDocument", "SubjectDocument", "read_documents",
]  # fmt: skip

Id = Annotated[str, StringConstraints(min_length=1, max_length=200)]
_Word = Annotated[str, StringConstraints(min_length=1, max_length=200)]
_Facts = Annotated[dict[str, Any], Field(max_length=200)]
_Percent = Annotated[float, Field(ge=0, le=100)]


class _Document(BaseModel):
    model_config = ConfigDict(strict=True, extra="forbid", frozen=True)


class OwnerDocument(_Document):
    """An owner: a registered party, or somebody of a place; the share in percent."""

    party: Id | None = None
    place: _Word | None = None
    share: _Percent


class PartyDocument(_Document):
    """An institution; ``undisclosed_share`` is the percentage whose owners nobody knows (default: all)."""

    id: Id
    name: _Word
    place: _Word | None = None
    group: Id | None = None
    facts: _Facts = Field(default_factory=dict)
    owners: Annotated[list[OwnerDocument], Field(max_length=1000)] = Field(default_factory=list)
    undisclosed_share: _Percent | None = None

    @property
    def undisclosed(self) -> float:
        """Percent of ownership not known; without a word of it, whatever the owners leave open."""
        known = sum(owner.share for owner in self.owners)
        return max(0.0, 100.0 - known) if self.undisclosed_share is None else self.undisclosed_share


class ProjectDocument(_Document):
    """A study or programme."""

    id: Id
    facts: _Facts = Field(default_factory=dict)


class PartDocument(_Document):
    """One labelled slice of a data set."""

    id: Id
    facts: _Facts = Field(default_factory=dict)


class DatasetDocument(_Document):
    """A data set with its parts and cohorts (name to patients' register ids)."""

    id: Id
    holder: Id
    place: _Word | None = None
    project: Id | None = None
    facts: _Facts = Field(default_factory=dict)
    parts: Annotated[list[PartDocument], Field(max_length=100)] = Field(default_factory=list)
    cohorts: dict[_Word, list[Id]] = Field(default_factory=dict)


class FlowDocument(_Document):
    """What is registered about movements from one party to another."""

    id: Id
    exporter: Id
    recipient: Id
    facts: _Facts = Field(default_factory=dict)


class EvidenceDocument(_Document):
    """A document on file, as submitted."""

    id: Id
    type: _Word
    scope: dict[_Word, list[_Word]] = Field(default_factory=dict)
    issued_on: Annotated[date, Field(strict=False)]
    valid_from: Annotated[date, Field(strict=False)]
    valid_until: Annotated[date | None, Field(strict=False)] = None
    outcome: _Word | None = None
    properties: dict[_Word, str | bool] = Field(default_factory=dict)

    def plain_properties(self) -> dict[str, str]:
        """Return the properties as rules test them: yes-no as ``yes`` and ``no``."""
        said = {True: "yes", False: "no"}
        return {name: said[v] if isinstance(v, bool) else v for name, v in self.properties.items()}


class IdentifierDocument(_Document):
    """An identifier of a patient, to find the patient's records by."""

    system: _Word
    value: Annotated[str, StringConstraints(min_length=1, max_length=500)]


class SubjectDocument(_Document):
    """A patient; lives only until sealed."""

    id: Id
    identifiers: Annotated[list[IdentifierDocument], Field(max_length=100)] = Field(default_factory=list)
    facts: _Facts = Field(default_factory=dict)


_D = TypeVar("_D", bound=_Document)

_HOLDERS: Mapping[type[_Document], tuple[Holder, ...]] = {
    PartyDocument: (Holder.EXPORTER, Holder.RECIPIENT),
    ProjectDocument: (Holder.REQUEST,),
    DatasetDocument: (Holder.DATASET,),
    FlowDocument: (Holder.LEG, Holder.REQUEST, Holder.EXPORTER, Holder.RECIPIENT),
    PartDocument: (Holder.PART,),
    SubjectDocument: (Holder.SUBJECT,),
}
_OWN_FIELDS = {"id", "place", "group"}
_COMPUTED = frozenset({"recipient.relation", "subject.age", "subject.consent_state", "count"})
BIRTH_DATE = "birth_date"


def read_documents(
    kind: type[_D], documents: Sequence[Mapping[str, Any]], vocabulary: Vocabulary, *, where: str
) -> list[_D]:
    """Check register documents and return them typed.

    Args:
        kind: which documents these are.
        documents: as parsed from JSON.
        vocabulary: names that may be used.
        where: file name or path that diagnostics start with.

    Raises:
        InputError: with every fault of every document.
    """
    faults = Faults()
    read: list[_D] = []
    seen: set[str] = set()
    for number, raw in enumerate(documents):
        place = f"{where}[{number}]"
        try:
            document = kind.model_validate(raw)
        except ValidationError as error:
            _shape_faults(error, kind, place, faults)
            document = None
        if isinstance(raw, Mapping):
            _Names(vocabulary, faults, kind).check(raw, place)
        if document is not None:
            name = str(getattr(document, "id", ""))
            if name in seen:
                faults.add(f"{place}.id", "stands twice", "an id is given once")
            seen.add(name)
            read.append(document)
    if faults.found:
        raise InputError(f"{where} is not usable", where=where, diagnostics=faults.found)
    return read


def _shape_faults(error: ValidationError, kind: type[_Document], place: str, faults: Faults) -> None:
    private = kind is SubjectDocument
    for fault in error.errors(include_url=False, include_input=False, include_context=False):
        path = place
        for step in fault["loc"]:
            # A patient's document may have anything as a key: only its known fields are named.
            known = not private or isinstance(step, int) or step in _SUBJECT_FIELDS
            path += f"[{step}]" if isinstance(step, int) else f".{step}" if known else ".?"
        if fault["type"] == "extra_forbidden":
            name = str(fault["loc"][-1])
            message = "unknown field" if private else f"unknown field {shown(name)}"
            faults.add(path, message, suggestion(name, kind.model_fields))
        elif fault["type"] == "missing":
            faults.add(path, "is missing")
        else:
            message = fault["msg"].replace("Input should", "has to")
            faults.add(path, message[:1].lower() + message[1:])


_SUBJECT_FIELDS = {"id", "identifiers", "facts", "system", "value"}


class _Names:
    """Checks the names in one raw document, however broken its shape."""

    def __init__(self, vocabulary: Vocabulary, faults: Faults, kind: type[_Document]) -> None:
        self._vocabulary = vocabulary
        self._faults = faults
        self._kind = kind

    def check(self, raw: Mapping[str, Any], where: str) -> None:
        self._place(raw.get("place"), f"{where}.place")
        if self._kind in _HOLDERS:
            self._facts(raw.get("facts"), f"{where}.facts", self._kind)
        for field, check in _INNER.get(self._kind, ()):
            values = raw.get(field)
            for number, value in enumerate(values if isinstance(values, list) else []):
                if isinstance(value, Mapping):
                    check(self, value, f"{where}.{field}[{number}]")
        if self._kind is PartyDocument:
            self._shares(raw, where)
        if self._kind is EvidenceDocument:
            self._evidence(raw, where)

    def _place(self, value: object, where: str) -> None:
        places = self._vocabulary.taxonomies["place"]
        if isinstance(value, str) and not places.knows(value):
            self._faults.add(where, f"unknown place {shown(value)}", suggestion(value, places.ancestors)
                             or "places are ISO 3166-1 alpha-2 codes, or ISO 3166-2 for subdivisions")  # fmt: skip

    def _owner(self, owner: Mapping[str, Any], where: str) -> None:
        self._place(owner.get("place"), f"{where}.place")
        if ("party" in owner) == ("place" in owner):
            self._faults.add(where, "an owner is either a `party` or somebody of a `place`")

    def _part(self, part: Mapping[str, Any], where: str) -> None:
        self._facts(part.get("facts"), f"{where}.facts", PartDocument)

    def _shares(self, raw: Mapping[str, Any], where: str) -> None:
        owners = raw.get("owners")
        listed = owners if isinstance(owners, list) else []
        shares = [owner.get("share") for owner in listed if isinstance(owner, dict)]
        shares.append(raw.get("undisclosed_share") or 0)
        total = sum(share for share in shares if isinstance(share, int | float) and not isinstance(share, bool))
        if total > 100.000001:
            self._faults.add(f"{where}.owners", "the shares add up to more than 100 percent")

    def _facts(self, facts: object, where: str, kind: type[_Document]) -> None:
        names = names_of(self._vocabulary, _HOLDERS[kind])
        private = kind is SubjectDocument
        for name, value in (facts if isinstance(facts, Mapping) else {}).items():
            if private and name == BIRTH_DATE:
                if partial_date(value) is None:
                    self._faults.add(f"{where}.{name}", "has to be a date: YYYY, YYYY-MM or YYYY-MM-DD")
                continue
            definitions = names.get(name)
            if definitions is None:
                self._faults.add(f"{where}.{'?' if private else name}",
                                 "unknown fact" if private else f"unknown fact {shown(name)}",
                                 suggestion(str(name), names))  # fmt: skip
            elif (problem := _refused(definitions[0], name, kind)) is not None:
                self._faults.add(f"{where}.{name}", *problem)
            else:
                self._value(definitions, value, f"{where}.{name}", private=private)

    def _value(self, definitions: Sequence[FactDefinition], value: object, where: str, *, private: bool) -> None:
        """A party's fact has to fit what it means as exporter or as recipient."""
        worst: Faults | None = None
        for definition in definitions:
            found = Faults()
            convert(self._vocabulary, definition, value, found, where, secret=private)
            if not found.found:
                return
            worst = worst or found
        assert worst is not None
        self._faults.found.extend(worst.found)

    def _evidence(self, raw: Mapping[str, Any], where: str) -> None:
        named = raw.get("type")
        if not isinstance(named, str):
            return
        kind = self._vocabulary.evidence.get(named)
        if kind is None:
            hint = suggestion(named, self._vocabulary.evidence)
            self._faults.add(f"{where}.type", f"unknown evidence type {shown(named)}", hint)
            return
        outcome, scope = raw.get("outcome"), raw.get("scope")
        if isinstance(outcome, str) and outcome not in kind.outcomes and outcome not in NEGATIVE_OUTCOMES:
            known = f"known: {', '.join(sorted(kind.outcomes))}; else {', '.join(sorted(NEGATIVE_OUTCOMES))}"
            self._faults.add(f"{where}.outcome", f"unknown outcome {shown(outcome)} of `{named}`", known)
        for key, values in (scope if isinstance(scope, Mapping) else {}).items():
            if key not in kind.match:
                hint = f"`{named}` has to fit: {', '.join(kind.match)}"
                self._faults.add(f"{where}.scope.{key}", f"unknown match key {shown(key)}", hint)
            elif isinstance(values, list):
                self._scope(key, values, f"{where}.scope.{key}")
        for name in raw["properties"] if isinstance(raw.get("properties"), Mapping) else ():
            if name not in kind.properties:
                self._faults.add(f"{where}.properties.{name}", f"unknown property {shown(name)} of `{named}`",
                                 suggestion(str(name), kind.properties))  # fmt: skip

    def _scope(self, key: str, values: Sequence[object], where: str) -> None:
        fact = {"purpose": "purpose", "categories": "data.categories"}.get(key)
        definition = self._vocabulary.facts.get(fact) if fact else None
        for number, value in enumerate(values):
            if key == "destination":
                self._place(value, f"{where}[{number}]")
            elif definition is not None and isinstance(value, str):
                convert(self._vocabulary, definition, value, self._faults, f"{where}[{number}]")


NEGATIVE_OUTCOMES = frozenset({"pending", "refused", "rejected", "insufficient", "not-approved", "expired", "unlawful"})
"""Outcomes that any document may record and that open nothing."""

_INNER: Mapping[type[_Document], tuple[tuple[str, Callable[[_Names, Mapping[str, Any], str], None]], ...]] = {
    PartyDocument: (("owners", _Names._owner),),  # noqa: SLF001 - a table of this class's own checks
    DatasetDocument: (("parts", _Names._part),),  # noqa: SLF001
}


def _refused(definition: FactDefinition, name: str, kind: type[_Document]) -> tuple[str, str] | None:
    """Say why a fact may not be registered, or None."""
    if kind is PartyDocument and name in _OWN_FIELDS:
        return f"`{name}` is a field of its own", "write it beside `facts`"
    computed_proof = definition.source == "computed" and definition.absent_no
    if definition.id in _COMPUTED or computed_proof or (kind is SubjectDocument and definition.source == "request"):
        return f"`{definition.id}` is established by the engine and cannot be registered", "leave it out"
    return None


def partial_date(value: object) -> tuple[date, date] | None:
    """Return the first and last day that a date of day, month or year precision may mean, or None."""
    if not isinstance(value, str) or not value.isascii():
        return None
    try:
        if len(value) == 4:
            return date(int(value), 1, 1), date(int(value), 12, 31)
        if len(value) == 7 and value[4] == "-":
            year, month = int(value[:4]), int(value[5:])
            after = date(year + month // 12, month % 12 + 1, 1)
            return date(year, month, 1), date.fromordinal(after.toordinal() - 1)
        day = date.fromisoformat(value) if len(value) == 10 else None
    except ValueError:
        return None
    return None if day is None else (day, day)
