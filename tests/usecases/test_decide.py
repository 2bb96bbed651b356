"""Decisions through the whole house: real law, real register, the log behind them."""

from __future__ import annotations

import json
from datetime import timedelta

import pytest

from governance.core.ruling import Effect
from governance.errors import AccessDeniedError, ConflictError, InputError, NotFoundError
from governance.usecases.audit import account_of, read_entry
from governance.usecases.consent import withdraw_consent
from governance.usecases.decide import decide_request, read_decision, report_outcome
from governance.usecases.documents import NOT_AVAILABLE
from governance.usecases.register import Item, register, revoke, verify
from tests.usecases.conftest import CUSTODIAN, OFFICER, PLATFORM


def effect(house, request, caller=CUSTODIAN) -> str:
    return decide_request(house, caller, request).document["effect"]


def test_the_worlds_requests_have_every_outcome(house, world) -> None:
    documents = [decide_request(house, CUSTODIAN, path.read_bytes()).document
                 for path in sorted((world / "requests").glob("*.json"))]
    kinds = {(d["effect"], d["refer"]) for d in documents}
    assert {("permit", None), ("deny", None), ("refer", "missing-facts"), ("refer", "human-judgement")} <= kinds
    permits = [d for d in documents if d["effect"] == "permit"]
    assert any(d["profile"] == "as-is" for d in permits)
    assert any(d["profile"] != "as-is" for d in permits)
    assert any(d["subjects"]["out"] > 0 for d in permits)
    assert any(d["parts"]["withheld"] for d in permits)


def test_revoking_the_assessment_turns_the_permit_into_a_denial(house, ask, world) -> None:
    request = ask("03")
    assert effect(house, request) == "permit"
    papers = json.loads((world / "register" / "evidence.json").read_text())
    assessment = next(p["id"] for p in papers if p["type"] == "transfer-impact-assessment"
                      and "prairie-heart-institute" in p["scope"]["recipient"])
    revoke(house, OFFICER, assessment)
    denied = decide_request(house, CUSTODIAN, request).document
    assert denied["effect"] == "deny"
    assert any("transfer-impact-assessment" in remedy["what"] for remedy in denied["remedies"])


def test_evidence_that_nobody_verified_does_not_count(house, ask, world) -> None:
    request = ask("03")
    papers = json.loads((world / "register" / "evidence.json").read_text())
    old = next(p for p in papers if p["type"] == "eu-scc" and "prairie-heart-institute" in p["scope"]["recipient"])
    revoke(house, OFFICER, old["id"])
    assert effect(house, request) == "deny"
    fresh = {k: v for k, v in old.items() if k not in ("submitted_by", "verified_by")} | {"id": "scc-anew"}
    register(house, CUSTODIAN, Item.EVIDENCE, fresh)
    assert effect(house, request) == "deny"
    with pytest.raises(AccessDeniedError):
        verify(house, CUSTODIAN, "scc-anew")
    verify(house, OFFICER, "scc-anew")
    assert effect(house, request) == "permit"


def test_a_withdrawal_binds_the_very_next_decision(house, ask) -> None:
    before = decide_request(house, CUSTODIAN, ask("03")).document
    ids = list(ask("02")["subjects"]["ids"])
    withdraw_consent(house, CUSTODIAN, ids[0])
    after = decide_request(house, CUSTODIAN, ask("03")).document
    assert after["subjects"]["in"] <= before["subjects"]["in"]
    one = ask("02", subjects={"ids": [ids[0]]})
    assert effect(house, one) == "deny"


def test_the_same_key_gives_the_same_decision_and_another_request_is_a_conflict(house, ask) -> None:
    first = decide_request(house, CUSTODIAN, ask("01"), key="k-1")
    again = decide_request(house, CUSTODIAN, ask("01"), key="k-1")
    assert first.id == again.id
    assert first.document["effect"] == again.document["effect"]
    assert again.document["receipt"]["index"] == first.receipt.index
    assert again.document["receipt"]["proof"].startswith("c2sp.org/tlog-proof@v1\n")
    size = house.log.size("demo")
    with pytest.raises(ConflictError, match="another request"):
        decide_request(house, CUSTODIAN, ask("02"), key="k-1")
    assert house.log.size("demo") == size


def test_a_stranger_learns_the_same_of_refused_withdrawn_unasked_and_unknown_patients(house, ask, world) -> None:
    refused = ask("14")
    ids = ask("02")["subjects"]["ids"]
    withdraw_consent(house, CUSTODIAN, ids[0])
    answers = []
    for people in (refused["subjects"]["ids"], [ids[0]], ["nobody-of-this-name"]):
        document = decide_request(house, PLATFORM, ask("14", subjects={"ids": people})).document
        assert document["answer"] == NOT_AVAILABLE
        answers.append({k: v for k, v in document.items() if k not in ("id", "at", "receipt")})
    assert answers[0] == answers[1] == answers[2]


def test_the_custodian_sees_why_and_the_stranger_sees_what_does_not_depend_on_patients(house, ask) -> None:
    whole = decide_request(house, CUSTODIAN, ask("01")).document
    seen = decide_request(house, PLATFORM, ask("01")).document
    assert {r["rule"] for r in seen["reasons"]} <= {r["rule"] for r in whole["reasons"]}
    assert seen["effect"] == whole["effect"] == "permit"
    assert seen["subjects"] == {"in": None, "out": None}


def test_a_grant_is_counted_lapses_and_is_closed_once(house, ask, clock) -> None:
    decided = decide_request(house, PLATFORM, ask("01", carry="self"))
    assert decided.document["grant"]["lapses"] == "2026-11-22T12:15:00Z"
    clock.now += timedelta(minutes=5)
    report_outcome(house, PLATFORM, decided.id, sent=True, people=1)
    with pytest.raises(ConflictError, match="closed already"):
        report_outcome(house, PLATFORM, decided.id, sent=True)
    with pytest.raises(NotFoundError):
        report_outcome(house, PLATFORM, "d-none", sent=True)


def test_a_lesser_form_is_not_granted_without_an_equivalent_tool_on_file(house, ask) -> None:
    document = decide_request(house, CUSTODIAN, ask("03", carry="self")).document
    assert document["effect"] == "permit"
    assert document["grant"] is None
    assert any("equivalent-tool" in note for note in document["notes"])


def test_a_decision_as_of_another_day_follows_the_law_of_that_day_and_is_no_permit_to_use(house, ask, clock) -> None:
    document = decide_request(house, CUSTODIAN, ask("01"), at=clock.now - timedelta(days=365 * 12)).document
    assert document["dry_run"] is True
    assert document["effect"] != "permit"
    with pytest.raises(InputError, match="another day"):
        decide_request(house, CUSTODIAN, ask("01", carry="self"), at=clock.now)


def test_every_fault_of_a_request_is_reported_at_once_and_nothing_is_logged(house, ask) -> None:
    size = house.log.size("demo")
    broken = ask("01", purpose="treatmnt", origin="XY", facts={"colour": "red"}, cannot=["fly"])
    with pytest.raises(InputError) as caught:
        decide_request(house, CUSTODIAN, broken)
    where = {d.where for d in caught.value.diagnostics}
    assert {"purpose", "origin", "facts.colour", "cannot[0]"} <= where
    assert any(d.hint and "treatment" in d.hint for d in caught.value.diagnostics)
    assert house.log.size("demo") == size


@pytest.mark.parametrize("raw", [b"", b"{", b"[]", b"\xff\xfe", b'{"a":1,"a":2}', b"NaN", b"[" * 100_000])
def test_malformed_requests_are_refused_clearly(house, raw) -> None:
    with pytest.raises(InputError):
        decide_request(house, CUSTODIAN, raw)


def test_a_changed_fact_is_decided_as_the_law_says(house, ask) -> None:
    assert effect(house, ask("13")) == "permit"
    changed = ask("13")
    changed["facts"] = changed["facts"] | {"repetition": "systematic"}
    assert effect(house, changed) == "deny"


def test_a_decision_can_be_read_again_by_those_who_may(house, ask) -> None:
    mine = decide_request(house, PLATFORM, ask("01"))
    other = decide_request(house, CUSTODIAN, ask("01"))
    assert read_decision(house, PLATFORM, mine.id)["effect"] == "permit"
    assert read_decision(house, OFFICER, mine.id)["id"] == mine.id
    with pytest.raises(AccessDeniedError):
        read_decision(house, PLATFORM, other.id)


def test_everything_is_in_the_patients_account_and_the_look_up_too(house, ask) -> None:
    patient = ask("01")["subjects"]["ids"][0]
    decided = decide_request(house, CUSTODIAN, ask("01"))
    lines = account_of(house, OFFICER, patient, reason="request")
    assert any(line.get("decision") == decided.id for line in lines)
    again = account_of(house, OFFICER, patient, reason="audit")
    assert again[-1]["what"] == "account"
    with pytest.raises(InputError, match="for a reason"):
        account_of(house, OFFICER, patient, reason="curious")


def test_an_entry_shows_its_details_to_the_officer_and_names_no_patient(house, ask) -> None:
    decided = decide_request(house, CUSTODIAN, ask("01"))
    entry = read_entry(house, OFFICER, decided.receipt.index)
    assert decided.id in json.dumps(entry)
    assert ask("01")["subjects"]["ids"][0] not in json.dumps(entry)
    with pytest.raises(AccessDeniedError):
        read_entry(house, PLATFORM, decided.receipt.index)


def test_a_request_with_an_unknown_patient_is_not_told_apart_from_one_without_consent(house, ask) -> None:
    document = decide_request(house, CUSTODIAN, ask("01", subjects={"ids": ["nobody"]})).document
    assert document["effect"] != Effect.PERMIT


def test_two_tenants_never_see_each_other(house, ask) -> None:
    stranger = CUSTODIAN.__class__(tenant="other", user="x", role=CUSTODIAN.role)
    with pytest.raises(InputError):
        decide_request(house, stranger, ask("01"))
    decided = decide_request(house, CUSTODIAN, ask("01"))
    with pytest.raises(NotFoundError):
        read_decision(house, stranger, decided.id)
