"""Transform one subject's FHIR R4 record: (plan, record, keys) to record.

Guarantees: pure (the day is an argument); only resources of this subject, and of nobody, go; every
reference in the result leads to a resource in it; every id is new; the input is not changed.

Example:
    >>> # transform_bundle(plan, bundle, keys, at=date(2026, 11, 22)).bundle["entry"]
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from enum import StrEnum
from itertools import compress
from typing import NamedTuple

from governance.deidentify.harvest import collect
from governance.deidentify.known import Kind, Known, Value
from governance.deidentify.methods import Json, generalise_age
from governance.deidentify.nodes import RefusedResourceError, walk
from governance.deidentify.plan import Plan
from governance.deidentify.pseudonyms import SubjectKeys
from governance.deidentify.subject import Subject
from governance.deidentify.text import TextCleaner
from governance.errors import InputError

__all__ = ["Counts", "LeftOut", "Linking", "Transformed", "known_values", "resources_of", "transform_bundle"]


_LONG_ID = 5
"""Ids shorter than this are not searched for: they are also ordinary numbers."""


class LeftOut(StrEnum):
    """Why a whole resource stays behind."""

    NO_RULE = "no rule names its type"
    OTHER_SUBJECT = "it points at another subject, or at one that is not in the input"
    CANNOT_CHANGE = "it carries a modifier that no rule knows"
    WITHHELD = "its part was not permitted, or the patient's consent holds it back"


class Linking(StrEnum):
    """How references are written."""

    URN = "urn"
    """``urn:uuid:...``, resolved by the Bundle's fullUrl."""
    RELATIVE = "relative"
    """``Type/id``, for NDJSON."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Counts:
    """How many elements were treated.

    Attributes:
        kept: slot of the plan to elements of which something stayed.
        removed: slot of the plan to elements of which nothing stayed.
        unruled: element path to elements that were removed because no rule names them.
    """

    kept: Mapping[int, int]
    removed: Mapping[int, int]
    unruled: Mapping[str, int]


@dataclass(frozen=True, slots=True, kw_only=True)
class Transformed:
    """A transformed record and what was done.

    Attributes:
        bundle: the new Bundle of type collection.
        known: the identifying values of the record, for the output check; never handed out.
        counts: what was done to the elements.
        left_out: (resource type, why) to how many.
        resources: how many resources are in the bundle.
        texts: how many texts were scrubbed.
        shift_days: the subject's shift, for the output check; never handed out.
        last_hidden_year: years up to this one show an age over the limit.
    """

    bundle: dict[str, Json]
    known: Known = field(repr=False)
    counts: Counts
    left_out: Mapping[tuple[str, LeftOut], int]
    resources: int
    texts: int
    shift_days: int = field(repr=False)
    last_hidden_year: int = field(repr=False)


class _Entry(NamedTuple):
    """A resource of the input with its names there and its new id."""

    resource: dict[str, Json]
    kind: str
    names: tuple[str, ...]
    source: str


def resources_of(bundle: Mapping[str, Json], *, ordinal: int = 1) -> list[tuple[dict[str, Json], str | None]]:
    """Return the resources of a Bundle with their fullUrls.

    Raises:
        InputError: this is no Bundle or an entry is broken; says where, not what.
    """
    if bundle.get("resourceType") != "Bundle":
        raise InputError("this is no FHIR Bundle", where=f"{ordinal}/Bundle/resourceType")
    entries = bundle.get("entry", [])
    if not isinstance(entries, list):
        raise InputError("the entries of a Bundle are a list", where=f"{ordinal}/Bundle/entry")
    out: list[tuple[dict[str, Json], str | None]] = []
    for n, entry in enumerate(entries):
        if not isinstance(entry, dict):
            raise InputError("an entry is an object", where=f"{ordinal}/Bundle/entry[{n}]")
        resource, url = entry.get("resource"), entry.get("fullUrl")
        if resource is None:
            continue  # the answer to a deletion carries no resource
        if not isinstance(resource, dict) or not isinstance(resource.get("resourceType"), str):
            where = f"{ordinal}/Bundle/entry[{n}].resource"
            raise InputError("a resource is an object with a resourceType", where=where)
        own = resource.get("id")
        if not (url is None or isinstance(url, str)) or not (own is None or isinstance(own, str)):
            raise InputError("fullUrl and id are text", where=f"{ordinal}/Bundle/entry[{n}]")
        out.append((resource, url))
    return out


def known_values(plan: Plan, resources: Sequence[dict[str, Json]]) -> Known:
    """Return the identifying values of a record, ready to be looked for."""
    ids = (own for resource in resources if isinstance(own := resource.get("id"), str) and len(own) >= _LONG_ID)
    return Known(plan.words, (*collect(plan.harvest, resources), *_birth_dates(resources)), ids)


def _birth_dates(resources: Sequence[dict[str, Json]]) -> list[Value]:
    """Return full dates of birth; a month or year is no value to look for: a moved date may fall into it again."""
    return [
        Value(kind=Kind.DATE, text=born)
        for resource in resources
        if resource.get("resourceType") in ("Patient", "RelatedPerson")
        and isinstance(born := resource.get("birthDate"), str)
        and len(born) == len("2026-11-22")
    ]


def transform_bundle(
    plan: Plan,
    bundle: Mapping[str, Json],
    keys: SubjectKeys,
    *,
    at: date,
    cleaner: TextCleaner | None = None,
    linking: Linking = Linking.URN,
    ordinal: int = 1,
    goes: Callable[[Mapping[str, Json]], bool] | None = None,
) -> Transformed:
    """Transform the record of one subject (or resources that belong to nobody).

    Args:
        plan: the compiled profile.
        bundle: a Bundle with at most one Patient; `governance.deidentify.sources` splits others.
        keys: the subject's keys towards the recipient.
        at: day of the release, UTC; ages count to it.
        cleaner: cleans free text where the profile lets text cross; without one, text is removed.
        linking: how references are written.
        ordinal: number of the record in the input, for errors.
        goes: whether a resource may go at all (its part, the patient's consent); by default every one. What
            stays behind is still looked through for identifying values.

    Raises:
        InputError: the Bundle is broken or holds several patients.
    """
    found = resources_of(bundle, ordinal=ordinal)
    resources = [resource for resource, _ in found]
    if sum(resource["resourceType"] == "Patient" for resource in resources) > 1:
        raise InputError("a record holds one patient", where=f"{ordinal}/Bundle/entry", hint="split it by patient")
    known = known_values(plan, resources)
    may_go = [True] * len(found) if goes is None else [goes(resource) for resource in resources]
    entries, left_out = _admit(plan, list(compress(found, may_go)))
    for resource, may in zip(resources, may_go, strict=True):
        if not may:
            held = (_type_name(plan, str(resource["resourceType"])), LeftOut.WITHHELD)
            left_out[held] = left_out.get(held, 0) + 1
    refused: set[int] = set()
    while True:
        admitted = [entry for n, entry in enumerate(entries) if n not in refused]
        subject = _subject(plan, resources, keys, known, at, cleaner)
        try:
            new_ids = _index(admitted, subject, linking)
            out = [
                _entry(_resource(plan, entry, new_id, subject), new_id)
                for entry, new_id in zip(admitted, new_ids, strict=True)
            ]
        except _RefusedEntryError as fault:
            position = next(n for n, entry in enumerate(entries) if entry is fault.entry)
            refused.add(position)
            key = (fault.entry.kind, LeftOut.CANNOT_CHANGE)
            left_out[key] = left_out.get(key, 0) + 1
            continue
        break
    return Transformed(
        bundle=_bundle(plan, out),
        known=known,
        counts=_counts(subject),
        left_out=left_out,
        resources=len(out),
        texts=subject.text_scrubbed,
        shift_days=keys.shift_days,
        last_hidden_year=subject.last_hidden_year,
    )


def _counts(subject: Subject) -> Counts:
    kept: dict[int, int] = {}
    removed = dict(subject.removed)
    unruled: dict[str, int] = {}
    for program, times in subject.done.items():
        for _, slot, _ in program.steps:
            kept[slot] = kept.get(slot, 0) + times
        for slot in program.removed:
            removed[slot] = removed.get(slot, 0) + times
        for path in program.unruled:
            unruled[path] = unruled.get(path, 0) + times
    for slot, times in subject.removed.items():
        kept[slot] -= times
    return Counts(kept=kept, removed=removed, unruled=unruled)


class _RefusedEntryError(Exception):
    def __init__(self, entry: _Entry) -> None:
        super().__init__()
        self.entry = entry


def _admit(
    plan: Plan, found: Sequence[tuple[dict[str, Json], str | None]]
) -> tuple[list[_Entry], dict[tuple[str, LeftOut], int]]:
    """Choose the resources that may go at all."""
    patient = next(
        (_names(resource, url) for resource, url in found if resource["resourceType"] == "Patient"), ()
    )
    entries: list[_Entry] = []
    left_out: dict[tuple[str, LeftOut], int] = {}
    seen: dict[str, int] = {}
    for n, (resource, url) in enumerate(found):
        kind = str(resource["resourceType"])
        reason = None
        if kind not in plan.nodes:
            reason = LeftOut.NO_RULE
        elif not _belongs(plan, resource, kind, patient):
            reason = LeftOut.OTHER_SUBJECT
        if reason is not None:
            key = (_type_name(plan, kind), reason)
            left_out[key] = left_out.get(key, 0) + 1
            continue
        source = str(resource.get("id") or url or f"position {n}")
        again = seen[source] = seen.get(source, 0) + 1
        entries.append(
            _Entry(
                resource=resource,
                kind=kind,
                names=_names(resource, url),
                source=source if again == 1 else f"{source} again {again}",
            )
        )
    return entries, left_out


def _type_name(plan: Plan, kind: str) -> str:
    """Return a resource type's name if FHIR defines it: it goes into the manifest, and anything could stand there."""
    return kind if kind in plan.profile.base.resource_types else "?"


def _names(resource: Mapping[str, Json], url: str | None) -> tuple[str, ...]:
    own = resource.get("id")
    if own and url:
        return url, f"{resource['resourceType']}/{own}"
    return (f"{resource['resourceType']}/{own}",) if own else (url,) if url else ()


def _belongs(plan: Plan, resource: Mapping[str, Json], kind: str, patient: tuple[str, ...]) -> bool:
    element = plan.profile.base.compartment.get(kind)
    if element is None:
        return True
    target = resource.get(element)
    if target is None:
        return bool(patient)
    reference = target.get("reference") if isinstance(target, dict) else None
    return isinstance(reference, str) and reference.partition("/_history/")[0] in patient


def _subject(
    plan: Plan,
    resources: Sequence[dict[str, Json]],
    keys: SubjectKeys,
    known: Known,
    at: date,
    cleaner: TextCleaner | None,
) -> Subject:
    patient: Mapping[str, Json] = next((one for one in resources if one["resourceType"] == "Patient"), {})
    language = None
    scrub = None
    if cleaner is not None and plan.profile.text_allowed:
        scrub = cleaner.for_record(known, shift_days=keys.shift_days, language=language)
    return Subject(
        profile=plan.profile,
        keys=keys,
        known=known,
        states=plan.states,
        codings=plan.codings,
        at=at,
        birth_year=_year(patient.get("birthDate")),
        death_year=_year(patient.get("deceasedDateTime")),
        scrub=scrub,
    )


def _year(value: Json) -> int | None:
    return int(value[:4]) if isinstance(value, str) and value[:4].isdecimal() and len(value) >= 4 else None


def _index(entries: Sequence[_Entry], subject: Subject, linking: Linking) -> list[str]:
    """Give every resource its new id, and every name it had the new reference."""
    ids: list[str] = []
    for entry in entries:
        new_id = subject.resource_id(entry.kind, entry.source)
        ids.append(new_id)
        target = f"urn:uuid:{new_id}" if linking is Linking.URN else f"{entry.kind}/{new_id}"
        reference = {"reference": target}
        for name in entry.names:
            subject.references.setdefault(name, reference)
    return ids


def _resource(plan: Plan, entry: _Entry, new_id: str, subject: Subject) -> dict[str, Json]:
    try:
        contained = entry.resource.get("contained")
        local = _local(plan, contained, subject) if contained is not None else []
        out: dict[str, Json] = {"resourceType": entry.kind, "id": new_id}
        out.update(_changed(plan, entry.resource, entry.kind, subject))
        if local:
            kept = _contained(plan, local, subject)
            if kept:
                out["contained"] = kept
    except RefusedResourceError:
        raise _RefusedEntryError(entry) from None
    return out


def _changed(plan: Plan, resource: dict[str, Json], kind: str, subject: Subject) -> dict[str, Json]:
    subject.media_type = resource.get("contentType")
    out = walk(plan.nodes[kind], resource, subject)
    if kind == "Observation" and plan.profile.ages:
        _limit_age(resource, out, plan.profile.ages.observations, subject)
    return out


def _limit_age(
    resource: Mapping[str, Json], out: dict[str, Json], codes: frozenset[str], subject: Subject
) -> None:
    """Treat the value of an observation of age (and of its components) as an age."""
    if _is_age(resource.get("code"), codes):
        for name in [name for name in out if name.startswith("value")]:
            changed = generalise_age(out[name], subject) if name == "valueQuantity" else None
            if changed is None:
                del out[name]
            else:
                out[name] = changed
    components, kept = resource.get("component"), out.get("component")
    if isinstance(components, list) and isinstance(kept, list) and any(
        isinstance(one, dict) and _is_age(one.get("code"), codes) for one in components
    ):
        for one in kept:
            if isinstance(one, dict):
                _limit_age(one, one, codes, subject)


def _is_age(concept: Json, codes: frozenset[str]) -> bool:
    codings = concept.get("coding") if isinstance(concept, dict) else None
    return isinstance(codings, list) and any(
        isinstance(one, dict) and f"{one.get('system')}|{one.get('code')}" in codes for one in codings
    )


def _local(plan: Plan, contained: Json, subject: Subject) -> list[tuple[str, dict[str, Json]]]:
    """Name the contained resources anew: their ids are free text."""
    subject.local.clear()
    subject.used.clear()
    local: list[tuple[str, dict[str, Json]]] = []
    for one in contained if isinstance(contained, list) else ():
        if isinstance(one, dict) and one.get("resourceType") in plan.nodes and isinstance(one.get("id"), str):
            name, target = f"#{one['id']}", f"#c{len(local) + 1}"
            subject.local[name] = {"reference": target}
            local.append((name, one))
    return local


def _contained(plan: Plan, local: Sequence[tuple[str, dict[str, Json]]], subject: Subject) -> list[Json]:
    """Transform the contained resources that something refers to (FHIR R4, invariants dom-2 to dom-5)."""
    done: dict[str, Json] = {}
    while True:
        waiting = [(name, one) for name, one in local if name in subject.used and name not in done]
        if not waiting:
            return [done[name] for name, _ in local if name in done]
        for name, one in waiting:
            kind = str(one["resourceType"])
            out: dict[str, Json] = {"resourceType": kind, "id": subject.local[name]["reference"][1:]}
            out.update(_changed(plan, one, kind, subject))
            out.pop("meta", None)
            done[name] = out


def _entry(resource: dict[str, Json], new_id: str) -> dict[str, Json]:
    return {"fullUrl": f"urn:uuid:{new_id}", "resource": resource}


def _bundle(plan: Plan, entries: list[dict[str, Json]]) -> dict[str, Json]:
    out: dict[str, Json] = {"resourceType": "Bundle", "type": "collection"}
    if plan.profile.label:
        system, code = plan.profile.label
        out["meta"] = {"security": [{"system": system, "code": code}]}
    if entries:
        out["entry"] = list(entries)
    return out
