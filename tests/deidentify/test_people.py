"""Full names of a release: taken out of every record's text, whoever's they are."""

from __future__ import annotations

from governance.deidentify.known import Known
from governance.deidentify.people import PATIENTS, FullNames
from governance.deidentify.text import TextCleaner

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
    assert scrub("Discussed with Ana Weiß. Weiß will call.") == "Discussed with [NAME]. [NAME] will call."


def test_a_name_announced_once_is_found_again(words):
    scrub = TextCleaner(words, highest_age=None).for_record(Known(words, ()), shift_days=5, language="de")
    said = scrub("Überwiesen durch Leonie Hülsebusch. Befund mit Leonie Hülsebusch besprochen, Dr. med. Sönke Großkopf anwesend.")
    assert "Hülsebusch" not in said
    assert "Großkopf" not in said
    assert "Befund mit [NAME] besprochen" in said
