"""The entry: one line of the log as strangers see it, and the closed vocabulary of what is logged.

In clear an entry holds a version, a coarse class, the hour, the policy digest, the hash of the encrypted details
and, for people, a label or the count and root of a tree of labels. Nothing else; docs/formats.md section 3.
An entry is read by one regular expression that *is* its grammar: what matches is canonical, what does not is
refused.

Example:
    >>> Entry.from_bytes(Entry(type_class=TypeClass.POLICY, hour=1, details=bytes(32)).to_bytes()).hour
    1
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import StrEnum

from audit.errors import FormatError

__all__ = ["ENTRY_LIMIT", "Entry", "Kind", "OneSubject", "SubjectTree", "TypeClass", "padded_count", "type_class"]

ENTRY_LIMIT = 65_535
"""Most bytes that an entry may have (its length is a u16 in an entry bundle)."""


class TypeClass(StrEnum):
    """What a stranger may know about the type of an entry."""

    FLOW = "flow"
    """Everything about people and movements: one class, so that no effect shows."""
    REGISTER = "register"
    POLICY = "policy"
    OPERATION = "operation"


class Kind(StrEnum):
    """What was recorded, exactly; stands only in the encrypted details."""

    DECISION = "decision"
    GRANT = "grant"
    OUTCOME = "outcome"
    """A grant was closed: what was sent."""
    RELEASE = "release"
    RECALL = "recall"
    REVIEW = "review"
    BREAK_GLASS = "break-glass"
    DUTY = "duty"
    CONSENT = "consent"
    WITHDRAWAL = "withdrawal"
    SUBJECT = "subject"
    """A patient was registered, matched, merged or unmerged."""
    ERASURE = "erasure"
    HOLD = "hold"
    REGISTER = "register"
    """A party, data set, cohort or standing flow was registered or changed."""
    EVIDENCE = "evidence"
    POLICY = "policy"
    KEY = "key"
    ACCESS = "access"
    """Somebody entered, or was turned away."""
    SEARCH = "search"
    EXPORT = "export"
    """The log itself was exported, or an account or dossier made."""
    FAILURE = "failure"


_CLASS_OF = {
    Kind.REGISTER: TypeClass.REGISTER, Kind.EVIDENCE: TypeClass.REGISTER, Kind.POLICY: TypeClass.POLICY,
    Kind.KEY: TypeClass.OPERATION, Kind.ACCESS: TypeClass.OPERATION, Kind.SEARCH: TypeClass.OPERATION,
    Kind.EXPORT: TypeClass.OPERATION, Kind.FAILURE: TypeClass.OPERATION,
}  # fmt: skip


def type_class(kind: Kind) -> TypeClass:
    """Return the class that stands in clear for a kind."""
    return _CLASS_OF.get(kind, TypeClass.FLOW)


def padded_count(count: int) -> int:
    """Return the number of leaves that a tree for so many people gets.

    16 at least, powers of two up to 1,024, then four steps to each doubling: the exact size of a cohort is as
    good as its name, its order of magnitude is not.

    Args:
        count: people, 2 or more.
    """
    if count <= 16:
        return 16
    power = 1 << (count - 1).bit_length()
    if power <= 1024:
        return power
    step = power >> 3
    return -(-count // step) * step


@dataclass(frozen=True, slots=True, kw_only=True)
class OneSubject:
    """The one person of an entry: an unlinkable label and the hash of that person's encrypted lines (32 bytes each)."""

    label: bytes
    hash: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class SubjectTree:
    """The people of an entry: padded number of leaves, and the RFC 6962 root over them in label order."""

    count: int
    root: bytes


_HEX = rb"[0-9a-f]{64}"
_GRAMMAR = re.compile(
    rb'\{"class":"(?P<class>flow|register|policy|operation)"'
    rb',"details":"(?P<details>' + _HEX + rb')"'
    rb',"hour":(?P<hour>0|[1-9][0-9]{0,8})'
    rb'(?:,"policy":"(?P<policy>sha256:' + _HEX + rb')")?'
    rb'(?:,"subject":\{"hash":"(?P<hash>' + _HEX + rb')","label":"(?P<label>' + _HEX + rb')"\}'
    rb'|,"subjects":\{"count":(?P<count>[1-9][0-9]{0,8}),"root":"(?P<root>' + _HEX + rb')"\})?'
    rb',"v":1\}'
)
_POLICY = re.compile(r"sha256:[0-9a-f]{64}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """One entry, in clear.

    Attributes:
        hour: whole hours since 1970-01-01T00Z.
        details: SHA-256 of nonce, ciphertext and tag of the shared details.
        policy: ``sha256:`` and hex of the policy set in force, or None before the first.
        subjects: the people concerned, or None.
    """

    type_class: TypeClass
    hour: int
    details: bytes
    policy: str | None = None
    subjects: OneSubject | SubjectTree | None = None

    def to_bytes(self) -> bytes:
        """Return the canonical bytes, which are what the log hashes."""
        policy = f',"policy":"{self.policy}"' if self.policy is not None else ""
        people = ""
        if isinstance(self.subjects, OneSubject):
            people = f',"subject":{{"hash":"{self.subjects.hash.hex()}","label":"{self.subjects.label.hex()}"}}'
        elif isinstance(self.subjects, SubjectTree):
            people = f',"subjects":{{"count":{self.subjects.count},"root":"{self.subjects.root.hex()}"}}'
        text = (
            f'{{"class":"{self.type_class.value}","details":"{self.details.hex()}","hour":{self.hour}'
            f'{policy}{people},"v":1}}'
        )
        return text.encode("ascii")

    @classmethod
    def from_bytes(cls, data: bytes) -> Entry:
        """Read an entry.

        Raises:
            FormatError: the bytes are not a canonical entry of version 1.
        """
        found = check_entry(data)
        subjects: OneSubject | SubjectTree | None = None
        if found["label"] is not None:
            subjects = OneSubject(label=_unhex(found["label"]), hash=_unhex(found["hash"]))
        elif found["root"] is not None:
            subjects = SubjectTree(count=int(found["count"]), root=_unhex(found["root"]))
        return cls(
            type_class=TypeClass(found["class"].decode()),
            hour=int(found["hour"]),
            details=_unhex(found["details"]),
            policy=found["policy"].decode() if found["policy"] is not None else None,
            subjects=subjects,
        )


def check_entry(data: bytes) -> re.Match[bytes]:
    """Check that bytes are an entry, and return its fields.

    Raises:
        FormatError: they are not a canonical entry of version 1.
    """
    found = _GRAMMAR.fullmatch(data)
    if found is None:
        raise FormatError("not a canonical entry of version 1", hint="see docs/formats.md section 3")
    count = found["count"]
    if count is not None and padded_count(int(count)) != int(count):
        raise FormatError("an entry's count of subjects is not one of the padded sizes")
    return found


def check_policy(policy: str) -> str:
    """Return a policy digest if it has the right form.

    Raises:
        FormatError: it is not ``sha256:`` and 64 lower-case hex digits.
    """
    if _POLICY.fullmatch(policy) is None:
        raise FormatError("a policy digest is `sha256:` and 64 lower-case hex digits")
    return policy


def _unhex(digits: bytes) -> bytes:
    return bytes.fromhex(digits.decode("ascii"))
