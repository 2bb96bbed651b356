"""The verifier on served logs: whole ones, and ones where anything at all was changed."""

import random
import shutil

import pytest
from sqlalchemy import text

from audit.checkpoint import Checkpoint, sign_checkpoint
from audit.entry import Entry
from audit.errors import AuditError, LogBehindError
from audit.note import Verifier
from audit.tiles import bundle_bytes, parse_bundle
from audit.tree import leaf_hash, root_of
from audit.verify import read_keys, verify_folder
from tests.audit.world import TENANT, World, draft, fill, insert_business

ENTRIES = 30


@pytest.fixture(scope="module")
def served(tmp_path_factory):
    """A served log of 30 entries, four of them about several people, with an older partial tile beside."""
    world = World(tmp_path_factory.mktemp("served"))
    fill(world, 20)
    world.export()
    earlier = (world.served / "checkpoint").read_bytes()
    with world.writer() as writer:
        for n in range(20, ENTRIES):
            writer.record(draft(n, subjects=3 if n == 25 else 1), insert_business(n))
    world.export()
    yield world, earlier
    world.engine.dispose()


@pytest.fixture
def folder(served, tmp_path):
    shutil.copytree(served[0].served, tmp_path / "log")
    return tmp_path / "log"


def files(folder):
    return sorted(path for path in folder.rglob("*") if path.is_file())


def faults(folder, **options):
    return [(fault.where, fault.what) for fault in verify_folder(folder, **options).faults]


def test_a_whole_log_verifies(served):
    world, earlier = served
    report = verify_folder(world.served, since=[earlier])
    assert report.faults == []
    assert (report.entries, report.size, report.leaves, report.leaves_missing, report.since) == (ENTRIES, ENTRIES, 3, 0, [20])
    assert report.signers == ("example.org/clinic",)
    assert report.ok


def test_older_partial_tiles_may_lie_beside(served):
    names = [path.relative_to(served[0].served).as_posix() for path in files(served[0].served)]
    assert {"tile/0/000.p/20", "tile/0/000.p/30", "tile/entries/000.p/20", "tile/entries/000.p/30"} <= set(names)


def flip(path, bit):
    with path.open("r+b") as file:
        file.seek(bit // 8)
        byte = file.read(1)[0]
        file.seek(bit // 8)
        file.write(bytes([byte ^ 1 << bit % 8]))


def test_every_bit_flip_in_one_entry_is_found_and_located(tmp_path):
    world = World(tmp_path)
    fill(world, 6)
    world.export()
    bundle = world.served / "tile/entries/000.p/6"
    whole = bundle.read_bytes()
    entries = parse_bundle(whole, 6)
    start = len(bundle_bytes(entries[:3])) * 8
    for bit in range(start, start + 8 * (2 + len(entries[3]))):
        flip(bundle, bit)
        assert {"tile/entries/000.p/6 entry 3"} == {where for where, _ in faults(world.served)}, bit
        flip(bundle, bit)
    assert whole == bundle.read_bytes()
    world.engine.dispose()


def test_bit_flips_anywhere_are_found_and_located(folder):
    chance = random.Random(20261122)
    for path in files(folder):
        whole = path.read_bytes()
        name = path.relative_to(folder).as_posix()
        bits = range(8 * len(whole))
        for bit in chance.sample(bits, min(len(bits), 50)):
            flip(path, bit)
            found = faults(folder)
            places = {where.split(" ")[0] for where, _ in found}
            allowed = {name} if name != "key" else {"key", "checkpoint"}
            assert places & allowed, (name, bit, found)
            path.write_bytes(whole)
    assert faults(folder) == []


def test_every_missing_file_is_found(folder):
    for path in files(folder):
        name = path.relative_to(folder).as_posix()
        if ".p/20" in name:
            continue
        whole = path.read_bytes()
        path.unlink()
        assert any(where == name for where, _ in faults(folder)), name
        path.write_bytes(whole)


def test_a_file_that_does_not_belong_is_found(folder):
    for name in ("tile/0/000.bak", "tile/9/000", "leaves/000", "tile/0/000.p/31"):
        path = folder / name
        path.write_bytes(b"x" * 32) if path.parent.exists() else None
        expected = path.exists()
        assert expected == any(where == name for where, _ in faults(folder)), name
        path.unlink(missing_ok=True)


def test_files_beyond_the_checkpoint_are_counted_not_blamed(folder, served):
    """While an export is under way new tiles are there before the checkpoint that signs them."""
    (folder / "checkpoint").write_bytes(served[1])
    report = verify_folder(folder)
    assert report.faults == []
    assert report.entries == 20


def test_a_rewritten_entry_with_tile_and_root_made_to_fit_fails_on_the_signature(folder):
    rewrite(folder)
    assert faults(folder) == [("checkpoint", "the signature of `example.org/clinic` does not verify")]


def rewrite(folder, signer=None):
    """Change an entry and everything that hangs on it; sign it if there is a key."""
    bundle, tile = folder / "tile/entries/000.p/30", folder / "tile/0/000.p/30"
    entries = parse_bundle(bundle.read_bytes(), ENTRIES)
    entries[4] = entries[5]
    hashes = [leaf_hash(one) for one in entries]
    bundle.write_bytes(bundle_bytes(entries))
    tile.write_bytes(b"".join(hashes))
    for old in ("tile/entries/000.p/20", "tile/0/000.p/20"):
        (folder / old).unlink()
    checkpoint = Checkpoint(origin="example.org/clinic", size=ENTRIES, root=root_of(hashes))
    if signer is None:
        lines = (folder / "checkpoint").read_text().split("\n")
        (folder / "checkpoint").write_text("\n".join([*checkpoint.to_text().split("\n")[:3], *lines[3:]]))
    else:
        (folder / "checkpoint").write_text(sign_checkpoint(checkpoint, signer))


def test_a_log_rewritten_and_signed_anew_fails_against_an_earlier_checkpoint(folder, served):
    world, earlier = served
    rewrite(folder, world.keys.signer(TENANT))
    assert faults(folder) == [], "by itself it is a log"
    assert faults(
        folder, since=[earlier]
    ) == [("earlier checkpoint of size 20", "the log of size 20 is not what was signed then: it was rewritten")]


def test_a_log_that_lost_its_end_fails_against_an_earlier_checkpoint(folder, served):
    later = (folder / "checkpoint").read_bytes()
    (folder / "checkpoint").write_bytes(served[1])
    assert faults(
        folder, since=[later]
    ) == [("earlier checkpoint 1", "has 30 entries, this log only 20: entries were taken away")]


def test_two_signed_checkpoints_of_one_size_are_a_fork(folder, served):
    world, earlier = served
    forged = Checkpoint(origin="example.org/clinic", size=20, root=bytes(32))
    other = sign_checkpoint(forged, world.keys.signer(TENANT)).encode()
    assert any("forked" in what for _, what in faults(folder, since=[earlier, other]))


def test_a_checkpoint_of_another_log_or_key_is_refused(folder, served):
    world, _ = served
    other = world.keys.signer("elsewhere")
    checkpoint = sign_checkpoint(Checkpoint(origin=other.name, size=5, root=bytes(32)), other).encode()
    assert any(where == "earlier checkpoint 1" for where, _ in faults(folder, since=[checkpoint]))
    assert any(where == "checkpoint" for where, _ in faults(folder, keys=[other.verifier]))
    stranger = Verifier(world.keys.signer(TENANT).name, world.verifiers[0].type, bytes(32))
    assert any(where == "checkpoint" for where, _ in faults(folder, keys=[stranger]))


def test_a_checkpoint_that_claims_an_endless_log_is_refused_at_once(folder, served):
    signer = served[0].keys.signer(TENANT)
    (folder / "checkpoint").write_text(sign_checkpoint(Checkpoint(origin=signer.name, size=2**62, root=bytes(32)), signer))
    assert {"tile/0/000", "tile/entries/000"} == {where for where, _ in faults(folder)[:3]}


def test_a_log_served_without_leaves_says_so(folder):
    shutil.rmtree(folder / "leaves")
    report = verify_folder(folder)
    assert report.ok
    assert (report.leaves, report.leaves_missing) == (0, 3)


def test_a_log_of_several_tiles_is_exported_bit_by_bit_and_verifies(tmp_path):
    world = World(tmp_path)
    sizes = []
    with world.writer() as writer:
        for target in (1, 255, 256, 257, 600):
            start = sizes[-1] if sizes else 0
            for future in [writer.submit(draft(n), insert_business(n)) for n in range(start, target)]:
                future.result()
            sizes.append(world.export())
            assert faults(world.served) == [], target
    assert sizes == [1, 255, 256, 257, 600]
    names = {path.relative_to(world.served).as_posix() for path in files(world.served)}
    assert {"tile/0/000", "tile/0/001", "tile/0/002.p/88", "tile/1/000.p/2", "tile/entries/002.p/88"} <= names
    fresh = World(tmp_path / "fresh") if (tmp_path / "fresh").mkdir() is None else None
    world.served = fresh.served
    world.export()
    assert faults(world.served) == []
    assert (tmp_path / "log/checkpoint").read_bytes() == (world.served / "checkpoint").read_bytes()
    fresh.engine.dispose()
    world.engine.dispose()


def test_a_flipped_bit_in_a_tile_of_level_one_is_located(tmp_path):
    world = World(tmp_path)
    fill(world, 520, every=1000)
    world.export()
    flip(world.served / "tile/1/000.p/2", 8 * 33)
    assert faults(world.served) == [("tile/1/000.p/2 hash 1", "is not the root of the tile below it")]
    world.engine.dispose()


def test_exporting_twice_changes_nothing_and_an_older_database_is_not_exported_over(served, tmp_path, folder):
    world = served[0]
    before = {path: path.read_bytes() for path in files(world.served)}
    assert world.export() == ENTRIES
    assert before == {path: path.read_bytes() for path in files(world.served)}
    other = World(tmp_path / "other") if (tmp_path / "other").mkdir() is None else None
    fill(other, 5)
    other.served = folder
    with pytest.raises(LogBehindError, match="a log of 30"):
        other.export()
    other.engine.dispose()


def test_an_export_of_a_database_that_lost_an_entry_is_refused(tmp_path):
    world = World(tmp_path)
    fill(world, 5)
    with world.engine.begin() as connection:
        connection.execute(text("DELETE FROM log_entries WHERE sequence = 2"))
    with pytest.raises(AuditError, match="missing in the database"):
        world.export()
    assert not (world.served / "checkpoint").exists()
    world.engine.dispose()


def test_an_empty_log_exports_its_key_alone(tmp_path):
    world = World(tmp_path)
    assert world.export() == 0
    assert tuple(world.verifiers) == read_keys((world.served / "key").read_bytes())
    world.engine.dispose()


def test_entries_in_the_bundle_are_the_logs_entries(served):
    world, _ = served
    for data in parse_bundle((world.served / "tile/entries/000.p/30").read_bytes(), ENTRIES):
        assert data == Entry.from_bytes(data).to_bytes()
