"""Facts that left a regime undecided: docs/semantics.md, section 8."""

from __future__ import annotations

from governance.core.conditions import (
    AllOf,
    AnyOf,
    Condition,
    ConsentTest,
    Constant,
    EvidenceNeed,
    EvidenceTest,
    FactTest,
    Not,
    TableTest,
)
from governance.core.rules import Force, Gate, Regime, Rule
from tests.reference.answers import Answer, Cell, F, H, U, consent_test, fact_test, in_terms, item_fits
from tests.reference.regimes import (
    answer_regime,
    cannot_fulfil,
    exists,
    governing,
    ground,
    ground_or_mechanism,
    inside,
    not_base,
    not_prohibited,
    outside_scope,
    requirement,
    review_cap,
    rules_of,
    stays,
)

CONSENT = "subject.consent_state"


def of_need(cell: Cell, need: EvidenceNeed) -> set[str]:
    return set().union(*(item_fits(cell, item, need).missing for item in cell.evidence if item.type == need.type))


def of_condition(cell: Cell, asked: Condition) -> set[str]:
    """Name what every unknown leaf tests."""
    match asked:
        case Constant():
            return set()
        case FactTest():
            return {asked.fact} if fact_test(cell, asked) is U else set()
        case TableTest():
            found: set[str] = set()
            for row in asked.rows:
                value = cell.facts.get(asked.fact)
                absent = value is None and not asked.absent_no
                if absent or (value is not None and in_terms(cell, asked.taxonomy, value, row.terms) is U):
                    found.add(asked.fact)
                found |= of_condition(cell, row.when) | of_condition(cell, row.unless)
            return found
        case EvidenceTest():
            return of_need(cell, asked.need)
        case ConsentTest():
            return {CONSENT} if consent_test(cell, asked) is U else set()
        case AllOf() | AnyOf():
            return set().union(*(of_condition(cell, m) for m in asked.members))
        case Not():
            return of_condition(cell, asked.member)


def of_rule(cell: Cell, rule: Rule) -> set[str]:
    found = of_condition(cell, rule.when) | of_condition(cell, rule.unless) | of_condition(cell, rule.must)
    for need in rule.needs:
        found |= of_need(cell, need)
    if rule.consent is not None:
        found |= of_condition(cell, rule.consent)
    may_argue = rule.gate in (Gate.GROUND, Gate.MECHANISM)
    if may_argue and rule.arguable is not None and rule.arguable.point is not None:
        found |= of_condition(cell, rule.arguable.point)
    if rule.governed_by is not None:
        found |= of_condition(cell, rule.governed_by)
    for other in rule.defeated_by:
        found |= of_rule(cell, other)
    return found


VALUES = {
    Gate.OUTSIDE_SCOPE: outside_scope,
    Gate.PROHIBITION: not_prohibited,
    Gate.GROUND: ground,
    Gate.MECHANISM: ground_or_mechanism,
    Gate.REQUIREMENT: requirement,
    Gate.REVIEW: review_cap,
}


def of_regime(cell: Cell, regime: Regime) -> set[str]:
    """Name the facts that left the regime unknown or human."""
    value: Answer = answer_regime(cell, regime).value
    if value.value not in (U, H):
        return set()
    found = of_condition(cell, regime.governs) if governing(cell, regime).value is U else set()
    if regime.force is not Force.GUIDANCE and stays(cell, regime).value is U:
        found |= set().union(*(a.missing for a in inside(cell, regime)))
    for gate, evaluate in VALUES.items():
        for rule in rules_of(regime, gate):
            if exists(cell, rule).value is not F and evaluate(cell, rule).value is U:
                found |= of_rule(cell, rule)
    for rule in rules_of(regime, Gate.DUTY):
        if cannot_fulfil(cell, rule) and not_base(cell, rule, helps=False).value is U:
            found |= of_rule(cell, rule)
    return found
