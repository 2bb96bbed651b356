"""A cell: one subject class x one part x one leg under one profile, and the questions put to it.

Everything that a formula may ask is answered here: facts (`judge`), evidence (`fits`) and consent (`said`),
exactly as docs/semantics.md sections 1, 2 and 5 say. A value of the wrong type answers unknown.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import date
from typing import Any, assert_never

from governance.core.conditions import ConsentTest, EvidenceNeed, FactTest, Operator
from governance.core.consent import ConsentAnswer, ConsentContext, ConsentState
from governance.core.evidence import EvidenceItem, EvidenceState
from governance.core.facts import EvidenceType, Interval, Taxonomy, Value, Vocabulary
from governance.core.formula import DAY, Atom, InForce, Outside
from governance.core.truth import Truth, truth

__all__ = ["PLACES", "Cell", "consent_context", "fact_text", "judge", "key_of", "related"]

PLACES = ("destination", "storage.places", "access.places", "onward.places")
"""Facts of a leg that name where data go."""

_FALSE, _UNKNOWN, _TRUE = Truth.FALSE, Truth.UNKNOWN, Truth.TRUE
_COMPARED = {
    "exporter": "exporter.id", "recipient": "recipient.id", "dataset": "dataset", "project": "project",
    "exporter-group": "exporter.group", "recipient-group": "recipient.group",
}  # fmt: skip
_WITHIN = {"purpose": "purpose", "destination": "destination", "categories": "data.categories"}


def key_of(atom: Atom) -> str:
    """Return the key of the fact that an atom reads."""
    return DAY if isinstance(atom, InForce) else atom.fact


def related(given: str, terms: frozenset[str], taxonomy: Taxonomy | None) -> Truth:
    """Compare a given term with a rule's terms: the best of at or below, broader, beside."""
    if given in terms:
        return _TRUE
    if taxonomy is None:
        return _FALSE
    best = _FALSE
    for term in terms:
        relation = taxonomy.relation(given, term)
        if relation is _TRUE:
            return _TRUE
        best = max(best, relation)
    return best


def judge(atom: Atom, given: Value | None, vocabulary: Vocabulary) -> Truth:
    """Answer one question to one fact's value (None: missing)."""
    match atom:
        case InForce():
            assert isinstance(given, date)
            return atom.span.holds(given)
        case Outside():
            return _outside(given, atom.territory, vocabulary.taxonomies["place"])
        case FactTest():
            if given is None:
                return _FALSE if atom.absent_no else _UNKNOWN
            return _test(atom, given, vocabulary.taxonomies.get(atom.taxonomy or ""))
        case _:
            assert_never(atom)


def _outside(given: Value | None, territory: frozenset[str], places: Taxonomy) -> Truth:
    if isinstance(given, str):
        return Truth(3 - related(given, territory, places)) if related(given, territory, places) != 1 else _UNKNOWN
    if isinstance(given, frozenset):
        return max((_outside(place, territory, places) for place in given), default=_FALSE)
    return _UNKNOWN


def _test(test: FactTest, given: Value, taxonomy: Taxonomy | None) -> Truth:  # noqa: PLR0911 - one return an operator
    match test.operator:
        case Operator.IN | Operator.ONLY:
            if isinstance(given, str):
                return related(given, test.terms, taxonomy)
            if not isinstance(given, frozenset):
                return _UNKNOWN
            relations = [related(term, test.terms, taxonomy) for term in given]
            if test.operator is Operator.IN:
                return max(relations, default=_FALSE)
            return min(relations, default=_UNKNOWN)
        case Operator.IS:
            return truth(given is test.flag) if isinstance(given, bool) else _UNKNOWN
        case Operator.BEFORE:
            return truth(given < test.day) if isinstance(given, date) else _UNKNOWN
        case Operator.FROM:
            return truth(given >= test.day) if isinstance(given, date) else _UNKNOWN
        case Operator.ABOVE | Operator.AT_LEAST | Operator.BELOW | Operator.AT_MOST:
            return _number(test.operator, given, test.number) if isinstance(given, Interval) else _UNKNOWN
        case _:
            assert_never(test.operator)


def _number(operator: Operator, given: Interval, bound: float) -> Truth:
    if operator is Operator.ABOVE:
        holds, fails = given.low > bound, given.high <= bound
    elif operator is Operator.AT_LEAST:
        holds, fails = given.low >= bound, given.high < bound
    elif operator is Operator.BELOW:
        holds, fails = given.high < bound, given.low >= bound
    else:
        holds, fails = given.high <= bound, given.low > bound
    return _TRUE if holds else _FALSE if fails else _UNKNOWN


def fact_text(given: Value | None) -> str:
    """Write a fact's value as text; a missing one reads ``unknown``."""
    if isinstance(given, str):
        return given
    if given is None:
        return "unknown"
    if isinstance(given, bool):
        return "yes" if given else "no"
    if isinstance(given, date):
        return given.isoformat()
    if isinstance(given, Interval):
        return _figure(given.low) if given.low == given.high else f"{_figure(given.low)} to {_figure(given.high)}"
    return ", ".join(sorted(given)) or "none"


def _figure(number: float) -> str:
    return f"{number:.12g}"


class _Quoted(dict[str, tuple[str, str]]):
    """Facts as reasons quote them, each written once."""

    __slots__ = ("get_fact",)

    def __init__(self, get_fact: Callable[[str], Value | None]) -> None:
        self.get_fact = get_fact

    def __missing__(self, key: str) -> tuple[str, str]:
        quoted = self[key] = (key, fact_text(self.get_fact(key)))
        return quoted


class Cell:
    """One subject class x part x leg under one profile.

    Attributes:
        facts: shared, leg, part after the profile, subject; with ``subject.consent_state`` and the day.
        get: `facts.get`, bound once: it is called for every fact of every regime.
        answer: what the patients of the class said about this movement.
        quoted: fact key to key and value as text, for reasons.
        worth: values of regimes found so far, by regime and whether only grounds kept against a refusal count.
        entries: the regimes that may govern here, once the docket has looked them up.
    """

    __slots__ = ("_fits", "answer", "entries", "evidence", "facts", "get", "quoted", "vocabulary", "worth")

    def __init__(
        self,
        facts: dict[str, Value],
        answer: ConsentAnswer,
        evidence: Mapping[str, Sequence[EvidenceItem]],
        vocabulary: Vocabulary,
    ) -> None:
        self.facts = facts
        self.get = facts.get
        self.answer = answer
        self.evidence = evidence
        self.vocabulary = vocabulary
        self.quoted = _Quoted(self.get)
        self.worth: dict[tuple[object, bool], Truth] = {}
        self.entries: tuple[Any, ...] | None = None
        self._fits: dict[EvidenceNeed, tuple[tuple[EvidenceItem, Truth], ...]] = {}

    def atom(self, atom: Atom) -> Truth:
        """Answer one question to one fact."""
        return judge(atom, self.get(key_of(atom)), self.vocabulary)

    def said(self, test: ConsentTest) -> Truth:
        """Say whether the patient's consent covers what is asked."""
        answer = self.answer
        if answer.state is ConsentState.GIVEN:
            return truth(
                test.to <= answer.to and test.told <= answer.told
                and (not test.form or not test.form.isdisjoint(answer.forms))
                and (not test.by or answer.by in test.by)
            )  # fmt: skip
        if answer.state is ConsentState.UNCLEAR:
            return _UNKNOWN
        return Truth.HUMAN if answer.state is ConsentState.REVIEW else _FALSE

    def fits(self, need: EvidenceNeed) -> Truth:
        """Say whether fitting evidence is on file; unknown where only an unknown fact leaves that open."""
        if need.type not in self.evidence:
            return _FALSE
        return max((fit for _, fit in self._items(need)), default=_FALSE)

    def fitting(self, need: EvidenceNeed) -> tuple[EvidenceItem, ...]:
        """Return the items on file that fit a need, in the order given."""
        return tuple(item for item, fit in self._items(need) if fit is _TRUE)

    def unmatched(self, need: EvidenceNeed) -> set[str]:
        """Name the facts that leave open whether evidence on file fits."""
        kind = self.vocabulary.evidence.get(need.type)
        open_ = [item for item, fit in self._items(need) if fit is _UNKNOWN]
        return {
            _COMPARED.get(key) or _WITHIN[key]
            for item in open_ for key in (kind.match if kind else ())
            if self._matches(key, item.scope.get(key)) is _UNKNOWN
        }  # fmt: skip

    def _items(self, need: EvidenceNeed) -> tuple[tuple[EvidenceItem, Truth], ...]:
        known = self._fits.get(need)
        if known is None:
            kind = self.vocabulary.evidence.get(need.type)
            items = self.evidence.get(need.type, ()) if kind else ()
            known = tuple((item, self._item_fits(item, need, kind)) for item in items) if kind else ()
            self._fits[need] = known
        return known

    def _item_fits(self, item: EvidenceItem, need: EvidenceNeed, kind: EvidenceType) -> Truth:
        day = self.facts[DAY]
        assert isinstance(day, date)
        age = (day - item.issued_on).days
        in_order = (
            item.state is EvidenceState.VERIFIED
            and item.valid_from <= day
            and (item.valid_until is None or day <= item.valid_until)
            and item.outcome is not None
            and item.outcome in need.outcomes
            and all(item.properties.get(name) in wanted for name, wanted in need.properties)
            and all(age <= most for most in (need.max_age_days, kind.max_age_days) if most is not None)
            and all(age >= least for least in (need.min_age_days, kind.min_age_days) if least is not None)
        )
        if not in_order:
            return _FALSE
        return min((self._matches(key, item.scope.get(key)) for key in kind.match), default=_TRUE)

    def _matches(self, key: str, covered: frozenset[str] | None) -> Truth:
        fact = _COMPARED.get(key) or _WITHIN.get(key)
        if covered is None or fact is None:
            return _FALSE
        given = self.get(fact)
        if given is None:
            return _UNKNOWN
        if key in _COMPARED:
            return truth(isinstance(given, str) and given in covered)
        definition = self.vocabulary.facts.get(fact)
        name = "place" if fact == "destination" else definition.taxonomy if definition else None
        taxonomy = self.vocabulary.taxonomies.get(name or "")
        terms = given if isinstance(given, frozenset) else frozenset({given}) if isinstance(given, str) else None
        if terms is None:
            return _UNKNOWN
        return min((related(term, covered, taxonomy) for term in terms), default=_TRUE)


def consent_context(facts: Mapping[str, Value], vocabulary: Vocabulary) -> ConsentContext:
    """Describe the movement of a cell as consents see it (docs/semantics.md section 5)."""
    purpose, custodian = facts.get("purpose"), facts.get("exporter.id")
    recipients: set[str] = set()
    for fact in ("recipient.id", "recipient.group", "recipient.type"):
        recipients |= _words(facts.get(fact))
    taxonomy = vocabulary.taxonomies["place"]
    leaves: frozenset[str] = frozenset()
    if all(fact in facts for fact in PLACES):
        leaves = frozenset().union(*(_words(facts[fact]) for fact in PLACES))
    return ConsentContext(
        purposes=vocabulary.consent_purposes.get(purpose, frozenset()) if isinstance(purpose, str) else frozenset(),
        recipients=frozenset(recipients),
        custodian=custodian if isinstance(custodian, str) else None,
        action="disclose",
        places=leaves.union(*map(taxonomy.ancestors_of, leaves)),
        purpose_ancestors=vocabulary.purpose_ancestors,
        leaf_places=leaves,
        place_ancestors=taxonomy.ancestors,
    )


def _words(given: Value | None) -> frozenset[str]:
    if isinstance(given, str):
        return frozenset({given})
    return given if isinstance(given, frozenset) else frozenset()
