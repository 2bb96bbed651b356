"""Every parser: what it writes it reads back, what it reads it writes back byte for byte, anything else is refused."""

import json

import pytest
import rfc8785
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.mldsa import MLDSA44PrivateKey
from hypothesis import given, settings
from hypothesis import strategies as st

from audit.canonical import MAX_INTEGER, canonical, parse_canonical
from audit.checkpoint import Checkpoint, open_checkpoint, sign_checkpoint
from audit.details import pad, unpad
from audit.entry import Entry, OneSubject, SubjectTree, TypeClass, padded_count
from audit.errors import AuditError, DraftError, FormatError, ProofError
from audit.note import KeyType, LogSigner, Note, NoteSignature, TreeCosigner, Verifier, decode64, encode64
from audit.proof import Proof
from audit.tiles import BUNDLE, TilePath, bundle_bytes, parse_bundle, parse_path, tile_paths
from audit.verify import read_keys

SIGNER = LogSigner("example.org/clinic", Ed25519PrivateKey.from_private_bytes(bytes(32)))
hashes = st.binary(min_size=32, max_size=32)
text = st.text(st.characters(exclude_categories=["Cs"]))
ascii_keys = st.text(st.characters(max_codepoint=127), max_size=6)
json_values = st.recursive(
    st.none() | st.booleans() | st.integers(-MAX_INTEGER, MAX_INTEGER) | text,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(ascii_keys, inner, max_size=4),
    max_leaves=12,
)
entries = st.builds(
    Entry,
    type_class=st.sampled_from(TypeClass),
    hour=st.integers(0, 999_999_999),
    details=hashes,
    policy=st.none() | st.binary(min_size=32, max_size=32).map(lambda d: "sha256:" + d.hex()),
    subjects=st.none()
    | st.builds(OneSubject, label=hashes, hash=hashes)
    | st.builds(SubjectTree, count=st.integers(2, 2_000_000).map(padded_count), root=hashes),
)


@given(json_values)
def test_canonical_json_is_that_of_rfc_8785(value):
    assert rfc8785.dumps(value) == canonical(value)
    assert value == parse_canonical(canonical(value))


@pytest.mark.parametrize(
    "value", [1.5, float("nan"), 2**53, -(2**53), {1: 2}, {"é": 1}, "\ud800", b"", {"a": {1}}, object()],
    ids=["fraction", "nan", "large", "small", "number-key", "non-ascii-key", "surrogate", "bytes", "set", "object"],
)  # fmt: skip
def test_values_outside_the_profile_are_refused(value):
    with pytest.raises(FormatError):
        canonical(value)


def test_words_of_closed_vocabularies_are_strings_as_values_and_as_keys():
    assert canonical({TypeClass.FLOW: TypeClass.POLICY, "a": (True, None)}) == b'{"a":[true,null],"flow":"policy"}'


def test_endless_nesting_is_refused():
    value: list = []
    for _ in range(100):
        value = [value]
    with pytest.raises(FormatError, match="deeper"):
        canonical(value)


@pytest.mark.parametrize(
    "data", [b'{"a": 1}', b'{"b":1,"a":1}', b'{"a":1,"a":1}', b'"\\u0041"', b"1.0", b"1e2", b"[1,]", b"\xff", b"", b"NaN", b"-0"]
)
def test_json_in_another_form_is_refused(data):
    with pytest.raises(FormatError):
        parse_canonical(data)


def test_an_error_about_details_names_the_path_and_never_the_value():
    with pytest.raises(FormatError) as caught:
        canonical({"people": [{"birth": 1.5}]})
    assert "/people/0/birth" in caught.value.message
    assert "1.5" not in caught.value.message


@given(entries)
def test_an_entry_is_canonical_json_and_comes_back(entry):
    data = entry.to_bytes()
    assert entry == Entry.from_bytes(data)
    assert data == canonical(json.loads(data))


@given(entries, st.data())
def test_an_entry_with_a_byte_changed_is_refused_or_another_entry(entry, data):
    original = entry.to_bytes()
    at = data.draw(st.integers(0, len(original) - 1))
    changed = original[:at] + bytes([original[at] ^ data.draw(st.integers(1, 255))]) + original[at + 1 :]
    try:
        other = Entry.from_bytes(changed)
    except FormatError:
        return
    assert changed == other.to_bytes()
    assert entry != other


@pytest.mark.parametrize("count", [1, 2, 15, 17, 1187, 1_000_001])
def test_an_entry_with_an_exact_count_of_people_is_refused(count):
    entry = Entry(type_class=TypeClass.FLOW, hour=1, details=bytes(32), subjects=SubjectTree(count=count, root=bytes(32)))
    with pytest.raises(FormatError):
        Entry.from_bytes(entry.to_bytes())


@given(st.integers(2, 3_000_000))
def test_a_padded_count_is_one_of_few_and_wastes_little(count):
    padded = padded_count(count)
    assert count <= padded == padded_count(padded)
    assert padded <= max(16, 2 * count if count <= 1024 else count + count // 4 + 1)


@given(st.binary(max_size=3000), st.sampled_from([256, 2048]))
def test_padding_comes_off_and_hides_the_length(data, minimum):
    padded = pad(data, minimum)
    assert data == unpad(padded)
    assert len(padded).bit_count() == 1
    assert len(padded) >= minimum


@pytest.mark.parametrize("padded", [b"", b"\0\0", b"\0\0\0\x09abcd", b"\0\0\0\x01ab"])
def test_wrong_padding_is_refused(padded):
    with pytest.raises(ProofError):
        unpad(padded)


def test_details_beyond_the_largest_class_are_refused():
    with pytest.raises(DraftError, match="16 MiB"):
        pad(bytes(1 << 24), 256)


@given(st.binary())
def test_base64_has_one_form(data):
    assert data == decode64(encode64(data))


@pytest.mark.parametrize("encoded", ["QQ", "QQ=", "QR==", "Q Q==", "QQ==\n", "Q-==", "é"])
def test_base64_in_another_form_is_refused(encoded):
    with pytest.raises(FormatError):
        decode64(encoded)


note_text = st.text(st.characters(min_codepoint=32, exclude_categories=["Cs"]), min_size=1).map(lambda t: t + "\n")


@given(note_text, st.lists(st.binary(min_size=5, max_size=80), min_size=1, max_size=3))
def test_a_note_comes_back(body, signatures):
    note = Note(body, tuple(NoteSignature(f"key{n}", one[:4], one[4:]) for n, one in enumerate(signatures)))
    assert note == Note.from_bytes(note.to_text().encode())


@pytest.mark.parametrize(
    "data", [b"", b"text\n", b"text\n\n", b"text\n\n\xe2\x80\x94 a", b"text\n\n- a QUFBQUFB\n", b"te\0xt\n\n\xe2\x80\x94 a QUFBQUFB\n",
             b"text\n\n\xe2\x80\x94 a+b QUFBQUFB\n", b"text\n\n\xe2\x80\x94 a QUE=\n", b"\xff\n\n\xe2\x80\x94 a QUFBQUFB\n",
             b"text\n\n\xe2\x80\x94 a QUFBQUFB\n\n", b"text\n\n" + b"\xe2\x80\x94 a QUFBQUFB\n" * 101, b"x" * 1_000_001]
)  # fmt: skip
def test_a_broken_note_is_refused(data):
    with pytest.raises(FormatError):
        Note.from_bytes(data)


@given(st.integers(1, 2**63 - 1), hashes)
def test_a_checkpoint_comes_back(size, root):
    checkpoint = Checkpoint(origin=SIGNER.name, size=size, root=root)
    assert checkpoint == open_checkpoint(sign_checkpoint(checkpoint, SIGNER).encode(), [SIGNER.verifier])[0]


@pytest.mark.parametrize(
    "body", ["", "a\n1\n", "a\n01\nAAAA\n", "a\n-1\nAAAA\n", "a\n1\nAAAA\n", "a\n0\n" + encode64(bytes(32)) + "\n",
             "a\n1\n" + encode64(bytes(32)) + "\nmore\n", "\n1\n" + encode64(bytes(32)) + "\n",
             "a\n9223372036854775808\n" + encode64(bytes(32)) + "\n", "a\n\u0661\n" + encode64(bytes(32)) + "\n"]
)  # fmt: skip
def test_a_broken_checkpoint_is_refused(body):
    with pytest.raises(FormatError):
        Checkpoint.from_text(body)


def test_a_checkpoint_needs_the_signature_of_its_own_origin():
    checkpoint = Checkpoint(origin="example.org/other", size=1, root=bytes(32))
    signed = sign_checkpoint(checkpoint, SIGNER).encode()
    with pytest.raises(ProofError, match="another log"):
        open_checkpoint(signed, [SIGNER.verifier])
    stranger = LogSigner(SIGNER.name, Ed25519PrivateKey.from_private_bytes(bytes([1]) * 32))
    with pytest.raises(ProofError, match="no signature by the given key"):
        open_checkpoint(sign_checkpoint(Checkpoint(origin=SIGNER.name, size=1, root=bytes(32)), stranger).encode(), [SIGNER.verifier])


def test_a_second_signature_with_ml_dsa_is_checked_with_its_time_and_tree():
    second = TreeCosigner("example.org/clinic/pq", MLDSA44PrivateKey.generate())
    checkpoint = Checkpoint(origin=SIGNER.name, size=7, root=bytes(32))
    signed = sign_checkpoint(checkpoint, SIGNER, second, 1_795_000_000)
    keys = [SIGNER.verifier, Verifier.from_text(second.verifier.to_text())]
    assert (SIGNER.name, second.name) == open_checkpoint(signed.encode(), keys)[1]
    assert KeyType.ML_DSA_44_TREE is keys[1].type
    lines = signed.split("\n")
    data = bytearray(decode64(lines[5].split(" ")[2]))
    data[4 + 7] ^= 1  # the time
    lines[5] = f"\u2014 {second.name} {encode64(bytes(data))}"
    with pytest.raises(ProofError, match="does not verify"):
        open_checkpoint("\n".join(lines).encode(), keys)


@given(st.sampled_from([BUNDLE, 0, 1, 7]), st.integers(0, 10**12), st.integers(1, 256))
def test_a_tile_path_comes_back(level, number, width):
    path = TilePath(level=level, number=number, width=width)
    assert path == parse_path(path.to_text())


@pytest.mark.parametrize(
    "path", ["", "tile/0/0", "tile/0/0000", "tile/00/000", "tile/64/000", "tile/0/x000/000", "tile/0/001/002", "tile/0/000.p/0",
             "tile/0/000.p/256", "tile/0/000.p/01", "tile/0/000/", "tile/0/../000", "tile/entries/x1/000", "tile/0/000.new"]
)  # fmt: skip
def test_a_path_in_another_form_is_refused(path):
    with pytest.raises(FormatError):
        parse_path(path)


def test_the_tiles_of_seventy_thousand_entries():
    paths = [path.to_text() for path in tile_paths(70_000)]
    assert 273 + 1 == sum(path.startswith("tile/entries/") for path in paths) == sum(path.startswith("tile/0/") for path in paths)
    assert "tile/0/273.p/112" in paths
    assert paths[-3:] == ["tile/1/000", "tile/1/001.p/17", "tile/2/000.p/1"]
    assert [
        path.to_text() for path in tile_paths(70_000, since=69_999)
    ] == ["tile/entries/273.p/112", "tile/0/273.p/112", "tile/1/001.p/17", "tile/2/000.p/1"]


@given(st.lists(st.binary(max_size=300), max_size=256))
def test_a_bundle_comes_back(bodies):
    assert bodies == parse_bundle(bundle_bytes(bodies), len(bodies))


@given(st.lists(st.binary(max_size=20), min_size=1, max_size=20), st.data())
def test_a_bundle_cut_anywhere_or_with_more_after_it_is_refused(bodies, data):
    whole = bundle_bytes(bodies)
    cut = data.draw(st.integers(0, len(whole) - 1))
    for broken in (whole[:cut], whole + b"\0"):
        with pytest.raises(FormatError):
            parse_bundle(broken, len(bodies))


@given(st.integers(0, 2**62), st.lists(hashes, max_size=63), st.none() | st.binary(max_size=500))
def test_a_proof_file_comes_back(index, path, entry):
    proof = Proof(index=index, path=tuple(path), checkpoint="a\n1\nb\n\n\u2014 x y\n", entry=entry)
    assert proof == Proof.from_bytes(proof.to_text().encode())


@pytest.mark.parametrize(
    "data", [b"", b"c2sp.org/tlog-proof@v1\n", b"c2sp.org/tlog-proof@v2\nindex 1\n\nx", b"c2sp.org/tlog-proof@v1\n\nx",
             b"c2sp.org/tlog-proof@v1\nindex 01\n\nx", b"c2sp.org/tlog-proof@v1\nindex 1\nQQ==\n\nx", b"\xff",
             b"c2sp.org/tlog-proof@v1\nextra \xc3\xa9\nindex 1\n\nx", b"c2sp.org/tlog-proof@v1\nindex 1\n" + b"A" * 1_300_000]
)  # fmt: skip
def test_a_broken_proof_file_is_refused(data):
    with pytest.raises(FormatError):
        Proof.from_bytes(data)


def test_a_vkey_whose_id_does_not_fit_is_refused():
    vkey = SIGNER.verifier.to_text()
    name, key_id, encoded = vkey.split("+", 2)
    other = f"{int(key_id, 16) ^ 1:08x}"
    for broken in (f"{name}+{other}+{encoded}", f"x{vkey}", name, f"{name}+{key_id}+AA==", f"{name}+{key_id}+{encoded[:-4]}"):
        with pytest.raises(FormatError):
            Verifier.from_text(broken)
    with pytest.raises(FormatError):
        read_keys(vkey.encode())
    assert (SIGNER.verifier,) == read_keys(vkey.encode() + b"\n")


PARSERS = {
    "canonical": parse_canonical, "entry": Entry.from_bytes, "note": Note.from_bytes, "proof": Proof.from_bytes,
    "keys": read_keys, "bundle": lambda data: parse_bundle(data, 3), "path": lambda data: parse_path(data.decode("latin-1")),
    "checkpoint": lambda data: Checkpoint.from_text(data.decode("latin-1")),
}  # fmt: skip
SEEDS = [
    Entry(type_class=TypeClass.FLOW, hour=1, details=bytes(32)).to_bytes(),
    sign_checkpoint(Checkpoint(origin=SIGNER.name, size=1, root=bytes(32)), SIGNER).encode(),
    Proof(index=0, path=(bytes(32),), checkpoint="x", entry=b"{}").to_text().encode(),
    SIGNER.verifier.to_text().encode() + b"\n", b"tile/0/x001/x234/067.p/8", b"\0\1a\0\1b\0\1c",
]  # fmt: skip


@pytest.mark.parametrize("name", PARSERS)
@settings(max_examples=150)
@given(st.data())
def test_no_bytes_make_a_parser_do_anything_but_parse_or_refuse(name, data):
    seed = bytearray(data.draw(st.sampled_from(SEEDS) | st.binary(max_size=200)))
    for _ in range(data.draw(st.integers(0, 4))):
        if seed:
            at = data.draw(st.integers(0, len(seed) - 1))
            seed[at : at + data.draw(st.integers(0, 3))] = data.draw(st.binary(max_size=4))
    try:
        PARSERS[name](bytes(seed))
    except AuditError as error:
        refused = error.message
    else:
        refused = "parsed"
    assert refused
