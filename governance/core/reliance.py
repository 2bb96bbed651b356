"""What a permit rests on in one regime: which pathway, with which rules and duties.

Of several pathways that are true the best known comes first, then the one with fewest duties, then the first by
id (docs/semantics.md section 8); what brings a duty that cannot be fulfilled is not true to begin with. One
written function answers for all rules of the regime at once, bit by bit; what follows from the bits is worked
out once for each pattern seen.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from governance.core.cell import Cell
from governance.core.facts import Vocabulary
from governance.core.formula import Node
from governance.core.reads import Told
from governance.core.regime import CompiledRegime
from governance.core.rules import DutyOwed, Gate, Rule
from governance.core.truth import Truth
from governance.core.writer import write_bits

__all__ = ["Reliance", "Relying"]

_REMEMBERED = 4096


@dataclass(frozen=True, slots=True, eq=False)
class Reliance:
    """What a permit rests on in one regime and cell.

    Attributes:
        rules: rules relied on, with their duties.
        also: grounds, mechanisms or scope exits that are true as well.
        owed: duties with the id of the rule that brings them.
        told: `rules` as reasons name them; `told_also` likewise those of `also`.
    """

    rules: tuple[Rule, ...]
    also: tuple[Rule, ...]
    owed: tuple[tuple[DutyOwed, str], ...]
    told: Told
    told_also: Told


class _Pattern:
    """One pattern of answers, read by name."""

    def __init__(self, slots: dict[tuple[str, str], int], bits: int) -> None:
        self._slots = slots
        self._bits = bits

    def has(self, kind: str, rule: str = "") -> bool:
        slot = self._slots.get((kind, rule))
        return slot is not None and bool(self._bits >> slot & 1)


class Relying:
    """Works out what permits rest on in one regime."""

    def __init__(self, compiled: CompiledRegime, vocabulary: Vocabulary) -> None:
        self.regime = compiled.regime
        asked = list(self._asked(compiled))
        self._slots = {name: number for number, (name, _, _) in enumerate(asked)}
        self._answer = write_bits([(node, level) for _, node, level in asked], vocabulary)
        self._known: dict[tuple[int, bool], Reliance] = {}

    @staticmethod
    def _asked(compiled: CompiledRegime) -> Iterator[tuple[tuple[str, str], Node, Truth]]:
        formulas = compiled.formulas
        yield ("governs", ""), formulas.governs, Truth.UNKNOWN
        yield ("leaves", ""), formulas.leaves, Truth.UNKNOWN
        for kind, ruled, level in (
            ("opens", (*formulas.outside, *formulas.grounds, *formulas.mechanisms), Truth.TRUE),
            ("holds", formulas.requirements, Truth.TRUE),
            ("idle", formulas.idle, Truth.TRUE),
            ("excepted", formulas.exceptions, Truth.TRUE),
            ("unexcepted", formulas.unexcepted, Truth.TRUE),
            ("owed", formulas.duties, Truth.UNKNOWN),
        ):
            for rule, node in ruled:
                yield (kind, rule.id), node, level

    def in_cell(self, cell: Cell, *, kept: bool) -> Reliance:
        """Return what a permit in this cell rests on.

        Args:
            cell: a cell in which the regime's value is true.
            kept: only grounds that stand against a refusal count.
        """
        bits = self._answer(cell.get, cell.fits, cell.said)
        key = (bits, kept)
        known = self._known.get(key)
        if known is None:
            known = self._work_out(_Pattern(self._slots, bits), kept=kept)
            if len(self._known) >= _REMEMBERED:
                self._known.clear()
            self._known[key] = known
        return known

    def _work_out(self, pattern: _Pattern, *, kept: bool) -> Reliance:
        if not pattern.has("governs"):
            return _reliance([], [])
        rules = self.regime.rules
        exits = [r for r in rules.get(Gate.OUTSIDE_SCOPE, ()) if pattern.has("opens", r.id)]
        if exits:
            best = min(exits, key=lambda r: self._preference((r,)))
            return _reliance([best], [r for r in exits if r is not best])
        paths = list(self._paths(pattern, kept=kept))
        chosen = min(paths, key=self._preference, default=())
        grounds_and_mechanisms = {r.id: r for path in paths for r in path if r.gate is not Gate.REQUIREMENT}
        also = [r for r in grounds_and_mechanisms.values() if r not in chosen]
        general = [r for r in rules.get(Gate.REQUIREMENT, ()) if not r.rests_on and not pattern.has("idle", r.id)]
        owed = [r for r in rules.get(Gate.DUTY, ()) if pattern.has("owed", r.id)]
        return _reliance([*chosen, *general, *self._exceptions(pattern, [*chosen, *general]), *owed], also)

    def _paths(self, pattern: _Pattern, *, kept: bool) -> Iterator[tuple[Rule, ...]]:
        """Yield every true pathway: ground, mechanism and the requirements that rest on them and apply."""
        rules = self.regime.rules
        requirements = rules.get(Gate.REQUIREMENT, ())

        def sound(rule: Rule) -> bool:
            resting = [r for r in requirements if rule.id in r.rests_on]
            return pattern.has("opens", rule.id) and all(pattern.has("holds", r.id) for r in resting)

        def path(*steps: Rule) -> tuple[Rule, ...]:
            names = {step.id for step in steps}
            resting = (r for r in requirements if r.rests_on & names and not pattern.has("idle", r.id))
            return (*steps, *resting)

        grounds: list[Rule | None] = [
            r for r in rules.get(Gate.GROUND, ()) if sound(r) and (not kept or r.despite_refusal is not None)
        ]
        if Gate.GROUND in self.regime.silent_on:
            grounds = [None]
        mechanisms = [m for m in rules.get(Gate.MECHANISM, ()) if sound(m)]
        if Gate.MECHANISM in self.regime.silent_on or not pattern.has("leaves"):
            yield from (path(*((g,) if g else ())) for g in grounds)
            return
        for last in (False, True):
            found = [
                path(*((g,) if g else ()), m)
                for g in grounds for m in mechanisms
                if m.last_resort is last and (not m.rests_on or (g is not None and g.id in m.rests_on))
            ]  # fmt: skip
            if found:
                yield from found
                return

    def _exceptions(self, pattern: _Pattern, path: list[Rule]) -> Iterator[Rule]:
        """Yield true exceptions without which a rule would bite: of requirements, those relied on."""
        seen: set[str] = set()
        rules = self.regime.rules
        owed = (rule for rule in path if rule.gate is Gate.REQUIREMENT)
        for rule in (*rules.get(Gate.PROHIBITION, ()), *owed, *rules.get(Gate.REVIEW, ())):
            if rule.defeated_by and not pattern.has("unexcepted", rule.id):
                for exception in rule.defeated_by:
                    if pattern.has("excepted", exception.id) and exception.id not in seen:
                        seen.add(exception.id)
                        yield exception

    @staticmethod
    def _preference(path: tuple[Rule, ...]) -> tuple[int, int, tuple[str, ...]]:
        opening = [r for r in path if r.gate is not Gate.REQUIREMENT]
        types = {duty.type for rule in path for duty in rule.duties}
        known = min((r.confidence for r in opening), default=0)
        return (-known, len(types), tuple(r.id for r in opening))


def _reliance(rules: list[Rule], also: list[Rule]) -> Reliance:
    owed = tuple((duty, rule.id) for rule in rules for duty in rule.duties)
    return Reliance(
        rules=tuple(rules), also=tuple(also), owed=owed,
        told=Told((rule, Truth.TRUE) for rule in rules), told_also=Told((rule, Truth.TRUE) for rule in also),
    )  # fmt: skip
