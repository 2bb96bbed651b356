"""Write the test vectors of docs/formats.md, from the page alone: nothing of the program is imported.

Run as ``python -m tests.audit.vectors.make``; the files are committed and this module is not run by the tests.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import struct
from pathlib import Path

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

HERE = Path(__file__).parent
ORIGIN = "example.org/clinic"
TENANT_KEY = bytes(range(32))
SUBJECT_KEY = bytes(range(32, 64))
SIGNING_KEY = bytes(range(64, 96))
NONCE = bytes(range(96, 108))
SALT = bytes(range(112, 128))


def sha(data):
    return hashlib.sha256(data).digest()


def hkdf(key, info):
    extracted = hmac.new(b"\x00" * 32, key, hashlib.sha256).digest()
    return hmac.new(extracted, info + b"\x01", hashlib.sha256).digest()


def mth(leaves):
    """RFC 6962 section 2.1, word for word."""
    if not leaves:
        return sha(b"")
    if len(leaves) == 1:
        return sha(b"\x00" + leaves[0])
    k = 1
    while k * 2 < len(leaves):
        k *= 2
    return sha(b"\x01" + mth(leaves[:k]) + mth(leaves[k:]))


def path(m, leaves):
    """RFC 6962 section 2.1.1, word for word."""
    if len(leaves) == 1:
        return []
    k = 1
    while k * 2 < len(leaves):
        k *= 2
    if m < k:
        return [*path(m, leaves[:k]), mth(leaves[k:])]
    return [*path(m - k, leaves[k:]), mth(leaves[:k])]


def proof(m, leaves):
    return subproof(m, leaves, True)


def subproof(m, leaves, whole):
    """RFC 6962 section 2.1.2, word for word."""
    n = len(leaves)
    if m == n:
        return [] if whole else [mth(leaves)]
    k = 1
    while k * 2 < n:
        k *= 2
    if m <= k:
        return [*subproof(m, leaves[:k], whole), mth(leaves[k:])]
    return [*subproof(m - k, leaves[k:], False), mth(leaves[:k])]


def b64(data):
    return base64.b64encode(data).decode()


def padded(plaintext, minimum):
    size = minimum
    while size < 4 + len(plaintext):
        size *= 2
    return struct.pack(">I", len(plaintext)) + plaintext + b"\x00" * (size - 4 - len(plaintext))


def sealed(key, plaintext, minimum, context):
    return NONCE + AESGCM(key).encrypt(NONCE, padded(plaintext, minimum), context)


def write(name, value):
    (HERE / f"{name}.json").write_text(json.dumps(value, indent=1, ensure_ascii=True) + "\n", encoding="utf-8")


def tree_vectors():
    inputs = [b"", b"\x00", b"\x10", b"\x20\x21", b"\x30\x31", b"@ABC", b"PQRSTUVW", b"`abcdefghijklmno"]
    write("tree", {
        "inputs": [one.hex() for one in inputs],
        "roots": [mth(inputs[:n]).hex() for n in range(len(inputs) + 1)],
        "inclusion": [{"index": m, "size": n, "path": [h.hex() for h in path(m, inputs[:n])]}
                      for n in range(1, 9) for m in range(n)],
        "consistency": [{"old": m, "new": n, "path": [h.hex() for h in proof(m, inputs[:n])]}
                        for n in range(1, 9) for m in range(1, n + 1)],
    })  # fmt: skip


def details_vectors():
    label = [hmac.new(hkdf(SUBJECT_KEY, b"label"), struct.pack(">Q", n), hashlib.sha256).digest() for n in range(3)]
    digest = hmac.new(SALT, b'{"purpose":"care"}', hashlib.sha256).hexdigest()
    shared = (
        '{"at":"2026-11-22T19:45:00.000Z","details":{"effect":"permit"},"digests":{"request":"' + digest + '"},'
        '"kind":"decision","salt":"' + SALT.hex() + '","subjects":1,"unkeyed":0,"v":1}'
    ).encode()
    lines = b'{"at":"2026-11-22T19:45:00.000Z","kind":"decision","lines":{"state":"given"},"n":0,"v":1}'
    shared_sealed = sealed(hkdf(TENANT_KEY, b"shared"), shared, 2048, b"safe-conduct/shared/v1\n" + ORIGIN.encode())
    lines_context = b"safe-conduct/lines/v1\n" + ORIGIN.encode() + b"\n" + label[0]
    lines_sealed = sealed(hkdf(SUBJECT_KEY, b"lines"), lines, 256, lines_context)
    policy = "sha256:" + sha(b'{"packs":["eu-gdpr"],"v":1}').hex()
    entry = (
        '{"class":"flow","details":"' + sha(shared_sealed).hex() + '","hour":498715,"policy":"' + policy
        + '","subject":{"hash":"' + sha(lines_sealed).hex() + '","label":"' + label[0].hex() + '"},"v":1}'
    )  # fmt: skip
    people = sorted(bytes([n]) * 32 + sha(bytes([n])) for n in range(200, 184, -1))
    write("details", {
        "origin": ORIGIN, "tenant_key": TENANT_KEY.hex(), "subject_key": SUBJECT_KEY.hex(), "nonce": NONCE.hex(),
        "salt": SALT.hex(), "digest_of": '{"purpose":"care"}', "digest": digest,
        "derived": {info: hkdf(key, info.encode()).hex() for key, info in (
            (TENANT_KEY, "shared"), (TENANT_KEY, "id"), (SUBJECT_KEY, "label"), (SUBJECT_KEY, "lines"),
            (SUBJECT_KEY, "counter"))},
        "labels": [one.hex() for one in label],
        "shared": shared.decode(), "shared_sealed": shared_sealed.hex(), "shared_hash": sha(shared_sealed).hex(),
        "lines": lines.decode(), "lines_sealed": lines_sealed.hex(), "lines_hash": sha(lines_sealed).hex(),
        "policy_of": '{"packs":["eu-gdpr"],"v":1}', "policy": policy,
        "entry": entry, "leaf": sha(b"\x00" + entry.encode()).hex(),
        "people": [one.hex() for one in people], "people_root": mth(people).hex(),
        "padded_counts": [[2, 16], [16, 16], [17, 32], [1000, 1024], [1024, 1024], [1025, 1280], [1187, 1280],
                          [1281, 1536], [1793, 2048], [2049, 2560], [1_000_000, 1_048_576]],
    })  # fmt: skip
    return entry.encode()


def file_vectors(entry):
    key = Ed25519PrivateKey.from_private_bytes(SIGNING_KEY)
    public = key.public_key().public_bytes(serialization.Encoding.Raw, serialization.PublicFormat.Raw)
    key_id = sha(ORIGIN.encode() + b"\n\x01" + public)[:4]
    entries = [entry] * 5
    text = f"{ORIGIN}\n5\n{b64(mth(entries))}\n"
    checkpoint = f"{text}\n\u2014 {ORIGIN} {b64(key_id + key.sign(text.encode()))}\n"
    hashes = "".join(b64(one) + "\n" for one in path(3, entries))
    write("files", {
        "signing_key": SIGNING_KEY.hex(), "vkey": ORIGIN + "+" + key_id.hex() + "+" + b64(b"\x01" + public),
        "entries": [one.decode() for one in entries], "root": mth(entries).hex(), "checkpoint": checkpoint,
        "bundle": b"".join(struct.pack(">H", len(one)) + one for one in entries).hex(),
        "tile": b"".join(sha(b"\x00" + one) for one in entries).hex(),
        "proof_index": 3,
        "proof": f"c2sp.org/tlog-proof@v1\nextra {b64(entry)}\nindex 3\n{hashes}\n{checkpoint}",
        "paths": [[0, 0, 256, "tile/0/000"], [0, 1234067, 256, "tile/0/x001/x234/067"], [1, 1000, 256, "tile/1/x001/000"],
                  [2, 0, 1, "tile/2/000.p/1"], [-1, 273, 112, "tile/entries/273.p/112"],
                  [-1, 1234067, 256, "tile/entries/x001/x234/067"]],
    })  # fmt: skip


def canonical_vectors():
    write("canonical", [
        {"value": {"b": 1, "a": "é"}, "bytes": '{"a":"é","b":1}'.encode().hex()},
        {"value": {"": [], "A": {}, "a": None, "0": [True, False]}, "bytes": b'{"":[],"0":[true,false],"A":{},"a":null}'.hex()},
        {"value": '\u0001\b\t\n\f\r"\\/\u007f\u2028😀', "bytes": ('"\\u0001\\b\\t\\n\\f\\r\\"\\\\/\u007f\u2028😀"').encode().hex()},
        {"value": [9007199254740991, -9007199254740991, 0], "bytes": b"[9007199254740991,-9007199254740991,0]".hex()},
    ])  # fmt: skip


if __name__ == "__main__":
    tree_vectors()
    canonical_vectors()
    file_vectors(details_vectors())
