from __future__ import annotations

from typing import Any

import pytest
from sqlalchemy import Connection

from governance.core.decide import decide
from governance.core.facts import Interval
from governance.core.ruling import Effect
from governance.errors import InputError
from tests.store.world import COUNT, NOW, REQUEST, Keys, gather, paper, policies


def with_(**changes: Any) -> dict[str, Any]:
    return {**REQUEST, **changes}


def messages(error: InputError) -> dict[str, str]:
    return {fault.where: fault.message for fault in error.diagnostics}


def test_shared_facts_come_from_the_register(world: Connection, keys: Keys) -> None:
    shared = gather(world, keys).facts.shared
    assert shared == {
        "purpose": "genetic-research", "project": "cardio-eu", "funders": frozenset({"public"}), "consideration": False,
        "dataset": "cardio", "dataset.context": frozenset({"care"}), "origin": "DE-BE",
        "exporter.id": "charite", "exporter.place": "DE", "exporter.group": "charite", "exporter.role": "controller",
        "exporter.sector": "public",
    }  # fmt: skip


def test_a_leg_carries_recipient_flow_relation_and_ownership(world: Connection, keys: Keys) -> None:
    (leg,) = gather(world, keys).facts.legs
    assert leg.facts == {
        "action": "transfer", "destination": "US", "recipient.id": "biobank", "recipient.place": "US",
        "recipient.group": "acme", "recipient.type": "pharma", "recipient.role": "processor",
        "recipient.relation": "processor-of-exporter", "storage.places": frozenset({"US"}),
        "transaction": "collaboration", "recipient.owned_by[law/concern,50]": Interval(80.0, 100.0),
    }  # fmt: skip


def test_a_leg_without_destination_has_none(world: Connection, keys: Keys) -> None:
    gathered = gather(world, keys, with_(legs=[{"action": "transfer", "recipient": "biobank"}]))
    assert "destination" not in gathered.facts.legs[0].facts


def test_without_registered_flow_its_facts_and_a_processors_relation_are_unknown(world: Connection, keys: Keys) -> None:
    facts = gather(world, keys, with_(legs=[{"recipient": "acme-holding"}])).facts.legs[0].facts
    assert "storage.places" not in facts
    assert facts["recipient.relation"] == "independent"


def test_parts_stand_in_registered_order_and_a_choice_is_kept(world: Connection, keys: Keys) -> None:
    assert [part.id for part in gather(world, keys).facts.parts] == ["clinical", "genomes"]
    (chosen,) = gather(world, keys, with_(parts=["genomes"])).facts.parts
    assert chosen.facts == {"data.categories": frozenset({"genomic"})}


def test_without_parts_there_is_one_of_which_nothing_is_known(world: Connection, keys: Keys) -> None:
    request = {key: value for key, value in REQUEST.items() if key != "dataset"} | {"subjects": {"count": 3}}
    (part,) = gather(world, keys, request).facts.parts
    assert (part.id, part.facts) == ("data", {})


def test_every_name_that_is_not_registered_is_reported_at_once(world: Connection, keys: Keys) -> None:
    with pytest.raises(InputError) as caught:
        gather(world, keys, with_(exporter="charitee", project="cardio-us", parts=["genome"],
                                  subjects={"cohort": "cardio/enroled"}, legs=[{"recipient": "biobnk"}]))  # fmt: skip
    assert messages(caught.value) == {
        "exporter": "unknown party `charitee`", "project": "unknown project `cardio-us`",
        "parts[0]": "unknown part `genome`", "subjects.cohort": "unknown cohort `cardio/enroled`",
        "legs[0].recipient": "unknown party `biobnk`",
    }  # fmt: skip
    hints = {fault.where: fault.hint for fault in caught.value.diagnostics}
    assert hints["legs[0].recipient"] == "did you mean `biobank`?"


def test_an_empty_cohort_is_refused(world: Connection, keys: Keys) -> None:
    with pytest.raises(InputError) as caught:
        gather(world, keys, with_(subjects={"cohort": "cardio/empty"}))
    assert messages(caught.value) == {"subjects.cohort": "has nobody in it"}


def test_somebody_who_does_not_hold_the_data_set_cannot_export_it(world: Connection, keys: Keys) -> None:
    with pytest.raises(InputError) as caught:
        gather(world, keys, with_(exporter="sister"))
    assert messages(caught.value) == {"exporter": "does not hold this data set"}


@pytest.mark.parametrize(("said", "stands"), [("DE", "DE-BE"), ("EEA", "DE-BE"), ("DE-BE", "DE-BE")])
def test_an_origin_that_is_equal_or_broader_leaves_the_registers(world: Connection, keys: Keys, said: str, stands: str) -> None:
    assert gather(world, keys, with_(origin=said)).facts.shared["origin"] == stands


def test_an_origin_beside_the_registers_is_refused(world: Connection, keys: Keys) -> None:
    with pytest.raises(InputError) as caught:
        gather(world, keys, with_(origin="US"))
    assert "contradicts the register" in messages(caught.value).values()


def test_a_claim_about_what_only_the_register_knows_never_fills_it(world: Connection, keys: Keys) -> None:
    gathered = gather(world, keys, with_(facts={"recipient.secrecy": True, "exporter.role": "controller"}))
    assert "recipient.secrecy" not in gathered.facts.legs[0].facts
    assert gathered.notes == ("the caller's word is not enough for `recipient.secrecy`: it has to come from the register",)


def test_a_claim_that_contradicts_the_register_is_refused(world: Connection, keys: Keys) -> None:
    with pytest.raises(InputError) as caught:
        gather(world, keys, with_(facts={"recipient.type": "university", "transaction": "sale", "consideration": True}))
    assert set(messages(caught.value).values()) == {"contradicts the register"}
    assert len(caught.value.diagnostics) == 3


def test_the_callers_word_counts_where_the_vocabulary_says_so(world: Connection, keys: Keys) -> None:
    facts = {"repetition": "one-off", "onward.places": [], "start": "2026-12-01", "budget": [1, None]}
    gathered = gather(world, keys, with_(facts=facts))
    assert gathered.facts.shared["repetition"] == "one-off"
    assert gathered.facts.shared["budget"] == Interval(1.0, float("inf"))
    assert gathered.facts.legs[0].facts["onward.places"] == frozenset()
    assert gathered.notes == ()


def test_a_clinicians_fact_needs_a_named_clinician(world: Connection, keys: Keys) -> None:
    facts = {"emergency.kind": "outbreak", "subject.can_consent": True}
    without, with_one = gather(world, keys, with_(facts=facts)), gather(world, keys, with_(facts=facts, attested_by="dr-a"))
    assert "emergency.kind" not in without.facts.shared
    assert len(without.notes) == 2
    assert with_one.facts.shared["emergency.kind"] == "outbreak"
    assert all(people.facts["subject.can_consent"] is True for people in with_one.facts.classes)


def test_a_claim_about_patients_is_ignored_and_reveals_nothing(world: Connection, keys: Keys) -> None:
    gathered = gather(world, keys, with_(facts={"subject.residence": "KE"}, subjects={"ids": ["p1", "nobody"]}))
    residences = {people.facts.get("subject.residence") for people in gathered.facts.classes}
    assert residences == {"DE", None}


def test_a_dry_run_accepts_descriptions_as_claims(connection: Connection, keys: Keys) -> None:
    request = {
        "dry_run": True, "purpose": "research", "origin": "DE", "exporter": {"place": "DE", "facts": {"role": "controller"}},
        "dataset": {"facts": {"context": ["care"]}, "parts": [{"id": "x", "facts": {"categories": ["clinical"]}}]},
        "legs": [{"recipient": {"id": "new", "place": "US", "facts": {"type": "pharma"}}, "destination": "US"}],
        "subjects": {"count": 12}, "facts": {"subject.residence": "DE"},
    }  # fmt: skip
    gathered = gather(connection, keys, request)
    assert gathered.dry_run
    assert gathered.recipients == (None,)
    assert gathered.facts.shared["exporter.role"] == "controller"
    assert gathered.facts.shared["origin"] == "DE"
    assert gathered.facts.legs[0].facts["recipient.type"] == "pharma"
    assert gathered.facts.parts[0].facts == {"data.categories": frozenset({"clinical"})}
    assert [(c.size, dict(c.facts)) for c in gathered.facts.classes] == [(12, {"subject.residence": "DE"})]


def test_a_second_legs_sender_is_the_first_legs_receiver(world: Connection, keys: Keys) -> None:
    legs = [{"recipient": "biobank", "destination": "US"}, {"recipient": "acme-holding", "destination": "KE"}]
    facts = gather(world, keys, with_(legs=legs)).facts
    assert [leg.facts["exporter.id"] for leg in facts.legs] == ["charite", "biobank"]
    assert "exporter.role" not in facts.shared
    assert "exporter.role" not in facts.legs[1].facts


def test_a_sender_that_nobody_named_is_unknown_not_the_first_exporter(world: Connection, keys: Keys) -> None:
    facts = gather(world, keys, with_(legs=[{"destination": "US"}, {"recipient": "biobank", "destination": "KE"}])).facts
    assert not [key for key in {**facts.shared, **facts.legs[1].facts} if key.startswith("exporter.")]


def test_an_undecided_permit_needs_its_paper(world: Connection, keys: Keys) -> None:
    law = policies(measures={}, regimes=tuple(policies().regimes))
    request = with_(parts=["clinical"])
    before = gather(world, keys, request, law=law)
    assert decide(law, before.question, before.facts, NOW).effect is not Effect.PERMIT
    paper(world)
    assert [item.id for item in gather(world, keys, request, law=law).facts.evidence] == ["scc-1"]


def test_a_stored_request_has_no_patients_in_it(world: Connection, keys: Keys) -> None:
    request = with_(subjects={"ids": ["p1", "p2"]}, facts={"repetition": "one-off", "subject.can_consent": True})
    stored = gather(world, keys, request).stored_request
    assert stored["subjects"] == {"people": 2}
    assert stored["facts"] == {"repetition": "one-off"}
    assert "p1" not in str(stored)


def test_a_counter_that_cannot_be_named_is_unbounded(world: Connection, keys: Keys) -> None:
    gathered = gather(world, keys, with_(legs=[{"destination": "US"}]))
    assert gathered.facts.legs[0].counted == {COUNT: Interval(0.0, float("inf"))}
    assert gathered.counters == ()
