"""What only key holders read: derived keys, labels, padding and encryption of details (docs/formats.md section 4).

Guarantees: without a subject's key no two labels link and no line of that subject opens; ciphertexts come in a few
sizes only; digests are salted, so that a few facts cannot be guessed from them.
"""

from __future__ import annotations

import os
from hashlib import sha256

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from audit.errors import DraftError, ProofError

__all__ = [
    "KEY_LENGTH", "LINES_MINIMUM", "SHARED_MINIMUM", "counter_id", "derive", "expand", "extract", "key_id", "label",
    "lines_context", "numbered_label", "pad", "salted_digest", "seal", "sealed_hash", "shared_context", "unpad",
    "unseal",
]  # fmt: skip

KEY_LENGTH = 32
"""Bytes of a tenant's or subject's key."""
SHARED_MINIMUM = 2048
"""Smallest size class of shared details, in bytes of plaintext."""
LINES_MINIMUM = 256
"""Smallest size class of one subject's lines."""
_LARGEST = 1 << 24
_NONCE = 12
_NO_SALT = bytes(32)
_INNER = bytes(byte ^ 0x36 for byte in range(256))
_OUTER = bytes(byte ^ 0x5C for byte in range(256))


def extract(key: bytes) -> bytes:
    """Take the first step of HKDF-SHA256 (RFC 5869 section 2.2) without salt.

    Raises:
        DraftError: the key is not 32 bytes long.
    """
    if len(key) != KEY_LENGTH:
        raise DraftError("a key is not 32 bytes long")
    return _hmac(_NO_SALT, key)


def expand(extracted: bytes, purpose: bytes) -> bytes:
    """Take the second step of HKDF-SHA256 (RFC 5869 section 2.3): 32 bytes, info = purpose."""
    return _hmac(extracted, purpose + b"\x01")


def _hmac(key: bytes, message: bytes) -> bytes:
    """HMAC-SHA256 (RFC 2104) with a key of at most 64 bytes; twice as fast here as setting up the library's."""
    padded = key.ljust(64, b"\0")
    inner = sha256(padded.translate(_INNER) + message).digest()
    return sha256(padded.translate(_OUTER) + inner).digest()


def derive(key: bytes, purpose: bytes) -> bytes:
    """Derive a 32-byte key: HKDF-SHA256 (RFC 5869) without salt, info = purpose."""
    return expand(extract(key), purpose)


def label(subject_key: bytes, number: int) -> bytes:
    """Return the label of a subject's event: HMAC-SHA256(HKDF(subject key, "label"), u64 big-endian number).

    Args:
        subject_key: the subject's key.
        number: 0 for the subject's first event.
    """
    return numbered_label(derive(subject_key, b"label"), number)


def numbered_label(label_key: bytes, number: int) -> bytes:
    """Return the label of an event under the key that was derived for labels."""
    return _hmac(label_key, number.to_bytes(8, "big"))


def counter_id(subject_key: bytes) -> bytes:
    """Return the keyed name under which the database counts a subject's events."""
    return derive(subject_key, b"counter")


def key_id(tenant_key: bytes) -> bytes:
    """Return eight bytes that tell which tenant key sealed shared details (kept beside them for rotation)."""
    return derive(tenant_key, b"id")[:8]


def salted_digest(salt: bytes, data: bytes) -> bytes:
    """Return HMAC-SHA256(salt, data) under a fresh 128-bit salt."""
    return _hmac(salt, data)


def shared_context(origin: str) -> bytes:
    """Return the associated data of shared details: they open in no other log."""
    return b"safe-conduct/shared/v1\n" + origin.encode()


def lines_context(origin: str, own_label: bytes) -> bytes:
    """Return the associated data of a subject's lines: they open under no other label."""
    return b"safe-conduct/lines/v1\n" + origin.encode() + b"\n" + own_label


def pad(plaintext: bytes, minimum: int) -> bytes:
    """Pad to the next size class: u32 big-endian length, plaintext, zeros up to a power of two.

    Raises:
        DraftError: longer than 16 MiB.
    """
    length = 4 + len(plaintext)
    size = max(minimum, 1 << (length - 1).bit_length())
    if size > _LARGEST:
        raise DraftError("details longer than 16 MiB", hint="log a digest of what is large")
    return len(plaintext).to_bytes(4, "big") + plaintext + bytes(size - length)


def unpad(padded: bytes) -> bytes:
    """Undo `pad`.

    Raises:
        ProofError: the length does not fit, or the padding is not zeros.
    """
    length = int.from_bytes(padded[:4], "big")
    if len(padded) < 4 or 4 + length > len(padded) or any(padded[4 + length :]):
        raise ProofError("decrypted details are not padded as they must be")
    return padded[4 : 4 + length]


def seal(key: bytes, plaintext: bytes, context: bytes, nonce: bytes | None = None) -> bytes:
    """Encrypt with AES-256-GCM and return nonce || ciphertext || tag, which is what gets hashed.

    Args:
        key: 32 bytes, derived for this purpose.
        plaintext: padded bytes.
        context: associated data.
        nonce: 12 bytes; only test vectors give one.
    """
    nonce = os.urandom(_NONCE) if nonce is None else nonce
    return nonce + AESGCM(key).encrypt(nonce, plaintext, context)


def unseal(key: bytes, sealed: bytes, context: bytes) -> bytes:
    """Decrypt what `seal` made.

    Raises:
        ProofError: another key, another context, or changed bytes.
    """
    try:
        return AESGCM(key).decrypt(sealed[:_NONCE], sealed[_NONCE:], context)
    except (InvalidTag, ValueError) as error:
        raise ProofError("details do not decrypt: another key, or changed bytes") from error


def sealed_hash(sealed: bytes) -> bytes:
    """Return SHA-256(nonce || ciphertext || tag)."""
    return sha256(sealed).digest()
