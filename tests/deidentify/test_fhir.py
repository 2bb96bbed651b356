"""Transforming a record: references, required elements, modifiers, other subjects, what is counted."""

from __future__ import annotations

from copy import deepcopy
from datetime import date

import orjson
import pytest
from fhir.resources.R4B import get_fhir_model_class

from governance.deidentify.fhir import LeftOut, Linking, transform_bundle
from governance.deidentify.manifest import Manifest
from governance.errors import InputError
from tests.deidentify.conftest import keys_of

AT = date(2026, 11, 22)
CODE = {"coding": [{"system": "http://loinc.org", "code": "8302-2", "display": "Body Height"}]}
SUBJECT = {"reference": "Patient/p1"}
PATIENT = {"resourceType": "Patient", "id": "p1", "gender": "female", "birthDate": "1980-05-05"}


def observation(**more):
    return {"resourceType": "Observation", "id": "o1", "status": "final", "code": CODE, "subject": SUBJECT, **more}


def bundle(*resources):
    return {"resourceType": "Bundle", "type": "searchset", "entry": [{"resource": deepcopy(one)} for one in resources]}


def change(plan, *resources, **more):
    return transform_bundle(plan, bundle(*resources), keys_of(1), at=AT, **more)


def resources(made):
    return [entry["resource"] for entry in made.bundle["entry"]]


def test_references_of_every_form_lead_to_the_same_new_resource(pseudonymised):
    record = bundle(PATIENT, observation())
    record["entry"][0]["fullUrl"] = "https://clinic.example.org/fhir/Patient/p1"
    forms = ["Patient/p1", "https://clinic.example.org/fhir/Patient/p1"]
    for form in forms:
        record["entry"][1]["resource"]["subject"] = {"reference": form}
        made = transform_bundle(pseudonymised, record, keys_of(1), at=AT)
        patient, one = resources(made)
        assert one["subject"] == {"reference": f"urn:uuid:{patient['id']}"}


def test_ndjson_gets_relative_references(pseudonymised):
    patient, one = resources(change(pseudonymised, PATIENT, observation(), linking=Linking.RELATIVE))
    assert one["subject"] == {"reference": f"Patient/{patient['id']}"}


def test_a_reference_to_nothing_in_the_release_is_removed(pseudonymised):
    _, one = resources(change(pseudonymised, PATIENT, observation(performer=[{"reference": "Practitioner/x"}])))
    assert "performer" not in one


def test_a_required_element_that_had_to_go_says_so(safe_harbor):
    procedure = {"resourceType": "Procedure", "id": "x", "status": "completed", "code": CODE, "subject": SUBJECT,
                 "performer": [{"actor": {"reference": "Practitioner/x"}, "function": CODE}]}  # fmt: skip
    provenance = {"resourceType": "Provenance", "id": "y", "target": [{"reference": "Group/1"}],
                  "recorded": "2020-01-01T00:00:00Z", "agent": [{"who": {"display": "X"}, "type": CODE}]}  # fmt: skip
    coverage = {"resourceType": "Coverage", "id": "z", "status": "active", "beneficiary": SUBJECT, "payor": [{"display": "X"}]}
    made = resources(change(safe_harbor, PATIENT, procedure, provenance, coverage))
    absent = {"extension": [{"url": "http://hl7.org/fhir/StructureDefinition/data-absent-reason", "valueCode": "masked"}]}
    assert made[1]["performer"][0]["actor"] == absent
    assert (made[2]["target"], made[2]["_recorded"], made[2]["agent"][0]["who"]) == ([absent], absent, absent)
    assert made[3]["payor"] == [absent]
    for one in made:
        get_fhir_model_class(one["resourceType"]).model_validate_json(orjson.dumps(one))


@pytest.mark.parametrize("modifier", [
    {"modifierExtension": [{"url": "http://x/not", "valueBoolean": True}]}, {"implicitRules": "http://x"},
    {"component": [{"code": CODE, "modifierExtension": [{"url": "http://x/not", "valueBoolean": True}]}]},
])  # fmt: skip
def test_a_resource_whose_modifier_would_be_lost_stays_behind_and_nothing_points_at_it(modifier, pseudonymised):
    report = {"resourceType": "DiagnosticReport", "id": "r", "status": "final", "code": CODE, "subject": SUBJECT,
              "result": [{"reference": "Observation/o1"}]}  # fmt: skip
    made = change(pseudonymised, PATIENT, observation(**modifier), report)
    assert [one["resourceType"] for one in resources(made)] == ["Patient", "DiagnosticReport"]
    assert "result" not in resources(made)[1]
    assert made.left_out == {("Observation", LeftOut.CANNOT_CHANGE): 1}


def test_what_points_at_another_subject_or_has_no_rule_stays_behind(pseudonymised):
    made = change(pseudonymised, PATIENT, observation(subject={"reference": "Patient/other"}),
                  {"resourceType": "Basic", "id": "b", "code": CODE}, {"resourceType": "Group", "id": "g"})  # fmt: skip
    assert [one["resourceType"] for one in resources(made)] == ["Patient"]
    assert made.left_out == {("Observation", LeftOut.OTHER_SUBJECT): 1, ("Basic", LeftOut.NO_RULE): 1,
                             ("Group", LeftOut.NO_RULE): 1}  # fmt: skip


def test_without_a_patient_nothing_of_a_patient_goes(pseudonymised):
    made = change(pseudonymised, observation(), {"resourceType": "Organization", "id": "1", "name": "Clinic"})
    assert [one["resourceType"] for one in resources(made)] == ["Organization"]
    assert resources(made)[0]["name"] == "withheld"


def test_two_patients_in_one_record_are_refused(pseudonymised):
    with pytest.raises(InputError, match="one patient"):
        change(pseudonymised, PATIENT, PATIENT | {"id": "p2"})


def test_contained_resources_get_new_names_and_unused_ones_go(pseudonymised):
    made = change(pseudonymised, PATIENT, observation(
        performer=[{"reference": "#dr-smith"}],
        contained=[{"resourceType": "Organization", "id": "unused"}, {"resourceType": "Practitioner", "id": "dr-smith", "active": True}]))  # fmt: skip
    _, one = resources(made)
    assert one["contained"] == [{"resourceType": "Practitioner", "id": "c2", "active": True}]
    assert one["performer"] == [{"reference": "#c2"}]


def test_two_recipients_get_records_that_share_no_id_and_no_date(pseudonymised):
    record = bundle(PATIENT, observation(effectiveDateTime="2020-01-01"))
    one, two = (resources(transform_bundle(pseudonymised, record, keys_of(1, who), at=AT)) for who in ("a", "b"))
    assert {r["id"] for r in one}.isdisjoint({r["id"] for r in two})
    assert one[0]["birthDate"] != two[0]["birthDate"]


def test_text_is_removed_where_nothing_can_clean_it(pseudonymised):
    _, one = resources(change(pseudonymised, PATIENT, observation(valueString="fine", note=[{"text": "fine"}])))
    assert "valueString" not in one


def test_decimals_and_other_values_stay_as_they_were(pseudonymised):
    quantity = {"value": 178.88023499217553, "unit": "cm", "system": "http://unitsofmeasure.org", "code": "cm"}
    _, one = resources(change(pseudonymised, PATIENT, observation(valueQuantity=quantity, component=[{"code": CODE, "valueBoolean": False}])))
    assert one["valueQuantity"] == quantity
    assert one["component"] == [{"code": CODE, "valueBoolean": False}]


def test_more_shapes_than_are_remembered_change_nothing(pseudonymised):
    """The cache of element names is bounded; a hostile record cannot fill memory."""
    strange = [observation(id=f"o{n}", **{f"x{n}": 1}) for n in range(600)]
    made = change(pseudonymised, PATIENT, *strange)
    assert len(resources(made)) == 601
    assert len(pseudonymised.nodes["Observation"].programs) <= 512
    assert made.counts.unruled["Observation.?"] == 600


def test_names_that_fhir_does_not_define_reach_no_manifest(pseudonymised):
    made = change(pseudonymised, PATIENT, observation(Zyxcanaria="x", status="final"), {"resourceType": "Zyxcanaria", "id": "z"},
                  {"resourceType": "Library", "id": "l"})
    said = str(Manifest.of(pseudonymised, [made]).as_json())
    assert "Zyxcanaria" not in said
    assert "Observation.?" in said
    assert "'?'" in said
    assert "Library" in said
