"""What a stranger, or somebody who steals the database without the keys, can learn: nothing about a patient."""

import json
import re
import shutil

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import text

from audit.details import derive, label
from audit.drafts import Draft
from audit.entry import Entry, Kind, TypeClass, type_class
from audit.errors import DraftError
from audit.read import LogReader
from tests.audit.world import POLICY, TENANT, World, draft, insert_business

CANARY = "KANARIENVOGEL"


def nothing(connection):
    return None


def everything_on_disk(world):
    world.export()
    return {path.name: path.read_bytes() for path in world.folder.rglob("*") if path.is_file()}


def test_no_canary_appears_in_clear_anywhere(world):
    canary = {"name": f"{CANARY}-name", "nested": [{"note": f"{CANARY}-note"}]}
    people = {f"{CANARY}-id-{n}": canary for n in range(3)}
    with world.writer() as writer:
        for kind in Kind:
            one = Draft(kind=kind, tenant=TENANT, policy=POLICY, shared=canary, subjects=people, digests={"request": CANARY.encode()})
            receipt = writer.record(one, nothing)[1]
            assert CANARY not in receipt.proof
        with pytest.raises(DraftError) as caught:
            writer.record(Draft(kind="consent", tenant=TENANT, shared={"x": CANARY, "y": object()}), nothing)
        assert CANARY not in str(caught.value)
        found = everything_on_disk(world)
    assert any(name.endswith("-wal") for name in found), "the write-ahead log was looked at too"
    for name, data in found.items():
        assert CANARY.encode() not in data, name
    assert CANARY in json.dumps(LogReader(world.engine, TENANT).shared(0, world.keys.tenant_key(TENANT)))


def test_permit_and_deny_make_entries_of_the_same_shape(world):
    """Everything but the hashes of ciphertext and the labels is equal, in clear and in the database."""
    shapes, sizes = set(), set()
    with world.writer() as writer:
        for n, (kind, effect, reasons) in enumerate([
            ("decision", "permit", 1), ("decision", "deny", 12), ("decision", "refer", 5), ("withdrawal", "", 0), ("grant", "permit", 0),
            ("recall", "", 1), ("review", "", 2)]):  # fmt: skip
            shared = {"effect": effect, "reasons": ["because of a paragraph of a law"] * reasons}
            entry = writer.record(
                Draft(kind=kind, tenant=TENANT, policy=POLICY, shared=shared, subjects={f"p{n}": {"state": effect}}), nothing
            )[1].entry
            shapes.add(re.sub(rb"[0-9a-f]{64}", b"#", entry))
    with world.engine.connect() as connection:
        for table in ("log_details", "log_leaves"):
            sizes |= {(table, size) for size in connection.execute(text(f"SELECT length(sealed) FROM {table}")).scalars()}
    assert len(shapes) == 1
    assert len(sizes) == 2


def test_an_entry_about_nobody_looks_like_one_about_somebody(world):
    with world.writer() as writer:
        nobody = writer.record(Draft(kind="decision", tenant=TENANT, policy=POLICY), nothing)[1].entry
        unknown = writer.record(Draft(kind="decision", tenant=TENANT, policy=POLICY, subjects={"unknown": {}}), nothing)[1].entry
        somebody = writer.record(draft(1), insert_business(1))[1].entry
    assert len({re.sub(rb"[0-9a-f]{64}", b"#", one) for one in (nobody, unknown, somebody)}) == 1


def test_labels_and_hashes_never_repeat(world):
    with world.writer() as writer:
        for _ in range(40):
            writer.record(Draft(kind="consent", tenant=TENANT, shared={}, subjects={"anna": {}}), nothing)
    digits = [match for stored in LogReader(world.engine, TENANT).entries() for match in re.findall(rb"[0-9a-f]{64}", stored.data)]
    assert 3 * 40 == len(digits) == len(set(digits))


def test_the_database_holds_nothing_that_repeats_with_a_person(world):
    """Rows about one person and rows about forty differ in no column that could be joined on."""
    with world.writer() as writer:
        for _ in range(20):
            writer.record(Draft(kind="consent", tenant=TENANT, subjects={"anna": {}, "ben": {}}), nothing)
    with world.engine.connect() as connection:
        rows = connection.execute(text("SELECT label, sealed FROM log_leaves")).all()
    assert 20 * 16 == len(rows) == len({row.label for row in rows}) == len({bytes(row.sealed)[:16] for row in rows})
    assert len({len(row.sealed) for row in rows}) == 1, "fillers are as long as real ones"


@given(st.binary(min_size=32, max_size=32), st.integers(0, 2**64 - 1), st.integers(0, 2**64 - 1))
def test_a_label_is_32_bytes_and_differs_for_every_event(key, first, second):
    assert len(label(key, first)) == 32
    assert (first == second) == (label(key, first) == label(key, second))


def test_keys_of_another_length_are_refused():
    with pytest.raises(DraftError, match="32 bytes"):
        derive(bytes(16), b"label")


def test_everything_about_people_is_one_class():
    about_people = {kind for kind in Kind if type_class(kind) is TypeClass.FLOW}
    assert {Kind.DECISION, Kind.GRANT, Kind.REVIEW, Kind.CONSENT, Kind.WITHDRAWAL, Kind.ERASURE} <= about_people


def test_an_entry_has_nothing_in_clear_but_what_the_page_lists(world):
    with world.writer() as writer:
        receipt = writer.record(draft(1, subjects=4), insert_business(1))[1]
    assert {"class", "details", "hour", "policy", "subjects", "v"} == set(json.loads(receipt.entry))
    assert Entry.from_bytes(receipt.entry).to_bytes() == receipt.entry


def test_one_tenants_log_says_nothing_of_anothers_volume(tmp_path):
    """The same drafts make the same served files (up to hashes) whether or not another tenant is busy."""
    shapes = []
    for noise in (0, 50):
        folder = tmp_path / str(noise)
        folder.mkdir()
        world = World(folder)
        with world.writer() as writer:
            for n in range(10):
                writer.record(draft(n), insert_business(n))
                for m in range(noise // 10):
                    writer.record(draft(m, tenant="busy"), nothing)
        world.export()
        shapes.append({path.relative_to(world.served).as_posix(): path.stat().st_size for path in world.served.rglob("*") if path.is_file()})
        world.engine.dispose()
        shutil.rmtree(folder)
    assert shapes[0] == shapes[1]
