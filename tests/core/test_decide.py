"""`decide` gate by gate: what each section of a pack does to a small lawful request."""

from dataclasses import replace
from datetime import date

import pytest

from governance.core.cell import PLACES, consent_context
from governance.core.conditions import AllOf, AnyOf, Constant, Not
from governance.core.decide import decide
from governance.core.evidence import EvidenceState
from governance.core.ruling import Effect, Refer, Ruling
from tests.core.builders import (
    ALWAYS,
    AS_IS,
    LEG,
    NOON,
    PSEUDONYMISED,
    VOCABULARY,
    Arguable,
    DutyOwed,
    Force,
    Gate,
    Interval,
    Measure,
    Operator,
    PlaceEntry,
    Timespan,
    Truth,
    fact,
    facts,
    ground,
    leg,
    mechanism,
    need,
    number,
    open_law,
    paper,
    part,
    people,
    policy_set,
    question,
    regime,
    row,
    rule,
    table,
    yes,
)

HUMAN = Constant(value=Truth.HUMAN)
UNKNOWN = yes("never-given")


def ruled(*laws, given=None, asked=None, **policy) -> Ruling:
    return decide(policy_set(*laws, **policy), asked or question(), given or facts(), NOON)


def verdict(ruling: Ruling) -> str:
    return ruling.refer.value if ruling.refer else ruling.effect.value


def rules(ruling: Ruling) -> list[str]:
    return [reason.rule for reason in ruling.reasons]


@pytest.mark.parametrize(
    ("when", "expected"),
    [(ALWAYS, "deny"), (HUMAN, "human-judgement"), (UNKNOWN, "missing-facts"), (Not(member=ALWAYS), "permit")],
)
def test_a_prohibition_denies_refers_or_lets_pass(when, expected) -> None:
    assert verdict(ruled(open_law(rule(Gate.PROHIBITION, when=when)))) == expected


@pytest.mark.parametrize(
    ("when", "expected"),
    [(ALWAYS, "permit"), (HUMAN, "human-judgement"), (UNKNOWN, "missing-facts"), (Not(member=ALWAYS), "deny")],
)
def test_a_ground_opens_refers_or_leaves_closed(when, expected) -> None:
    assert verdict(ruled(regime(ground(when=when), silent=(Gate.MECHANISM,)))) == expected
    assert verdict(ruled(regime(ground(), mechanism(when=when)))) == expected


@pytest.mark.parametrize(
    ("must", "expected"),
    [(ALWAYS, "permit"), (HUMAN, "human-judgement"), (UNKNOWN, "missing-facts"), (Not(member=ALWAYS), "deny")],
)
def test_a_requirement_that_applies_must_be_met(must, expected) -> None:
    assert verdict(ruled(open_law(rule(Gate.REQUIREMENT, must=must)))) == expected
    assert verdict(ruled(open_law(rule(Gate.REQUIREMENT, when=Not(member=ALWAYS), must=must)))) == "permit"


@pytest.mark.parametrize(
    ("when", "expected"),
    [(ALWAYS, "human-judgement"), (HUMAN, "human-judgement"), (UNKNOWN, "missing-facts"), (Not(member=ALWAYS), "permit")],
)
def test_a_review_caps_at_a_persons_judgement(when, expected) -> None:
    assert verdict(ruled(open_law(rule(Gate.REVIEW, when=when)))) == expected


def test_what_lies_outside_scope_needs_no_ground() -> None:
    law = regime(rule(Gate.OUTSIDE_SCOPE, when=fact("data.form", "anonymous")), rule(Gate.PROHIBITION))
    assert verdict(ruled(law)) == "deny"
    assert verdict(ruled(law, given=facts(parts=[part(data__form="anonymous")]))) == "permit"


def test_a_mechanism_is_asked_only_where_data_leave_the_territory() -> None:
    law = regime(ground(), mechanism(when=Not(member=ALWAYS)))
    at_home = leg(destination="DE", storage__places=frozenset({"DE"}), access__places=frozenset({"DE"}))
    assert verdict(ruled(law)) == "deny"
    assert verdict(ruled(law, given=facts(legs=[at_home]))) == "permit"
    unknown_storage = leg(destination="DE", storage__places=None, access__places=frozenset({"DE"}))
    assert verdict(ruled(law, given=facts(legs=[unknown_storage]))) == "missing-facts"
    wide = leg(destination="EEA", storage__places=frozenset({"DE"}), access__places=frozenset({"DE"}))
    assert verdict(ruled(law, given=facts(legs=[wide]))) == "missing-facts"


def test_a_last_resort_counts_only_if_every_other_pathway_is_false() -> None:
    def law(ordinary):
        return regime(ground(), mechanism("ordinary", when=ordinary), mechanism("last", last_resort=True))

    assert verdict(ruled(law(Not(member=ALWAYS)))) == "permit"
    assert verdict(ruled(law(UNKNOWN))) == "missing-facts"
    assert rules(ruled(law(ALWAYS))) == ["law/grounds/ground", "law/mechanisms/ordinary"]


def test_a_mechanism_goes_only_with_the_grounds_it_rests_on() -> None:
    only = mechanism(rests_on=frozenset({"law/grounds/care"}))
    research = ground("research")
    care = ground("care", when=fact("purpose", "care"))
    assert verdict(ruled(regime(care, research, only))) == "deny"
    assert verdict(ruled(regime(care, research, only), given=facts(purpose="care"))) == "permit"


def test_a_requirement_resting_on_a_ground_does_not_bind_other_grounds() -> None:
    strict = rule(Gate.REQUIREMENT, must=Not(member=ALWAYS), rests_on=frozenset({"law/grounds/a"}))
    assert verdict(ruled(regime(ground("a"), strict, silent=(Gate.MECHANISM,)))) == "deny"
    assert rules(ruled(regime(ground("a"), ground("b"), strict, silent=(Gate.MECHANISM,))))[0] == "law/grounds/b"


def test_an_exception_defeats_a_prohibition_and_its_own_exception_defeats_it() -> None:
    inner = rule(Gate.EXCEPTION, "inner", when=yes("emergency"))
    outer = rule(Gate.EXCEPTION, "outer", defeated_by=(inner,))
    law = open_law(rule(Gate.PROHIBITION, defeated_by=(outer,)))
    assert verdict(ruled(law, given=facts(emergency=False))) == "permit"
    assert "law/exceptions/outer" in rules(ruled(law, given=facts(emergency=False)))
    assert verdict(ruled(law, given=facts(emergency=True))) == "deny"
    assert verdict(ruled(law)) == "missing-facts"


def test_an_exception_of_another_pack_works_only_where_that_pack_governs() -> None:
    borrowed = rule(Gate.EXCEPTION, "borrowed", pack="other", governed_by=fact("destination", "FR"))
    law = open_law(rule(Gate.PROHIBITION, defeated_by=(borrowed,)))
    assert verdict(ruled(law)) == "deny"
    assert verdict(ruled(law, given=facts(legs=[leg(destination="FR")]))) == "permit"


def test_an_arguable_rule_wants_a_person_instead_of_denying() -> None:
    argued = Arguable(who="ethics-committee")
    assert verdict(ruled(open_law(rule(Gate.PROHIBITION, arguable=argued)))) == "human-judgement"
    assert verdict(ruled(open_law(rule(Gate.REQUIREMENT, must=Not(member=ALWAYS), arguable=argued)))) == "human-judgement"
    point = Arguable(who="court", point=fact("repetition", "one-off"))
    law = regime(ground(when=fact("purpose", "research"), arguable=point), silent=(Gate.MECHANISM,))
    assert verdict(ruled(law, given=facts(repetition="systematic"))) == "human-judgement"
    assert verdict(ruled(law, given=facts(repetition="one-off"))) == "permit"
    assert verdict(ruled(law, given=facts(repetition="systematic", purpose="care"))) == "deny"
    assert ruled(law, given=facts(repetition="systematic")).arguable == ("law/grounds/ground",)


def test_a_finding_answers_human_but_never_a_missing_fact() -> None:
    finding = paper("review-finding", properties={"rule": "law/reviews/it"})
    law = open_law(rule(Gate.REVIEW))
    assert verdict(ruled(law, given=facts(evidence=[finding]))) == "permit"
    elsewhere = paper("review-finding", properties={"rule": "law/reviews/other"})
    assert verdict(ruled(law, given=facts(evidence=[elsewhere]))) == "human-judgement"
    open_question = open_law(rule(Gate.REVIEW, when=UNKNOWN))
    assert verdict(ruled(open_question, given=facts(evidence=[finding]))) == "missing-facts"


def test_a_finding_never_reverses_when_a_fact_is_learnt() -> None:
    both = AnyOf(members=(HUMAN, yes("emergency")))
    law = open_law(rule(Gate.PROHIBITION, when=both))
    finding = paper("review-finding", properties={"rule": "law/prohibitions/it"})
    assert verdict(ruled(law, given=facts(evidence=[finding]))) == "missing-facts"
    assert verdict(ruled(law, given=facts(evidence=[finding], emergency=False))) == "permit"
    assert verdict(ruled(law, given=facts(evidence=[finding], emergency=True))) == "deny"


def test_law_not_known_well_enough_is_referred_and_said_so() -> None:
    shaky = ground(confident=False)
    assert verdict(ruled(regime(shaky, silent=(Gate.MECHANISM,)))) == "unverified-law"
    listed = table("destination", row("US", confident=False))
    assert verdict(ruled(regime(ground(), mechanism(when=listed)))) == "unverified-law"
    assert verdict(ruled(open_law(rule(Gate.PROHIBITION, when=listed)))) == "deny"


def test_law_not_signed_off_is_a_permit_that_says_so() -> None:
    assert "The law (law): not signed off by a lawyer" in ruled(open_law(signed_off=False)).notes


@pytest.mark.parametrize(
    ("gate", "existence", "expected"),
    [(Gate.PROHIBITION, Truth.HUMAN, "human-judgement"), (Gate.PROHIBITION, Truth.FALSE, "permit")],
)
def test_a_prohibition_counts_as_far_as_it_exists(gate, existence, expected) -> None:
    assert verdict(ruled(open_law(rule(gate, existence=existence)))) == expected


def test_a_rule_counts_from_its_first_to_its_last_day() -> None:
    day = date(2026, 11, 22)
    for span, expected in (
        (Timespan(from_earliest=day, from_latest=day), "deny"),
        (Timespan(from_earliest=date(2026, 11, 23), from_latest=date(2026, 11, 23)), "permit"),
        (Timespan(from_earliest=day, from_latest=date(2026, 11, 23)), "missing-facts"),
        (Timespan(until_earliest=day, until_latest=day), "deny"),
        (Timespan(until_earliest=date(2026, 11, 21), until_latest=date(2026, 11, 21)), "permit"),
    ):
        assert verdict(ruled(open_law(rule(Gate.PROHIBITION, span=span)))) == expected


def test_guidance_never_denies_but_may_want_a_review() -> None:
    advice = regime(rule(Gate.REVIEW), rule(Gate.PROHIBITION), pack="advice", territory=None, force=Force.GUIDANCE)
    assert verdict(ruled(open_law(), advice)) == "human-judgement"


def test_terms_of_a_data_set_bind_like_law() -> None:
    terms = open_law(rule(Gate.PROHIBITION, pack="terms"), pack="terms", territory=None, force=Force.HOUSE)
    assert verdict(ruled(given=facts(terms=[terms]))) == "deny"


def test_a_refer_for_missing_facts_names_them_and_only_them() -> None:
    law = regime(ground(when=AllOf(members=(UNKNOWN, fact("purpose", "research")))), silent=(Gate.MECHANISM,))
    assert ruled(law).missing == ("never-given",)
    assert ruled(open_law(), given=facts(classes=[people(subject__residence=None)])).missing == ("subject.residence",)


def test_a_request_for_more_than_the_rule_names_neither_satisfies_nor_escapes_it() -> None:
    banned = open_law(rule(Gate.PROHIBITION, when=fact("data.categories", "genetic")))
    wide = facts(parts=[part(data__categories=frozenset({"health"}))])
    assert verdict(ruled(banned, given=wide)) == "missing-facts"
    assert verdict(ruled(banned, given=facts(parts=[part(data__categories=frozenset({"genomic"}))]))) == "deny"
    assert verdict(ruled(banned)) == "permit"


@pytest.mark.parametrize(
    "change",
    [
        {"state": EvidenceState.SUBMITTED}, {"state": EvidenceState.REVOKED}, {"outcome": None},
        {"valid_until": date(2026, 11, 21)}, {"valid_from": date(2026, 11, 23)}, {"scope": {}},
        {"outcome": "refused"},
    ],
)  # fmt: skip
def test_evidence_opens_only_if_it_fits(change) -> None:
    law = regime(ground(), mechanism(needs=(need("contract"),)))
    assert verdict(ruled(law, given=facts(evidence=[paper("contract")]))) == "permit"
    assert verdict(ruled(law, given=facts(evidence=[replace(paper("contract"), **change)]))) == "deny"


def test_evidence_may_be_too_old_or_too_young() -> None:
    law = regime(ground(), mechanism(needs=(need("ethics", min_age_days=10),)))
    for issued, expected in ((date(2026, 11, 12), "permit"), (date(2026, 11, 13), "deny"), (date(2025, 11, 22), "permit"),
                             (date(2025, 11, 21), "deny")):  # fmt: skip
        item = paper("ethics", issued_on=issued, valid_from=issued)
        assert verdict(ruled(law, given=facts(evidence=[item]))) == expected


def test_evidence_that_turns_on_an_unknown_fact_is_unknown_so_that_no_last_resort_opens() -> None:
    law = regime(ground(), mechanism("contract", needs=(need("contract"),)), mechanism("last", last_resort=True))
    unknown = facts(exporter__id=None, evidence=[paper("contract")])
    assert (verdict(ruled(law, given=unknown)), ruled(law, given=unknown).missing) == ("missing-facts", ("exporter.id",))


# --- the three cases in which other engines allow -----------------------------------------------------------------

_FAIL_OPEN = (
    rule(Gate.PROHIBITION, when=fact("data.categories", "genetic"), unless=fact("subject.scope", "research")),
    rule(Gate.PROHIBITION, when=AllOf(members=(
        fact("data.categories", "genetic"), Not(member=fact("subject.scope", "research"))))),
    rule(Gate.REQUIREMENT, when=fact("data.categories", "genetic"), must=fact("subject.scope", "research")),
)  # fmt: skip


@pytest.mark.parametrize("forbids", _FAIL_OPEN, ids=("unless", "not", "must"))
def test_genetic_data_are_not_permitted_while_the_consents_scope_is_absent(forbids) -> None:
    genetic = [part(data__categories=frozenset({"genetic"}))]
    for scope, expected in ((None, "missing-facts"), ("research", "permit"), ("marketing", "deny")):
        given = facts(parts=genetic, classes=[people(subject__scope=scope)])
        assert verdict(ruled(open_law(forbids), given=given)) == expected


# --- coverage ---------------------------------------------------------------------------------------------------


def test_nothing_is_permitted_without_a_law_of_the_origin_that_affirms() -> None:
    assert verdict(ruled(given=facts(origin="FR"))) == "not-covered"
    assert verdict(ruled(given=facts(origin=None))) == "missing-facts"
    silent = regime(silent=(Gate.GROUND, Gate.MECHANISM))
    assert verdict(ruled(silent)) == "not-covered"


def test_a_residence_must_be_known_and_covered() -> None:
    abroad = facts(classes=[people(subject__residence="JP")])
    assert verdict(ruled(given=abroad)) == "not-covered"
    entry = PlaceEntry(place="JP", cite="Country note")
    assert verdict(ruled(given=abroad, no_regime=[entry])) == "permit"
    later = PlaceEntry(place="JP", cite="Country note", span=Timespan(from_earliest=date(2027, 1, 1), from_latest=date(2027, 1, 1)))
    assert verdict(ruled(given=abroad, no_regime=[later])) == "not-covered"


def test_a_destination_not_examined_is_a_note() -> None:
    assert ruled().notes == ("US: the law of this place was not examined",)


# --- profiles, parts, people ------------------------------------------------------------------------------------

_NO_NOTES = open_law(rule(Gate.PROHIBITION, when=fact("data.categories", "notes")))
_TWO_PARTS = [part(), part("letters", data__categories=frozenset({"notes"}))]


def test_the_first_lawful_profile_in_the_callers_order_is_taken() -> None:
    law = open_law(rule(Gate.PROHIBITION, when=fact("data.form", "identified")))
    asked = question("as-is", "pseudonymised")
    assert ruled(law, asked=asked).profile == "pseudonymised"
    assert ruled(open_law(), asked=asked).profile == "as-is"
    assert {reason.profile for reason in ruled(law, asked=question("as-is")).reasons} == {"as-is"}


def test_a_profile_removes_categories() -> None:
    given = facts(parts=[part(data__categories=frozenset({"notes", "laboratory"}))])
    assert ruled(_NO_NOTES, asked=question("as-is", "pseudonymised"), given=given).profile == "pseudonymised"


def test_parts_are_withheld_only_if_the_caller_accepts_that() -> None:
    given = facts(parts=_TWO_PARTS)
    assert verdict(ruled(_NO_NOTES, given=given)) == "deny"
    some = ruled(_NO_NOTES, given=given, asked=question(parts=True))
    assert (some.effect, some.parts_in, some.parts_withheld) == (Effect.PERMIT, ("clinical",), ("letters",))


def test_people_are_left_out_only_if_the_caller_accepts_that() -> None:
    law = open_law(rule(Gate.PROHIBITION, when=number("subject.age", Operator.BELOW, 18)))
    given = facts(classes=[people(30), people(5, subject__age=Interval(12, 12))])
    assert verdict(ruled(law, given=given)) == "deny"
    some = ruled(law, given=given, asked=question(subjects=True))
    assert (some.effect, some.subjects_in, some.subjects_out) == (Effect.PERMIT, 30, 5)
    assert [a.subject_class for a in some.allowed] == [0]


def test_both_withheld_leaves_single_cells() -> None:
    minors = AllOf(members=(fact("data.categories", "notes"), number("subject.age", Operator.BELOW, 18)))
    law = open_law(rule(Gate.PROHIBITION, when=minors))
    given = facts(parts=_TWO_PARTS, classes=[people(3), people(2, subject__age=Interval(9, 9))])
    both = ruled(law, given=given, asked=question(subjects=True, parts=True))
    assert [(a.subject_class, a.parts) for a in both.allowed] == [(0, ("clinical", "letters")), (1, ("clinical",))]


def test_every_leg_must_be_lawful() -> None:
    law = open_law(rule(Gate.PROHIBITION, when=fact("destination", "CN")))
    second = leg(destination="CN")
    denied = ruled(law, given=facts(legs=[leg(), second]))
    assert (verdict(denied), [(r.rule, r.leg) for r in denied.reasons]) == ("deny", [("law/prohibitions/it", 1)])


# --- counts -----------------------------------------------------------------------------------------------------

_MEASURE = Measure(key="count[law/people]", within=ALWAYS, per=("exporter.id",), window_days=365)
_LIMIT = open_law(rule(Gate.PROHIBITION, when=number("count[law/people]", Operator.AT_LEAST, 100)))


@pytest.mark.parametrize(
    ("before", "size", "known", "expected"),
    [(90, 9, 0, "permit"), (90, 10, 0, "deny"), (90, 10, 1, "permit"), (99, 1, 1, "permit"), (100, 1, 1, "deny")],
)
def test_the_people_of_a_request_count_beside_those_before(before, size, known, expected) -> None:
    counted = {"count[law/people]": Interval(before, before)}
    given = facts(legs=[leg(counted)], classes=[people(size, before={(0, "count[law/people]"): known})])
    assert verdict(ruled(_LIMIT, given=given, measures=[_MEASURE])) == expected


def test_a_count_nobody_kept_is_a_missing_fact() -> None:
    assert ruled(_LIMIT, measures=[_MEASURE]).missing == ("count[law/people]",)


def test_a_part_may_be_withheld_to_stay_below_a_limit_but_people_never() -> None:
    measure = replace(_MEASURE, within=fact("data.categories", "genetic"))
    given = facts(
        legs=[leg({"count[law/people]": Interval(95, 95)})], classes=[people(10)],
        parts=[part(), part("genomes", data__categories=frozenset({"genomic"}))],
    )  # fmt: skip
    both = ruled(_LIMIT, given=given, asked=question(parts=True), measures=[measure])
    assert (both.effect, both.parts_in) == (Effect.PERMIT, ("clinical",))
    assert verdict(ruled(_LIMIT, given=given, asked=question(subjects=True), measures=[measure])) == "deny"


# --- duties -----------------------------------------------------------------------------------------------------


def duty(kind: str, **params: str) -> DutyOwed:
    return DutyOwed(type=kind, params=tuple((name, tuple(value.split())) for name, value in params.items()))


@pytest.mark.parametrize(
    ("first", "second", "expected"),
    [
        (duty("delete", within="P30D"), duty("delete", within="PT72H"), (("within", ("PT72H",)),)),
        (duty("keep", until="2030-01-01"), duty("keep", until="2029-12-31"), (("until", ("2030-01-01",)),)),
        (duty("encrypt", **{"with": "aes-128"}), duty("encrypt", **{"with": "aes-256"}), (("with", ("aes-256",)),)),
        (duty("store-in", places="DE FR"), duty("store-in", places="FR US"), (("places", ("FR",)),)),
        (duty("label", as_="a"), duty("label", as_="b"), (("as_", ("a", "b")),)),
    ],
)
def test_duties_of_one_type_join_as_their_type_says(first, second, expected) -> None:
    other = open_law(rule(Gate.DUTY, pack="b", duties=[second]), pack="b")
    ruling = ruled(open_law(rule(Gate.DUTY, duties=[first])), other)
    assert [(d.type, d.params) for d in ruling.duties] == [(first.type, expected)]
    assert ruling.duties[0].because == ("b/duties/it", "law/duties/it")


@pytest.mark.parametrize(
    "owed",
    [
        [duty("delete", within="P1D"), duty("keep", until="2030-01-01")],
        [duty("store-in", places="DE"), duty("store-in", places="US")],
    ],
)
def test_duties_that_cannot_be_fulfilled_together_want_a_person(owed) -> None:
    ruling = ruled(open_law(*(rule(Gate.DUTY, f"d{n}", duties=[d]) for n, d in enumerate(owed))))
    assert (ruling.effect, ruling.refer, ruling.missing) == (Effect.REFER, Refer.HUMAN_JUDGEMENT, ())
    assert {r.rule for r in ruling.reasons} == {"safe-conduct/duties"}


def test_a_duty_that_the_caller_cannot_fulfil_denies_and_is_named() -> None:
    ruling = ruled(open_law(rule(Gate.DUTY, duties=["label"])), asked=question(cannot=["label"]))
    assert ruling.effect is Effect.DENY
    assert {r.rule for r in ruling.reasons} == {"law/duties/it", "safe-conduct/cannot/label"}


def test_a_duty_of_guidance_that_the_caller_cannot_fulfil_only_wants_a_person() -> None:
    advice = regime(rule(Gate.DUTY, pack="advice", duties=["label"]), pack="advice", force=Force.GUIDANCE)
    ruling = ruled(open_law(), advice, asked=question(cannot=["label"]))
    assert (ruling.effect, ruling.arguable) == (Effect.REFER, ("advice/duties/it",))


def test_of_several_pathways_the_one_that_can_be_fulfilled_is_relied_on() -> None:
    law = regime(ground("a", duties=["label"]), ground("b", duties=["report", "encrypt"]), silent=(Gate.MECHANISM,))
    assert [d.type for d in ruled(law).duties] == ["label"]
    chosen = ruled(law, asked=question(cannot=["label"]))
    assert [d.type for d in chosen.duties] == ["encrypt", "report"]
    assert [(r.rule, r.relied_on) for r in chosen.reasons] == [("law/grounds/b", True)]


def test_a_denial_may_bring_duties() -> None:
    law = open_law(rule(Gate.PROHIBITION), rule(Gate.WHEN_DENIED, duties=["report"]))
    assert [d.type for d in ruled(law).duties] == ["report"]
    assert ruled(open_law(rule(Gate.WHEN_DENIED, duties=["report"]))).duties == ()


# --- asking again, determinism, misuse --------------------------------------------------------------------------


def test_a_ruling_says_when_to_ask_again() -> None:
    ends = Timespan(until_earliest=date(2027, 1, 31), until_latest=date(2027, 1, 31))
    law = regime(ground(span=ends), mechanism(needs=(need("contract"),)))
    item = paper("contract", valid_until=date(2026, 12, 31))
    assert ruled(law, given=facts(evidence=[item])).check_again_by.isoformat() == "2027-01-01T00:00:00+00:00"
    assert ruled(law, given=facts(evidence=[])).check_again_by.isoformat() == "2027-02-01T00:00:00+00:00"
    assert ruled().check_again_by is None


_NEXT_YEAR = Timespan(from_earliest=date(2027, 1, 1), from_latest=date(2027, 1, 1))


def test_a_law_that_is_not_in_force_neither_denies_nor_covers_and_its_start_is_known() -> None:
    later = regime(rule(Gate.PROHIBITION, pack="later"), pack="later", span=_NEXT_YEAR)
    today = ruled(open_law(), later)
    assert (today.effect, today.check_again_by.isoformat()) == (Effect.PERMIT, "2027-01-01T00:00:00+00:00")
    alone = ruled(open_law(span=_NEXT_YEAR))
    assert (verdict(alone), alone.check_again_by.isoformat()) == ("not-covered", "2027-01-01T00:00:00+00:00")
    abroad = open_law(pack="abroad", territory="US", span=_NEXT_YEAR)
    resident = facts(classes=[people(subject__residence="US")])
    assert verdict(ruled(open_law(), abroad, given=resident)) == "not-covered"
    assert verdict(ruled(open_law(), replace(abroad, span=Timespan()), given=resident)) == "permit"


@pytest.mark.parametrize(
    ("existence", "expected"), [(Truth.TRUE, "deny"), (Truth.HUMAN, "human-judgement"), (Truth.FALSE, "permit")]
)
def test_a_law_of_unknown_status_wants_a_person(existence, expected) -> None:
    other = regime(rule(Gate.PROHIBITION, pack="other"), pack="other", existence=existence)
    assert verdict(ruled(open_law(), other)) == expected


def test_of_many_parts_a_count_leaves_a_person_to_choose() -> None:
    measure = Measure(key="count[law/people]", within=ALWAYS, per=("exporter.id",), window_days=365)
    law = open_law(rule(Gate.PROHIBITION, when=number("count[law/people]", Operator.ABOVE, 10)))
    for several, expected in ((3, "deny"), (8, "human-judgement")):
        given = facts(
            legs=[leg({"count[law/people]": Interval(5, 5)})], parts=[part(f"p{n}") for n in range(several)],
            classes=[people(20)],
        )  # fmt: skip
        assert verdict(ruled(law, given=given, asked=question(parts=True), measures=[measure])) == expected


def test_places_of_a_movement_are_told_to_consents_only_if_all_of_them_are_known() -> None:
    known = {**LEG, "purpose": "research"}
    context = consent_context(known, VOCABULARY)
    assert context.leaf_places == {"US"}
    assert context.places >= context.leaf_places
    assert context.place_ancestors == VOCABULARY.taxonomies["place"].ancestors
    for name in PLACES:
        partly = consent_context({key: given for key, given in known.items() if key != name}, VOCABULARY)
        assert (partly.places, partly.leaf_places) == (frozenset(), frozenset())


def test_the_order_of_packs_rules_evidence_and_terms_never_matters() -> None:
    a = regime(ground("x", when=fact("purpose", "care")), ground("y"), mechanism(needs=(need("contract"),)))
    b = open_law(rule(Gate.PROHIBITION, pack="b", when=UNKNOWN), pack="b")
    a_turned = replace(a, rules={gate: tuple(reversed(found)) for gate, found in reversed(a.rules.items())})
    papers = [paper("contract"), paper("ethics")]
    one = ruled(a, b, given=facts(evidence=papers))
    assert one == ruled(b, a_turned, given=facts(evidence=papers[::-1]))
    assert one.refer is Refer.MISSING_FACTS


@pytest.mark.parametrize("profiles", [("no-such",)])
def test_an_unknown_profile_is_the_callers_mistake(profiles) -> None:
    with pytest.raises(ValueError, match="no-such"):
        ruled(asked=question(*profiles))


def test_a_naive_instant_and_an_empty_request_are_refused() -> None:
    with pytest.raises(ValueError, match="time zone"):
        decide(policy_set(), question(), facts(), NOON.replace(tzinfo=None))
    with pytest.raises(ValueError, match="at least one"):
        decide(policy_set(), question(), replace(facts(), parts=()), NOON)


def test_the_profiles_of_the_builders_are_those_meant() -> None:
    assert [p.id for p in (AS_IS, PSEUDONYMISED)] == ["as-is", "pseudonymised"]
