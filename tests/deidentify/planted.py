"""Notes planted into records, in three languages: what must go, and what must stay."""

from __future__ import annotations

import base64
import re
import zlib
from datetime import date

NOTES = {
    "en": (
        "{title} {given} {family} (MRN {mrn}) was seen on {day}. Long-term use of aspirin was discussed with the patient "
        "and her daughter. Blood pressure was 128/79, pulse 72, temperature 36.8. {family}'s knee is still swollen after "
        "the fall; gait is stable and there is no sign of infection. Lives at {line}, {city}. Call {phone} with the "
        "results. Plan: physiotherapy twice a week, paracetamol 500 mg as needed, review in six weeks. {family}, {given} "
        "agreed. SSN {ssn}. Signed, Dr. {doctor}"
    ),
    "de": (
        "{given} {family}, geboren am {dotted}, kam zur Kontrolle nach der Operation. Der Verlauf ist unauffällig, die "
        "Wunde ist reizlos und trocken, der Blutdruck liegt bei 135/82 mmHg. Wohnhaft {line} in {city}, Telefon {phone}. "
        "Die Medikation mit Metformin 1000 mg wird weitergeführt, das Labor zeigt normale Werte für Kreatinin und Natrium. "
        "{title} {family} wurde über die Risiken aufgeklärt und stimmt der weiteren Behandlung zu. Patientennummer {mrn}. "
        "Mit freundlichen Grüßen, Dr. {doctor}"
    ),
    "es": (
        "Paciente {given} {family}, con historia {mrn}, acude a la consulta el {day} por dolor torácico de tres días de "
        "evolución. Vive en {line}, {city}. Teléfono de contacto {phone}. Exploración: buen estado general, auscultación "
        "cardíaca rítmica sin soplos, abdomen blando y no doloroso. Se solicita analítica y electrocardiograma; se "
        "mantiene el tratamiento con enalapril 10 mg cada doce horas. {family} {given} volverá en dos semanas para "
        "revisar los resultados. Firmado: Dra. {doctor}"
    ),
}
TITLES = {"en": {"male": "Mr.", "female": "Mrs."}, "de": {"male": "Herr", "female": "Frau"},
          "es": {"male": "Sr.", "female": "Sra."}}  # fmt: skip


def plant(bundle: dict, language: str) -> dict[str, str]:
    """Put one note into four hiding places of a patient's record; return what was filled in."""
    patient = next(e["resource"] for e in bundle["entry"] if e["resource"]["resourceType"] == "Patient")
    doctor = next(e["resource"] for e in bundle["entry"] if e["resource"]["resourceType"] == "Practitioner")
    name, address = patient["name"][0], patient["address"][0]
    born = date.fromisoformat(patient["birthDate"])
    encounter = next(e["resource"] for e in bundle["entry"] if e["resource"]["resourceType"] == "Encounter")
    numbers = {
        code["code"]: i["value"] for i in patient["identifier"] for code in i.get("type", {}).get("coding", [])
    }
    values = {
        "title": TITLES[language][patient["gender"]],
        "given": name["given"][0],
        "family": name["family"],
        "mrn": numbers["MR"],
        "ssn": numbers["SS"].replace("-", " "),
        "day": encounter["period"]["start"][:10],
        "dotted": f"{born.day:02d}.{born.month:02d}.{born.year}",
        "line": address["line"][0],
        "city": address["city"],
        "phone": patient["telecom"][0]["value"].replace("-", " "),
        "doctor": f"{doctor['name'][0]['given'][0]} {doctor['name'][0]['family']}",
    }
    note = NOTES[language].format(**values)
    url = next(e["fullUrl"] for e in bundle["entry"] if e["resource"] is patient)
    subject = {"reference": url, "display": f"{values['given']} {values['family']}"}
    observation = next(e["resource"] for e in bundle["entry"] if e["resource"]["resourceType"] == "Observation")
    observation["note"] = [{"authorString": values["doctor"], "time": observation["effectiveDateTime"], "text": note}]
    condition = next(e["resource"] for e in bundle["entry"] if e["resource"]["resourceType"] in ("Condition", "Encounter"))
    div = note.replace(values["given"], f"<b>{values['given']}</b>")
    condition["text"] = {"status": "generated",
                         "div": f'<div xmlns="http://www.w3.org/1999/xhtml"><p>{div}</p></div>'}  # fmt: skip
    bundle["entry"] += [
        {"fullUrl": f"urn:uuid:00000000-0000-4000-8000-{zlib.crc32(url.encode()):012d}", "resource": {
            "resourceType": "DocumentReference", "id": f"note-{values['family']}", "status": "current",
            "subject": subject, "date": "2019-06-01T08:30:00.000Z", "description": f"Letter about {values['given']} {values['family']}",
            "content": [{"attachment": {"contentType": "text/plain", "title": f"{values['family']}.txt",
                                        "url": f"http://files.example.org/{values['family']}.txt",
                                        "data": base64.b64encode(note.encode()).decode()}}]}},
        {"fullUrl": f"urn:uuid:00000000-0000-4000-9000-{zlib.crc32(url.encode()):012d}", "resource": {
            "resourceType": "DiagnosticReport", "id": f"report-{values['mrn'][:8]}", "status": "final", "subject": subject,
            "code": {"text": f"Letter for {values['family']}"}, "conclusion": note}},
    ]  # fmt: skip
    return values


def other_words(language: str, values: dict[str, str]) -> list[str]:
    """Return the words of a note that identify nobody."""
    identifying = {
        word.lower() for key, value in values.items() if key != "title" for word in re.findall(r"\w+", value)
    }
    return [
        word
        for word in re.findall(r"\w+", re.sub(r"{\w+}", " ", NOTES[language]))
        if word.lower() not in identifying
    ]
