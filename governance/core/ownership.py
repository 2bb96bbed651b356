"""Ownership: which share of a party is held by owners of a group of places.

Pure arithmetic over the graph of owners. The answer is an interval: what is known to be held by the group, and
what would be held if every undisclosed share were too. With a cascade, an owner of whom the group holds at least
``cascade_at`` percent counts as of the group as a whole, so that its entire share is the group's, and one below
counts as not of it; without a cascade a share is the product along the chain. Adding an owner of the group never
lowers the low bound.

Example:
    >>> parties = {"lab": Party(owners=(Owner(holder="fund", percent=60.0),), undisclosed=10.0),
    ...            "fund": Party(places=frozenset({"XA"}))}
    >>> share_owned(parties, "lab", frozenset({"XA"}), cascade_at=None)
    Interval(low=60.0, high=70.0)
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from governance.core.facts import Interval, Taxonomy

__all__ = ["Owner", "Party", "share_owned"]

_WHOLE = 100.0
_ROUNDS = 200
"""Rings of owners are followed this often; what then is still open is less than any law's threshold can see,
and is counted as undisclosed."""
_SETTLED = 1e-9


@dataclass(frozen=True, slots=True, kw_only=True)
class Owner:
    """A share in a party.

    Attributes:
        holder: a party's id, or a place (the holder is a person or a state of that place).
        percent: share, 0 to 100.
    """

    holder: str
    percent: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Party:
    """A party and who owns it.

    Attributes:
        places: where it is established or resident; a party of a place of the group is of the group.
        undisclosed: percent of it whose owners are stated not to be known; None where nobody stated that: then
            whatever the owners leave of the whole. A person or a state says 0.
    """

    places: frozenset[str] = frozenset()
    owners: tuple[Owner, ...] = ()
    undisclosed: float | None = None


def share_owned(
    parties: Mapping[str, Party],
    party: str,
    group: frozenset[str],
    *,
    cascade_at: float | None,
    places: Taxonomy | None = None,
) -> Interval:
    """Return the share of a party that owners of a group of places hold, in percent.

    Args:
        parties: id to party; an owner that is neither here nor a known place is undisclosed.
        party: whose owners are asked for; its own place does not count. Not known: [0, 100].
        group: places of the group.
        cascade_at: percentage from which an owner counts as of the group as a whole, or None.
        places: taxonomy by which a place lies at or below one of the group's; plain equality without it.
    """
    if party not in parties:
        return Interval(0.0, _WHOLE)
    names = sorted(parties)
    low = dict.fromkeys(names, 0.0)
    high = dict.fromkeys(names, _WHOLE)
    for _ in range(_ROUNDS):
        lower = {name: _share(parties[name], low, parties, group, cascade_at, places, known=True) for name in names}
        upper = {name: _share(parties[name], high, parties, group, cascade_at, places, known=False) for name in names}
        moved = max(abs(lower[n] - low[n]) + abs(upper[n] - high[n]) for n in names)
        low, high = lower, upper
        if moved < _SETTLED:
            break
    return Interval(round(low[party], 6), round(max(low[party], high[party]), 6))


def _share(
    party: Party,
    shares: Mapping[str, float],
    parties: Mapping[str, Party],
    group: frozenset[str],
    cascade_at: float | None,
    places: Taxonomy | None,
    *,
    known: bool,
) -> float:
    """Return one party's share from its owners' (from below: only what is known; from above: what may be)."""
    total = disclosed = 0.0
    for owner in party.owners:
        disclosed += owner.percent
        total += owner.percent * _part(owner.holder, shares, parties, group, cascade_at, places, known=known)
    if not known:
        total += max(_WHOLE - disclosed, 0.0) if party.undisclosed is None else party.undisclosed
    return min(total, _WHOLE)


def _part(
    holder: str,
    shares: Mapping[str, float],
    parties: Mapping[str, Party],
    group: frozenset[str],
    cascade_at: float | None,
    places: Taxonomy | None,
    *,
    known: bool,
) -> float:
    """Return the part of a holder that is of the group, 0 to 1."""
    owner = parties.get(holder)
    if owner is None:
        if _lies(frozenset({holder}), group, places):
            return 1.0
        place = places is not None and places.knows(holder)
        return 0.0 if known or place else 1.0
    if _lies(owner.places, group, places):
        return 1.0
    share = shares[holder]
    if cascade_at is not None:
        return 1.0 if share >= cascade_at else 0.0
    return share / _WHOLE


def _lies(at: frozenset[str], group: frozenset[str], places: Taxonomy | None) -> bool:
    return any(place in group or (places and not group.isdisjoint(places.ancestors_of(place))) for place in at)
