"""Invented people: names, addresses, telephone numbers and identifiers in the manner of many places.

Guarantees: every value comes from the data files and the random source given; nobody in it exists.
"""

from __future__ import annotations

import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from random import Random
from typing import Any

__all__ = ["Address", "Name", "Person", "invent_address", "invent_name", "invent_person", "invent_phone", "invent_uuid"]

Locale = Mapping[str, Any]

_LETTERS = "ABCDEFGHJKLMNPRSTUVWXYZ"


@dataclass(frozen=True, slots=True, kw_only=True)
class Name:
    """A name as written at home, and in Latin letters where that differs."""

    given: str
    family: str
    latin: str | None
    family_first: bool

    @property
    def written(self) -> str:
        """The whole name in its own order and script."""
        if self.family_first:
            return f"{self.family} {self.given}"
        return f"{self.given} {self.family}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Address:
    """A postal address; ``region`` is an ISO 3166-2 code."""

    line: str
    city: str
    postal: str
    region: str
    country: str

    @property
    def written(self) -> str:
        """The address on one line."""
        return f"{self.line}, {self.postal} {self.city}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Person:
    """One patient with everything that could identify them.

    Attributes:
        home: key of the locale the name comes from.
        language: language that notes about the person may be written in.
        died: day of death, or None.
        relation: key of the relative's relation in the notes.
        identifiers: ``(system, type, value)``, the holder's record number first.
    """

    id: str
    resource_id: str
    home: str
    language: str
    gender: str
    name: Name
    maiden: str | None
    born: date
    died: date | None
    address: Address
    phones: tuple[str, ...]
    email: str
    identifiers: tuple[tuple[str, str, str], ...]
    relative: Name
    relation: str
    relative_phone: str
    relative_address: Address


def invent_uuid(random: Random) -> str:
    """Return a version 4 UUID from the random source."""
    return str(uuid.UUID(int=random.getrandbits(128), version=4))


def _filled(pattern: str, random: Random) -> str:
    return "".join(
        str(random.randrange(10)) if c == "#" else random.choice(_LETTERS) if c == "@" else c for c in pattern
    )


def _pair(entry: str | Sequence[str]) -> tuple[str, str | None]:
    return (entry, None) if isinstance(entry, str) else (entry[0], entry[1])


def invent_name(locale: Locale, gender: str, random: Random) -> Name:
    """Put a name together."""
    given, latin_given = _pair(random.choice(locale["given"][gender]))
    family, latin_family = _pair(random.choice(locale["family"]))
    return Name(
        given=given,
        family=family,
        latin=f"{latin_given} {latin_family}" if latin_given and latin_family else None,
        family_first=locale["order"] == "family-given",
    )


def invent_address(locale: Locale, random: Random) -> Address:
    """Put an address together."""
    city = random.choice(locale["cities"])
    line = locale["line"].format(street=random.choice(locale["streets"]), number=random.randrange(1, 1900))
    return Address(
        line=line,
        city=city["city"],
        postal=_filled(city["postal"], random),
        region=city["region"],
        country=locale["country"],
    )


def invent_phone(locale: Locale, random: Random) -> str:
    """Return a telephone number in one of the place's manners of writing."""
    return _filled(random.choice(locale["phones"]), random)


def _email(name: Name, random: Random) -> str:
    plain = (name.latin or name.written).encode("ascii", "ignore").decode().lower()
    words = ["".join(c for c in word if c.isalnum()) for word in plain.split()]
    return f"{'.'.join(w for w in words if w) or 'patient'}{random.randrange(100)}@example.org"


def invent_person(
    *,
    id: str,  # noqa: A002 - the register's word
    record_number: str,
    record_system: str,
    home: str,
    lives: Locale,
    locales: Mapping[str, Locale],
    today: date,
    random: Random,
) -> Person:
    """Invent one patient.

    Args:
        id: register id.
        record_number: the holder's number for the patient.
        record_system: FHIR system of that number.
        home: locale of the name.
        lives: locale of the address.
        locales: all locales.
        today: day the world is seen on.
        random: source of everything else.
    """
    locale = locales[home]
    gender = random.choice(["female", "male"])
    # A few are older than 89: ages that some laws treat as identifying.
    age_days = random.randrange(90 * 365, 101 * 365) if random.random() < 0.06 else random.randrange(18 * 365, 88 * 365)
    born = today - timedelta(days=age_days)
    died = today - timedelta(days=random.randrange(30, 900)) if random.random() < 0.04 else None
    name = invent_name(locale, gender, random)
    relation = random.choice(["mother", "brother", "daughter", "friend", "husband" if gender == "female" else "wife"])
    relative = invent_name(locale, "male" if relation in {"brother", "husband"} else "female", random)
    national = [
        (entry["system"], entry["type"], _filled(entry["pattern"], random))
        for entry in (*lives["identifiers"], *(locale["identifiers"] if locale is not lives else ()))
    ]
    return Person(
        id=id,
        resource_id=invent_uuid(random),
        home=home,
        language=locale["language"] if random.random() < 0.35 else lives["language"],
        gender=gender,
        name=name,
        maiden=_pair(random.choice(locale["family"]))[0] if gender == "female" and random.random() < 0.2 else None,
        born=born,
        died=died,
        address=invent_address(lives, random),
        phones=tuple(invent_phone(lives, random) for _ in range(random.randrange(1, 3))),
        email=_email(name, random),
        identifiers=((record_system, "MR", record_number), *national),
        relative=relative,
        relation=relation,
        relative_phone=invent_phone(locale, random),
        relative_address=invent_address(locale, random),
    )
