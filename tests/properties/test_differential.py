"""The engine and the slow reference evaluator give the same answer on random worlds, and the worlds are worth it.

They share only dataclasses and docs/semantics.md. Seeds are fixed, so that a failure names the world that shows it:
`make_world(random.Random(seed), CASES).cases[number]`.
"""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass

import pytest
from hypothesis import given

from tests.properties.combinations import IMPOSSIBLE, POSSIBLE, Combination, combinations_of, rendered
from tests.properties.rulings import differing, engine, reference
from tests.properties.worlds import Case, World, make_world, worlds

CASES = 4
WORLDS = 300


@dataclass(frozen=True)
class Compared:
    """What a run over many worlds found."""

    differences: list[str]
    table: Counter[Combination]
    cases: int


def cases_of(seeds: range) -> Iterator[tuple[str, World, Case]]:
    for seed in seeds:
        world = make_world(random.Random(seed), CASES)
        for number, case in enumerate(world.cases):
            yield f"seed {seed}, case {number}", world, case


def compare(seeds: range) -> Compared:
    found: list[str] = []
    table: Counter[Combination] = Counter()
    cases = 0
    for name, world, case in cases_of(seeds):
        slow = reference(world, case)
        found += [f"{name}: {difference}" for difference in differing(engine(world, case), slow)]
        table.update(combinations_of(world, case, slow))
        cases += 1
    return Compared(found, table, cases)


@pytest.fixture(scope="module")
def compared() -> Compared:
    return compare(range(WORLDS))


def test_engine_and_reference_agree_on_twelve_hundred_random_cases(compared: Compared) -> None:
    assert compared.differences == []
    assert compared.cases == CASES * WORLDS


def test_every_possible_combination_of_gate_truth_and_effect_is_hit_in_one_case_of_a_hundred(
    compared: Compared, capsys: pytest.CaptureFixture[str]
) -> None:
    with capsys.disabled():
        print("\n" + rendered(compared.table, compared.cases))
    rare = [(g.value, t.name, e.value) for g, t, e in POSSIBLE if compared.table[g, t, e] < 0.01 * compared.cases]
    assert rare == []


@pytest.mark.parametrize("combination", IMPOSSIBLE, ids=lambda c: f"{c[0]}-{c[1].name.lower()}-{c[2]}")
def test_impossible_combination_never_occurs(compared: Compared, combination: Combination) -> None:
    assert compared.table[combination] == 0, IMPOSSIBLE[combination]


@given(world=worlds(cases=1))
def test_engine_and_reference_agree_where_hypothesis_looks(world: World) -> None:
    case = world.cases[0]
    assert differing(engine(world, case), reference(world, case)) == []


@pytest.mark.long
@pytest.mark.parametrize("block", range(84))
def test_engine_and_reference_agree_on_a_hundred_thousand_random_cases(block: int) -> None:
    found = compare(range(10_000 + block * WORLDS, 10_000 + (block + 1) * WORLDS))
    assert found.differences == []
    assert [c for c in IMPOSSIBLE if found.table[c]] == []
