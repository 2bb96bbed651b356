"""The standards that profiles claim, one function each: what must hold of the output bytes.

Guarantees: a function looks only at the output (and, for dates, at the input's), never at the plan that made
it; what it cannot establish is a finding. Findings name the standard's own clause and a place, no value.

Example:
    >>> # STANDARDS["hipaa-safe-harbor"](output)
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import date, timedelta

from governance.deidentify.profile import Profile

__all__ = ["STANDARDS", "Finding", "Output", "gdpr_pseudonymised", "hipaa_safe_harbor"]

_FULL_DATE = re.compile(r"(?<![\d.-])(\d{4}-\d\d-\d\d)(?![\d-])")
_FINE_DATE = re.compile(r"(?<![\d.-])(?:1[89]|20)\d\d-(?:0[1-9]|1[0-2])(?![\d])")
_POSTAL = re.compile(rb'"postalCode":"([^"]*)"')
_YEAR = re.compile(rb'"(?:start|end|date|created|[a-z][A-Za-z]*(?:DateTime|Date|On|Time))":"(\d{4})')
_AGE = re.compile(rb'"(?:onset|abatement|performed)Age":\{"value":([0-9.]+)')
_IDENTIFIER = re.compile(rb'"identifier":\[(.*?)\](?=[,}])')
_HEX = re.compile(rb"(?:[0-9a-f]{32})")
_VALUE = re.compile(rb'"value":"([^"]*)"')


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """Something in the output that the standard forbids; ``piece`` finds its place and is never shown."""

    standard: str
    says: str
    piece: str | None = field(default=None, repr=False)
    key: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Output:
    """One record's output as it will be handed out, with what its check needs.

    Attributes:
        data: the bytes.
        names: the distinct element names in it (and perhaps values that read the same).
        pieces: the distinct values in it that are text.
        printed: those of them that people read (no codes of public systems, no ids of this release).
        source_dates: full dates in the input.
        shift_days: the subject's shift.
        last_hidden_year: years up to this one show an age above the limit.
    """

    profile: Profile
    data: bytes
    names: frozenset[str]
    pieces: frozenset[str]
    printed: tuple[str, ...]
    source_dates: frozenset[str]
    shift_days: int
    last_hidden_year: int


def _common(standard: str, output: Output) -> Iterator[Finding]:
    for name in output.profile.absent:
        if name in output.names and f'"{name}":'.encode() in output.data:
            yield Finding(standard=standard, says=f"the element `{name}` is still there", key=name)
    for piece in output.printed:
        for name, shape in output.profile.patterns:
            if shape.search(piece):
                yield Finding(standard=standard, says=f"something has the shape of: {name}", piece=piece)


def hipaa_safe_harbor(output: Output) -> tuple[Finding, ...]:
    """Establish HIPAA's safe harbor, 45 CFR 164.514(b)(2)(i)(A) to (R)."""
    standard = "hipaa-safe-harbor"
    findings = list(_common(standard, output))
    findings += [
        Finding(standard=standard, says="(C) a date is finer than a year", piece=piece)
        for piece in output.pieces
        if _FINE_DATE.search(piece)
    ]
    rules = output.profile.postal_codes
    for match in _POSTAL.finditer(output.data):
        code = match[1].decode("ascii", "replace")
        fits = rules is not None and (
            code == rules.withheld or (len(code) == rules.digits and code.isdigit() and code not in rules.blocked)
        )
        if not fits:
            findings.append(Finding(standard=standard, says="(B) a postal code tells too much", key="postalCode"))
    if any(len(piece) == 4 and piece.isdigit() and int(piece) <= output.last_hidden_year for piece in output.pieces):
        findings += [
            Finding(standard=standard, says="(C) a year shows an age over the limit", piece=match[1].decode())
            for match in _YEAR.finditer(output.data)
            if int(match[1]) <= output.last_hidden_year
        ]
    highest = output.profile.ages.highest if output.profile.ages else 0
    findings += [
        Finding(standard=standard, says="(C) an age over the limit", key="onsetAge")
        for match in _AGE.finditer(output.data)
        if float(match[1]) > highest + 1
    ]
    return tuple(findings)


def gdpr_pseudonymised(output: Output) -> tuple[Finding, ...]:
    """Establish pseudonymisation, Art. 4(5) GDPR: nothing in the output attributes it to a person.

    Every full date must be one of the input's, moved by exactly the subject's shift.
    """
    standard = "gdpr-pseudonymised"
    findings = list(_common(standard, output))
    back = timedelta(days=-output.shift_days)
    for piece in output.pieces:
        match = _FULL_DATE.match(piece)
        if match is None:
            continue
        try:
            original = (date.fromisoformat(match[1]) + back).isoformat()
        except (ValueError, OverflowError):
            original = ""
        if original not in output.source_dates and " " not in piece:
            findings.append(Finding(standard=standard, says="a date was not moved with the others", piece=piece))
    findings += [
        Finding(standard=standard, says="an identifier is no pseudonym", piece=value[1].decode("utf-8", "replace"))
        for block in _IDENTIFIER.finditer(output.data)
        for value in _VALUE.finditer(block[1])
        if not _HEX.fullmatch(value[1])
    ]
    return tuple(findings)


STANDARDS: Mapping[str, Callable[[Output], tuple[Finding, ...]]] = {
    "hipaa-safe-harbor": hipaa_safe_harbor,
    "gdpr-pseudonymised": gdpr_pseudonymised,
}
