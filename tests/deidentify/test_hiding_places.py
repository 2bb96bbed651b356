"""Canaries: one patient's values put into every place of a record where they have been seen to hide."""

from __future__ import annotations

import base64
import re
from copy import deepcopy
from datetime import date

import orjson
import pytest

from governance.deidentify.check import OutputCheck
from governance.deidentify.fhir import transform_bundle
from governance.errors import IntegrityError
from tests.deidentify.conftest import keys_of

AT = date(2026, 11, 22)
PATIENT = {
    "resourceType": "Patient", "id": "canary-77001", "gender": "female", "birthDate": "1961-04-17",
    "identifier": [{"system": "http://hospital.example.org/mrn", "value": "KX-4471-902"}],
    "name": [{"family": "Zwetschkenbaum", "given": ["Philippa", "Ottoline"], "prefix": ["Dr."]}],
    "telecom": [{"system": "phone", "value": "+43 660 1234567"}, {"system": "email", "value": "philippa.z@example.org"}],
    "address": [{"line": ["Quittengasse 17"], "city": "Mürzzuschlag", "postalCode": "08680", "country": "AT"}],
}  # fmt: skip
CANARIES = ("zwetschkenbaum", "philippa", "ottoline", "kx-4471-902", "kx4471902", "quittengasse", "murzzuschlag",
            "mürzzuschlag", "1234567", "1961-04-17", "17.04.1961", "17. april 1961", "canary-77001")  # fmt: skip
NAME = "Philippa Ottoline Zwetschkenbaum"
SUBJECT = {"reference": "Patient/canary-77001"}
CODE = {"coding": [{"system": "http://loinc.org", "code": "8302-2", "display": "Body Height"}]}


def observation(**more):
    return {"resourceType": "Observation", "id": "o1", "status": "final", "code": CODE, "subject": SUBJECT, **more}


def b64(text, encoding="utf-8"):
    return base64.b64encode(text.encode(encoding)).decode()


def coded(**coding):
    return {"coding": [{"system": "http://snomed.info/sct", "code": "271649006", **coding}]}


PLACES = {
    "printed reference": observation(performer=[{"display": NAME}]),
    "printed subject": observation(subject=SUBJECT | {"display": NAME}),
    "logical reference": observation(performer=[{"identifier": {"value": "KX-4471-902"}}]),
    "reference into the void": observation(performer=[{"reference": "Practitioner/Zwetschkenbaum"}]),
    "reference with a query": observation(derivedFrom=[{"reference": f"Observation?patient.name={NAME}"}]),
    "display of a public code": observation(valueCodeableConcept=coded(display=f"BP of {NAME}")),
    "text of a concept": observation(valueCodeableConcept=coded() | {"text": f"Blood pressure of {NAME}"}),
    "code of a public system": observation(valueCodeableConcept=coded(code="KX-4471-902")),
    "code without separators": observation(valueCodeableConcept=coded(code="KX4471902")),
    "local code": observation(valueCodeableConcept={"coding": [{"system": "http://local", "code": NAME}]}),
    "code without a system": observation(valueCodeableConcept={"coding": [{"code": "x", "display": NAME}]}),
    "address of a code system": observation(
        valueCodeableConcept={"coding": [{"system": "http://x.org/Zwetschkenbaum", "code": "1"}]}),
    "version of a code": observation(valueCodeableConcept=coded(version="Zwetschkenbaum")),
    "unit": observation(valueQuantity={"value": 1, "unit": NAME}),
    "unit code": observation(valueQuantity={"value": 1, "code": "Zwetschkenbaum"}),
    "status": observation(status="Zwetschkenbaum"),
    "language": observation(language="Zwetschkenbaum"),
    "value as text": observation(valueString=f"{NAME}, 17.04.1961"),
    "wrong shape for a number": observation(valueInteger=NAME),
    "object for a code": observation(status={"family": NAME}),
    "list for a date": observation(effectiveDateTime=[NAME]),
    "date with a tail": observation(effectiveDateTime="2020-01-01 Philippa"),
    "time with a tail": observation(valueTime="10:00:00 Philippa"),
    "samples": observation(valueSampledData={"origin": {"value": 0}, "period": 1, "dimensions": 1, "data": NAME}),
    "note": observation(note=[{"authorString": NAME, "text": f"seen {NAME} on 17. April 1961"}]),
    "extension": observation(extension=[{"url": "http://x.org/who", "valueString": NAME}]),
    "address of an extension": observation(extension=[{"url": f"http://x.org/{NAME}", "valueBoolean": True}]),
    "nested extension": observation(
        extension=[{"url": "http://x", "extension": [{"url": "y", "valueHumanName": {"text": NAME}}]}]),
    "ruled extension": observation(
        extension=[{"url": "http://hl7.org/fhir/us/core/StructureDefinition/us-core-birthsex",
                    "valueCode": "Zwetschkenbaum", "valueString": NAME}]),
    "primitive extension": observation(_status={"extension": [{"url": "http://x", "valueString": NAME}]}),
    "element id": observation(code=CODE | {"id": "Zwetschkenbaum"}),
    "comment": observation(fhir_comments=[NAME]),
    "unknown element": observation(zwetschkenbaum=NAME),
    "id of the resource": observation(id="Zwetschkenbaum-1961-04-17"),
    "meta": observation(meta={"source": f"http://x/{NAME}", "profile": [f"http://x/{NAME}"],
                              "tag": [{"system": "http://x", "code": NAME}], "versionId": "KX-4471-902",
                              "security": [{"system": "http://x", "code": NAME}]}),
    "narrative": observation(text={"status": "generated", "div": f"<div>{NAME}</div>"}),
    "narrative split by tags": observation(
        text={"status": "generated", "div": "<div>Philippa Zwetschk<b>en</b>baum <!-- Ottoline --></div>"}),
    "narrative attribute": observation(
        text={"status": "generated", "div": f'<div><p title="{NAME}"><a href="mailto:philippa.z@example.org">x</a> ok</p></div>'}),
    "narrative entities": observation(
        text={"status": "generated", "div": "<div>&#90;wetschkenbaum &#x50;hilippa</div>"}),
    "contained": observation(performer=[{"reference": "#p"}],
                             contained=[{"resourceType": "Practitioner", "id": "p", "name": [{"text": NAME}]}]),
    "id of a contained one": observation(
        performer=[{"reference": "#Zwetschkenbaum"}],
        contained=[{"resourceType": "Practitioner", "id": "Zwetschkenbaum", "active": True}]),
    "contained of no rule": observation(
        focus=[{"reference": "#q"}], contained=[{"resourceType": "RelatedPerson", "id": "q", "name": [{"text": NAME}]}]),
    "resource of no rule": {"resourceType": "RelatedPerson", "id": "r", "patient": SUBJECT, "name": [{"text": NAME}]},
    "attachment": {"resourceType": "DocumentReference", "id": "d1", "status": "current", "subject": SUBJECT,
                   "content": [{"attachment": {"contentType": "text/plain", "data": b64(f"{NAME}, tel 0660/1234567")}}]},
    "attachment in another encoding": {
        "resourceType": "DocumentReference", "id": "d1", "status": "current", "subject": SUBJECT,
        "content": [{"attachment": {"contentType": "text/plain", "data": b64("Mürzzuschlag, Philippa", "cp1252")}}]},
    "attachment of a picture": {
        "resourceType": "DocumentReference", "id": "d1", "status": "current", "subject": SUBJECT,
        "content": [{"attachment": {"contentType": "image/png", "data": b64(NAME), "title": f"{NAME}.png",
                                    "url": f"http://x/{NAME}.png"}}]},
    "media type": {"resourceType": "DocumentReference", "id": "d1", "status": "current", "subject": SUBJECT,
                   "content": [{"attachment": {"contentType": f"text/plain; name={NAME}", "data": b64("ok")}}]},
    "binary": {"resourceType": "Binary", "id": "b1", "contentType": "text/html", "data": b64(f"<p>{NAME}</p>")},
    "binary of unknown kind": {"resourceType": "Binary", "id": "b1", "contentType": "application/pdf", "data": b64(NAME)},
    "composition": {"resourceType": "Composition", "id": "c1", "status": "final", "type": CODE, "subject": SUBJECT,
                    "date": "1961-04-17", "author": [{"display": NAME}], "title": f"Letter on {NAME}",
                    "section": [{"title": NAME, "section": [{"title": NAME, "text": {"status": "generated", "div": f"<div>{NAME}</div>"}}]}]},
    "claim": {"resourceType": "Coverage", "id": "k1", "status": "active", "beneficiary": SUBJECT, "payor": [{"display": NAME}],
              "subscriberId": "KX-4471-902", "class": [{"type": CODE, "value": "KX-4471-902", "name": NAME}]},
    "device": {"resourceType": "Device", "id": "v1", "patient": SUBJECT, "serialNumber": "KX-4471-902", "deviceName": [
        {"name": f"Pump of {NAME}", "type": "user-friendly-name"}], "udiCarrier": [{"deviceIdentifier": "KX-4471-902"}]},
}  # fmt: skip
SPELLINGS = {
    "capitals": "ZWETSCHKENBAUM", "small letters": "zwetschkenbaum philippa", "reordered": "Zwetschkenbaum, Philippa O.",
    "possessive": "Zwetschkenbaum's knee", "genitive": "Zwetschkenbaums Knie", "glued digits": "Philippa61 came",
    "initial": "P. Zwetschkenbaum", "decomposed": "Mu\u0308rzzuschlag", "without umlaut": "Muerzzuschlag",
    "soft hyphen": "Zwetsch\u00adkenbaum", "zero width": "Zwetschken\u200bbaum", "full width": "Ｐｈｉｌｉｐｐａ",
    "phone respaced": "call 0660 123 45 67", "phone with slashes": "tel 0660/12-34-567", "number respaced": "no KX 4471 902",
    "mail": "write PHILIPPA.Z@EXAMPLE.ORG", "street alone": "in der Quittengasse", "dotted date": "geb. 17.04.1961",
    "long date": "born 17. April 1961", "underscores": "scan_Zwetschkenbaum_1961-04-17",
}  # fmt: skip


def bundle(*resources):
    return {"resourceType": "Bundle", "type": "collection",
            "entry": [{"resource": deepcopy(PATIENT)}, *({"resource": deepcopy(one)} for one in resources)]}  # fmt: skip


def opened(value):
    """Everything that could be read in an output, base64 opened, in small letters."""
    text = orjson.dumps(value).decode()
    data = [base64.b64decode(one).decode("utf-8", "replace") for one in re.findall(r'"data":"([A-Za-z0-9+/=]+)"', text)]
    return "\n".join([text, *data]).lower()


@pytest.mark.parametrize("profile", ["safe_harbor", "pseudonymised"])
@pytest.mark.parametrize("place", PLACES)
def test_nothing_of_the_patient_comes_out_of(place, profile, request, cleaner):
    plan = request.getfixturevalue(profile)
    source = bundle(PLACES[place])
    made = transform_bundle(plan, source, keys_of(1), at=AT, cleaner=cleaner)
    assert [canary for canary in CANARIES if canary in opened(made.bundle)] == []
    check = OutputCheck(plan)
    check.learn(made.known, [PATIENT])
    check.check(1, orjson.dumps(made.bundle), made, source)


@pytest.mark.parametrize("spelling", SPELLINGS)
def test_text_is_cleaned_of_names_written_as(spelling, pseudonymised, cleaner):
    source = bundle(observation(note=[{"text": f"Die Wunde ist trocken, {SPELLINGS[spelling]}, der Verlauf ist gut."}]))
    made = transform_bundle(pseudonymised, source, keys_of(1), at=AT, cleaner=cleaner)
    text = made.bundle["entry"][1]["resource"]["note"][0]["text"]
    assert [canary for canary in CANARIES if canary in text.lower()] == []
    assert "muerzzuschlag" not in text.lower()
    assert text.startswith("Die Wunde ist trocken, ")
    assert text.endswith(", der Verlauf ist gut.")


@pytest.mark.parametrize("leak", [
    observation(valueString=NAME), observation(valueString="zwetschkenbaum philippa"), observation(valueString="0660 1234567"),
    observation(valueString="KX 4471 902"), observation(valueString="Quittengasse 17"), observation(id="canary-77001"),
    observation(valueString="see philippa.z@example.org"), observation(valueString="other@example.org"),
    observation(valueString="http://example.org/a"), observation(note=[{"text": "Dr. Zwetschkenbaum"}]),
    {"resourceType": "Binary", "id": "b", "contentType": "text/plain", "data": b64(f"by {NAME}")},
    {"resourceType": "Patient", "id": "x", "name": [{"family": "Nobody"}]},
])  # fmt: skip
def test_the_output_check_finds_what_a_broken_transform_would_leave(leak, pseudonymised, cleaner):
    source = bundle()
    made = transform_bundle(pseudonymised, source, keys_of(1), at=AT, cleaner=cleaner)
    alone = {key: value for key, value in leak.items() if key != "subject"}  # its reference is a leak by itself
    made.bundle["entry"].append({"resource": alone})
    check = OutputCheck(pseudonymised)
    with pytest.raises(IntegrityError) as caught:
        check.check(3, orjson.dumps(made.bundle), made, source)
    told = f"{caught.value} {caught.value.where} {caught.value.diagnostics}".lower()
    assert caught.value.where.startswith(f"3/{leak['resourceType']}/")
    assert [canary for canary in CANARIES if canary in told] == []


def test_another_patients_full_name_in_a_record_stops_the_release(pseudonymised, cleaner):
    source = bundle()
    made = transform_bundle(pseudonymised, source, keys_of(1), at=AT, cleaner=cleaner)
    made.bundle["entry"].append({"resource": {"resourceType": "Observation", "valueString": "mother of Anselm Kirchgasser"}})
    check = OutputCheck(pseudonymised)
    check.check(1, orjson.dumps(made.bundle), made, source)
    other = {"resourceType": "Patient", "name": [{"family": "Kirchgasser", "given": ["Anselm"]}]}
    check.learn(made.known, [other])
    with pytest.raises(IntegrityError, match="output check"):
        check.check(1, orjson.dumps(made.bundle), made, source)
