"""The ruling: what `decide` answers, as values with one canonical JSON form."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from governance.core.consent import Filter
from governance.core.rules import Gate
from governance.core.truth import Truth

__all__ = [
    "Allowed", "Duty", "Effect", "Reason", "Refer", "Remedy", "Ruling",
]  # fmt: skip


class Effect(StrEnum):
    """The verdict."""

    PERMIT = "permit"
    DENY = "deny"
    REFER = "refer"


class Refer(StrEnum):
    """Why a request is referred, strongest first."""

    MISSING_FACTS = "missing-facts"
    NOT_COVERED = "not-covered"
    HUMAN_JUDGEMENT = "human-judgement"
    UNVERIFIED_LAW = "unverified-law"


@dataclass(frozen=True, slots=True, kw_only=True)
class Reason:
    """One rule that decided, or a statement of the engine (``regime`` = ``safe-conduct``).

    Attributes:
        regime: pack id.
        gate: section, or None for the engine's own statements.
        rule: full rule id.
        outcome: the rule's own truth (for a prohibition TRUE means it prohibits).
        facts: facts that the rule read and their values as text, sorted; a missing one reads ``unknown``.
        leg: leg number (0-based) it speaks of, or None for all.
        part: part id, or None for all.
        profile: profile under which it was evaluated.
        subject_dependent: it reads the patient's facts or consent: hidden from callers who hold no data.
        relied_on: the permit rests on it.
    """

    regime: str
    gate: Gate | None
    rule: str
    cite: str
    says: str
    outcome: Truth
    facts: tuple[tuple[str, str], ...] = ()
    leg: int | None = None
    part: str | None = None
    profile: str = "as-is"
    subject_dependent: bool = False
    relied_on: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Duty:
    """A duty owed, joined over every rule that brought it."""

    type: str
    by: str
    when: str
    params: tuple[tuple[str, tuple[str, ...]], ...] = ()
    because: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Allowed:
    """What of one subject class may go: part ids, and the consent's filters."""

    subject_class: int
    parts: tuple[str, ...]
    filters: tuple[Filter, ...] = ()
    otherwise: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class Remedy:
    """One change that would turn the non-permit into a permit; checked by deciding again.

    ``kind``: evidence, fact, consent or profile; ``what``: type, fact key, consent condition or profile id.
    """

    kind: str
    what: str
    says: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Ruling:
    """The answer to one request at one instant; deterministic in (policies, question, facts, at).

    Attributes:
        profile: the first lawful profile in the caller's order, or None if not permitted.
        allowed: what may go, per subject class that stays.
        subjects_in: people that stay.
        subjects_out: people left out.
        parts_in: parts that go for at least one person.
        parts_withheld: parts that go for nobody, though asked.
        duties: on a permit what must be done; on a non-permit the duties of ``when_denied``.
        missing: keys of facts whose absence decided (refer missing-facts), sorted.
        refer: why, or None.
        arguable: ids of rules that want a person, sorted.
        notes: statements that go first (law not signed off, places whose law was not examined), sorted.
        check_again_by: next instant after which the same question may be answered differently, or None.
    """

    effect: Effect
    at: datetime
    policy: str
    semantics: int
    profile: str | None = None
    refer: Refer | None = None
    allowed: tuple[Allowed, ...] = ()
    subjects_in: int = 0
    subjects_out: int = 0
    parts_in: tuple[str, ...] = ()
    parts_withheld: tuple[str, ...] = ()
    duties: tuple[Duty, ...] = ()
    reasons: tuple[Reason, ...] = ()
    missing: tuple[str, ...] = ()
    arguable: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    check_again_by: datetime | None = None
