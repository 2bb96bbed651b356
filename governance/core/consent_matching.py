"""Whether one node of a consent speaks about one movement, in three values; and the algebra of data scopes.

Guarantees: an attribute of the movement that is not known, or cannot be compared, gives *unknown*, never
true and never false; combining scopes answers None rather than a scope that is not exact.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import TypeVar

from governance.core.consent_model import Actor, ConsentContext, DataScope, Period, Provision, RelatedData
from governance.core.facts import place_ancestors
from governance.core.truth import Truth, truth

__all__ = ["Match", "covers", "data_scope", "holds", "intersect", "match_provision"]

_Item = TypeVar("_Item")

RECEIVING = frozenset({"IRCP", "PRCP"})
"""v3 ParticipationType: information recipient, primary information recipient."""
HOLDING = frozenset({"CST"})
"""v3 ParticipationType: custodian."""
WRITING = frozenset({"AUT"})
"""v3 ParticipationType: author; a property of the datum, not of the movement."""
ACTIONS = frozenset({"collect", "access", "use", "disclose", "correct"})
"""The consent actions of FHIR; any other word is not understood."""
HANDING_OVER = frozenset({"disclose", "access", "use"})
"""Consent actions that a handing-over may amount to: naming another of them neither fits nor escapes."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Match:
    """How far a node speaks about the movement, and which attributes were missing where that is unknown."""

    value: Truth
    missing: frozenset[str] = frozenset()


ANY = Match(value=Truth.TRUE)


def match_provision(node: Provision, context: ConsentContext, at: datetime) -> Match:
    """Match the request side of a node: AND between its attributes, an absent one is any (FHIR Consent 6.2.4).

    A movement with several purposes or places satisfies a permit only with all of them, and meets a deny
    with any of them.

    Args:
        node: the provision; its data side is not looked at.
        context: the movement.
        at: decision time.
    """
    parts = (
        Match(value=truth(holds(node.period, at))),
        _purposes(node, context),
        _actors(node, context),
        _action(node, context),
        _places(node, context),
    )
    value = min(part.value for part in parts)
    if value is not Truth.UNKNOWN:
        return Match(value=value)
    return Match(value=value, missing=frozenset().union(*(p.missing for p in parts if p.value is Truth.UNKNOWN)))


def holds(period: Period | None, at: datetime) -> bool:
    """Say whether an instant lies in a period: start inclusive, end exclusive, None open."""
    if period is None:
        return True
    return (period.start is None or period.start <= at) and (period.end is None or at < period.end)


def data_scope(node: Provision) -> DataScope | None:
    """Return the data side of a node, authors among its actors included; None if it cannot be expressed."""
    authors = tuple(RelatedData(meaning="authoredby", reference=a.reference) for a in node.actors if a.role in WRITING)
    if not authors:
        return node.data
    if node.data.related:
        return None
    return DataScope(
        labels=node.data.labels,
        classes=node.data.classes,
        codes=node.data.codes,
        related=authors,
        data_period=node.data.data_period,
    )


def _purposes(node: Provision, context: ConsentContext) -> Match:
    if not node.purposes:
        return ANY
    if not context.purposes:
        return Match(value=Truth.UNKNOWN, missing=frozenset({"purpose"}))
    each = [max(_purpose(asked, ruled, context) for ruled in node.purposes) for asked in context.purposes]
    if node.permit:
        # A permit covers the purpose declared or it does not: a broader one is not covered (step 6).
        return Match(value=truth(min(each) is Truth.TRUE))
    return Match(value=max(each), missing=frozenset({"purpose"}))


def _purpose(asked: str, ruled: str, context: ConsentContext) -> Truth:
    """At or below is true, above unknown, beside false; a code outside the hierarchy cannot be placed.

    A refusal of clinical trials is not escaped by asking for research.
    """
    known = context.purpose_ancestors
    if asked == ruled or ruled in known.get(asked, frozenset()):
        return Truth.TRUE
    if asked not in known or ruled not in known:
        return Truth.UNKNOWN
    return Truth.UNKNOWN if asked in known[ruled] else Truth.FALSE


def _actors(node: Provision, context: ConsentContext) -> Match:
    """Match receivers and holders: OR inside a role; where both are named, HL7's examples mean AND, its text OR.

    Where the two readings differ the answer is unknown.
    """
    receivers = [a for a in node.actors if a.role in RECEIVING]
    holders = [a for a in node.actors if a.role in HOLDING]
    others = [a for a in node.actors if a.role not in RECEIVING | HOLDING | WRITING]
    found: list[Match] = []
    if receivers:
        found.append(_any_actor(receivers, context.recipients, "recipient.id"))
    if holders:
        held = frozenset() if context.custodian is None else frozenset({context.custodian})
        found.append(_any_actor(holders, held, "exporter.id"))
    if others:
        # A role that we do not read: the node neither fits nor escapes.
        found.append(Match(value=Truth.UNKNOWN))
    if not found:
        return ANY
    low, high = min(f.value for f in found), max(f.value for f in found)
    value = low if low == high else Truth.UNKNOWN
    return Match(value=value, missing=frozenset().union(*(f.missing for f in found if f.value is Truth.UNKNOWN)))


def _any_actor(actors: Iterable[Actor], known: frozenset[str], fact: str) -> Match:
    if not known:
        return Match(value=Truth.UNKNOWN, missing=frozenset({fact}))
    value = max(_same(actor.reference, reference) for actor in actors for reference in known)
    return Match(value=value, missing=frozenset({fact}))


def _same(named: str, known: str) -> Truth:
    """Compare two references: a register id equals ``Type/id``; the same id elsewhere may be somebody else."""
    if not named or named.startswith("#"):
        return Truth.UNKNOWN
    if named == known:
        return Truth.TRUE
    named_parts, known_parts = named.split("/"), known.split("/")
    if named_parts[-1] != known_parts[-1]:
        return Truth.FALSE
    if sorted((len(named_parts), len(known_parts))) == [1, 2]:
        return Truth.TRUE
    if len(named_parts) == len(known_parts) == 2:
        return Truth.FALSE
    return Truth.UNKNOWN


def _action(node: Provision, context: ConsentContext) -> Match:
    if not node.actions:
        return ANY
    missing = frozenset({"action"})
    if context.action is None:
        return Match(value=Truth.UNKNOWN, missing=missing)
    if context.action in node.actions:
        return ANY
    near = context.action in HANDING_OVER and bool(HANDING_OVER & node.actions)
    return Match(value=Truth.UNKNOWN if near or not node.actions <= ACTIONS else Truth.FALSE)


def _places(node: Provision, context: ConsentContext) -> Match:
    if not node.places:
        return ANY
    missing = frozenset({"destination"})
    if not context.places and not context.leaf_places:
        return Match(value=Truth.UNKNOWN, missing=missing)
    if not context.leaf_places:
        touched, inside = context.places & node.places, context.places <= node.places
        if not node.permit:
            # Without the broader places of what the consent names, a broad destination may hide it.
            return Match(value=Truth.TRUE if touched else Truth.UNKNOWN, missing=missing)
        return Match(value=Truth.TRUE if inside else Truth.UNKNOWN if touched else Truth.FALSE, missing=missing)
    each = [max(_place(leaf, ruled, context) for ruled in node.places) for leaf in context.leaf_places]
    return Match(value=min(each) if node.permit else max(each), missing=missing)


def _place(leaf: str, ruled: str, context: ConsentContext) -> Truth:
    if leaf == ruled or ruled in _broader(leaf, context):
        return Truth.TRUE
    return Truth.UNKNOWN if leaf in _broader(ruled, context) else Truth.FALSE


def _broader(place: str, context: ConsentContext) -> frozenset[str]:
    known = context.place_ancestors.get(place)
    return place_ancestors(place, context.place_ancestors) if known is None else known


def covers(wide: DataScope, narrow: DataScope, *, same_effect: bool) -> bool:
    """Say whether every datum of the narrow scope certainly lies in the wide one.

    A confidentiality label reads "at most" on a permit and "at least" on a deny, so labels are compared only
    between scopes of the same effect.
    """
    if wide.labels and not same_effect:
        return False
    pairs = (
        (wide.labels, narrow.labels),
        (wide.classes, narrow.classes),
        (wide.codes, narrow.codes),
        (frozenset(wide.related), frozenset(narrow.related)),
    )
    if any(w and (not n or not n <= w) for w, n in pairs):
        return False
    if wide.data_period is None:
        return True
    if narrow.data_period is None:
        return False
    return _before(wide.data_period.start, narrow.data_period.start) and _after(
        wide.data_period.end, narrow.data_period.end
    )


def _before(first: datetime | None, second: datetime | None) -> bool:
    return first is None or (second is not None and first <= second)


def _after(first: datetime | None, second: datetime | None) -> bool:
    return first is None or (second is not None and first >= second)


def intersect(one: DataScope, other: DataScope) -> DataScope | None:
    """Return exactly the data in both scopes, or None where one scope cannot say it."""
    labels = _narrower(one.labels, other.labels)
    classes = _narrower(one.classes, other.classes)
    codes = _narrower(one.codes, other.codes)
    related = _narrower(frozenset(one.related), frozenset(other.related))
    if labels is None or classes is None or codes is None or related is None:
        return None
    period = one.data_period or other.data_period
    if one.data_period and other.data_period:
        starts = [p.start for p in (one.data_period, other.data_period) if p.start is not None]
        ends = [p.end for p in (one.data_period, other.data_period) if p.end is not None]
        period = Period(start=max(starts, default=None), end=min(ends, default=None))
        if period.start is not None and period.end is not None and period.start >= period.end:
            return None
    ordered = tuple(sorted(related, key=lambda r: (r.meaning, r.reference)))
    return DataScope(labels=labels, classes=classes, codes=codes, related=ordered, data_period=period)


def _narrower(one: frozenset[_Item], other: frozenset[_Item]) -> frozenset[_Item] | None:
    if not one or (other and other <= one):
        return other
    if not other or one <= other:
        return one
    return None
