"""Read records as a stream: a Bundle, a folder of them, NDJSON; each also gzipped.

Guarantees: one patient's record at a time, in a stable order, with an ordinal; sizes are bounded; a broken
or cut input raises with its ordinal and path, never with a value or a file name. A Bundle of several
patients is split by patient; NDJSON resources are gathered by patient, and each record carries copies of the
practitioners, places and medicines that it refers to.

Example:
    >>> # for group in read_records(Path("records.ndjson"), base): ...
"""

from __future__ import annotations

import gzip
import zlib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import orjson

from governance.deidentify.fhir import resources_of
from governance.deidentify.methods import Json
from governance.deidentify.profile import BaseRules
from governance.errors import InputError

__all__ = ["Limits", "RecordGroup", "read_records", "split_by_patient"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """How much is read, in bytes after decompression and in resources."""

    file_bytes: int = 2 * 1024**3
    record_bytes: int = 256 * 1024**2
    resources: int = 5_000_000


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordGroup:
    """The record of one patient, or resources that belong to nobody.

    Attributes:
        ordinal: 1, 2, 3 ... in the order of reading.
        bundle: a Bundle of type collection with at most one Patient.
        has_patient: a Patient is in it.
    """

    ordinal: int
    bundle: dict[str, Json] = field(repr=False)
    has_patient: bool


def read_records(path: Path, base: BaseRules, limits: Limits | None = None) -> Iterator[RecordGroup]:
    """Read the records of a file or folder.

    Args:
        path: a Bundle (``.json``), NDJSON (``.ndjson``, ``.jsonl``) or a folder of these, each also ``.gz``.
        base: what resource types lead to a patient by which element.
        limits: how much is read.

    Raises:
        InputError: nothing to read, too large, cut, malformed, or not FHIR; says where.
    """
    bounds = limits or Limits()
    files = _files(path)
    ordinal = 0
    for number, file in enumerate(files, start=1):
        for bundle in _bundles(file, number, bounds):
            for group in split_by_patient(bundle, base, ordinal=ordinal + 1):
                ordinal += 1
                has = any(resource["resourceType"] == "Patient" for resource, _ in resources_of(group))
                yield RecordGroup(ordinal=ordinal, bundle=group, has_patient=has)
    if not ordinal:
        raise InputError("there is no record in the input", where="input")


_JSON = (".json", ".json.gz")
_LINES = (".ndjson", ".jsonl", ".ndjson.gz", ".jsonl.gz")


def _files(path: Path) -> list[Path]:
    if path.is_dir():
        found = sorted(one for one in path.iterdir() if one.is_file() and one.name.lower().endswith(_JSON + _LINES))
        if not found:
            raise InputError("the folder holds no FHIR files", where="input", hint=".json, .ndjson, each also .gz")
        return found
    if not path.is_file():
        raise InputError("the input is not there", where="input")
    return [path]


def _read(file: Path, number: int, limits: Limits) -> bytes:
    """Read a whole file within bounds."""
    where = f"file {number}"
    try:
        with file.open("rb") as raw:
            packed = raw.read(2) == b"\x1f\x8b"
        with gzip.open(file, "rb") if packed else file.open("rb") as stream:
            data = stream.read(limits.file_bytes + 1)
    except (EOFError, zlib.error, gzip.BadGzipFile):
        raise InputError("the file is cut or damaged (gzip)", where=where) from None
    except OSError:
        raise InputError("the file cannot be read", where=where) from None
    if len(data) > limits.file_bytes:
        raise InputError("the file is larger than allowed", where=where)
    return data


def _bundles(file: Path, number: int, limits: Limits) -> Iterator[dict[str, Json]]:
    data = _read(file, number, limits)
    where = f"file {number}"
    if file.name.lower().endswith(_LINES):
        yield from _lines(data, where, limits)
        return
    if len(data) > limits.record_bytes:
        raise InputError("the record is larger than allowed", where=where, hint="split it, or use NDJSON")
    yield _as_bundle(_parse(data, where), where)


def _parse(data: bytes, where: str) -> dict[str, Json]:
    try:
        value: Json = orjson.loads(data)
    except orjson.JSONDecodeError as fault:
        raise InputError(f"not readable as JSON at byte {fault.pos}", where=where, hint="is it cut?") from None
    if not isinstance(value, dict):
        raise InputError("a FHIR resource is a JSON object", where=where)
    return value


def _as_bundle(value: dict[str, Json], where: str) -> dict[str, Json]:
    kind = value.get("resourceType")
    if not isinstance(kind, str):
        raise InputError("there is no resourceType", where=f"{where}/resourceType")
    if kind == "Bundle":
        return value
    return {"resourceType": "Bundle", "type": "collection", "entry": [{"resource": value}]}


def _lines(data: bytes, where: str, limits: Limits) -> Iterator[dict[str, Json]]:
    """Read NDJSON: Bundles one by one; resources together, because any line may belong to any patient."""
    loose: list[Json] = []
    for number, line in enumerate(data.split(b"\n"), start=1):
        if not line.strip():
            continue
        at = f"{where}/line {number}"
        if len(line) > limits.record_bytes:
            raise InputError("the line is larger than allowed", where=at)
        value = _parse(line, at)
        if value.get("resourceType") == "Bundle":
            yield value
        else:
            if not isinstance(value.get("resourceType"), str):
                raise InputError("there is no resourceType", where=f"{at}/resourceType")
            loose.append({"resource": value})
            if len(loose) > limits.resources:
                raise InputError("there are more resources than allowed", where=at)
    if loose:
        yield {"resourceType": "Bundle", "type": "collection", "entry": loose}


def split_by_patient(bundle: dict[str, Json], base: BaseRules, *, ordinal: int = 1) -> list[dict[str, Json]]:
    """Split a Bundle into one for each patient.

    Resources of a patient's compartment go with the patient; others are copied to every patient whose
    resources refer to them. What points at a patient who is not in the input goes nowhere: it is an error,
    because whose it is, is not known.

    Raises:
        InputError: broken entries, or a resource of an unknown patient.
    """
    found = resources_of(bundle, ordinal=ordinal)
    patients = [n for n, (resource, _) in enumerate(found) if resource["resourceType"] == "Patient"]
    if len(patients) <= 1:
        return [bundle]
    owners = {name: n for n in patients for name in _names(*found[n])}
    members: dict[int, list[int]] = {n: [n] for n in patients}
    shared: dict[str, int] = {}
    for n, (resource, url) in enumerate(found):
        if n in members:
            continue
        element = base.compartment.get(str(resource["resourceType"]))
        if element is None:
            shared.update(dict.fromkeys(_names(resource, url), n))
        else:
            members[_owner(resource, element, owners, f"{ordinal}/Bundle/entry[{n}].resource")].append(n)
    return [
        {"resourceType": "Bundle", "type": "collection", "entry": [
            {"resource": found[n][0]} if found[n][1] is None else {"fullUrl": found[n][1], "resource": found[n][0]}
            for n in (*own, *_referred((found[n][0] for n in own), shared, found))]}
        for own in members.values()
    ]  # fmt: skip


def _names(resource: Mapping[str, Json], url: str | None) -> tuple[str, ...]:
    own = resource.get("id")
    return tuple(name for name in (url, f"{resource['resourceType']}/{own}" if own else None) if name)


def _owner(resource: Mapping[str, Json], element: str, owners: Mapping[str, int], where: str) -> int:
    """Return the place of the patient whose resource this is."""
    target = _reference(resource.get(element))
    if target is None:
        raise InputError("whose it is, is not said, and there are several patients", where=where)
    owner = owners.get(target.partition("/_history/")[0])
    if owner is None:
        raise InputError("it points at a patient who is not in the input", where=f"{where}.{element}")
    return owner


def _referred(
    resources: Iterable[Mapping[str, Json]], shared: Mapping[str, int], found: list[tuple[dict[str, Json], str | None]]
) -> list[int]:
    """Return the shared resources that these refer to, directly or through one another."""
    waiting: list[Json] = list(resources)
    taken: dict[int, None] = {}
    while waiting:
        value = waiting.pop()
        if isinstance(value, dict):
            target = value.get("reference")
            if isinstance(target, str):
                n = shared.get(target.partition("/_history/")[0])
                if n is not None and n not in taken:
                    taken[n] = None
                    waiting.append(found[n][0])
            waiting.extend(item for item in value.values() if isinstance(item, dict | list))
        elif isinstance(value, list):
            waiting.extend(value)
    return sorted(taken)


def _reference(value: Json) -> str | None:
    target = value.get("reference") if isinstance(value, dict) else None
    return target if isinstance(target, str) else None
