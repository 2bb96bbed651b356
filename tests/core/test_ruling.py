"""The ruling's canonical form, what a caller without the data sees of it, and its sentences."""

import json
from dataclasses import replace
from datetime import date

from governance.core.decide import decide
from governance.core.explain import sentences
from governance.core.ruling import NOT_AVAILABLE, Reason, reason_of, ruling_document, subject_free
from governance.core.truth import Truth
from tests.core.builders import (
    ALWAYS,
    NOON,
    ConsentTest,
    Gate,
    Interval,
    Operator,
    Timespan,
    fact,
    facts,
    ground,
    mechanism,
    need,
    number,
    open_law,
    paper,
    people,
    policy_set,
    question,
    regime,
    row,
    rule,
    table,
)

LAW = regime(ground("research", when=fact("purpose", "research"), duties=["label"]), mechanism("contract", needs=(need("contract"),)))
MINORS = open_law(rule(Gate.PROHIBITION, "minors", when=number("subject.age", Operator.BELOW, 18)))


def ruled(law, given=None, asked=None):
    return decide(policy_set(law), asked or question(), given or facts(), NOON)


def as_bytes(document) -> bytes:
    return json.dumps(document, sort_keys=True, separators=(",", ":"), allow_nan=False).encode()


def test_a_ruling_made_twice_is_the_same_bytes() -> None:
    given = facts(evidence=[paper("contract")])
    again = facts(evidence=[paper("contract")])
    assert as_bytes(ruling_document(ruled(LAW, given))) == as_bytes(ruling_document(decide(policy_set(LAW), question(), again, NOON)))


def test_the_document_says_what_was_decided() -> None:
    document = ruling_document(ruled(LAW, facts(evidence=[paper("contract")])))
    assert (document["effect"], document["profile"], document["at"]) == ("permit", "as-is", "2026-11-22T12:00:00Z")
    assert document["duties"] == [
        {"id": "label", "by": "platform", "when": "with", "params": {}, "because": ["law/grounds/research"]}
    ]
    assert [reason["rule"] for reason in document["reasons"]] == ["law/grounds/research", "law/mechanisms/contract"]
    assert document["reasons"][0]["facts"] == {"purpose": "research"}


def test_a_reason_made_quickly_is_what_its_constructor_makes() -> None:
    one = rule(Gate.GROUND)
    slow = Reason(regime="law", gate=Gate.GROUND, rule=one.id, cite=one.cite, says=one.says, outcome=Truth.TRUE,
                  facts=(("a", "b"),), profile="p", subject_dependent=True, relied_on=True)  # fmt: skip
    assert reason_of(one, "law", Truth.TRUE, (("a", "b"),), profile="p", subject_dependent=True, relied_on=True) == slow


def test_a_caller_without_the_data_gets_one_answer_for_all_that_depends_on_the_patient() -> None:
    by_consent = regime(ground(consent=ConsentTest()), silent=(Gate.MECHANISM,))
    refused = subject_free(ruled(by_consent))
    minor = subject_free(ruled(MINORS, facts(classes=[people(subject__age=Interval(3, 3))])))
    unknown = subject_free(ruled(MINORS, facts(classes=[people(subject__age=None)])))
    assert refused == minor == unknown
    assert (refused["effect"], refused["reasons"], refused["missing"]) == (NOT_AVAILABLE, [], [])


def test_a_denial_that_does_not_depend_on_the_patient_is_explained_and_hides_nothing_more() -> None:
    both = open_law(rule(Gate.PROHIBITION, "all"), rule(Gate.PROHIBITION, "minors", when=number("subject.age", Operator.BELOW, 18)))
    adult = subject_free(ruled(both))
    minor = subject_free(ruled(both, facts(classes=[people(subject__age=Interval(3, 3))])))
    assert adult == minor
    assert [reason["rule"] for reason in adult["reasons"]] == ["law/prohibitions/all"]


def test_a_law_that_governs_by_residence_is_not_told() -> None:
    abroad = open_law(pack="fr", territory="FR", governs=fact("subject.residence", "FR"))
    given = facts(classes=[people(subject__residence="FR")])
    ruling = decide(policy_set(open_law(), abroad), question(), given, NOON)
    assert [reason["rule"] for reason in subject_free(ruling)["reasons"]] == ["law/grounds/ground"]


def test_a_law_that_governs_by_residence_from_a_day_on_is_not_told_either() -> None:
    since = row("FR", span=Timespan(from_earliest=date(2020, 1, 1), from_latest=date(2020, 1, 1)))
    abroad = open_law(pack="fr", territory="FR", governs=table("subject.residence", since))
    given = facts(classes=[people(subject__residence="FR")])
    ruling = decide(policy_set(open_law(), abroad), question(), given, NOON)
    assert "fr" in {reason.regime for reason in ruling.reasons}
    assert [reason["rule"] for reason in subject_free(ruling)["reasons"]] == ["law/grounds/ground"]


def test_counts_are_coarse_and_small_ones_hidden() -> None:
    given = facts(classes=[people(1187), people(7, subject__age=Interval(3, 3))])
    view = subject_free(ruled(MINORS, given, question(subjects=True)))
    assert view["subjects"] == {"in": 1180, "out": None}
    assert view["allowed"] == []


def test_sentences_begin_with_the_verdict_and_the_rule_that_decides() -> None:
    policies = policy_set(LAW)
    permitted = sentences(decide(policies, question(), facts(evidence=[paper("contract")]), NOON), policies)
    assert permitted[0] == "Permitted as it is: clinical of 1 person."
    assert "The law (Art. research) opens a ground: Says research. [purpose: research]" in permitted
    assert "Duty of the platform, with: label, because of law/grounds/research." in permitted
    denied = sentences(decide(policies, question(), facts(), NOON), policies)
    assert denied[0].startswith("Denied")
    assert "[evidence contract: not on file]" in denied[1]
    referred = sentences(decide(policies, question(), facts(purpose=None, evidence=[paper("contract")]), NOON), policies)
    assert (referred[0][:8], referred[-1]) == ("Referred", "Missing: purpose.")


def test_every_reason_names_a_rule_in_force() -> None:
    gone = mechanism("gone", existence=Truth.FALSE)
    law = replace(LAW, rules={**LAW.rules, Gate.MECHANISM: (*LAW.rules[Gate.MECHANISM], gone)})
    assert [r.rule for r in ruled(law).reasons] == ["law/mechanisms/contract"]
    assert ALWAYS.value is Truth.TRUE
