"""FHIR Consent, R4 and simple R5, into the consent model: leniently, and saying what was repaired or lost.

Guarantees: a document that can be read in more than one way becomes an ambiguous consent, which the evaluation
answers with *unclear*; an unknown code permits nothing; no message holds a value of the patient's.

How the base decision is found, for R4 is written in three dialects:

- ``context``: ``policyRule`` OPTIN or OPTOUT, root provision without a type: the root says where it holds;
- ``root-type``: the root provision's type is the base (IHE PCF, MII);
- ``exception``: OPTIN or OPTOUT with a root of the opposite type: the root is the first exception;
- ``r5``: ``decision``, provisions alternate by depth; ``none``: no base can be found.

Terms that FHIR has no element for are read from one extension on the Consent, `CONSENT_TERMS_URL`, with
sub-extensions ``to``, ``form``, ``told``, ``by`` (valueCode), ``ended`` (valueDateTime) and ``end`` (valueCode
``withdrawn`` or ``replaced``); places of a provision from `CONSENT_PLACE_URL`.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime

from governance.consent.fhir_elements import (
    CONSENT_PLACE_URL,
    Reading,
    codings,
    constraints,
    instants,
    items,
    mapping,
    period,
    provision,
    text,
)
from governance.core.consent import Consent, ConsentStatus, Period, Provision
from governance.errors import InputError

__all__ = ["CONSENT_PLACE_URL", "CONSENT_TERMS_URL", "ImportedConsent", "import_consent"]

CONSENT_TERMS_URL = "https://safe-conduct.example/fhir/consent-terms"

_STATUS = {
    "draft": ConsentStatus.PROPOSED,
    "proposed": ConsentStatus.PROPOSED,
    "active": ConsentStatus.ACTIVE,
    "rejected": ConsentStatus.REJECTED,
    "not-done": ConsentStatus.REJECTED,
    "inactive": ConsentStatus.INACTIVE,
    "entered-in-error": ConsentStatus.ENTERED_IN_ERROR,
}
_BASE = {"OPTIN": True, "OPTINR": True, "OPTOUT": False, "OPTOUTE": False}
"""v3 ActConsentDirective: assent or dissent, with or without exceptions."""
_SCOPE_PURPOSE = {"research": "HRESCH", "treatment": "TREAT"}
"""consentscope to the v3 purpose that a consent of this scope is about, if it names none itself."""
_CATEGORY_FORMS = {"hipaa-auth": "hipaa-authorisation"}
_CATEGORY_TO = {"IDSCL": "disclosure"}
_IGNORED = frozenset(
    {"resourceType", "id", "meta", "implicitRules", "language", "text", "contained", "identifier", "status",
     "scope", "category", "patient", "subject", "dateTime", "date", "performer", "grantor", "organization",
     "controller", "manager", "policy", "policyRule", "provision", "decision", "period", "extension",
     "policyBasis", "regulatoryBasis", "sourceAttachment", "sourceReference"}
)  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class ImportedConsent:
    """A consent as understood, and how it came to be.

    Attributes:
        repairs: what was put right, by path.
        not_expressed: elements that the model does not carry, by path.
        dialect: ``context``, ``root-type``, ``exception``, ``r5`` or ``none``.
    """

    consent: Consent
    repairs: tuple[str, ...]
    not_expressed: tuple[str, ...]
    dialect: str


@dataclass(frozen=True, slots=True, kw_only=True)
class _Tree:
    dialect: str
    base: bool | None
    root: Provision | None = None
    provisions: tuple[Provision, ...] = ()
    validity: Period | None = None


@dataclass(slots=True, kw_only=True)
class _Terms:
    to: set[str] = field(default_factory=set)
    form: set[str] = field(default_factory=set)
    told: set[str] = field(default_factory=set)
    by: str | None = None
    ended: datetime | None = None
    replaced: bool = False


def import_consent(document: Mapping[str, object], *, recorded: datetime) -> ImportedConsent:
    """Read one FHIR Consent resource.

    Args:
        document: the parsed JSON resource.
        recorded: instant we learnt it, aware, UTC.

    Returns:
        The consent with what was repaired and what was lost.

    Raises:
        InputError: it is no Consent, or has no status we know.
    """
    if document.get("resourceType") != "Consent":
        raise InputError("not a FHIR Consent resource", where="resourceType", hint="give one Consent as JSON")
    status = _STATUS.get(text(document.get("status")) or "")
    if status is None:
        raise InputError(
            "the consent has no status that FHIR R4 or R5 knows", where="status", hint=f"one of {', '.join(_STATUS)}"
        )
    reading = Reading()
    r5 = "decision" in document or ("subject" in document and "patient" not in document)
    tree = _scoped(_r5_tree(document, reading) if r5 else _r4_tree(document, reading), document, reading)
    terms = _terms(document, reading)
    by, review = _given_by(document, terms, reading)
    effective = instants(document.get("dateTime", document.get("date")))
    if effective is None:
        reading.repairs.append("dateTime: missing or not a date, taken as the day it was recorded")
    if "grantee" in document:
        reading.unclear.append("grantee: whom it benefits is not read")
    if tree.dialect == "context" and tree.base and tree.root is None and any(n.permit for n in tree.provisions):
        reading.unclear.append("provision: a permit inside a permit without limits")
    if "modifierExtension" in document:
        reading.unclear.append("modifierExtension: not understood")
    consent = Consent(
        id=_id(document, reading),
        effective=effective[0] if effective else recorded,
        recorded=recorded,
        status=status,
        ended=_ended(document, terms) if status is ConsentStatus.INACTIVE else None,
        withdrawn=status is ConsentStatus.INACTIVE and not terms.replaced and _permits(tree),
        group=_group(document),
        base=tree.base,
        root=tree.root,
        provisions=tree.provisions,
        validity=tree.validity,
        to=frozenset(terms.to),
        forms=frozenset(terms.form),
        told=frozenset(terms.told),
        by=by,
        ambiguous="; ".join(sorted(set(reading.unclear))) or None,
        review=review,
    )
    lost = [*reading.not_expressed, *sorted(set(document) - _IGNORED)]
    return ImportedConsent(
        consent=consent, repairs=tuple(reading.repairs), not_expressed=tuple(lost), dialect=tree.dialect
    )


def _r5_tree(document: Mapping[str, object], reading: Reading) -> _Tree:
    base = {"permit": True, "deny": False}.get(text(document.get("decision")) or "")
    nodes = tuple(
        provision(mapping(item), f"provision[{i}]", reading, permit=None if base is None else not base, alternate=True)
        for i, item in enumerate(items(document.get("provision")))
    )
    return _Tree(
        dialect="none" if base is None else "r5",
        base=base,
        provisions=nodes,
        validity=period(document.get("period"), "period", reading),
    )


def _r4_tree(document: Mapping[str, object], reading: Reading) -> _Tree:
    """Find base, root and exceptions of an R4 document in its dialect (specification 1.1)."""
    rule = _policy_rule(document, reading)
    roots = items(document.get("provision"))
    if len(roots) > 1:
        reading.unclear.append("provision: R4 has one root")
    if not roots:
        return _Tree(dialect="none" if rule is None else "context", base=rule)
    element = mapping(roots[0])
    stated = {"permit": True, "deny": False}.get(text(element.get("type")) or "")
    base = rule if rule is not None else stated
    node = provision(element, "provision", reading, permit=base or False, alternate=False)
    if base is None:
        return _Tree(dialect="none", base=None, provisions=node.provisions)
    if stated is None:
        tree = _rooted("context", node, base=base)
        # Where the root may be an exception, its period may be one too, and nothing has expired.
        return replace(tree, validity=None) if _may_be_exception(element, base=base, reading=reading) else tree
    if rule is None or stated is rule:
        return _rooted("root-type", node, base=stated)
    return _Tree(dialect="exception", base=rule, provisions=(node,))


def _permits(tree: _Tree) -> bool:
    """Say whether a document gives anything: ending one that only refuses lifts a refusal."""
    return tree.base is not False or any(_gives(node) for node in tree.provisions)


def _gives(node: Provision) -> bool:
    return node.permit or any(_gives(child) for child in node.provisions)


def _rooted(dialect: str, node: Provision, *, base: bool) -> _Tree:
    root = replace(node, permit=base, period=None, provisions=())
    return _Tree(
        dialect=dialect,
        base=base,
        root=None if root == Provision(permit=base) else root,
        provisions=node.provisions,
        validity=node.period,
    )


def _policy_rule(document: Mapping[str, object], reading: Reading) -> bool | None:
    """Read OPTIN and OPTOUT; any other rule is not understood, and then nothing is permitted on its strength."""
    if "policyRule" not in document:
        return None
    found = {_BASE[code] for _, code in codings(document["policyRule"]) if code in _BASE}
    if len(found) == 1:
        return found.pop()
    reading.unclear.append("policyRule: not understood")
    return None


def _may_be_exception(element: Mapping[str, object], *, base: bool, reading: Reading) -> bool:
    """Flag a root without type that limits: senders mean by it the context as often as the exception."""
    limits = constraints(element)
    roles = {code for item in items(element.get("actor")) for _, code in codings(mapping(item).get("role"))}
    holder_only = limits == {"actor"} and roles == {"CST"} and not base
    period_only = not limits and base and "period" in element and not items(element.get("provision"))
    unclear = bool(limits and not holder_only) or period_only
    if unclear:
        reading.unclear.append("provision: a root without type that limits may be the context or an exception")
    return unclear


def _scoped(tree: _Tree, document: Mapping[str, object], reading: Reading) -> _Tree:
    """Limit the base to what the consent's scope is about, where the document names no purpose itself."""
    if "scope" not in document:
        if "decision" not in document:
            reading.repairs.append("scope: missing, taken as patient-privacy")
        return tree
    scopes = {code for _, code in codings(document["scope"])}
    if scopes == {"patient-privacy"} or tree.base is None:
        return tree
    purposes = {_SCOPE_PURPOSE[s] for s in scopes if s in _SCOPE_PURPOSE}
    if not purposes or scopes - set(_SCOPE_PURPOSE):
        reading.unclear.append("scope: not one that says how data may be shared")
        return tree
    root = tree.root or Provision(permit=tree.base)
    return tree if root.purposes else replace(tree, root=replace(root, purposes=frozenset(purposes)))


def _terms(document: Mapping[str, object], reading: Reading) -> _Terms:
    terms = _Terms()
    for _, code in codings(document.get("category")):
        if code in _CATEGORY_FORMS:
            terms.form.add(_CATEGORY_FORMS[code])
        if code in _CATEGORY_TO:
            terms.to.add(_CATEGORY_TO[code])
    if "sourceAttachment" in document or "sourceReference" in document:
        terms.form.add("written")
    for item in items(document.get("extension")):
        extension = mapping(item)
        if extension.get("url") != CONSENT_TERMS_URL:
            reading.not_expressed.append("extension")
            continue
        for inner in items(extension.get("extension")):
            _term(mapping(inner), terms, reading)
    return terms


def _term(element: Mapping[str, object], terms: _Terms, reading: Reading) -> None:
    code = text(element.get("valueCode")) or ""
    match element.get("url"):
        case "to":
            terms.to.add(code)
        case "form":
            terms.form.add(code)
        case "told":
            terms.told.add(code)
        case "by":
            terms.by = code
        case "end":
            terms.replaced = code == "replaced"
        case "ended":
            found = instants(element.get("valueDateTime"))
            terms.ended = found[0] if found else None
        case _:
            reading.not_expressed.append("extension: a term of consent that is not known")


def _given_by(document: Mapping[str, object], terms: _Terms, reading: Reading) -> tuple[str, str | None]:
    """Say who gave it; somebody else than the patient needs a proof of authority that a person checks (step 11)."""
    patient = text(mapping(document.get("patient", document.get("subject"))).get("reference"))
    givers = {
        text(mapping(item).get("reference"))
        for item in items(document.get("performer", document.get("grantor")))
    }
    if terms.by is not None:
        return terms.by, None
    if not givers:
        reading.repairs.append("performer: missing, who gave it is not known")
        return "unstated", None
    if givers == {patient} and patient is not None:
        return "subject", None
    return "unstated", "given by somebody else than the patient; their authority is not stated"


def _ended(document: Mapping[str, object], terms: _Terms) -> datetime | None:
    if terms.ended is not None:
        return terms.ended
    updated = instants(mapping(document.get("meta")).get("lastUpdated"))
    return updated[0] if updated else None


def _group(document: Mapping[str, object]) -> str:
    """Name (controller, policy, scope), within which a later consent overlays an earlier one; else nothing."""
    holders = sorted(
        text(mapping(item).get("reference")) or ""
        for name in ("organization", "controller", "manager")
        for item in items(document.get(name))
    )
    policies = sorted(text(mapping(item).get("uri")) or "" for item in items(document.get("policy")))
    if not holders or not policies or "" in holders or "" in policies:
        return ""
    scopes = sorted(f"{system}|{code}" for system, code in codings(document.get("scope")))
    return json.dumps([holders, policies, scopes], separators=(",", ":"))


def _id(document: Mapping[str, object], reading: Reading) -> str:
    given = text(document.get("id"))
    if given is not None:
        return given
    reading.repairs.append("id: missing, taken from the document's digest")
    canonical = json.dumps(document, sort_keys=True, separators=(",", ":"), default=str)
    return hashlib.sha256(canonical.encode()).hexdigest()[:32]
