"""However a good file is damaged, loading answers with faults and never with an exception."""

import shutil
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from governance.core.rules import Confidence
from governance.policy.check import policy_check
from tests.policy.world import GOOD

FILES = sorted(path.relative_to(GOOD).as_posix() for path in GOOD.rglob("*.yaml"))
SCRAPS = ["", "null", "true", "[]", "{}", "12", "-0.5", "2026-11-22", "care", "NO", "{a: b}", "[[x]]", "not: {}", "is: powers", "any: []", "id: x", "- ", "\n", ": ", ", ", "}", "]", "'", "é", "count: {measure: genomes}", "0001-01-01", "9999-12-31", "1e9", "10000 years"]


@st.composite
def damaged(draw: st.DrawFn) -> tuple[str, str]:
    """Replace one to three pieces of a good file by scraps of others."""
    name = draw(st.sampled_from(FILES))
    text = (GOOD / name).read_text(encoding="utf-8")
    for _ in range(draw(st.integers(1, 3))):
        start = draw(st.integers(0, len(text)))
        end = min(len(text), start + draw(st.integers(0, 12)))
        text = text[:start] + draw(st.sampled_from(SCRAPS)) + text[end:]
    return name, text


@st.composite
def misfilled(draw: st.DrawFn) -> tuple[str, str]:
    """Put a scrap in the place of a whole value, so that the file stays YAML."""
    name = draw(st.sampled_from(FILES))
    lines = (GOOD / name).read_text(encoding="utf-8").splitlines()
    number = draw(st.integers(0, len(lines) - 1))
    pieces = lines[number].split(": ")
    piece = draw(st.integers(0, len(pieces) - 1))
    tail = "".join(mark for mark in pieces[piece] if mark in "}]")
    pieces[piece] = draw(st.sampled_from(SCRAPS)) + ("" if piece == 0 else tail)
    lines[number] = ": ".join(pieces)
    return name, "\n".join(lines)


def report(case: tuple[str, str], factory: pytest.TempPathFactory) -> None:
    folder = factory.mktemp("fuzz") / "policies"
    shutil.copytree(GOOD, folder)
    (folder / case[0]).write_text(case[1], encoding="utf-8")
    found = policy_check(folder, level=Confidence.KNOWLEDGE)
    assert found.good == all(one.severity == "warning" for one in found.diagnostics)
    assert found.good or found.policies is None or found.failed_cases or any(".cases.yaml:" in one.where for one in found.diagnostics)
    shutil.rmtree(folder)


QUICK = settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
LONG = settings(max_examples=1000, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


@QUICK
@given(damaged() | misfilled())
def test_no_damage_to_a_file_makes_checking_raise(tmp_path_factory: pytest.TempPathFactory, case: tuple[str, str]) -> None:
    report(case, tmp_path_factory)


@pytest.mark.long
@LONG
@given(damaged() | misfilled())
def test_no_damage_makes_checking_raise_in_a_thousand_tries(tmp_path_factory: pytest.TempPathFactory, case: tuple[str, str]) -> None:
    report(case, tmp_path_factory)


def test_there_are_files_to_damage() -> None:
    assert {Path(name).suffix for name in FILES} == {".yaml"}
