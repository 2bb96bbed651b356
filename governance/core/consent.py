"""Consent: what a patient said, as values, and its evaluation for one movement.

A request-side unknown never satisfies a permit and never escapes a deny; an ambiguous consent is *unclear*.
The shapes live in `consent_model`, the reading of one node in `consent_matching`, the combination of many
consents in `consent_evaluation`; this page is where others import them from.

Example:
    >>> from datetime import UTC, datetime
    >>> evaluate_consents((), ConsentContext(), datetime(2026, 1, 1, tzinfo=UTC)).state.value
    'not-asked'
"""

from __future__ import annotations

from governance.core.consent_evaluation import evaluate_consents
from governance.core.consent_model import (
    Actor,
    Consent,
    ConsentAnswer,
    ConsentContext,
    ConsentState,
    ConsentStatus,
    DataScope,
    Filter,
    Period,
    Provision,
    RelatedData,
)

__all__ = [
    "Actor", "Consent", "ConsentAnswer", "ConsentContext", "ConsentState", "ConsentStatus", "DataScope", "Filter",
    "Period", "Provision", "RelatedData", "evaluate_consents",
]  # fmt: skip
