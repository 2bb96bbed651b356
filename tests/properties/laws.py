"""The laws of the engine, each as a search for a case that breaks it (docs/semantics.md, section 9).

Every function takes an evaluator, so that the fast engine and the reference are held to the same laws, and returns
what it found wrong in words; nothing is what is wanted.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta

from governance.core.conditions import Condition, ConsentTest, Constant, EvidenceTest, FactTest
from governance.core.consent import Consent, ConsentStatus
from governance.core.evidence import EvidenceState
from governance.core.request import Facts, SubjectClass
from governance.core.rules import Gate, Rule
from governance.core.ruling import Effect, Refer
from governance.core.truth import Truth
from tests.properties import changes
from tests.properties.scene import AT
from tests.properties.vocabulary import DUTIES
from tests.properties.worlds import Case, World
from tests.reference.evaluator import ReferenceRuling

Evaluator = Callable[[World, Case], ReferenceRuling]
OPPOSITE = {(Effect.PERMIT, Effect.DENY), (Effect.DENY, Effect.PERMIT)}
ROUNDS = 6


def asked(evaluate: Evaluator, world: World, case: Case, facts: Facts) -> ReferenceRuling:
    return evaluate(world, replace(case, facts=facts))


def learning_never_turns_a_verdict(evaluate: Evaluator, world: World, case: Case, source: random.Random) -> list[str]:
    """Learn or narrow facts one by one: a permit stays a permit (or is referred), a deny never permits."""
    found = []
    before = evaluate(world, case)
    steps = [(at, changes.invented(source, at)) for at in changes.unknown_facts(case.facts)]
    steps += list(changes.refinements(case.facts))
    for at, value in source.sample(steps, min(ROUNDS, len(steps))):
        after = asked(evaluate, world, case, changes.learnt(case.facts, at, value))
        if (before.effect, after.effect) in OPPOSITE:
            found.append(f"learning {at} = {value!r}: {before.effect} became {after.effect}")
    return found


def forgetting_never_permits(evaluate: Evaluator, world: World, case: Case, source: random.Random) -> list[str]:
    """Make facts unknown one by one: what was not permitted is not permitted then, and a permit is never denied."""
    found = []
    before = evaluate(world, case)
    known = changes.known_facts(case.facts)
    for at in source.sample(known, min(ROUNDS, len(known))):
        after = asked(evaluate, world, case, changes.forgotten(case.facts, at))
        if (before.effect, after.effect) in OPPOSITE:
            found.append(f"forgetting {at}: {before.effect} became {after.effect}")
        if after.effect is Effect.PERMIT and before.effect is Effect.REFER and before.refer is not Refer.HUMAN_JUDGEMENT:
            found.append(f"forgetting {at}: refer {before.refer} became permit")
    return found


def knowing_nothing_permits_nothing(evaluate: Evaluator, world: World, case: Case, _: random.Random) -> list[str]:
    after = asked(evaluate, world, case, changes.nothing_known(case.facts))
    return ["a question without facts was permitted"] if after.effect is Effect.PERMIT else []


def order_never_matters(evaluate: Evaluator, world: World, case: Case, source: random.Random) -> list[str]:
    """Reorder packs, rules, rows, conditions, evidence, classes and legs."""
    facts = case.facts
    classes = source.sample(range(len(facts.classes)), len(facts.classes))
    legs = source.sample(range(len(facts.legs)), len(facts.legs))

    def moved(one: SubjectClass) -> SubjectClass:
        before = {(legs.index(leg), key): n for (leg, key), n in one.counted_before.items()}
        return replace(one, counted_before=before)

    mixed = replace(
        facts,
        classes=tuple(moved(facts.classes[i]) for i in classes),
        legs=tuple(facts.legs[i] for i in legs),
        evidence=tuple(source.sample(facts.evidence, len(facts.evidence))),
        terms=tuple(reversed(facts.terms)),
    )
    first = evaluate(world, case)
    other = evaluate(replace(world, policies=changes.shuffled(source, world.policies)), replace(case, facts=mixed))
    back = tuple(sorted((classes[c], parts) for c, parts in other.allowed))
    other = replace(other, allowed=back)
    return [] if first == other else [f"reordered: {first} became {other}"]


def a_cohort_is_its_people(evaluate: Evaluator, world: World, case: Case, _: random.Random) -> list[str]:
    """Split classes into single people (three of each at most): the same answer for each (counts apart)."""
    if world.policies.measures:
        return []
    small = [replace(c, size=min(c.size, 3), counted_before={}) for c in case.facts.classes]
    singles = [(i, replace(c, size=1)) for i, c in enumerate(small) for _ in range(c.size)]
    whole = asked(evaluate, world, case, replace(case.facts, classes=tuple(small)))
    split = asked(evaluate, world, case, replace(case.facts, classes=tuple(c for _, c in singles)))
    joined = {(singles[c][0], parts) for c, parts in split.allowed}
    same = replace(split, allowed=whole.allowed) == whole and joined == set(whole.allowed)
    return [] if same else [f"cohort {whole}, one by one {split}"]


def documents_that_do_not_fit_change_nothing(
    evaluate: Evaluator, world: World, case: Case, source: random.Random
) -> list[str]:
    """Add papers that are only submitted, revoked, expired, without outcome or without scope."""
    extra = []
    for number, fitting in enumerate(case.facts.evidence):
        flaw = source.randrange(4)
        item = replace(fitting, id=f"flawed-{number}")
        if flaw == 0:
            extra.append(replace(item, state=source.choice((EvidenceState.SUBMITTED, EvidenceState.REVOKED))))
        elif flaw == 1:
            extra.append(replace(item, valid_until=AT.date() - timedelta(days=1)))
        elif flaw == 2:
            extra.append(replace(item, outcome=None))
        elif item.scope:
            extra.append(replace(item, scope={}))
    first = evaluate(world, case)
    more = asked(evaluate, world, case, replace(case.facts, evidence=(*case.facts.evidence, *extra)))
    return [] if first == more else [f"unfitting papers: {first} became {more}"]


def refusing_a_duty_never_widens(evaluate: Evaluator, world: World, case: Case, source: random.Random) -> list[str]:
    """Say of one more duty that it cannot be fulfilled."""
    cannot = case.question.cannot | {source.choice(sorted(DUTIES))}
    after = evaluate(world, replace(case, question=replace(case.question, cannot=cannot)))
    before = evaluate(world, case)
    if after.effect is Effect.PERMIT and before.effect is not Effect.PERMIT:
        return [f"cannot {sorted(cannot)}: {before} became {after}"]
    return []


# --- refusing and withdrawing ------------------------------------------------------------------------------------

HELPING = (Gate.OUTSIDE_SCOPE, Gate.GROUND, Gate.MECHANISM, Gate.REQUIREMENT, Gate.EXCEPTION)


def consent_helps_only(world: World) -> World:
    """Rewrite a world so that a consent can only help: no law that bites, or spares, because one was given.

    Legislators do write the other kind; the law of withdrawing speaks of the machinery around them.
    """

    def condition(leaf: Condition) -> Condition:
        reads = isinstance(leaf, ConsentTest) or (isinstance(leaf, FactTest) and leaf.fact == "subject.consent_state")
        return Constant(value=Truth.TRUE) if reads else leaf

    def plain(rule: Rule) -> Rule:
        helps = rule.gate in HELPING and "/exceptions/" not in "".join(rule.defeats)
        return replace(
            rule, consent=rule.consent if helps else None, last_resort=False,
            defeated_by=tuple(plain(e) for e in rule.defeated_by),
        )  # fmt: skip

    def rules(_: Gate, kept: tuple[Rule, ...]) -> tuple[Rule, ...]:
        return tuple(plain(r) for r in kept)

    regimes = tuple(changes.changed_regime(r, rules, condition) for r in world.policies.regimes)
    measures = {k: replace(m, within=changes.rewritten(m.within, condition)) for k, m in world.policies.measures.items()}
    return replace(world, policies=replace(world.policies, regimes=regimes, measures=measures))


def withdrawn(consent: Consent) -> Consent:
    return replace(consent, status=ConsentStatus.INACTIVE, withdrawn=True, ended=AT - timedelta(hours=1))


def withdrawing_never_widens(evaluate: Evaluator, world: World, case: Case, source: random.Random) -> list[str]:
    """Withdraw every consent of a class, or add a refusal: nothing goes that did not go before."""
    world = consent_helps_only(world)
    case = replace(case, facts=replace(case.facts, terms=()))
    classes = list(case.facts.classes)
    number = source.randrange(len(classes))
    one = classes[number]
    if one.consents and source.random() < 0.5:
        consents = tuple(withdrawn(c) for c in one.consents)
    else:
        refusal = Consent(id="refusal", effective=AT - timedelta(days=1), recorded=AT - timedelta(days=1), base=False)
        consents = (*one.consents, refusal)
    classes[number] = replace(one, consents=consents)
    before, after = evaluate(world, case), asked(evaluate, world, case, replace(case.facts, classes=tuple(classes)))
    if after.effect is Effect.PERMIT and before.effect is not Effect.PERMIT and not world.policies.measures:
        return [f"withdrawing: {before} became {after}"]
    mine = {p for c, parts in before.allowed if c == number for p in parts}
    more = {p for c, parts in after.allowed if c == number for p in parts} - mine
    if more and before.profile == after.profile and not world.policies.measures:
        return [f"withdrawing: {sorted(more)} goes in addition"]
    return []


def fewer_papers_never_help(evaluate: Evaluator, world: World, case: Case, source: random.Random) -> list[str]:
    """Take a paper away where papers can only help (no prohibition or review asks for one): never a new permit."""

    def condition(leaf: Condition) -> Condition:
        return Constant(value=Truth.TRUE) if isinstance(leaf, EvidenceTest) else leaf

    def plain(rule: Rule) -> Rule:
        helps = rule.gate in HELPING and "/exceptions/" not in "".join(rule.defeats)
        return replace(
            rule, needs=rule.needs if helps else (), last_resort=False, defeated_by=tuple(plain(e) for e in rule.defeated_by)
        )

    def rules(_: Gate, kept: tuple[Rule, ...]) -> tuple[Rule, ...]:
        return tuple(plain(r) for r in kept)

    papers = case.facts.evidence
    if not papers or case.facts.terms or world.policies.measures:
        return []
    regimes = tuple(changes.changed_regime(r, rules, condition) for r in world.policies.regimes)
    world = replace(world, policies=replace(world.policies, regimes=regimes))
    gone = source.randrange(len(papers))
    fewer = replace(case.facts, evidence=papers[:gone] + papers[gone + 1 :])
    before, after = evaluate(world, case), asked(evaluate, world, case, fewer)
    if after.effect is Effect.PERMIT and before.effect is Effect.DENY:
        return [f"without {papers[gone].type}: deny became permit"]
    return []
