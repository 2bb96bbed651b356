"""Read and export the log; whoever reads it is in it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from sqlalchemy import Connection

from governance.access import Action, Caller
from governance.errors import InputError
from governance.store.sealing import subject_ref
from governance.usecases.ports import Draft, House, Kind

__all__ = ["REASONS", "account_of", "export_log", "read_entry"]

REASONS = ("request", "complaint", "audit")
"""Why a patient's account may be looked up."""


def export_log(house: House, caller: Caller, folder: Path) -> int:
    """Bring a served folder up to the log's latest checkpoint, the export's own entry included.

    Returns:
        Number of entries served.
    """
    house.access.require(caller, Action.EXPORT_LOG)
    _note(house, caller, Kind.EXPORT, {"what": "log"})
    return house.log.export(caller.tenant, folder)


def read_entry(house: House, caller: Caller, index: int) -> dict[str, object]:
    """Return one entry's shared details and its proof."""
    house.access.require(caller, Action.READ_AUDIT)
    details = house.log.details(caller.tenant, index)
    _note(house, caller, Kind.SEARCH, {"what": "entry", "index": index})
    receipt = house.log.receipt(caller.tenant, index)
    return {"index": index, "details": dict(details), "receipt": {"index": receipt.index, "proof": receipt.proof}}


def account_of(house: House, caller: Caller, subject: str, *, reason: str) -> Sequence[Mapping[str, object]]:
    """Return everything logged about one patient, oldest first, before this look-up.

    Args:
        house: the composed house.
        caller: who looks.
        subject: the patient's register id.
        reason: one of `REASONS`; goes into the patient's own lines.

    Raises:
        InputError: the reason is none of them.
    """
    house.access.require(caller, Action.READ_AUDIT)
    if reason not in REASONS:
        raise InputError("a patient's account is looked up for a reason", where="reason", hint=", ".join(REASONS))
    ref = subject_ref(house.keys.index_key(caller.tenant), caller.tenant, subject)
    lines = house.log.account(caller.tenant, ref)
    _note(house, caller, Kind.SEARCH, {"what": "account", "reason": reason}, ref=ref)
    return lines


def _note(house: House, caller: Caller, kind: Kind, details: Mapping[str, object], *, ref: str | None = None) -> None:
    """Log that somebody read."""
    def work(_: Connection) -> None:
        return None

    draft: Draft[None] = Draft(
        kind=kind, tenant=caller.tenant, shared=lambda _: {**details, "user": caller.user},
        subjects=lambda _: {} if ref is None else {ref: {**details, "by": caller.user}},
    )  # fmt: skip
    house.log.record(draft, work)
