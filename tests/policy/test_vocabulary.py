"""Faults of vocabulary files, and periods."""

from pathlib import Path

import pytest

from governance.core.rules import Confidence
from governance.policy.load import load_policies
from governance.policy.shape import duration, period_days
from tests.policy.world import folder_with


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("taxonomies: {ring: {a: [b], b: [c], c: [a]}}", "1:21: taxonomy `ring` is a circle: `a` below `c` below `b` below `a`"),
        ("taxonomies: {purpose: [x]}", "1:14: taxonomy `purpose` is declared twice"),
        ("taxonomies: {bare: []}", "1:14: taxonomy `bare` has no terms\n  hint: write `open` if its terms are kept elsewhere"),
        ("facts: [{id: purpose, of: request, type: id, source: request, word: caller, means: x}]", "1:14: fact `purpose` is declared twice"),
        ("facts: [{id: any, of: request, type: id, source: request, word: caller, means: x}]", "1:9: `any` is a key of conditions and cannot be a fact"),
        ("facts: [{id: f, of: request, type: term, source: request, word: caller, means: x}]", "1:9: fact `f` needs either `taxonomy` or `values`"),
        ("facts: [{id: f, of: request, type: term, taxonomy: purposes, source: request, word: caller, means: x}]", "1:52: unknown taxonomy `purposes` of fact `f`\n  hint: did you mean `purpose`?"),
        ("facts: [{id: f, of: moon, type: id, source: request, word: caller, means: x}]", "1:21: unknown of `moon`\n  hint: one of: request, leg, exporter, recipient, dataset, part, subject, ledger"),
        ("evidence: [{id: e, match: [exporters], outcome: [x]}]", "1:28: unknown match key `exporters`\n  hint: did you mean `exporter`?"),
        ("duties: [{id: d, by: exporter, when: after, params: [a, b], join: sooner}]", "1:67: `join` has 1 rules for 2 parameters\n  hint: name the parameter: `join: {within: sooner}`"),
        ("duties: [{id: d, by: exporter, when: after, contradicts: [encript]}]", "1:59: unknown duty `encript`\n  hint: did you mean `encrypt`?"),
        ("consent_purposes: {careful: [TREAT]}", "1:20: unknown purpose `careful`\n  hint: did you mean `care`?"),
        ("taxonomies: {größe: [a]}", "1:14: key `größe` is not ASCII\n  hint: use letters without accents"),
        ("fact: []", "1:1: unknown key `fact` in a vocabulary file\n  hint: did you mean `facts`?"),
        ("- a", "1:1: a vocabulary file must be a mapping\n  hint: sections: version, facts, taxonomies, places, consent, consent_purposes, consent_hierarchy, strength, evidence, duties"),
    ],
)  # fmt: skip
def test_faults_of_a_vocabulary_are_told_with_their_place(text: str, expected: str, tmp_path: Path) -> None:
    folder = folder_with(tmp_path)
    (folder / "vocabulary" / "z.yaml").write_text(text, encoding="utf-8")
    told = [str(found) for found in load_policies(folder, level=Confidence.KNOWLEDGE).diagnostics if found.severity == "error"]
    assert [f"policies/vocabulary/z.yaml:{expected}"] == told


def test_terms_of_an_open_taxonomy_are_not_checked(tmp_path: Path) -> None:
    folder = folder_with(tmp_path)
    (folder / "vocabulary" / "z.yaml").write_text("taxonomies: {MONDO: open}\nfacts: [{id: disease, of: request, type: terms, taxonomy: MONDO, source: request, word: caller, means: x}]\n", encoding="utf-8")
    path = folder / "jurisdictions" / "no" / "health.yaml"
    path.write_text(path.read_text(encoding="utf-8").replace("when: {purpose: care}", "when: {disease: MONDO-5015}"), encoding="utf-8")
    errors = [str(found) for found in load_policies(folder, level=Confidence.KNOWLEDGE).diagnostics if found.severity == "error"]
    assert errors == []


@pytest.mark.parametrize(
    ("text", "shortest", "longest", "iso"),
    [
        ("30 days", 30, 30, "P30D"), ("1 day", 1, 1, "P1D"), ("2 weeks", 14, 14, "P2W"), ("72 hours", 3, 3, "PT72H"),
        ("36 hours", 1, 2, "PT36H"), ("1 month", 28, 32, "P1M"), ("12 months", 365, 366, "P12M"),
        ("3 years", 1095, 1096, "P3Y"), ("10 business days", 10, 24, "P10D"), ("soon", None, None, None),
        ("0 days", None, None, None), ("-1 days", None, None, None), ("1 day ", None, None, None),
    ],
)  # fmt: skip
def test_periods_become_days_on_the_side_that_is_asked(text: str, shortest: int | None, longest: int | None, iso: str | None) -> None:
    assert (shortest, longest, iso) == (period_days(text, longest=False), period_days(text, longest=True), duration(text))
