"""The smallest worlds in which an earlier reading of the semantics broke a law; both evaluators must pass them."""

from __future__ import annotations

import random
from dataclasses import replace
from datetime import timedelta

import pytest

from governance.core.conditions import ALWAYS, AnyOf, Condition, Constant, EvidenceNeed, FactTest, Operator
from governance.core.consent import Consent
from governance.core.evidence import EvidenceItem, EvidenceState
from governance.core.facts import Value
from governance.core.request import Facts, LegFacts, PartFacts, Question, SubjectClass
from governance.core.rules import Arguable, Confidence, DutyOwed, Force, Gate, PlaceEntry, PolicySet, Regime, Rule
from governance.core.ruling import Effect, Refer
from governance.core.truth import Truth
from tests.properties import changes
from tests.properties.rulings import engine, reference
from tests.properties.scene import AT, TODAY
from tests.properties.vocabulary import NEVER_GIVEN, VOCABULARY
from tests.properties.worlds import PROFILES, Case, World, make_world

both_evaluators = pytest.mark.parametrize("evaluate", [engine, reference], ids=["engine", "reference"])
UNSURE = FactTest(fact=NEVER_GIVEN, operator=Operator.IS, flag=True)
HUMAN = Constant(value=Truth.HUMAN)


def rule(gate: Gate, name: str, when: Condition = ALWAYS, **more: object) -> Rule:
    return Rule(id=f"p/{gate.value}/{name}", gate=gate, cite="1", says="A rule.", when=when, **more)  # type: ignore[arg-type]


def world(*rules: Rule, cannot: str | None = None, evidence: tuple[EvidenceItem, ...] = (), **facts: Value) -> World:
    """One pack of the origin with these rules; everything else about the request is known and harmless."""
    gates = {g: tuple(r for r in rules if r.gate is g) for g in Gate if any(r.gate is g for r in rules)}
    silent = {g: "not asked" for g in Gate if g not in gates}
    pack = Regime(
        id="p", title="p", territory=frozenset({"DE"}), force=Force.LAW, governs=ALWAYS, rules=gates, silent_on=silent
    )
    policies = PolicySet(
        digest="sha256:x", vocabulary=VOCABULARY, regimes=(pack,), profiles=PROFILES,
        no_regime=(PlaceEntry(place="US", cite="none"),),
    )  # fmt: skip
    abroad = frozenset({"US"})
    leg = LegFacts(facts={"origin": "DE", "destination": "US", "storage.places": abroad, "access.places": abroad,
                          "onward.places": abroad})  # fmt: skip
    known = Facts(
        shared=facts, legs=(leg,), parts=(PartFacts(id="all", facts={}),),
        classes=(SubjectClass(facts={"subject.residence": "DE"}),), evidence=evidence,
    )  # fmt: skip
    question = Question(profiles=("as-is",), cannot=frozenset({cannot} if cannot else ()))
    return World(policies=policies, cases=(Case(question=question, facts=known),))


def knowing(made: World, **facts: Value) -> World:
    case = made.cases[0]
    return replace(made, cases=(replace(case, facts=replace(case.facts, shared={**case.facts.shared, **facts})),))


def refused(made: World) -> World:
    case = made.cases[0]
    no = Consent(id="no", effective=AT - timedelta(days=1), recorded=AT - timedelta(days=1), base=False)
    classes = tuple(replace(c, consents=(no,)) for c in case.facts.classes)
    return replace(made, cases=(replace(case, facts=replace(case.facts, classes=classes)),))


def paper(kind: str, **scope: str) -> EvidenceItem:
    return EvidenceItem(
        id=kind, type=kind, state=EvidenceState.VERIFIED, scope={k: frozenset({v}) for k, v in scope.items()},
        issued_on=TODAY, valid_from=TODAY, outcome="granted",
    )  # fmt: skip


NEED = EvidenceNeed(type="approval", outcomes=frozenset({"granted"}))
GROUND = rule(Gate.GROUND, "g")
COSTLY = (DutyOwed(type="publish"),)


@both_evaluators
def test_a_paper_whose_match_turns_on_an_unknown_fact_does_not_lift_a_prohibition(evaluate) -> None:
    banned = world(
        GROUND, rule(Gate.PROHIBITION, "p", needs=(NEED,)), evidence=(paper("approval", project="x", purpose="care"),),
        project="x",
    )  # fmt: skip
    assert evaluate(banned, banned.cases[0]).effect is Effect.REFER
    known = knowing(banned, purpose="care")
    assert evaluate(known, known.cases[0]).effect is Effect.DENY


@both_evaluators
def test_a_finding_does_not_settle_what_an_unknown_fact_may_still_decide(evaluate) -> None:
    argued = rule(Gate.PROHIBITION, "p", when=AnyOf(members=(UNSURE, HUMAN)))
    finding = EvidenceItem(
        id="f", type="review-finding", state=EvidenceState.VERIFIED, scope={"dataset": frozenset({"d"})}, issued_on=TODAY,
        valid_from=TODAY, outcome="lawful", properties={"rule": argued.id},
    )  # fmt: skip
    made = world(GROUND, argued, evidence=(finding,), dataset="d")
    assert evaluate(made, made.cases[0]).effect is Effect.REFER
    known = knowing(made, **{NEVER_GIVEN: True})
    assert evaluate(known, known.cases[0]).effect is Effect.DENY


@both_evaluators
def test_a_refusal_does_not_open_the_last_resort(evaluate) -> None:
    made = world(
        rule(Gate.GROUND, "argued", arguable=Arguable(who="officer")),
        rule(Gate.GROUND, "despite", despite_refusal="Art. 2"),
        rule(Gate.MECHANISM, "ordinary", rests_on=frozenset({"p/grounds/argued"})),
        rule(Gate.MECHANISM, "last", rests_on=frozenset({"p/grounds/despite"}), last_resort=True),
    )
    assert evaluate(made, made.cases[0]).effect is Effect.REFER
    assert evaluate(refused(made), refused(made).cases[0]).effect is not Effect.PERMIT


@both_evaluators
def test_a_better_known_ground_with_an_unfulfillable_duty_does_not_close_another(evaluate) -> None:
    made = world(
        rule(Gate.GROUND, "plain", confidence=Confidence.KNOWLEDGE), rule(Gate.GROUND, "costly", when=UNSURE, duties=COSTLY),
        cannot="publish",
    )  # fmt: skip
    assert evaluate(made, made.cases[0]).effect is Effect.PERMIT
    known = knowing(made, **{NEVER_GIVEN: True})
    assert evaluate(known, known.cases[0]).effect is Effect.PERMIT


@both_evaluators
def test_an_unfulfillable_duty_that_may_not_be_owed_refers_instead_of_denying(evaluate) -> None:
    made = world(GROUND, rule(Gate.DUTY, "d", when=UNSURE, duties=COSTLY), cannot="publish")
    assert evaluate(made, made.cases[0]).effect is Effect.REFER
    owed, free = (knowing(made, **{NEVER_GIVEN: value}) for value in (True, False))
    assert evaluate(owed, owed.cases[0]).effect is Effect.DENY
    assert evaluate(free, free.cases[0]).effect is Effect.PERMIT


@both_evaluators
def test_refusing_a_duty_does_not_open_the_last_resort(evaluate) -> None:
    made = world(
        GROUND, rule(Gate.MECHANISM, "ordinary", duties=COSTLY), rule(Gate.MECHANISM, "last", last_resort=True),
        cannot="publish",
    )  # fmt: skip
    assert evaluate(made, made.cases[0]).effect is Effect.DENY


@both_evaluators
def test_a_duty_of_what_defeats_an_exception_may_be_refused_without_saving_the_exception(evaluate) -> None:
    strict = rule(Gate.EXCEPTION, "strict", duties=COSTLY)
    spared = rule(Gate.EXCEPTION, "spared", defeated_by=(strict,))
    made = world(GROUND, rule(Gate.PROHIBITION, "p", defeated_by=(spared,)), cannot="publish")
    assert evaluate(made, made.cases[0]).effect is Effect.DENY


@both_evaluators
def test_a_finding_counts_for_an_exception_that_defeats_what_defeats_an_exception(evaluate) -> None:
    third = rule(Gate.EXCEPTION, "third", when=HUMAN)
    second = rule(Gate.EXCEPTION, "second", defeated_by=(third,))
    first = rule(Gate.EXCEPTION, "first", defeated_by=(second,))
    finding = EvidenceItem(
        id="f", type="review-finding", state=EvidenceState.VERIFIED, scope={"dataset": frozenset({"d"})}, issued_on=TODAY,
        valid_from=TODAY, outcome="lawful", properties={"rule": third.id},
    )  # fmt: skip
    banned = rule(Gate.PROHIBITION, "p", defeated_by=(first,))
    made = world(GROUND, banned, dataset="d")
    assert evaluate(made, made.cases[0]).effect is Effect.REFER
    judged = world(GROUND, banned, evidence=(finding,), dataset="d")
    assert evaluate(judged, judged.cases[0]).effect is Effect.PERMIT


@both_evaluators
def test_refusing_a_duty_does_not_make_a_law_ask_for_the_ground_that_overrides_a_refusal(evaluate) -> None:
    rules = (rule(Gate.OUTSIDE_SCOPE, "out", duties=COSTLY), rule(Gate.GROUND, "despite", despite_refusal="Art. 2"))
    mechanism = rule(Gate.MECHANISM, "any")
    free, bound = world(*rules, mechanism), world(*rules, mechanism, cannot="publish")
    assert evaluate(refused(free), refused(free).cases[0]).effect is Effect.DENY
    assert evaluate(refused(bound), refused(bound).cases[0]).effect is Effect.DENY


@both_evaluators
@pytest.mark.parametrize(("seed", "number"), [(50_057, 1), (47, 2)])
def test_random_cases_in_which_forgetting_once_turned_a_verdict(evaluate, seed: int, number: int) -> None:
    made = make_world(random.Random(seed), 3)
    case = made.cases[number]
    for place in changes.known_facts(case.facts):
        before = evaluate(made, case)
        after = evaluate(made, replace(case, facts=changes.forgotten(case.facts, place)))
        assert {before.effect, after.effect} != {Effect.PERMIT, Effect.DENY}
        assert after.effect is not Effect.PERMIT or before.effect is Effect.PERMIT or before.refer is Refer.HUMAN_JUDGEMENT
