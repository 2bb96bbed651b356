"""Safe harbor's eighteen identifiers, one by one, with the rules on ages, ZIP codes and derived codes."""

from __future__ import annotations

from datetime import date

import orjson
import pytest

from governance.deidentify.check import OutputCheck
from governance.deidentify.fhir import transform_bundle
from governance.errors import IntegrityError
from tests.deidentify.conftest import keys_of

AT = date(2026, 11, 22)
CODE = {"coding": [{"system": "http://loinc.org", "code": "8302-2"}]}
SUBJECT = {"reference": "Patient/p1"}


def record(patient=None, *others):
    person = {"resourceType": "Patient", "id": "p1", "gender": "male", **(patient or {})}
    return {"resourceType": "Bundle", "type": "collection", "entry": [{"resource": one} for one in (person, *others)]}


def change(plan, patient=None, *others, n=1):
    made = transform_bundle(plan, record(patient, *others), keys_of(n), at=AT)
    return [entry["resource"] for entry in made.bundle["entry"]]


def observation(**more):
    return {"resourceType": "Observation", "id": "o1", "status": "final", "code": CODE, "subject": SUBJECT, **more}


IDENTIFIERS = {
    "A names": {"name": [{"family": "Okonkwo", "given": ["Chidi"]}]},
    "B address below the state": {"address": [{"line": ["1 Elm St"], "city": "Troy", "district": "Rensselaer"}]},
    "D telephone": {"telecom": [{"system": "phone", "value": "518-555-0100"}]},
    "E fax": {"telecom": [{"system": "fax", "value": "518-555-0101"}]},
    "F e-mail": {"telecom": [{"system": "email", "value": "c@x.org"}]},
    "G social security number": {"identifier": [{"system": "http://hl7.org/fhir/sid/us-ssn", "value": "078-05-1120"}]},
    "H medical record number": {"identifier": [{"type": {"text": "MR"}, "value": "MRN77"}]},
    "I health plan number": {"identifier": [{"type": {"text": "MB"}, "value": "HP-9"}]},
    "J account number": {"identifier": [{"type": {"text": "AN"}, "value": "ACC-9"}]},
    "K licence number": {"identifier": [{"type": {"text": "DL"}, "value": "S9991"}]},
    "L vehicle": {"extension": [{"url": "http://x/plate", "valueString": "ABC-1234"}]},
    "N web address": {"telecom": [{"system": "url", "value": "http://me.example.org"}]},
    "O IP address": {"extension": [{"url": "http://x/ip", "valueString": "10.1.2.3"}]},
    "P biometric": {"extension": [{"url": "http://x/voice", "valueBase64Binary": "AAAA"}]},
    "Q photograph": {"photo": [{"contentType": "image/png", "data": "AAAA"}]},
    "R any other number": {"identifier": [{"system": "http://registry", "value": "UNIQUE-1"}]},
    "relatives": {"contact": [{"name": {"family": "Okonkwo"}, "telecom": [{"value": "1"}]}]},
}  # fmt: skip


@pytest.mark.parametrize("identifier", IDENTIFIERS)
def test_it_goes(identifier, safe_harbor):
    (patient,) = change(safe_harbor, IDENTIFIERS[identifier])
    assert set(patient) == {"resourceType", "id", "gender"}


def test_c_dates_keep_their_year(safe_harbor):
    patient, encounter = change(safe_harbor, {"birthDate": "1980-02-29"}, {
        "resourceType": "Encounter", "id": "e", "status": "finished", "subject": SUBJECT,
        "class": {"system": "http://terminology.hl7.org/CodeSystem/v3-ActCode", "code": "IMP"},
        "period": {"start": "2019-12-31T23:30:00-05:00", "end": "2020-01"}})  # fmt: skip
    assert patient["birthDate"] == "1980"
    assert encounter["period"] == {"start": "2019", "end": "2020"}


def test_c_instants_and_times_of_day_go(safe_harbor):
    _, one = change(safe_harbor, {}, observation(issued="2020-01-01T10:00:00.000Z", valueTime="10:00:00"))
    assert "issued" not in one
    assert "valueTime" not in one


def test_m_device_numbers_go(safe_harbor):
    device = {"resourceType": "Device", "id": "d", "patient": SUBJECT, "serialNumber": "SN1", "lotNumber": "L1",
              "udiCarrier": [{"carrierHRF": "(01)1"}], "status": "active"}  # fmt: skip
    _, made = change(safe_harbor, {}, device)
    assert set(made) == {"resourceType", "id", "patient", "status"}


@pytest.mark.parametrize(("code", "country", "expected"), [
    ("02108", "US", "021"), ("02108-1234", "US", "021"), ("021081234", "US", "021"), ("03601", "US", "000"),
    ("10210", "US", "000"), ("06301", "US", "000"), ("99999", "US", "999"), ("00001", "US", "000"),
    ("2108", "US", "000"), ("ABCDE", "US", "000"), ("02108", "DE", None), ("02108", None, None),
])  # fmt: skip
def test_b_a_zip_code_keeps_three_digits_where_enough_people_live(code, country, expected, safe_harbor):
    address = {"postalCode": code, "state": "Massachusetts", **({"country": country} if country else {})}
    (patient,) = change(safe_harbor, {"address": [address]})
    assert patient["address"][0].get("postalCode") == expected


@pytest.mark.parametrize(("state", "expected"), [("Massachusetts", "MA"), ("ma", "MA"), ("Middlesex County", None)])
def test_b_a_state_is_told_only_if_it_is_one(state, expected, safe_harbor):
    (patient,) = change(safe_harbor, {"address": [{"state": state, "country": "US"}]})
    assert patient["address"][0].get("state") == expected


@pytest.mark.parametrize(("born", "died", "expected"), [
    ("1937-05-01", None, "1937"), ("1936-12-31", None, None), ("1920-01-01", None, None),
    ("1920-01-01", "1990-01-01", "1920"), ("1900-01-01", "1989-12-31", "1900"), ("1900-06-01", "1990-01-01", None),
])  # fmt: skip
def test_c_a_birth_year_that_shows_more_than_89_years_goes(born, died, expected, safe_harbor):
    (patient,) = change(safe_harbor, {"birthDate": born, **({"deceasedDateTime": died} if died else {})})
    assert patient.get("birthDate") == expected
    assert patient.get("deceasedDateTime") == (died[:4] if died else None)


@pytest.mark.parametrize(("years", "born", "expected"), [
    (89, "1950", 89), (90, "1950", 90), (104, "1950", 90), (40, "1950", 40), (40, "1930", None)])
def test_c_an_age_over_89_becomes_90_or_older(years, born, expected, safe_harbor):
    condition = {"resourceType": "Condition", "id": "c", "subject": SUBJECT, "code": CODE,
                 "onsetAge": {"value": years, "unit": "years", "system": "http://unitsofmeasure.org", "code": "a"}}  # fmt: skip
    _, made = change(safe_harbor, {"birthDate": born}, condition)
    assert made.get("onsetAge", {}).get("value") == expected
    assert made.get("onsetAge", {}).get("comparator") == (">=" if expected == 90 else None)


def test_c_an_observation_of_an_age_is_an_age(safe_harbor):
    age = {"coding": [{"system": "http://loinc.org", "code": "30525-0"}]}
    quantity = {"value": 97, "unit": "a", "system": "http://unitsofmeasure.org", "code": "a"}
    _, whole, part = change(
        safe_harbor, {}, observation(code=age, valueQuantity=quantity),
        observation(id="o2", component=[{"code": age, "valueQuantity": quantity}, {"code": CODE, "valueQuantity": quantity}]))  # fmt: skip
    assert whole["valueQuantity"]["value"] == 90
    assert [one["valueQuantity"]["value"] for one in part["component"]] == [90, 97]


def test_codes_are_not_derived_from_the_person(safe_harbor):
    """164.514(c): other ids and values in the same order give the same codes."""
    study = {"resourceType": "ImagingStudy", "status": "available", "subject": SUBJECT}
    one = change(safe_harbor, {"birthDate": "1980"}, study | {"id": "a", "series": [{"uid": "1.2.3", "modality": {}}]})
    two = record({"id": "p2", "birthDate": "1950"}, study | {"id": "b", "subject": {"reference": "Patient/p2"},
                                                             "series": [{"uid": "9.8.7", "modality": {}}]})  # fmt: skip
    other = [e["resource"] for e in transform_bundle(safe_harbor, two, keys_of(1), at=AT).bundle["entry"]]
    assert [r["id"] for r in one] == [r["id"] for r in other]
    assert one[1]["series"][0]["uid"] == other[1]["series"][0]["uid"]
    assert [r["id"] for r in change(safe_harbor, n=2)] != [one[0]["id"]]


@pytest.mark.parametrize("leak", [
    {"effectiveDateTime": "2020-01-15"}, {"effectiveDateTime": "2020-01"}, {"effectiveDateTime": "1930"},
    {"valueString": "call 518-555-0100"}, {"valueString": "078-05-1120"}, {"valueString": "10.1.2.3"},
    {"issued": "2020"}, {"identifier": [{"value": "x"}]}, {"text": {"div": "<div>x</div>"}},
])  # fmt: skip
def test_the_check_does_not_establish_safe_harbor_where(leak, safe_harbor):
    source = record({})
    made = transform_bundle(safe_harbor, source, keys_of(1), at=AT)
    check = OutputCheck(safe_harbor)
    check.check(1, orjson.dumps(made.bundle), made, source)
    made.bundle["entry"].append({"resource": {"resourceType": "Observation", **leak}})
    with pytest.raises(IntegrityError) as caught:
        check.check(1, orjson.dumps(made.bundle), made, source)
    assert caught.value.where.startswith("1/Observation/")


def test_the_check_refuses_a_postal_code_that_tells_too_much(safe_harbor):
    for code in ("02108", "036", "0210"):
        source = record({})
        made = transform_bundle(safe_harbor, source, keys_of(1), at=AT)
        made.bundle["entry"].append({"resource": {"resourceType": "Patient", "address": [{"postalCode": code}]}})
        with pytest.raises(IntegrityError):
            OutputCheck(safe_harbor).check(1, orjson.dumps(made.bundle), made, source)
