"""Facts found in the records themselves."""

from __future__ import annotations

import pytest

from governance.deidentify.records import facts_of_records, load_categories
from tests.deidentify.conftest import FOLDER

SUBJECT = {"reference": "Patient/p"}


@pytest.fixture(scope="module")
def rules():
    return load_categories(FOLDER)


def facts(rules, *resources):
    return facts_of_records([{"resourceType": "Bundle", "entry": [{"resource": one} for one in resources]}], rules)


def condition(system, code):
    return {"resourceType": "Condition", "subject": SUBJECT, "code": {"coding": [{"system": system, "code": code}]}}


@pytest.mark.parametrize(("code", "category"), [
    ("B20", "hiv"), ("Z21", "hiv"), ("F32.1", "mental"), ("O80", "reproductive"), ("F64.0", "gender-affirming")])
def test_codes_say_their_category(code, category, rules):
    found = facts(rules, condition("http://hl7.org/fhir/sid/icd-10", code))
    assert found.categories == ({"clinical", category} | ({"mental"} if code.startswith("F") else set()))
    assert not found.unclassified


def test_a_settled_code_system_leaves_nothing_open_and_an_open_one_does(rules):
    assert not facts(rules, condition("http://hl7.org/fhir/sid/icd-10", "I10")).unclassified
    assert facts(rules, condition("http://snomed.info/sct", "38341003")).unclassified


@pytest.mark.parametrize("resource", [
    {"resourceType": "Observation", "valueString": "anything"}, {"resourceType": "Basic"},
    {"resourceType": "Condition", "note": [{"text": "x"}], "text": {"div": "<div>x</div>"}},
    {"resourceType": "Binary", "data": "eA=="}])  # fmt: skip
def test_text_and_unknown_types_are_unclassified(resource, rules):
    assert facts(rules, resource).unclassified


def test_a_patient_brings_identifiers_countries_and_what_the_register_matches_by(rules):
    found = facts(rules, {
        "resourceType": "Patient", "birthDate": "1980-05-05", "deceasedBoolean": False,
        "name": [{"family": "A", "given": ["B", "C"]}], "address": [{"city": "X", "country": "DE"}],
        "telecom": [{"system": "email", "value": "x@y.org"}],
        "identifier": [{"system": "s", "value": "1"}, {"type": {"coding": [{"code": "SS"}]}, "value": "2"}]})  # fmt: skip
    assert found.people == 1
    assert found.identifiers == {"name", "address", "city", "email", "birth-date", "medical-record-number", "social-security-number"}
    assert found.categories == {"contact-details", "identity-numbers"}
    (subject,) = found.subjects
    assert subject.identifiers == (("s", "1"), ("", "2"))
    assert (subject.birth_date, subject.countries, subject.deceased) == ("1980-05-05", ("DE",), "false")
    assert "1980" not in repr(subject)


def test_words_are_the_vocabularys(rules):
    taxonomies = (FOLDER.parent / "vocabulary" / "taxonomies.yaml").read_text(encoding="utf-8")
    categories = set().union(*rules.resource_types.values(), *rules.exact.values())
    categories |= {says["category"] for says in (*rules.elements.values(), *rules.extensions.values()) if "category" in says}
    identifiers = {*rules.telecoms.values(), *rules.identifier_types.values()}
    assert {word for word in categories | identifiers if word not in taxonomies} == set()
