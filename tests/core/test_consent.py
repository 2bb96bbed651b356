"""Evaluation of consents: lifecycle, scope, three-valued matching, conflicts, time, and what an answer carries."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from governance.core.consent import (
    Actor,
    Consent,
    ConsentContext,
    ConsentState,
    ConsentStatus,
    DataScope,
    Filter,
    Period,
    Provision,
    RelatedData,
    evaluate_consents,
)

NOW = datetime(2026, 11, 22, 12, tzinfo=UTC)
LONG_AGO = datetime(2020, 1, 1, tzinfo=UTC)
HIERARCHY = {
    "TREAT": frozenset(), "ETREAT": frozenset({"TREAT"}), "BTG": frozenset({"ETREAT", "TREAT"}),
    "HRESCH": frozenset(), "CLINTRCH": frozenset({"HRESCH"}), "PUBHLTH": frozenset(), "DISASTER": frozenset({"PUBHLTH"}),
}  # fmt: skip
PLACES = {"EEA": frozenset(), "DE": frozenset({"EEA"}), "FR": frozenset({"EEA"}), "US": frozenset()}
CONTEXT = ConsentContext(
    purposes=frozenset({"HRESCH"}), recipients=frozenset({"biobank", "university"}), custodian="hospital", action="disclose",
    places=frozenset({"DE", "EEA"}), purpose_ancestors=HIERARCHY, leaf_places=frozenset({"DE"}), place_ancestors=PLACES,
)  # fmt: skip
N, R, PSY = "conf|N", "conf|R", "act|PSY"


def consent(id="c", *,  # noqa: A002 - the register's word
             base=True, **fields) -> Consent:
    given = {"effective": LONG_AGO, "recorded": LONG_AGO, "base": base, **fields}
    return Consent(id=id, **given)


def node(permit, **fields) -> Provision:
    return Provision(permit=permit, **fields)


def labels(*codes) -> DataScope:
    return DataScope(labels=frozenset(codes))


def answer(*consents, at=NOW, **changes):
    return evaluate_consents(consents, replace(CONTEXT, **changes), at)


def state(*consents, at=NOW, **changes) -> ConsentState:
    return answer(*consents, at=at, **changes).state


def purposes(*codes) -> dict[str, frozenset[str]]:
    return {"purposes": frozenset(codes)}


# --- lifecycle and time --------------------------------------------------------------------------------------------

def test_nobody_asked() -> None:
    assert state() is ConsentState.NOT_ASKED


def test_a_permit_gives_all_of_it() -> None:
    given = answer(consent(to=frozenset({"transfer"}), forms=frozenset({"explicit"}), told=frozenset({"risks"})))
    assert (given.state, given.filters, given.otherwise, given.relied_on) == (ConsentState.GIVEN, (), True, ("c",))
    assert (given.to, given.forms, given.told, given.by) == ({"transfer"}, {"explicit"}, {"risks"}, "subject")


@pytest.mark.parametrize(("fields", "expected"), [
    ({"base": False}, ConsentState.REFUSED),
    ({"status": ConsentStatus.REJECTED}, ConsentState.REFUSED),
    ({"status": ConsentStatus.REJECTED, "base": None}, ConsentState.REFUSED),
    ({"status": ConsentStatus.PROPOSED}, ConsentState.ASKED),
    ({"status": ConsentStatus.ENTERED_IN_ERROR}, ConsentState.NOT_ASKED),
    ({"status": ConsentStatus.INACTIVE}, ConsentState.NOT_ASKED),
    ({"status": ConsentStatus.INACTIVE, "withdrawn": True}, ConsentState.WITHDRAWN),
    ({"status": ConsentStatus.INACTIVE, "withdrawn": True, "ended": NOW}, ConsentState.WITHDRAWN),
    ({"status": ConsentStatus.INACTIVE, "withdrawn": True, "ended": NOW + timedelta(seconds=1)}, ConsentState.GIVEN),
    ({"validity": Period(end=NOW)}, ConsentState.EXPIRED),
    ({"validity": Period(end=NOW + timedelta(seconds=1))}, ConsentState.GIVEN),
    ({"validity": Period(start=NOW + timedelta(seconds=1))}, ConsentState.NOT_ASKED),
    ({"base": None}, ConsentState.UNCLEAR),
    ({"ambiguous": "two ways"}, ConsentState.UNCLEAR),
    ({"review": "a person must read it"}, ConsentState.REVIEW),
    ({"base": False, "validity": Period(end=NOW)}, ConsentState.NOT_ASKED),
    ({"base": False, "review": "a person must read it"}, ConsentState.REFUSED),
])  # fmt: skip
def test_one_document_by_its_state(fields, expected) -> None:
    assert state(consent(**fields)) is expected


@pytest.mark.parametrize("late", ["recorded", "effective"])
@pytest.mark.parametrize("base", [True, False])
def test_what_is_recorded_or_takes_effect_later_does_not_count_yet(late, base) -> None:
    later = consent(base=base, **{late: NOW + timedelta(minutes=1)})
    assert state(later) is ConsentState.NOT_ASKED
    assert answer(later).turns == (NOW + timedelta(minutes=1),)


def test_turns_are_all_instants_ahead_at_which_it_may_change() -> None:
    hours = [NOW + timedelta(hours=h) for h in range(1, 6)]
    document = consent(
        status=ConsentStatus.INACTIVE, ended=hours[4], validity=Period(start=LONG_AGO, end=hours[0]),
        provisions=(node(False, period=Period(start=hours[1]), provisions=(node(True, period=Period(end=hours[2])),)),),
        root=node(True, period=Period(start=hours[3])),
    )  # fmt: skip
    assert answer(document).turns == tuple(hours)


def test_a_withdrawal_shuts_only_what_was_given() -> None:
    document = consent(status=ConsentStatus.INACTIVE, withdrawn=True, root=node(True, **purposes("HRESCH")))
    assert state(document) is ConsentState.WITHDRAWN
    assert state(document, **purposes("TREAT")) is ConsentState.NOT_ASKED


def test_consenting_again_in_the_same_group_lifts_a_withdrawal() -> None:
    gone = consent("a", group="g", status=ConsentStatus.INACTIVE, withdrawn=True, ended=NOW - timedelta(days=9))
    again = consent("b", group="g", effective=NOW - timedelta(days=1))
    assert state(gone, again) is ConsentState.GIVEN
    assert state(gone, replace(again, group="other")) is ConsentState.WITHDRAWN
    assert state(gone, replace(again, effective=NOW - timedelta(days=10))) is ConsentState.WITHDRAWN


# --- request side --------------------------------------------------------------------------------------------------

def test_a_permit_fits_a_purpose_at_or_below_it_and_no_broader_one() -> None:
    trial = consent(base=False, provisions=(node(True, **purposes("CLINTRCH")),))
    assert state(trial, **purposes("CLINTRCH")) is ConsentState.GIVEN
    assert state(trial, **purposes("TREAT")) is ConsentState.REFUSED
    assert state(trial, **purposes("HRESCH")) is ConsentState.REFUSED


def test_a_refusal_of_a_narrower_purpose_is_not_escaped_by_asking_broadly() -> None:
    but_no_trials = consent(provisions=(node(False, **purposes("CLINTRCH")),))
    assert state(but_no_trials, **purposes("HRESCH")) is ConsentState.UNCLEAR
    assert state(but_no_trials, **purposes("CLINTRCH")) is ConsentState.REFUSED
    assert state(but_no_trials, **purposes("TREAT")) is ConsentState.GIVEN


def test_several_purposes_need_every_permit_and_meet_any_deny() -> None:
    both = purposes("TREAT", "HRESCH")
    assert state(consent(root=node(True, **purposes("TREAT"))), **both) is ConsentState.NOT_ASKED
    assert state(consent(root=node(True, **both)), **both) is ConsentState.GIVEN
    assert state(consent(provisions=(node(False, **purposes("TREAT")),)), **both) is ConsentState.REFUSED


def test_a_code_outside_the_hierarchy_fits_nothing_and_escapes_nothing() -> None:
    assert state(consent(provisions=(node(False, **purposes("local|FOO")),))) is ConsentState.UNCLEAR
    assert state(consent(root=node(True, **purposes("local|FOO")))) is ConsentState.NOT_ASKED
    assert state(consent(root=node(True, **purposes("local|FOO"))), **purposes("local|FOO")) is ConsentState.GIVEN


@pytest.mark.parametrize(("attribute", "context", "missing"), [
    ({"purposes": frozenset({"HRESCH"})}, {"purposes": frozenset()}, "purpose"),
    ({"actors": (Actor(role="IRCP", reference="biobank"),)}, {"recipients": frozenset()}, "recipient.id"),
    ({"actors": (Actor(role="CST", reference="hospital"),)}, {"custodian": None}, "exporter.id"),
    ({"actions": frozenset({"disclose"})}, {"action": None}, "action"),
    ({"places": frozenset({"EEA"})}, {"places": frozenset(), "leaf_places": frozenset()}, "destination"),
])  # fmt: skip
def test_a_missing_attribute_never_satisfies_a_permit_and_never_escapes_a_deny(attribute, context, missing) -> None:
    permitting = consent(base=False, provisions=(node(True, **attribute),))
    denying = consent(base=True, provisions=(node(False, **attribute),))
    assert state(permitting) is ConsentState.GIVEN
    assert state(denying) is ConsentState.REFUSED
    for document in (permitting, denying):
        unclear = answer(document, **context)
        assert (unclear.state, unclear.missing) == (ConsentState.UNCLEAR, (missing,))


@pytest.mark.parametrize(("reference", "expected"), [
    ("biobank", ConsentState.GIVEN), ("Organization/biobank", ConsentState.GIVEN), ("university", ConsentState.GIVEN),
    ("Organization/other", ConsentState.REFUSED), ("https://else.example/fhir/Organization/biobank", ConsentState.UNCLEAR),
    ("#contained", ConsentState.UNCLEAR), ("", ConsentState.UNCLEAR),
])  # fmt: skip
def test_a_recipient_is_named_by_id_group_or_type_and_a_stranger_of_the_same_name_is_unclear(reference, expected) -> None:
    document = consent(base=False, provisions=(node(True, actors=(Actor(role="IRCP", reference=reference),)),))
    assert state(document) is expected


def test_holder_and_receiver_named_together_mean_both() -> None:
    actors = (Actor(role="CST", reference="hospital"), Actor(role="PRCP", reference="biobank"))
    assert state(consent(root=node(True, actors=actors))) is ConsentState.GIVEN
    assert state(consent(root=node(True, actors=actors)), custodian="clinic") is ConsentState.UNCLEAR
    assert state(consent(root=node(True, actors=actors)), custodian="c", recipients=frozenset({"x"})) is ConsentState.NOT_ASKED


def test_an_actor_in_a_role_we_do_not_read_is_unclear() -> None:
    assert state(consent(provisions=(node(False, actors=(Actor(role="GUARD", reference="x"),)),))) is ConsentState.UNCLEAR


@pytest.mark.parametrize(("action", "expected"), [
    ("disclose", ConsentState.REFUSED), ("access", ConsentState.UNCLEAR), ("use", ConsentState.UNCLEAR),
    ("collect", ConsentState.GIVEN), ("local|action", ConsentState.UNCLEAR),
])  # fmt: skip
def test_a_refused_action_near_to_disclosing_is_unclear(action, expected) -> None:
    assert state(consent(provisions=(node(False, actions=frozenset({action})),))) is expected


@pytest.mark.parametrize(("leaves", "permit", "deny"), [
    ({"DE"}, ConsentState.GIVEN, ConsentState.REFUSED), ({"DE", "FR"}, ConsentState.GIVEN, ConsentState.REFUSED),
    ({"DE", "US"}, ConsentState.REFUSED, ConsentState.REFUSED), ({"US"}, ConsentState.REFUSED, ConsentState.GIVEN),
    ({"DE-BE"}, ConsentState.GIVEN, ConsentState.REFUSED),
])  # fmt: skip
def test_a_permit_needs_every_place_and_a_deny_meets_any(leaves, permit, deny) -> None:
    rule = {"places": frozenset({"EEA"})}
    context = {"leaf_places": frozenset(leaves)}
    assert state(consent(base=False, provisions=(node(True, **rule),)), **context) is permit
    assert state(consent(provisions=(node(False, **rule),)), **context) is deny


def test_a_destination_broader_than_the_place_named_is_unclear() -> None:
    broad = {"leaf_places": frozenset({"EEA"}), "places": frozenset({"EEA"})}
    assert state(consent(provisions=(node(False, places=frozenset({"DE"})),)), **broad) is ConsentState.UNCLEAR


def test_without_leaf_places_only_what_is_certain_counts() -> None:
    flat = {"leaf_places": frozenset(), "place_ancestors": {}}
    assert state(consent(base=False, provisions=(node(True, places=frozenset({"EEA"})),)), **flat) is ConsentState.UNCLEAR
    assert state(consent(base=False, provisions=(node(True, places=frozenset({"DE", "EEA"})),)), **flat) is ConsentState.GIVEN
    assert state(consent(provisions=(node(False, places=frozenset({"EEA"})),)), **flat) is ConsentState.REFUSED
    assert state(consent(provisions=(node(False, places=frozenset({"US"})),)), **flat) is ConsentState.UNCLEAR


def test_a_nested_period_gates_only_its_node() -> None:
    lapsed = node(True, period=Period(end=NOW - timedelta(days=1)))
    assert state(consent(base=False, provisions=(lapsed,))) is ConsentState.REFUSED
    assert state(consent(provisions=(replace(lapsed, permit=False),))) is ConsentState.GIVEN


def test_a_doubtful_attribute_that_decides_nothing_leaves_the_answer_clear() -> None:
    redundant = consent(provisions=(node(True, **purposes("HRESCH")),))
    assert state(redundant, purposes=frozenset()) is ConsentState.GIVEN
    refused = consent("d", base=False)
    assert state(consent(provisions=(node(False, **purposes("HRESCH")),)), refused, purposes=frozenset()) is ConsentState.REFUSED


def test_an_exception_is_no_surer_than_what_it_excepts_from() -> None:
    inner = node(False, **purposes("HRESCH"), provisions=(node(True, actors=(Actor(role="IRCP", reference="biobank"),)),))
    document = consent(base=False, provisions=(inner, node(True, **purposes("TREAT"))))
    assert state(document, purposes=frozenset()) is ConsentState.UNCLEAR


# --- the tree and its data -----------------------------------------------------------------------------------------

def test_the_deepest_match_wins() -> None:
    inner = node(True, actors=(Actor(role="IRCP", reference="biobank"),))
    assert state(consent(provisions=(node(False, **purposes("HRESCH"), provisions=(inner,)),))) is ConsentState.GIVEN


def test_conflicting_siblings_deny() -> None:
    document = consent(provisions=(node(True, **purposes("HRESCH")), node(False, actors=(Actor(role="IRCP", reference="biobank"),))))
    assert state(document) is ConsentState.REFUSED


def test_a_permit_over_some_data_is_nothing_but_these_data() -> None:
    given = answer(consent(root=node(True, data=labels(N))))
    assert (given.state, given.filters, given.otherwise) == (ConsentState.GIVEN, (Filter(permit=True, data=labels(N)),), False)


def test_a_nested_permit_widens_beyond_the_roots_label_for_whom_it_names() -> None:
    document = consent(root=node(True, data=labels(N)),
                       provisions=(node(True, data=labels(PSY), actors=(Actor(role="IRCP", reference="biobank"),)),))  # fmt: skip
    assert answer(document).filters == (Filter(permit=True, data=labels(PSY)), Filter(permit=True, data=labels(N)))
    assert answer(document, recipients=frozenset({"other"})).filters == (Filter(permit=True, data=labels(N)),)


def test_attributes_of_one_provision_stay_together() -> None:
    scope = DataScope(labels=frozenset({R}), classes=frozenset({"Observation"}), codes=frozenset({"loinc|1"}))
    assert answer(consent(provisions=(node(False, data=scope),))).filters == (Filter(permit=False, data=scope),)


def test_an_exception_inside_a_refused_part_stays_inside_it() -> None:
    part, code = DataScope(classes=frozenset({"Observation"})), DataScope(codes=frozenset({"loinc|1"}))
    document = consent(provisions=(node(False, data=part, provisions=(node(True, data=code),)),))
    both = DataScope(classes=part.classes, codes=code.codes)
    assert answer(document).filters == (Filter(permit=True, data=both), Filter(permit=False, data=part))


def test_an_overlap_that_cannot_be_said_exactly_is_refused() -> None:
    inner = node(True, data=DataScope(classes=frozenset({"Condition"})))
    document = consent(provisions=(node(False, data=DataScope(classes=frozenset({"Observation"})), provisions=(inner,)),))
    assert answer(document).filters == (Filter(permit=False, data=DataScope(classes=frozenset({"Observation"}))),)


def test_an_author_among_the_actors_is_a_property_of_the_data() -> None:
    document = consent(provisions=(node(False, actors=(Actor(role="AUT", reference="Practitioner/p"),)),))
    scope = DataScope(related=(RelatedData(meaning="authoredby", reference="Practitioner/p"),))
    assert answer(document).filters == (Filter(permit=False, data=scope),)


def test_data_refused_by_somebody_never_asked_about_this_movement_stay_shut() -> None:
    document = consent(root=node(True, **purposes("TREAT")), provisions=(node(False, data=labels(PSY)),))
    shut = answer(document)
    assert (shut.state, shut.filters, shut.otherwise) == (ConsentState.NOT_ASKED, (Filter(permit=False, data=labels(PSY)),), True)


def test_a_permit_that_is_refused_in_full_is_a_refusal_of_these_data() -> None:
    scope = DataScope(classes=frozenset({"Observation"}))
    document = consent(base=False, provisions=(node(True, data=scope), node(False, data=scope)))
    assert state(document) is ConsentState.REFUSED


# --- many documents ------------------------------------------------------------------------------------------------

def test_an_unrelated_newer_permit_does_not_erase_an_older_refusal() -> None:
    refusal = consent("a", provisions=(node(False, **purposes("HRESCH")),))
    newer = consent("b", effective=NOW - timedelta(days=1))
    assert state(refusal, newer) is ConsentState.REFUSED
    assert state(replace(refusal, group="g"), replace(newer, group="h")) is ConsentState.REFUSED


def test_inside_a_group_the_last_word_wins_where_it_speaks() -> None:
    old = consent("a", group="g", base=False)
    new = consent("b", group="g", effective=NOW - timedelta(days=1), root=node(True, **purposes("HRESCH")))
    assert state(old, new) is ConsentState.GIVEN
    assert state(old, new, **purposes("TREAT")) is ConsentState.REFUSED


def test_at_the_same_instant_a_refusal_wins_in_any_order() -> None:
    yes, no = consent("a", group="g"), consent("b", group="g", base=False)
    assert state(yes, no) is state(no, yes) is ConsentState.REFUSED


def test_a_later_partial_refusal_leaves_the_rest_given() -> None:
    old = consent("a", group="g")
    new = consent("b", group="g", effective=NOW - timedelta(days=1), base=False, root=node(False, data=labels(PSY)))
    partly = answer(old, new)
    assert (partly.state, partly.filters, partly.otherwise) == (ConsentState.GIVEN, (Filter(permit=False, data=labels(PSY)),), True)


def test_two_limited_permits_give_what_both_give() -> None:
    one = consent("a", root=node(True, data=DataScope(classes=frozenset({"Observation", "Condition"}))))
    other = consent("b", root=node(True, data=DataScope(codes=frozenset({"loinc|1"}))))
    both = DataScope(classes=frozenset({"Observation", "Condition"}), codes=frozenset({"loinc|1"}))
    given = answer(one, other)
    assert (given.filters[0], given.otherwise) == (Filter(permit=True, data=both), False)


def test_terms_come_from_one_document() -> None:
    processing = consent("a", to=frozenset({"processing"}), told=frozenset({"destination"}))
    transfer = consent("b", to=frozenset({"transfer"}), told=frozenset({"destination", "risks"}))
    given = answer(processing, transfer)
    assert (given.to, given.told) == (frozenset({"transfer"}), frozenset({"destination", "risks"}))


def test_terms_of_a_document_over_some_data_do_not_spread_to_other_data() -> None:
    everything = consent("a", group="g", to=frozenset({"processing"}), forms=frozenset({"written"}))
    labs = consent("b", group="g", effective=NOW - timedelta(days=1), base=False, root=node(False, **purposes("TREAT")),
                   provisions=(node(True, data=DataScope(classes=frozenset({"Observation"}))),),
                   to=frozenset({"processing", "transfer"}), forms=frozenset({"written", "explicit"}))  # fmt: skip
    given = answer(everything, labs)
    assert (given.state, given.to, given.forms) == (ConsentState.GIVEN, frozenset({"processing"}), frozenset({"written"}))


def test_an_ambiguous_document_is_unclear_unless_somebody_refused_clearly() -> None:
    unclear, permit, refusal = consent("a", ambiguous="?"), consent("b"), consent("c", base=False)
    assert state(unclear, permit) is ConsentState.UNCLEAR
    assert state(unclear, permit, refusal) is ConsentState.REFUSED


def test_an_open_question_is_asked_before_an_expired_answer_counts() -> None:
    expired, open_question = consent("a", validity=Period(end=LONG_AGO)), consent("b", status=ConsentStatus.PROPOSED)
    assert state(expired, open_question) is ConsentState.ASKED
    assert state(expired, consent("b")) is ConsentState.GIVEN


def test_an_expired_consent_for_something_else_is_no_expired_consent() -> None:
    assert state(consent(validity=Period(end=NOW), root=node(True, **purposes("TREAT")))) is ConsentState.NOT_ASKED
