"""What is asked, and everything that is known about it: the inputs of `decide`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from governance.core.consent import Consent
from governance.core.evidence import EvidenceItem
from governance.core.facts import Interval, Value
from governance.core.rules import Regime

__all__ = ["Facts", "LegFacts", "PartFacts", "Question", "SubjectClass"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """The caller's choices that are not facts.

    Attributes:
        profiles: profile ids that would serve, preferred first; never empty (``("as-is",)``).
        withhold_subjects: the caller accepts that people are left out.
        withhold_parts: the caller accepts that parts are left out.
        cannot: duty types the caller has said it cannot fulfil.
    """

    profiles: tuple[str, ...]
    withhold_subjects: bool = False
    withhold_parts: bool = False
    cannot: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True, kw_only=True)
class LegFacts:
    """One movement: facts of the leg and of its recipient.

    Attributes:
        counted: measure key to distinct people already in the ledger, this request not included.
    """

    facts: Mapping[str, Value]
    counted: Mapping[str, Interval] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class PartFacts:
    """One labelled slice of the data."""

    id: str
    facts: Mapping[str, Value]


@dataclass(frozen=True, slots=True, kw_only=True)
class SubjectClass:
    """Patients for whom every fact that a governing pack reads, and every consent, is the same.

    Attributes:
        size: how many people.
        members: register ids, if known (not for a count); never written to a ruling.
        counted_before: (leg number, measure key) to members the ledger already counts there.
    """

    facts: Mapping[str, Value]
    consents: tuple[Consent, ...] = ()
    size: int = 1
    members: tuple[str, ...] = ()
    counted_before: Mapping[tuple[int, str], int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """Everything known about a request at one instant.

    ``shared`` holds facts of the request, exporter, data set and ledger, with the ids ``exporter.id``,
    ``dataset``, ``project``; each leg holds ``recipient.id``. A cell's facts are shared, leg, part (after
    the profile), subject, in that order.
    """

    shared: Mapping[str, Value]
    legs: tuple[LegFacts, ...]
    parts: tuple[PartFacts, ...]
    classes: tuple[SubjectClass, ...]
    evidence: tuple[EvidenceItem, ...] = ()
    terms: tuple[Regime, ...] = ()
    """Terms of the data set or an agreement, as regimes."""
