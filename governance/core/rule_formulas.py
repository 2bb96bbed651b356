"""Single rules as formulas: what a rule of each gate is worth, exactly as docs/semantics.md section 3 says.

Every negation stands at the leaves, so that a finding that replaces *human* by *true* can never be taken back by
learning a fact.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from governance.core.conditions import Condition, EvidenceNeed
from governance.core.formula import (
    Argued,
    Fixed,
    Found,
    Node,
    Paper,
    Said,
    all_of,
    any_of,
    formula_of,
    in_force,
    may_be_human,
    opposite,
)
from governance.core.rules import Gate, Rule
from governance.core.truth import Truth

__all__ = ["RuleFormulas", "finding_for"]

_TRUE, _FALSE, _HUMAN = Fixed(Truth.TRUE), Fixed(Truth.FALSE), Fixed(Truth.HUMAN)


def finding_for(rule: Rule) -> EvidenceNeed:
    """Return the evidence that closes a person's judgement of a rule as lawful."""
    return EvidenceNeed(
        type="review-finding",
        outcomes=frozenset({"lawful"}),
        properties=(("rule", frozenset({rule.id})),),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class RuleFormulas:
    """Makes the formulas of single rules.

    Attributes:
        assumed: as if all law were known well enough.
        cannot: duty types that the caller cannot fulfil; what brings one of them helps nobody.
    """

    assumed: bool
    cannot: frozenset[str]

    def refused(self, rule: Rule) -> bool:
        """Say whether a rule brings a duty that the caller cannot fulfil."""
        return not self.cannot.isdisjoint(duty.type for duty in rule.duties)

    def confident(self, rule: Rule) -> bool:
        """Say whether a rule is known well enough (findings apart)."""
        return rule.confident or self.assumed

    def of(self, condition: Condition, *, helps: bool) -> Node:
        """Return the formula of a condition."""
        return formula_of(condition, helps=helps, assume_confident=self.assumed)

    def exists(self, rule: Rule) -> Node:
        """Return that a rule exists and is in force."""
        return in_force(rule.existence, rule.span)

    def papers(self, rule: Rule) -> Node:
        """Return that the evidence and consent a rule asks for are there."""
        return all_of([*map(Paper, rule.needs), Said(rule.consent) if rule.consent else _TRUE])

    def base(self, rule: Rule) -> Node:
        """Return that a rule applies as it is written."""
        helps = rule.gate not in (Gate.DUTY, Gate.WHEN_DENIED)
        return all_of([
            self.exists(rule),
            self.of(rule.when, helps=helps),
            opposite(self.of(rule.unless, helps=not helps)),
            self.papers(rule),
        ])  # fmt: skip

    def capped(self, node: Node, rule: Rule) -> Node:
        """Return human at most where a rule is not known well enough."""
        return node if self.confident(rule) else all_of([node, _HUMAN])

    def found(self, node: Node, rule: Rule) -> Node:
        """Let a finding for a rule replace human by true."""
        return Found(node, finding_for(rule)) if may_be_human(node) else node

    def governed(self, rule: Rule) -> Node:
        """Return that the pack of an exception from elsewhere governs."""
        return _TRUE if rule.governed_by is None else self.of(rule.governed_by, helps=True)

    def exception(self, rule: Rule) -> Node:
        """Return an exception, or a rule of outside_scope, where it helps."""
        if self.refused(rule):
            return _FALSE
        node = all_of([self.base(rule), self.governed(rule), *map(self.overcome, rule.defeated_by)])
        return self.found(self.capped(node, rule), rule)

    def overcome(self, rule: Rule) -> Node:
        """Return that an exception does not defeat another; neither its finding nor its duties matter then."""
        node = any_of([
            opposite(self.base(rule)), opposite(self.governed(rule)), *map(self.exception, rule.defeated_by)
        ])  # fmt: skip
        return node if self.confident(rule) else any_of([node, _HUMAN])

    def opening(self, rule: Rule) -> Node:
        """Return a ground or a mechanism."""
        if self.refused(rule):
            return _FALSE
        node = self.base(rule)
        if rule.arguable is not None:
            point = rule.arguable.point
            node = all_of([node, _HUMAN if point is None else Argued(self.of(point, helps=True))])
        return self.found(self.capped(node, rule), rule)

    def idle(self, rule: Rule) -> Node:
        """Return that a prohibition, requirement or review does not apply."""
        return any_of([
            opposite(self.exists(rule)),
            opposite(self.of(rule.when, helps=False)),
            self.capped(self.of(rule.unless, helps=True), rule),
        ])  # fmt: skip

    def clear(self, rule: Rule) -> Node:
        """Return that a prohibition or review does not bite."""
        return any_of([self.idle(rule), opposite(self.papers(rule)), *map(self.exception, rule.defeated_by)])

    def unexcepted(self, rule: Rule) -> Node:
        """Return a prohibition's or review's clear, or a requirement's value, had it no exceptions."""
        bare = replace(rule, defeated_by=())
        return self.requirement(bare) if rule.gate is Gate.REQUIREMENT else self.clear(bare)

    def prohibition(self, rule: Rule) -> Node:
        """Return that a prohibition does not stand in the way."""
        node = self.clear(rule)
        return self.found(node if rule.arguable is None else Argued(node), rule)

    def requirement(self, rule: Rule) -> Node:
        """Return that a requirement is met or does not apply."""
        held = all_of([self.of(rule.must, helps=True), self.papers(rule)])
        node = any_of([self.idle(rule), held, *map(self.exception, rule.defeated_by)])
        node = self.found(node if rule.arguable is None else Argued(node), rule)
        return all_of([node, self.idle(rule)]) if self.refused(rule) else node

    def cap(self, rule: Rule) -> Node:
        """Return the most that a review leaves of a regime."""
        node = self.clear(rule)
        return node if node == _TRUE else self.found(Argued(node), rule)
