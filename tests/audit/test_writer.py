"""The writer: work and entry stand or fall together, and nothing is answered before it is durable."""

import shutil
import sqlite3
import threading

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.mldsa import MLDSA44PrivateKey
from sqlalchemy import create_engine, event, text

from audit.checkpoint import open_checkpoint
from audit.drafts import Draft
from audit.entry import Entry, Kind, OneSubject, SubjectTree, TypeClass
from audit.errors import (
    AuditError,
    DraftError,
    LogBehindError,
    LogBusyError,
    LogClosedError,
    LogLockedError,
    OutcomeUnknown,
    RecordFailedError,
)
from audit.note import TreeCosigner
from audit.proof import Proof, verify_proof
from audit.read import LogReader
from audit.writer import Writer
from tests.audit.world import NOW, POLICY, TENANT, World, draft, fill, insert_business


def verified(world, receipt):
    return verify_proof(Proof.from_text(receipt.proof), world.verifiers)


def test_a_record_returns_the_works_result_and_a_receipt_that_verifies(world):
    with world.writer() as writer:
        result, receipt = writer.record(draft(3), insert_business(3))
    assert (result, receipt.index, receipt.size) == (3, 0, 1)
    assert world.business() == [3]
    shown = verified(world, receipt)
    assert (shown.index, shown.entry.type_class, shown.entry.policy) == (0, TypeClass.FLOW, POLICY)
    assert int(NOW.timestamp()) // 3600 == shown.entry.hour


def test_every_receipt_of_every_batch_verifies(world):
    with world.writer(max_batch=37) as writer:
        waiting = [writer.submit(draft(n), insert_business(n)) for n in range(600)]
        receipts = [future.result()[1] for future in waiting]
    assert list(range(600)) == [receipt.index for receipt in receipts] == world.business()
    for receipt in receipts:
        verified(world, receipt)


def test_many_threads_make_one_gapless_log(world):
    receipts = []
    with world.writer() as writer:

        def client(first):
            receipts.extend(writer.record(draft(n), insert_business(n)) for n in range(first, first + 20))

        threads = [threading.Thread(target=client, args=(1000 * n,)) for n in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert list(range(160)) == sorted(receipt.index for _, receipt in receipts)
    reader = LogReader(world.engine, TENANT)
    by_index = {receipt.index: result for result, receipt in receipts}
    tenant_key = world.keys.tenant_key(TENANT)
    assert by_index == {n: reader.shared(n, tenant_key)["details"]["n"] for n in range(160)}


def test_an_exception_in_the_work_undoes_only_that_draft(world):
    gate = threading.Event()

    def broken(connection):
        insert_business(2)(connection)
        raise LookupError("no such data set")

    with world.writer() as writer:
        first = writer.submit(draft(1), lambda connection: (gate.wait(5), insert_business(1)(connection))[1])
        second = writer.submit(draft(2), broken)
        third = writer.submit(draft(3), insert_business(3))
        gate.set()
        with pytest.raises(LookupError, match="no such data set"):
            second.result()
        assert [first.result()[1].index, third.result()[1].index] == [0, 1]
    assert world.business() == [1, 3]
    assert LogReader(world.engine, TENANT).size() == 2


def test_details_that_cannot_be_recorded_undo_the_work(world):
    with world.writer() as writer:
        bad = Draft(kind="decision", tenant=TENANT, policy=POLICY, shared={"share": 0.5})
        with pytest.raises(DraftError, match="/details/share"):
            writer.record(bad, insert_business(1))
        assert writer.record(draft(2), insert_business(2))[1].index == 0
    assert world.business() == [2]


@pytest.mark.parametrize(
    ("change", "message"),
    [({"kind": "verdict"}, "unknown kind"), ({"policy": None}, "policy digest"), ({"policy": "abc"}, "64 lower-case hex"), ({"tenant": ""}, "tenant")],
)  # fmt: skip
def test_an_unusable_draft_is_refused_before_any_work(world, change, message):
    settings = {"kind": "decision", "tenant": TENANT, "policy": POLICY, "shared": {}} | change
    with world.writer() as writer, pytest.raises(DraftError, match=message):
        writer.submit(Draft(**settings), insert_business(1))
    assert world.business() == []


def test_each_tenant_has_a_log_of_its_own(world):
    with world.writer() as writer:
        waiting = [writer.submit(draft(n, tenant=f"tenant-{n % 3}"), insert_business(n)) for n in range(30)]
        receipts = [future.result()[1] for future in waiting]
    assert [n // 3 for n in range(30)] == [receipt.index for receipt in receipts]
    for n in range(3):
        name = f"tenant-{n}"
        checkpoint, _ = open_checkpoint(LogReader(world.engine, name).checkpoint().encode(), [world.keys.signer(name).verifier])
        assert (f"example.org/{name}", 10) == (checkpoint.origin, checkpoint.size)


def test_an_entry_without_a_policy_of_its_own_repeats_the_last_one(world):
    def plain(kind):
        return Draft(kind=kind, tenant=TENANT)

    with world.writer() as writer:
        before = writer.record(plain("key"), lambda connection: None)[1]
        writer.record(draft(1), insert_business(1))
        after = writer.record(plain("consent"), lambda connection: None)[1]
    with world.writer() as writer:
        later = writer.record(plain("access"), lambda connection: None)[1]
    assert [Entry.from_bytes(one.entry).policy for one in (before, after, later)] == [None, POLICY, POLICY]


@pytest.mark.parametrize(("people", "leaves"), [(0, 1), (1, 1), (2, 16), (16, 16), (17, 32), (100, 128)])
def test_the_number_of_people_shows_only_as_a_padded_count(world, people, leaves):
    with world.writer() as writer:
        receipt = writer.record(draft(0, subjects=people), insert_business(0))[1]
    shown = Entry.from_bytes(receipt.entry).subjects
    assert isinstance(shown, OneSubject if leaves == 1 else SubjectTree)
    assert leaves == (1 if isinstance(shown, OneSubject) else shown.count)
    reader = LogReader(world.engine, TENANT)
    rows = reader.subject_leaves(0)
    assert leaves == len(rows)
    assert sorted(rows) == list(rows)
    assert people == reader.shared(0, world.keys.tenant_key(TENANT))["subjects"]


def test_an_operation_about_nobody_has_no_leaf(world):
    with world.writer() as writer:
        receipt = writer.record(Draft(kind=Kind.KEY, tenant=TENANT), lambda connection: None)[1]
    assert Entry.from_bytes(receipt.entry).subjects is None


def test_the_second_signature_stands_beside_the_first(world):
    second = TreeCosigner("example.org/clinic/pq", MLDSA44PrivateKey.generate())
    with world.writer(second=lambda tenant: second) as writer:
        receipt = writer.record(draft(1), insert_business(1))[1]
    shown = verify_proof(Proof.from_text(receipt.proof), [*world.verifiers, second.verifier])
    assert shown.signers == ("example.org/clinic", "example.org/clinic/pq")


def test_the_log_goes_on_where_it_was_after_closing(world):
    for turn in range(4):
        fill_from = turn * 3
        with world.writer() as writer:
            indices = [writer.record(draft(n), insert_business(n))[1].index for n in range(fill_from, fill_from + 3)]
        assert [fill_from, fill_from + 1, fill_from + 2] == indices


# -- when things fail --------------------------------------------------------------------------------------------


class FailingCommit:
    """Makes the driver's COMMIT fail, before or after it took effect."""

    def __init__(self, engine, *, after: bool):
        self.armed, self.after = False, after
        event.listen(engine, "commit", self)

    def __call__(self, connection):
        if self.armed:
            self.armed = False
            if self.after:
                connection.connection.dbapi_connection.commit()
            raise sqlite3.OperationalError("disk I/O error")


@pytest.mark.parametrize("took_effect", [False, True])
def test_a_failed_commit_is_unknown_until_reopened_and_no_sequence_is_used_twice(world, took_effect):
    failing = FailingCommit(world.engine, after=took_effect)
    gate = threading.Event()
    with world.writer(max_batch=1) as writer:
        first = writer.record(draft(1), insert_business(1))[1]
        failing.armed = True
        unlucky = writer.submit(draft(2), lambda connection: (gate.wait(5), insert_business(2)(connection))[1])
        waiting = writer.submit(draft(3), insert_business(3))
        gate.set()
        for future in (unlucky, waiting):
            with pytest.raises(OutcomeUnknown):
                future.result()
        with pytest.raises(OutcomeUnknown, match="commit failed"):
            writer.record(draft(4), insert_business(4))
        writer.reopen()
        last = writer.record(draft(5), insert_business(5))[1]
    assert ([1, 2, 5] if took_effect else [1, 5]) == world.business()
    assert (0, 2 if took_effect else 1) == (first.index, last.index)
    verified(world, last)
    LogReader(world.engine, TENANT).consistency(1)
    assert last.size == LogReader(world.engine, TENANT).size()


def test_work_that_records_an_entry_itself_is_refused_instead_of_waiting_for_ever(world):
    with world.writer() as writer:
        with pytest.raises(DraftError, match="may not record"):
            writer.record(draft(1), lambda connection: writer.record(draft(2), insert_business(2)))
        assert writer.record(draft(3), insert_business(3))[1].index == 0
    assert world.business() == [3]


def test_reopening_a_healthy_log_changes_nothing(world):
    with world.writer() as writer:
        writer.record(draft(1), insert_business(1))
        writer.reopen()
        assert writer.record(draft(2), insert_business(2))[1].index == 1


def test_work_that_ends_the_transaction_itself_stops_the_log(world):
    def commits(connection):
        insert_business(1)(connection)
        connection.connection.dbapi_connection.commit()
        return 1

    with world.writer() as writer:
        with pytest.raises(OutcomeUnknown):
            writer.record(draft(1), commits)
        writer.reopen()
        assert writer.record(draft(2), insert_business(2))[1].index == 0


def test_a_database_that_is_locked_by_another_records_nothing_and_goes_on(world):
    engine = create_engine(f"sqlite:///{world.database}", connect_args={"timeout": 0.05})
    other = sqlite3.connect(world.database, isolation_level=None)
    with Writer(engine, world.keys, clock=lambda: NOW, guard=world.guard) as writer:
        other.execute("BEGIN IMMEDIATE")
        with pytest.raises(RecordFailedError, match="nothing of it was recorded"):
            writer.record(draft(1), insert_business(1))
        other.execute("ROLLBACK")
        assert writer.record(draft(2), insert_business(2))[1].index == 0
    other.close()
    engine.dispose()
    assert world.business() == [2]


def test_a_second_writer_is_refused(world):
    with world.writer(), pytest.raises(LogLockedError, match="another process"):
        world.writer()
    world.writer().close()


def test_after_closing_nothing_is_accepted(world):
    writer = world.writer()
    writer.close()
    writer.close()
    with pytest.raises(LogClosedError):
        writer.record(draft(1), insert_business(1))
    with pytest.raises(LogClosedError):
        writer.reopen()


def test_what_waits_is_finished_before_closing(world):
    writer = world.writer()
    waiting = [writer.submit(draft(n), insert_business(n)) for n in range(50)]
    writer.close()
    assert list(range(50)) == [future.result()[1].index for future in waiting]


def test_too_many_waiting_drafts_are_refused(world):
    gate = threading.Event()
    with world.writer(max_waiting=2, max_batch=1) as writer:
        started = threading.Event()
        first = writer.submit(draft(0), lambda connection: (started.set(), gate.wait(5))[1])
        started.wait(5)
        waiting = [writer.submit(draft(n), insert_business(n)) for n in (1, 2)]
        with pytest.raises(LogBusyError):
            writer.submit(draft(3), insert_business(3))
        gate.set()
        assert [future.result()[1].index for future in (first, *waiting)] == [0, 1, 2]


def test_a_database_in_memory_is_refused(world):
    engine = create_engine("sqlite://")
    with pytest.raises(AuditError, match="needs a SQLite file"):
        Writer(engine, world.keys, clock=lambda: NOW, guard=world.guard)


# -- the guard ---------------------------------------------------------------------------------------------------


def copy_database(world, target):
    """Copy as a careful operator would: with SQLite's own backup."""
    source, copy = sqlite3.connect(world.database), sqlite3.connect(target)
    source.backup(copy)
    source.close()
    copy.close()


def restore_database(world, source):
    world.engine.dispose()
    for suffix in ("-wal", "-shm"):
        world.database.with_name(world.database.name + suffix).unlink(missing_ok=True)
    shutil.copy(source, world.database)


def test_a_database_restored_from_an_older_copy_is_not_signed_on(world, tmp_path):
    fill(world, 3)
    copy_database(world, tmp_path / "old.db")
    with world.writer() as writer:
        for n in range(3, 6):
            writer.record(draft(n), insert_business(n))
    restore_database(world, tmp_path / "old.db")
    with pytest.raises(LogBehindError, match="3 entries, but 6 were signed"):
        world.writer()
    with pytest.raises(LogBehindError):
        world.writer(adopt=True)


def test_an_empty_database_is_not_signed_on_where_a_log_was(world, tmp_path):
    copy_database(world, tmp_path / "empty.db")
    fill(world, 3)
    restore_database(world, tmp_path / "empty.db")
    with world.writer() as writer:
        with pytest.raises(LogBehindError, match="0 entries, but 3 were signed"):
            writer.record(draft(1), insert_business(1))
        with pytest.raises(LogBehindError):
            writer.record(draft(2), insert_business(2))
    assert world.business() == []


def test_another_log_of_the_same_length_is_not_signed_on(world, tmp_path):
    copy_database(world, tmp_path / "empty.db")
    fill(world, 5)
    shutil.copytree(world.guard, tmp_path / "first-guard")
    restore_database(world, tmp_path / "empty.db")
    shutil.rmtree(world.guard)
    fill(world, 6)
    shutil.rmtree(world.guard)
    shutil.copytree(tmp_path / "first-guard", world.guard)
    with pytest.raises(LogBehindError, match="not a continuation"):
        world.writer()


def test_a_lost_guard_is_refused_and_adopted_only_when_asked(world):
    fill(world, 4)
    shutil.rmtree(world.guard)
    with pytest.raises(LogBehindError, match="guard of this log is missing"):
        world.writer()
    world.writer(adopt=True).close()
    with world.writer() as writer:
        assert writer.record(draft(9), insert_business(9))[1].index == 4


def test_a_guard_with_one_torn_slot_still_guards_and_a_ruined_one_is_refused(world):
    fill(world, 4)
    fill(world, 0)
    [file] = world.guard.iterdir()
    data = bytearray(file.read_bytes())
    data[10] ^= 1
    file.write_bytes(data)
    world.writer().close()
    file.write_bytes(bytes(len(data)))
    with pytest.raises(LogBehindError, match="damaged"):
        world.writer()


def test_a_log_is_not_continued_with_another_key_or_origin(world):
    fill(world, 2)
    world.keys.signing = Ed25519PrivateKey.generate()
    with pytest.raises(LogBehindError, match="no signature by the given key"):
        world.writer()


def test_tiles_that_were_tampered_with_are_not_signed_on(world):
    fill(world, 9)
    with world.engine.begin() as connection:
        hashes = connection.execute(text("SELECT hashes FROM log_tiles WHERE level = 0")).scalar_one()
        connection.execute(text("UPDATE log_tiles SET hashes = :h"), {"h": bytes([hashes[0] ^ 1]) + hashes[1:]})
    with pytest.raises(LogBehindError, match="tiles and head"):
        world.writer()


def test_a_head_changed_under_the_running_writer_stops_it(world):
    with world.writer() as writer:
        for n in range(3):
            writer.record(draft(n), insert_business(n))
        with world.engine.begin() as connection:
            connection.execute(text("UPDATE log_heads SET frontier = zeroblob(64)"))
        with pytest.raises(LogBehindError, match="changed under the writer"):
            writer.record(draft(7), insert_business(7))
        with pytest.raises(LogBehindError, match="tiles and head"):
            writer.reopen()
    assert world.business() == [0, 1, 2]


def test_the_writer_keeps_to_wal_and_full(world, tmp_path):
    modes = []
    with world.writer() as writer:
        def work(connection):
            modes.extend(connection.exec_driver_sql(f"PRAGMA {name}").scalar_one() for name in ("journal_mode", "synchronous"))

        writer.record(draft(1), work)
    assert modes == ["wal", 2]


def test_the_stores_engine_serves_too(tmp_path):
    """Its connections begin their own transactions; the writer must not begin a second one."""
    database = pytest.importorskip("governance.store.database")
    world = World(tmp_path)
    world.engine.dispose()
    world.engine = database.open_database(f"sqlite:///{world.database}")
    fill(world, 20)
    assert world.export() == 20
    assert list(range(20)) == world.business()
    world.engine.dispose()
