"""Consent as values: what a patient said, the movement asked about, and the answer.

Guarantees nothing but shapes; `governance.core.consent_evaluation` reads them. Import the names from
`governance.core.consent`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum

__all__ = [
    "Actor", "Consent", "ConsentAnswer", "ConsentContext", "ConsentState", "ConsentStatus", "DataScope", "Filter",
    "Period", "Provision", "RelatedData",
]  # fmt: skip


class ConsentStatus(StrEnum):
    """Where a consent stands in its life (events move it; nothing is deleted)."""

    ACTIVE = "active"
    INACTIVE = "inactive"
    """Ended: withdrawn or replaced, from its effective time on."""
    ENTERED_IN_ERROR = "entered-in-error"
    """Removed from all times."""
    PROPOSED = "proposed"
    """Draft or proposed: asked, not answered."""
    REJECTED = "rejected"
    """Asked and refused."""


class ConsentState(StrEnum):
    """The answer for one patient and one movement."""

    GIVEN = "given"
    REFUSED = "refused"
    WITHDRAWN = "withdrawn"
    EXPIRED = "expired"
    ASKED = "asked"
    NOT_ASKED = "not-asked"
    UNCLEAR = "unclear"
    REVIEW = "review"
    """A person must read it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Period:
    """A span of instants, start inclusive, end exclusive; None is open. Partial dates are expanded on import."""

    start: datetime | None = None
    end: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Actor:
    """Who, in which role (v3 ParticipationType: IRCP, PRCP receive; CST holds; AUT wrote)."""

    role: str
    reference: str


@dataclass(frozen=True, slots=True, kw_only=True)
class RelatedData:
    """A reference to data with FHIR's meaning: instance, related, dependents or authoredby."""

    meaning: str
    reference: str


@dataclass(frozen=True, slots=True, kw_only=True)
class DataScope:
    """Data-side attributes of a provision: AND between attributes, OR inside one; empty is any.

    Attributes:
        labels: security labels ``system|code`` (confidentiality labels are ordered).
        classes: resource or document types ``system|code`` or a FHIR resource type.
        codes: clinical codes ``system|code``.
        related: references.
        data_period: span of the datum's clinical date.
    """

    labels: frozenset[str] = frozenset()
    classes: frozenset[str] = frozenset()
    codes: frozenset[str] = frozenset()
    related: tuple[RelatedData, ...] = ()
    data_period: Period | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Provision:
    """One node of the tree: AND between attributes, OR inside one, absent is any.

    Attributes:
        permit: True permits, False denies.
        actors: who; empty is anybody.
        purposes: v3 PurposeOfUse codes.
        actions: consent actions (collect, access, use, disclose, correct).
        places: places of transfer (vocabulary ``place`` terms); empty is anywhere.
        data: data-side scope.
    """

    permit: bool
    actors: tuple[Actor, ...] = ()
    purposes: frozenset[str] = frozenset()
    actions: frozenset[str] = frozenset()
    places: frozenset[str] = frozenset()
    period: Period | None = None
    data: DataScope = DataScope()
    provisions: tuple[Provision, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Consent:
    """One consent as understood, bitemporal.

    Attributes:
        id: register id of the document (never shown to a caller who does not hold the data).
        effective: instant from which it speaks.
        recorded: instant we learnt it.
        status: at its latest event; ``ended`` is when it became inactive.
        withdrawn: it ended by withdrawal (not by replacement): from ``ended`` on, all it spoke about is
            refused. A patient who lifts a refusal ends it without this mark.
        group: consents with the same group overlay each other by time; others combine by deny-overrides.
            Empty: a group of its own.
        base: decision where no provision speaks; None: not understandable, so unclear.
        root: constraints on where the base holds (R4 root provision), as a provision whose effect is unused.
        validity: when the document itself holds.
        to: what it covers: processing, transfer, disclosure, participation, onward ...
        forms: explicit, written, signed, separate, specific, broad ...
        told: what the patient was told: destination, recipient, risks, no-adequacy ...
        by: who gave it: subject, parent, guardian, proxy ...
        ambiguous: why it cannot be read in one way, if so.
        review: why a person must read it, if so.
    """

    id: str
    effective: datetime
    recorded: datetime
    status: ConsentStatus = ConsentStatus.ACTIVE
    ended: datetime | None = None
    withdrawn: bool = False
    group: str = ""
    base: bool | None = None
    root: Provision | None = None
    provisions: tuple[Provision, ...] = ()
    validity: Period | None = None
    to: frozenset[str] = frozenset()
    forms: frozenset[str] = frozenset()
    told: frozenset[str] = frozenset()
    by: str = "subject"
    ambiguous: str | None = None
    review: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ConsentContext:
    """The movement that a consent is asked about; None and empty mean unknown.

    Attributes:
        purposes: v3 PurposeOfUse codes of the request.
        recipients: references and memberships of the receiver, role IRCP.
        custodian: reference of the holder, role CST.
        action: consent action.
        places: places where the data arrive or are opened, with all broader places.
        purpose_ancestors: purpose code to all broader codes: the whole v3 hierarchy, roots with an empty
            set. A code that is not in it can be compared by equality only; else it stays unknown.
        leaf_places: the places themselves, without the broader ones; empty: a consent limited to places
            is satisfied only if every one of ``places`` is among them.
        place_ancestors: place to all broader places, for the leaves and for places that consents name.
    """

    purposes: frozenset[str] = frozenset()
    recipients: frozenset[str] = frozenset()
    custodian: str | None = None
    action: str | None = None
    places: frozenset[str] = frozenset()
    purpose_ancestors: Mapping[str, frozenset[str]] = field(default_factory=dict)
    leaf_places: frozenset[str] = frozenset()
    place_ancestors: Mapping[str, frozenset[str]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Filter:
    """Residual rule applied resource by resource at release, in order, first match wins."""

    permit: bool
    data: DataScope


@dataclass(frozen=True, slots=True, kw_only=True)
class ConsentAnswer:
    """What the consents of one patient say about one movement.

    Attributes:
        filters: ordered residual rules; empty with GIVEN means all of it. After the last one,
            ``otherwise`` decides. They bind in every state: a patient who was never asked about this
            movement may still have shut off some of the data.
        otherwise: whether a resource that no filter matches may go.
        missing: attributes whose absence made it unclear.
        relied_on: ids of the consents that decided.
        to, forms, told, by: what the deciding permit covers (from ONE document).
        turns: instants after which the answer may differ.
    """

    state: ConsentState
    filters: tuple[Filter, ...] = ()
    otherwise: bool = True
    missing: tuple[str, ...] = ()
    relied_on: tuple[str, ...] = ()
    to: frozenset[str] = frozenset()
    forms: frozenset[str] = frozenset()
    told: frozenset[str] = frozenset()
    by: str | None = None
    turns: tuple[datetime, ...] = ()
