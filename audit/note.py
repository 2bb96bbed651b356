"""Signed notes (C2SP signed-note, tlog-cosignature) and the keys that sign and verify them.

A note is text that ends in a line feed, an empty line, and one line for each signature::

    <text>
    <blank>
    — <key name> <base64(4-byte key id || signature)>

A verifying key (vkey) is written ``<name>+<hex key id>+<base64(type || public key)>``. Type 01 is Ed25519 over the
text; type 06 is ML-DSA-44 over a cosigned (sub)tree. Base64 is the standard alphabet, padded, and strict: bits
that do not count must be zero, so every text has one form.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Sequence
from dataclasses import dataclass
from enum import IntEnum
from hashlib import sha256

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.asymmetric.mldsa import MLDSA44PrivateKey, MLDSA44PublicKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from audit.errors import FormatError, ProofError

__all__ = [
    "CosignedTree", "KeyType", "LogSigner", "Note", "NoteSignature", "TreeCosigner", "Verifier", "decode64",
    "encode64", "verify_note",
]  # fmt: skip

_NOTE_LIMIT = 1_000_000
_SIGNATURE_LIMIT = 100


class KeyType(IntEnum):
    """Signature types of the C2SP registry that we sign or verify."""

    ED25519 = 0x01
    ML_DSA_44_TREE = 0x06


_PUBLIC_LENGTH = {KeyType.ED25519: 32, KeyType.ML_DSA_44_TREE: 1312}
_SIGNATURE_LENGTH = {KeyType.ED25519: 64, KeyType.ML_DSA_44_TREE: 8 + 2420}


def encode64(data: bytes) -> str:
    """Encode as padded standard base64."""
    return base64.b64encode(data).decode("ascii")


def decode64(text: str) -> bytes:
    """Decode padded standard base64, its one canonical form only.

    Raises:
        FormatError: anything else.
    """
    try:
        data = base64.b64decode(text.encode("ascii"), validate=True)
    except (binascii.Error, ValueError) as error:
        raise FormatError("not base64") from error
    if encode64(data) != text:
        raise FormatError("base64 is not in its canonical form")
    return data


def _check_name(name: str) -> None:
    if not name or "+" in name or any(c.isspace() or ord(c) < 0x20 for c in name) or not name.isprintable():
        raise FormatError("a key's name is empty or holds a blank, a plus sign or a control character")


@dataclass(frozen=True, slots=True, kw_only=True)
class CosignedTree:
    """What a type 06 signature speaks of: a whole checkpoint is the subtree from 0 to its size."""

    origin: str
    end: int
    root: bytes


@dataclass(frozen=True, slots=True)
class Verifier:
    """A key that verifies signatures on notes.

    Attributes:
        public: 32 bytes for Ed25519, 1312 for ML-DSA-44.
    """

    name: str
    type: KeyType
    public: bytes

    def __post_init__(self) -> None:
        """Refuse a name or a key of the wrong form."""
        _check_name(self.name)
        if len(self.public) != _PUBLIC_LENGTH[self.type]:
            raise FormatError(f"the public key of `{self.name}` has the wrong length")

    @property
    def id(self) -> bytes:
        """The first four bytes of SHA-256(name || 0x0A || type || public key)."""
        return sha256(self.name.encode() + b"\n" + bytes([self.type]) + self.public).digest()[:4]

    def to_text(self) -> str:
        """Return the vkey, without a line feed."""
        return f"{self.name}+{self.id.hex()}+{encode64(bytes([self.type]) + self.public)}"

    @classmethod
    def from_text(cls, text: str) -> Verifier:
        """Read a vkey (one line; a single line feed at its end is allowed).

        Raises:
            FormatError: it is not a vkey of a known type, or its key id is not that of the key.
        """
        parts = text.removesuffix("\n").split("+", 2)
        if len(parts) != 3:
            raise FormatError("not a verifying key", hint="expected `name+key id+base64`")
        name, key_id, encoded = parts
        data = decode64(encoded)
        try:
            kind = KeyType(data[0])
        except (IndexError, ValueError) as error:
            raise FormatError("a verifying key of an unknown type") from error
        key = cls(name, kind, data[1:])
        if key.id.hex() != key_id:
            raise FormatError("a verifying key's id does not fit its name and key")
        return key

    def verify(self, text: bytes, signature: bytes, tree: CosignedTree | None = None) -> None:
        """Check a signature over a note's text (or, for type 06, over the tree that it states).

        Raises:
            ProofError: the signature is not this key's.
        """
        if len(signature) != _SIGNATURE_LENGTH[self.type]:
            raise ProofError(f"the signature of `{self.name}` has the wrong length")
        try:
            if self.type is KeyType.ED25519:
                Ed25519PublicKey.from_public_bytes(self.public).verify(signature, text)
            else:
                if tree is None:
                    raise ProofError(f"the signature of `{self.name}` speaks of a tree, but the note states none")
                time = int.from_bytes(signature[:8], "big")
                message = _cosigned(self.name, time, tree)
                MLDSA44PublicKey.from_public_bytes(self.public).verify(signature[8:], message)
        except (InvalidSignature, ValueError) as error:
            raise ProofError(f"the signature of `{self.name}` does not verify") from error


def _cosigned(name: str, time: int, tree: CosignedTree) -> bytes:
    """Return the message of a type 06 cosignature (C2SP tlog-cosignature, cosigned_message)."""
    name_bytes, origin = name.encode(), tree.origin.encode()
    return b"".join((
        b"subtree/v1\n\x00", bytes([len(name_bytes)]), name_bytes, time.to_bytes(8, "big"),
        bytes([len(origin)]), origin, (0).to_bytes(8, "big"), tree.end.to_bytes(8, "big"), tree.root,
    ))  # fmt: skip


@dataclass(frozen=True, slots=True)
class LogSigner:
    """The Ed25519 key of a log; its name is the log's origin."""

    name: str
    key: Ed25519PrivateKey

    @property
    def verifier(self) -> Verifier:
        """The key to hand out."""
        public = self.key.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)
        return Verifier(self.name, KeyType.ED25519, public)

    def sign(self, text: str) -> NoteSignature:
        """Sign a note's text."""
        return NoteSignature(self.name, self.verifier.id, self.key.sign(text.encode()))


@dataclass(frozen=True, slots=True)
class TreeCosigner:
    """A second, ML-DSA-44 key of a log, for readers who expect quantum computers."""

    name: str
    key: MLDSA44PrivateKey

    @property
    def verifier(self) -> Verifier:
        """The key to hand out."""
        return Verifier(self.name, KeyType.ML_DSA_44_TREE, self.key.public_key().public_bytes_raw())

    def sign(self, tree: CosignedTree, time: int) -> NoteSignature:
        """Sign a checkpoint's tree at a time (seconds since 1970)."""
        signature = time.to_bytes(8, "big") + self.key.sign(_cosigned(self.name, time, tree))
        return NoteSignature(self.name, self.verifier.id, signature)


@dataclass(frozen=True, slots=True)
class NoteSignature:
    """One signature line."""

    name: str
    key_id: bytes
    signature: bytes

    def to_text(self) -> str:
        """Return the line with its line feed."""
        return f"\u2014 {self.name} {encode64(self.key_id + self.signature)}\n"


@dataclass(frozen=True, slots=True)
class Note:
    """A text and its signatures, not yet verified."""

    text: str
    signatures: tuple[NoteSignature, ...]

    def to_text(self) -> str:
        """Return the whole note."""
        return self.text + "\n" + "".join(signature.to_text() for signature in self.signatures)

    @classmethod
    def from_bytes(cls, data: bytes) -> Note:
        """Read a note.

        Raises:
            FormatError: it is not one.
        """
        if len(data) > _NOTE_LIMIT:
            raise FormatError("a note longer than a million bytes")
        try:
            whole = data.decode("utf-8")
        except UnicodeDecodeError as error:
            raise FormatError("a note that is not UTF-8") from error
        if any(ord(c) < 0x20 and c != "\n" for c in whole):
            raise FormatError("a note with control characters")
        text, separator, lines = whole.rpartition("\n\n")
        if not separator or not lines.endswith("\n"):
            raise FormatError("a note without signatures", hint="text, an empty line, signature lines")
        signatures = tuple(_signature(line) for line in lines[:-1].split("\n"))
        if len(signatures) > _SIGNATURE_LIMIT:
            raise FormatError("a note with more than a hundred signatures")
        return cls(text + "\n", signatures)


def _signature(line: str) -> NoteSignature:
    parts = line.split(" ")
    if len(parts) != 3 or parts[0] != "\u2014":
        raise FormatError("a signature line that is not `\u2014 name base64`")
    _check_name(parts[1])
    data = decode64(parts[2])
    if len(data) < 5:
        raise FormatError("a signature line that is too short")
    return NoteSignature(parts[1], data[:4], data[4:])


def verify_note(note: Note, keys: Sequence[Verifier], tree: CosignedTree | None = None) -> tuple[str, ...]:
    """Check every signature on a note that is by one of the keys, and return the names of the signers.

    Signatures by other keys are ignored, as C2SP asks.

    Raises:
        ProofError: none of the keys signed, or one of their signatures is wrong.
    """
    known = {(key.name, key.id): key for key in keys}
    signers = []
    for signature in note.signatures:
        key = known.get((signature.name, signature.key_id))
        if key is not None:
            key.verify(note.text.encode(), signature.signature, tree)
            signers.append(key.name)
    if not signers:
        raise ProofError("no signature by the given key", hint="is it the key of this log?")
    return tuple(signers)
