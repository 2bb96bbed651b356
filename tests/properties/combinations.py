"""The table of what random worlds hit: per gate, the strongest rule's truth against the effect.

The *strongest* rule is the one that matters most: the weakest of requirements, the most true of every other gate.
It is looked up in one cell that decided, in the governing regime of lowest value that has the gate (for all gates
but outside_scope: among those regimes whose outside_scope is false, because another one decides with them).
"""

from __future__ import annotations

from collections import Counter
from dataclasses import replace

from governance.core.rules import Force, Gate
from governance.core.ruling import Effect
from governance.core.truth import Truth
from tests.properties.worlds import Case, World
from tests.reference.answers import Cell, F, T
from tests.reference.evaluator import ReferenceRuling, refusal
from tests.reference.regimes import answer_regime, governing, outside, rule_value, rules_of

Combination = tuple[Gate, Truth, Effect]

BARRED = "a prohibition that may stand leaves the regime at most human, one that stands makes it false"
NO_GROUND = "without a true ground no path is true; with none but false ones every path is false"
REVIEWED = "a review that is asked, or may be, caps the regime below true"
IMPOSSIBLE: dict[Combination, str] = {
    (Gate.PROHIBITION, Truth.UNKNOWN, Effect.PERMIT): BARRED,
    (Gate.PROHIBITION, Truth.HUMAN, Effect.PERMIT): BARRED,
    (Gate.PROHIBITION, Truth.TRUE, Effect.PERMIT): BARRED,
    (Gate.PROHIBITION, Truth.TRUE, Effect.REFER): BARRED,
    (Gate.GROUND, Truth.FALSE, Effect.PERMIT): NO_GROUND,
    (Gate.GROUND, Truth.FALSE, Effect.REFER): NO_GROUND,
    (Gate.GROUND, Truth.UNKNOWN, Effect.PERMIT): NO_GROUND,
    (Gate.GROUND, Truth.HUMAN, Effect.PERMIT): NO_GROUND,
    (Gate.REVIEW, Truth.UNKNOWN, Effect.PERMIT): REVIEWED,
    (Gate.REVIEW, Truth.HUMAN, Effect.PERMIT): REVIEWED,
    (Gate.REVIEW, Truth.TRUE, Effect.PERMIT): REVIEWED,
}
POSSIBLE = [(g, t, e) for g in Gate for t in Truth for e in Effect if (g, t, e) not in IMPOSSIBLE]


def gate_values(world: World, case: Case, cell: Cell) -> dict[Gate, Truth]:
    """Return every gate's strongest rule's truth in the regime that held the cell back most."""
    cell = replace(cell, kept=refusal(cell.consent).value is T)
    regimes = [*world.policies.regimes, *case.facts.terms]
    governs = [r for r in regimes if governing(cell, r).value is T]
    ranked = sorted(governs, key=lambda r: answer_regime(cell, r).value.value)
    found: dict[Gate, Truth] = {}
    for regime in ranked:
        left = regime.force is not Force.GUIDANCE and outside(cell, regime).value is not F
        for gate in Gate:
            rules = rules_of(regime, gate)
            if gate in found or not rules or (left and gate is not Gate.OUTSIDE_SCOPE):
                continue
            values = [rule_value(cell, rule) for rule in rules]
            found[gate] = min(values) if gate is Gate.REQUIREMENT else max(values)
    return found


def combinations_of(world: World, case: Case, ruling: ReferenceRuling) -> list[Combination]:
    if not ruling.deciding:
        return []
    values = gate_values(world, case, ruling.deciding[0].cell)
    return [(gate, value, ruling.effect) for gate, value in values.items()]


def rendered(table: Counter[Combination], cases: int) -> str:
    """Lay the table out in per cent of the cases."""
    effects = list(Effect)
    lines = [f"{cases} cases; per cent of them; - cannot happen", f"{'gate':<15}{'truth':<9}" + "".join(f"{e:>8}" for e in effects)]
    for gate in Gate:
        for value in Truth:
            shares = [
                f"{'-':>8}" if (gate, value, e) in IMPOSSIBLE else f"{100 * table[gate, value, e] / cases:>8.1f}"
                for e in effects
            ]
            lines.append(f"{gate.value:<15}{value.name.lower():<9}" + "".join(shares))
    return "\n".join(lines)
