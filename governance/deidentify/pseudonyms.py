"""Keys of one subject for one recipient: pseudonyms, ids of resources and the date shift.

Guarantees: every value derives by HKDF-SHA256 (RFC 5869) from the recipient's key and the subject's random
surrogate, never from an identifier; two recipients, two purposes or two fields never share a key; without
the surrogate nothing can be derived again. Pseudonyms keep 128 bits of an HMAC-SHA256 (RFC 2104).

Example:
    >>> keys = SubjectKeys.derive(bytes(32), bytes(16), recipient="r", purpose="p", version=1)
    >>> keys.resource_id("Patient", "1") == keys.resource_id("Patient", "1")
    True
"""

from __future__ import annotations

import hmac
from dataclasses import dataclass, field

from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

__all__ = ["SHIFT_FIELD", "SubjectKeys", "context", "hkdf_sha256"]

SHIFT_FIELD = "date-shift"
"""The one field that every date of a subject is shifted under."""

_ID_FIELD = "resource-id"
_LABEL = "safe-conduct/de-identification"
_MOST_DAYS = 365
"""Block of SHA-256 in bytes."""


def hkdf_sha256(key: bytes, salt: bytes, info: bytes, length: int = 32) -> bytes:
    """Derive key material (RFC 5869 with SHA-256).

    Args:
        key: input key material.
        salt: salt.
        info: context.
        length: bytes wanted.
    """
    return HKDF(algorithm=SHA256(), length=length, salt=salt, info=info).derive(key)


def context(*, recipient: str, purpose: str, name: str, version: int) -> bytes:
    """Encode a context so that no two contexts have the same bytes: each part after its length.

    Returns:
        For each of label, version, recipient, purpose, field: u32 big-endian length and UTF-8 bytes.
    """
    parts = (_LABEL, str(version), recipient, purpose, name)
    return b"".join(len(data).to_bytes(4, "big") + data for data in (part.encode() for part in parts))


@dataclass(frozen=True, slots=True, kw_only=True)
class SubjectKeys:
    """What one subject is called, and how far its dates move, towards one recipient.

    Attributes:
        shift_days: 1 to 365 days, forwards or backwards, never 0.
    """

    shift_days: int
    _recipient_key: bytes = field(repr=False)
    _surrogate: bytes = field(repr=False)
    _recipient: str = field(repr=False)
    _purpose: str = field(repr=False)
    _version: int = field(repr=False)
    _macs: dict[str, hmac.HMAC] = field(repr=False, default_factory=dict, compare=False)

    @classmethod
    def derive(
        cls, recipient_key: bytes, surrogate: bytes, *, recipient: str, purpose: str, version: int
    ) -> SubjectKeys:
        """Derive a subject's keys towards a recipient.

        Args:
            recipient_key: the recipient's secret key of this tenant, at least 16 bytes.
            surrogate: the subject's random surrogate, at least 16 bytes.
            recipient: register id of the recipient.
            purpose: purpose of the release.
            version: version of the recipient's key, for rotation.

        Raises:
            ValueError: a key is too short.
        """
        if len(recipient_key) < 16 or len(surrogate) < 16:
            raise ValueError("recipient key and surrogate have at least 16 bytes")
        info = context(recipient=recipient, purpose=purpose, name=SHIFT_FIELD, version=version)
        number = int.from_bytes(hkdf_sha256(recipient_key, surrogate, info), "big")  # 256 bits: no visible bias
        days = number % (2 * _MOST_DAYS) - _MOST_DAYS
        return cls(
            shift_days=days if days < 0 else days + 1,
            _recipient_key=recipient_key,
            _surrogate=surrogate,
            _recipient=recipient,
            _purpose=purpose,
            _version=version,
        )

    def pseudonym(self, name: str, value: str) -> str:
        """Return the pseudonym of a value of a field: 32 hexadecimal digits, 128 bits.

        Args:
            name: the field; the same value in another field has another pseudonym.
            value: what is replaced.
        """
        mac = (self._macs.get(name) or self._mac(name)).copy()
        mac.update(value.encode("utf-8", "surrogatepass"))
        return mac.hexdigest()[:32]

    def resource_id(self, resource_type: str, resource_id: str) -> str:
        """Return the new id of a resource: 128 bits in the shape of a UUID.

        All 128 bits are kept, so no bits say which UUID version it is.
        """
        code = self.pseudonym(_ID_FIELD, f"{resource_type}/{resource_id}")
        return f"{code[:8]}-{code[8:12]}-{code[12:16]}-{code[16:20]}-{code[20:]}"

    def _mac(self, name: str) -> hmac.HMAC:
        info = context(recipient=self._recipient, purpose=self._purpose, name=name, version=self._version)
        mac = self._macs[name] = hmac.new(hkdf_sha256(self._recipient_key, self._surrogate, info), digestmod="sha256")
        return mac
