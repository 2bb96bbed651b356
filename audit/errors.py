"""What can go wrong with the log, told so that a caller can act on it.

A format that does not parse, a proof that does not hold and a log that was tampered with raise; nothing here
returns False for somebody to forget. No message carries a patient's value, label or details.
"""

from __future__ import annotations

__all__ = [
    "AuditError", "DraftError", "FormatError", "LogBehindError", "LogBusyError", "LogClosedError", "LogLockedError",
    "OutcomeUnknown", "ProofError", "RecordFailedError",
]  # fmt: skip


class AuditError(Exception):
    """Base of everything the log raises on purpose.

    Attributes:
        code: short stable word for programs.
        hint: what to try, or None.
    """

    code = "audit"

    def __init__(self, message: str, *, hint: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint


class FormatError(AuditError):
    """Bytes that are not what docs/formats.md says they must be."""

    code = "format"


class ProofError(AuditError):
    """A signature, proof or hash that does not hold."""

    code = "proof"


class DraftError(AuditError):
    """A draft that cannot become an entry; nothing of it was recorded."""

    code = "draft"


class LogBehindError(AuditError):
    """The database is behind, or beside, what was signed before: signing on would fork the log."""

    code = "log-behind"


class LogLockedError(AuditError):
    """Another process writes this log."""

    code = "log-locked"


class LogClosedError(AuditError):
    """The writer was closed; nothing was recorded."""

    code = "log-closed"


class LogBusyError(AuditError):
    """Too many drafts wait already; nothing was recorded, try again later."""

    code = "log-busy"


class RecordFailedError(AuditError):
    """The database refused before the commit: nothing of the batch was recorded."""

    code = "record-failed"


class OutcomeUnknown(AuditError):  # noqa: N818 - the design's own word
    """A commit failed: whether the entry exists is unknown until the log is reopened and reconciled."""

    code = "outcome-unknown"
