from __future__ import annotations

import time
from datetime import date, timedelta
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import Connection, insert

from governance.core.conditions import FactTest, Operator
from governance.core.facts import Interval
from governance.store.classes import age_in_years, subject_classes
from governance.store.consents import ConsentEvent, ConsentEventKind, record_consent_event
from governance.store.database import migrate, open_database, writing
from governance.store.sealing import SEALED_SUBJECT, subject_ref
from governance.store.subjects import register_subjects, subject_refs
from governance.store.tables import consent_events, ledger, subject_identifiers, subjects
from tests.store.world import KEY, NOW, REQUEST, SUBJECTS, TENANT, VOCABULARY, Keys, consent, furnish, gather, policies

READ = frozenset({"subject.residence", "subject.us_person"})


def classes(connection: Connection, keys: Keys, refs: list[str], read: frozenset[str] = READ, **more: Any) -> Any:
    return subject_classes(connection, refs, tenant=TENANT, vocabulary=VOCABULARY, read=read, at=NOW, sealer=keys, **more)


def register(connection: Connection, keys: Keys, people: list[dict[str, Any]], tenant: str = TENANT) -> list[str]:
    refs = subject_refs(people, tenant=tenant, index_key=KEY)
    keys.create(tenant, refs)
    register_subjects(connection, people, VOCABULARY, tenant=tenant, sealer=keys, index_key=KEY)
    return refs


def test_facts_that_nobody_reads_split_no_class(world: Connection, keys: Keys) -> None:
    refs = [subject_ref(KEY, TENANT, name) for name in ("p1", "p2", "p3")]
    assert sorted(c.size for c in classes(world, keys, refs)) == [1, 2]
    assert len(classes(world, keys, refs, READ | {"subject.age"})) == 3


def test_classes_carry_ages_at_the_decision_and_no_date_of_birth(world: Connection, keys: Keys) -> None:
    refs = [subject_ref(KEY, TENANT, name) for name in ("p1", "p2", "p3")]
    found = {c.facts["subject.age"] for c in classes(world, keys, refs, READ | {"subject.age"})}
    assert found == {Interval(65, 65), Interval(36, 36), Interval(15, 16)}
    assert all(set(c.facts) <= READ | {"subject.age"} for c in classes(world, keys, refs, READ | {"subject.age"}))


@pytest.mark.parametrize(("born", "day", "age"), [
    ("2008-11-22", date(2026, 11, 21), (17, 17)), ("2008-11-22", date(2026, 11, 22), (18, 18)),
    ("2008-02-29", date(2026, 2, 28), (17, 17)), ("2008-02-29", date(2026, 3, 1), (18, 18)),
    ("2008", date(2026, 6, 1), (17, 18)), ("2008-06", date(2026, 6, 15), (17, 18)), ("2026-12", date(2026, 12, 1), (0, 0)),
])  # fmt: skip
def test_ages_are_completed_years(born: str, day: date, age: tuple[int, int]) -> None:
    assert age_in_years(born, day) == Interval(*age)


@pytest.mark.parametrize("born", [None, "soon", "2030-01-01", "20081122", "2008-13"])
def test_an_age_that_cannot_be_known_is_unknown(born: str | None) -> None:
    assert age_in_years(born, date(2026, 11, 22)) is None


def test_an_unknown_patient_is_one_without_facts_like_any_other(world: Connection, keys: Keys) -> None:
    (blank,) = register(world, keys, [{"id": "blank", "facts": {}}])
    (found,) = classes(world, keys, [blank, subject_ref(KEY, TENANT, "nobody")])
    assert (found.size, found.facts, found.consents) == (2, {}, ())


def test_a_yes_and_a_one_are_different_people(world: Connection, keys: Keys) -> None:
    refs = register(world, keys, [{"id": "a", "facts": {"us_person": True}}, {"id": "b", "facts": {"dead_years": 1}}])
    assert len(classes(world, keys, refs, READ | {"subject.dead_years"})) == 2


def test_people_who_said_the_same_at_other_times_are_one_class(world: Connection, keys: Keys) -> None:
    refs = register(world, keys, [{"id": f"s{n}", "facts": {"residence": "DE"}} for n in range(6)])
    for n, ref in enumerate(refs):
        at = NOW - timedelta(days=n + 1)
        said = consent(f"doc-{n}", at=at, base=n % 2 == 0)
        record_consent_event(world, tenant=TENANT, ref=ref, sealer=keys,
                             event=ConsentEvent(kind=ConsentEventKind.RECORDED, effective=at, recorded=at, content=said))  # fmt: skip
    found = classes(world, keys, refs)
    assert sorted((c.size, c.consents[0].base) for c in found) == [(3, False), (3, True)]


def test_the_order_of_asking_changes_nothing(world: Connection, keys: Keys) -> None:
    refs = [subject_ref(KEY, TENANT, name) for name in ("p1", "p2", "p3", "x")]
    assert classes(world, keys, refs) == classes(world, keys, refs[::-1])


def test_only_what_policies_read_of_patients_is_gathered(world: Connection, keys: Keys) -> None:
    law = policies()
    people = gather(world, keys, law=law).facts.classes
    assert {fact for one in people for fact in one.facts} == {"subject.residence", "subject.us_person"}
    regime = law.regimes[0]
    governs = FactTest(fact="subject.age", operator=Operator.BELOW, number=18)
    older = policies(digest="sha256:other", regimes=(*law.regimes, type(regime)(
        id="kids", title="Kids", territory=frozenset(), force=regime.force, governs=governs, rules={}, silent_on={})))  # fmt: skip
    assert any("subject.age" in one.facts for one in gather(world, keys, law=older).facts.classes)


def test_ten_thousand_patients_fall_into_few_classes_quickly(connection: Connection, keys: Keys) -> None:
    refs = [subject_ref(KEY, TENANT, f"n{n}") for n in range(10_000)]
    keys.create(TENANT, refs)
    facts = [b'{"birth_date":"19%02d-01-01","residence":"%s"}' % (n % 80, (b"DE", b"FR", b"US")[n % 3]) for n in range(10_000)]
    connection.execute(insert(subjects), [
        {"tenant": TENANT, "ref": ref, "sealed": keys.seal(TENANT, ref, plain, SEALED_SUBJECT)}
        for ref, plain in zip(refs, facts, strict=True)
    ])  # fmt: skip
    began = time.perf_counter()
    found = classes(connection, keys, refs)
    took = time.perf_counter() - began
    assert sorted(one.size for one in found) == [3333, 3333, 3334]
    assert took < 10, "an order of magnitude above what it takes"


def test_no_byte_of_the_database_names_a_patient(tmp_path: Any) -> None:
    engine, keys = open_database(f"sqlite:///{tmp_path / 'house.db'}"), Keys()
    migrate(engine)
    people = [{"id": "canary-id-7781", "identifiers": [{"system": "urn:canary-system", "value": "canary-mrn-99812"}],
               "facts": {"residence": "KE", "birth_date": "1961-03-04"}}]  # fmt: skip
    ref = subject_ref(KEY, TENANT, "canary-id-7781")
    with writing(engine) as connection:
        furnish(connection, keys, subjects=[*SUBJECTS, *people])
        said = consent("canary-consent-31", told=frozenset({"canary-told"}))
        record_consent_event(connection, tenant=TENANT, ref=ref, sealer=keys, event=ConsentEvent(
            kind=ConsentEventKind.RECORDED, effective=NOW, recorded=NOW, content=said))  # fmt: skip
    engine.dispose()
    raw = b"".join(path.read_bytes() for path in tmp_path.iterdir())
    assert ref.encode() in raw
    for word in (b"canary", b"1961-03-04", b"MRN-7781234", b"99812"):
        assert word not in raw


@pytest.fixture(scope="module")
def two_tenants(tmp_path_factory: Any) -> Any:
    engine = open_database(f"sqlite:///{tmp_path_factory.mktemp('two') / 'house.db'}")
    migrate(engine)
    yield engine
    engine.dispose()


_PERSON = st.fixed_dictionaries({"id": st.sampled_from(["a", "b", "c"])}, optional={
    "facts": st.fixed_dictionaries({}, optional={"residence": st.sampled_from(["DE", "US", "KE"]), "us_person": st.booleans()}),
})  # fmt: skip
_WORLD = st.lists(_PERSON, max_size=3, unique_by=lambda person: person["id"])


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(mine=_WORLD, theirs=_WORLD, refused=st.sets(st.sampled_from(["a", "b", "c"])))
def test_tenants_never_mix(two_tenants: Any, mine: Any, theirs: Any, refused: set[str]) -> None:
    """What one tenant registers, or a patient tells it, changes nothing that the other gathers."""
    other_key = b"key-of-the-other-tenant-32-bytes"
    request = {**REQUEST, "subjects": {"ids": ["a", "b", "c"]}}
    with two_tenants.connect() as connection, connection.begin() as transaction:
        for table in (consent_events, subject_identifiers, subjects, ledger):
            connection.execute(table.delete())
        keys = Keys()
        furnish(connection, keys, subjects=mine)
        alone = gather(connection, keys, request)
        furnish(connection, keys, tenant="other", key=other_key, subjects=theirs)
        for name in refused:
            ref = subject_ref(other_key, "other", name)
            keys.create("other", [ref])
            record_consent_event(connection, tenant="other", ref=ref, sealer=keys, event=ConsentEvent(
                kind=ConsentEventKind.RECORDED, effective=NOW, recorded=NOW, content=consent(base=False)))  # fmt: skip
        assert gather(connection, keys, request) == alone
        others = gather(connection, keys, request, tenant="other", key=other_key)
        assert set(others.refs).isdisjoint(alone.refs)
        assert sum(one.size for one in others.facts.classes if one.consents) == len(refused)
        transaction.rollback()
