"""FHIR Consents, read leniently: dialects, what is repaired, what is ambiguous, and what never permits."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime

import pytest

from governance.consent.fhir import CONSENT_PLACE_URL, CONSENT_TERMS_URL, import_consent
from governance.core.consent import Actor, ConsentContext, ConsentState, ConsentStatus, Period, evaluate_consents
from governance.errors import InputError

RECORDED = datetime(2026, 1, 1, tzinfo=UTC)
NOW = datetime(2026, 11, 22, tzinfo=UTC)
REASON = "http://terminology.hl7.org/CodeSystem/v3-ActReason"
SCOPE = "http://terminology.hl7.org/CodeSystem/consentscope"
ROLE = "http://terminology.hl7.org/CodeSystem/v3-ParticipationType"
CONTEXT = ConsentContext(
    purposes=frozenset({"HRESCH"}), recipients=frozenset({"biobank"}), custodian="hospital", action="disclose",
    places=frozenset({"US"}), leaf_places=frozenset({"US"}), place_ancestors={"US": frozenset(), "DE": frozenset()},
    purpose_ancestors={"HRESCH": frozenset(), "TREAT": frozenset()},
)  # fmt: skip


def document(**fields) -> dict[str, object]:
    base = {
        "resourceType": "Consent", "id": "c1", "status": "active",
        "scope": {"coding": [{"system": SCOPE, "code": "patient-privacy"}]},
        "category": [{"coding": [{"system": "http://loinc.org", "code": "59284-0"}]}],
        "patient": {"reference": "Patient/p"}, "dateTime": "2025-06-13", "performer": [{"reference": "Patient/p"}],
        "organization": [{"reference": "Organization/hospital"}], "policy": [{"uri": "https://example.org/policy"}],
    }  # fmt: skip
    return {k: v for k, v in {**base, **fields}.items() if v is not None}


def rule(code: str) -> dict[str, object]:
    return {"coding": [{"system": "http://terminology.hl7.org/CodeSystem/v3-ActCode", "code": code}]}


def purpose(code: str, system: str = REASON) -> list[dict[str, str]]:
    return [{"system": system, "code": code}]


def receiver(reference: str, role: str = "IRCP") -> list[dict[str, object]]:
    return [{"role": {"coding": [{"system": ROLE, "code": role}]}, "reference": {"reference": reference}}]


def read(**fields):
    return import_consent(document(**fields), recorded=RECORDED)


def state(imported, **changes) -> ConsentState:
    return evaluate_consents([imported.consent], replace(CONTEXT, **changes), NOW).state


@pytest.mark.parametrize(("fields", "dialect", "expected"), [
    ({"policyRule": rule("OPTIN")}, "context", ConsentState.GIVEN),
    ({"policyRule": rule("OPTOUT")}, "context", ConsentState.REFUSED),
    ({"policyRule": rule("OPTOUT"), "provision": {"actor": receiver("Organization/hospital", "CST")}}, "context", ConsentState.REFUSED),
    ({"provision": {"type": "permit"}}, "root-type", ConsentState.GIVEN),
    ({"provision": {"type": "deny"}}, "root-type", ConsentState.REFUSED),
    ({"provision": {"type": "permit", "purpose": purpose("HRESCH")}}, "root-type", ConsentState.GIVEN),
    ({"provision": {"type": "permit", "purpose": purpose("TREAT")}}, "root-type", ConsentState.NOT_ASKED),
    ({"policyRule": rule("OPTIN"), "provision": {"type": "deny", "purpose": purpose("HRESCH")}}, "exception", ConsentState.REFUSED),
    ({"policyRule": rule("OPTIN"), "provision": {"type": "deny", "purpose": purpose("TREAT")}}, "exception", ConsentState.GIVEN),
    ({"policyRule": rule("OPTOUT"), "provision": {"type": "permit", "actor": receiver("Organization/biobank")}}, "exception", ConsentState.GIVEN),
    ({"policyRule": rule("OPTIN"), "provision": {"type": "permit", "purpose": purpose("TREAT")}}, "root-type", ConsentState.NOT_ASKED),
    ({}, "none", ConsentState.UNCLEAR),
    ({"provision": {"purpose": purpose("HRESCH")}}, "none", ConsentState.UNCLEAR),
    ({"policyRule": rule("OPTIN"), "provision": {"purpose": purpose("HRESCH")}}, "context", ConsentState.UNCLEAR),
    ({"policyRule": rule("OPTIN"), "provision": {"period": {"start": "2015"}}}, "context", ConsentState.UNCLEAR),
    ({"policyRule": rule("CUSTOM"), "provision": {"type": "permit"}}, "root-type", ConsentState.UNCLEAR),
    ({"policyRule": rule("OPTIN"), "modifierExtension": [{"url": "x"}]}, "context", ConsentState.UNCLEAR),
    ({"provision": {"type": "permit", "provision": [{"purpose": purpose("TREAT")}]}}, "root-type", ConsentState.UNCLEAR),
    ({"provision": {"type": "permit", "code": [{"text": "anything"}]}}, "root-type", ConsentState.UNCLEAR),
    ({"provision": {"type": "permit", "period": {"end": "someday"}}}, "root-type", ConsentState.UNCLEAR),
    ({"provision": {"type": "permit", "condition": "x"}}, "root-type", ConsentState.UNCLEAR),
])  # fmt: skip
def test_the_base_is_found_in_its_dialect(fields, dialect, expected) -> None:
    imported = read(**fields)
    assert (imported.dialect, state(imported)) == (dialect, expected)


@pytest.mark.parametrize(("status", "expected"), [
    ("draft", ConsentState.ASKED), ("proposed", ConsentState.ASKED), ("active", ConsentState.GIVEN),
    ("rejected", ConsentState.REFUSED), ("inactive", ConsentState.WITHDRAWN), ("entered-in-error", ConsentState.NOT_ASKED),
])  # fmt: skip
def test_a_status_reads_as_a_state(status, expected) -> None:
    assert state(read(status=status, policyRule=rule("OPTIN"))) is expected


def test_a_dissent_that_ended_is_lifted_and_one_replaced_is_not_withdrawn() -> None:
    assert state(read(status="inactive", policyRule=rule("OPTOUT"))) is ConsentState.NOT_ASKED
    mixed = {"type": "deny", "provision": [{"type": "permit", "purpose": purpose("HRESCH")}]}
    assert state(read(status="inactive", provision=mixed)) is ConsentState.WITHDRAWN
    replaced = {"url": CONSENT_TERMS_URL, "extension": [{"url": "end", "valueCode": "replaced"}]}
    assert state(read(status="inactive", policyRule=rule("OPTIN"), extension=[replaced])) is ConsentState.NOT_ASKED


def test_a_withdrawal_speaks_from_its_day_on() -> None:
    ended = {"url": CONSENT_TERMS_URL, "extension": [{"url": "ended", "valueDateTime": "2026-12-01"}]}
    consent = read(status="inactive", policyRule=rule("OPTIN"), extension=[ended]).consent
    assert (consent.ended, consent.withdrawn) == (datetime(2026, 12, 1, tzinfo=UTC), True)
    assert evaluate_consents([consent], CONTEXT, NOW).state is ConsentState.GIVEN


@pytest.mark.parametrize(("scope", "asked", "expected"), [
    ("research", "HRESCH", ConsentState.GIVEN), ("research", "TREAT", ConsentState.NOT_ASKED),
    ("treatment", "TREAT", ConsentState.GIVEN), ("treatment", "HRESCH", ConsentState.NOT_ASKED),
    ("adr", "TREAT", ConsentState.UNCLEAR), ("something-local", "TREAT", ConsentState.UNCLEAR),
])  # fmt: skip
def test_a_base_holds_over_the_scope_of_the_document(scope, asked, expected) -> None:
    imported = read(scope={"coding": [{"system": SCOPE, "code": scope}]}, policyRule=rule("OPTIN"))
    assert state(imported, purposes=frozenset({asked})) is expected


@pytest.mark.parametrize(("written", "start", "end"), [
    ("2022", datetime(2022, 1, 1, tzinfo=UTC), datetime(2023, 1, 1, tzinfo=UTC)),
    ("2022-12", datetime(2022, 12, 1, tzinfo=UTC), datetime(2023, 1, 1, tzinfo=UTC)),
    ("2022-02-28", datetime(2022, 2, 28, tzinfo=UTC), datetime(2022, 3, 1, tzinfo=UTC)),
    ("2022-12-31T23:30:00-02:00", datetime(2023, 1, 1, 1, 30, tzinfo=UTC), datetime(2023, 1, 1, 1, 30, 1, tzinfo=UTC)),
])  # fmt: skip
def test_partial_dates_expand_to_the_whole_interval_end_inclusive(written, start, end) -> None:
    imported = read(provision={"type": "permit", "period": {"start": written, "end": written}})
    assert imported.consent.validity == Period(start=start, end=end)


@pytest.mark.parametrize("written", ["2022-13", "22-01-01", "2022-02-30", "0000-01-01", "2022-01-01T25:00:00Z"])
def test_a_period_that_is_no_date_makes_the_consent_unclear(written) -> None:
    assert state(read(provision={"type": "permit", "period": {"start": written}})) is ConsentState.UNCLEAR


def test_the_last_year_there_is_means_without_end() -> None:
    assert state(read(provision={"type": "permit", "period": {"end": "9999-12-31"}})) is ConsentState.GIVEN


def test_terms_come_from_our_extension_and_from_what_is_standard() -> None:
    terms = {"url": CONSENT_TERMS_URL, "extension": [
        {"url": "to", "valueCode": "transfer"}, {"url": "form", "valueCode": "explicit"},
        {"url": "told", "valueCode": "destination"}, {"url": "told", "valueCode": "risks"}, {"url": "by", "valueCode": "parent"}]}  # fmt: skip
    category = [{"coding": [{"code": "hipaa-auth"}]}, {"coding": [{"code": "IDSCL"}]}]
    consent = read(policyRule=rule("OPTIN"), extension=[terms], category=category, sourceReference={"reference": "D/1"}).consent
    assert consent.to == {"transfer", "disclosure"}
    assert consent.forms == {"explicit", "hipaa-authorisation", "written"}
    assert (consent.told, consent.by) == ({"destination", "risks"}, "parent")


def test_a_plain_consent_claims_no_terms() -> None:
    consent = read(policyRule=rule("OPTIN")).consent
    assert (consent.to, consent.forms, consent.told, consent.by) == (frozenset(), frozenset(), frozenset(), "subject")


def test_a_consent_given_by_somebody_else_needs_a_person_unless_their_authority_is_stated() -> None:
    assert state(read(policyRule=rule("OPTIN"), performer=[{"reference": "RelatedPerson/m"}])) is ConsentState.REVIEW
    assert read(policyRule=rule("OPTIN"), performer=None).consent.by == "unstated"


def test_places_of_a_provision_limit_where_data_may_go() -> None:
    there = {"extension": [{"url": CONSENT_PLACE_URL, "valueCode": "DE"}]}
    assert state(read(provision={"type": "permit", **there})) is ConsentState.NOT_ASKED
    assert state(read(provision={"type": "permit", **there}), leaf_places=frozenset({"DE"})) is ConsentState.GIVEN


def test_what_is_repaired_and_what_is_lost_is_reported_by_path_without_a_value() -> None:
    imported = read(id=None, scope=None, dateTime=None, verification=[{"verified": True}],
                    provision={"type": "permit", "purpose": [{"code": "HRESCH"}], "actor": [{"reference": {"display": "Erika M"}}],
                               "extension": [{"url": "https://else.example", "valueString": "Erika M"}]})  # fmt: skip
    assert {line.split(":")[0] for line in imported.repairs} == {"id", "scope", "dateTime", "provision.purpose", "provision.actor[0]"}
    assert set(imported.not_expressed) == {"verification", "provision.extension"}
    assert "Erika" not in " ".join((*imported.repairs, *imported.not_expressed, imported.consent.ambiguous or ""))
    assert (imported.consent.effective, len(imported.consent.id)) == (RECORDED, 32)


def test_an_actor_without_reference_matches_nobody_for_certain() -> None:
    nobody = [{"role": {"coding": [{"system": ROLE, "code": "IRCP"}]}, "reference": {"display": "x"}}]
    assert read(provision={"type": "permit", "actor": nobody}).consent.root.actors == (Actor(role="IRCP", reference=""),)
    assert state(read(provision={"type": "permit", "actor": nobody})) is ConsentState.UNCLEAR
    assert state(read(provision={"type": "permit", "provision": [{"type": "deny", "actor": nobody}]})) is ConsentState.UNCLEAR


def test_a_value_set_written_as_system_is_read_as_the_code_system() -> None:
    alias = "http://terminology.hl7.org/ValueSet/v3-PurposeOfUse"
    assert state(read(provision={"type": "permit", "purpose": purpose("HRESCH", alias)})) is ConsentState.GIVEN


def test_a_code_of_another_system_is_never_taken_for_ours() -> None:
    local = purpose("HRESCH", "https://else.example/codes")
    assert read(provision={"type": "permit", "purpose": local}).consent.root.purposes == {"https://else.example/codes|HRESCH"}
    assert state(read(provision={"type": "permit", "purpose": local})) is ConsentState.NOT_ASKED
    assert state(read(policyRule=rule("OPTIN"), provision={"type": "deny", "purpose": local})) is ConsentState.UNCLEAR


def test_consents_overlay_each_other_only_under_one_controller_policy_and_scope() -> None:
    assert read(policyRule=rule("OPTIN")).consent.group == read(id="other", policyRule=rule("OPTOUT")).consent.group != ""
    assert read(policyRule=rule("OPTIN"), policy=None).consent.group == ""
    assert read(policyRule=rule("OPTIN"), organization=None).consent.group == ""


@pytest.mark.parametrize(("broken", "where"), [
    ({"resourceType": "Patient"}, "resourceType"), ({"status": "perhaps"}, "status"), ({"status": None}, "status"),
])  # fmt: skip
def test_what_is_no_consent_is_refused_with_its_place(broken, where) -> None:
    with pytest.raises(InputError) as raised:
        read(**broken)
    assert raised.value.where == where


@pytest.mark.parametrize("rubbish", [[], "text", 7, [None, 3, {"coding": "no"}], {"reference": 4}])
@pytest.mark.parametrize("element", ["scope", "category", "patient", "dateTime", "performer", "organization", "policy",
                                     "policyRule", "provision", "extension", "meta"])  # fmt: skip
def test_rubbish_in_an_element_never_raises_and_never_widens(element, rubbish) -> None:
    imported = import_consent({**document(provision={"type": "permit", "purpose": purpose("TREAT")}), element: rubbish}, recorded=RECORDED)
    assert state(imported) is not ConsentState.GIVEN


def test_r5_decision_with_alternating_exceptions() -> None:
    r5 = {"resourceType": "Consent", "id": "r5", "status": "active", "subject": {"reference": "Patient/p"}, "date": "2025-01-01",
          "grantor": [{"reference": "Patient/p"}], "decision": "permit", "period": {"end": "2030"},
          "provision": [{"purpose": purpose("HRESCH"), "provision": [{"actor": receiver("Organization/biobank")}]}]}  # fmt: skip
    imported = import_consent(r5, recorded=RECORDED)
    assert (imported.dialect, imported.consent.status) == ("r5", ConsentStatus.ACTIVE)
    assert state(imported) is ConsentState.GIVEN
    assert state(imported, recipients=frozenset({"other"})) is ConsentState.REFUSED
    assert state(import_consent({**r5, "decision": None, "grantee": []}, recorded=RECORDED)) is ConsentState.UNCLEAR
