"""Packs become regimes: polarity, exceptions, dates, names."""

from datetime import UTC, date, datetime
from pathlib import Path

import pytest

from governance.core.conditions import (
    ALWAYS,
    AllOf,
    AnyOf,
    Condition,
    ConsentTest,
    EvidenceNeed,
    EvidenceTest,
    FactTest,
    Not,
    Operator,
    TableTest,
    Timespan,
)
from governance.core.decide import decide
from governance.core.request import Facts, LegFacts, PartFacts, Question, SubjectClass
from governance.core.rules import Confidence, Gate, PolicySet
from governance.core.ruling import Effect
from governance.core.truth import Truth
from tests.policy.world import load, pack, policies, regime, rule

SIGNED = "{by: Counsel, on: 2026-11-01}"
TABLE = """
tables:
  known:
    - {place: SE, cite: a, confidence: verified}
    - {place: FI, cite: b, confidence: knowledge}
    - {place: DE, cite: c, confidence: unverified}
"""


def when(tmp_path: Path, condition: str, extra: str = "") -> Condition:
    body = f"{extra}\ngrounds:\n  - {{id: g, cite: s. 1, when: {condition}}}\n"
    return rule(policies(tmp_path, pack(body)), "ke-test/grounds/g").when


def tables(condition: Condition) -> list[TableTest]:
    match condition:
        case TableTest():
            return [condition]
        case AllOf(members=members) | AnyOf(members=members):
            return [found for member in members for found in tables(member)]
        case Not(member=member):
            return tables(member)
        case _:
            return []


def confident(condition: Condition) -> dict[str, bool]:
    (test,) = tables(condition)
    return {next(iter(row.terms)): row.confident for row in test.rows}


@pytest.mark.parametrize(
    ("condition", "expected"),
    [
        ("{purpose: care}", FactTest(fact="purpose", operator=Operator.IN, taxonomy="purpose", terms=frozenset({"care"}))),
        ("{dataset: d-1}", FactTest(fact="dataset", operator=Operator.IN, terms=frozenset({"d-1"}))),
        ("{destination: US-TX}", FactTest(fact="destination", operator=Operator.IN, taxonomy="place", terms=frozenset({"US-TX"}))),
        ("{data.categories: {only: [clinical, mental]}}", FactTest(fact="data.categories", operator=Operator.ONLY, taxonomy="category", terms=frozenset({"clinical", "mental"}))),
        ("{destination: {none: [SE, FI]}}", Not(member=FactTest(fact="destination", operator=Operator.IN, taxonomy="place", terms=frozenset({"SE", "FI"})))),
        ("{exporter.public_powers: false}", FactTest(fact="exporter.public_powers", operator=Operator.IS, flag=False)),
        ("{recipient.certifications: seal}", FactTest(fact="recipient.certifications", operator=Operator.IN, terms=frozenset({"seal"}), absent_no=True)),
        ("{start: {before: 2027-01-01}}", FactTest(fact="start", operator=Operator.BEFORE, day=date(2027, 1, 1))),
        ("{subject.age: {at_least: 13, below: 18}}", AllOf(members=(FactTest(fact="subject.age", operator=Operator.AT_LEAST, number=13), FactTest(fact="subject.age", operator=Operator.BELOW, number=18)))),
        ("{evidence: [contract, permit]}", AllOf(members=(EvidenceTest(need=EvidenceNeed(type="contract", outcomes=frozenset({"signed"}))), EvidenceTest(need=EvidenceNeed(type="permit", outcomes=frozenset({"issued"})))))),
        ("{consent: {to: transfer, told: [risks]}}", ConsentTest(to=frozenset({"transfer"}), told=frozenset({"risks"}))),
        ("{any: [{purpose: care}, {not: {origin: KE}}]}", AnyOf(members=(FactTest(fact="purpose", operator=Operator.IN, taxonomy="purpose", terms=frozenset({"care"})), Not(member=FactTest(fact="origin", operator=Operator.IN, taxonomy="place", terms=frozenset({"KE"})))))),
        ("{recipient.owned_by: {group: known, cascade_at: 50, at_most: 10}}", FactTest(fact="recipient.owned_by[ke-test/known,50]", operator=Operator.AT_MOST, number=10)),
        ("{count: {measure: no-health/genomes, at_most: 10}}", FactTest(fact="count[no-health/genomes]", operator=Operator.AT_MOST, number=10)),
    ],
)  # fmt: skip
def test_every_form_of_condition_compiles_to_the_core_s_test(condition: str, expected: Condition, tmp_path: Path) -> None:
    plain = "\ntables:\n  known: [{places: [SE, FI], cite: a}]\n"
    assert expected == when(tmp_path, condition, plain)


def test_ownership_asks_for_the_places_of_the_table(tmp_path: Path) -> None:
    body = "\ntables:\n  foes: [{places: [SE, FI], cite: a}]\nprohibitions:\n  - {id: p, cite: s. 1, when: {recipient.owned_by: {group: foes, cascade_at: 50, at_least: 50}}}\n"
    (question,) = policies(tmp_path, pack(body)).ownership
    assert ("recipient.owned_by[ke-test/foes,50]", {"SE", "FI"}, 50.0) == (question.key, set(question.places), question.cascade_at)


@pytest.mark.parametrize(
    ("level", "expected"),
    [
        (Confidence.KNOWLEDGE, {"SE": True, "FI": True, "DE": False}),
        (Confidence.VERIFIED, {"SE": True, "FI": False, "DE": False}),
        (Confidence.SIGNED_OFF, {"SE": False, "FI": False, "DE": False}),
    ],
)
def test_where_a_row_helps_it_must_be_known_as_well_as_the_operator_asks(level: Confidence, expected: dict[str, bool], tmp_path: Path) -> None:
    body = TABLE + "\ngrounds:\n  - {id: g, cite: s. 1, when: {destination: {in: known}}}\nrequirements:\n  - {id: r, cite: s. 2, must: {is: listed}}\ndefinitions: {listed: {destination: {in: known}}}\nprohibitions:\n  - {id: p, cite: s. 3, unless: {destination: {in: known}}}\n"
    found = policies(tmp_path, pack(body), level=level)
    assert expected == confident(rule(found, "ke-test/grounds/g").when)
    assert expected == confident(rule(found, "ke-test/requirements/r").must)
    assert expected == confident(rule(found, "ke-test/prohibitions/p").unless)


def test_where_a_row_hinders_it_counts_however_little_is_known(tmp_path: Path) -> None:
    body = TABLE + "\ngrounds:\n  - {id: g, cite: s. 1, unless: {destination: {in: known}}}\n  - {id: h, cite: s. 2, when: {destination: {none: known}}}\nprohibitions:\n  - {id: p, cite: s. 3, when: {destination: {in: known}}}\nrequirements:\n  - {id: r, cite: s. 4, when: {not: {not: {destination: {in: known}}}}, needs: permit}\n"
    found = policies(tmp_path, pack(body), level=Confidence.SIGNED_OFF)
    everywhere = {"SE": True, "FI": True, "DE": True}
    for place in (
        rule(found, "ke-test/grounds/g").unless,
        rule(found, "ke-test/grounds/h").when,
        rule(found, "ke-test/prohibitions/p").when,
        rule(found, "ke-test/requirements/r").when,
    ):
        assert everywhere == confident(place)


@pytest.mark.parametrize(
    ("confidence", "sign_off", "expected"),
    [
        ("verified", SIGNED, Confidence.SIGNED_OFF),
        ("knowledge", SIGNED, Confidence.KNOWLEDGE),
        ("unverified", SIGNED, Confidence.UNVERIFIED),
        ("verified", "{by: null, on: null}", Confidence.VERIFIED),
    ],
)
def test_a_sign_off_raises_only_what_is_verified(confidence: str, sign_off: str, expected: Confidence, tmp_path: Path) -> None:
    text = pack("\ngrounds:\n  - {id: g, cite: s. 1}\n", confidence=confidence, sign_off=sign_off)
    found = rule(policies(tmp_path, text), "ke-test/grounds/g")
    assert (expected, expected >= Confidence.KNOWLEDGE) == (found.confidence, found.confident)


def test_a_rule_may_be_known_less_well_than_its_pack(tmp_path: Path) -> None:
    found = policies(tmp_path, pack("\ngrounds:\n  - {id: g, cite: s. 1, confidence: unverified}\n"))
    assert not rule(found, "ke-test/grounds/g").confident


@pytest.mark.parametrize(
    ("status", "expected"),
    [("in-force", Truth.TRUE), ("unknown", Truth.HUMAN), ("proposed", Truth.FALSE), ("suspended", Truth.FALSE), ("repealed", Truth.FALSE)],
)
def test_the_status_of_a_rule_says_whether_it_exists(status: str, expected: Truth, tmp_path: Path) -> None:
    found = policies(tmp_path, pack(f"\ngrounds:\n  - {{id: g, cite: s. 1, status: {status}}}\n"))
    assert expected is rule(found, "ke-test/grounds/g").existence


def test_a_rule_is_never_in_force_outside_its_pack(tmp_path: Path) -> None:
    body = "in_force: {from: {earliest: 2020-01-01, latest: 2020-03-01}, until: 2030-12-31}\ngrounds:\n  - {id: g, cite: s. 1, in_force: {from: 2020-02-01, until: 2040-01-01}}\n"
    expected = Timespan(from_earliest=date(2020, 2, 1), from_latest=date(2020, 3, 1), until_earliest=date(2030, 12, 31), until_latest=date(2030, 12, 31))
    assert expected == rule(policies(tmp_path, pack(body)), "ke-test/grounds/g").span


EXCEPTIONS = """
prohibitions:
  - {id: ban, cite: s. 1}
exceptions:
  - {id: care, cite: s. 2, when: {purpose: care}, exception_to: prohibitions/ban}
  - {id: minors, cite: s. 3, when: {subject.age: {below: 16}}, exception_to: care}
"""


def test_exceptions_stand_inside_the_rules_they_defeat(tmp_path: Path) -> None:
    found = rule(policies(tmp_path, pack(EXCEPTIONS)), "ke-test/prohibitions/ban")
    assert [one.id for one in found.defeated_by] == ["ke-test/exceptions/care"]
    assert [one.id for one in found.defeated_by[0].defeated_by] == ["ke-test/exceptions/minors"]
    assert [one.governed_by for one in found.defeated_by] == [None]
    assert found.subject_dependent


def test_an_exception_of_another_pack_counts_only_where_that_pack_governs(tmp_path: Path) -> None:
    aside = "\nexceptions:\n  - {id: treaty, cite: s. 1, when: {purpose: research}, sets_aside: [no-health/requirements/permit]}\n"
    found = policies(tmp_path, pack(aside))
    permit = rule(found, "no-health/requirements/permit")
    assert [one.id for one in permit.defeated_by] == ["ke-test/exceptions/treaty", "no-health/exceptions/small-lab"]
    assert regime(found).governs == permit.defeated_by[0].governed_by
    assert permit.defeated_by[1].governed_by is None


def test_a_house_rule_cannot_set_law_aside(tmp_path: Path) -> None:
    house = pack("\nexceptions:\n  - {id: e, cite: s. 1, sets_aside: no-health/requirements/permit}\n").replace("force: law", "force: house")
    told = [str(found) for found in load(tmp_path, house).diagnostics if found.severity == "error"]
    expected = "policies/jurisdictions/extra-0.yaml:14:37: law `no-health/requirements/permit` cannot be set aside by a pack that is no law\n  hint: house rules may only ask for more than the law does"
    assert told == [expected]


def test_rests_on_becomes_full_ids(tmp_path: Path) -> None:
    body = "\ngrounds:\n  - {id: a, cite: s. 1}\nmechanisms:\n  - {id: m, cite: s. 2, rests_on: a}\nrequirements:\n  - {id: r, cite: s. 3, must: {purpose: care}, rests_on: [grounds/a, m]}\n"
    found = policies(tmp_path, pack(body))
    assert {"ke-test/grounds/a"} == rule(found, "ke-test/mechanisms/m").rests_on
    assert {"ke-test/grounds/a", "ke-test/mechanisms/m"} == rule(found, "ke-test/requirements/r").rests_on


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("when: {subject.age: {below: 16}}", True),
        ("unless: {subject.residence: SE}", True),
        ("consent: {to: transfer}", True),
        ("when: {not: {any: [{consent: {to: transfer}}]}}", True),
        ("when: {destination: {in: dated}}", True),
        ("arguable: {who: ethics board, point: {subject.age: {below: 16}}}", True),
        ("when: {purpose: care}, needs: contract", False),
    ],
)
def test_a_rule_that_reads_the_patient_is_marked(line: str, *, expected: bool, tmp_path: Path) -> None:
    body = f"\ntables:\n  dated: [{{place: SE, cite: a, when: {{subject.age: {{at_least: 18}}}}}}]\ngrounds:\n  - {{id: g, cite: s. 1, {line}}}\n"
    assert expected is rule(policies(tmp_path, pack(body)), "ke-test/grounds/g").subject_dependent


def test_duties_and_needs_carry_periods_that_can_be_compared(tmp_path: Path) -> None:
    found = rule(policies(tmp_path), "no-health/when_denied/report")
    assert found.duties[0].params == (("authority", ("board",)), ("within", ("P14D",)))
    contract = rule(policies(tmp_path), "no-health/mechanisms/contract")
    assert [("assessment", {"sufficient"}, 365), ("contract", {"signed"}, None)] == [(need.type, set(need.outcomes), need.max_age_days) for need in contract.needs]


def test_tables_and_definitions_of_other_packs_may_be_named(tmp_path: Path) -> None:
    found = when(tmp_path, "{destination: {in: no-health/adequate}, is: no-health/powers}")
    assert [test.table for test in tables(found)] == ["no-health/adequate"]
    assert "exporter.public_powers" in repr(found)


def test_definitions_that_double_themselves_are_bounded(tmp_path: Path) -> None:
    doubling = "".join(f"  d{number}: {{all: [{{is: d{number + 1}}}, {{is: d{number + 1}}}]}}\n" for number in range(15))
    loaded = load(tmp_path, pack(f"\ndefinitions:\n{doubling}  d15: {{purpose: care}}\ngrounds:\n  - {{id: g, cite: s. 1, when: {{is: d0}}}}\n"))
    assert any("condition is too large" in found.message for found in loaded.diagnostics)


def test_a_long_chain_of_definitions_is_a_fault_and_not_a_crash(tmp_path: Path) -> None:
    chain = "".join(f"  d{number}: {{is: d{number + 1}}}\n" for number in range(2000))
    loaded = load(tmp_path, pack(f"\ndefinitions:\n{chain}  d2000: {{purpose: care}}\ngrounds:\n  - {{id: g, cite: s. 1, when: {{is: d0}}}}\n"))
    assert loaded.policies is None
    assert any("more than 20 deep" in found.message for found in loaded.diagnostics)


def permitted(found: PolicySet, at: datetime) -> Effect:
    """Ask whether care data may go from Kenya to Sweden."""
    leg = {"origin": "KE", "destination": "SE", "recipient.id": "r", "storage.places": frozenset({"SE"}), "access.places": frozenset({"SE"}), "onward.places": frozenset[str]()}
    facts = Facts(
        shared={"purpose": "treatment", "exporter.id": "e"},
        legs=(LegFacts(facts=leg),),
        parts=(PartFacts(id="p", facts={"data.categories": frozenset({"clinical"})}),),
        classes=(SubjectClass(facts={"subject.residence": "KE"}),),
    )
    return decide(found, Question(profiles=("as-is",)), facts, at).effect


def test_a_law_that_is_not_in_force_yet_neither_permits_nor_denies(tmp_path: Path) -> None:
    now = pack("\ngrounds:\n  - {id: g, cite: s. 1}\n", name="ke-now", sign_off=SIGNED)
    later = pack("in_force: {from: 2030-01-01}\nprohibitions:\n  - {id: ban, cite: s. 1}\ngrounds:\n  - {id: g, cite: s. 2}\n", name="ke-later")
    repealed = pack("status: repealed\ngrounds:\n  - {id: g, cite: s. 2, when: {purpose: research}}\n", name="ke-gone")
    found = policies(tmp_path, now, later, repealed)
    assert Effect.PERMIT is permitted(found, datetime(2026, 11, 22, tzinfo=UTC))
    assert Effect.DENY is permitted(found, datetime(2030, 1, 1, tzinfo=UTC))


def test_a_law_that_has_ended_permits_nothing(tmp_path: Path) -> None:
    ended = pack("in_force: {until: 2020-12-31}\ngrounds:\n  - {id: g, cite: s. 1}\n", sign_off=SIGNED)
    found = policies(tmp_path, ended)
    assert Effect.REFER is permitted(found, datetime(2026, 11, 22, tzinfo=UTC))
    assert Effect.PERMIT is permitted(found, datetime(2020, 11, 22, tzinfo=UTC))


def test_unverified_law_permits_nothing_at_any_level(tmp_path: Path) -> None:
    text = pack("\ngrounds:\n  - {id: g, cite: s. 1}\n", confidence="unverified", sign_off=SIGNED)
    assert Effect.REFER is permitted(policies(tmp_path, text), datetime(2026, 11, 22, tzinfo=UTC))


def test_gates_that_are_silent_keep_their_reason_and_have_no_rules(tmp_path: Path) -> None:
    found = regime(policies(tmp_path), "no-health")
    assert found.silent_on == {Gate.REVIEW: "the act knows none"}
    assert Gate.REVIEW not in found.rules
    assert rule(policies(tmp_path), "no-health/when_denied/report").when == ALWAYS
