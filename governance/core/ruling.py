"""The ruling: what `decide` answers, as values with one canonical JSON form."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from typing import TypeAlias

from governance.core.consent import DataScope, Filter, Period
from governance.core.rules import Gate, Rule
from governance.core.truth import Truth

__all__ = [
    "NOT_AVAILABLE", "Allowed", "Duty", "Effect", "Json", "Reason", "Refer", "Remedy", "Ruling", "reason_of",
    "ruling_document", "subject_free",
]  # fmt: skip

Json: TypeAlias = bool | int | str | list["Json"] | dict[str, "Json"] | None
"""A value of canonical JSON: no floats."""

NOT_AVAILABLE = "not-available"
"""The one answer to a caller who does not hold the data, for everything that depends on the patient."""

_FEWEST_SHOWN = 11
"""Smaller counts are not shown to a caller who does not hold the data; larger ones are rounded down to tens."""


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


_NEW_REASON = Reason.__new__
(_REGIME, _GATE, _RULE, _CITE, _SAYS, _OUTCOME, _FACTS, _LEG, _PART, _PROFILE, _PERSONAL, _RELIED_ON) = (
    Reason.__dict__[slot].__set__ for slot in Reason.__slots__
)


def reason_of(
    rule: Rule, regime: str, outcome: Truth, facts: tuple[tuple[str, str], ...], *, profile: str,
    subject_dependent: bool, relied_on: bool,
) -> Reason:  # fmt: skip
    """Make a reason for all legs and parts; what its constructor makes, at a third of the time.

    A ruling may carry dozens; a frozen dataclass sets each field through a slow general path.
    """
    reason = _NEW_REASON(Reason)
    _REGIME(reason, regime)
    _GATE(reason, rule.gate)
    _RULE(reason, rule.id)
    _CITE(reason, rule.cite)
    _SAYS(reason, rule.says)
    _OUTCOME(reason, outcome)
    _FACTS(reason, facts)
    _LEG(reason, None)
    _PART(reason, None)
    _PROFILE(reason, profile)
    _PERSONAL(reason, subject_dependent)
    _RELIED_ON(reason, relied_on)
    return reason


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


def ruling_document(ruling: Ruling) -> dict[str, Json]:
    """Return a ruling's one canonical form: sorted, enums as their words, instants as ISO 8601 in UTC.

    Args:
        ruling: what `decide` answered. The document is for those who hold the data; see `subject_free`.
    """
    return {
        "effect": ruling.effect.value,
        "at": _instant(ruling.at),
        "policy": ruling.policy,
        "semantics": ruling.semantics,
        "profile": ruling.profile,
        "refer": ruling.refer.value if ruling.refer else None,
        "allowed": [_allowed_document(allowed) for allowed in ruling.allowed],
        "subjects": {"in": ruling.subjects_in, "out": ruling.subjects_out},
        "parts": {"in": [*ruling.parts_in], "withheld": [*ruling.parts_withheld]},
        "duties": [_duty_document(duty, frozenset()) for duty in ruling.duties],
        "reasons": [_reason_document(reason) for reason in ruling.reasons],
        "missing": [*ruling.missing],
        "arguable": [*ruling.arguable],
        "notes": [*ruling.notes],
        "check_again_by": _instant(ruling.check_again_by) if ruling.check_again_by else None,
    }


def subject_free(ruling: Ruling) -> dict[str, Json]:
    """Return a ruling as a caller may see it who does not already hold the data (DESIGN.md section 5).

    Effect, profile, duties and the reasons that do not depend on the patient. A non-permit that rests on the
    patient alone is ``not-available``: the same for refused, withdrawn, not asked and unknown. Counts from 11 up,
    rounded down to tens; no consent filter, and no instant at which a consent may turn.

    Args:
        ruling: what `decide` answered.
    """
    document = ruling_document(ruling)
    hidden = frozenset(reason.rule for reason in ruling.reasons if reason.subject_dependent)
    shown = [reason for reason in ruling.reasons if not reason.subject_dependent]
    document |= {
        "allowed": [],
        "subjects": {"in": _coarse(ruling.subjects_in), "out": _coarse(ruling.subjects_out)},
        "duties": [_duty_document(duty, hidden) for duty in ruling.duties],
        "reasons": [_reason_document(reason) for reason in shown],
        "missing": [key for key in ruling.missing if not key.startswith("subject.")],
        "arguable": [rule for rule in ruling.arguable if rule not in hidden],
        "check_again_by": None,
    }
    if ruling.effect is Effect.PERMIT or not hidden or (ruling.effect is Effect.DENY and shown):
        return document
    return document | {
        "effect": NOT_AVAILABLE, "refer": None, "duties": [], "reasons": [], "missing": [], "arguable": [], "notes": [],
    }  # fmt: skip


def _coarse(count: int) -> int | None:
    return count // 10 * 10 if count >= _FEWEST_SHOWN else None


def _instant(at: datetime) -> str:
    return at.astimezone(UTC).replace(tzinfo=None).isoformat() + "Z"


def _duty_document(duty: Duty, hidden: frozenset[str]) -> dict[str, Json]:
    return {
        "id": duty.type,
        "by": duty.by,
        "when": duty.when,
        "params": {name: [*values] for name, values in duty.params},
        "because": [rule for rule in duty.because if rule not in hidden],
    }


def _reason_document(reason: Reason) -> dict[str, Json]:
    return {
        "regime": reason.regime,
        "gate": reason.gate.value if reason.gate else None,
        "rule": reason.rule,
        "cite": reason.cite,
        "says": reason.says,
        "outcome": reason.outcome.name.lower(),
        "facts": dict(reason.facts),
        "leg": reason.leg,
        "part": reason.part,
        "profile": reason.profile,
        "subject_dependent": reason.subject_dependent,
        "relied_on": reason.relied_on,
    }


def _allowed_document(allowed: Allowed) -> dict[str, Json]:
    return {
        "class": allowed.subject_class,
        "parts": [*allowed.parts],
        "filters": [{"permit": f.permit, "data": _scope_document(f.data)} for f in allowed.filters],
        "otherwise": allowed.otherwise,
    }


def _scope_document(scope: DataScope) -> dict[str, Json]:
    related = sorted((r.meaning, r.reference) for r in scope.related)
    return {
        "labels": [*sorted(scope.labels)],
        "classes": [*sorted(scope.classes)],
        "codes": [*sorted(scope.codes)],
        "related": [{"meaning": meaning, "reference": reference} for meaning, reference in related],
        "data_period": _period_document(scope.data_period),
    }


def _period_document(period: Period | None) -> dict[str, Json] | None:
    if period is None:
        return None
    return {
        "start": _instant(period.start) if period.start else None,
        "end": _instant(period.end) if period.end else None,
    }
