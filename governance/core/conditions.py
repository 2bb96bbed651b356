"""Conditions over facts, evidence and consent: the tree that a pack's ``when`` and ``unless`` compile to.

The tree says what is asked; how it is answered is `governance.core.regime` (fast) and the reference
evaluator in the tests (slow and obvious). Semantics: docs/semantics.md.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from enum import StrEnum
from typing import TypeAlias

from governance.core.truth import Truth

__all__ = [
    "ALWAYS",
    "NEVER",
    "AllOf",
    "AnyOf",
    "Condition",
    "ConsentTest",
    "Constant",
    "EvidenceNeed",
    "EvidenceTest",
    "FactTest",
    "Not",
    "Operator",
    "Row",
    "TableTest",
    "Timespan",
]  # fmt: skip


class Operator(StrEnum):
    """How a fact is tested."""

    IN = "in"
    """The value (or one of the set's values) is at or below one of the terms."""
    ONLY = "only"
    """Every value of the set is at or below one of the terms; an empty set is unknown."""
    IS = "is"
    """A yes-no fact has this value."""
    ABOVE = "above"
    AT_LEAST = "at_least"
    BELOW = "below"
    AT_MOST = "at_most"
    BEFORE = "before"
    """A date lies before this date."""
    FROM = "from"
    """A date lies on or after this date."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Constant:
    """Always the same truth."""

    value: Truth


ALWAYS = Constant(value=Truth.TRUE)
NEVER = Constant(value=Truth.FALSE)


@dataclass(frozen=True, slots=True, kw_only=True)
class FactTest:
    """One test of one fact.

    Attributes:
        fact: key in the cell's facts; a parameterised fact carries its parameters in the key,
            ``count[us-dsp/genomes]`` or ``recipient.owned_by[us-dsp/countries-of-concern,50]``.
        taxonomy: taxonomy for IN and ONLY, or None for plain equality.
        terms: operand of IN and ONLY.
        number: operand of ABOVE, AT_LEAST, BELOW, AT_MOST.
        flag: operand of IS.
        day: operand of BEFORE and FROM.
        absent_no: copied from the fact's definition: missing is false instead of unknown.
    """

    fact: str
    operator: Operator
    taxonomy: str | None = None
    terms: frozenset[str] = frozenset()
    number: float = 0.0
    flag: bool = True
    day: date = date.min
    absent_no: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Timespan:
    """When something is in force: dates inclusive, each end possibly an interval, None open.

    Between ``from_earliest`` and ``from_latest`` (and likewise at the end) it is unknown.
    """

    from_earliest: date | None = None
    from_latest: date | None = None
    until_earliest: date | None = None
    until_latest: date | None = None

    def holds(self, day: date) -> Truth:
        """Say whether the span covers a day.

        ``until`` is the last day in force.
        """
        started = Truth.TRUE
        if self.from_earliest is not None and day < self.from_earliest:
            started = Truth.FALSE
        elif self.from_latest is not None and day < self.from_latest:
            started = Truth.UNKNOWN
        ended_not = Truth.TRUE
        if self.until_latest is not None and day > self.until_latest:
            ended_not = Truth.FALSE
        elif self.until_earliest is not None and day > self.until_earliest:
            ended_not = Truth.UNKNOWN
        return min(started, ended_not)

    def turning_days(self) -> tuple[date, ...]:
        """Return the first days on which `holds` may change its answer (starts, and days after ends)."""
        starts = [d for d in (self.from_earliest, self.from_latest) if d is not None]
        ends = [date.fromordinal(d.toordinal() + 1) for d in (self.until_earliest, self.until_latest)
                if d is not None and d < date.max]  # fmt: skip
        return tuple(sorted({*starts, *ends}))


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """A row of a table of places or terms.

    Attributes:
        id: ``pack/tables/table/term`` for reasons and findings.
        terms: what the tested fact must be at or below.
        existence: TRUE, HUMAN (status unknown) or FALSE (proposed, suspended, repealed).
        confident: the row is known at least as well as the operator asks; where it is not and where
            being true would help the request, its truth is capped at human.
    """

    id: str
    terms: frozenset[str]
    cite: str
    span: Timespan = Timespan()
    existence: Truth = Truth.TRUE
    confident: bool = True
    when: Condition = ALWAYS
    unless: Condition = NEVER
    note: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class TableTest:
    """The fact's value is in a row that exists, is in force and applies."""

    fact: str
    taxonomy: str
    table: str
    rows: tuple[Row, ...]
    absent_no: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class EvidenceNeed:
    """A document that must be on file: fitting, verified, valid, of the right age and outcome.

    Attributes:
        outcomes: recorded outcomes that open; a subset of the type's.
        properties: property to required values (any of them).
        max_age_days: oldest by issue date, in days.
        min_age_days: youngest by issue date, in days.
    """

    type: str
    outcomes: frozenset[str]
    properties: tuple[tuple[str, frozenset[str]], ...] = ()
    max_age_days: int | None = None
    min_age_days: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class EvidenceTest:
    """One piece of evidence is on file; true or false, never unknown."""

    need: EvidenceNeed


@dataclass(frozen=True, slots=True, kw_only=True)
class ConsentTest:
    """The patient consented to this, in this form, told of this, by this person.

    Empty sets ask nothing. ``to``: every one must be covered; ``form``: any of them; ``told``: every one;
    ``by``: any of them.
    """

    to: frozenset[str] = frozenset()
    form: frozenset[str] = frozenset()
    told: frozenset[str] = frozenset()
    by: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True, kw_only=True)
class AllOf:
    """Minimum of its members; true if empty."""

    members: tuple[Condition, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class AnyOf:
    """Maximum of its members; false if empty."""

    members: tuple[Condition, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Not:
    """Negation; swaps false and true."""

    member: Condition


Condition: TypeAlias = Constant | FactTest | TableTest | EvidenceTest | ConsentTest | AllOf | AnyOf | Not
