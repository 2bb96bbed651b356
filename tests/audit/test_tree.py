"""The tree against two oracles (RFC text in vectors/make.py, pymerkle) and against forgers."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pymerkle import InmemoryTree

from audit.errors import ProofError
from audit.tree import (
    EMPTY_ROOT,
    Frontier,
    consistency_path,
    inclusion_path,
    leaf_hash,
    node_hash,
    range_hash,
    root_of,
    verify_consistency,
    verify_inclusion,
)
from tests.audit.vectors import make

entries_lists = st.lists(st.binary(max_size=8), min_size=1, max_size=80)


def nodes_of(entries):
    leaves = [leaf_hash(one) for one in entries]
    return lambda level, index: root_of(leaves[index << level : (index + 1) << level])


@given(entries_lists)
def test_roots_equal_those_of_pymerkle_and_of_the_rfc_word_for_word(entries):
    oracle = InmemoryTree(algorithm="sha256")
    for one in entries:
        oracle.append_entry(one)
    ours = root_of([leaf_hash(one) for one in entries])
    assert oracle.get_root() == ours == make.mth(entries) == range_hash(0, len(entries), nodes_of(entries))


@given(entries_lists, st.data())
def test_inclusion_proofs_equal_those_of_the_oracles_and_verify(entries, data):
    size = data.draw(st.integers(1, len(entries)))
    index = data.draw(st.integers(0, size - 1))
    path = inclusion_path(index, size, nodes_of(entries))
    assert make.path(index, entries[:size]) == path
    oracle = InmemoryTree(algorithm="sha256")
    for one in entries:
        oracle.append_entry(one)
    theirs = oracle.prove_inclusion(index + 1, size)
    assert theirs.path[1:] == path
    verify_inclusion(leaf_hash(entries[index]), index, size, path, make.mth(entries[:size]))


@given(entries_lists, st.data())
def test_consistency_proofs_equal_the_rfcs_and_verify(entries, data):
    new = data.draw(st.integers(1, len(entries)))
    old = data.draw(st.integers(1, new))
    path = consistency_path(old, new, nodes_of(entries))
    assert make.proof(old, entries[:new]) == path
    verify_consistency(old, new, make.mth(entries[:old]), make.mth(entries[:new]), path)


@given(entries_lists, st.data())
def test_an_inclusion_proof_with_anything_changed_is_refused(entries, data):
    size = len(entries)
    index = data.draw(st.integers(0, size - 1))
    path, root, leaf = inclusion_path(index, size, nodes_of(entries)), make.mth(entries), leaf_hash(entries[index])
    forged = [(leaf_hash(b"another entry"), index, path, root), (leaf, index, [*path, root], root),
              (leaf, index, path, leaf_hash(b"another root"))]  # fmt: skip
    if path:
        at = data.draw(st.integers(0, len(path) - 1))
        forged.append((leaf, index, path[:at] + path[at + 1 :], root))
        forged.append((leaf, index, [*path[:at], bytes(32), *path[at + 1 :]], root))
    for one, place, hashes, top in forged:
        with pytest.raises(ProofError):
            verify_inclusion(one, place, size, hashes, top)


@given(entries_lists, st.data())
def test_a_proof_holds_for_one_index_only(entries, data):
    entries = [bytes([n]) + one for n, one in enumerate(entries)]
    index, other = data.draw(st.integers(0, len(entries) - 1)), data.draw(st.integers(0, len(entries) - 1))
    if index == other:
        return
    path = inclusion_path(index, len(entries), nodes_of(entries))
    with pytest.raises(ProofError):
        verify_inclusion(leaf_hash(entries[index]), other, len(entries), path, make.mth(entries))


@given(entries_lists, st.data())
def test_a_consistency_proof_with_anything_changed_is_refused(entries, data):
    new = len(entries)
    old = data.draw(st.integers(1, new))
    path = consistency_path(old, new, nodes_of(entries))
    before, after = make.mth(entries[:old]), make.mth(entries)
    forged = [(bytes(32), after, path), (before, bytes(32), path), (before, after, [*path, before])]
    if path:
        at = data.draw(st.integers(0, len(path) - 1))
        forged.append((before, after, path[:at] + path[at + 1 :]))
        forged.append((before, after, [*path[:at], bytes(32), *path[at + 1 :]]))
    for one, other, hashes in forged:
        with pytest.raises(ProofError):
            verify_consistency(old, new, one, other, hashes)


@pytest.mark.parametrize(("old", "new"), [(0, 0), (0, 5), (-1, 5), (6, 5), (5, 2**63)])
def test_consistency_of_impossible_sizes_is_refused_and_ends(old, new):
    with pytest.raises(ProofError):
        verify_consistency(old, new, EMPTY_ROOT, EMPTY_ROOT, [])
    with pytest.raises(ProofError):
        consistency_path(old, new, lambda level, index: bytes(32))


@pytest.mark.parametrize(("index", "size"), [(0, 0), (5, 5), (-1, 5), (0, 2**63)])
def test_inclusion_at_impossible_places_is_refused(index, size):
    with pytest.raises(ProofError):
        verify_inclusion(bytes(32), index, size, [], bytes(32))
    with pytest.raises(ProofError):
        inclusion_path(index, size, lambda level, number: bytes(32))


def test_hashes_of_other_lengths_are_refused():
    leaf = leaf_hash(b"")
    for bad in (b"", bytes(31), bytes(33)):
        with pytest.raises(ProofError, match="32 bytes"):
            verify_inclusion(leaf, 0, 2, [bad], leaf)
        with pytest.raises(ProofError, match="32 bytes"):
            verify_consistency(1, 2, leaf, bad, [leaf])
        with pytest.raises(ProofError, match="32 bytes"):
            verify_consistency(1, 2, leaf, leaf, [bad])
        with pytest.raises(ProofError, match="32 bytes"):
            Frontier(1, [bad])
    with pytest.raises(ProofError, match="one hash for each bit"):
        Frontier(3, [leaf])


def test_a_consistency_proof_without_hashes_is_refused():
    with pytest.raises(ProofError, match="empty"):
        verify_consistency(3, 5, bytes(32), bytes(32), [])


def test_an_inner_node_is_no_entry():
    """A second preimage by depth: the 64 bytes of two hashes are hashed under another prefix than an entry."""
    left, right = leaf_hash(b"a"), leaf_hash(b"b")
    assert node_hash(left, right) != leaf_hash(left + right)


@given(st.integers(0, 300), st.integers(0, 300))
def test_a_frontier_taken_up_again_goes_on_as_if_never_left(first, more):
    whole, left = Frontier(), Frontier()
    for number in range(first):
        whole.append(leaf_hash(b"%d" % number))
        left.append(leaf_hash(b"%d" % number))
    taken_up = Frontier(left.size, left.nodes)
    for number in range(first, first + more):
        whole.append(leaf_hash(b"%d" % number))
        taken_up.append(leaf_hash(b"%d" % number))
    assert (whole.root(), whole.positions()) == (taken_up.root(), taken_up.positions())
