"""Facts that left a regime undecided: docs/semantics.md, section 8."""

from __future__ import annotations

from governance.core.rules import Force, Gate, Regime
from tests.reference.answers import CONSENT_FACT, Answer, Cell, H, U
from tests.reference.regimes import (
    answer_regime,
    cannot_fulfil,
    governing,
    ground,
    ground_or_mechanism,
    not_base,
    not_prohibited,
    outside_scope,
    requirement,
    review_cap,
    rules_of,
    stays,
)

CONSENT = CONSENT_FACT

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
    if answer_regime(cell, regime).value.value not in (U, H):
        return set()
    answers: list[Answer] = [governing(cell, regime)]
    if regime.force is not Force.GUIDANCE:
        answers.append(stays(cell, regime))
    answers += [evaluate(cell, rule) for gate, evaluate in VALUES.items() for rule in rules_of(regime, gate)]
    answers += [not_base(cell, r, helps=False) for r in rules_of(regime, Gate.DUTY) if cannot_fulfil(cell, r)]
    return set().union(*(answer.missing for answer in answers if answer.value is U))
