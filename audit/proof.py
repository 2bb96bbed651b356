"""The receipt as a file: an entry, its inclusion proof and the checkpoint it leads to (C2SP ``.tlog-proof``).

Layout::

    c2sp.org/tlog-proof@v1
    extra <base64 of the entry>
    index <decimal>
    <base64 hash, sibling of the leaf first>
    ...
    <blank>
    <signed checkpoint>

The ``extra`` line is not authenticated by itself; we put the entry there, and its hash is what the proof proves.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from audit.checkpoint import Checkpoint, open_checkpoint
from audit.entry import Entry
from audit.errors import FormatError
from audit.note import Verifier, decode64, encode64
from audit.tree import leaf_hash, verify_inclusion

__all__ = ["Proof", "VerifiedProof", "verify_proof"]

_HEADER = "c2sp.org/tlog-proof@v1"
_INDEX = re.compile(r"index (0|[1-9][0-9]{0,18})")
_MAX_PATH = 63
_LIMIT = 1_200_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Proof:
    """A parsed proof, not yet verified.

    Attributes:
        entry: bytes of the entry, or None if the file does not carry them.
        path: hashes of 32 bytes, the leaf's sibling first.
        checkpoint: the signed checkpoint.
    """

    index: int
    path: tuple[bytes, ...]
    checkpoint: str
    entry: bytes | None = None

    def to_text(self) -> str:
        """Return the file's text."""
        extra = f"extra {encode64(self.entry)}\n" if self.entry is not None else ""
        hashes = "".join(encode64(one) + "\n" for one in self.path)
        return f"{_HEADER}\n{extra}index {self.index}\n{hashes}\n{self.checkpoint}"

    @classmethod
    def from_bytes(cls, data: bytes) -> Proof:
        """Read a proof file's bytes.

        Raises:
            FormatError: it is not one.
        """
        if len(data) > _LIMIT:
            raise FormatError("a proof file longer than a million bytes")
        try:
            return cls.from_text(data.decode("utf-8"))
        except UnicodeDecodeError as error:
            raise FormatError("a proof file that is not UTF-8") from error

    @classmethod
    def from_text(cls, text: str) -> Proof:
        """Read a proof file.

        Raises:
            FormatError: it is not one.
        """
        head, separator, checkpoint = text.partition("\n\n")
        lines = head.split("\n")
        if not separator or lines.pop(0) != _HEADER:
            raise FormatError(f"not a proof file: the first line is not `{_HEADER}`")
        entry = None
        if lines and lines[0].startswith("extra "):
            entry = decode64(lines.pop(0).removeprefix("extra "))
        found = _INDEX.fullmatch(lines.pop(0)) if lines else None
        if found is None:
            raise FormatError("a proof file without `index <number>`")
        path = tuple(decode64(line) for line in lines)
        if len(path) > _MAX_PATH or any(len(one) != 32 for one in path):
            raise FormatError("a proof file with a hash that is not 32 bytes, or too many of them")
        return cls(index=int(found[1]), path=path, checkpoint=checkpoint, entry=entry)


@dataclass(frozen=True, slots=True, kw_only=True)
class VerifiedProof:
    """What a proof has shown."""

    index: int
    entry: Entry
    checkpoint: Checkpoint
    signers: tuple[str, ...]


def verify_proof(proof: Proof, keys: Sequence[Verifier], entry: bytes | None = None) -> VerifiedProof:
    """Check a proof down to the signature.

    Args:
        proof: the proof.
        keys: keys of the log.
        entry: bytes of the entry, if the proof does not carry them; if both are there they must agree.

    Raises:
        FormatError: the entry or the checkpoint does not parse, or there is no entry.
        ProofError: the proof does not hold.
    """
    data = proof.entry if entry is None else entry
    if data is None or (proof.entry is not None and proof.entry != data):
        raise FormatError("the proof does not carry the entry, or carries another", hint="give the entry's bytes")
    checkpoint, signers = open_checkpoint(proof.checkpoint.encode(), keys)
    verify_inclusion(leaf_hash(data), proof.index, checkpoint.size, proof.path, checkpoint.root)
    return VerifiedProof(index=proof.index, entry=Entry.from_bytes(data), checkpoint=checkpoint, signers=signers)
