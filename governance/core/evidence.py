"""Evidence: dated documents on file, and whether one fits a need.

Evidence is never unknown: no fitting, verified evidence is false.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date
from enum import StrEnum

__all__ = ["EvidenceItem", "EvidenceState"]


class EvidenceState(StrEnum):
    """Where a document stands; only verified ones count."""

    SUBMITTED = "submitted"
    VERIFIED = "verified"
    REVOKED = "revoked"


@dataclass(frozen=True, slots=True, kw_only=True)
class EvidenceItem:
    """One document on file.

    Attributes:
        id: register id.
        type: evidence type of the vocabulary.
        scope: match key (``exporter``, ``recipient``, ``purpose`` ...) to the values it covers; a match
            key of the type that is missing here never fits.
        issued_on: day of issue (ages count from here).
        valid_from: first day.
        valid_until: last day, or None if open.
        outcome: recorded outcome, or None: then it opens nothing.
        properties: anchor to value (dates as ISO 8601, yes-no as ``yes``/``no``).
    """

    id: str
    type: str
    state: EvidenceState
    scope: Mapping[str, frozenset[str]]
    issued_on: date
    valid_from: date
    valid_until: date | None = None
    outcome: str | None = None
    properties: Mapping[str, str] = field(default_factory=dict)
