"""Facts: named, typed values that rules may test, and the vocabulary that declares them.

A fact that is missing from a mapping is *unknown*. Sets are closed: what is not in them is false.
A number may be an interval, ``Interval(low, high)``, where only its bounds are known.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date
from enum import StrEnum

from governance.core.truth import Truth

__all__ = [
    "DutyType", "EvidenceType", "FactDefinition", "FactType", "Holder", "Interval", "Taxonomy", "Value",
    "Vocabulary", "Word", "place_ancestors",
]  # fmt: skip


@dataclass(frozen=True, slots=True)
class Interval:
    """A number known only to lie in [low, high]; ``high`` may be infinite."""

    low: float
    high: float

    def __post_init__(self) -> None:
        """Refuse what is no interval."""
        if math.isnan(self.low) or math.isnan(self.high) or self.low > self.high:
            raise ValueError(f"not an interval: [{self.low}, {self.high}]")


Value = bool | str | date | Interval | frozenset[str]
"""A fact's value: yes-no, term/place/id, date, number (always an Interval), terms/places."""


class FactType(StrEnum):
    """What a fact's value may be."""

    TERM = "term"
    TERMS = "terms"
    PLACE = "place"
    PLACES = "places"
    NUMBER = "number"
    DATE = "date"
    YES_NO = "yes-no"
    ID = "id"


class Holder(StrEnum):
    """What a fact belongs to (``of`` in the vocabulary)."""

    REQUEST = "request"
    LEG = "leg"
    EXPORTER = "exporter"
    RECIPIENT = "recipient"
    DATASET = "dataset"
    PART = "part"
    SUBJECT = "subject"
    LEDGER = "ledger"


class Word(StrEnum):
    """Whose word is enough for a fact."""

    CALLER = "caller"
    CLINICIAN = "clinician"
    NO = "no"


@dataclass(frozen=True, slots=True, kw_only=True)
class FactDefinition:
    """One fact as the vocabulary declares it.

    Attributes:
        id: name used in conditions, such as ``recipient.type``.
        taxonomy: taxonomy of its terms, or None where ``values`` is the whole closed list.
        absent_no: a missing value counts as not proven (false) instead of unknown.
        params: parameters that make it a family of facts (``count`` by measure).
    """

    id: str
    of: Holder
    type: FactType
    source: str
    word: Word
    means: str
    taxonomy: str | None = None
    values: frozenset[str] = frozenset()
    absent_no: bool = False
    params: tuple[str, ...] = ()
    unit: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Taxonomy:
    """Terms with their broader terms.

    Attributes:
        ancestors: every known term to all its broader terms (itself not included).
    """

    id: str
    ancestors: Mapping[str, frozenset[str]]

    def relation(self, given: str, rule: str) -> Truth:
        """Compare a given term with a rule's term: at or below true, above unknown, beside false."""
        if given == rule or rule in self.ancestors_of(given):
            return Truth.TRUE
        return Truth.UNKNOWN if given in self.ancestors_of(rule) else Truth.FALSE

    def ancestors_of(self, term: str) -> frozenset[str]:
        """Return every broader term; for places a subdivision (ISO 3166-2) lies below its country."""
        known = self.ancestors.get(term)
        if known is None:
            return place_ancestors(term, self.ancestors) if self.id == "place" else frozenset()
        return known

    def knows(self, term: str) -> bool:
        """Say whether the term exists (for places also any subdivision of a known country)."""
        return term in self.ancestors or (self.id == "place" and bool(place_ancestors(term, self.ancestors)))


def place_ancestors(term: str, ancestors: Mapping[str, frozenset[str]]) -> frozenset[str]:
    """Return the broader places of an ISO 3166-2 subdivision of a known country, else nothing."""
    country, dash, rest = term.partition("-")
    if dash and len(country) == 2 and 1 <= len(rest) <= 3 and rest.isalnum() and country in ancestors:
        return ancestors[country] | {country}
    return frozenset()


@dataclass(frozen=True, slots=True, kw_only=True)
class EvidenceType:
    """A type of document.

    Attributes:
        match: what an item must fit in the request (``exporter``, ``recipient``, ``destination`` ...).
        outcomes: recorded outcomes that may open a gate; no recorded outcome opens none.
        properties: anchors that rules may test.
        max_age_days: oldest the document may be by its type, in days.
        min_age_days: youngest the document may be by its type, in days.
    """

    id: str
    match: tuple[str, ...]
    outcomes: frozenset[str]
    properties: frozenset[str] = frozenset()
    max_age_days: int | None = None
    min_age_days: int | None = None
    means: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class DutyType:
    """A type of duty: who must do it, when, and how two of the same type join.

    Attributes:
        by: platform, exporter or recipient.
        when: before, with or after handing out.
        on: permit, deny or any.
        join: parameter to its joining rule: shorter, longer, sooner, later, larger, stronger, all or
            intersection (an empty intersection contradicts).
        contradicts: duty types that cannot be owed together with this one.
    """

    id: str
    by: str
    when: str
    on: str = "permit"
    params: tuple[str, ...] = ()
    join: Mapping[str, str] = field(default_factory=dict)
    contradicts: frozenset[str] = frozenset()
    means: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Vocabulary:
    """Everything that rules and requests may name.

    ``taxonomies`` always holds ``place``; its groups (EEA) are terms above countries.
    ``strength`` orders values for the joining rule ``stronger``: parameter to values, weakest first.
    """

    facts: Mapping[str, FactDefinition]
    taxonomies: Mapping[str, Taxonomy]
    evidence: Mapping[str, EvidenceType]
    duties: Mapping[str, DutyType]
    consent: Mapping[str, frozenset[str]] = field(default_factory=dict)
    """The closed words of a consent condition: ``to``, ``form``, ``told``, ``by``."""
    strength: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    version: str = "0"
    consent_purposes: Mapping[str, frozenset[str]] = field(default_factory=dict)
    """A purpose of ours to the codes under which consents know it (v3 PurposeOfUse); none: unknown."""
    purpose_ancestors: Mapping[str, frozenset[str]] = field(default_factory=dict)
    """A consent's purpose code to all broader codes."""
