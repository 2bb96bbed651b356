"""The program against the vectors that were written from docs/formats.md without it."""

import json
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from audit import details
from audit.build import subject_leaf
from audit.canonical import canonical, parse_canonical
from audit.checkpoint import Checkpoint, open_checkpoint, sign_checkpoint
from audit.entry import Entry, Kind, OneSubject, TypeClass, padded_count, type_class
from audit.note import LogSigner, Verifier
from audit.proof import Proof, verify_proof
from audit.tiles import bundle_bytes, parse_bundle, parse_path, tile_path
from audit.tree import Frontier, leaf_hash, root_of, verify_consistency, verify_inclusion

VECTORS = Path(__file__).parent / "vectors"


def load(name):
    return json.loads((VECTORS / f"{name}.json").read_text(encoding="utf-8"))


def test_the_vectors_have_the_published_rfc_6962_roots():
    """The roots of Certificate Transparency's own reference table for these eight inputs."""
    assert load("tree")["roots"] == [
        "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
        "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
        "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
        "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
        "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
        "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
        "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
        "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
        "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
    ]


def test_roots_from_rows_and_from_the_frontier():
    vectors = load("tree")
    leaves = [leaf_hash(bytes.fromhex(one)) for one in vectors["inputs"]]
    for size, root in enumerate(vectors["roots"]):
        frontier = Frontier()
        for leaf in leaves[:size]:
            frontier.append(leaf)
        assert root == root_of(leaves[:size]).hex() == frontier.root().hex()


def test_inclusion_and_consistency_proofs_verify():
    vectors = load("tree")
    leaves = [leaf_hash(bytes.fromhex(one)) for one in vectors["inputs"]]
    roots = [bytes.fromhex(one) for one in vectors["roots"]]
    for one in vectors["inclusion"]:
        path = [bytes.fromhex(h) for h in one["path"]]
        verify_inclusion(leaves[one["index"]], one["index"], one["size"], path, roots[one["size"]])
    for one in vectors["consistency"]:
        path = [bytes.fromhex(h) for h in one["path"]]
        verify_consistency(one["old"], one["new"], roots[one["old"]], roots[one["new"]], path)


def test_derived_keys_labels_and_digest():
    vectors = load("details")
    tenant, subject = bytes.fromhex(vectors["tenant_key"]), bytes.fromhex(vectors["subject_key"])
    for info, key in (("shared", tenant), ("id", tenant), ("label", subject), ("lines", subject), ("counter", subject)):
        assert vectors["derived"][info] == details.derive(key, info.encode()).hex()
    assert vectors["labels"] == [details.label(subject, n).hex() for n in range(3)]
    assert vectors["derived"]["counter"] == details.counter_id(subject).hex()
    assert vectors["derived"]["id"][:16] == details.key_id(tenant).hex()
    salt = bytes.fromhex(vectors["salt"])
    assert vectors["digest"] == details.salted_digest(salt, vectors["digest_of"].encode()).hex()


def test_sealed_details():
    vectors = load("details")
    nonce = bytes.fromhex(vectors["nonce"])
    shared_key = details.derive(bytes.fromhex(vectors["tenant_key"]), b"shared")
    context = details.shared_context(vectors["origin"])
    shared = details.seal(shared_key, details.pad(vectors["shared"].encode(), 2048), context, nonce)
    assert vectors["shared_sealed"] == shared.hex()
    assert vectors["shared"].encode() == details.unpad(details.unseal(shared_key, shared, context))
    lines_key = details.derive(bytes.fromhex(vectors["subject_key"]), b"lines")
    context = details.lines_context(vectors["origin"], bytes.fromhex(vectors["labels"][0]))
    lines = details.seal(lines_key, details.pad(vectors["lines"].encode(), 256), context, nonce)
    assert vectors["lines_sealed"] == lines.hex()
    assert (vectors["shared_hash"], vectors["lines_hash"]) == tuple(details.sealed_hash(s).hex() for s in (shared, lines))


def test_entry_bytes_and_leaf():
    vectors = load("details")
    entry = Entry(
        type_class=TypeClass.FLOW, hour=498715, details=bytes.fromhex(vectors["shared_hash"]), policy=vectors["policy"],
        subjects=OneSubject(label=bytes.fromhex(vectors["labels"][0]), hash=bytes.fromhex(vectors["lines_hash"])),
    )  # fmt: skip
    assert vectors["entry"].encode() == entry.to_bytes() == canonical(json.loads(vectors["entry"]))
    assert entry == Entry.from_bytes(vectors["entry"].encode())
    assert vectors["leaf"] == leaf_hash(entry.to_bytes()).hex()


def test_tree_of_people_and_padded_counts():
    vectors = load("details")
    people = [bytes.fromhex(one) for one in vectors["people"]]
    assert vectors["people_root"] == root_of([subject_leaf(one[:32], one[32:]) for one in people]).hex()
    for count, padded in vectors["padded_counts"]:
        assert padded == padded_count(count)


def test_vkey_checkpoint_tile_bundle_and_proof():
    vectors = load("files")
    signer = LogSigner("example.org/clinic", Ed25519PrivateKey.from_private_bytes(bytes.fromhex(vectors["signing_key"])))
    assert vectors["vkey"] == signer.verifier.to_text()
    assert signer.verifier == Verifier.from_text(vectors["vkey"])
    entries = [one.encode() for one in vectors["entries"]]
    root = root_of([leaf_hash(one) for one in entries])
    assert vectors["root"] == root.hex()
    assert vectors["checkpoint"] == sign_checkpoint(Checkpoint(origin=signer.name, size=5, root=root), signer)
    assert open_checkpoint(vectors["checkpoint"].encode(), [signer.verifier])[0].size == 5
    assert vectors["bundle"] == bundle_bytes(entries).hex()
    assert entries == parse_bundle(bytes.fromhex(vectors["bundle"]), 5)
    assert vectors["tile"] == b"".join(leaf_hash(one) for one in entries).hex()
    proof = Proof.from_text(vectors["proof"])
    assert vectors["proof"] == proof.to_text()
    assert vectors["proof_index"] == verify_proof(proof, [signer.verifier]).index


def test_tile_paths():
    for level, number, width, path in load("files")["paths"]:
        assert path == tile_path(level, number, width)
        parsed = parse_path(path)
        assert (level, number, width) == (parsed.level, parsed.number, parsed.width)


@pytest.mark.parametrize("vector", load("canonical"))
def test_canonical_json(vector):
    assert vector["bytes"] == canonical(vector["value"]).hex()
    assert vector["value"] == parse_canonical(bytes.fromhex(vector["bytes"]))


def test_every_kind_has_its_frozen_class():
    """docs/formats.md section 3: a kind never moves to another class."""
    classes = {
        "flow": "decision grant outcome release recall review break-glass duty consent withdrawal subject erasure hold",
        "register": "register evidence",
        "policy": "policy",
        "operation": "key access search export failure",
    }
    assert {kind: name for name, kinds in classes.items() for kind in kinds.split()} == {
        kind.value: type_class(kind).value for kind in Kind
    }
