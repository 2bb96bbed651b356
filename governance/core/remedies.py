"""Remedies: single changes that would turn a non-permit into a permit, each checked by deciding again.

A remedy is one document, one fact, one consent or one other profile. Never offered: splitting a request, undoing
what the patient refused or withdrew, or changing what the request is about (its purpose, data, people and places).
Trying is bounded; where the bound was reached, the last remedy says so.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta

from governance.core.cell import Cell, fact_text, key_of
from governance.core.conditions import ConsentTest, EvidenceNeed, FactTest, Operator
from governance.core.consent import Consent, ConsentState
from governance.core.decide import decide, permits
from governance.core.docket import Docket, Verdict
from governance.core.engine import Engine, engine_for
from governance.core.evidence import EvidenceItem, EvidenceState
from governance.core.facts import FactDefinition, FactType, Holder, Interval, Value
from governance.core.formula import Leaf, Node, Paper, Said, leaves_of
from governance.core.request import Facts, LegFacts, PartFacts, Question, SubjectClass
from governance.core.rules import PolicySet
from governance.core.ruling import Effect, Remedy, Ruling

__all__ = ["remedies"]

_CLOSED = frozenset({ConsentState.REFUSED, ConsentState.WITHDRAWN})
_GIVEN_AS_THEY_ARE = frozenset({
    "purpose", "origin", "destination", "storage.places", "access.places", "onward.places", "emergency",
    "subject.consent_state", "subject.residence", "data.categories", "exporter.id", "recipient.id", "dataset",
    "project", "data.form", "data.meets", "recipient.group", "exporter.group",
})  # fmt: skip
"""Facts that say what is asked, who asks and what the engine itself finds out: never "changed" as a remedy where
they are known."""
_CHANGEABLE = frozenset({Holder.EXPORTER, Holder.RECIPIENT, Holder.DATASET})
"""Whose facts can be changed in the world and then in the register."""
_SCOPED = {
    "exporter": "exporter.id", "recipient": "recipient.id", "dataset": "dataset", "project": "project",
    "exporter-group": "exporter.group", "recipient-group": "recipient.group", "purpose": "purpose",
    "destination": "destination", "categories": "data.categories",
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class _Change:
    """A change to try: the remedy, and the request as it would then be."""

    remedy: Remedy
    question: Question
    facts: Facts


def remedies(
    policies: PolicySet, question: Question, facts: Facts, at: datetime, *, cap: int = 64
) -> tuple[Remedy, ...]:
    """Find single changes that would make a request lawful.

    Args:
        policies: all policies in force.
        question: the caller's choices.
        facts: everything known about the request.
        at: instant of the decision, aware.
        cap: most changes tried; a change costs one decision.

    Returns:
        Remedies that were checked, sorted by kind and name; empty for a permit. Where changes were left untried a
        remedy of kind ``more`` says how many were tried.
    """
    ruling = decide(policies, question, facts, at)
    if ruling.effect is Effect.PERMIT:
        return ()
    facts = replace(facts, classes=_fewest(_hardest_first(policies, question, facts, at)))
    found: dict[tuple[str, str], Remedy] = {}
    tried = 0
    for change in _changes(policies, question, facts, at, ruling):
        key = (change.remedy.kind, change.remedy.what)
        if key in found:
            continue
        if tried >= cap:
            says = f"Only {cap} single changes were tried; there may be more that help."
            return (*_sorted(found), Remedy(kind="more", what=str(cap), says=says))
        tried += 1
        trial = change.facts
        if trial.classes is not facts.classes:
            trial = replace(trial, classes=_fewest(trial.classes))
        if permits(policies, change.question, trial, at):
            found[key] = change.remedy
    return _sorted(found)


def _hardest_first(
    policies: PolicySet, question: Question, facts: Facts, at: datetime
) -> tuple[SubjectClass, ...]:
    """Put the classes that are not permitted now in front: a change that does not help them is seen to fail at once."""
    tried = Docket(engine_for(policies), question, facts, at).attempt(policies.profiles[question.profiles[0]])
    hard = {number for (number, _, _), standing in tried.cells.items() if standing.verdict is not Verdict.PERMIT}
    numbers = sorted(range(len(facts.classes)), key=lambda number: number not in hard)
    return tuple(facts.classes[number] for number in numbers)


def _fewest(classes: tuple[SubjectClass, ...]) -> tuple[SubjectClass, ...]:
    """Join classes of whom everything is equal: one cell answers for all their people."""
    joined: dict[tuple[object, ...], SubjectClass] = {}
    for one in classes:
        key = (frozenset(one.facts.items()), one.consents)
        known = joined.get(key)
        joined[key] = one if known is None else _together(known, one)
    return classes if len(joined) == len(classes) else tuple(joined.values())


def _together(one: SubjectClass, other: SubjectClass) -> SubjectClass:
    before = {
        key: one.counted_before.get(key, 0) + other.counted_before.get(key, 0)
        for key in sorted({*one.counted_before, *other.counted_before})
    }  # fmt: skip
    return replace(one, size=one.size + other.size, members=one.members + other.members, counted_before=before)


def _sorted(found: Mapping[tuple[str, str], Remedy]) -> tuple[Remedy, ...]:
    return tuple(found[key] for key in sorted(found))


def _changes(
    policies: PolicySet, question: Question, facts: Facts, at: datetime, ruling: Ruling
) -> Iterator[_Change]:
    """Yield changes to try, the likelier to help first."""
    engine = engine_for(policies)
    docket = Docket(engine, question, facts, at)
    profile = policies.profiles[question.profiles[0]]
    cells = [cell for _, cell in docket.cells(profile, [leg.counted for leg in facts.legs])]
    nodes = _formulas(docket, cells)
    yield from _papers(nodes, engine, cells, question, facts)
    yield from _missing(nodes, engine, question, facts, ruling)
    yield from _consents(nodes, docket, cells, question, facts)
    yield from _profiles(policies, question, facts)
    yield from _facts(nodes, engine, question, facts)


def _formulas(docket: Docket, cells: Iterable[Cell]) -> list[Node]:
    """Return the formulas of all regimes that may govern."""
    entries = dict.fromkeys(entry for cell in cells for entry in docket.regimes(cell))
    return [node for entry in entries for node in entry.compiled.formulas.each()]


# --- evidence ---------------------------------------------------------------------------------------------------


def _papers(
    nodes: Iterable[Node], engine: Engine, cells: list[Cell], question: Question, facts: Facts
) -> Iterator[_Change]:
    needs = {leaf.need: None for node in nodes for leaf in leaves_of(node) if isinstance(leaf, Paper)}
    for need in sorted(needs, key=_need_order):
        item = _paper(need, engine, cells)
        if item is None:
            continue
        outcome = f" with the outcome {item.outcome}" if item.outcome else ""
        remedy = Remedy(
            kind="evidence", what=need.type,
            says=f"Put on file, verified, the evidence {need.type}{outcome}, fitting this request.",
        )  # fmt: skip
        yield _Change(remedy, question, replace(facts, evidence=(*facts.evidence, item)))


def _need_order(need: EvidenceNeed) -> tuple[str, list[str], list[tuple[str, list[str]]], int, int]:
    properties = sorted((name, sorted(wanted)) for name, wanted in need.properties)
    return (need.type, sorted(need.outcomes), properties, need.max_age_days or -1, need.min_age_days or -1)


def _paper(need: EvidenceNeed, engine: Engine, cells: list[Cell]) -> EvidenceItem | None:
    """Make the document that would fit, or None if none can (an unknown fact or a scope never stated)."""
    kind = engine.vocabulary.evidence.get(need.type)
    if kind is None or not need.outcomes or need.type == "review-finding":
        return None
    scope: dict[str, frozenset[str]] = {}
    for key in kind.match:
        values: set[str] = set()
        for cell in cells:
            given = cell.get(_SCOPED.get(key, ""))
            values |= given if isinstance(given, frozenset) else {given} if isinstance(given, str) else set()
        if not values:
            return None
        scope[key] = frozenset(values)
    day = cells[0].facts["@day"]
    assert isinstance(day, date)
    youngest = max((d for d in (need.min_age_days, kind.min_age_days) if d is not None), default=0)
    issued = day - timedelta(days=youngest)
    return EvidenceItem(
        id="remedy", type=need.type, state=EvidenceState.VERIFIED, scope=scope, issued_on=issued, valid_from=issued,
        outcome=min(need.outcomes), properties={name: min(wanted) for name, wanted in need.properties if wanted},
    )  # fmt: skip


# --- facts ------------------------------------------------------------------------------------------------------


def _tests(nodes: Iterable[Node]) -> dict[str, list[FactTest]]:
    tests: dict[str, dict[FactTest, None]] = {}
    for node in nodes:
        for leaf in leaves_of(node):
            if isinstance(leaf, Leaf) and isinstance(leaf.atom, FactTest):
                tests.setdefault(key_of(leaf.atom), {})[leaf.atom] = None
    return {key: list(found) for key, found in sorted(tests.items())}


def _missing(
    nodes: Iterable[Node], engine: Engine, question: Question, facts: Facts, ruling: Ruling
) -> Iterator[_Change]:
    """Yield each missing fact, set to a value that rules test."""
    tests = _tests(nodes)
    for key in ruling.missing:
        definition = engine.vocabulary.facts.get(key.partition("[")[0])
        for value in _values(tests.get(key, []), definition):
            remedy = Remedy(kind="fact", what=key, says=f"Establish {key}; {fact_text(value)} would do.")
            yield _Change(remedy, question, _set(facts, key, value, definition, only_missing=True))


def _facts(nodes: Iterable[Node], engine: Engine, question: Question, facts: Facts) -> Iterator[_Change]:
    """Yield changes of what the register says of exporter, recipient and data set."""
    for key, tests in _tests(nodes).items():
        definition = engine.vocabulary.facts.get(key.partition("[")[0])
        if definition is None or key in _GIVEN_AS_THEY_ARE or definition.of not in _CHANGEABLE:
            continue
        for value in _values(tests, definition):
            changed = _set(facts, key, value, definition, only_missing=False)
            if changed != facts:
                says = f"With {key} being {fact_text(value)}, and registered so, the request would be lawful."
                yield _Change(Remedy(kind="fact", what=key, says=says), question, changed)


def _values(tests: Iterable[FactTest], definition: FactDefinition | None) -> list[Value]:
    """Return values that would settle the tests of a fact, in a fixed order."""
    several = definition is not None and definition.type in (FactType.TERMS, FactType.PLACES)
    values: dict[Value, None] = {}
    for test in tests:
        match test.operator:
            case Operator.IN | Operator.ONLY:
                for term in sorted(test.terms):
                    values[frozenset({term}) if several else term] = None
            case Operator.IS:
                values[test.flag] = None
                values[not test.flag] = None
            case Operator.BEFORE | Operator.FROM:
                values[test.day] = None
                if test.day > date.min:
                    values[test.day - timedelta(days=1)] = None
            case _:
                for number in (test.number, test.number - 1, test.number + 1):
                    values[Interval(number, number)] = None
    if several:
        values[frozenset()] = None
    return sorted(values, key=lambda v: (type(v).__name__, fact_text(v)))


def _set(facts: Facts, key: str, value: Value, definition: FactDefinition | None, *, only_missing: bool) -> Facts:
    """Set a fact where it belongs (where it is missing, or everywhere)."""
    holder = definition.of if definition else Holder.REQUEST

    def changed(held: Mapping[str, Value]) -> Mapping[str, Value]:
        if key in held:
            if only_missing:
                return held
            old = held[key]
            grown = old | value if isinstance(old, frozenset) and isinstance(value, frozenset) else value
            return {**held, key: grown}
        return {**held, key: value}

    if holder in (Holder.LEG, Holder.RECIPIENT):
        legs = tuple(LegFacts(facts=changed(leg.facts), counted=leg.counted) for leg in facts.legs)
        return replace(facts, legs=legs)
    if holder is Holder.PART:
        return replace(facts, parts=tuple(PartFacts(id=p.id, facts=changed(p.facts)) for p in facts.parts))
    if holder is Holder.SUBJECT:
        return replace(facts, classes=tuple(replace(c, facts=changed(c.facts)) for c in facts.classes))
    return replace(facts, shared=changed(facts.shared))


# --- consent and profile ----------------------------------------------------------------------------------------


def _consents(
    nodes: Iterable[Node], docket: Docket, cells: list[Cell], question: Question, facts: Facts
) -> Iterator[_Change]:
    """Yield each consent that a rule asks for; none where anybody has refused or withdrawn."""
    if any(cell.answer.state in _CLOSED for cell in cells):
        return
    tests = {leaf.test: None for node in nodes for leaf in leaves_of(node) if isinstance(leaf, Said)}
    for test in sorted(tests, key=_consent_words):
        consent = _consent(test, docket.at)
        classes = tuple(_consenting(people, consent) for people in facts.classes)
        says = f"The patient's consent ({_consent_words(test)}) would make it lawful; ask for it."
        remedy = Remedy(kind="consent", what=_consent_words(test), says=says)
        yield _Change(remedy, question, replace(facts, classes=classes))


def _consenting(people: SubjectClass, consent: Consent) -> SubjectClass:
    return replace(people, consents=(consent,))


def _consent(test: ConsentTest, at: datetime) -> Consent:
    return Consent(
        id="remedy", effective=at - timedelta(days=1), recorded=at - timedelta(days=1), base=True, to=test.to,
        forms=test.form, told=test.told, by=min(test.by, default="subject"),
    )  # fmt: skip


def _consent_words(test: ConsentTest) -> str:
    told = {"to": test.to, "form": test.form, "told": test.told, "by": test.by}
    return "; ".join(f"{name}: {', '.join(sorted(words))}" for name, words in told.items() if words) or "any"


def _profiles(policies: PolicySet, question: Question, facts: Facts) -> Iterator[_Change]:
    for profile in sorted(set(policies.profiles) - set(question.profiles)):
        remedy = Remedy(kind="profile", what=profile, says=f"Accept the data in the profile {profile}.")
        yield _Change(remedy, replace(question, profiles=(profile,)), facts)
