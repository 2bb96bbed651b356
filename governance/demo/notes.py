"""Free-text notes about a patient, put together from sentences in many languages."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from random import Random
from typing import Any

from governance.demo.people import Person

__all__ = ["Visit", "write_note", "write_session_note"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Visit:
    """What a note tells about: the day, who saw the patient where, and what was prescribed."""

    day: date
    doctor: str
    hospital: str
    drug: str


def _values(person: Person, visit: Visit, language: Mapping[str, Any], dates: str) -> dict[str, str]:
    return {
        "name": person.name.written,
        "given": person.name.given,
        "family": person.name.family,
        "birth": person.born.strftime(dates),
        "visit": visit.day.strftime(dates),
        "age": str((visit.day - person.born).days // 365),
        "address": person.address.written,
        "city": person.address.city,
        "phone": person.phones[0],
        "email": person.email,
        "relative": person.relative.written,
        "relative_phone": person.relative_phone,
        "relation": language["relations"][person.relation],
        "doctor": visit.doctor,
        "hospital": visit.hospital,
        "mrn": person.identifiers[0][2],
        "drug": visit.drug,
    }


def write_note(person: Person, visit: Visit, notes: Mapping[str, Any], dates: str, random: Random) -> tuple[str, str]:
    """Write a note.

    Args:
        person: whom it is about.
        visit: what it tells about.
        notes: sentences by language.
        dates: how days are written where the patient lives (``strftime``).
        random: source of the choices.

    Returns:
        The language (BCP 47) and the text.
    """
    language = notes[person.language]
    values = _values(person, visit, language, dates)
    bodies = random.sample(language["bodies"], k=min(len(language["bodies"]), random.randrange(1, 4)))
    sentences = [random.choice(language["openings"]), *bodies]
    if random.random() < 0.75:
        sentences.append(random.choice(language["contacts"]))
    sentences.append(random.choice(language["plans"]))
    breaks = random.choice([" ", "\n", "\n\n"])
    return person.language, breaks.join(sentences).format(**values)


def write_session_note(person: Person, visit: Visit, notes: Mapping[str, Any], dates: str, random: Random) -> str:
    """Write a psychotherapist's note of a session, in the language such notes are kept in."""
    [(language, sentences)] = notes["session"].items()
    text: str = random.choice(sentences).format(**_values(person, visit, notes[language], dates))
    return text
