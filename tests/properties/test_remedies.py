"""Remedies and the verdict-only path say what the whole of `decide` would say, on random worlds."""

from __future__ import annotations

import random

import pytest

from governance.core import remedies as module
from governance.core.decide import decide, permits
from governance.core.remedies import remedies
from governance.core.ruling import Effect
from tests.properties.scene import AT
from tests.properties.worlds import make_world


def test_the_short_way_to_a_verdict_permits_exactly_what_decide_permits() -> None:
    permitted = 0
    for seed in range(80_000, 80_060):
        world = make_world(random.Random(seed), 4)
        for case in world.cases:
            expected = decide(world.policies, case.question, case.facts, AT).effect is Effect.PERMIT
            assert permits(world.policies, case.question, case.facts, AT) is expected, f"seed {seed}"
            permitted += expected
    assert permitted > 20


def test_remedies_found_the_short_way_are_those_found_by_deciding_in_full(monkeypatch: pytest.MonkeyPatch) -> None:
    cases = [(w, c) for seed in range(80_100, 80_116) for w in [make_world(random.Random(seed), 3)] for c in w.cases]
    short = [remedies(w.policies, c.question, c.facts, AT, cap=12) for w, c in cases]
    monkeypatch.setattr(module, "permits", lambda *given: decide(*given).effect is Effect.PERMIT)
    monkeypatch.setattr(module, "_fewest", lambda classes: classes)
    monkeypatch.setattr(module, "_hardest_first", lambda _policies, _question, facts, _at: facts.classes)
    assert [remedies(w.policies, c.question, c.facts, AT, cap=12) for w, c in cases] == short
    assert any(remedy.kind != "more" for found in short for remedy in found)
