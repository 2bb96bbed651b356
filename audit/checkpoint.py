"""The checkpoint: the signed state of a log (C2SP tlog-checkpoint).

Layout of the text::

    <origin>
    <size, decimal>
    <base64 of the 32-byte root>

followed by the signatures of a note.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from audit.errors import FormatError, ProofError
from audit.note import CosignedTree, LogSigner, Note, TreeCosigner, Verifier, decode64, encode64, verify_note
from audit.tree import EMPTY_ROOT, MAX_SIZE

__all__ = ["Checkpoint", "open_checkpoint", "sign_checkpoint"]

_SIZE = re.compile(r"0|[1-9][0-9]{0,18}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Checkpoint:
    """Origin, size and root of a log at one moment."""

    origin: str
    size: int
    root: bytes

    def to_text(self) -> str:
        """Return the text that is signed."""
        return f"{self.origin}\n{self.size}\n{encode64(self.root)}\n"

    @classmethod
    def from_text(cls, text: str) -> Checkpoint:
        """Read the text of a checkpoint; extension lines are refused.

        Raises:
            FormatError: it is not one.
        """
        lines = text.split("\n")
        if len(lines) != 4 or lines[3] or not lines[0]:
            raise FormatError("a checkpoint is not origin, size and root on three lines")
        if _SIZE.fullmatch(lines[1]) is None or int(lines[1]) >= MAX_SIZE:
            raise FormatError("a checkpoint's size is not a decimal number below 2^63")
        size, root = int(lines[1]), decode64(lines[2])
        if len(root) != 32:
            raise FormatError("a checkpoint's root is not 32 bytes")
        if size == 0 and root != EMPTY_ROOT:
            raise FormatError("a checkpoint of size 0 does not have the empty root")
        return cls(origin=lines[0], size=size, root=root)

    def tree(self) -> CosignedTree:
        """Return what a tree cosignature on this checkpoint speaks of."""
        return CosignedTree(origin=self.origin, end=self.size, root=self.root)


def sign_checkpoint(
    checkpoint: Checkpoint, signer: LogSigner, second: TreeCosigner | None = None, time: int = 0
) -> str:
    """Return the signed checkpoint.

    Args:
        checkpoint: what is signed.
        signer: the log's key.
        second: a further ML-DSA-44 key, or None.
        time: seconds since 1970, for the second signature.
    """
    text = checkpoint.to_text()
    signatures = [signer.sign(text)]
    if second is not None:
        signatures.append(second.sign(checkpoint.tree(), time))
    return Note(text, tuple(signatures)).to_text()


def open_checkpoint(data: bytes, keys: Sequence[Verifier]) -> tuple[Checkpoint, tuple[str, ...]]:
    """Read a signed checkpoint, check its signatures, and return it with the names of its signers.

    The origin must be the name of a key that signed: one log's checkpoint never passes for another's.

    Raises:
        FormatError: it is not a checkpoint.
        ProofError: the signature is missing or wrong, or the origin is another log's.
    """
    note = Note.from_bytes(data)
    checkpoint = Checkpoint.from_text(note.text)
    signers = verify_note(note, keys, checkpoint.tree())
    if checkpoint.origin not in signers:
        raise ProofError("the checkpoint is another log's: its origin is not the name of the key that signed")
    return checkpoint, signers
