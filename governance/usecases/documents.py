"""Decisions as documents: the one JSON shape that API, command line and files share (DESIGN: interfaces)."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime

from governance.core.ruling import Reason, Remedy, Ruling
from governance.core.truth import Truth

__all__ = ["NOT_AVAILABLE", "decision_document", "instant", "view_for_stranger"]

NOT_AVAILABLE = "not-available"
"""The one answer for everything that depends on a patient: refused, withdrawn, not asked, unknown, protected."""
_SMALLEST_COUNT = 11
"""Counts are told to strangers only from here up, rounded down to tens."""


def instant(moment: datetime | None) -> str | None:
    """Render an instant as RFC 3339 in UTC, to the second."""
    return None if moment is None else moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def decision_document(ruling: Ruling, *, id: str, remedies: Sequence[Remedy] = (), says: Sequence[str] = (),  # noqa: A002
                      notes: Sequence[str] = (), dry_run: bool = False) -> dict[str, object]:  # fmt: skip
    """Render a ruling whole, as the custodian sees it."""
    return {
        "id": id,
        "effect": str(ruling.effect),
        "refer": None if ruling.refer is None else str(ruling.refer),
        "profile": ruling.profile,
        "at": instant(ruling.at),
        "check_again_by": instant(ruling.check_again_by),
        "subjects": {"in": ruling.subjects_in, "out": ruling.subjects_out},
        "parts": {"in": list(ruling.parts_in), "withheld": list(ruling.parts_withheld)},
        "duties": [
            {"id": d.type, "by": d.by, "when": d.when, "because": list(d.because),
             **({"params": {name: list(values) for name, values in d.params}} if d.params else {})}
            for d in ruling.duties
        ],
        "reasons": [_reason(reason) for reason in ruling.reasons],
        "missing": list(ruling.missing),
        "remedies": [{"kind": r.kind, "what": r.what, "says": r.says} for r in remedies],
        "notes": [*ruling.notes, *notes],
        "says": list(says),
        "policy": ruling.policy,
        "semantics": ruling.semantics,
        "dry_run": dry_run,
        "grant": None,
        "receipt": None,
    }  # fmt: skip


def _reason(reason: Reason) -> dict[str, object]:
    """Render one reason; a rule's outcome is its own truth."""
    return {
        "regime": reason.regime, "gate": None if reason.gate is None else str(reason.gate), "rule": reason.rule,
        "cite": reason.cite, "outcome": Truth(reason.outcome).name.lower(), "says": reason.says,
        "facts": dict(reason.facts), "leg": reason.leg, "part": reason.part, "profile": reason.profile,
        "relied_on": reason.relied_on, "subject_dependent": reason.subject_dependent,
    }  # fmt: skip


def view_for_stranger(document: dict[str, object]) -> dict[str, object]:
    """Render a decision for a caller that does not already hold the data.

    Effect, profile, duties and the reasons that do not depend on the patient stay. Where anything about a
    patient decided, there is one answer, `NOT_AVAILABLE`, whatever it was; counts only from eleven up.
    """
    raw = document["reasons"]
    assert isinstance(raw, list)
    reasons = [reason for reason in raw if not reason["subject_dependent"]]
    hidden = len(reasons) < len(raw)
    people = document["subjects"]
    assert isinstance(people, dict)
    parts = document["parts"]
    assert isinstance(parts, dict)
    patient_decided = hidden or _names_patient(document["missing"])
    seen: dict[str, object] = {
        **document,
        "reasons": [{key: value for key, value in reason.items() if key != "subject_dependent"} for reason in reasons],
        "subjects": {"in": _rounded(people["in"]), "out": None},
        "parts": {"in": parts["in"], "withheld": None},
        "check_again_by": None,
        "missing": [] if patient_decided else document["missing"],
        "remedies": [],
        "says": [],
    }
    if document["effect"] != "permit" and patient_decided:
        return {**seen, "effect": "deny", "refer": None, "profile": None, "answer": NOT_AVAILABLE, "reasons": [],
                "duties": [], "notes": [], "subjects": {"in": None, "out": None},
                "parts": {"in": [], "withheld": None}}  # fmt: skip
    return seen


def _names_patient(missing: object) -> bool:
    return isinstance(missing, list) and any(str(key).startswith("subject.") for key in missing)


def _rounded(count: object) -> int | None:
    return count // 10 * 10 if isinstance(count, int) and count >= _SMALLEST_COUNT else None
