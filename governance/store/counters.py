"""Counters: how many different people the ledger holds for a measure, between whom, since when.

Guarantees: people are counted over everybody who is of the same group now or was when the data went, so that
neither a sister company nor a change of group resets a count; what is reserved, and a grant that lapsed
unclosed, counts as sent. A counter that cannot be named (a fact of it is unknown) is [0, infinity). The upper
bound is infinite unless fitting evidence says that nothing left by another way.

Example:
    >>> window_start(Measure(..., window_days=365), at)       # doctest: +SKIP
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta

from sqlalchemy import ColumnElement, Connection, or_, select

from governance.core.cell import Cell
from governance.core.conditions import EvidenceNeed
from governance.core.consent import ConsentAnswer, ConsentState
from governance.core.evidence import EvidenceItem
from governance.core.facts import Interval, Value
from governance.core.formula import DAY
from governance.core.rules import Measure, PolicySet
from governance.store.tables import ledger, parties
from governance.store.values import json_value

__all__ = ["COUNTING", "Counter", "LedgerReading", "counters_for", "people_in", "window_start"]

COUNTING = ("reserved", "sent")
"""States of a ledger row that count; ``released`` were never sent."""

_SIDES = {"exporter": "exporter", "exporter.id": "exporter", "recipient": "recipient", "recipient.id": "recipient"}
_GROUPS = {"exporter.group": "exporter", "recipient.group": "recipient"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Counter:
    """One measure on one leg, as it was counted for a decision.

    Attributes:
        leg: leg number, from 0.
        measure: measure key.
        others: canonical JSON of the ``per`` facts that do not name a party.
        exporter, exporter_group, recipient, recipient_group: register ids; None where unknown.
        same: which of exporter, exporter_group, recipient, recipient_group have to be the same.
        since: start of the window, inclusive.
        people: different people found.
    """

    leg: int
    measure: str
    others: str
    exporter: str | None
    exporter_group: str | None
    recipient: str | None
    recipient_group: str | None
    same: tuple[str, ...]
    since: datetime
    people: int = 0


def window_start(measure: Measure, at: datetime) -> datetime:
    """Return the first instant of a measure's window: a rolling number of days, or the calendar year in UTC."""
    if measure.window_days is not None:
        return at - timedelta(days=measure.window_days)
    return datetime(at.astimezone(UTC).year, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True, kw_only=True)
class LedgerReading:
    """What the ledger says about a request.

    Attributes:
        counted: for each leg, measure key to people already counted.
        counters: the counters that could be named.
        people: (leg number, measure key) to the marks of the people counted.
    """

    counted: tuple[dict[str, Interval], ...]
    counters: tuple[Counter, ...]
    people: dict[tuple[int, str], set[str]]


def counters_for(
    connection: Connection, policies: PolicySet, legs: Sequence[Mapping[str, Value]], items: Sequence[EvidenceItem],
    *, tenant: str, at: datetime,
) -> LedgerReading:
    """Count, for every leg and measure, the people already in the ledger.

    Args:
        connection: any connection.
        policies: their measures are counted.
        legs: each leg's facts together with the shared ones.
        items: verified evidence that may close an upper bound.
        tenant: whose ledger.
        at: instant of the decision.
    """
    counted: list[dict[str, Interval]] = [{} for _ in legs]
    counters: list[Counter] = []
    people: dict[tuple[int, str], set[str]] = {}
    for number, facts in enumerate(legs):
        for key, measure in sorted(policies.measures.items()):
            counter = _counter(number, measure, facts, at)
            if counter is None:
                counted[number][key] = Interval(0.0, math.inf)
                continue
            found = people_in(connection, counter, tenant)
            people[number, key] = found
            counters.append(replace(counter, people=len(found)))
            closed = measure.complete_by is not None and _attested(policies, measure.complete_by, facts, items, at)
            counted[number][key] = Interval(float(len(found)), float(len(found)) if closed else math.inf)
    return LedgerReading(counted=tuple(counted), counters=tuple(counters), people=people)


def people_in(connection: Connection, counter: Counter, tenant: str) -> set[str]:
    """Return the marks of the people whom a counter holds now."""
    statement = select(ledger.c.person).distinct().where(
        ledger.c.tenant == tenant, ledger.c.measure == counter.measure, ledger.c.others == counter.others,
        ledger.c.at >= counter.since, ledger.c.state.in_(COUNTING), *_same(counter, tenant),
    )  # fmt: skip
    return set(connection.scalars(statement))


def _same(counter: Counter, tenant: str) -> Iterator[ColumnElement[bool]]:
    for side in counter.same:
        value = getattr(counter, side)
        if not side.endswith("_group"):
            yield ledger.c[side] == value
            continue
        members = select(parties.c.id).where(parties.c.tenant == tenant, parties.c.group == value)
        party = ledger.c[side.removesuffix("_group")]
        yield or_(ledger.c[side] == value, party == value, party.in_(members))


def _counter(leg: int, measure: Measure, facts: Mapping[str, Value], at: datetime) -> Counter | None:
    """Name a measure's counter on a leg, or return None if a fact of the name is unknown."""
    same: list[str] = []
    others: dict[str, object] = {}
    for fact in measure.per:
        if fact in _SIDES or fact in _GROUPS:
            side = _SIDES.get(fact) or f"{_GROUPS[fact]}_group"
            if _text(facts, side) is None:
                return None
            same.append(side)
        elif fact in facts:
            others[fact] = json_value(facts[fact])
        else:
            return None
    return Counter(
        leg=leg, measure=measure.key, others=json.dumps(others, sort_keys=True, separators=(",", ":")),
        exporter=_text(facts, "exporter"), exporter_group=_text(facts, "exporter_group"),
        recipient=_text(facts, "recipient"), recipient_group=_text(facts, "recipient_group"),
        same=tuple(sorted(set(same))), since=window_start(measure, at),
    )  # fmt: skip


def _text(facts: Mapping[str, Value], side: str) -> str | None:
    party, grouped, _ = side.partition("_group")
    value = facts.get(f"{party}.group" if grouped else f"{party}.id")
    return value if isinstance(value, str) else None


def _attested(
    policies: PolicySet, paper: str, facts: Mapping[str, Value], items: Sequence[EvidenceItem], at: datetime
) -> bool:
    """Say whether fitting evidence closes a count: judged as the core judges evidence."""
    kind = policies.vocabulary.evidence.get(paper)
    if kind is None:
        return False
    cell = Cell({**facts, DAY: at.astimezone(UTC).date()}, ConsentAnswer(state=ConsentState.NOT_ASKED),
                {paper: [item for item in items if item.type == paper]}, policies.vocabulary)  # fmt: skip
    return cell.fits(EvidenceNeed(type=paper, outcomes=kind.outcomes))
