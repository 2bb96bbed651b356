"""The check of the output, before anything is handed out.

Guarantees: it reads the very bytes that would leave; it looks for the identifying values of the record
itself and for full names, long numbers, contacts and ids of every other patient in the release; it
establishes each standard that the profile claims. A hit raises and names ordinal, resource type and path,
never a value. Names that are also ordinary words count only beside a title or another part of the name.

Example:
    >>> # check = OutputCheck(plan); check.learn(known, resources); check.check(1, data, transformed, source)
"""

from __future__ import annotations

import base64
import re
from collections.abc import Iterable, Iterator, Mapping

import orjson

from governance.deidentify.fhir import Transformed
from governance.deidentify.known import Kind, Known, words_of
from governance.deidentify.methods import Json
from governance.deidentify.people import PATIENTS, FullNames
from governance.deidentify.plan import Plan
from governance.deidentify.standards import STANDARDS, Finding, Output
from governance.deidentify.text import normalise
from governance.deidentify.words import fold
from governance.errors import Diagnostic, FaultError, IntegrityError

__all__ = ["OutputCheck"]

_STRING = re.compile(rb'"((?:[^"\\]|\\.)*)"')
_NEW_CODE = re.compile(r"(?:urn:uuid:|[A-Z][A-Za-z]+/)?([0-9a-f]{8}-(?:[0-9a-f]{4}-){3}[0-9a-f]{12})|([0-9a-f]{32})")
"""An id or pseudonym as we write them: compared whole, since some digits of a number turn up in 128 random bits."""
_XHTML = ' xmlns="http://www.w3.org/1999/xhtml"'
_BASE64_FIELD = re.compile(rb'"data":"([A-Za-z0-9+/=]+)"')
_SEPARATORS = re.compile(r"[\W_]+")
_RUN = re.compile(r"[+(]?\w[\w ().\-/]{3,60}\w")
_LONG_NUMBER = 7
_LONG_DIGITS = 3
_MOST_PLAIN = 50_000
_MOMENT = re.compile(r"\d{4}(?:-\d\d(?:-\d\d(?:T[\d:.]+(?:Z|[+-]\d\d:\d\d)?)?)?)?", re.ASCII)
"""A date by itself: no name or number of anybody; the standards look at it."""


class OutputCheck:
    """Checks every record of one release; learn all records first, then check each.

    What it keeps of other patients is a set of folded full names and of long numbers, contacts and ids.
    """

    def __init__(self, plan: Plan) -> None:
        self._plan = plan
        self._numbers: set[str] = set()
        self._names = FullNames(PATIENTS)
        self._keys = _keys(plan)
        self._addresses = (*_ADDRESSES, *plan.profile.base.public_systems)
        self._plain: set[str] = set()  # printed forms without a forbidden shape: they repeat in every record

    def learn(self, known: Known, resources: Iterable[Mapping[str, Json]]) -> None:
        """Remember what would identify a patient in another patient's record."""
        for value in known.values:
            if value.kind in (Kind.NUMBER, Kind.CONTACT):
                squeezed = _SEPARATORS.sub("", fold(value.text))
                if len(squeezed) >= _LONG_NUMBER:
                    self._numbers.add(squeezed)
        self._numbers.update(_SEPARATORS.sub("", fold(one)) for one in known.ids)
        self._names.learn(resources)

    def check(
        self, ordinal: int, data: bytes, transformed: Transformed, source: Mapping[str, Json]
    ) -> None:
        """Check one record's output.

        Args:
            ordinal: number of the record in the release.
            data: the bytes that would be handed out, JSON.
            transformed: what made them.
            source: the record before.

        Raises:
            IntegrityError: something identifying is left, or a claimed standard does not hold.
        """
        every = frozenset(self._pieces(data))
        codes = {piece: code for piece in every if len(piece) > 31 and (code := _NEW_CODE.fullmatch(piece))}
        names, pieces = every & self._keys, every - self._keys - codes.keys()
        printed = tuple(
            piece
            for piece in pieces
            if piece not in self._plain and not piece.startswith(self._addresses)
        )
        findings = [*self._leftovers(pieces, transformed.known), *self._kept_codes(codes, transformed.known)]
        output = Output(
            profile=self._plan.profile,
            data=data,
            names=names,
            pieces=pieces,
            printed=printed,
            source_dates=_dates(source),
            shift_days=transformed.shift_days,
            last_hidden_year=transformed.last_hidden_year,
        )
        for standard in self._plan.profile.standards:
            establish = STANDARDS.get(standard)
            if establish is None:
                raise FaultError(f"nobody can establish the standard `{standard}`", where="checks.standards")
            findings += establish(output)
        if not findings and len(self._plain) < _MOST_PLAIN:
            self._plain.update(piece for piece in printed if len(piece) < 200)
        if findings:
            raise IntegrityError(
                "the output check found something that may not leave; nothing was handed out",
                where=_place(ordinal, data, findings[0]),
                hint="report this record's ordinal; the profile or the word lists need a rule",
                diagnostics=[
                    Diagnostic(where=_place(ordinal, data, finding), message=finding.says) for finding in findings[:20]
                ],
            )

    def _pieces(self, data: bytes) -> Iterator[str]:
        """Return the distinct texts in JSON bytes, element names among them; base64 text is opened."""
        if b"\\" in data:
            raw = {match[1] for match in _STRING.finditer(data)}
            texts = (orjson.loads(b'"' + one + b'"') if b"\\" in one else one.decode() for one in raw)
        else:
            texts = (one.decode() for one in set(data.split(b'"')[1::2]))
        for text in texts:
            plain = text if text.isascii() else normalise(text)
            yield plain.replace(_XHTML, "") if "<" in plain else plain
        for match in _BASE64_FIELD.finditer(data):
            yield _opened(match[1].decode()) or ""

    def _leftovers(self, pieces: Iterable[str], known: Known) -> Iterator[Finding]:
        for piece in pieces:
            if _MOMENT.fullmatch(piece):
                continue
            if known.appears_in(piece) or known.is_value(piece):
                yield Finding(standard="", says="an identifying value of the record is left", piece=piece)
            elif self._names_another(piece):
                yield Finding(standard="", says="an identifying value of another record is left", piece=piece)

    def _kept_codes(self, codes: Mapping[str, re.Match[str]], known: Known) -> Iterator[Finding]:
        """Find codes in the shape of ours that are somebody's own."""
        for piece, code in codes.items():
            whole = code[1] or code[2]
            if known.is_value(whole) or whole.replace("-", "") in self._numbers:
                yield Finding(standard="", says="an identifying value of a record is left", piece=piece)

    def _names_another(self, piece: str) -> bool:
        found, digits = words_of(piece)
        if self._names.may_be_in(found) and self._names.is_in(piece):
            return True
        return digits >= _LONG_DIGITS and any(
            _SEPARATORS.sub("", fold(run)) in self._numbers for run in _RUN.findall(piece)
        )


_ADDRESSES = ("http://hl7.org/", "http://terminology.hl7.org/", "urn:")


def _keys(plan: Plan) -> frozenset[str]:
    """Return every element name that the output can have."""
    names = {"resourceType", "id", "fullUrl", "resource", "entry", "type", "meta", "contained", "url", "extension"}
    names |= {"collection", "Bundle", "urn"} | set(plan.nodes)
    names |= {part for slot in plan.slots for part in slot.path.split(".")}
    return frozenset(names | {f"_{name}" for name in names} | set(plan.profile.absent))


def _dates(source: Mapping[str, Json]) -> frozenset[str]:
    """Return the full dates that the values of a record begin with."""
    texts = set(orjson.dumps(source).split(b'"'))
    return frozenset(text[:10].decode("ascii", "replace") for text in texts if text[4:5] == b"-" == text[7:8])


def _place(ordinal: int, data: bytes, finding: Finding) -> str:
    """Return ordinal, resource type and path of a finding."""
    for resource in _resources(orjson.loads(data)):
        path = _find(resource, finding, "")
        if path is not None:
            return f"{ordinal}/{resource.get('resourceType')}/{path}"
    return f"{ordinal}"


def _resources(value: Json) -> Iterator[dict[str, Json]]:
    entries = value.get("entry") if isinstance(value, dict) and value.get("resourceType") == "Bundle" else None
    if entries is None and isinstance(value, dict):
        yield value
    for entry in entries if isinstance(entries, list) else ():
        if isinstance(entry, dict) and isinstance(entry.get("resource"), dict):
            yield entry["resource"]


def _opened(data: str) -> str | None:
    """Return the text of base64, or None if it is none."""
    try:
        return base64.b64decode(data, validate=True).decode("utf-8", "replace")
    except ValueError:
        return None


def _find(value: Json, finding: Finding, path: str) -> str | None:
    if isinstance(value, dict):
        for key, item in value.items():
            deeper = f"{path}.{key}" if path else key
            if finding.piece is None and key == finding.key:
                return deeper
            if key == "data" and isinstance(item, str) and _opened(item) == finding.piece:
                return deeper
            found = _find(item, finding, deeper)
            if found is not None:
                return found
    elif isinstance(value, list):
        for n, item in enumerate(value):
            found = _find(item, finding, f"{path}[{n}]")
            if found is not None:
                return found
    elif isinstance(value, str) and finding.piece is not None and (
        finding.piece in value or normalise(value).replace(_XHTML, "") == finding.piece
    ):
        return path
    return None
