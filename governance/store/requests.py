"""A request as callers write it: its shape, its bounds, and every fault at once.

Guarantees: what `parse_request` returns has the shape of DESIGN.md section 11, is bounded in size, and names
only purposes, facts, places, profiles and duties that exist. Whether the caller's word is enough for a fact is
not settled here but where facts are gathered. No message quotes anything about a patient.

Example:
    >>> parse_request({"subjects": {"count": 3}}, vocabulary).subjects.count   # doctest: +SKIP
    3
"""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping
from typing import Annotated, Any, Literal

from pydantic import (
    BaseModel,
    ConfigDict,
    Discriminator,
    Field,
    StringConstraints,
    Tag,
    ValidationError,
    model_validator,
)

from governance.core.facts import FactDefinition, FactType, Holder, Vocabulary, Word
from governance.errors import InputError
from governance.store.values import Faults, convert, fact_of, names_of, shown, suggestion

__all__ = [
    "DatasetClaim", "LegRequest", "PartClaim", "PartyClaim", "RequestDocument", "SubjectsRequest", "Withhold",
    "parse_request",
]  # fmt: skip

MAX_BYTES = 64 * 1024 * 1024
MAX_PEOPLE = 1_000_000

Id = Annotated[str, StringConstraints(min_length=1, max_length=200)]
_Term = Annotated[str, StringConstraints(min_length=1, max_length=100)]
_Facts = Annotated[dict[str, Any], Field(max_length=200)]


class _Shape(BaseModel):
    model_config = ConfigDict(strict=True, extra="forbid", frozen=True)


class PartyClaim(_Shape):
    """A party that a dry run describes instead of naming a registered one."""

    id: Id | None = None
    name: Id | None = None
    place: _Term | None = None
    group: Id | None = None
    facts: _Facts = Field(default_factory=dict)


class PartClaim(_Shape):
    """A part that a dry run describes."""

    id: Id
    facts: _Facts = Field(default_factory=dict)


class DatasetClaim(_Shape):
    """A data set that a dry run describes."""

    id: Id | None = None
    place: _Term | None = None
    project: Id | None = None
    facts: _Facts = Field(default_factory=dict)
    parts: Annotated[list[PartClaim], Field(max_length=100)] = Field(default_factory=list)


def _kind(value: object) -> str:
    return "id" if isinstance(value, str) else "claim"


_PartyRef = Annotated[Annotated[Id, Tag("id")] | Annotated[PartyClaim, Tag("claim")], Discriminator(_kind)]
_DatasetRef = Annotated[Annotated[Id, Tag("id")] | Annotated[DatasetClaim, Tag("claim")], Discriminator(_kind)]
_PartRef = Annotated[Annotated[Id, Tag("id")] | Annotated[PartClaim, Tag("claim")], Discriminator(_kind)]


class LegRequest(_Shape):
    """One movement: what is done, to whom, where."""

    action: _Term | None = None
    recipient: _PartyRef | None = None
    destination: _Term | None = None
    facts: _Facts = Field(default_factory=dict)


class SubjectsRequest(_Shape):
    """Whom it is about: a registered cohort (``dataset/name``), register ids, or only how many."""

    cohort: Annotated[str, StringConstraints(min_length=1, max_length=401)] | None = None
    ids: Annotated[list[Id], Field(min_length=1, max_length=MAX_PEOPLE)] | None = None
    count: Annotated[int, Field(ge=1, le=10_000_000_000)] | None = None

    @model_validator(mode="after")
    def _one_of_three(self) -> SubjectsRequest:
        if sum(given is not None for given in (self.cohort, self.ids, self.count)) != 1:
            raise ValueError("say either `cohort`, `ids` or `count`")
        return self


class Withhold(_Shape):
    """What the caller accepts to be left out."""

    subjects: bool = False
    parts: bool = False


class RequestDocument(_Shape):
    """A request; one leg may be written flat, and is read into ``legs``.

    Attributes:
        origin: may be broader than the register's place, never contradict it.
        carry: ``self``: the platform carries the data itself and asks for a grant.
        attested_by: the clinician whose word stands for the facts that need one.
        cannot: duty types the caller can't fulfil.
    """

    purpose: _Term | None = None
    origin: _Term | None = None
    exporter: _PartyRef | None = None
    dataset: _DatasetRef | None = None
    legs: Annotated[list[LegRequest], Field(min_length=1, max_length=16)]
    subjects: SubjectsRequest
    profiles: Annotated[list[_Term], Field(min_length=1, max_length=32)] = Field(default_factory=lambda: ["as-is"])
    withhold: Withhold = Withhold()
    project: Id | None = None
    parts: Annotated[list[_PartRef], Field(min_length=1, max_length=100)] | None = None
    facts: _Facts = Field(default_factory=dict)
    attested_by: Id | None = None
    carry: Literal["self"] | None = None
    dry_run: bool = False
    cannot: Annotated[list[_Term], Field(max_length=100)] = Field(default_factory=list)

    def document(self) -> dict[str, Any]:
        """Return the request as JSON values, defaults left out: the form that is digested and kept."""
        return self.model_dump(mode="json", exclude_defaults=True)


_FLAT = ("action", "recipient", "destination")
_OWN_FIELD = frozenset({"purpose", "origin", "dataset", "project", "destination", "action"})


def parse_request(
    source: bytes | str | Mapping[str, Any], vocabulary: Vocabulary, *, profiles: Collection[str] | None = None
) -> RequestDocument:
    """Read a request and check every name in it.

    Args:
        source: JSON text (UTF-8) or the parsed document.
        vocabulary: names that may be used.
        profiles: profile ids of the policy set; None: not checked here.

    Raises:
        InputError: with all faults as diagnostics.
    """
    raw = dict(source) if isinstance(source, Mapping) else _parsed(source)
    faults = Faults()
    unfolded = _unfold(raw, faults)
    document: RequestDocument | None = None
    try:
        document = RequestDocument.model_validate(unfolded)
    except ValidationError as error:
        _shape_faults(error, faults)
    _Names(vocabulary, faults).check(unfolded, profiles)
    if faults.found or document is None:
        raise InputError("the request is not usable", diagnostics=sorted(faults.found, key=lambda fault: fault.where))
    return document


def _parsed(source: bytes | str) -> dict[str, Any]:
    if len(source) > MAX_BYTES:
        raise InputError(f"the request is larger than {MAX_BYTES} bytes", where="request")
    try:
        raw = json.loads(source, object_pairs_hook=_without_duplicates, parse_constant=_no_constant)
    except json.JSONDecodeError as error:
        raise InputError("the request is not JSON", where=f"request:{error.lineno}:{error.colno}",
                         hint=error.msg.lower()) from None  # fmt: skip
    except UnicodeDecodeError:
        raise InputError("the request is not UTF-8", where="request") from None
    except RecursionError:
        raise InputError("the request is nested too deeply", where="request") from None
    except ValueError as error:
        raise InputError("the request is not JSON", where="request", hint=str(error)) from None
    if not isinstance(raw, dict):
        raise InputError("the request has to be a JSON object", where="request")
    return raw


def _without_duplicates(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    document = dict(pairs)
    if len(document) != len(pairs):
        raise ValueError("a key stands twice in one object")
    return document


def _no_constant(name: str) -> None:
    raise ValueError(f"{name} is no JSON number")


def _unfold(raw: dict[str, Any], faults: Faults) -> dict[str, Any]:
    """Write a flat leg into ``legs``."""
    flat = {name: raw[name] for name in _FLAT if name in raw}
    rest = {name: value for name, value in raw.items() if name not in flat}
    if "legs" in rest:
        for name in flat:
            faults.add(name, "stands beside `legs`", "write it into the leg it belongs to")
        return rest
    return {**rest, "legs": [flat]}


def _shape_faults(error: ValidationError, faults: Faults) -> None:
    for fault in error.errors(include_url=False, include_input=False, include_context=False):
        path = ""
        for step in fault["loc"]:
            if isinstance(step, int):
                path += f"[{step}]"
            elif step not in ("id", "claim") or not _is_tag(fault["loc"], step):
                path += f".{step}" if path else step
        where = path or "request"
        if fault["type"] == "extra_forbidden":
            name = str(fault["loc"][-1])
            faults.add(where, f"unknown field {shown(name)}", suggestion(name, RequestDocument.model_fields))
        elif fault["type"] == "missing":
            faults.add(where, "is missing", "say `cohort`, `ids` or `count`" if where == "subjects" else None)
        else:
            message = fault["msg"].removeprefix("Value error, ").replace("Input should", "has to")
            faults.add(where, message[:1].lower() + message[1:])


def _is_tag(loc: tuple[int | str, ...], step: str) -> bool:
    """Tell a union's tag (exporter.id.-) from a field of that name (exporter.claim.id)."""
    position = loc.index(step)
    return position > 0 and (loc[position - 1] in ("exporter", "recipient", "dataset")
                             or (isinstance(loc[position - 1], int) and "parts" in loc[:position]))  # fmt: skip


class _Names:
    """Checks names in a raw request, however broken its shape; collects, never raises."""

    def __init__(self, vocabulary: Vocabulary, faults: Faults) -> None:
        self._vocabulary = vocabulary
        self._faults = faults

    def check(self, raw: Mapping[str, Any], profiles: Collection[str] | None) -> None:
        legs = raw.get("legs") if isinstance(raw.get("legs"), list) else []
        assert isinstance(legs, list)
        for name, fact in (("purpose", "purpose"), ("origin", "origin")):
            self._value(fact, raw.get(name), name)
        for number, leg in enumerate(legs):
            if isinstance(leg, dict):
                self._value("destination", leg.get("destination"), f"legs[{number}].destination")
                self._value("action", leg.get("action"), f"legs[{number}].action")
                self._party(leg.get("recipient"), f"legs[{number}].recipient", Holder.RECIPIENT, raw)
                self._facts(leg.get("facts"), f"legs[{number}].facts", of_leg=True, legs=len(legs))
        self._party(raw.get("exporter"), "exporter", Holder.EXPORTER, raw)
        self._dataset(raw)
        self._facts(raw.get("facts"), "facts", of_leg=False, legs=len(legs))
        self._listed(raw.get("cannot"), "cannot", "duty", self._vocabulary.duties)
        if profiles is not None:
            self._listed(raw.get("profiles"), "profiles", "profile", profiles)
        if raw.get("carry") and raw.get("dry_run"):
            self._faults.add("carry", "a dry run gives no grant", "leave out `carry` or `dry_run`")

    def _value(self, fact: str, value: object, where: str) -> None:
        definition = self._vocabulary.facts.get(fact) or _PLAIN.get(fact)
        if isinstance(value, str) and definition is not None:
            convert(self._vocabulary, definition, value, self._faults, where)

    def _listed(self, values: object, where: str, kind: str, known: Collection[str]) -> None:
        for number, value in enumerate(values if isinstance(values, list) else []):
            if isinstance(value, str) and value not in known:
                self._faults.add(f"{where}[{number}]", f"unknown {kind} {shown(value)}", suggestion(value, known))

    def _claim(self, value: object, where: str, raw: Mapping[str, Any]) -> dict[str, Any] | None:
        if not isinstance(value, dict):
            return None
        if raw.get("dry_run") is not True:
            self._faults.add(where, "only a dry run may describe what is not registered",
                             "name a registered id, or set `dry_run`")  # fmt: skip
        return value

    def _party(self, value: object, where: str, holder: Holder, raw: Mapping[str, Any]) -> None:
        claim = self._claim(value, where, raw)
        if claim is not None:
            self._value("origin", claim.get("place"), f"{where}.place")
            self._named(claim.get("facts"), f"{where}.facts", [holder])

    def _dataset(self, raw: Mapping[str, Any]) -> None:
        claim = self._claim(raw.get("dataset"), "dataset", raw)
        if claim is not None:
            self._value("origin", claim.get("place"), "dataset.place")
            self._named(claim.get("facts"), "dataset.facts", [Holder.DATASET])
            for number, part in enumerate(claim["parts"] if isinstance(claim.get("parts"), list) else []):
                if isinstance(part, dict):
                    self._named(part.get("facts"), f"dataset.parts[{number}].facts", [Holder.PART])
        for number, part in enumerate(raw["parts"] if isinstance(raw.get("parts"), list) else []):
            inline = self._claim(part, f"parts[{number}]", raw)
            if inline is not None:
                self._named(inline.get("facts"), f"parts[{number}].facts", [Holder.PART])

    def _named(self, facts: object, where: str, holders: list[Holder]) -> None:
        """Check facts of an inline object, under short or full names."""
        names = names_of(self._vocabulary, holders)
        for name, value in (facts if isinstance(facts, dict) else {}).items():
            if name not in names:
                self._faults.add(f"{where}.{name}", f"unknown fact {shown(name)}", suggestion(name, names))
            else:
                convert(self._vocabulary, names[name][0], value, self._faults, f"{where}.{name}")

    def _facts(self, facts: object, where: str, *, of_leg: bool, legs: int) -> None:
        for key, value in (facts if isinstance(facts, dict) else {}).items():
            place = f"{where}.{key}"
            definition = fact_of(self._vocabulary, str(key))
            if definition is None:
                self._faults.add(place, f"unknown fact {shown(key)}", suggestion(str(key), self._vocabulary.facts))
                continue
            problem = self._misplaced(definition, of_leg=of_leg, legs=legs)
            if problem is not None:
                self._faults.add(place, *problem)
                continue
            convert(self._vocabulary, definition, value, self._faults, place,
                    secret=definition.of is Holder.SUBJECT)  # fmt: skip

    def _misplaced(self, definition: FactDefinition, *, of_leg: bool, legs: int) -> tuple[str, str] | None:
        if definition.id in _OWN_FIELD:
            return f"`{definition.id}` is a field of its own", "write it beside `facts`"
        if definition.of is Holder.LEDGER or definition.params:
            return f"`{definition.id}` is computed and cannot be given", "leave it out"
        if of_leg and definition.of not in (Holder.LEG, Holder.RECIPIENT):
            return f"`{definition.id}` is no fact of a leg", "write it into the request's `facts`"
        if not of_leg and legs > 1 and definition.of in (Holder.LEG, Holder.RECIPIENT):
            return f"`{definition.id}` belongs to one leg", "write it into that leg's `facts`"
        return None


def _plain(id: str, kind: FactType) -> FactDefinition:  # noqa: A002 - the vocabulary's word
    return FactDefinition(id=id, of=Holder.LEG, type=kind, source="request", word=Word.CALLER, means="")


_PLAIN: Mapping[str, FactDefinition] = {
    name: _plain(name, FactType.PLACE) for name in ("origin", "destination")
}
"""How places are read even by a vocabulary that does not declare them."""
