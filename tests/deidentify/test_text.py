"""Free text: what is found, what stays, and that names that are also words do not empty the text."""

from __future__ import annotations

import re
from datetime import date

import orjson
import pytest

from governance.deidentify.check import OutputCheck
from governance.deidentify.fhir import transform_bundle
from governance.deidentify.known import Kind, Known, Value
from tests.deidentify.conftest import keys_of

AT = date(2026, 11, 22)


def scrub(cleaner, words, text, *names):
    known = Known(words, [Value(Kind.NAME, name) for name in names])
    return cleaner.for_record(known, shift_days=10, language=None)(text)


@pytest.mark.parametrize(("text", "expected"), [
    ("seen by Dr. Anna von Stein today", "seen by Dr. [NAME] today"), ("Frau Schmidt kommt wieder", "Frau [NAME] kommt wieder"),
    ("La Sra. García Pérez acude", "La Sra. [NAME] acude"), ("M. Dupont est venu", "M. [NAME] est venu"),
    ("write to a.b@c.org please", "write to [CONTACT] please"), ("lives at 12 Oak Hill Road now", "lives at [ADDRESS] now"),
    ("wohnt Lange Strasse 5 dort", "wohnt [ADDRESS] dort"), ("DNI 12345678Z", "DNI [NUMBER]"), ("IBAN DE89370400440532013000", "IBAN [NUMBER]"),
    ("MRN 00123-456 checked", "MRN [NUMBER] checked"), ("her daughter Maria Lopez called", "her daughter [NAME] called"),
    ("Mr. Brown felt well.", "Mr. [NAME] felt well."), ("the dr said so", "the dr said so"),
    ("Patient reports Chest pain", "Patient reports Chest pain"), ("no 5 mg given", "no 5 mg given"),
])  # fmt: skip
def test_what_words_around_announce_is_found(text, expected, cleaner, words):
    assert scrub(cleaner, words, text) == expected


CLINICAL = ("Long-term pain in the left hand. Brown sputum, black stool, white blood cells low. The young child had a short "
            "cold in May. Heart and lung sounds normal, no stone in the gall bladder. Bell palsy and Graves disease were "
            "excluded; Glasgow coma scale 15. Will return next week to the ward for a scan of head and foot.")  # fmt: skip


@pytest.mark.parametrize("name", ["Long", "Brown", "Black", "White", "Young", "Child", "Short", "Cold", "May", "Heart", "Stone",
                                  "Bell", "Graves", "Glasgow", "Will", "Ward", "Foot", "Hand", "Head"])  # fmt: skip
def test_a_patient_with_a_common_name_keeps_nearly_all_words(name, cleaner, words):
    before = re.findall(r"\w+", CLINICAL)
    after = re.findall(r"\w+", scrub(cleaner, words, CLINICAL, name, "Zora"))
    assert sum(word in after for word in before) / len(before) >= 0.95
    assert scrub(cleaner, words, f"Mrs {name} and Zora {name} came.", name, "Zora") == "Mrs [NAME] and [NAME] came."


def test_the_gate_does_not_stop_a_release_for_names_that_are_clinical_words(pseudonymised, cleaner):
    """Its precision, measured: every word of the note is somebody's family name; none stops the release."""
    stopped = []
    for word in sorted(set(re.findall(r"[A-Za-z]{4,}", CLINICAL))):
        patient = {"resourceType": "Patient", "id": "p1", "name": [{"family": word.capitalize(), "given": ["Zora"]}]}
        label = {"coding": [{"system": "http://snomed.info/sct", "code": "1234567", "display": CLINICAL[:60]}]}
        note = {"resourceType": "Observation", "id": "o", "status": "final", "code": label,
                "subject": {"reference": "Patient/p1"}, "valueString": CLINICAL}  # fmt: skip
        source = {"resourceType": "Bundle", "entry": [{"resource": patient}, {"resource": note}]}
        made = transform_bundle(pseudonymised, source, keys_of(1), at=AT, cleaner=cleaner)
        try:
            OutputCheck(pseudonymised).check(1, orjson.dumps(made.bundle), made, source)
        except Exception:  # noqa: BLE001 - counted
            stopped.append(word)
    assert stopped == []


def test_the_same_text_gives_the_same_result(cleaner, words):
    assert scrub(cleaner, words, CLINICAL, "Brown") == scrub(cleaner, words, CLINICAL, "Brown")


def test_markup_characters_of_a_text_stay_text(pseudonymised, cleaner):
    patient = {"resourceType": "Patient", "id": "p1",
               "text": {"status": "generated", "div": "<div><p>5 &lt; 7 &amp; ok</p><script>x</script></div>"}}  # fmt: skip
    made = transform_bundle(pseudonymised, {"resourceType": "Bundle", "entry": [{"resource": patient}]}, keys_of(1), at=AT,
                            cleaner=cleaner)  # fmt: skip
    assert made.bundle["entry"][0]["resource"]["text"]["div"] == (
        '<div xmlns="http://www.w3.org/1999/xhtml"><p>5 &lt; 7 &amp; ok</p></div>')
