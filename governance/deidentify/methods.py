"""One small function for each method: a value and its subject in, the changed value or None (removed) out.

Guarantees: a method takes only values of the shape that FHIR gives its kind; anything else (an object where
a code belongs) is removed, so that nothing rides through on a wrong shape. No method reads a clock or chance.

Example:
    >>> shift_date("2024-02-28T23:30:00+02:00", 2)
    '2024-03-01T23:30:00+02:00'
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from datetime import date, timedelta
from typing import TYPE_CHECKING, TypeAlias

from governance.deidentify.profile import PostalCodeRules

if TYPE_CHECKING:
    from governance.deidentify.subject import Subject

__all__ = [
    "Apply", "Json", "fixed_name", "generalise_age", "generalise_state", "generalise_zip", "keep_code",
    "keep_country", "keep_flag", "keep_number", "keep_samples", "keep_system", "keep_time", "keep_unit",
    "pseudonymise", "pseudonymise_uid", "remove", "shift", "shift_date", "year",
]  # fmt: skip

Json: TypeAlias = object
"""A value as orjson reads it: dict, list, str, int, float, bool or None."""

Apply: TypeAlias = Callable[[Json, "Subject"], Json]
"""A method bound to its parameters; None means removed."""

_DATE = re.compile(
    r"(?P<year>\d{4})(?:-(?P<month>\d\d)(?:-(?P<day>\d\d)(?P<rest>T\d\d:\d\d(?::\d\d(?:\.\d{1,9})?)?(?:Z|[+-]\d\d:\d\d)?)?)?)?",
    re.ASCII,
)
_REST = re.compile(r"(?:T\d\d:\d\d(?::\d\d(?:\.\d{1,9})?)?(?:Z|[+-]\d\d:\d\d)?)?", re.ASCII)
_TIME = re.compile(r"\d\d:\d\d(?::\d\d(?:\.\d{1,9})?)?", re.ASCII)
_SAMPLES = re.compile(r"[-+0-9.eEUL ]*", re.ASCII)
_COUNTRY = re.compile(r"[A-Z]{2,3}", re.ASCII)
_YEARS_PER_UNIT: Mapping[str, float] = {"a": 1, "mo": 1 / 12, "wk": 7 / 365.25, "d": 1 / 365.25, "h": 1 / 8766,
                                        "min": 1 / 525960}  # fmt: skip
"""UCUM units of an age, in years."""


def remove(_value: Json, _subject: Subject) -> Json:
    """Remove the value."""
    return None


def keep_flag(value: Json, _subject: Subject) -> Json:
    """Keep true or false."""
    return value if type(value) is bool else None


def keep_number(value: Json, _subject: Subject) -> Json:
    """Keep a number."""
    return value if type(value) is float or type(value) is int else None


def keep_code(value: Json, subject: Subject) -> Json:
    """Keep a code that is no value of the subject's own (a record number in the place of a code)."""
    if type(value) is not str:
        return None
    return value if value in subject.safe_codes or subject.is_safe_code(value) else None


def keep_unit(value: Json, subject: Subject) -> Json:
    """Keep the printed unit of a quantity if nothing identifying stands in it."""
    if type(value) is not str:
        return None
    return value if value in subject.safe_labels or subject.is_safe_label(value) else None


def keep_system(value: Json, subject: Subject) -> Json:
    """Keep the name of a public code system."""
    return value if type(value) is str and subject.is_public(value) else None


def keep_time(value: Json, _subject: Subject) -> Json:
    """Keep a time of day."""
    return value if type(value) is str and _TIME.fullmatch(value) else None


def keep_samples(value: Json, _subject: Subject) -> Json:
    """Keep measured values in a row (FHIR SampledData.data: numbers, E, U, L)."""
    return value if type(value) is str and _SAMPLES.fullmatch(value) else None


def keep_country(value: Json, _subject: Subject) -> Json:
    """Keep a country that is told by its code (ISO 3166-1)."""
    return value if type(value) is str and _COUNTRY.fullmatch(value) else None


def shift_date(text: str, days: int) -> str | None:
    """Move a date, dateTime or instant by whole days; precision, time of day and time zone stay.

    A partial date moves as its middle does: a month as its 15th, a year as its 1 July (FHIR R4, datatypes:
    date, dateTime).

    Returns:
        The moved text, or None if this is no date or it would leave the years 1 to 9999.
    """
    match = _DATE.fullmatch(text)
    if match is None:
        return None
    month, day = match["month"], match["day"]
    try:
        moved = date(int(match["year"]), int(month or 7), int(day or (15 if month else 1))) + timedelta(days=days)
    except (ValueError, OverflowError):
        return None
    return moved.isoformat()[: 4 if not month else 7 if not day else 10] + (match["rest"] or "")


def shift(value: Json, subject: Subject) -> Json:
    """Move a date by the subject's days."""
    if type(value) is not str:
        return None
    moved = subject.dates.get(value, "")
    if moved == "":
        day, rest = value[:10], value[10:]
        if len(day) == 10 and _REST.fullmatch(rest):
            new = subject.days.get(day, "")
            if new == "":
                new = subject.days[day] = shift_date(day, subject.keys.shift_days)
            moved = new + rest if new else None
        else:
            moved = shift_date(value, subject.keys.shift_days)
        subject.dates[value] = moved
    return moved


def year(value: Json, subject: Subject) -> Json:
    """Keep the year of a date, unless it shows an age above the highest that may be told."""
    if type(value) is not str:
        return None
    kept = subject.dates.get(value, "")
    if kept == "":
        match = _DATE.fullmatch(value)
        kept = match["year"] if match and int(match["year"]) > subject.last_hidden_year else None
        subject.dates[value] = kept
    return kept


def generalise_age(value: Json, subject: Subject) -> Json:
    """Keep an age up to the highest that may be told; above it, say "more than", nothing more.

    Where the subject is older than that, a lower age beside a year would show the year of birth: removed.
    """
    if not isinstance(value, dict):
        return None
    number, unit = value.get("value"), value.get("code") or value.get("unit")
    if not isinstance(number, int | float) or isinstance(number, bool) or not isinstance(unit, str):
        return None
    years = _YEARS_PER_UNIT.get(unit)
    if years is None:
        return None
    top = subject.highest_age
    system = {"system": "http://unitsofmeasure.org", "code": "a", "unit": "a"}
    if number * years >= top + 1:
        return {"value": top + 1, "comparator": ">=", **system}
    if subject.is_over_age:
        return None
    return {"value": number, **system, "code": unit, "unit": unit}


def generalise_state(value: Json, subject: Subject) -> Json:
    """Give a state by its code; what is no state is removed."""
    return subject.states.get(value.strip().casefold()) if type(value) is str else None


def generalise_zip(rules: PostalCodeRules) -> Apply:
    """Make the method that keeps the first digits of a postal code where enough people live.

    Outside the country of the rule nothing is kept; what is no postal code of it is withheld.
    """
    shape = re.compile(rf"(\d{{{rules.digits}}})\d\d(?:-?\d{{4}})?", re.ASCII)

    def apply(value: Json, subject: Subject) -> Json:
        if type(value) is not str or subject.address_country != rules.country:
            return None
        match = shape.fullmatch(value.strip())
        return match[1] if match and match[1] not in rules.blocked else rules.withheld

    return apply


def pseudonymise(value: Json, subject: Subject) -> Json:
    """Replace an identifier by its pseudonym."""
    return subject.code("identifier", value) if type(value) is str else None


def pseudonymise_uid(value: Json, subject: Subject) -> Json:
    """Replace a DICOM UID by one under 2.25, the root for numbers of 128 bits (DICOM PS3.5 B.2)."""
    return f"2.25.{int(subject.code('uid', value), 16)}" if type(value) is str else None


def fixed_name(_value: Json, _subject: Subject) -> Json:
    """Put a fixed word where FHIR wants a name (invariant org-1)."""
    return "withheld"
