"""Parties of a request: who they are, what is registered of them, how they relate, who owns them.

Guarantees: a party that is named has to be registered (it is no patient: an unknown one is a fault with a
suggestion); one that a dry run describes has no id unless it says so. A party without a group is a group of
its own, so that counting never loses it.

Example:
    >>> book = PartyBook(connection, vocabulary, "clinic", claims)      # doctest: +SKIP
    >>> book.find("hospital-a", "exporter").place                       # doctest: +SKIP
    'XA'
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import Connection, select

from governance.core.facts import Holder, Value, Vocabulary
from governance.core.ownership import Owner, share_owned
from governance.core.ownership import Party as Owned
from governance.core.rules import PolicySet
from governance.store.claims import Claims, registered_values
from governance.store.requests import PartyClaim
from governance.store.tables import parties
from governance.store.values import PREFIXES, suggestion

__all__ = ["Party", "PartyBook"]

_MOST_OWNERS = 10_000
"""Beyond so many owners the rest counts as not disclosed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Party:
    """A party as registered, or as a dry run describes it.

    Attributes:
        id: register id, or None if nobody gave one.
        registered: the register knows it.
        group: registered corporate group, or None.
        facts: registered facts under short names, JSON values.
        owners: registered owners.
        undisclosed: percent of ownership that nobody knows.
        claim: what a dry run says of it.
    """

    id: str | None
    registered: bool
    place: str | None = None
    group: str | None = None
    facts: Mapping[str, Any] = field(default_factory=dict)
    owners: Sequence[Mapping[str, Any]] = ()
    undisclosed: float = 100.0
    claim: PartyClaim | None = None

    @property
    def counting_group(self) -> str | None:
        """The group that people are counted for: its own id if it has none."""
        return self.group or self.id


class PartyBook:
    """Reads parties of one tenant, each once."""

    def __init__(self, connection: Connection, vocabulary: Vocabulary, tenant: str, claims: Claims) -> None:
        self._connection = connection
        self._vocabulary = vocabulary
        self._tenant = tenant
        self._claims = claims
        self._known: dict[str, Party | None] = {}

    def find(self, named: str | PartyClaim | None, where: str) -> Party | None:
        """Return a named or described party; note a fault if a named one is not registered."""
        if isinstance(named, PartyClaim):
            known = self.registered(named.id) if named.id else None
            if known is None:
                return Party(id=named.id, registered=False, claim=named)
            return Party(id=known.id, registered=True, place=known.place, group=known.group, facts=known.facts,
                         owners=known.owners, undisclosed=known.undisclosed, claim=named)  # fmt: skip
        if named is None:
            return None
        party = self.registered(named)
        if party is None:
            ids = self._connection.scalars(select(parties.c.id).where(parties.c.tenant == self._tenant))
            self._claims.faults.add(where, f"unknown party `{named}`",
                                    suggestion(named, ids) or "register the party first")  # fmt: skip
        return party

    def registered(self, id_: str) -> Party | None:
        """Return a registered party, or None."""
        if id_ not in self._known:
            row = self._connection.execute(
                select(parties).where(parties.c.tenant == self._tenant, parties.c.id == id_)
            ).first()
            self._known[id_] = None if row is None else Party(
                id=row.id, registered=True, place=row.place, group=row.group, facts=row.facts, owners=row.owners,
                undisclosed=row.undisclosed_share,
            )  # fmt: skip
        return self._known[id_]

    def facts(self, party: Party | None, holder: Holder, where: str) -> dict[str, Value]:
        """Return a party's facts as exporter or as recipient, with id, place and group."""
        if party is None:
            return {}
        prefix = PREFIXES[holder]
        own = {"id": party.id, "place": party.place, "group": party.counting_group if party.registered else None}
        known: dict[str, Value] = {f"{prefix}{name}": value for name, value in own.items() if value is not None}
        known |= registered_values(self._vocabulary, party.facts, holder)
        if party.claim is None:
            return known
        said = {"place": party.claim.place, "group": party.claim.group or (party.id if not party.registered else None)}
        claimed: dict[str, Value] = {f"{prefix}{name}": value for name, value in said.items() if value is not None}
        claimed |= registered_values(self._vocabulary, party.claim.facts, holder)
        return self._claims.join(known, claimed, where)

    def relation(self, exporter: Party | None, recipient: Party | None, role: Value | None) -> str | None:
        """Return how a recipient relates to who sends to it, or None if the register does not say.

        Args:
            exporter: who sends.
            recipient: who receives.
            role: the recipient's role as registered for exactly this flow, if there is one.
        """
        if exporter is None or recipient is None or not (exporter.registered and recipient.registered):
            return None
        if exporter.id == recipient.id:
            return "same-entity"
        if exporter.group is not None and exporter.group == recipient.group:
            return "same-group"
        if role in ("processor", "sub-processor"):
            return "processor-of-exporter"
        # A party that is a processor in general may be this exporter's or another's: the flow would say.
        return None if recipient.facts.get("role") in ("processor", "sub-processor") else "independent"

    def ownership(self, policies: PolicySet, party: Party | None) -> dict[str, Value]:
        """Return the answers to the packs' questions about who owns a recipient; none of an unregistered one."""
        questions = [q for q in policies.ownership if q.key.startswith(PREFIXES[Holder.RECIPIENT])]
        if party is None or not party.registered or party.id is None or not questions:
            return {}
        graph = self._owners_of(party.id)
        places = self._vocabulary.taxonomies["place"]
        return {
            q.key: share_owned(graph, _node(party.id), q.places, cascade_at=q.cascade_at, places=places)
            for q in questions
        }

    def _owners_of(self, id_: str) -> dict[str, Owned]:
        """Return a party with everybody registered who owns it, through however many others."""
        graph: dict[str, Owned] = {}
        waiting = [id_]
        while waiting and len(graph) < _MOST_OWNERS:
            name = waiting.pop()
            party = self.registered(name)
            if party is None or _node(name) in graph:
                continue
            organised = party.facts.get("organised_in") or party.facts.get("recipient.organised_in") or []
            seats = [organised] if isinstance(organised, str) else organised
            graph[_node(name)] = Owned(
                places=frozenset(place for place in (party.place, *seats) if place),
                owners=tuple(
                    Owner(holder=_node(o["party"]) if "party" in o else o["place"], percent=float(o["share"]))
                    for o in party.owners
                ),
                undisclosed=party.undisclosed,
            )  # fmt: skip
            waiting += [owner["party"] for owner in party.owners if "party" in owner]
        return graph


def _node(id_: str) -> str:
    """Keep parties' ids apart from codes of places."""
    return f"party:{id_}"
