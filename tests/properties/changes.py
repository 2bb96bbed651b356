"""Changes to worlds that laws speak of: forget or learn a fact, reorder, rewrite conditions, split a cohort."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace

from governance.core.conditions import AllOf, AnyOf, Condition, Not, TableTest
from governance.core.facts import FactType, Interval, Value
from governance.core.request import Facts
from governance.core.rules import Gate, PolicySet, Regime, Rule
from tests.properties.scene import Dice, random_value
from tests.properties.vocabulary import COUNT, VOCABULARY
from tests.properties.worlds import LEG_NAMES, PART_NAMES, SHARED_NAMES, SUBJECT_NAMES

Where = tuple[str, int, str]
"""A fact's place: which mapping (``shared``, ``legs``, ``parts``, ``classes``), which one of them, its name."""

NAMES = {"shared": SHARED_NAMES, "legs": LEG_NAMES, "parts": PART_NAMES, "classes": SUBJECT_NAMES}


def mapping_at(facts: Facts, where: str, number: int) -> Mapping[str, Value]:
    return facts.shared if where == "shared" else getattr(facts, where)[number].facts


def with_mapping(facts: Facts, where: str, number: int, values: Mapping[str, Value]) -> Facts:
    if where == "shared":
        return replace(facts, shared=values)
    holders = list(getattr(facts, where))
    holders[number] = replace(holders[number], facts=values)
    return replace(facts, **{where: tuple(holders)})


def holders_of(facts: Facts) -> list[tuple[str, int]]:
    found = [("shared", 0)]
    for where in ("legs", "parts", "classes"):
        found += [(where, i) for i in range(len(getattr(facts, where)))]
    return found


def open_world(name: str) -> bool:
    """Say whether a missing value of the fact is unknown (and not simply "not proven")."""
    definition = VOCABULARY.facts.get(name)
    return definition is not None and not definition.absent_no


def known_facts(facts: Facts) -> list[Where]:
    """List the facts that are given and would be unknown if they were not."""
    return [(w, i, n) for w, i in holders_of(facts) for n in mapping_at(facts, w, i) if open_world(n)]


def unknown_facts(facts: Facts) -> list[Where]:
    found = []
    for where, number in holders_of(facts):
        given = mapping_at(facts, where, number)
        found += [(where, number, n) for n in NAMES[where] if n not in given and open_world(n)]
    return found


def forgotten(facts: Facts, at: Where) -> Facts:
    where, number, name = at
    return with_mapping(facts, where, number, {k: v for k, v in mapping_at(facts, where, number).items() if k != name})


def learnt(facts: Facts, at: Where, value: Value) -> Facts:
    where, number, name = at
    return with_mapping(facts, where, number, {**mapping_at(facts, where, number), name: value})


def nothing_known(facts: Facts) -> Facts:
    for at in known_facts(facts):
        facts = forgotten(facts, at)
    return facts


def refinements(facts: Facts) -> Iterator[tuple[Where, Value]]:
    """List narrower values of facts that are only broadly known."""
    for at in known_facts(facts):
        value = mapping_at(facts, at[0], at[1])[at[2]]
        definition = VOCABULARY.facts[at[2]]
        if isinstance(value, Interval) and value.low < value.high:
            yield at, Interval(value.low, value.low)
            yield at, Interval(value.high, value.high)
        elif isinstance(value, str) and definition.type in (FactType.TERM, FactType.PLACE) and definition.taxonomy:
            tree = VOCABULARY.taxonomies[definition.taxonomy]
            for term in sorted(tree.ancestors):
                if value in tree.ancestors_of(term):
                    yield at, term


def invented(source: random.Random, at: Where) -> Value:
    return random_value(Dice(source), at[2]) if at[2] != COUNT else Interval(0, 0)


# --- rewriting policies ------------------------------------------------------------------------------------------

Rewrite = Callable[[Condition], Condition]


def rewritten(asked: Condition, change: Rewrite) -> Condition:
    """Rewrite a condition from its leaves up."""
    match asked:
        case AllOf() | AnyOf():
            return change(replace(asked, members=tuple(rewritten(m, change) for m in asked.members)))
        case Not():
            return change(Not(member=rewritten(asked.member, change)))
        case TableTest():
            rows = tuple(
                replace(r, when=rewritten(r.when, change), unless=rewritten(r.unless, change)) for r in asked.rows
            )
            return change(replace(asked, rows=rows))
        case _:
            return change(asked)


def rewritten_rule(rule: Rule, change: Rewrite) -> Rule:
    arguable = rule.arguable
    if arguable is not None and arguable.point is not None:
        arguable = replace(arguable, point=rewritten(arguable.point, change))
    return replace(
        rule,
        when=rewritten(rule.when, change),
        unless=rewritten(rule.unless, change),
        must=rewritten(rule.must, change),
        arguable=arguable,
        governed_by=None if rule.governed_by is None else rewritten(rule.governed_by, change),
        defeated_by=tuple(rewritten_rule(e, change) for e in rule.defeated_by),
    )


def changed_regime(regime: Regime, rules: Callable[[Gate, tuple[Rule, ...]], tuple[Rule, ...]], change: Rewrite) -> Regime:
    return replace(
        regime,
        governs=rewritten(regime.governs, change),
        rules={gate: rules(gate, tuple(rewritten_rule(r, change) for r in kept)) for gate, kept in regime.rules.items()},
    )


def shuffled(source: random.Random, policies: PolicySet) -> PolicySet:
    """Reorder everything in a policy set whose order may not matter."""

    def mixed(items: tuple[object, ...]) -> tuple:  # type: ignore[type-arg]
        return tuple(source.sample(items, len(items)))

    def conditions(asked: Condition) -> Condition:
        if isinstance(asked, AllOf | AnyOf):
            return replace(asked, members=mixed(asked.members))
        return replace(asked, rows=mixed(asked.rows)) if isinstance(asked, TableTest) else asked

    def rules(_: Gate, kept: tuple[Rule, ...]) -> tuple[Rule, ...]:
        return mixed(tuple(replace(r, needs=mixed(r.needs), defeated_by=mixed(r.defeated_by)) for r in kept))

    regimes = mixed(tuple(changed_regime(r, rules, conditions) for r in policies.regimes))
    regimes = tuple(replace(r, rules=dict(mixed(tuple(r.rules.items())))) for r in regimes)
    return replace(policies, regimes=regimes, no_regime=mixed(policies.no_regime))
