"""The whole question answered slowly: docs/semantics.md, sections 1 and 5 to 8.

`reference_decide` guarantees nothing but obviousness: it is what the fast engine is compared with.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime
from functools import reduce
from itertools import combinations

from governance.core.conditions import AllOf, AnyOf, Condition, FactTest, Not, TableTest
from governance.core.consent import ConsentAnswer, ConsentContext, ConsentState, evaluate_consents
from governance.core.facts import Interval, Value
from governance.core.request import Facts, PartFacts, Question, SubjectClass
from governance.core.rules import Force, Gate, PolicySet, Regime, Rule
from governance.core.ruling import Effect, Refer
from governance.core.truth import Truth
from tests.reference import missing as absent
from tests.reference.answers import FALSE, TRUE, Answer, Cell, F, H, T, U, both, condition, every, some
from tests.reference.regimes import Owed, RegimeAnswer, answer_regime, base, governing, owed, rules_of

STRONGEST = (Refer.MISSING_FACTS, Refer.NOT_COVERED, Refer.HUMAN_JUDGEMENT, Refer.UNVERIFIED_LAW)
MOST_PARTS = 6
PLACE_FACTS = ("destination", "storage.places", "access.places", "onward.places")


@dataclass(frozen=True, kw_only=True)
class Verdict:
    """A cell's or a profile's verdict."""

    effect: Effect
    refer: Refer | None = None


PERMIT, DENY = Verdict(effect=Effect.PERMIT), Verdict(effect=Effect.DENY)


@dataclass(frozen=True, kw_only=True)
class CellAnswer:
    """One cell with its verdict; `index` is (class, part, leg)."""

    index: tuple[int, int, int]
    profile: str
    cell: Cell
    verdict: Verdict
    covered: bool
    resident: bool


@dataclass(frozen=True, kw_only=True)
class ProfileAnswer:
    """What one profile leads to."""

    verdict: Verdict
    stays: frozenset[tuple[int, int]] = frozenset()
    cells: tuple[CellAnswer, ...] = ()
    """The cells that decided."""
    owed: tuple[Owed, ...] = ()


@dataclass(frozen=True, kw_only=True)
class ReferenceRuling:
    """The comparable half of a ruling."""

    effect: Effect
    profile: str | None = None
    refer: Refer | None = None
    subjects_in: int = 0
    subjects_out: int = 0
    parts_in: tuple[str, ...] = ()
    parts_withheld: tuple[str, ...] = ()
    allowed: tuple[tuple[int, tuple[str, ...]], ...] = ()
    missing: frozenset[str] = frozenset()
    duties: frozenset[str] = frozenset()
    deciding: tuple[CellAnswer, ...] = field(default=(), compare=False)


def strongest(kinds: list[Refer]) -> Verdict:
    return Verdict(effect=Effect.REFER, refer=min(kinds, key=STRONGEST.index))


def joined(verdicts: list[Verdict]) -> Verdict:
    """Deny beats refer beats permit."""
    if any(v == DENY for v in verdicts):
        return DENY
    kinds = [v.refer for v in verdicts if v.refer is not None]
    return strongest(kinds) if kinds else PERMIT


# --- a cell ------------------------------------------------------------------------------------------------------


def under_profile(policies: PolicySet, part: PartFacts, profile_id: str) -> dict[str, Value]:
    profile = policies.profiles[profile_id]
    facts: dict[str, Value] = {**part.facts, **profile.sets}
    categories = facts.get("data.categories")
    if isinstance(categories, frozenset) and profile.removes_categories:
        taxonomy = policies.vocabulary.taxonomies.get(policies.vocabulary.facts["data.categories"].taxonomy or "")

        def gone(term: str) -> bool:
            if taxonomy is None:
                return term in profile.removes_categories
            return any(taxonomy.relation(term, removed) is T for removed in profile.removes_categories)

        facts["data.categories"] = frozenset(c for c in categories if not gone(c))
    return facts


def text(value: Value | None) -> str | None:
    return value if isinstance(value, str) else None


def consent_context(policies: PolicySet, facts: Mapping[str, Value]) -> ConsentContext:
    vocabulary = policies.vocabulary
    purpose = text(facts.get("purpose"))
    tree = vocabulary.taxonomies["place"]
    leaves: set[str] = set()
    if all(fact in facts for fact in PLACE_FACTS):
        for fact in PLACE_FACTS:
            value = facts[fact]
            leaves |= value if isinstance(value, frozenset) else {str(value)}
    above = [a for leaf in leaves for a in tree.ancestors_of(leaf)]
    recipients = (text(facts.get(f)) for f in ("recipient.id", "recipient.group", "recipient.type"))
    return ConsentContext(
        purposes=vocabulary.consent_purposes.get(purpose, frozenset()) if purpose else frozenset(),
        recipients=frozenset(r for r in recipients if r is not None),
        custodian=text(facts.get("exporter.id")),
        action="disclose",
        places=frozenset([*leaves, *above]),
        purpose_ancestors=vocabulary.purpose_ancestors,
        leaf_places=frozenset(leaves),
        place_ancestors=tree.ancestors,
    )


def consent_answer(
    policies: PolicySet, one: SubjectClass, facts: Mapping[str, Value], at: datetime
) -> ConsentAnswer:
    if not one.consents:
        return ConsentAnswer(state=ConsentState.NOT_ASKED)
    return evaluate_consents(one.consents, consent_context(policies, facts), at)


def refusal(answer: ConsentAnswer) -> Answer:
    if answer.state in (ConsentState.REFUSED, ConsentState.WITHDRAWN):
        return TRUE
    if answer.state is ConsentState.UNCLEAR:
        return Answer(U, frozenset({absent.CONSENT}))
    return Answer(H) if answer.state is ConsentState.REVIEW else FALSE


def all_regimes(policies: PolicySet, facts: Facts) -> list[Regime]:
    return [*policies.regimes, *facts.terms]


def law(whole: list[RegimeAnswer], kept: list[RegimeAnswer], refused: Answer) -> Answer:
    """Bind a refusal (section 5); `kept` answers with the grounds that stand against one."""
    every_law = every(a.value for a in whole)
    if refused.value is F:
        return every_law
    bound = both(every_law, every(a.value for a in kept), some(a.asks for a in kept))
    if refused.value is T:
        return bound
    return every_law if every_law.value == bound.value else both(every_law, refused)


def at_or_below(policies: PolicySet, place: str, terms: frozenset[str]) -> bool:
    tree = policies.vocabulary.taxonomies["place"]
    return any(tree.relation(place, term) is T for term in terms)


def own_regimes(policies: PolicySet, regimes: list[Regime], origin: str, day: date) -> list[Regime]:
    """Return the law in force whose territory is at or above a place."""
    laws = [r for r in regimes if r.force is Force.LAW and r.existence is T and r.span.holds(day) is T]
    return [r for r in laws if at_or_below(policies, origin, r.territory)]


def covered(policies: PolicySet, place: str, cell: Cell) -> bool:
    entries = [e for e in policies.no_regime if e.span.holds(cell.day) is T]
    return bool(own_regimes(policies, list(policies.regimes), place, cell.day)) or any(
        at_or_below(policies, place, frozenset({e.place})) for e in entries
    )


@dataclass(frozen=True, kw_only=True)
class CellValue:
    value: Truth
    covered: bool


def cell_value(policies: PolicySet, regimes: list[Regime], cell: Cell) -> CellValue:
    """Return law and coverage together (section 6)."""
    refused = refusal(cell.consent)
    whole = [answer_regime(cell, r) for r in regimes]
    kept = whole if refused.value is F else [answer_regime(replace(cell, kept=True), r) for r in regimes]
    value = law(whole, kept, refused).value
    if value is F:
        return CellValue(value=F, covered=True)
    origin, residence = text(cell.facts.get("origin")), text(cell.facts.get("subject.residence"))
    if origin is None:
        return CellValue(value=U, covered=True)
    own = {r.id for r in own_regimes(policies, regimes, origin, cell.day)}
    answers = kept if refused.value is T else whole
    affirmed = some(a.affirms for r, a in zip(regimes, answers, strict=True) if r.id in own).value
    is_covered = affirmed is not F
    if is_covered:
        value = min(value, affirmed)
    if residence is None:
        value = min(value, U)
    elif not covered(policies, residence, cell):
        is_covered = False
    return CellValue(value=value, covered=is_covered)


def verdict_of(policies: PolicySet, regimes: list[Regime], cell: Cell) -> Verdict:
    found = cell_value(policies, regimes, cell)
    if found.value is F:
        return DENY
    if found.value is U:
        return Verdict(effect=Effect.REFER, refer=Refer.MISSING_FACTS)
    if not found.covered:
        return Verdict(effect=Effect.REFER, refer=Refer.NOT_COVERED)
    if found.value is T:
        return PERMIT
    sure = cell_value(policies, regimes, replace(cell, all_confident=True))
    kind = Refer.UNVERIFIED_LAW if sure == CellValue(value=T, covered=True) else Refer.HUMAN_JUDGEMENT
    return Verdict(effect=Effect.REFER, refer=kind)


# --- a profile ---------------------------------------------------------------------------------------------------

Counts = list[dict[str, Interval]]
"""Leg by leg, measure to people."""


@dataclass(frozen=True, kw_only=True)
class Asked:
    """One call of `reference_decide`."""

    policies: PolicySet
    question: Question
    facts: Facts
    at: datetime

    def make_cell(self, profile: str, index: tuple[int, int, int], counts: Counts) -> Cell:
        one, part, leg = index
        facts: dict[str, Value] = {
            **self.facts.shared,
            **self.facts.legs[leg].facts,
            **counts[leg],
            **under_profile(self.policies, self.facts.parts[part], profile),
            **self.facts.classes[one].facts,
        }
        answer = consent_answer(self.policies, self.facts.classes[one], facts, self.at)
        facts.pop("subject.consent_state", None)
        if answer.state not in (ConsentState.UNCLEAR, ConsentState.REVIEW):
            facts["subject.consent_state"] = str(answer.state)
        return Cell(
            facts=facts,
            evidence=self.facts.evidence,
            consent=answer,
            day=self.at.astimezone(UTC).date(),
            vocabulary=self.policies.vocabulary,
            cannot=self.question.cannot,
        )

    def evaluate(self, profile: str, index: tuple[int, int, int], counts: Counts) -> CellAnswer:
        cell = self.make_cell(profile, index, counts)
        regimes = all_regimes(self.policies, self.facts)
        verdict = verdict_of(self.policies, regimes, cell)
        return CellAnswer(
            index=index, profile=profile, cell=cell, verdict=verdict,
            covered="origin" in cell.facts, resident="subject.residence" in cell.facts,
        )  # fmt: skip

    def first_counts(self) -> Counts:
        return [dict(leg.counted) for leg in self.facts.legs]

    def pairs(self) -> list[tuple[int, int]]:
        return [(c, p) for c in range(len(self.facts.classes)) for p in range(len(self.facts.parts))]

    def staying(self, permitted: set[tuple[int, int]]) -> set[tuple[int, int]]:
        """Apply what the caller lets be withheld to the pairs (class, part) that are permitted on every leg."""
        everything = self.pairs()
        parts = {p for p in range(len(self.facts.parts)) if all(x in permitted for x in everything if x[1] == p)}
        classes = {c for c in range(len(self.facts.classes)) if all(x in permitted for x in everything if x[0] == c)}
        if self.question.withhold_parts and self.question.withhold_subjects:
            return permitted
        if self.question.withhold_parts:
            return {x for x in everything if x[1] in parts}
        if self.question.withhold_subjects:
            return {x for x in everything if x[0] in classes}
        return set(everything) if permitted == set(everything) else set()


def tests_of(asked: Condition) -> set[str]:
    """Name every fact a condition reads."""
    match asked:
        case FactTest():
            return {asked.fact}
        case TableTest():
            return {asked.fact}.union(*(tests_of(r.when) | tests_of(r.unless) for r in asked.rows))
        case AllOf() | AnyOf():
            return set().union(*(tests_of(m) for m in asked.members))
        case Not():
            return tests_of(asked.member)
        case _:
            return set()


def reads_of(rule: Rule) -> set[str]:
    found = tests_of(rule.when) | tests_of(rule.unless) | tests_of(rule.must)
    if rule.arguable is not None and rule.arguable.point is not None:
        found |= tests_of(rule.arguable.point)
    if rule.governed_by is not None:
        found |= tests_of(rule.governed_by)
    return found.union(*(reads_of(other) for other in rule.defeated_by))


def reads_counts(asked: Asked) -> bool:
    found: set[str] = set()
    for regime in all_regimes(asked.policies, asked.facts):
        found |= tests_of(regime.governs)
        for gate in Gate:
            found |= set().union(*(reads_of(rule) for rule in rules_of(regime, gate)))
    return bool(found & set(asked.policies.measures))


def second_counts(
    asked: Asked, profile: str, stays: set[tuple[int, int]], possible: set[tuple[int, int]]
) -> Counts:
    """Count the people that stay (n), and those that might yet (u), on every leg."""
    result: Counts = []
    first = asked.first_counts()
    for number, leg in enumerate(asked.facts.legs):
        counts = dict(leg.counted)
        for key, measure in asked.policies.measures.items():
            if key not in counts:
                continue
            sure = maybe = 0
            for c, one in enumerate(asked.facts.classes):
                people = one.size - one.counted_before.get((number, key), 0)
                answers: dict[str, list[Truth]] = defaultdict(list)
                for p in range(len(asked.facts.parts)):
                    cell = asked.make_cell(profile, (c, p, number), first)
                    within = condition(cell, measure.within, helps=False).value
                    if (c, p) in stays:
                        answers["stays"].append(within)
                    elif (c, p) in possible:
                        answers["possible"].append(within)
                if T in answers["stays"]:
                    sure += people
                elif any(v is not F for v in answers["stays"] + answers["possible"]):
                    maybe += people
            before = leg.counted[key]
            counts[key] = Interval(before.low + sure, before.high + sure + maybe)
        result.append(counts)
    return result


def answer_profile(asked: Asked, profile: str) -> ProfileAnswer:
    legs = range(len(asked.facts.legs))
    first = asked.first_counts()
    cells = {(c, p, leg): asked.evaluate(profile, (c, p, leg), first) for c, p in asked.pairs() for leg in legs}
    status = {(c, p): joined([cells[c, p, leg].verdict for leg in legs]) for c, p in asked.pairs()}
    permitted = {x for x, v in status.items() if v == PERMIT}
    stays = asked.staying(permitted)
    if not stays:
        return nothing_stays(asked, list(cells.values()))
    kept = tuple(a for (c, p, _), a in cells.items() if (c, p) in stays)
    if not reads_counts(asked):
        return with_duties(asked, frozenset(stays), kept)
    not_denied = {x for x, v in status.items() if v != DENY}
    return second_pass(asked, profile, stays, asked.staying(not_denied), tuple(cells.values()))


def nothing_stays(asked: Asked, cells: list[CellAnswer]) -> ProfileAnswer:
    verdicts = [a.verdict for a in cells]
    kinds = [v.refer for v in verdicts if v.refer is not None]
    withheld = asked.question.withhold_parts or asked.question.withhold_subjects
    verdict = strongest(kinds) if withheld and kinds else joined(verdicts)
    return ProfileAnswer(verdict=verdict, cells=tuple(a for a in cells if a.verdict == verdict))


def trials(asked: Asked, stays: set[tuple[int, int]]) -> list[set[tuple[int, int]]]:
    """List what may be tried: everything, then fewer parts, larger first."""
    parts = sorted({p for _, p in stays})
    sizes = range(len(parts) - 1, 0, -1) if asked.question.withhold_parts else range(0)
    if len(parts) > MOST_PARTS:
        sizes = range(len(parts) - 1, len(parts) - 2, -1) if asked.question.withhold_parts else range(0)
    fewer = [set(kept) for size in sizes for kept in combinations(parts, size)]
    return [stays, *({x for x in stays if x[1] in kept} for kept in fewer)]


def second_pass(
    asked: Asked, profile: str, stays: set[tuple[int, int]], possible: set[tuple[int, int]],
    first: tuple[CellAnswer, ...],
) -> ProfileAnswer:  # fmt: skip
    tried: list[tuple[CellAnswer, ...]] = []
    parts = {p for _, p in stays}
    for trial in trials(asked, stays):
        left_out = parts - {p for _, p in trial}
        counts = second_counts(asked, profile, trial, {x for x in possible if x[1] not in left_out})
        again = tuple(
            asked.evaluate(profile, (c, p, leg), counts) for c, p in sorted(trial) for leg in range(len(counts))
        )
        if all(a.verdict == PERMIT for a in again):
            return with_duties(asked, frozenset(trial), again)
        tried.append(again)
    return second_pass_failed(asked, tried, first, stays, possible)


def second_pass_failed(
    asked: Asked, tried: list[tuple[CellAnswer, ...]], first: tuple[CellAnswer, ...],
    stays: set[tuple[int, int]], possible: set[tuple[int, int]],
) -> ProfileAnswer:  # fmt: skip
    """Refer while something that is only referred could still let some parts go, else deny."""
    whole = joined([a.verdict for a in tried[0]])
    candidates = list(tried[0])
    if asked.question.withhold_parts:
        hopeful = [cells for cells in tried if all(a.verdict != DENY for a in cells)]
        left_out = [a for a in first if a.index[:2] in possible - stays and a.verdict.refer is not None]
        candidates = [a for cells in hopeful for a in cells] + left_out
        kinds = [a.verdict.refer for a in candidates if a.verdict.refer is not None]
        if kinds:
            whole = strongest(kinds)
        elif len({p for _, p in stays}) > MOST_PARTS:
            return ProfileAnswer(verdict=strongest([Refer.HUMAN_JUDGEMENT]))
        else:
            candidates = list(tried[0])
    return ProfileAnswer(verdict=whole, cells=tuple(a for a in candidates if a.verdict == whole))


def conflicts(asked: Asked, duties: list[Owed]) -> bool:
    """Say whether two duties contradict, or an intersection is empty."""
    kinds = asked.policies.vocabulary.duties
    present = {o.duty.type for o in duties}
    if any(kinds[t].contradicts & present for t in present):
        return True
    shared: dict[tuple[str, str], list[frozenset[str]]] = defaultdict(list)
    for one in duties:
        for name, values in one.duty.params:
            if kinds[one.duty.type].join.get(name) == "intersection":
                shared[one.duty.type, name].append(frozenset(values))
    return any(not reduce(frozenset.intersection, sets) for sets in shared.values())


def with_duties(asked: Asked, stays: frozenset[tuple[int, int]], cells: tuple[CellAnswer, ...]) -> ProfileAnswer:
    duties: list[Owed] = []
    for answer in cells:
        kept = refusal(answer.cell.consent).value is not F
        for regime in all_regimes(asked.policies, asked.facts):
            duties += owed(replace(answer.cell, kept=kept), regime)
    refer = Verdict(effect=Effect.REFER, refer=Refer.HUMAN_JUDGEMENT)
    verdict = refer if conflicts(asked, duties) else PERMIT
    return ProfileAnswer(verdict=verdict, stays=stays, cells=cells, owed=tuple(duties))


# --- the ruling --------------------------------------------------------------------------------------------------


def denied_duties(asked: Asked, cells: list[CellAnswer]) -> set[str]:
    found: set[str] = set()
    for answer in cells:
        for regime in all_regimes(asked.policies, asked.facts):
            if governing(answer.cell, regime).value is not T:
                continue
            for rule in rules_of(regime, Gate.WHEN_DENIED):
                if base(answer.cell, rule, helps=False).value is T:
                    found |= {d.type for d in rule.duties}
    return found


def held(cell: Cell, regime: Regime) -> bool:
    """Say whether the grounds that stand against a refusal answer no better than all of them."""
    return answer_regime(replace(cell, kept=True), regime).value.value <= answer_regime(cell, regime).value.value


def missing_facts(asked: Asked, cells: list[CellAnswer]) -> set[str]:
    found: set[str] = set()
    for answer in cells:
        if answer.verdict.refer is None:
            continue
        refused = refusal(answer.cell.consent).value
        for regime in all_regimes(asked.policies, asked.facts):
            found |= absent.of_regime(replace(answer.cell, kept=refused is T and held(answer.cell, regime)), regime)
        if refused is U:
            found.add(absent.CONSENT)
        found |= {f for f in ("origin", "subject.residence") if f not in answer.cell.facts}
    return found


def reference_decide(policies: PolicySet, question: Question, facts: Facts, at: datetime) -> ReferenceRuling:
    """Answer one question at one instant."""
    if not (facts.legs and facts.parts and facts.classes and question.profiles):
        raise ValueError("nothing is asked")
    asked = Asked(policies=policies, question=question, facts=facts, at=at)
    answers = {profile: answer_profile(asked, profile) for profile in question.profiles}
    for profile, answer in answers.items():
        if answer.verdict == PERMIT:
            return permitted_ruling(asked, profile, answer)
    kinds = [a.verdict.refer for a in answers.values() if a.verdict.refer is not None]
    verdict = strongest(kinds) if kinds else DENY
    cells = [cell for a in answers.values() if a.verdict == verdict for cell in a.cells]
    return ReferenceRuling(
        effect=verdict.effect,
        refer=verdict.refer,
        subjects_out=sum(c.size for c in facts.classes),
        parts_withheld=tuple(part.id for part in facts.parts),
        missing=frozenset(missing_facts(asked, cells)) if verdict.refer is not None else frozenset(),
        duties=frozenset(denied_duties(asked, cells)),
        deciding=tuple(cells),
    )


def permitted_ruling(asked: Asked, profile: str, answer: ProfileAnswer) -> ReferenceRuling:
    names = [part.id for part in asked.facts.parts]
    allowed = []
    for c in range(len(asked.facts.classes)):
        parts = tuple(names[p] for p in range(len(names)) if (c, p) in answer.stays)
        if parts:
            allowed.append((c, parts))
    staying = {c for c, _ in allowed}
    going = {p for _, parts in allowed for p in parts}
    return ReferenceRuling(
        effect=Effect.PERMIT,
        profile=profile,
        subjects_in=sum(one.size for c, one in enumerate(asked.facts.classes) if c in staying),
        subjects_out=sum(one.size for c, one in enumerate(asked.facts.classes) if c not in staying),
        parts_in=tuple(n for n in names if n in going),
        parts_withheld=tuple(n for n in names if n not in going),
        allowed=tuple(allowed),
        duties=frozenset(o.duty.type for o in answer.owed),
        deciding=answer.cells,
    )
