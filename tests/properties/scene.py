"""Random facts, and conditions that have a wanted truth on them."""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from datetime import UTC, date, datetime, timedelta
from typing import TypeVar

from governance.core.conditions import (
    AllOf,
    AnyOf,
    Condition,
    ConsentTest,
    Constant,
    EvidenceNeed,
    EvidenceTest,
    FactTest,
    Not,
    Operator,
    Row,
    TableTest,
    Timespan,
)
from governance.core.evidence import EvidenceItem, EvidenceState
from governance.core.facts import FactType, Interval, Value
from governance.core.truth import Truth, negate
from tests.properties.vocabulary import (
    CATEGORIES,
    COUNT,
    EVIDENCE,
    IDS,
    NEVER_GIVEN,
    PLACES,
    TERM,
    TERMS,
    VOCABULARY,
    YES_NO,
)
from tests.properties.vocabulary import DAY as DAYS
from tests.properties.vocabulary import NUMBER as NUMBERS
from tests.properties.vocabulary import PLACE as PLACE_FACTS
from tests.properties.vocabulary import PLACE_SETS as SETS

AT = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)
TODAY = AT.date()
F, U, H, T = Truth.FALSE, Truth.UNKNOWN, Truth.HUMAN, Truth.TRUE
Item = TypeVar("Item")


class Dice:
    """A random source with the few throws that worlds need (Hypothesis's or the standard one)."""

    def __init__(self, source: random.Random) -> None:
        self.source = source

    def chance(self, probability: float) -> bool:
        return self.source.random() < probability

    def one(self, choices: Sequence[Item]) -> Item:
        return choices[int(self.source.random() * len(choices)) % len(choices)]

    def some(self, choices: Sequence[Item], probability: float) -> list[Item]:
        return [c for c in choices if self.chance(probability)]

    def number(self, low: int, high: int) -> int:
        return low + int(self.source.random() * (high - low + 1)) % (high - low + 1)

    def weighted(self, choices: Mapping[Item, float]) -> Item:
        throw = self.source.random() * sum(choices.values())
        for choice, weight in choices.items():
            throw -= weight
            if throw < 0:
                return choice
        return next(reversed(list(choices)))


# --- facts -------------------------------------------------------------------------------------------------------


def random_value(dice: Dice, name: str) -> Value:
    """Draw a value for a fact; sometimes broader than a leaf, sometimes an interval."""
    if name in YES_NO:
        return dice.chance(0.5)
    if name in TERM:
        return dice.one(TERM[name][2])
    if name in TERMS:
        return frozenset(dice.some(TERMS[name][2], 0.45))
    if name == "origin":
        return dice.weighted({"DE": 8, "FR": 1, "US": 1, "EEA": 0.3, "DE-BY": 1})
    if name in PLACE_FACTS:
        return dice.weighted({"DE": 4, "FR": 2, "US": 4, "IN": 1, "EEA": 0.7, "US-CA": 0.7})
    if name in SETS:
        return frozenset(dice.some(("DE", "US", "FR", "EEA"), 0.25) or ["DE"])
    if name in NUMBERS or name == COUNT:
        low = dice.number(0, 60)
        return Interval(low, low if dice.chance(0.7) else low + dice.number(1, 30))
    if name in DAYS:
        return TODAY + timedelta(days=dice.number(-30, 30))
    return f"{name}-{dice.number(1, 2)}"


def random_facts(dice: Dice, names: Sequence[str], unknown: float) -> dict[str, Value]:
    return {n: random_value(dice, n) for n in names if n != NEVER_GIVEN and not dice.chance(unknown)}


# --- conditions with a wanted truth ------------------------------------------------------------------------------


class Scene:
    """The cell that rules are written about: conditions have their wanted truth in it (elsewhere whatever)."""

    def __init__(self, dice: Dice, facts: Mapping[str, Value]) -> None:
        self.dice = dice
        self.facts = facts
        self.evidence: list[EvidenceItem] = []
        self.tables = 0

    def leaf(self, wanted: Truth) -> Condition:
        """Return a test that has the wanted truth in this scene."""
        dice = self.dice
        if wanted is H:
            return self.table(H) if dice.chance(0.7) else Constant(value=H)
        if dice.chance(0.12):
            return self.table(wanted)
        if wanted in (T, F) and dice.chance(0.1):
            return EvidenceTest(need=self.need(wanted))
        if wanted is U and dice.chance(0.1):
            return EvidenceTest(need=self.need(U))
        if wanted is F and dice.chance(0.1):
            return ConsentTest(to=frozenset(dice.some(("transfer", "onward"), 0.5)))
        names = [n for n in VOCABULARY.facts if n not in IDS and n != "count"]
        if COUNT in self.facts and dice.chance(0.25):
            names = [COUNT]
        for _ in range(12):
            test = self.fact_test(dice.one(names))
            if self.answers(test) is wanted:
                return test
        if wanted is U:
            return FactTest(fact=NEVER_GIVEN, operator=Operator.IS, flag=dice.chance(0.5))
        return Constant(value=wanted)

    def fact_test(self, name: str) -> FactTest:
        """Return some test of a fact."""
        dice = self.dice
        if name == COUNT:
            # Only ever "too many": a count is what was counted before, then what it will be (semantics, section 7).
            return FactTest(fact=COUNT, operator=Operator.ABOVE, number=float(dice.number(10, 90)))
        definition = VOCABULARY.facts[name]
        kind, no = definition.type, definition.absent_no
        if kind is FactType.YES_NO:
            return FactTest(fact=name, operator=Operator.IS, flag=dice.chance(0.5), absent_no=no)
        if kind is FactType.NUMBER:
            operator = dice.one((Operator.ABOVE, Operator.AT_LEAST, Operator.BELOW, Operator.AT_MOST))
            return FactTest(fact=name, operator=operator, number=float(dice.number(0, 80)), absent_no=no)
        if kind is FactType.DATE:
            operator = dice.one((Operator.BEFORE, Operator.FROM))
            return FactTest(fact=name, operator=operator, day=TODAY + timedelta(days=dice.number(-30, 30)))
        many = kind in (FactType.TERMS, FactType.PLACES)
        operator = Operator.ONLY if many and dice.chance(0.4) else Operator.IN
        terms = frozenset(dice.some(self.terms_of(name), 0.4) or [dice.one(self.terms_of(name))])
        return FactTest(fact=name, operator=operator, taxonomy=definition.taxonomy, terms=terms, absent_no=no)

    def terms_of(self, name: str) -> tuple[str, ...]:
        if name in PLACE_FACTS or name in SETS:
            return (*PLACES, "US-CA")
        if name in TERM:
            return TERM[name][2]
        return TERMS[name][2] if name in TERMS else (f"{name}-1", f"{name}-2")

    def answers(self, test: FactTest) -> Truth:
        """Answer roughly (steering only; neither evaluator uses it)."""
        value = self.facts.get(test.fact)
        if value is None:
            return F if test.absent_no else U
        if isinstance(value, bool):
            return T if value == test.flag else F
        if isinstance(value, Interval):
            return self.interval(test, value)
        if isinstance(value, date):
            return T if (value < test.day) == (test.operator is Operator.BEFORE) else F
        values = value if isinstance(value, frozenset) else frozenset({value})
        tree = VOCABULARY.taxonomies.get(test.taxonomy or "")
        found = [max((tree.relation(v, t) if tree else (T if v == t else F)) for t in test.terms) for v in values]
        if test.operator is Operator.ONLY:
            return min(found) if found else U
        return max(found, default=F)

    def interval(self, test: FactTest, value: Interval) -> Truth:
        n = test.number
        sure, excluded = {
            Operator.ABOVE: (value.low > n, value.high <= n),
            Operator.AT_LEAST: (value.low >= n, value.high < n),
            Operator.BELOW: (value.high < n, value.low >= n),
        }.get(test.operator, (value.high <= n, value.low > n))
        return T if sure else F if excluded else U

    def table(self, wanted: Truth) -> Condition:
        dice = self.dice
        name, taxonomy = dice.one((("destination", "place"), ("origin", "place"), ("data.categories", "category")))
        value = self.facts.get(name)
        given = sorted(value)[:1] if isinstance(value, frozenset) else [value] if isinstance(value, str) else []
        if not given and wanted is not U:
            return Constant(value=wanted)
        self.tables += 1
        stem = f"p0/tables/t{self.tables}"
        noise = tuple(self.row(f"{stem}/n{i}", frozenset({dice.one(self.terms_of(name))}), F) for i in range(dice.number(0, 1)))
        row = self.row(f"{stem}/row", frozenset(given or ["DE"]), wanted)
        rows = (*noise, row)
        return TableTest(fact=name, taxonomy=taxonomy, table=stem, rows=rows)

    def row(self, name: str, terms: frozenset[str], wanted: Truth) -> Row:
        """Return a row that, its relation being true, has the wanted truth."""
        dice = self.dice
        existence, span, when, unless = T, Timespan(), Constant(value=T), Constant(value=F)
        if wanted is H:
            existence = H
        elif wanted is U:
            if dice.chance(0.5):
                span = uncertain_span(dice)
            else:
                when = self.simple(U)  # type: ignore[assignment]
        elif wanted is F:
            throw = dice.number(0, 3)
            existence = F if throw == 0 else T
            span = closed_span(dice) if throw == 1 else span
            when = self.simple(F) if throw == 2 else when  # type: ignore[assignment]
            unless = self.simple(T) if throw == 3 else unless  # type: ignore[assignment]
        elif dice.chance(0.3):
            span = open_span(dice)
        return Row(
            id=name, terms=terms, cite="row", span=span, existence=existence, when=when, unless=unless,
            confident=not dice.chance(0.1),
        )  # fmt: skip

    def simple(self, wanted: Truth) -> Condition:
        for _ in range(8):
            test = self.fact_test(self.dice.one([n for n in VOCABULARY.facts if n not in IDS and n != "count"]))
            if self.answers(test) is wanted:
                return test
        return Constant(value=wanted)

    def condition(self, wanted: Truth, depth: int = 2) -> Condition:
        """Return a tree with the wanted truth in this scene."""
        dice = self.dice
        if depth == 0 or dice.chance(0.6):
            return self.leaf(wanted)
        throw = dice.number(0, 2)
        if throw == 0:
            return Not(member=self.condition(negate(wanted), depth - 1))
        other = dice.one([t for t in Truth if (t >= wanted if throw == 1 else t <= wanted)])
        members = [self.condition(wanted, depth - 1), self.condition(other, depth - 1)]
        if dice.chance(0.5):
            members.reverse()
        return AllOf(members=tuple(members)) if throw == 1 else AnyOf(members=tuple(members))

    # --- evidence --------------------------------------------------------------------------------------------

    def need(self, wanted: Truth) -> EvidenceNeed:
        """Return a need that is met (an item is put on file), or is not, or would be met but for a fact."""
        dice = self.dice
        kind = dice.one(("contract", "approval", "certificate", "group-terms", "sized", "order"))
        need = EvidenceNeed(
            type=kind, outcomes=frozenset({"granted"}),
            properties=(("body", frozenset({"board"})),) if dice.chance(0.2) else (),
            max_age_days=dice.number(50, 300) if dice.chance(0.3) else None,
            min_age_days=dice.number(1, 30) if dice.chance(0.2) else None,
        )  # fmt: skip
        on_file = any(e.type == kind and e.state is EvidenceState.VERIFIED for e in self.evidence)
        if on_file and dice.chance(0.5):
            return need
        if wanted is T and kind != "sized":
            self.evidence.append(self.item(kind, fits=True))
        elif wanted is U and kind != "sized":
            self.evidence.append(self.item(kind, fits=True, facts={}))
        elif dice.chance(0.5):
            self.evidence.append(self.item(kind, fits=False))
        return need

    def item(self, kind: str, *, fits: bool, facts: Mapping[str, Value] | None = None) -> EvidenceItem:
        dice = self.dice
        scope = self.scope(kind, self.facts if facts is None else facts)
        flaw = dice.number(0, 5) if not fits else 9
        if flaw == 5:
            scope = {k: v for i, (k, v) in enumerate(scope.items()) if i}
        states = (EvidenceState.SUBMITTED, EvidenceState.REVOKED)
        return EvidenceItem(
            id=f"e{len(self.evidence)}", type=kind,
            state=dice.one(states) if flaw == 0 else EvidenceState.VERIFIED,
            scope=scope,
            issued_on=TODAY - timedelta(days=800 if flaw == 1 else 40),
            valid_from=TODAY + timedelta(days=1) if flaw == 2 else TODAY - timedelta(days=40),
            valid_until=TODAY - timedelta(days=1) if flaw == 3 else dice.one((None, TODAY, TODAY + timedelta(days=9))),
            outcome=dice.one((None, "refused")) if flaw == 4 else "granted",
            properties={"body": "board"},
        )  # fmt: skip

    def scope(self, kind: str, facts: Mapping[str, Value]) -> dict[str, frozenset[str]]:
        dice = self.dice
        reads = {
            "exporter": "exporter.id", "recipient": "recipient.id", "exporter-group": "exporter.group",
            "recipient-group": "recipient.group", "categories": "data.categories",
        }  # fmt: skip
        found = {}
        for key in EVIDENCE[kind]:
            value = facts.get(reads.get(key, key))
            if value is None:
                name = reads.get(key, key)
                fallback = random_value(dice, name) if name in VOCABULARY.facts else "big"
                value = fallback
            covers = value if isinstance(value, frozenset) else frozenset({str(value)})
            if key == "categories" and dice.chance(0.3):
                covers = frozenset(dice.some(tuple(CATEGORIES), 0.6))
            found[key] = covers
        return found

    def finding(self, rule: str) -> EvidenceItem:
        """Return a finding of a review that names a rule, fitting this data set."""
        return EvidenceItem(
            id=f"finding-{rule}", type="review-finding", state=EvidenceState.VERIFIED,
            scope={"dataset": frozenset({str(self.facts.get("dataset", "dataset-1"))})},
            issued_on=TODAY, valid_from=TODAY, outcome="lawful", properties={"rule": rule},
        )  # fmt: skip


def uncertain_span(dice: Dice) -> Timespan:
    if dice.chance(0.5):
        return Timespan(from_earliest=TODAY - timedelta(days=1), from_latest=TODAY + timedelta(days=2))
    return Timespan(until_earliest=TODAY - timedelta(days=1), until_latest=TODAY + timedelta(days=2))


def closed_span(dice: Dice) -> Timespan:
    day = TODAY + timedelta(days=3)
    if dice.chance(0.5):
        return Timespan(from_earliest=day, from_latest=day)
    day = TODAY - timedelta(days=3)
    return Timespan(until_earliest=day, until_latest=day)


def open_span(dice: Dice) -> Timespan:
    start = TODAY - timedelta(days=dice.number(0, 9))
    end = TODAY + timedelta(days=dice.number(0, 9))
    return Timespan(from_earliest=start, from_latest=start, until_earliest=end, until_latest=end)
