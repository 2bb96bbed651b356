"""FHIR Consents of the demo's patients: given, refused, withdrawn, expired, never answered in one way.

Guarantees: valid R4, in more than one of the dialects that real senders use.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date, timedelta
from random import Random
from typing import Any

from governance.consent.fhir import CONSENT_TERMS_URL
from governance.demo.people import invent_uuid

__all__ = ["spread_states", "write_consent"]

_REASON = "http://terminology.hl7.org/CodeSystem/v3-ActReason"
_SCOPE = "http://terminology.hl7.org/CodeSystem/consentscope"
_DIRECTIVE = "http://terminology.hl7.org/CodeSystem/v3-ActCode"
_RESEARCH = "HRESCH"


def spread_states(weights: Mapping[str, float], count: int, random: Random) -> list[str]:
    """Deal states to ``count`` patients in proportion to their weights, every weighed state at least once."""
    total = sum(weights.values())
    dealt = list(weights)[:count]
    exact = {state: weight * count / total for state, weight in weights.items()}
    while len(dealt) < count:
        dealt.append(max(weights, key=lambda state: exact[state] - dealt.count(state)))
    random.shuffle(dealt)
    return dealt


def _terms(terms: Mapping[str, Any], ended: date | None) -> list[dict[str, Any]]:
    inner: list[dict[str, Any]] = [
        {"url": url, "valueCode": code}
        for url, codes in (("to", terms["to"]), ("form", terms["form"]), ("told", terms["told"]))
        for code in codes
    ]
    inner.append({"url": "by", "valueCode": "subject"})
    if ended is not None:
        inner.append({"url": "ended", "valueDateTime": ended.isoformat()})
    return [{"url": CONSENT_TERMS_URL, "extension": inner}]


def write_consent(
    *, state: str, subject: str, holder: str, policy: str, terms: Mapping[str, Any], today: date, random: Random
) -> dict[str, Any] | None:
    """Write what a patient said.

    Args:
        state: ``given``, ``refused``, ``rejected``, ``withdrawn``, ``expired``, ``ambiguous`` or ``none``.
        subject: the patient's register id.
        holder: register id of the custodian.
        policy: address of the text that was signed.
        terms: what consents of this data set are about.
        today: day the world is seen on.
        random: source of days and dialects.

    Returns:
        The Consent resource, or None where nobody asked.
    """
    if state == "none":
        return None
    signed = today - timedelta(days=random.randrange(400, 900))
    ended = signed + timedelta(days=random.randrange(60, 380)) if state == "withdrawn" else None
    scope = "research" if terms["purpose"] == _RESEARCH else "treatment"
    consent: dict[str, Any] = {
        "resourceType": "Consent",
        "id": invent_uuid(random),
        "extension": _terms(terms, ended),
        "status": {"withdrawn": "inactive", "rejected": "rejected"}.get(state, "active"),
        "scope": {"coding": [{"system": _SCOPE, "code": scope}]},
        "category": [{"coding": [{"system": "http://loinc.org", "code": "59284-0"}]}],
        "patient": {"reference": f"Patient/{subject}"},
        "dateTime": signed.isoformat(),
        "performer": [{"reference": f"Patient/{subject}"}],
        "organization": [{"reference": f"Organization/{holder}"}],
        "policy": [{"uri": policy}],
    }
    return consent | _rules(state, terms, signed, random)


def _rules(state: str, terms: Mapping[str, Any], signed: date, random: Random) -> dict[str, Any]:
    purpose = [{"system": _REASON, "code": terms["purpose"]}]
    if state == "ambiguous":
        # An opt-in whose untyped root limits: nobody can say whether to this purpose or to all others.
        return {"policyRule": _directive("OPTIN"), "provision": {"purpose": purpose}}
    if state == "refused":
        if random.random() < 0.5:
            return {"policyRule": _directive("OPTOUT")}
        return {"provision": {"type": "deny", "purpose": purpose}}
    if state == "expired":
        period = {"start": signed.isoformat(), "end": str(signed.year)}
        return {"provision": {"type": "permit", "period": period, "purpose": purpose}}
    dialect = random.random()
    if dialect < 0.2:
        return {"policyRule": _directive("OPTIN")}
    rules: dict[str, Any] = {"type": "permit", "purpose": purpose}
    if dialect < 0.35:
        rules["provision"] = [_without("DocumentReference")]
    return {"provision": rules}


def _directive(code: str) -> dict[str, Sequence[dict[str, str]]]:
    return {"coding": [{"system": _DIRECTIVE, "code": code}]}


def _without(resource_type: str) -> dict[str, Any]:
    return {"type": "deny", "class": [{"system": "http://hl7.org/fhir/resource-types", "code": resource_type}]}
