"""What stands against a permit in one regime: the rules that violate, are unknown, or want a person.

Like `governance.core.reliance` for permits: one written function answers for all rules of the regime, and what
follows from a pattern of answers is worked out once for each pattern seen.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from governance.core.cell import Cell
from governance.core.facts import Vocabulary
from governance.core.formula import Node, in_force
from governance.core.reads import Told
from governance.core.regime import CompiledRegime, Ruled
from governance.core.rules import Rule
from governance.core.truth import Truth, negate
from governance.core.writer import Bits, write_bits

__all__ = ["Against", "Opposing"]

_REMEMBERED = 4096
_LEVELS = (Truth.UNKNOWN, Truth.HUMAN, Truth.TRUE)
_MIDDLE = (Truth.UNKNOWN, Truth.HUMAN)
_Name = tuple[str, str]


@dataclass(frozen=True, slots=True, eq=False)
class Against:
    """What stands against a permit in one regime and cell.

    Attributes:
        told: rules with their own truth.
        may_govern: whether the regime governs is open.
        may_leave: whether the data leave its territory is open, and matters.
        open: formulas that are unknown (of governing, of leaving the territory, and of rules).
    """

    told: Told
    may_govern: bool = False
    may_leave: bool = False
    open: tuple[Node, ...] = ()


class Opposing:
    """Works out what stands against permits in one regime."""

    def __init__(self, compiled: CompiledRegime, vocabulary: Vocabulary) -> None:
        self._formulas = compiled.formulas
        self._asked: list[tuple[_Name, Node]] = list(self._questions(compiled))
        self._vocabulary = vocabulary
        self._bits: dict[bool, Bits] = {}
        self._known: dict[tuple[int, bool, bool], Against] = {}

    @staticmethod
    def _questions(compiled: CompiledRegime) -> Iterator[tuple[_Name, Node]]:
        formulas = compiled.formulas
        yield ("governs", ""), formulas.governs
        yield ("leaves", ""), formulas.leaves
        for kept in (False, True):
            yield ("pathway", str(kept)), compiled.pathways(kept=kept)
        decided: list[tuple[str, Ruled]] = [
            ("value", formulas.outside), ("value", formulas.prohibitions), ("value", formulas.grounds),
            ("value", formulas.mechanisms), ("value", formulas.requirements), ("value", formulas.reviews),
            ("value", formulas.refused),
        ]  # fmt: skip
        for kind, ruled in (*decided, ("clear", formulas.reviewed)):
            for rule, node in ruled:
                yield (kind, rule.id), node
        for _, ruled in decided:
            for rule, _node in ruled:
                yield ("exists", rule.id), in_force(rule.existence, rule.span)

    def in_cell(self, cell: Cell, *, denied: bool, kept: bool) -> Against:
        """Return what stands against a permit in a cell.

        Args:
            cell: a cell in which the regime's value is not true.
            denied: its value is false (else unknown or human).
            kept: only grounds that stand against a refusal count.
        """
        bits = self._bits.get(denied)
        if bits is None:
            levels = _LEVELS[:1] if denied else _LEVELS
            bits = write_bits([(node, level) for _, node in self._asked for level in levels], self._vocabulary)
            self._bits[denied] = bits
        key = (bits(cell.get, cell.fits, cell.said), denied, kept)
        known = self._known.get(key)
        if known is None:
            truths = self._truths(key[0], denied=denied)
            known = self._violated(truths, kept=kept) if denied else self._open(truths, kept=kept)
            if len(self._known) >= _REMEMBERED:
                self._known.clear()
            self._known[key] = known
        return known

    def _truths(self, bits: int, *, denied: bool) -> dict[_Name, Truth]:
        """Read a pattern: where a regime is denied, only whether each value is false was asked."""
        if denied:
            return {name: Truth.TRUE if bits >> n & 1 else Truth.FALSE for n, (name, _) in enumerate(self._asked)}
        return {name: Truth((bits >> 3 * n & 7).bit_count()) for n, (name, _) in enumerate(self._asked)}

    def _violated(self, truths: dict[_Name, Truth], *, kept: bool) -> Against:
        """Name true prohibitions, failed requirements and, if no pathway is open, what is closed."""

        def fails(rule: Rule) -> bool:
            return truths["value", rule.id] is Truth.FALSE

        formulas = self._formulas
        found = [(rule, Truth.TRUE) for rule, _ in (*formulas.prohibitions, *formulas.refused) if fails(rule)]
        if truths["pathway", str(kept)] is not Truth.FALSE:
            return Against(told=Told(found))
        general = [rule for rule, _ in formulas.requirements if not rule.rests_on and fails(rule)]
        grounds = [rule for rule, _ in formulas.grounds if not kept or rule.despite_refusal is not None]
        mechanisms = [rule for rule, _ in formulas.mechanisms]
        alive = {rule.id for rule in (*grounds, *mechanisms) if not fails(rule)}
        resting = [rule for rule, _ in formulas.requirements if not alive.isdisjoint(rule.rests_on) and fails(rule)]
        found += [(rule, Truth.FALSE) for rule in (*general, *resting)]
        if not general:
            ways = mechanisms if truths["leaves", ""] is not Truth.FALSE else []
            found += [
                (rule, Truth.FALSE) for rule in (*grounds, *ways)
                if rule.id not in alive and truths["exists", rule.id] is not Truth.FALSE
            ]  # fmt: skip
        return Against(told=Told(found))

    def _open(self, truths: dict[_Name, Truth], *, kept: bool) -> Against:
        """Name rules that are unknown or want a person."""
        formulas = self._formulas
        closed = {rule.id for rule, _ in formulas.grounds if kept and rule.despite_refusal is None}
        found = [(rule, truths["value", rule.id]) for rule, _ in formulas.outside]
        found += [(rule, negate(truths["value", rule.id])) for rule, _ in formulas.prohibitions]
        # A duty that cannot be fulfilled closes a law, but only asks for a person where it comes from guidance.
        found += [(rule, min(negate(truths["value", rule.id]), Truth.HUMAN)) for rule, _ in formulas.refused]
        through = truths["pathway", str(kept)] is Truth.TRUE
        if not through:
            found += [
                (rule, truths["value", rule.id])
                for rule, _ in (*formulas.grounds, *formulas.mechanisms, *formulas.requirements)
                if rule.id not in closed
            ]
        reviews = [
            (rule, negate(truths["clear", rule.id]))
            for rule, _ in formulas.reviews if truths["value", rule.id] is not Truth.TRUE
        ]  # fmt: skip
        rules = (*((rule, outcome) for rule, outcome in found if outcome in _MIDDLE), *reviews)
        unknown = (
            node for (kind, name), node in self._asked
            if kind in ("governs", "leaves", "value") and truths[kind, name] is Truth.UNKNOWN and name not in closed
        )  # fmt: skip
        return Against(
            told=Told(rules),
            may_govern=truths["governs", ""] in _MIDDLE,
            may_leave=truths["leaves", ""] is Truth.UNKNOWN and not through,
            open=tuple(unknown),
        )
