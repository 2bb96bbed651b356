"""The packs that ship load without error, decide every case as its lawyer expects, and leave no rule untried."""

from __future__ import annotations

from pathlib import Path

import pytest

from governance.core.rules import Confidence, Gate
from governance.core.truth import Truth
from governance.policy.check import CheckReport, policy_check

POLICIES = Path(__file__).parents[2] / "policies"
TRIED = (
    Gate.OUTSIDE_SCOPE,
    Gate.PROHIBITION,
    Gate.EXCEPTION,
    Gate.GROUND,
    Gate.MECHANISM,
    Gate.REQUIREMENT,
    Gate.REVIEW,
)


@pytest.fixture(scope="module")
def report() -> CheckReport:
    return policy_check(POLICIES, level=Confidence.KNOWLEDGE)


def test_every_pack_loads_and_every_case_comes_out(report: CheckReport) -> None:
    assert [str(found) for found in report.diagnostics if found.severity == "error"] == []
    assert report.failed_cases == 0
    assert report.cases > 500


def test_every_rule_that_can_open_or_close_is_named_by_a_case(report: CheckReport) -> None:
    assert report.policies is not None
    cases = {path: path.read_text(encoding="utf-8") for path in POLICIES.rglob("*.cases.yaml")}
    written = "\n".join(cases.values())
    untried = [
        rule.id
        for regime in report.policies.regimes
        for gate in TRIED
        for rule in regime.rules.get(gate, ())
        if rule.id.partition("/")[2] not in written
    ]
    assert untried == []


def test_no_pack_claims_a_lawyers_signature(report: CheckReport) -> None:
    assert report.policies is not None
    assert [regime.id for regime in report.policies.regimes if regime.signed_off] == []


def test_norway_is_a_place_and_an_organisation_lies_in_no_country(report: CheckReport) -> None:
    assert report.policies is not None
    place = report.policies.vocabulary.taxonomies["place"]
    countries = [term for term in place.ancestors if len(term) == 2 and term != "EU"]
    assert len(countries) == 249
    assert place.relation("NO", "EEA") is Truth.TRUE
    assert place.relation("NO", "EU") is Truth.FALSE
    assert place.relation("DE-BE", "EEA") is Truth.TRUE
    assert place.relation("XX-WHO", "CH") is Truth.FALSE
    assert place.relation("EEA", "DE") is Truth.UNKNOWN


def test_no_rule_on_the_data_security_program_reads_consent(report: CheckReport) -> None:
    assert report.policies is not None
    program = next(regime for regime in report.policies.regimes if regime.id == "us-dsp")
    readers = [rule.id for rules in program.rules.values() for rule in rules if "ConsentTest" in repr(rule)]
    assert readers == []
