"""Reading back: details for the officer, one person's account, and proofs from tiles."""

import pytest
from sqlalchemy import text

from audit.build import subject_leaf
from audit.checkpoint import open_checkpoint
from audit.details import salted_digest, sealed_hash
from audit.drafts import Draft
from audit.entry import SubjectTree
from audit.errors import ProofError
from audit.proof import Proof, verify_proof
from audit.read import LogReader
from audit.tree import verify_consistency, verify_inclusion
from tests.audit.world import POLICY, TENANT, draft, fill, insert_business


def reader_of(world):
    return LogReader(world.engine, TENANT)


def test_the_officer_reads_what_was_recorded(world):
    fill(world, 3)
    shared = reader_of(world).shared(1, world.keys.tenant_key(TENANT))
    assert (
        shared["kind"], shared["details"], shared["subjects"], shared["unkeyed"]) == ("decision", {"effect": "permit", "n": 1}, 1, 0)  # fmt: skip
    assert shared["at"] == "2026-11-22T19:45:00.000Z"
    assert shared["digests"]["request"] == salted_digest(bytes.fromhex(shared["salt"]), b"{}").hex()


def test_salts_are_fresh(world):
    fill(world, 4)
    tenant_key = world.keys.tenant_key(TENANT)
    read = [reader_of(world).shared(n, tenant_key) for n in range(4)]
    assert 4 == len({one["salt"] for one in read}) == len({one["digests"]["request"] for one in read})


def test_another_key_opens_nothing(world):
    fill(world, 1)
    with pytest.raises(ProofError, match="another key"):
        reader_of(world).shared(0, bytes(32))
    assert reader_of(world).account(bytes(32)) == ()


def test_details_exchanged_in_the_database_are_noticed(world):
    fill(world, 2)
    with world.engine.begin() as connection:
        connection.execute(text("UPDATE log_details SET sealed = (SELECT sealed FROM log_details WHERE sequence = 0)"))
    with pytest.raises(ProofError, match="not those that were logged"):
        reader_of(world).shared(1, world.keys.tenant_key(TENANT))


def test_an_account_tells_everything_logged_about_one_person(world):
    with world.writer() as writer:
        for n in range(12):
            people = {"anna": {"n": n}} if n % 3 == 0 else {"anna": {"n": n}, "ben": {"n": -n}} if n % 3 == 1 else {"ben": {"n": -n}}
            writer.record(Draft(kind="decision", tenant=TENANT, policy=POLICY, subjects=people), insert_business(n))
    reader = reader_of(world)
    anna = reader.account(world.keys.subject_key(TENANT, "anna"))
    ben = reader.account(world.keys.subject_key(TENANT, "ben"))
    assert [(n, {"n": n}) for n in range(12) if n % 3 != 2] == [(line.index, line.lines) for line in anna]
    assert [(n, {"n": -n}) for n in range(12) if n % 3 != 0] == [(line.index, line.lines) for line in ben]
    assert list(range(8)) == [line.number for line in anna]
    assert {"decision"} == {line.kind for line in anna}


def test_each_line_of_an_account_proves_its_place_among_several_people(world):
    with world.writer() as writer:
        writer.record(draft(0, subjects=5), insert_business(0))
    reader = reader_of(world)
    [entry] = reader.entries()
    assert isinstance(entry.entry.subjects, SubjectTree)
    [line] = reader.account(world.keys.subject_key(TENANT, "patient-3"))
    with world.engine.connect() as connection:
        sealed = connection.execute(text("SELECT sealed FROM log_leaves WHERE label = :l"), {"l": line.label}).scalar_one()
    leaf = subject_leaf(line.label, sealed_hash(sealed))
    verify_inclusion(leaf, line.position, 16, line.leaf_path, entry.entry.subjects.root)


@pytest.mark.parametrize("change", ["DELETE FROM log_leaves WHERE sequence = 0", "UPDATE log_leaves SET sealed = zeroblob(300) WHERE sequence = 0"])
def test_an_account_that_lost_or_changed_a_line_is_refused(world, change):
    with world.writer() as writer:
        for n in range(2):
            writer.record(Draft(kind="consent", tenant=TENANT, subjects={"anna": {"n": n}}), insert_business(n))
    with world.engine.begin() as connection:
        connection.execute(text(change))
    with pytest.raises(ProofError):
        reader_of(world).account(world.keys.subject_key(TENANT, "anna"))


def test_an_erased_person_gets_a_leaf_like_anybodys_and_no_account_line(world):
    with world.writer() as writer:
        writer.record(Draft(kind="consent", tenant=TENANT, subjects={"anna": {"n": 0}}), insert_business(0))
        world.keys.erased.add("anna")
        writer.record(Draft(kind="consent", tenant=TENANT, subjects={"anna": {"n": 1}, "ben": {"n": 1}}), insert_business(1))
        writer.record(Draft(kind="consent", tenant=TENANT, subjects={"unknown": {"n": 1}}), insert_business(2))
    world.keys.erased.clear()
    reader = reader_of(world)
    assert [line.lines for line in reader.account(world.keys.subject_key(TENANT, "anna"))] == [{"n": 0}]
    tenant_key = world.keys.tenant_key(TENANT)
    assert [(one["subjects"], one["unkeyed"]) for one in (reader.shared(n, tenant_key) for n in range(3))] == [(1, 0), (2, 1), (1, 1)]
    first, _, third = (stored.data for stored in reader.entries())
    assert len(first) == len(third), "registered or not does not show"


def test_receipts_from_tiles_verify_for_every_entry_and_signed_size(world):
    with world.writer(max_batch=100) as writer:
        waiting = [writer.submit(draft(n), insert_business(n)) for n in range(530)]
        sizes = sorted({future.result()[1].size for future in waiting})
    reader = reader_of(world)
    for index in (0, 1, 255, 256, 511, 512, 529):
        shown = verify_proof(Proof.from_text(reader.receipt(index).proof), world.verifiers)
        assert (index, 530) == (shown.index, shown.checkpoint.size)
    for size in sizes:
        verify_proof(Proof.from_text(reader.receipt(0, size).proof), world.verifiers)
    with pytest.raises(ProofError, match="no entry 530"):
        reader.receipt(530)
    with pytest.raises(ProofError, match="no checkpoint"):
        reader.receipt(0, 531)


def test_consistency_from_tiles_leads_from_any_signed_checkpoint_to_the_latest(world):
    with world.writer() as writer:
        notes = [writer.record(draft(n), insert_business(n))[1].checkpoint for n in range(40)]
    reader = reader_of(world)
    now, _ = open_checkpoint(reader.checkpoint().encode(), world.verifiers)
    for note in notes:
        before, _ = open_checkpoint(note.encode(), world.verifiers)
        verify_consistency(before.size, now.size, before.root, now.root, reader.consistency(before.size))
    with pytest.raises(ProofError):
        reader.consistency(0)
    with pytest.raises(ProofError, match="40 entries only"):
        reader.consistency(1, 41)


def test_entries_are_read_in_order_and_by_page(world):
    fill(world, 530, every=1000)
    reader = reader_of(world)
    assert list(range(530)) == [stored.index for stored in reader.entries()]
    assert [stored.index for stored in reader.entries(500, 502)] == [500, 501]
    assert [stored.index for stored in reader.entries(529, 9999)] == [529]


def test_an_unknown_tenant_has_an_empty_log(world):
    reader = LogReader(world.engine, "nobody")
    assert (reader.size(), reader.checkpoint(), list(reader.entries())) == (0, None, [])
    with pytest.raises(ProofError):
        reader.receipt(0)
