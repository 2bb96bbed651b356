from __future__ import annotations

from typing import Any

import pytest
from sqlalchemy import Connection, select

from governance.errors import AccessDeniedError, ConflictError, InputError, NotFoundError
from governance.store.register import (
    Registered,
    add_tenant,
    register_datasets,
    register_flows,
    register_parties,
    register_projects,
    registered_ids,
    revoke_evidence,
    submit_evidence,
    tenant_ids,
    verify_evidence,
)
from governance.store.sealing import subject_ref
from governance.store.subjects import find_subject, register_subjects, subject_refs
from governance.store.tables import evidence, parties
from tests.store.world import (
    CLAUSES,
    DATASETS,
    FLOWS,
    KEY,
    NOW,
    PARTIES,
    PROJECTS,
    SUBJECTS,
    TENANT,
    VOCABULARY,
    Keys,
    furnish,
    gather,
    paper,
)


def faults(error: pytest.ExceptionInfo[InputError]) -> dict[str, str]:
    return {fault.where: fault.message for fault in error.value.diagnostics}


def test_registering_the_same_again_changes_nothing(world: Connection, keys: Keys) -> None:
    assert register_parties(world, PARTIES, VOCABULARY, tenant=TENANT) == Registered(unchanged=4)
    assert register_projects(world, PROJECTS, VOCABULARY, tenant=TENANT) == Registered(unchanged=1)
    assert register_datasets(world, DATASETS, VOCABULARY, tenant=TENANT, index_key=KEY) == Registered(unchanged=1)
    assert register_flows(world, FLOWS, VOCABULARY, tenant=TENANT) == Registered(unchanged=1)
    again = register_subjects(world, SUBJECTS, VOCABULARY, tenant=TENANT, sealer=keys, index_key=KEY)
    assert again == Registered(unchanged=3)


def test_other_content_is_a_conflict_unless_it_shall_replace(world: Connection, keys: Keys) -> None:
    moved = [{**PARTIES[0], "place": "FR"}]
    with pytest.raises(ConflictError):
        register_parties(world, moved, VOCABULARY, tenant=TENANT)
    assert register_parties(world, moved, VOCABULARY, tenant=TENANT, replace=True) == Registered(replaced=1)
    assert gather(world, keys).facts.shared["exporter.place"] == "FR"
    fewer = [{**DATASETS[0], "cohorts": {"enrolled": ["p1"]}}]
    with pytest.raises(ConflictError):
        register_datasets(world, fewer, VOCABULARY, tenant=TENANT, index_key=KEY)
    register_datasets(world, fewer, VOCABULARY, tenant=TENANT, index_key=KEY, replace=True)
    assert len(gather(world, keys).refs) == 1


def test_a_patients_conflict_names_the_ordinal_only(world: Connection, keys: Keys) -> None:
    moved = [{"id": "p1", "facts": {"residence": "KE"}}]
    with pytest.raises(ConflictError) as caught:
        register_subjects(world, moved, VOCABULARY, tenant=TENANT, sealer=keys, index_key=KEY)
    assert caught.value.where == "subjects[0]"
    assert "p1" not in str(caught.value)
    replaced = register_subjects(world, moved, VOCABULARY, tenant=TENANT, sealer=keys, index_key=KEY, replace=True)
    assert replaced == Registered(replaced=1)


def test_all_faults_of_parties_come_at_once_and_nothing_is_written(connection: Connection) -> None:
    bad: list[dict[str, Any]] = [
        {"id": "a", "name": "A", "place": "GERMANY", "facts": {"sektor": "public", "type": "farma", "role": "sub-processor"}},
        {"id": "a", "nam": "A", "owners": [{"place": "XX", "share": 60}, {"share": 50}], "undisclosed_share": 0},
        {"id": "b", "name": "B", "facts": {"relation": "independent", "place": "DE", "secrecy": 1}},
    ]
    with pytest.raises(InputError) as caught:
        register_parties(connection, bad, VOCABULARY, tenant=TENANT, where="parties.json")
    assert faults(caught) == {
        "parties.json[0].place": "unknown place `GERMANY`",
        "parties.json[0].facts.sektor": "unknown fact `sektor`",
        "parties.json[0].facts.type": "unknown word `farma`",
        "parties.json[1].name": "is missing",
        "parties.json[1].nam": "unknown field `nam`",
        "parties.json[1].owners[0].place": "unknown place `XX`",
        "parties.json[1].owners[1]": "an owner is either a `party` or somebody of a `place`",
        "parties.json[1].owners": "the shares add up to more than 100 percent",
        "parties.json[2].facts.relation": "`recipient.relation` is established by the engine and cannot be registered",
        "parties.json[2].facts.place": "`place` is a field of its own",
        "parties.json[2].facts.secrecy": "`recipient.secrecy` has to be true or false",
    }  # fmt: skip
    assert connection.execute(select(parties)).all() == []


def test_what_the_engine_proves_cannot_be_registered(world: Connection) -> None:
    dataset = {**DATASETS[0], "id": "other", "parts": [{"id": "x", "facts": {"meets": ["standard-a"]}}]}
    with pytest.raises(InputError) as caught:
        register_datasets(world, [dataset], VOCABULARY, tenant=TENANT, index_key=KEY)
    assert list(faults(caught)) == ["datasets[0].parts[0].facts.meets"]


def test_references_to_what_is_not_registered_are_faults(world: Connection) -> None:
    with pytest.raises(InputError) as caught:
        register_datasets(world, [{**DATASETS[0], "id": "n", "holder": "charity"}], VOCABULARY, tenant=TENANT, index_key=KEY)
    assert faults(caught) == {"datasets[0].holder": "unknown party `charity`"}
    with pytest.raises(InputError) as caught:
        register_flows(world, [{**FLOWS[0], "id": "n", "recipient": "nobody"}], VOCABULARY, tenant=TENANT)
    assert faults(caught) == {"flows[0].recipient": "unknown party `nobody`"}


def test_faults_of_patients_say_where_but_never_what(connection: Connection, keys: Keys) -> None:
    bad: list[dict[str, Any]] = [
        {"id": "canary-1", "facts": {"residence": "canary-2", "birth_date": "canary-3", "canary-4": 1, "age": 7}},
        {"id": "canary-1", "canary-5": 1, "identifiers": [{"system": "canary-6"}], "facts": {"can_consent": True}},
    ]
    with pytest.raises(InputError) as caught:
        register_subjects(connection, bad, VOCABULARY, tenant=TENANT, sealer=keys, index_key=KEY)
    assert "canary" not in str(caught.value) + "".join(map(str, caught.value.diagnostics))
    assert set(faults(caught)) == {
        "subjects[0].facts.residence", "subjects[0].facts.birth_date", "subjects[0].facts.?", "subjects[0].facts.age",
        "subjects[1].?", "subjects[1].identifiers[0].value", "subjects[1].facts.can_consent",
    }  # fmt: skip


def test_faults_of_evidence_name_type_outcome_scope_and_property(connection: Connection) -> None:
    bad = [{**CLAUSES, "type": "clauzes"},
           {**CLAUSES, "id": "e2", "outcome": "sined", "scope": {"destination": ["US"]}, "properties": {"modul": "1"},
            "issued_on": "soon"}]  # fmt: skip
    with pytest.raises(InputError) as caught:
        submit_evidence(connection, bad, VOCABULARY, tenant=TENANT, by="ann", at=NOW)
    assert {(f.where, f.hint) for f in caught.value.diagnostics} >= {("evidence[0].type", "did you mean `clauses`?")}
    assert set(faults(caught)) == {
        "evidence[0].type", "evidence[1].outcome", "evidence[1].scope.destination", "evidence[1].properties.modul",
        "evidence[1].issued_on",
    }  # fmt: skip


def test_evidence_counts_only_verified_by_somebody_else_and_until_revoked(world: Connection, keys: Keys) -> None:
    submit_evidence(world, [CLAUSES], VOCABULARY, tenant=TENANT, by="ann", at=NOW)
    assert gather(world, keys).facts.evidence == ()
    with pytest.raises(AccessDeniedError):
        verify_evidence(world, tenant=TENANT, id="scc-1", by="ann", at=NOW)
    assert gather(world, keys).facts.evidence == ()
    verify_evidence(world, tenant=TENANT, id="scc-1", by="bob", at=NOW)
    (item,) = gather(world, keys).facts.evidence
    assert (item.id, item.scope["recipient"], item.outcome) == ("scc-1", frozenset({"biobank"}), "signed")
    revoke_evidence(world, tenant=TENANT, id="scc-1", by="ann", at=NOW)
    assert gather(world, keys).facts.evidence == ()
    with pytest.raises(ConflictError):
        verify_evidence(world, tenant=TENANT, id="scc-1", by="bob", at=NOW)
    with pytest.raises(ConflictError):
        revoke_evidence(world, tenant=TENANT, id="scc-1", by="bob", at=NOW)
    with pytest.raises(NotFoundError):
        verify_evidence(world, tenant=TENANT, id="scc-2", by="bob", at=NOW)


def test_the_database_itself_refuses_one_person_for_both(world: Connection) -> None:
    submit_evidence(world, [CLAUSES], VOCABULARY, tenant=TENANT, by="ann", at=NOW)
    with pytest.raises(Exception, match="two_people"):
        world.execute(evidence.update().values(state="verified", verified_by="ann"))


def test_evidence_is_never_replaced(world: Connection) -> None:
    paper(world)
    assert submit_evidence(world, [CLAUSES], VOCABULARY, tenant=TENANT, by="eve", at=NOW) == Registered(unchanged=1)
    with pytest.raises(ConflictError):
        submit_evidence(world, [{**CLAUSES, "outcome": "pending"}], VOCABULARY, tenant=TENANT, by="eve", at=NOW)


def test_evidence_for_other_parties_is_not_gathered(world: Connection, keys: Keys) -> None:
    paper(world, {**CLAUSES, "id": "other", "scope": {"exporter": ["charite"], "recipient": ["sister"]}})
    assert gather(world, keys).facts.evidence == ()


def test_a_patient_is_found_by_identifiers_and_never_by_somebody_elses(world: Connection, keys: Keys) -> None:
    ref = subject_ref(KEY, TENANT, "p1")
    assert find_subject(world, [("urn:mrn", " MRN-7781234 "), ("urn:x", "1")], tenant=TENANT, index_key=KEY) == ref
    assert find_subject(world, [("urn:other", "MRN-7781234")], tenant=TENANT, index_key=KEY) is None
    assert find_subject(world, [], tenant=TENANT, index_key=KEY) is None
    thief = [{"id": "p9", "identifiers": SUBJECTS[0]["identifiers"]}]
    keys.create(TENANT, subject_refs(thief, tenant=TENANT, index_key=KEY))
    with pytest.raises(ConflictError):
        register_subjects(world, thief, VOCABULARY, tenant=TENANT, sealer=keys, index_key=KEY)


def test_two_patients_of_one_batch_cannot_share_an_identifier(connection: Connection, keys: Keys) -> None:
    twins = [{"id": name, "identifiers": [{"system": "s", "value": "v"}]} for name in ("a", "b")]
    keys.create(TENANT, subject_refs(twins, tenant=TENANT, index_key=KEY))
    with pytest.raises(ConflictError) as caught:
        register_subjects(connection, twins, VOCABULARY, tenant=TENANT, sealer=keys, index_key=KEY)
    assert caught.value.where == "subjects[1].identifiers"


def test_a_replacement_changes_identifiers_too(world: Connection, keys: Keys) -> None:
    changed = [{**SUBJECTS[0], "identifiers": [{"system": "urn:mrn", "value": "new"}]}]
    register_subjects(world, changed, VOCABULARY, tenant=TENANT, sealer=keys, index_key=KEY, replace=True)
    assert find_subject(world, [("urn:mrn", "MRN-7781234")], tenant=TENANT, index_key=KEY) is None
    assert find_subject(world, [("urn:mrn", "new")], tenant=TENANT, index_key=KEY) == subject_ref(KEY, TENANT, "p1")


def test_two_tenants_keep_the_same_ids_apart(world: Connection, keys: Keys) -> None:
    furnish(world, keys, tenant="other", key=b"another-key-of-another-tenant-32")
    assert registered_ids(world, parties, "other") == registered_ids(world, parties, TENANT)
    register_parties(world, [{**PARTIES[0], "place": "FR"}], VOCABULARY, tenant="other", replace=True)
    assert gather(world, keys).facts.shared["exporter.place"] == "DE"
    assert subject_ref(KEY, TENANT, "p1") != subject_ref(KEY, "other", "p1")
    assert find_subject(world, [("urn:mrn", "MRN-7781234")], tenant="nobody", index_key=KEY) is None


def test_tenants_are_added_once(connection: Connection) -> None:
    assert [add_tenant(connection, name, at=NOW) for name in ("b", "a", "b")] == [True, True, False]
    assert tenant_ids(connection) == ("a", "b")
