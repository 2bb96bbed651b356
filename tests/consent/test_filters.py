"""Residual filters: what cannot be told never satisfies a permit and never escapes a deny."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from governance.consent.filters import may_go
from governance.core.consent import DataScope, Filter, Period, RelatedData

CONF = "http://terminology.hl7.org/CodeSystem/v3-Confidentiality"
ACT = "http://terminology.hl7.org/CodeSystem/v3-ActCode"


def labelled(*codes: str, **more: object) -> dict[str, object]:
    return {"resourceType": "Observation", "id": "o1", "meta": {"security": [
        {"system": ACT if len(c) > 1 else CONF, "code": c} for c in codes]}, **more}


def deny(**scope: object) -> Filter:
    return Filter(permit=False, data=DataScope(**scope))


def permit(**scope: object) -> Filter:
    return Filter(permit=True, data=DataScope(**scope))


def test_without_filters_the_base_decides() -> None:
    assert may_go((), True, labelled("HIV"))
    assert not may_go((), False, labelled("HIV"))


def test_a_denied_label_stays_and_others_go() -> None:
    rules = (deny(labels=frozenset({f"{ACT}|HIV"})),)
    assert not may_go(rules, True, labelled("HIV"))
    assert may_go(rules, True, labelled("PSY"))


def test_an_unlabelled_resource_never_escapes_a_deny_and_never_satisfies_a_permit() -> None:
    bare = {"resourceType": "Observation"}
    assert not may_go((deny(labels=frozenset({f"{ACT}|HIV"})),), True, bare)
    assert not may_go((permit(labels=frozenset({f"{ACT}|HIV"})),), False, bare)


@pytest.mark.parametrize(("code", "goes"), [("U", True), ("N", True), ("R", False), ("V", False)])
def test_a_permitted_confidentiality_also_permits_weaker_ones(code, goes) -> None:
    assert may_go((permit(labels=frozenset({f"{CONF}|N"})),), False, labelled(code)) is goes


@pytest.mark.parametrize(("code", "goes"), [("N", True), ("R", False), ("V", False)])
def test_a_denied_confidentiality_also_denies_stronger_ones(code, goes) -> None:
    assert may_go((deny(labels=frozenset({f"{CONF}|R"})),), True, labelled(code)) is goes


def test_and_is_kept_as_and() -> None:
    rules = (deny(labels=frozenset({f"{ACT}|HIV"}), classes=frozenset({"Observation"})),)
    assert not may_go(rules, True, labelled("HIV"))
    assert may_go(rules, True, labelled("HIV") | {"resourceType": "Condition"})


def test_the_first_matching_filter_wins() -> None:
    rules = (permit(classes=frozenset({"Observation"})), deny(labels=frozenset({f"{ACT}|HIV"})))
    assert may_go(rules, False, labelled("HIV"))
    assert not may_go(tuple(reversed(rules)), False, labelled("HIV"))


def test_codes_and_authors() -> None:
    coded = labelled("N", code={"coding": [{"system": "http://loinc.org", "code": "75622-1"}]},
                     performer=[{"reference": "Practitioner/p1"}])
    assert not may_go((deny(codes=frozenset({"http://loinc.org|75622-1"})),), True, coded)
    assert may_go((deny(codes=frozenset({"http://loinc.org|1-1"})),), True, coded)
    author = RelatedData(meaning="authoredby", reference="Practitioner/p1")
    assert not may_go((deny(related=(author,)),), True, coded)
    assert not may_go((deny(related=(author,)),), True, labelled("N"))
    assert not may_go((permit(related=(author,)),), False, labelled("N"))


def test_the_clinical_date_decides_and_a_missing_or_straddling_one_does_not() -> None:
    year = Period(start=datetime(2025, 1, 1, tzinfo=UTC), end=datetime(2026, 1, 1, tzinfo=UTC))
    rules = (permit(data_period=year),)
    assert may_go(rules, False, labelled("N", effectiveDateTime="2025-06-30T10:00:00+02:00"))
    assert may_go(rules, False, labelled("N", effectiveDateTime="2025"))
    assert not may_go(rules, False, labelled("N", effectiveDateTime="2026-01-01"))
    assert not may_go(rules, False, labelled("N"))
    assert not may_go(rules, False, labelled("N", effectivePeriod={"start": "2024-12-30", "end": "2025-01-02"}))
    assert not may_go((deny(data_period=year),), True, labelled("N", effectiveDateTime="not a date"))


def test_related_data() -> None:
    rule = (deny(related=(RelatedData(meaning="related", reference="Encounter/e1"),)),)
    assert not may_go(rule, True, labelled("N", encounter={"reference": "Encounter/e1"}))
    assert may_go(rule, True, labelled("N", encounter={"reference": "Encounter/e2"}))
    dependents = (deny(related=(RelatedData(meaning="dependents", reference="Encounter/e1"),)),)
    assert not may_go(dependents, True, labelled("N"))
    instance = (deny(related=(RelatedData(meaning="instance", reference="Observation/o1"),)),)
    assert not may_go(instance, True, labelled("N"))
