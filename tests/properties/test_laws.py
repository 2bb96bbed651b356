"""The laws of docs/semantics.md, section 9, hold for the engine (and for the reference) on random worlds."""

from __future__ import annotations

import copy
import random
from collections.abc import Iterator
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from governance.core.conditions import Timespan
from governance.core.decide import decide
from governance.core.request import Facts
from governance.core.rules import Regime, Rule
from governance.core.ruling import Effect
from governance.core.truth import Truth
from tests.properties import laws
from tests.properties.rulings import engine, reference
from tests.properties.scene import AT, TODAY
from tests.properties.worlds import Case, World, make_world, worlds

LAWS = [
    laws.learning_never_turns_a_verdict,
    laws.forgetting_never_permits,
    laws.knowing_nothing_permits_nothing,
    laws.order_never_matters,
    laws.a_cohort_is_its_people,
    laws.documents_that_do_not_fit_change_nothing,
    laws.refusing_a_duty_never_widens,
    laws.withdrawing_never_widens,
    laws.fewer_papers_never_help,
]
each_law = pytest.mark.parametrize("law", LAWS, ids=lambda law: law.__name__)


def broken(law, evaluate, seeds: range) -> list[str]:
    found = []
    for seed in seeds:
        world = make_world(random.Random(seed), 2)
        for number, case in enumerate(world.cases):
            found += [f"seed {seed}, case {number}: {f}" for f in law(evaluate, world, case, random.Random(seed))]
    return found


@each_law
def test_law_holds_for_the_engine(law) -> None:
    assert broken(law, engine, range(50_000, 50_030)) == []


@each_law
def test_law_holds_for_the_reference(law) -> None:
    assert broken(law, reference, range(60_000, 60_005)) == []


@each_law
@pytest.mark.long
@pytest.mark.parametrize("block", range(10))
def test_law_holds_for_the_engine_on_thousands_of_worlds(law, block: int) -> None:
    assert broken(law, engine, range(100_000 + block * 500, 100_000 + (block + 1) * 500)) == []


@given(world=worlds(cases=1), seed=st.integers(0, 1000))
def test_what_is_learnt_or_forgotten_never_turns_a_verdict_where_hypothesis_looks(world: World, seed: int) -> None:
    case = world.cases[0]
    assert laws.learning_never_turns_a_verdict(engine, world, case, random.Random(seed)) == []
    assert laws.forgetting_never_permits(engine, world, case, random.Random(seed)) == []


def some_cases(count: int) -> Iterator[tuple[World, Case]]:
    for seed in range(70_000, 70_000 + count):
        world = make_world(random.Random(seed), 2)
        for case in world.cases:
            yield world, case


def rules_in(regimes: list[Regime]) -> dict[str, Rule]:
    return {rule.id: rule for regime in regimes for kept in regime.rules.values() for rule in kept}


def test_every_reason_names_a_rule_in_force_at_the_time() -> None:
    seen = 0
    for world, case in some_cases(50):
        regimes = [*world.policies.regimes, *case.facts.terms]
        rules = rules_in(regimes)
        for reason in decide(world.policies, case.question, case.facts, AT).reasons:
            if reason.gate is None:
                continue
            seen += 1
            rule = rules[reason.rule]
            assert reason.gate is rule.gate
            assert reason.regime in {r.id for r in regimes}
            assert rule.existence is not Truth.FALSE
            assert rule.span.holds(TODAY) is not Truth.FALSE
    assert seen > 100


def test_a_rule_out_of_force_might_as_well_not_be_written() -> None:
    over = Timespan(until_earliest=TODAY.replace(year=2020), until_latest=TODAY.replace(year=2020))

    def repealed(regime: Regime, names: set[str], *, written: bool) -> Regime:
        rules = {
            gate: tuple(replace(r, span=over) if r.id in names else r for r in kept if written or r.id not in names)
            for gate, kept in regime.rules.items()
        }
        return replace(regime, rules=rules)

    for world, case in some_cases(20):
        names = {r for i, r in enumerate(sorted(rules_in(list(world.policies.regimes)))) if i % 3 == 0}
        names = {n for n in names if "/exceptions/" not in n}
        policies = [
            replace(world.policies, regimes=tuple(repealed(r, names, written=w) for r in world.policies.regimes))
            for w in (True, False)
        ]
        answers = [engine(replace(world, policies=p), case) for p in policies]
        assert answers[0] == answers[1]


def test_the_same_question_has_the_same_ruling_to_the_last_field() -> None:
    for world, case in some_cases(15):
        first = decide(world.policies, case.question, case.facts, AT)
        again = decide(copy.deepcopy(world.policies), copy.deepcopy(case.question), copy.deepcopy(case.facts), AT)
        assert first == again
        assert repr(first) == repr(again)


@pytest.mark.parametrize("empty", ["legs", "parts", "classes"])
def test_a_question_about_nothing_is_never_permitted(empty: str) -> None:
    for world, case in some_cases(10):
        facts: Facts = replace(case.facts, **{empty: ()})
        try:
            effect = decide(world.policies, case.question, facts, AT).effect
        except ValueError:
            continue
        assert effect is not Effect.PERMIT
