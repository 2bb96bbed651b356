"""Callers and their keys: a key is shown once and kept only as its SHA-256.

A key reads ``sc_<prefix>_<secret>``: eight characters to tell keys apart, then 256 random bits.
"""

from __future__ import annotations

import hashlib
import secrets
from datetime import datetime

from sqlalchemy import Connection, insert, select, update

from governance.access import Caller, Role
from governance.errors import ConflictError, NotFoundError
from governance.store.tables import api_keys

__all__ = ["caller_of", "make_key", "revoke_key"]


def make_key(connection: Connection, *, tenant: str, user: str, role: Role, at: datetime) -> str:
    """Make a key for a person or program and return it; it is never shown again.

    Raises:
        ConflictError: if the user has a live key with another role: one person, one role.
    """
    live = select(api_keys.c.role).where(
        api_keys.c.tenant == tenant, api_keys.c.user == user, api_keys.c.revoked.is_(None)
    )
    if {row.role for row in connection.execute(live)} - {str(role)}:
        raise ConflictError("this user has a key with another role", hint="revoke that key first")
    prefix, secret = secrets.token_hex(4), secrets.token_urlsafe(32)
    key = f"sc_{prefix}_{secret}"
    connection.execute(insert(api_keys).values(
        key_hash=_hash(key), tenant=tenant, prefix=prefix, user=user, role=str(role), made=at,
    ))  # fmt: skip
    return key


def revoke_key(connection: Connection, *, tenant: str, prefix: str, at: datetime) -> None:
    """Revoke a key by its prefix.

    Raises:
        NotFoundError: if the tenant has no live key with this prefix.
    """
    where = (api_keys.c.tenant == tenant, api_keys.c.prefix == prefix, api_keys.c.revoked.is_(None))
    if connection.execute(update(api_keys).where(*where).values(revoked=at)).rowcount == 0:
        raise NotFoundError("no live key with this prefix", where="prefix")


def caller_of(connection: Connection, key: str) -> Caller | None:
    """Return whom a key belongs to, or None if it is unknown or revoked."""
    row = connection.execute(select(api_keys).where(api_keys.c.key_hash == _hash(key))).first()
    if row is None or row.revoked is not None:
        return None
    return Caller(tenant=row.tenant, user=row.user, role=Role(row.role))


def _hash(key: str) -> str:
    return hashlib.sha256(key.encode()).hexdigest()
