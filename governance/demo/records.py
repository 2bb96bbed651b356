"""FHIR R4 bundles, one for each patient, as different in shape as real senders make them.

Guarantees: valid R4; the same person and random state give the same bundle.
"""

from __future__ import annotations

import base64
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from html import escape
from random import Random
from typing import Any

from governance.demo.notes import Visit, write_note, write_session_note
from governance.demo.people import Address, Person, invent_name, invent_uuid

__all__ = ["Sender", "build_bundle"]

Resource = dict[str, Any]

_ACT_CODE = "http://terminology.hl7.org/CodeSystem/v3-ActCode"
_TYPES = "http://terminology.hl7.org/CodeSystem/v2-0203"
_OBSERVATION_CATEGORY = "http://terminology.hl7.org/CodeSystem/observation-category"
_CLINICAL = "http://terminology.hl7.org/CodeSystem/condition-clinical"


@dataclass(frozen=True, slots=True, kw_only=True)
class Sender:
    """The data set that a bundle belongs to and how its holder writes.

    Attributes:
        hospital: the holder's name.
        parts: part ids of the data set; the first is the ordinary record.
        offset: offset of its local time from UTC (``+01:00``).
        locale: locale of the holder's staff and of dates in notes.
    """

    hospital: str
    parts: tuple[str, ...]
    offset: str
    locale: Mapping[str, Any]
    notes: Mapping[str, Any]
    clinical: Mapping[str, Any]
    today: date


class _Builder:
    """Collects the resources of one patient."""

    def __init__(self, person: Person, sender: Sender, random: Random) -> None:
        self.person = person
        self.sender = sender
        self.random = random
        self.transaction = random.random() < 0.5
        self.resources: list[Resource] = []
        self.doctor = self._doctor()
        self.patient = self._reference("Patient", person.resource_id)

    def _reference(self, kind: str, id_: str) -> str:
        return f"urn:uuid:{id_}" if self.transaction else f"{kind}/{id_}"

    def _doctor(self) -> str:
        name = invent_name(self.sender.locale, self.random.choice(["female", "male"]), self.random)
        return f"{self.random.choice(self.sender.locale['prefixes'])} {name.written}".strip()

    def add(self, kind: str, content: Resource, *, part: int = 0) -> str:
        """Add a resource with a fresh id and return the reference to it."""
        id_ = invent_uuid(self.random)
        resource: Resource = {"resourceType": kind, "id": id_, **content}
        name = self.sender.parts[part]
        label = self.sender.clinical["labels"].get(name)
        if part:
            tag = {"system": self.sender.clinical["part_tag"], "code": name}
            resource["meta"] = {"security": [label], "tag": [tag]} if label else {"tag": [tag]}
        self.resources.append(resource)
        return self._reference(kind, id_)

    def instant(self, day: date) -> str:
        return (
            f"{day.isoformat()}T{self.random.randrange(7, 19):02}:{self.random.randrange(60):02}:00{self.sender.offset}"
        )

    def visit_day(self) -> date:
        last = self.person.died or self.sender.today
        return last - timedelta(days=self.random.randrange(1, 1400))


def build_bundle(person: Person, sender: Sender, random: Random) -> Resource:
    """Build the record of one patient.

    Args:
        person: the patient.
        sender: the data set it belongs to.
        random: source of the choices.
    """
    builder = _Builder(person, sender, random)
    builder.resources.append(_patient(builder))
    for _ in range(random.randrange(1, 4)):
        _add_visit(builder)
    for number, part in enumerate(sender.parts[1:], start=1):
        if part == "psychotherapy" and random.random() < 0.5:
            _add_session(builder, number)
        if part == "genomes":
            _add_genome(builder, number)
    entries = [_entry(builder, resource) for resource in builder.resources]
    return {
        "resourceType": "Bundle",
        "id": invent_uuid(random),
        "type": "transaction" if builder.transaction else "collection",
        **({} if builder.transaction else {"timestamp": builder.instant(sender.today)}),
        "entry": entries,
    }


def _entry(builder: _Builder, resource: Resource) -> Resource:
    entry: Resource = {"fullUrl": f"urn:uuid:{resource['id']}", "resource": resource}
    if builder.transaction:
        entry["request"] = {"method": "POST", "url": resource["resourceType"]}
    else:
        entry["fullUrl"] = f"https://records.example.org/fhir/{resource['resourceType']}/{resource['id']}"
    return entry


def _names(person: Person) -> list[Resource]:
    names: list[Resource] = [
        {"use": "official", "text": person.name.written, "family": person.name.family,
         "given": person.name.given.split(" ")}
    ]  # fmt: skip
    if person.name.latin is not None:
        given, _, family = person.name.latin.partition(" ")
        names.append({"use": "usual", "text": person.name.latin, "family": family, "given": [given]})
    if person.maiden is not None:
        names.append({"use": "maiden", "family": person.maiden})
    return names


def _address(address: Address) -> Resource:
    return {"use": "home", "line": [address.line], "city": address.city, "postalCode": address.postal,
            "state": address.region, "country": address.country, "text": address.written}  # fmt: skip


def _identifier(identifier: tuple[str, str, str]) -> Resource:
    system, kind, value = identifier
    return {"system": system, "value": value, "type": {"coding": [{"system": _TYPES, "code": kind}]}}


def _contact(person: Person, relation: str, random: Random) -> Resource:
    name = person.relative
    contact: Resource = {
        "relationship": [{"text": relation}],
        "name": {"text": name.written, "family": name.family, "given": [name.given]},
        "telecom": [{"system": "phone", "value": person.relative_phone}],
    }
    if random.random() < 0.5:
        contact["address"] = _address(person.relative_address)
    return contact


def _patient(builder: _Builder) -> Resource:
    person, random = builder.person, builder.random
    telecom = [{"system": "phone", "value": phone, "use": random.choice(["home", "mobile"])} for phone in person.phones]
    patient: Resource = {
        "resourceType": "Patient",
        "id": person.resource_id,
        "identifier": [_identifier(identifier) for identifier in person.identifiers],
        "active": person.died is None,
        "name": _names(person),
        "telecom": [*telecom, {"system": "email", "value": person.email}],
        "gender": person.gender,
        "birthDate": person.born.isoformat() if random.random() < 0.9 else person.born.isoformat()[:7],
        "address": [_address(person.address)],
    }
    if person.died is not None:
        patient["deceasedDateTime"] = person.died.isoformat()
    if random.random() < 0.7:
        relation = builder.sender.notes[builder.sender.locale["language"]]["relations"][person.relation]
        patient["contact"] = [_contact(person, relation, random)]
    if random.random() < 0.4:
        patient["generalPractitioner"] = [{"display": builder.doctor}]
    if random.random() < 0.3:
        patient["extension"] = [
            {"url": "http://hl7.org/fhir/StructureDefinition/patient-birthPlace",
             "valueAddress": {"city": person.relative_address.city, "country": person.relative_address.country}}
        ]  # fmt: skip
    if random.random() < 0.6:
        shown = f"{person.name.written}, {person.born.isoformat()}, {person.address.written}, {person.phones[0]}"
        patient["text"] = _narrative(shown)
    return patient


def _narrative(text: str) -> Resource:
    return {"status": "generated", "div": f'<div xmlns="http://www.w3.org/1999/xhtml"><p>{escape(text)}</p></div>'}


def _add_visit(builder: _Builder) -> None:
    random, clinical, day = builder.random, builder.sender.clinical, builder.visit_day()
    encounter = builder.add(
        "Encounter",
        {
            "status": "finished",
            "class": {"system": _ACT_CODE, "code": random.choice(["AMB", "IMP", "EMER"])},
            "subject": {"reference": builder.patient, "display": builder.person.name.written},
            "participant": [{"individual": {"display": builder.doctor}}],
            "period": {"start": builder.instant(day), "end": builder.instant(day + timedelta(days=1))},
            "serviceProvider": {"display": builder.sender.hospital},
        },
    )
    condition = random.choice(clinical["conditions"])
    _add_condition(builder, condition, encounter, day)
    for observation in random.sample(clinical["observations"], k=random.randrange(1, 4)):
        _add_observation(builder, observation, encounter, day)
    medication = random.choice(clinical["medications"])
    _add_medication(builder, medication, encounter, day)
    visit = Visit(
        day=day, doctor=builder.doctor, hospital=builder.sender.hospital, drug=medication["display"].split(" ")[0]
    )
    _add_note(builder, visit, encounter)


def _add_condition(builder: _Builder, condition: Mapping[str, str], encounter: str, day: date) -> None:
    codings = [{"system": condition["system"], "code": condition["code"], "display": condition["display"]}]
    if builder.random.random() < 0.5:
        codings.append({"system": "http://hl7.org/fhir/sid/icd-10", "code": condition["icd"]})
    content: Resource = {
        "clinicalStatus": {"coding": [{"system": _CLINICAL, "code": "active"}]},
        "code": {"coding": codings},
        "subject": {"reference": builder.patient},
        "encounter": {"reference": encounter},
        "recordedDate": day.isoformat(),
    }
    if builder.random.random() < 0.5:
        content["onsetDateTime"] = str(day.year - builder.random.randrange(1, 9))
    if builder.random.random() < 0.3:
        content["note"] = [{"text": f"{builder.person.name.written}: {condition['display']}"}]
    builder.add("Condition", content)


def _add_observation(builder: _Builder, kind: Mapping[str, Any], encounter: str, day: date) -> None:
    value = round(builder.random.uniform(kind["low"], kind["high"]), 1)
    builder.add(
        "Observation",
        {
            "status": "final",
            "category": [{"coding": [{"system": _OBSERVATION_CATEGORY, "code": kind["category"]}]}],
            "code": {"coding": [{"system": "http://loinc.org", "code": kind["code"], "display": kind["display"]}]},
            "subject": {"reference": builder.patient},
            "encounter": {"reference": encounter},
            "effectiveDateTime": builder.instant(day),
            "valueQuantity": {"value": value, "unit": kind["unit"], "system": "http://unitsofmeasure.org",
                              "code": kind["unit"]},
        },
    )  # fmt: skip


def _add_medication(builder: _Builder, kind: Mapping[str, str], encounter: str, day: date) -> None:
    drug = {"coding": [{"system": "http://www.whocc.no/atc", "code": kind["code"], "display": kind["display"]}]}
    content: Resource = {"medicationCodeableConcept": drug, "subject": {"reference": builder.patient}}
    if builder.random.random() < 0.5:
        builder.add(
            "MedicationRequest",
            {"status": "active", "intent": "order", **content, "encounter": {"reference": encounter},
             "authoredOn": day.isoformat(), "requester": {"display": builder.doctor}},
        )  # fmt: skip
    else:
        builder.add(
            "MedicationStatement", {"status": "active", **content, "effectivePeriod": {"start": day.isoformat()}}
        )


def _add_note(builder: _Builder, visit: Visit, encounter: str) -> None:
    random = builder.random
    language, text = write_note(
        builder.person, visit, builder.sender.notes, builder.sender.locale["date"], random
    )
    kind = {"coding": [{"system": "http://loinc.org", "code": "34109-9", "display": "Note"}]}
    attachment = {"contentType": "text/plain; charset=utf-8", "language": language,
                  "data": base64.b64encode(text.encode()).decode(),
                  "title": f"{builder.person.name.family} {visit.day.isoformat()}"}  # fmt: skip
    subject = {"reference": builder.patient}
    shape = random.choice(["document", "report", "composition"])
    if shape == "document":
        builder.add(
            "DocumentReference",
            {"status": "current", "type": kind, "subject": subject, "date": builder.instant(visit.day),
             "author": [{"display": visit.doctor}], "description": text.split("\n")[0][:120],
             "content": [{"attachment": attachment}], "context": {"encounter": [{"reference": encounter}]}},
        )  # fmt: skip
    elif shape == "report":
        builder.add(
            "DiagnosticReport",
            {"status": "final", "code": kind, "subject": subject, "encounter": {"reference": encounter},
             "effectiveDateTime": builder.instant(visit.day), "conclusion": text, "presentedForm": [attachment],
             "text": _narrative(text)},
        )  # fmt: skip
    else:
        builder.add(
            "Composition",
            {"status": "final", "type": kind, "subject": subject, "date": builder.instant(visit.day),
             "author": [{"display": visit.doctor}], "title": f"{builder.person.name.written}, {visit.hospital}",
             "section": [{"title": "Note", "text": _narrative(text)}]},
        )  # fmt: skip


def _add_session(builder: _Builder, part: int) -> None:
    day = builder.visit_day()
    visit = Visit(day=day, doctor=builder.doctor, hospital=builder.sender.hospital, drug="")
    text = write_session_note(
        builder.person, visit, builder.sender.notes, builder.sender.locale["date"], builder.random
    )
    builder.add(
        "DocumentReference",
        {"status": "current", "subject": {"reference": builder.patient}, "date": builder.instant(day),
         "type": {"coding": [{"system": "http://loinc.org", "code": "11488-4", "display": "Consult note"}]},
         "content": [{"attachment": {"contentType": "text/plain", "data": base64.b64encode(text.encode()).decode()}}]},
        part=part,
    )  # fmt: skip


def _add_genome(builder: _Builder, part: int) -> None:
    genome = builder.sender.clinical["genome"]
    variants: Sequence[str] = genome["variants"]
    builder.add(
        "Observation",
        {"status": "final",
         "category": [{"coding": [{"system": _OBSERVATION_CATEGORY, "code": "laboratory"}]}],
         "code": {"coding": [{"system": genome["system"], "code": genome["code"], "display": genome["display"]}]},
         "subject": {"reference": builder.patient}, "effectiveDateTime": builder.visit_day().isoformat(),
         "valueCodeableConcept": {"text": builder.random.choice(variants)}},
        part=part,
    )  # fmt: skip
