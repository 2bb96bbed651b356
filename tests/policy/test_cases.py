"""Lawyers' cases are decided like real requests, and differences are told at their line."""

from pathlib import Path

import pytest

from governance.core.rules import Confidence
from governance.policy.check import CheckReport, policy_check
from tests.policy.world import folder_with

CARE = """
- name: {name}
  cites: s. 4
  at: 2026-11-22
  {only}
  given:
    {{purpose: treatment, origin: NO, destination: SE, storage.places: [SE], access.places: [SE], onward.places: [],
     exporter.public_powers: false, recipient.type: hospital, subject.residence: NO, data.categories: [clinical],
     counted: {{genomes: 0}}{more}}}
  expect: {expect}
"""


def check(tmp_path: Path, expect: str, more: str = "", only: str = "only: [no-health]", name: str = "a case") -> CheckReport:
    folder = folder_with(tmp_path)
    text = CARE.format(expect=expect, more=f", {more}" if more else "", only=only, name=name)
    (folder / "jurisdictions" / "no" / "health.cases.yaml").write_text(text, encoding="utf-8")
    return policy_check(folder, level=Confidence.KNOWLEDGE)


def errors(report: CheckReport) -> list[str]:
    return [str(found) for found in report.diagnostics if found.severity == "error"]


def test_a_case_that_comes_out_as_expected_is_counted(tmp_path: Path) -> None:
    report = check(tmp_path, "{effect: permit, profile: as-is, because: [no-health/grounds/care]}")
    assert (errors(report), report.cases, report.failed_cases, report.good) == ([], 1, 0, True)


def test_a_case_that_comes_out_differently_says_what_and_why(tmp_path: Path) -> None:
    report = check(tmp_path, "{effect: deny, because: [grounds/research], not_because: [grounds/care], duties: [no-onward]}")
    (told,) = errors(report)
    assert told.startswith("policies/jurisdictions/no/health.cases.yaml:10:11: case `a case` comes out differently: effect: expected deny, got permit; because: expected no-health/grounds/research, got no-health/grounds/care")
    assert "`no-health/grounds/care` among the reasons; duties: expected no-onward, got nothing\n  hint: permit; reasons: " in told
    assert (report.cases, report.failed_cases, report.good) == (1, 1, False)


RESEARCH = "purpose: health-research"


@pytest.mark.parametrize(
    ("more", "expect"),
    [
        ("consent: {state: given, to: processing, form: explicit}", "{effect: permit, because: [grounds/research], duties: [tell-subject]}"),
        ("consent: {state: given, to: processing, form: written}", "{effect: deny}"),
        ("consent: given", "{effect: deny}"),
        ("consent: refused", "{effect: deny, duties: [report-refusal]}"),
        ("consent: {state: withdrawn, to: processing, form: explicit}", "{effect: deny}"),
        ("consent: {state: expired, to: processing, form: explicit}", "{effect: deny}"),
        ("consent: not-asked", "{effect: deny}"),
        ("consent: {state: unclear, to: processing, form: explicit}", "{effect: refer, refer: missing-facts}"),
        ("people: [{size: 3, consent: {state: given, to: processing, form: explicit}}, {size: 2, consent: refused}], withhold: {subjects: true}", "{effect: permit}"),
        ("people: [{size: 3, consent: {state: given, to: processing, form: explicit}}, {size: 2, consent: refused}]", "{effect: deny}"),
    ],
)
def test_consents_of_cases_are_what_they_say(more: str, expect: str, tmp_path: Path) -> None:
    folder = folder_with(tmp_path)
    text = CARE.format(expect=expect, more=f", {more}", only="only: [no-health]", name="c").replace("purpose: treatment", RESEARCH)
    (folder / "jurisdictions" / "no" / "health.cases.yaml").write_text(text, encoding="utf-8")
    assert errors(policy_check(folder, level=Confidence.KNOWLEDGE)) == []


@pytest.mark.parametrize(
    ("evidence", "effect"),
    [
        ("{type: contract}, {type: assessment, outcome: sufficient}", "permit"),
        ("{type: contract}, {type: assessment, outcome: sufficient-with-measures}", "deny"),
        ("{type: contract}, {type: assessment, outcome: poor}", "deny"),
        ("{type: contract, state: submitted}, {type: assessment, outcome: sufficient}", "deny"),
        ("{type: contract, state: revoked}, {type: assessment, outcome: sufficient}", "deny"),
        ("{type: contract}, {type: assessment, outcome: sufficient, issued_on: 2025-11-01}", "deny"),
        ("{type: contract, valid_until: 2026-11-21}, {type: assessment, outcome: sufficient}", "deny"),
        ("{type: contract, scope: {recipient: somebody-else}}, {type: assessment, outcome: sufficient}", "deny"),
        ("{type: assessment, outcome: sufficient}", "deny"),
    ],
)
def test_evidence_of_cases_fits_unless_the_case_says_otherwise(evidence: str, effect: str, tmp_path: Path) -> None:
    folder = folder_with(tmp_path)
    text = CARE.format(expect=f"{{effect: {effect}}}", more=f", subject.age: 10, evidence: [{evidence}]", only="only: [no-health]", name="c")
    text = text.replace("destination: SE", "destination: KE")
    (folder / "jurisdictions" / "no" / "health.cases.yaml").write_text(text, encoding="utf-8")
    assert errors(policy_check(folder, level=Confidence.KNOWLEDGE)) == []


@pytest.mark.parametrize(
    ("more", "expected"),
    [
        ("purpos: care", "unknown key `purpos` in a case\n  hint: did you mean `purpose`?"),
        ("subject.age: old", "not a value of fact `subject.age`, which is a number"),
        ("subject.consent_state: given", "the state of consent follows from the consent\n  hint: write `consent: refused`"),
        ("consent: maybe", "unknown state of consent `maybe`\n  hint: one of: given, refused, withdrawn, expired, asked, not-asked, unclear"),
        ("evidence: [{type: contrakt}]", "unknown evidence `contrakt`\n  hint: did you mean `contract`?"),
        ("evidence: [{type: assessment}]", "evidence `assessment` has several outcomes\n  hint: one of: sufficient, sufficient-with-measures, or another word for one that opens nothing"),
        ("legs: [{purpose: care}]", "fact `purpose` is not of a leg"),
        ("profiles: [safe]", "unknown profile `safe`"),
        ("cannot: [encript]", "unknown duty `encript`\n  hint: did you mean `encrypt`?"),
        ("size: 0", "`size` must be a number of people"),
        ("recipient.owned_by: {group: foes, cascade_at: 50, is: 10}", "no pack asks for `recipient.owned_by[no-health/foes,50]`"),
    ],
)
def test_a_case_that_cannot_be_read_is_a_fault_and_is_not_run(more: str, expected: str, tmp_path: Path) -> None:
    report = check(tmp_path, "{effect: permit}", more)
    assert [expected] == [told.partition(": ")[2] for told in errors(report)]
    assert report.cases == 0


def test_a_case_needs_a_citation_an_instant_and_an_effect_that_exists(tmp_path: Path) -> None:
    folder = folder_with(tmp_path)
    text = "- {name: a, at: noon, given: {}, expect: {effect: allow, because: [grounds/nothing]}}\n- {name: a, cites: s, at: 2026-01-01, given: {}, expect: {effect: deny}}\n- word\n"
    (folder / "jurisdictions" / "no" / "health.cases.yaml").write_text(text, encoding="utf-8")
    told = [told.partition(": ")[2] for told in errors(policy_check(folder, level=Confidence.KNOWLEDGE))]
    expected = [
        "missing key `cites` in a case",
        "`at` must be a day or an instant\n  hint: write 2026-11-22 or 2026-11-22T12:00:00Z",
        "unknown effect `allow`\n  hint: one of: permit, deny, refer",
        "unknown rule `no-health/grounds/nothing`\n  hint: did you mean `no-health/grounds/duty`?",
        "two cases `a`\n  hint: the other stands at policies/jurisdictions/no/health.cases.yaml:1:10",
        "a case must be a mapping\n  hint: write `- {name: ..., cites: ..., at: ..., given: {...}, expect: {...}}`",
    ]
    assert expected == told


def test_the_real_room_s_cases_come_out_as_their_lawyers_expect() -> None:
    report = policy_check(Path(__file__).parents[2] / "policies", level=Confidence.KNOWLEDGE)
    assert errors(report) == []
    assert report.cases >= 100
