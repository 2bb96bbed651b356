"""Truths with the facts that left them undecided, and conditions answered one leaf at a time.

Everything here is written from docs/semantics.md, sections 2 and 3, and shares nothing with the engine but its
dataclasses. Nothing is cached, nothing stops early. Every negation is carried down to the leaves (`negated`).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import date
from typing import NamedTuple

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
)
from governance.core.consent import ConsentAnswer, ConsentState
from governance.core.evidence import EvidenceItem, EvidenceState
from governance.core.facts import Interval, Value, Vocabulary
from governance.core.truth import Truth, negate, truth

F, U, H, T = Truth.FALSE, Truth.UNKNOWN, Truth.HUMAN, Truth.TRUE
CONSENT_FACT = "subject.consent_state"


class Answer(NamedTuple):
    """A truth, and the facts whose absence (or breadth) left it undecided."""

    value: Truth
    missing: frozenset[str] = frozenset()


TRUE, HUMAN, UNKNOWN, FALSE = Answer(T), Answer(H), Answer(U), Answer(F)


def undecided(answer: Answer) -> bool:
    return answer.value in (U, H)


def _named(value: Truth, answers: list[Answer]) -> Answer:
    if value in (F, T):
        return Answer(value)
    return Answer(value, frozenset().union(*(a.missing for a in answers if undecided(a))))


def every(answers: Iterable[Answer]) -> Answer:
    members = list(answers)
    return _named(min([a.value for a in members], default=T), members)


def some(answers: Iterable[Answer]) -> Answer:
    members = list(answers)
    return _named(max([a.value for a in members], default=F), members)


def both(*answers: Answer) -> Answer:
    return every(answers)


def either(*answers: Answer) -> Answer:
    return some(answers)


def lifted(answer: Answer) -> Answer:
    """Human instead of false."""
    return HUMAN if answer.value is F else answer


@dataclass(frozen=True, slots=True, kw_only=True)
class Cell:
    """Everything one evaluation looks at: one class, part, leg and profile on one day."""

    facts: Mapping[str, Value]
    evidence: tuple[EvidenceItem, ...]
    consent: ConsentAnswer
    day: date
    vocabulary: Vocabulary
    cannot: frozenset[str] = frozenset()
    all_confident: bool = False
    """Pretend that every rule and row is known well enough (to tell unverified law from judgement)."""
    kept: bool = False
    """A refusal stands: only grounds marked ``despite_refusal`` are candidates."""
    marks: dict[str, Truth] = field(default_factory=dict)


# --- leaves ------------------------------------------------------------------------------------------------------


def relation(cell: Cell, taxonomy: str | None, given: str, term: str) -> Truth:
    if taxonomy is None:
        return truth(given == term)
    return cell.vocabulary.taxonomies[taxonomy].relation(given, term)


def best_relation(cell: Cell, taxonomy: str | None, given: str, terms: Iterable[str]) -> Truth:
    return max((relation(cell, taxonomy, given, term) for term in terms), default=F)


def in_terms(cell: Cell, taxonomy: str | None, value: Value, terms: Iterable[str]) -> Truth:
    rule_terms = list(terms)
    given = list(value) if isinstance(value, frozenset) else [str(value)]
    return max((best_relation(cell, taxonomy, one, rule_terms) for one in given), default=F)


def only_terms(cell: Cell, taxonomy: str | None, value: Value, terms: Iterable[str]) -> Truth:
    if not isinstance(value, frozenset):
        return in_terms(cell, taxonomy, value, terms)
    if not value:
        return U
    rule_terms = list(terms)
    return min(best_relation(cell, taxonomy, one, rule_terms) for one in value)


def _between(*, sure: bool, excluded: bool) -> Truth:
    if sure:
        return T
    return F if excluded else U


def number_test(operator: Operator, given: Interval, n: float) -> Truth:
    if operator is Operator.ABOVE:
        return _between(sure=given.low > n, excluded=given.high <= n)
    if operator is Operator.AT_LEAST:
        return _between(sure=given.low >= n, excluded=given.high < n)
    if operator is Operator.BELOW:
        return _between(sure=given.high < n, excluded=given.low >= n)
    return _between(sure=given.high <= n, excluded=given.low > n)


def fact_test(cell: Cell, test: FactTest) -> Truth:
    value = cell.facts.get(test.fact)
    if value is None:
        return F if test.absent_no else U
    match test.operator:
        case Operator.IN:
            return in_terms(cell, test.taxonomy, value, test.terms)
        case Operator.ONLY:
            return only_terms(cell, test.taxonomy, value, test.terms)
        case Operator.IS:
            return truth(value == test.flag)
        case Operator.BEFORE:
            return truth(isinstance(value, date) and value < test.day)
        case Operator.FROM:
            return truth(isinstance(value, date) and value >= test.day)
        case _:
            assert isinstance(value, Interval)
            return number_test(test.operator, value, test.number)


def consent_test(cell: Cell, test: ConsentTest) -> Truth:
    answer = cell.consent
    if answer.state is ConsentState.UNCLEAR:
        return U
    if answer.state is ConsentState.REVIEW:
        return H
    if answer.state is not ConsentState.GIVEN:
        return F
    covered = test.to <= answer.to and test.told <= answer.told
    form = not test.form or bool(test.form & answer.forms)
    by = not test.by or answer.by in test.by
    return truth(covered and form and by)


# --- evidence ----------------------------------------------------------------------------------------------------


def scope_fits(cell: Cell, item: EvidenceItem, key: str) -> Answer:
    """Answer one match key of the item's type."""
    plain = {
        "exporter": "exporter.id", "recipient": "recipient.id", "dataset": "dataset", "project": "project",
        "exporter-group": "exporter.group", "recipient-group": "recipient.group",
    }  # fmt: skip
    tree = {"purpose": "purpose", "destination": "destination", "categories": "data.categories"}
    covers = item.scope.get(key)
    if covers is None or (key not in plain and key not in tree):
        return FALSE
    fact = plain.get(key) or tree[key]
    given = cell.facts.get(fact)
    if given is None:
        return Answer(U, frozenset({fact}))
    if key in plain:
        return Answer(truth(given in covers))
    taxonomy = {"purpose": "purpose", "destination": "place"}.get(key)
    if key == "categories":
        taxonomy = cell.vocabulary.facts[fact].taxonomy
    values = given if isinstance(given, frozenset) else {str(given)}
    fits = min((best_relation(cell, taxonomy, one, covers) for one in values), default=T)
    return Answer(fits, frozenset({fact}) if fits is U else frozenset())


def item_fits(cell: Cell, item: EvidenceItem, need: EvidenceNeed) -> Answer:
    kind = cell.vocabulary.evidence.get(need.type)
    if kind is None:
        return FALSE
    age = (cell.day - item.issued_on).days
    oldest = [d for d in (need.max_age_days, kind.max_age_days) if d is not None]
    youngest = [d for d in (need.min_age_days, kind.min_age_days) if d is not None]
    tests = [
        item.state is EvidenceState.VERIFIED,
        item.valid_from <= cell.day,
        item.valid_until is None or cell.day <= item.valid_until,
        item.outcome is not None and item.outcome in need.outcomes,
        all(item.properties.get(name) in allowed for name, allowed in need.properties),
        all(age <= days for days in oldest),
        all(age >= days for days in youngest),
    ]
    return every(scope_fits(cell, item, key) for key in kind.match) if all(tests) else FALSE


def need_met(cell: Cell, need: EvidenceNeed) -> Answer:
    return some(item_fits(cell, item, need) for item in cell.evidence if item.type == need.type)


def found_lawful(cell: Cell, rule_id: str) -> bool:
    """Say whether a valid finding of a review names the rule."""
    need = EvidenceNeed(
        type="review-finding", outcomes=frozenset({"lawful"}), properties=(("rule", frozenset({rule_id})),)
    )
    return need_met(cell, need).value is T


# --- conditions --------------------------------------------------------------------------------------------------


def turned(answer: Answer, *, negated: bool) -> Answer:
    """Negate a leaf; its missing facts stay."""
    return Answer(negate(answer.value), answer.missing) if negated else answer


def opposite_leaf(answer: Answer) -> Answer:
    return turned(answer, negated=True)


def conjunction(answers: Iterable[Answer], *, negated: bool) -> Answer:
    """Join members already carried into the negation: `and` becomes `or`."""
    return some(answers) if negated else every(answers)


def disjunction(answers: Iterable[Answer], *, negated: bool) -> Answer:
    return every(answers) if negated else some(answers)


def capped(answer: Answer, *, negated: bool) -> Answer:
    """Human at most; under a negation human at least."""
    return either(answer, HUMAN) if negated else both(answer, HUMAN)


def row_answer(cell: Cell, test: TableTest, row: Row, *, negated: bool, helps: bool) -> Answer:
    value = cell.facts.get(test.fact)
    if value is None:
        related = FALSE if test.absent_no else Answer(U, frozenset({test.fact}))
    else:
        related = Answer(in_terms(cell, test.taxonomy, value, row.terms))
        if related.value is U:
            related = Answer(U, frozenset({test.fact}))
    answer = conjunction(
        [
            turned(Answer(row.existence), negated=negated),
            turned(Answer(row.span.holds(cell.day)), negated=negated),
            turned(related, negated=negated),
            condition(cell, row.when, negated=negated, helps=helps),
            condition(cell, row.unless, negated=not negated, helps=not helps),
        ],
        negated=negated,
    )
    if helps and not row.confident and not cell.all_confident:
        answer = capped(answer, negated=negated)
    return answer


def condition(cell: Cell, asked: Condition, *, negated: bool = False, helps: bool) -> Answer:
    """Answer a condition, or its negation with every `not` pushed to the leaves.

    `helps` is the polarity of the condition itself (semantics, section 3), before `negated` is applied.
    """
    match asked:
        case Constant():
            return turned(Answer(asked.value), negated=negated)
        case FactTest():
            value = fact_test(cell, asked)
            missing = frozenset({asked.fact}) if value is U else frozenset()
            return turned(Answer(value, missing), negated=negated)
        case TableTest():
            rows = [row_answer(cell, asked, row, negated=negated, helps=helps) for row in asked.rows]
            return disjunction(rows, negated=negated)
        case EvidenceTest():
            return turned(need_met(cell, asked.need), negated=negated)
        case ConsentTest():
            value = consent_test(cell, asked)
            missing = frozenset({CONSENT_FACT}) if value is U else frozenset()
            return turned(Answer(value, missing), negated=negated)
        case AllOf():
            members = [condition(cell, m, negated=negated, helps=helps) for m in asked.members]
            return conjunction(members, negated=negated)
        case AnyOf():
            members = [condition(cell, m, negated=negated, helps=helps) for m in asked.members]
            return disjunction(members, negated=negated)
        case Not():
            return condition(cell, asked.member, negated=not negated, helps=not helps)
