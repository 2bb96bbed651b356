"""Single elements of a FHIR Consent, read leniently: codings, references, dates, provisions.

Guarantees: nothing is guessed. What cannot be read is left as a note on the `Reading`; a note in ``unclear``
makes the whole consent ambiguous.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import MAXYEAR, UTC, datetime, timedelta

from governance.core.consent import Actor, DataScope, Period, Provision, RelatedData

__all__ = [
    "ACT_REASON", "CONSENT_PLACE_URL", "Reading", "codes", "codings", "constraints", "instants", "items", "mapping",
    "period", "provision", "text",
]  # fmt: skip

Element = Mapping[str, object]

ACT_REASON = "http://terminology.hl7.org/CodeSystem/v3-ActReason"
CONSENT_PLACE_URL = "https://safe-conduct.example/fhir/consent-place"
"""Extension on a provision: a place (``valueCode``, vocabulary term) that the provision is limited to."""

_ALIASES = {
    "http://terminology.hl7.org/ValueSet/v3-PurposeOfUse": ACT_REASON,
    "http://hl7.org/fhir/v3/ActReason": ACT_REASON,
    "http://terminology.hl7.org/ValueSet/v3-Confidentiality": "http://terminology.hl7.org/CodeSystem/v3-Confidentiality",
    "http://hl7.org/fhir/v3/Confidentiality": "http://terminology.hl7.org/CodeSystem/v3-Confidentiality",
    "http://hl7.org/fhir/v3/ActCode": "http://terminology.hl7.org/CodeSystem/v3-ActCode",
}
"""Value sets and former names that senders write where the code system belongs."""
_RESOURCE_TYPES = frozenset({"http://hl7.org/fhir/resource-types", "http://hl7.org/fhir/fhir-types"})
_CONSENT_ACTION = frozenset(
    {"http://terminology.hl7.org/CodeSystem/consentaction", "http://hl7.org/fhir/consentaction"}
)
_READ = frozenset(
    {"type", "period", "actor", "action", "purpose", "securityLabel", "class", "code", "data", "dataPeriod",
     "provision", "extension", "id", "documentType", "resourceType"}
)  # fmt: skip
_DATE = re.compile(r"(\d{4})(?:-(\d{2})(?:-(\d{2}))?)?")


@dataclass(slots=True, kw_only=True)
class Reading:
    """Notes taken while a document is read; each names a path, never a value of the patient's.

    Attributes:
        repairs: what was put right.
        not_expressed: what the model cannot say.
        unclear: what makes the document readable in more than one way, or not at all.
    """

    repairs: list[str] = field(default_factory=list)
    not_expressed: list[str] = field(default_factory=list)
    unclear: list[str] = field(default_factory=list)


def mapping(value: object) -> Element:
    """Return an object element, or an empty one."""
    return value if isinstance(value, Mapping) else {}


def items(value: object) -> Sequence[object]:
    """Return a repeating element; a single one that should repeat counts as a list of one."""
    if value is None:
        return ()
    return value if isinstance(value, list | tuple) else (value,)


def text(value: object) -> str | None:
    """Return a non-empty string, or None."""
    return value if isinstance(value, str) and value else None


def codings(value: object) -> Iterator[tuple[str, str]]:
    """Yield ``(system, code)`` of a Coding, a CodeableConcept or a list of either; system may be empty."""
    for item in items(value):
        element = mapping(item)
        nested = items(element.get("coding"))
        for coding in nested or (element,):
            code = text(mapping(coding).get("code"))
            if code is not None:
                system = text(mapping(coding).get("system")) or ""
                yield _ALIASES.get(system, system), code


def codes(value: object, path: str, reading: Reading) -> frozenset[str]:
    """Read coded values as ``system|code``; one without any code cannot be expressed."""
    found = frozenset(f"{system}|{code}" for system, code in codings(value))
    for item in items(value):
        if not any(True for _ in codings(item)):
            reading.unclear.append(f"{path}: no code")
    return found


def instants(value: object) -> tuple[datetime, datetime] | None:
    """Expand a FHIR date or dateTime to its whole interval, end exclusive; dates are read as UTC.

    Args:
        value: ``2022``, ``2022-06``, ``2022-06-13`` or a dateTime with offset.
    """
    written = text(value) or ""
    try:
        if "T" in written:
            start = datetime.fromisoformat(written)
            start = start.astimezone(UTC) if start.tzinfo is not None else start.replace(tzinfo=UTC)
            return start, start + timedelta(seconds=1)
        match = _DATE.fullmatch(written)
        return None if match is None else _whole(*(int(part) if part else None for part in match.groups()))
    except (ValueError, OverflowError):
        return None


def _whole(year: int | None, month: int | None, day: int | None) -> tuple[datetime, datetime]:
    start = datetime(year or 0, month or 1, day or 1, tzinfo=UTC)
    if start.year == MAXYEAR:
        # Written for "without end".
        return start, datetime.max.replace(tzinfo=UTC)
    if day is not None:
        return start, start + timedelta(days=1)
    if month is not None:
        return start, datetime(start.year + month // 12, month % 12 + 1, 1, tzinfo=UTC)
    return start, datetime(start.year + 1, 1, 1, tzinfo=UTC)


def period(value: object, path: str, reading: Reading) -> Period | None:
    """Read a Period: partial dates expanded, end inclusive."""
    if value is None:
        return None
    element = mapping(value)
    start, end = instants(element.get("start")), instants(element.get("end"))
    for name, found in (("start", start), ("end", end)):
        if name in element and found is None:
            reading.unclear.append(f"{path}.{name}: not a date")
    return Period(start=start[0] if start else None, end=end[1] if end else None)


def constraints(element: Element) -> frozenset[str]:
    """Name the limits that a provision states, its period and its exceptions apart."""
    return frozenset(k for k in element if k not in {"type", "period", "provision", "id"})


def provision(element: Element, path: str, reading: Reading, *, permit: bool | None, alternate: bool) -> Provision:
    """Read a provision and its exceptions.

    Args:
        element: the FHIR element.
        path: where it stands.
        reading: takes the notes.
        permit: its effect if its own ``type`` does not say.
        alternate: exceptions have no type and flip their parent's effect (R5).
    """
    stated = {"permit": True, "deny": False}.get(text(element.get("type")) or "")
    effect = stated if stated is not None else permit
    if effect is None:
        reading.unclear.append(f"{path}.type: an exception must say permit or deny")
        effect = False
    for name in sorted(set(element) - _READ):
        reading.unclear.append(f"{path}.{name}: not read")
    children = tuple(
        provision(
            mapping(child),
            f"{path}.provision[{i}]",
            reading,
            permit=(not effect) if alternate else None,
            alternate=alternate,
        )
        for i, child in enumerate(items(element.get("provision")))
    )
    return Provision(
        permit=effect,
        actors=_actors(element, path, reading),
        purposes=_purposes(element, path, reading),
        actions=_actions(element, path, reading),
        places=_places(element, path, reading),
        period=period(element.get("period"), f"{path}.period", reading),
        data=_data(element, path, reading),
        provisions=children,
    )


def _actors(element: Element, path: str, reading: Reading) -> tuple[Actor, ...]:
    actors = []
    for i, item in enumerate(items(element.get("actor"))):
        actor = mapping(item)
        role = next((code for _, code in codings(actor.get("role"))), "")
        reference = text(mapping(actor.get("reference")).get("reference")) or ""
        if not role or not reference:
            reading.repairs.append(f"{path}.actor[{i}]: without role or reference, matches nobody for certain")
        actors.append(Actor(role=role, reference=reference))
    return tuple(actors)


def _purposes(element: Element, path: str, reading: Reading) -> frozenset[str]:
    found = set()
    for system, code in codings(element.get("purpose")):
        if not system:
            reading.repairs.append(f"{path}.purpose: system missing, taken as v3 ActReason")
        found.add(code if system in {"", ACT_REASON} else f"{system}|{code}")
    if not found and "purpose" in element:
        reading.unclear.append(f"{path}.purpose: no code")
    return frozenset(found)


def _actions(element: Element, path: str, reading: Reading) -> frozenset[str]:
    found = frozenset(
        code if system in _CONSENT_ACTION or not system else f"{system}|{code}"
        for system, code in codings(element.get("action"))
    )
    if not found and "action" in element:
        reading.unclear.append(f"{path}.action: no code")
    return found


def _places(element: Element, path: str, reading: Reading) -> frozenset[str]:
    places = set()
    for item in items(element.get("extension")):
        extension = mapping(item)
        place = text(extension.get("valueCode"))
        if extension.get("url") == CONSENT_PLACE_URL and place is not None:
            places.add(place)
        else:
            reading.not_expressed.append(f"{path}.extension")
    return frozenset(places)


def _data(element: Element, path: str, reading: Reading) -> DataScope:
    classes = {
        code if system in _RESOURCE_TYPES else f"{system}|{code}"
        for name in ("class", "resourceType", "documentType")
        for system, code in codings(element.get(name))
    }
    for name in ("class", "resourceType", "documentType"):
        codes(element.get(name), f"{path}.{name}", reading)
    related = []
    for i, item in enumerate(items(element.get("data"))):
        datum = mapping(item)
        meaning = text(datum.get("meaning"))
        reference = text(mapping(datum.get("reference")).get("reference"))
        if meaning is None or reference is None:
            reading.unclear.append(f"{path}.data[{i}]: without meaning or reference")
        else:
            related.append(RelatedData(meaning=meaning, reference=reference))
    return DataScope(
        labels=codes(element.get("securityLabel"), f"{path}.securityLabel", reading),
        classes=frozenset(classes),
        codes=codes(element.get("code"), f"{path}.code", reading),
        related=tuple(sorted(related, key=lambda r: (r.meaning, r.reference))),
        data_period=period(element.get("dataPeriod"), f"{path}.dataPeriod", reading),
    )
