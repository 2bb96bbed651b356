"""What a policy set reads: the facts and evidence types that its conditions test.

Classes of patients are formed, and evidence is loaded, over these alone; a fact that nobody reads never splits
a class.

Example:
    >>> reads_of(policies).facts                       # doctest: +SKIP
    frozenset({'purpose', 'subject.age', ...})
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import assert_never

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
)  # fmt: skip
from governance.core.rules import PolicySet, Rule

__all__ = ["Reads", "reads_of"]

ALWAYS_READ = frozenset({"subject.residence"})
"""Coverage reads it whatever the packs say (docs/semantics.md, section 6)."""

FINDING = "review-finding"

_REMEMBERED = 16
_known: dict[str, tuple[PolicySet, Reads]] = {}


@dataclass(frozen=True, slots=True, kw_only=True)
class Reads:
    """Fact ids (without parameters) and evidence types."""

    facts: frozenset[str]
    evidence: frozenset[str]


def reads_of(policies: PolicySet) -> Reads:
    """Return what a policy set reads; remembered for the sets last asked about."""
    remembered = _known.get(policies.digest)
    # Two sets of one digest are equal outside tests; identity keeps hand-made sets apart.
    if remembered is not None and remembered[0] is policies:
        return remembered[1]
    facts, papers = set(ALWAYS_READ), {FINDING}
    for condition in _conditions(policies):
        _walk(condition, facts, papers)
    for regime in policies.regimes:
        for rules in regime.rules.values():
            for rule in rules:
                papers.update(need.type for need in _needs(rule))
    papers.update(measure.complete_by for measure in policies.measures.values() if measure.complete_by)
    reads = Reads(facts=frozenset(facts), evidence=frozenset(papers))
    if len(_known) >= _REMEMBERED:
        _known.clear()
    _known[policies.digest] = (policies, reads)
    return reads


def _conditions(policies: PolicySet) -> Iterator[Condition]:
    for regime in policies.regimes:
        yield regime.governs
        for rules in regime.rules.values():
            for rule in rules:
                yield from _of_rule(rule)
    for measure in policies.measures.values():
        yield measure.within


def _of_rule(rule: Rule) -> Iterator[Condition]:
    yield from (rule.when, rule.unless, rule.must)
    if rule.governed_by is not None:
        yield rule.governed_by
    if rule.arguable is not None and rule.arguable.point is not None:
        yield rule.arguable.point
    for exception in rule.defeated_by:
        yield from _of_rule(exception)


def _needs(rule: Rule) -> Iterator[EvidenceNeed]:
    yield from rule.needs
    for exception in rule.defeated_by:
        yield from _needs(exception)


def _walk(condition: Condition, facts: set[str], papers: set[str]) -> None:
    match condition:
        case Constant() | ConsentTest():
            return
        case FactTest():
            facts.add(condition.fact.partition("[")[0])
        case TableTest():
            facts.add(condition.fact.partition("[")[0])
            for row in condition.rows:
                _walk(row.when, facts, papers)
                _walk(row.unless, facts, papers)
        case EvidenceTest():
            papers.add(condition.need.type)
        case AllOf() | AnyOf():
            _each(condition.members, facts, papers)
        case Not():
            _walk(condition.member, facts, papers)
        case _:
            assert_never(condition)


def _each(members: Iterable[Condition], facts: set[str], papers: set[str]) -> None:
    for member in members:
        _walk(member, facts, papers)
