"""Who may do what: Casbin roles, evaluated once into a table; never law.

Guarantees: a role, action or kind of tenant that is not in the table is refused; a caller of one tenant
never acts in another. The table is made when roles load (role x action x kind of tenant), because the
enforcer is slow and not safe in threads; a test derives it again.

Example:
    >>> table = load_access()
    >>> table.allows("officer", "read-audit", same_tenant=True)
    True
    >>> table.allows("officer", "read-audit", same_tenant=False)
    False
"""

from __future__ import annotations

import csv
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

import casbin

from governance.errors import AccessDeniedError

__all__ = ["AccessTable", "Action", "Caller", "Role", "load_access"]

_HERE = Path(__file__).resolve().parent
MODEL, POLICY = _HERE / "access_model.conf", _HERE / "access_policy.csv"


class Role(StrEnum):
    """What a person or program is to an institution."""

    PLATFORM = "platform"
    """A sharing platform that does not already hold the data."""
    CUSTODIAN = "custodian"
    """The institution that holds the data; sees everything."""
    OFFICER = "officer"
    """The compliance officer."""
    LEGAL = "legal"
    AUDITOR = "auditor"
    ADMINISTRATOR = "administrator"


class Action(StrEnum):
    """Everything that a route or a command may do."""

    DECIDE = "decide"
    CARRY = "carry"
    REPORT_OUTCOME = "report-outcome"
    RELEASE = "release"
    REGISTER = "register"
    SUBMIT_EVIDENCE = "submit-evidence"
    VERIFY_EVIDENCE = "verify-evidence"
    RECORD_CONSENT = "record-consent"
    READ_REGISTER = "read-register"
    READ_DECISION = "read-decision"
    READ_OWN_DECISION = "read-own-decision"
    READ_AUDIT = "read-audit"
    EXPORT_LOG = "export-log"
    CLOSE_REVIEW = "close-review"
    CHECK_POLICY = "check-policy"
    ACTIVATE_POLICY = "activate-policy"
    MANAGE_KEYS = "manage-keys"


@dataclass(frozen=True, slots=True, kw_only=True)
class Caller:
    """Who calls.

    Attributes:
        tenant: tenant the caller belongs to.
        user: stable id of the person or program; goes into entries, encrypted.
        role: the caller's role in that tenant.
    """

    tenant: str
    user: str
    role: Role

    @property
    def holds_data(self) -> bool:
        """Whether the caller already holds the data, and so sees a decision whole."""
        return self.role in (Role.CUSTODIAN, Role.OFFICER)


@dataclass(frozen=True, slots=True)
class AccessTable:
    """Every allowed (role, action, kind of tenant); anything else is refused."""

    allowed: frozenset[tuple[str, str, str]]

    def allows(self, role: str, action: str, *, same_tenant: bool) -> bool:
        """Say whether a role may do an action in its own (or another) tenant."""
        return (role, action, "own" if same_tenant else "other") in self.allowed

    def require(self, caller: Caller, action: Action, *, tenant: str | None = None) -> None:
        """Let the caller pass or raise.

        Args:
            caller: who calls.
            action: what the caller is about to do.
            tenant: tenant acted in; by default the caller's own.

        Raises:
            AccessDeniedError: if the role does not allow it.
        """
        same = tenant is None or tenant == caller.tenant
        if not self.allows(caller.role, action, same_tenant=same):
            raise AccessDeniedError(f"the role `{caller.role}` may not `{action}` here",
                                    hint="ask an administrator for a key with another role")  # fmt: skip


def load_access(model: Path = MODEL, policy: Path = POLICY) -> AccessTable:
    """Evaluate the Casbin policy for every role, action and kind of tenant.

    An error of the enforcer counts as a refusal.
    """
    enforcer = casbin.Enforcer(str(model), str(policy), enable_log=False)
    with policy.open(newline="") as file:
        roles = {row[1].strip() for row in csv.reader(file) if row and row[0].strip() == "p"} | set(Role)
    return AccessTable(frozenset(
        (str(role), str(action), kind)
        for role in roles for action in Action for kind in ("own", "other")
        if _enforced(enforcer, str(role), str(action), kind)
    ))  # fmt: skip


def _enforced(enforcer: casbin.Enforcer, role: str, action: str, kind: str) -> bool:
    """Ask Casbin once; only a plain True allows."""
    try:
        return enforcer.enforce(role, action, kind) is True
    except Exception:  # noqa: BLE001 - whatever goes wrong in the enforcer is a no
        return False
