"""Full names of a release: taken out of every record's text, whoever's they are."""

from __future__ import annotations

from datetime import date

import orjson
import pytest

from governance.deidentify.check import OutputCheck
from governance.deidentify.fhir import transform_bundle
from governance.deidentify.known import Known
from governance.deidentify.people import PATIENTS, FullNames
from governance.deidentify.text import TextCleaner
from governance.errors import IntegrityError
from tests.deidentify.conftest import keys_of

WEISS = {"resourceType": "Patient", "name": [{"family": "Weiß", "given": ["Ana", "Lucía"]}],
         "contact": [{"name": {"family": "Orme", "given": ["Paul"]}}]}
DOCTOR = {"resourceType": "Practitioner", "name": [{"family": "Long", "given": ["Amy"]}]}


def names(*resources, **kinds):
    made = FullNames(**kinds)
    made.learn(resources)
    return made


def test_both_orders_accents_and_contacts_are_found_and_single_names_are_not():
    people = names(WEISS, DOCTOR)
    for text in ("seen by Ana Weiß", "WEISS, ANA", "lucia weiss", "Paul Orme", "Long, Amy"):
        assert people.find(text), text
    for text in ("Ana came", "a long walk", "Weiß", "Paul and Ana", "Amy Weiß"):
        assert people.find(text) == [], text


def test_only_the_kinds_asked_for_are_learnt():
    assert names(DOCTOR, kinds=PATIENTS).find("Amy Long") == []


def test_another_persons_name_goes_out_of_a_records_text_and_so_do_its_later_mentions(words):
    cleaner = TextCleaner(words, highest_age=None, people=names(WEISS))
    scrub = cleaner.for_record(Known(words, ()), shift_days=5, language=None)
    assert scrub("Discussed with Ana Weiß at noon; Weiß will call.") == "Discussed with [NAME] at noon; [NAME] will call."


def test_a_name_announced_once_is_found_again(words):
    scrub = TextCleaner(words, highest_age=None).for_record(Known(words, ()), shift_days=5, language="de")
    said = scrub("Überwiesen durch Leonie Hülsebusch. Befund mit Leonie Hülsebusch besprochen, Dr. med. Sönke Großkopf anwesend.")
    assert "Hülsebusch" not in said
    assert "Großkopf" not in said
    assert "Befund mit [NAME] besprochen" in said


def test_a_month_of_birth_does_not_stop_a_record_whose_moved_date_falls_into_it(pseudonymised, cleaner):
    patient = {"resourceType": "Patient", "id": "p", "birthDate": "1949-03", "name": [{"family": "Oak", "given": ["Ann"]}],
               "text": {"status": "generated", "div": '<div xmlns="http://www.w3.org/1999/xhtml">Ann Oak, 1949-03-21</div>'}}
    bundle = {"resourceType": "Bundle", "type": "collection", "entry": [{"resource": patient}]}
    stayed = 0
    for n in range(400):
        made = transform_bundle(pseudonymised, bundle, keys_of(n), at=date(2026, 11, 22), cleaner=cleaner)
        check = OutputCheck(pseudonymised)
        check.learn(made.known, [patient])
        check.check(1, orjson.dumps(made.bundle), made, bundle)
        stayed += abs(made.shift_days) < 10
    assert stayed > 0


def test_an_original_id_in_the_shape_of_our_own_is_found(pseudonymised, cleaner):
    own = "0dae4422-bf65-475b-8d93-4c1382168951"
    patient = {"resourceType": "Patient", "id": own, "name": [{"family": "Oak", "given": ["Ann"]}]}
    bundle = {"resourceType": "Bundle", "type": "collection", "entry": [{"fullUrl": f"urn:uuid:{own}", "resource": patient}]}
    made = transform_bundle(pseudonymised, bundle, keys_of(1), at=date(2026, 11, 22), cleaner=cleaner)
    check = OutputCheck(pseudonymised)
    check.learn(made.known, [patient])
    check.check(1, orjson.dumps(made.bundle), made, bundle)
    made.bundle["entry"][0]["resource"]["managingOrganization"] = {"reference": f"urn:uuid:{own}"}
    with pytest.raises(IntegrityError):
        check.check(1, orjson.dumps(made.bundle), made, bundle)
