"""Rules, regimes and the policy set: compiled, immutable, content-hashed.

`governance.policy.compile` makes these from packs; nothing here reads a file.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import IntEnum, StrEnum

from governance.core.conditions import ALWAYS, NEVER, Condition, ConsentTest, EvidenceNeed, Timespan
from governance.core.facts import Value, Vocabulary
from governance.core.truth import Truth

__all__ = [
    "SEMANTICS_VERSION", "Arguable", "Confidence", "DutyOwed", "Force", "Gate", "Measure", "OwnershipQuestion",
    "PlaceEntry", "PolicySet", "Profile", "Regime", "Rule",
]  # fmt: skip

SEMANTICS_VERSION = 1
"""Version of docs/semantics.md that rulings are made under."""


class Gate(StrEnum):
    """The question that a rule answers; also its section in the pack."""

    OUTSIDE_SCOPE = "outside_scope"
    PROHIBITION = "prohibitions"
    GROUND = "grounds"
    MECHANISM = "mechanisms"
    REQUIREMENT = "requirements"
    REVIEW = "reviews"
    EXCEPTION = "exceptions"
    DUTY = "duties"
    WHEN_DENIED = "when_denied"


class Confidence(IntEnum):
    """How well a piece of law is known."""

    UNVERIFIED = 0
    KNOWLEDGE = 1
    VERIFIED = 2
    SIGNED_OFF = 3


class Force(StrEnum):
    """Whether a pack binds."""

    LAW = "law"
    HOUSE = "house"
    """The operator's own rules, a data set's or an agreement's terms."""
    GUIDANCE = "guidance"
    """May add duties and reviews, never deny."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Arguable:
    """A rule whose last word is a person's: human instead of false.

    Attributes:
        point: for grounds and mechanisms, the argued condition; None argues the whole rule.
        who: role that may answer.
        within: how fast (ISO 8601 duration), or None.
        break_glass: whether the law lets a clinician act first.
    """

    point: Condition | None = None
    who: str
    within: str | None = None
    break_glass: bool = False
    says: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class DutyOwed:
    """A duty that a rule brings, with its parameters (sets sorted)."""

    type: str
    params: tuple[tuple[str, tuple[str, ...]], ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """One rule of a pack.

    Attributes:
        id: ``pack/gate/name``.
        must: requirements only: what has to hold where the rule applies.
        rests_on: for mechanisms and requirements, ids of the grounds (or mechanisms) it goes with; empty: all.
        defeats: for exceptions, ids of the rules it defeats while true.
        defeated_by: for prohibitions, requirements, reviews and exceptions: exceptions naming it, compiled in.
        existence: FALSE if proposed, suspended or repealed, HUMAN if its status is unknown, else TRUE.
        confident: known at least as well as the operator asks (compiled from confidence and level).
        despite_refusal: citation that lets this ground stand against a refusal, or None.
        subject_dependent: reads a fact of the subject or its consent (compiled).
        source: ``file:line:col`` of the rule.
    """

    id: str
    gate: Gate
    cite: str
    says: str
    when: Condition = ALWAYS
    unless: Condition = NEVER
    must: Condition = ALWAYS
    needs: tuple[EvidenceNeed, ...] = ()
    consent: ConsentTest | None = None
    rests_on: frozenset[str] = frozenset()
    defeats: frozenset[str] = frozenset()
    defeated_by: tuple[Rule, ...] = ()
    last_resort: bool = False
    arguable: Arguable | None = None
    duties: tuple[DutyOwed, ...] = ()
    span: Timespan = Timespan()
    existence: Truth = Truth.TRUE
    confidence: Confidence = Confidence.VERIFIED
    confident: bool = True
    despite_refusal: str | None = None
    subject_dependent: bool = False
    governed_by: Condition | None = None
    """For an exception set aside from another pack: that pack's ``governs``."""
    source: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Measure:
    """A count of distinct people that a pack asks for.

    Attributes:
        key: fact key, ``count[pack/name]``.
        within: condition on a part (with its leg and subject) whose people count.
        per: facts whose values together name the counter, such as ``exporter.id``, ``recipient.group``.
        window_days: length of a rolling window, or None for the calendar year (UTC).
        complete_by: evidence type that closes the upper bound, or None: the bound is closed by nothing.
    """

    key: str
    within: Condition
    per: tuple[str, ...]
    window_days: int | None
    complete_by: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class OwnershipQuestion:
    """A share of ownership that a pack asks for.

    Attributes:
        key: fact key, ``recipient.owned_by[pack/table,cascade]``.
        places: places of the group.
        cascade_at: percentage from which an owner counts as of the group as a whole, or None.
    """

    key: str
    places: frozenset[str]
    cascade_at: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Regime:
    """One body of law, compiled.

    Attributes:
        territory: places (usually one) that the pack speaks for; empty for house rules.
        silent_on: gate to the reason why the pack does not ask it.
        signed_off: a lawyer has approved the pack.
        span: when the pack is in force; outside it the pack does not govern.
        existence: FALSE if the pack is proposed, suspended or repealed, HUMAN if its status is unknown.
    """

    id: str
    title: str
    territory: frozenset[str]
    force: Force
    governs: Condition
    rules: Mapping[Gate, tuple[Rule, ...]]
    silent_on: Mapping[Gate, str]
    signed_off: bool = False
    source: str = ""
    span: Timespan = Timespan()
    existence: Truth = Truth.TRUE


@dataclass(frozen=True, slots=True, kw_only=True)
class Profile:
    """What a profile claims to make of the data, as rules see it.

    Attributes:
        sets: facts of a part after the profile (``data.form``, ``data.meets``, ``data.identifiers`` ...).
        removes_categories: categories that no longer appear after the profile.
    """

    id: str
    sets: Mapping[str, Value]
    removes_categories: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True, kw_only=True)
class PlaceEntry:
    """A dated, cited statement that a place has no regime of its own for this."""

    place: str
    cite: str
    span: Timespan = Timespan()
    note: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class PolicySet:
    """All policies in force, immutable.

    Attributes:
        digest: ``sha256:`` and the hash of the canonical JSON of the parsed set (docs/formats.md).
        level: how well the law must be known for a permit.
        profiles: profile id to its claims; ``as-is`` (nothing changed) is always there.
    """

    digest: str
    vocabulary: Vocabulary
    regimes: tuple[Regime, ...]
    profiles: Mapping[str, Profile]
    measures: Mapping[str, Measure] = field(default_factory=dict)
    ownership: tuple[OwnershipQuestion, ...] = ()
    no_regime: tuple[PlaceEntry, ...] = ()
    level: Confidence = Confidence.KNOWLEDGE
