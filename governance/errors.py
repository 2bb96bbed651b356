"""Failures that can explain themselves: what happened, where, and what to try.

Faults in policy files and inputs are values (`Diagnostic`, all at once); a caller's mistake or a broken
machine is an exception of this module, mapped once to a problem document and once to an exit code.
No message carries a patient's value, id or file name.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

__all__ = [
    "AccessDeniedError", "ConflictError", "Diagnostic", "FaultError", "InputError", "IntegrityError", "NotFoundError",
    "SafeConductError", "UnknownOutcomeError",
]  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class Diagnostic:
    """One fault in a policy file or an input.

    Attributes:
        where: ``file:line:col`` for files, a field path for requests, ``ordinal/ResourceType/path`` for records.
        message: lower case, no full stop, user input in backticks (never for patients' records).
        hint: what to try, or None.
        severity: ``error`` or ``warning``.
    """

    where: str
    message: str
    hint: str | None = None
    severity: str = "error"

    def __str__(self) -> str:
        """Render as ``where: message`` and, below, ``hint: ...``."""
        hint = f"\n  hint: {self.hint}" if self.hint else ""
        return f"{self.where}: {self.message}{hint}"


class SafeConductError(Exception):
    """Base of everything we raise on purpose.

    Attributes:
        code: short stable word for programs.
        exit_code: exit code of the command line.
        status: HTTP status.
        diagnostics: the single faults, if there are several.
    """

    code = "fault"
    exit_code = 1
    status = 500

    def __init__(
        self, message: str, *, where: str | None = None, hint: str | None = None, diagnostics: Sequence[Diagnostic] = ()
    ) -> None:
        super().__init__(message)
        self.message = message
        self.where = where
        self.hint = hint
        self.diagnostics = tuple(diagnostics)


class InputError(SafeConductError):
    """The input is not usable; nothing was done."""

    code, exit_code, status = "input", 2, 400


class NotFoundError(SafeConductError):
    """What was named does not exist (for this tenant)."""

    code, exit_code, status = "not-found", 2, 404


class ConflictError(SafeConductError):
    """What was asked contradicts what is recorded (a used idempotency key, a second registration)."""

    code, exit_code, status = "conflict", 2, 409


class AccessDeniedError(SafeConductError):
    """The caller's role does not allow this action."""

    code, exit_code, status = "access-denied", 2, 403


class IntegrityError(SafeConductError):
    """Something that must hold does not (log, signature, output check); nothing was handed out."""

    code, exit_code, status = "integrity", 4, 500


class UnknownOutcomeError(SafeConductError):
    """A commit failed: whether it took effect is unknown; stop, reopen, reconcile by idempotency key."""

    code, exit_code, status = "unknown-outcome", 1, 503


class FaultError(SafeConductError):
    """A fault of ours or of the machine (disk full, database away); nothing was handed out."""

    code, exit_code, status = "fault", 1, 500
