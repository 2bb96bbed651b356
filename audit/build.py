"""Building an entry from a draft: labels, encryption, padding, salts, the tree of subjects.

Guarantees: nothing of a draft reaches an entry in clear but class, hour and policy digest; what is sealed is sealed
under fresh nonces; a person without a key (erased, unknown) leaves a leaf that nobody can tell from the others.
"""

from __future__ import annotations

import os
import secrets
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TypeVar

from audit.canonical import canonical
from audit.details import (
    LINES_MINIMUM,
    SHARED_MINIMUM,
    derive,
    expand,
    extract,
    key_id,
    lines_context,
    numbered_label,
    pad,
    salted_digest,
    seal,
    sealed_hash,
    shared_context,
)
from audit.drafts import Draft, Lines, LogKeys
from audit.entry import Entry, Kind, OneSubject, SubjectTree, TypeClass, check_policy, padded_count, type_class
from audit.errors import DraftError, FormatError
from audit.tree import leaf_hash, root_of

__all__ = ["Built", "Instant", "TenantKey", "build", "check_draft", "subject_leaf"]

T = TypeVar("T")
_NAMES_POLICY = frozenset({Kind.DECISION, Kind.GRANT, Kind.RELEASE})
_SALT = 16
_OVERHEAD = 28


@dataclass(frozen=True, slots=True, kw_only=True)
class Instant:
    """The instant of a batch: ISO 8601 in UTC to the millisecond, and whole seconds since 1970."""

    stamp: str
    seconds: int

    @classmethod
    def of(cls, at: datetime) -> Instant:
        """Return it for an aware datetime."""
        at = at.astimezone(UTC)
        stamp = at.isoformat(timespec="milliseconds").replace("+00:00", "Z")
        return cls(stamp=stamp, seconds=int(at.timestamp()))


@dataclass(frozen=True, slots=True, kw_only=True)
class TenantKey:
    """What a batch derives from the tenant's key, once."""

    shared: bytes
    id: bytes

    @classmethod
    def derived(cls, key: bytes) -> TenantKey:
        """Derive."""
        return cls(shared=derive(key, b"shared"), id=key_id(key))


@dataclass(frozen=True, slots=True, kw_only=True)
class Built:
    """An entry and what is stored beside it.

    Attributes:
        key: which tenant key sealed the details.
        leaves: label and sealed lines, in label order.
        counters: counter to the subject's next number.
    """

    entry: bytes
    policy: str | None
    key: bytes
    sealed: bytes
    leaves: tuple[tuple[bytes, bytes], ...]
    counters: Mapping[bytes, int]


def subject_leaf(own_label: bytes, lines_hash: bytes) -> bytes:
    """Return the leaf hash of one person: RFC 6962 over label || hash of the sealed lines."""
    return leaf_hash(own_label + lines_hash)


def check_draft(draft: Draft[T]) -> Kind:
    """Check what can be checked before any work is done, and return the kind.

    Raises:
        DraftError: the kind is not in the vocabulary, the policy digest is missing or malformed, or there is no
            tenant.
    """
    try:
        kind = Kind(draft.kind)
    except ValueError as error:
        raise DraftError(
            f"unknown kind of entry `{draft.kind}`", hint="one of " + ", ".join(one.value for one in Kind)
        ) from error
    if not draft.tenant or len(draft.tenant) > 64:
        raise DraftError("a draft needs a tenant of 1 to 64 characters")
    if draft.policy is None and kind in _NAMES_POLICY:
        raise DraftError(f"an entry of kind `{kind.value}` must name the policy digest it was made under")
    if draft.policy is not None:
        try:
            check_policy(draft.policy)
        except FormatError as error:
            raise DraftError(error.message) from error
    return kind


def build(
    draft: Draft[T],
    result: T,
    *,
    origin: str,
    keys: LogKeys,
    tenant_key: TenantKey,
    at: Instant,
    last_policy: str | None,
    numbers: Callable[[Iterable[bytes]], Mapping[bytes, int]],
) -> Built:
    """Turn a draft and the result of its work into an entry.

    Args:
        draft: the draft.
        result: what the work returned.
        origin: name of the log.
        keys: where subjects' keys come from.
        tenant_key: what was derived from the tenant's key.
        at: now.
        last_policy: policy digest last named in this log.
        numbers: gives the next number for each counter, 0 if it was never used.

    Raises:
        DraftError: the details are outside the profile or too large.
    """
    kind = check_draft(draft)
    shared = draft.shared(result) if callable(draft.shared) else draft.shared
    subjects = draft.subjects(result) if callable(draft.subjects) else draft.subjects
    digests = draft.digests(result) if callable(draft.digests) else draft.digests
    try:
        leaves, counters, unkeyed = _leaves(
            kind, subjects, own=_own_keys(keys, draft.tenant, subjects), origin=origin, stamp=at.stamp, numbers=numbers
        )
        people = {"subjects": len(subjects), "unkeyed": unkeyed}
        envelope = {"at": at.stamp, "details": shared, "kind": kind.value, "v": 1, **people}
        sealed = _seal_shared(envelope, digests, key=tenant_key.shared, origin=origin)
    except FormatError as error:
        raise DraftError(f"details cannot be recorded: {error.message}", hint=error.hint) from error
    policy = draft.policy if draft.policy is not None else last_policy
    entry = Entry(
        type_class=type_class(kind),
        hour=at.seconds // 3600,
        details=sealed_hash(sealed),
        policy=policy,
        subjects=_people(leaves),
    )
    return Built(
        entry=entry.to_bytes(), policy=policy, key=tenant_key.id, sealed=sealed,
        leaves=leaves, counters=counters,
    )  # fmt: skip


def _seal_shared(envelope: Lines, digests: Mapping[str, bytes], *, key: bytes, origin: str) -> bytes:
    salt = os.urandom(_SALT)
    salted = {name: salted_digest(salt, data).hex() for name, data in digests.items()}
    plaintext = canonical({**envelope, "digests": salted, "salt": salt.hex()})
    return seal(key, pad(plaintext, SHARED_MINIMUM), shared_context(origin))


def _own_keys(keys: LogKeys, tenant: str, subjects: Iterable[str]) -> dict[str, bytes]:
    return {name: key for name in subjects if (key := keys.subject_key(tenant, name)) is not None}


def _leaves(
    kind: Kind,
    subjects: Mapping[str, Lines],
    *,
    own: Mapping[str, bytes],
    origin: str,
    stamp: str,
    numbers: Callable[[Iterable[bytes]], Mapping[bytes, int]],
) -> tuple[tuple[tuple[bytes, bytes], ...], dict[bytes, int], int]:
    """Return the leaves in label order, the counters' next values, and how many people had no key."""
    extracted = {name: extract(key) for name, key in own.items()}
    counter = {name: expand(one, b"counter") for name, one in extracted.items()}
    now = numbers(counter.values())
    leaves = []
    for name, one in extracted.items():
        number = now[counter[name]]
        own_label = numbered_label(expand(one, b"label"), number)
        plaintext = canonical({"at": stamp, "kind": kind.value, "lines": subjects[name], "n": number, "v": 1})
        sealed = seal(expand(one, b"lines"), pad(plaintext, LINES_MINIMUM), lines_context(origin, own_label))
        leaves.append((own_label, sealed))
    wanted = len(subjects)
    if wanted == 0 and type_class(kind) is TypeClass.FLOW:
        wanted = 1
    if wanted > 1:
        wanted = padded_count(wanted)
    lengths = [len(sealed) for _, sealed in leaves] or [LINES_MINIMUM + _OVERHEAD]
    leaves.extend((os.urandom(32), os.urandom(secrets.choice(lengths))) for _ in range(wanted - len(leaves)))
    leaves.sort()
    after = {name: number + 1 for name, number in now.items()}
    return tuple(leaves), after, len(subjects) - len(own)


def _people(leaves: tuple[tuple[bytes, bytes], ...]) -> OneSubject | SubjectTree | None:
    if not leaves:
        return None
    if len(leaves) == 1:
        return OneSubject(label=leaves[0][0], hash=sealed_hash(leaves[0][1]))
    root = root_of([subject_leaf(own_label, sealed_hash(sealed)) for own_label, sealed in leaves])
    return SubjectTree(count=len(leaves), root=root)
