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
from governance.core.truth import Truth
from governance.store.tables import ledger, parties
from governance.store.values import json_value

__all__ = ["COUNTING", "Counter", "LedgerReading", "counters_for", "people_held", "window_start"]

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
    named: list[Counter] = []
    for number, facts in enumerate(legs):
        for key, measure in sorted(policies.measures.items()):
            counter = _counter(number, measure, facts, at)
            counted[number][key] = Interval(0.0, math.inf)
            if counter is not None:
                named.append(counter)
    held = people_held(connection, named, tenant)
    counters = tuple(replace(counter, people=len(people)) for counter, people in zip(named, held, strict=True))
    for counter in counters:
        paper = policies.measures[counter.measure].complete_by
        closed = paper is not None and _attested(policies, paper, legs[counter.leg], items, at)
        people = float(counter.people)
        counted[counter.leg][counter.measure] = Interval(people, people if closed else math.inf)
    found = {(counter.leg, counter.measure): people for counter, people in zip(counters, held, strict=True)}
    return LedgerReading(counted=tuple(counted), counters=counters, people=found)


def people_held(connection: Connection, counters: Sequence[Counter], tenant: str) -> list[set[str]]:
    """Return the marks of the people whom each counter holds now; counters that differ in the measure share a read."""
    shared: dict[Counter, list[int]] = {}
    for number, counter in enumerate(counters):
        shared.setdefault(replace(counter, leg=0, measure="", people=0), []).append(number)
    held: list[set[str]] = [set() for _ in counters]
    for counter, numbers in shared.items():
        by_measure: dict[str, list[int]] = {}
        for number in numbers:
            by_measure.setdefault(counters[number].measure, []).append(number)
        rows = connection.execute(
            select(ledger.c.measure, ledger.c.person).distinct().where(
                ledger.c.tenant == tenant, ledger.c.measure.in_(by_measure), ledger.c.others == counter.others,
                ledger.c.at >= counter.since, ledger.c.state.in_(COUNTING), *_same(counter, tenant),
            )
        )  # fmt: skip
        for measure, person in rows:
            for number in by_measure[measure]:
                held[number].add(person)
    return held


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
    return cell.fits(EvidenceNeed(type=paper, outcomes=kind.outcomes)) is Truth.TRUE
