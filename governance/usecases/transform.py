"""Change permitted records into the form that may cross, check them, and write them into a workshop folder.

Every record is transformed, written and checked on its own; the check has learnt every patient of the release
before, so that nobody's identifiers stand in another's record. What a patient's consent or a withheld part
holds back never leaves.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Self

import orjson

from governance.access import Caller
from governance.consent.filters import may_go
from governance.core.ruling import Allowed, Ruling
from governance.deidentify.check import OutputCheck
from governance.deidentify.fhir import Linking, Transformed, known_values, resources_of, transform_bundle
from governance.deidentify.manifest import Manifest
from governance.deidentify.methods import Json
from governance.deidentify.people import FullNames
from governance.deidentify.plan import Plan
from governance.deidentify.profile import BaseRules, Codes
from governance.deidentify.pseudonyms import SubjectKeys
from governance.deidentify.sources import RecordGroup, read_records
from governance.deidentify.text import TextCleaner
from governance.errors import InputError
from governance.keys import derive
from governance.store.facts import Gathered
from governance.usecases.ports import House
from governance.usecases.survey import PartFilter, Survey

__all__ = ["Made", "Work", "store", "transform_records"]

_KEY_VERSION = 1
_LINES = (".ndjson", ".jsonl", ".ndjson.gz", ".jsonl.gz")
Tick = Callable[[str, int, int | None], None]
Goes = Callable[[Mapping[str, Json]], bool]


@dataclass(frozen=True, slots=True, kw_only=True)
class Work:
    """Everything one transformation needs.

    Attributes:
        purpose: purpose of the release; pseudonyms differ between purposes.
        folder: workshop folder that is written into.
    """

    house: House
    caller: Caller
    source: Path
    survey: Survey
    gathered: Gathered
    ruling: Ruling
    parts: PartFilter
    base: BaseRules
    purpose: str
    folder: Path
    progress: Tick


@dataclass(slots=True, kw_only=True)
class Made:
    """What was made.

    Attributes:
        records: records written.
        resources: resources written.
        resources_of: patient's reference to how many resources of theirs.
        left_out: why to how many records.
        manifest: what ``manifest.json`` says.
    """

    records: int = 0
    resources: int = 0
    resources_of: dict[str, int] = field(default_factory=dict)
    left_out: dict[str, int] = field(default_factory=dict)
    manifest: dict[str, object] = field(default_factory=dict)


def transform_records(work: Work) -> Made:
    """Write the permitted records and the manifest into the workshop folder.

    Raises:
        IntegrityError: the output check found something; ordinal, resource type and path are named.
        InputError: the records changed since they were surveyed.
        OSError: the disk did not take it.
    """
    made = Made()
    profile = work.ruling.profile
    assert profile is not None
    writer = _Writer(work.folder, lines=work.source.name.lower().endswith(_LINES))
    plan = None if profile == "as-is" else work.house.current().plans[profile]
    with writer:
        if plan is None:
            _copy(work, writer, made)
            made.manifest = {"profile": "as-is", "elements": [], "says": "the records were not changed"}
        else:
            made.manifest = Manifest.of(plan, _changed(work, plan, writer, made), checked=True).as_json()
    made.manifest |= {"records": made.records, "resources": made.resources, "records_left_out": made.left_out,
                      "policy": work.ruling.policy}  # fmt: skip
    store(work.folder / "manifest.json",
           orjson.dumps(made.manifest, option=orjson.OPT_INDENT_2 | orjson.OPT_SORT_KEYS) + b"\n")  # fmt: skip
    return made


def _groups(work: Work, made: Made, stage: str) -> Iterator[tuple[RecordGroup, str | None, Allowed | None]]:
    """Yield the records that may go, with whose they are; count the others."""
    allowed = {
        ref: one for one in work.ruling.allowed for ref in work.gathered.facts.classes[one.subject_class].members
    }
    asked = frozenset(work.gathered.refs)
    total = len(work.survey.owners) + len(work.survey.nobody)
    for group in read_records(work.source, work.base):
        work.progress(stage, group.ordinal, total)
        if group.ordinal in work.survey.nobody:
            yield group, None, None
            continue
        if group.ordinal not in work.survey.owners or not group.has_patient:
            raise InputError("the records changed while they were read", where=str(group.ordinal))
        ref = work.survey.owners[group.ordinal]
        if ref is not None and ref in allowed:
            yield group, ref, allowed[ref]
            continue
        why = "not registered" if ref is None else "not permitted" if ref in asked else "not asked for"
        made.left_out[why] = made.left_out.get(why, 0) + 1


def _goes(work: Work, allowed: Allowed | None) -> Goes:
    """Say which resources of this patient may go: permitted parts, then the consent's filters."""
    everything = frozenset(part for one in work.ruling.allowed for part in one.parts)
    permitted = everything if allowed is None else frozenset(allowed.parts)

    def goes(resource: Mapping[str, Json]) -> bool:
        if resource.get("resourceType") == "Patient":
            return True  # whom it is about; the profile, not the filter, makes it safe
        if not work.parts.goes(resource, permitted):
            return False
        return allowed is None or may_go(allowed.filters, allowed.otherwise, resource)

    return goes


def _changed(work: Work, plan: Plan, writer: _Writer, made: Made) -> Iterator[Transformed]:
    """Transform, check and write each record; the check learns all of them first."""
    check, people = OutputCheck(plan), FullNames()
    for group in read_records(work.source, work.base):
        resources = [resource for resource, _ in resources_of(group.bundle, ordinal=group.ordinal)]
        check.learn(known_values(plan, resources), resources)
        people.learn(resources)
    cleaner = _cleaner(plan, people)
    at = work.ruling.at.date()
    for group, ref, allowed in _groups(work, made, "changing"):
        keys = _keys(work, plan, ref, writer.records_of(ref))
        if keys is None:
            made.left_out["erased"] = made.left_out.get("erased", 0) + 1
            continue
        done = transform_bundle(plan, group.bundle, keys, at=at, cleaner=cleaner, ordinal=group.ordinal,
                                goes=_goes(work, allowed),
                                linking=Linking.RELATIVE if writer.lines else Linking.URN)  # fmt: skip
        data = orjson.dumps(done.bundle)
        check.check(group.ordinal, data, done, group.bundle)
        _count(made, ref, done.resources)
        writer.write(ref, done.bundle)
        yield done


def _cleaner(plan: Plan, people: FullNames) -> TextCleaner | None:
    """Make what cleans texts, where the profile lets text cross."""
    if not plan.profile.text_allowed:
        return None
    ages = plan.profile.ages
    return TextCleaner(plan.words, highest_age=ages.highest if ages else None, people=people)


def _copy(work: Work, writer: _Writer, made: Made) -> None:
    """Hand records out as they are, less what is held back."""
    for group, ref, allowed in _groups(work, made, "copying"):
        goes = _goes(work, allowed)
        entries = group.bundle.get("entry")
        kept = [entry for entry in entries if isinstance(entry, dict) and isinstance(entry.get("resource"), dict)
                and goes(entry["resource"])] if isinstance(entries, list) else []  # fmt: skip
        _count(made, ref, len(kept))
        writer.write(ref, {"resourceType": "Bundle", "type": "collection", "entry": [
            {name: entry[name] for name in ("fullUrl", "resource") if name in entry} for entry in kept]})  # fmt: skip


def _count(made: Made, ref: str | None, resources: int) -> None:
    made.records += 1
    made.resources += resources
    if ref is not None:
        made.resources_of[ref] = made.resources_of.get(ref, 0) + resources


def _keys(work: Work, plan: Plan, ref: str | None, earlier: int) -> SubjectKeys | None:
    """Derive a patient's keys towards the recipient; None if the surrogate was destroyed.

    A profile whose codes come from running numbers gets others for a patient's second record, or two
    resources would be called the same.
    """
    recipient = work.gathered.recipients[0] or ""
    key = work.house.keys.recipient_key(work.caller.tenant, recipient, _KEY_VERSION)
    surrogate = derive(key, "nobody", 16) if ref is None else work.house.keys.surrogate(work.caller.tenant, ref)
    if surrogate is None:
        return None
    again = "" if plan.profile.codes is Codes.FROM_VALUES or not earlier else f"/record {earlier + 1}"
    return SubjectKeys.derive(key, surrogate, recipient=recipient, purpose=work.purpose + again, version=_KEY_VERSION)


class _Writer:
    """Writes records by running number: one file a Bundle, or one line a resource."""

    def __init__(self, folder: Path, *, lines: bool) -> None:
        self.lines = lines
        self._folder = folder / "records"
        self._file = folder / "records.ndjson"
        self._number = 0
        self._seen: dict[str | None, int] = {}

    def __enter__(self) -> Self:
        if self.lines:
            self._stream = self._file.open("wb")
        else:
            self._folder.mkdir()
        return self

    def __exit__(self, *_: object) -> None:
        if self.lines:
            self._stream.flush()
            os.fsync(self._stream.fileno())
            self._stream.close()

    def records_of(self, ref: str | None) -> int:
        """Return how many records of this patient were written already."""
        return self._seen.get(ref, 0)

    def write(self, ref: str | None, bundle: Mapping[str, Json]) -> None:
        """Write one record."""
        self._number += 1
        self._seen[ref] = self._seen.get(ref, 0) + 1
        if not self.lines:
            store(self._folder / f"{self._number:06d}.json", orjson.dumps(bundle))
            return
        entries = bundle.get("entry")
        for entry in entries if isinstance(entries, list) else ():
            if isinstance(entry, dict):
                self._stream.write(orjson.dumps(entry["resource"], option=orjson.OPT_APPEND_NEWLINE))


def store(path: Path, data: bytes) -> None:
    """Write a file and see it on the disk."""
    with path.open("wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())
