"""One regime's answer: its rules as formulas, joined into one formula, written as Python when first needed.

`CompiledRegime` answers for one cell, exactly as docs/semantics.md sections 3 and 4 say:

- `must` and `may`: is the regime's value true; is it more than false (fast);
- `value`: the exact truth, also with a refusal (`kept`) or as if all law were known well enough (`assumed`);
- `formulas`: the single rules, from which reasons are made.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import TypeAlias

from governance.core.cell import PLACES, Cell, key_of
from governance.core.conditions import EvidenceNeed, Timespan
from governance.core.facts import Vocabulary
from governance.core.formula import (
    Argued,
    Every,
    Fixed,
    InForce,
    LastResort,
    Leaf,
    Node,
    Outside,
    all_of,
    any_of,
    formula_of,
    in_force,
    leaves_of,
    needs_of,
    opposite,
    value,
)
from governance.core.rule_formulas import RuleFormulas
from governance.core.rules import Force, Gate, Regime, Rule
from governance.core.truth import Truth, negate
from governance.core.writer import Question, write

__all__ = ["CompiledRegime", "Formulas", "governing"]

_TRUE = Fixed(Truth.TRUE)


Ruled: TypeAlias = tuple[tuple[Rule, Node], ...]
"""Rules with a formula each, in the pack's order."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Formulas:
    """The formulas of a regime's rules, by gate.

    Attributes:
        prohibitions: each with its *clear*.
        requirements: each with its value; ``idle`` says that it does not apply.
        reviews: each with its *cap*; ``reviewed`` with its *clear*.
        exceptions: each that defeats a rule of this regime, with its value.
        unexcepted: each prohibition, requirement and review as if it had no exceptions.
        refused: each rule of `duties` whose duty the caller cannot fulfil, with the negation of its base.
        duties: each with its base; likewise ``when_denied``.
    """

    governs: Node
    leaves: Node
    outside: Ruled
    prohibitions: Ruled
    grounds: Ruled
    mechanisms: Ruled
    requirements: Ruled
    idle: Ruled
    reviews: Ruled
    reviewed: Ruled
    exceptions: Ruled
    unexcepted: Ruled
    refused: Ruled
    duties: Ruled
    when_denied: Ruled

    def each(self) -> Iterator[Node]:
        """Yield every formula that decides, and those of duties."""
        yield self.governs
        yield self.leaves
        for ruled in (self.outside, self.prohibitions, self.grounds, self.mechanisms, self.requirements,
                      self.reviews, self.duties, self.when_denied):  # fmt: skip
            for _, node in ruled:
                yield node


def governing(regime: Regime, *, assumed: bool = False) -> Node:
    """Return the formula of a regime's governing: it is in force, and its law says so."""
    governs = formula_of(regime.governs, helps=False, assume_confident=assumed)
    return all_of([in_force(regime.existence, regime.span), governs])


def _formulas(regime: Regime, *, assumed: bool, cannot: frozenset[str]) -> Formulas:
    """Turn every rule of a regime into its formulas."""
    rules = RuleFormulas(assumed=assumed, cannot=cannot)

    def ruled(gate: Gate, formula: Callable[[Rule], Node]) -> Ruled:
        return tuple((rule, formula(rule)) for rule in regime.rules.get(gate, ()))

    defended = [r for gate in (Gate.PROHIBITION, Gate.REQUIREMENT, Gate.REVIEW) for r in regime.rules.get(gate, ())]
    exceptions = {e.id: e for rule in defended for e in rule.defeated_by}
    away = [Leaf(Outside(fact, regime.territory)) for fact in PLACES] if regime.territory else []
    return Formulas(
        governs=governing(regime, assumed=assumed),
        leaves=any_of(away),
        outside=ruled(Gate.OUTSIDE_SCOPE, rules.exception),
        prohibitions=ruled(Gate.PROHIBITION, rules.prohibition),
        grounds=ruled(Gate.GROUND, rules.opening),
        mechanisms=ruled(Gate.MECHANISM, rules.opening),
        requirements=ruled(Gate.REQUIREMENT, rules.requirement),
        idle=ruled(Gate.REQUIREMENT, rules.idle),
        reviews=ruled(Gate.REVIEW, rules.cap),
        reviewed=ruled(Gate.REVIEW, rules.clear),
        exceptions=tuple((e, rules.exception(e)) for e in exceptions.values()),
        unexcepted=tuple((rule, rules.unexcepted(rule)) for rule in defended if rule.defeated_by),
        refused=tuple((r, opposite(rules.base(r))) for r in regime.rules.get(Gate.DUTY, ()) if rules.refused(r)),
        duties=ruled(Gate.DUTY, rules.base),
        when_denied=ruled(Gate.WHEN_DENIED, rules.base),
    )


def _pathways(regime: Regime, formulas: Formulas, free: Formulas, *, kept: bool) -> Node:
    """Join grounds, mechanisms and requirements to the best pathway (docs/semantics.md section 4).

    Args:
        regime: whose they are.
        formulas: as they are.
        free: the same as if every duty could be fulfilled.
        kept: only grounds that stand against a refusal count.
    """
    general = [node for rule, node in formulas.requirements if not rule.rests_on]
    best = _tier(regime, formulas, last=False, kept=kept)
    if any(m.last_resort for m, _ in formulas.mechanisms):
        shut = best if free is formulas else _tier(regime, free, last=False, kept=kept)
        best = LastResort(best, _tier(regime, formulas, last=True, kept=kept), shut)
    return all_of([*general, best])


def _tier(regime: Regime, formulas: Formulas, *, last: bool, kept: bool) -> Node:
    """Join the pathways over ordinary mechanisms, or over those of last resort; general requirements left out."""
    resting: dict[str, list[Node]] = {}
    for rule, node in formulas.requirements:
        for name in rule.rests_on:
            resting.setdefault(name, []).append(node)
    grounds: list[tuple[str | None, Node]] = [
        (rule.id, all_of([node, *resting.get(rule.id, ())]))
        for rule, node in formulas.grounds
        if not kept or rule.despite_refusal is not None
    ]
    if Gate.GROUND in regime.silent_on:
        grounds = [(None, _TRUE)]
    mechanisms = [
        (rule, all_of([node, *resting.get(rule.id, ())]))
        for rule, node in formulas.mechanisms if rule.last_resort is last
    ]  # fmt: skip
    together: dict[tuple[int, ...], list[Node]] = {}
    for ground, node in grounds:
        fitting = tuple(n for n, (m, _) in enumerate(mechanisms) if not m.rests_on or ground in m.rests_on)
        together.setdefault(fitting, []).append(node)
    stays = _TRUE if Gate.MECHANISM in regime.silent_on else opposite(formulas.leaves)
    return any_of(
        all_of([any_of(nodes), any_of([stays, *(mechanisms[n][1] for n in fitting)])])
        for fitting, nodes in together.items()
    )


def _whole(regime: Regime, formulas: Formulas, free: Formulas, *, kept: bool) -> Node:
    """Join a regime's rules to its one formula; parameters as those of `_pathways`."""
    idle = opposite(formulas.governs)
    caps = [node for _, node in formulas.reviews]
    refused = [node for _, node in formulas.refused]
    if regime.force is Force.GUIDANCE:
        return any_of([idle, all_of([*caps, *map(Argued, refused)])])
    clears = [node for _, node in formulas.prohibitions]
    inside = all_of([*clears, *refused, _pathways(regime, formulas, free, kept=kept), *caps])
    return any_of([idle, *(node for _, node in formulas.outside), inside])


class CompiledRegime:
    """A regime with its formulas, and the Python written from them when first asked.

    Args:
        regime: what it is made from.
        vocabulary: the policy set's.
        cannot: duty types that the caller cannot fulfil, as far as the regime knows them.

    Attributes:
        formulas: single rules as they are.
        must: the regime's value is true.
    """

    def __init__(self, regime: Regime, vocabulary: Vocabulary, cannot: frozenset[str] = frozenset()) -> None:
        self.regime = regime
        self.vocabulary = vocabulary
        self.cannot = cannot
        self.formulas = _formulas(regime, assumed=False, cannot=cannot)
        self._questions: dict[tuple[bool, bool, Truth], Question] = {}

    @cached_property
    def must(self) -> Question:
        """The regime's value is true, as things are and without a refusal."""
        return self._question(kept=False, assumed=False, level=Truth.TRUE)

    @cached_property
    def _assumed(self) -> Formulas:
        return _formulas(self.regime, assumed=True, cannot=self.cannot)

    @cached_property
    def _free(self) -> Formulas:
        return _formulas(self.regime, assumed=False, cannot=frozenset()) if self.cannot else self.formulas

    @cached_property
    def _assumed_free(self) -> Formulas:
        return _formulas(self.regime, assumed=True, cannot=frozenset()) if self.cannot else self._assumed

    def _question(self, *, kept: bool, assumed: bool, level: Truth) -> Question:
        key = (kept, assumed, level)
        question = self._questions.get(key)
        if question is None:
            formulas, free = (self._assumed, self._assumed_free) if assumed else (self.formulas, self._free)
            question = write(_whole(self.regime, formulas, free, kept=kept), level, self.vocabulary)
            self._questions[key] = question
        return question

    def value(self, cell: Cell, *, kept: bool = False, assumed: bool = False) -> Truth:
        """Return the regime's exact value.

        Args:
            cell: where it is asked.
            kept: only grounds that stand against a refusal count.
            assumed: as if all law were known well enough.
        """
        if not assumed:
            known = cell.worth.get((self, kept))
            if known is not None:
                return known
        must = self._question(kept=kept, assumed=assumed, level=Truth.TRUE)
        if must(cell.get, cell.fits, cell.said):
            return Truth.TRUE
        return self.less(cell, kept=kept, assumed=assumed)

    def less(self, cell: Cell, *, kept: bool = False, assumed: bool = False) -> Truth:
        """Return the regime's exact value where it is known not to be true."""
        worth = Truth.HUMAN
        if not self._question(kept=kept, assumed=assumed, level=Truth.UNKNOWN)(cell.get, cell.fits, cell.said):
            worth = Truth.FALSE
        elif not self._question(kept=kept, assumed=assumed, level=Truth.HUMAN)(cell.get, cell.fits, cell.said):
            worth = Truth.UNKNOWN
        if not assumed:
            cell.worth[self, kept] = worth
        return worth

    def held(self, cell: Cell, *, refused: Truth) -> bool:
        """Say whether only grounds kept against a refusal count: it stands, and the law is no worse without it."""
        return refused is Truth.TRUE and self.value(cell, kept=True) <= self.value(cell)

    def pathways(self, *, kept: bool) -> Node:
        """Return the formula of the best pathway alone, general requirements included."""
        return _pathways(self.regime, self.formulas, self._free, kept=kept)

    @cached_property
    def _affirming(self) -> Question:
        grounds = () if Gate.GROUND in self.regime.silent_on else self.formulas.grounds
        opened = [node for _, node in (*self.formulas.outside, *grounds)]
        return write(all_of([self.formulas.governs, any_of(opened)]), Truth.TRUE, self.vocabulary)

    def affirms(self, cell: Cell, *, kept: bool = False, assumed: bool = False) -> Truth:
        """Say whether the regime governs and opens a way in so many words; silence affirms nothing."""
        if self.regime.force is Force.GUIDANCE:
            return Truth.FALSE
        if not kept and not assumed and self._affirming(cell.get, cell.fits, cell.said):
            return Truth.TRUE
        formulas = self._assumed if assumed else self.formulas
        grounds = () if Gate.GROUND in self.regime.silent_on else formulas.grounds
        opened = [
            value(node, cell)
            for rule, node in (*formulas.outside, *grounds)
            if not kept or rule.gate is Gate.OUTSIDE_SCOPE or rule.despite_refusal is not None
        ]
        return min(value(formulas.governs, cell), max(opened, default=Truth.FALSE))

    def asks(self, cell: Cell, *, assumed: bool = False) -> Truth:
        """Say whether the regime asks for a ground here (only then can one stand against a refusal).

        Scope exits count here as if every duty could be fulfilled: refusing one never makes a law ask more.
        """
        if Gate.GROUND in self.regime.silent_on or self.regime.force is Force.GUIDANCE:
            return Truth.FALSE
        formulas = self._assumed_free if assumed else self._free
        outside = max((value(node, cell) for _, node in formulas.outside), default=Truth.FALSE)
        return min(value(formulas.governs, cell), negate(outside))

    def reading(self, rule: Rule) -> Node:
        """Return a formula with everything that a rule of this regime reads itself."""
        rules = RuleFormulas(assumed=True, cannot=frozenset())
        own = [rules.base(rule)]
        if rule.gate is Gate.REQUIREMENT:
            own.append(rules.of(rule.must, helps=True))
        if rule.arguable is not None and rule.arguable.point is not None:
            own.append(rules.of(rule.arguable.point, helps=True))
        return Every(tuple(own))

    @cached_property
    def keys(self) -> frozenset[str]:
        """Keys of all facts that the regime's rules read."""
        return frozenset(
            key_of(leaf.atom)
            for node in self.formulas.each() for leaf in leaves_of(node) if isinstance(leaf, Leaf)
        )  # fmt: skip

    @cached_property
    def spans(self) -> frozenset[Timespan]:
        """Spans of all rules, exceptions and rows."""
        return frozenset(
            leaf.atom.span
            for node in self.formulas.each() for leaf in leaves_of(node)
            if isinstance(leaf, Leaf) and isinstance(leaf.atom, InForce)
        )  # fmt: skip

    @cached_property
    def needs(self) -> Mapping[str, tuple[EvidenceNeed, ...]]:
        """Evidence that the regime's rules ask for, by type."""
        by_type: dict[str, dict[EvidenceNeed, None]] = {}
        for node in self.formulas.each():
            for need in needs_of(node):
                by_type.setdefault(need.type, {})[need] = None
        return {kind: tuple(needs) for kind, needs in by_type.items()}
