"""What keeps patients out of the database: keyed references and sealed bytes.

Guarantees: a patient's register id and identifiers leave this module only as HMAC-SHA256 under the tenant's
index key; domains are separated, so that a reference, an identifier and a person in the ledger never link
without the key. Sealing itself is done by the key store, behind `Sealer`.

Example:
    >>> len(subject_ref(b"k" * 32, "clinic", "p-1"))
    64
"""

from __future__ import annotations

import hashlib
import hmac
import json
from typing import Protocol

__all__ = ["SEALED_CONSENT", "SEALED_SUBJECT", "Sealer", "identifier_ref", "person_hash", "subject_ref"]

SEALED_SUBJECT = "subjects"
SEALED_CONSENT = "consent_events"
"""Purposes of sealing are the names of the tables (associated data of the encryption)."""


class Sealer(Protocol):
    """Seals something of a patient's under the patient's own key (AES-GCM).

    The associated data bind tenant, reference and purpose, so that no row can be moved elsewhere.
    """

    def seal(self, tenant: str, ref: str, plaintext: bytes, purpose: str) -> bytes:
        """Encrypt; raises ConflictError if the patient has no key."""
        ...

    def open(self, tenant: str, ref: str, sealed: bytes, purpose: str) -> bytes | None:
        """Decrypt, or return None if the key was destroyed; raises IntegrityError if the bytes were changed."""
        ...


def _keyed(index_key: bytes, *parts: str) -> str:
    """HMAC over a JSON list: no two different tuples give the same bytes."""
    message = json.dumps(parts, separators=(",", ":")).encode()
    return hmac.digest(index_key, message, hashlib.sha256).hex()


def subject_ref(index_key: bytes, tenant: str, id: str) -> str:  # noqa: A002 - the register's word
    """Return the reference under which a patient is stored: 64 hexadecimal digits.

    Args:
        index_key: the tenant's index key (32 bytes).
        tenant: tenant id.
        id: the patient's register id.
    """
    return _keyed(index_key, "subject", tenant, id)


def identifier_ref(index_key: bytes, tenant: str, system: str, value: str) -> str:
    """Return the keyed hash of an identifier, for matching; blanks around system and value do not count."""
    return _keyed(index_key, "identifier", tenant, system.strip(), value.strip())


def person_hash(index_key: bytes, tenant: str, ref: str) -> str:
    """Return the person's mark in the ledger, which does not link to the register without the key."""
    return _keyed(index_key, "ledger", tenant, ref)
