"""Release records: read, decide, filter, change, check, and hand out in one commit.

The records are read one Bundle at a time, so that memory stays flat (an NDJSON file is read whole, within a
bound): to learn whom they are about, to learn every name and number for the check, and to change them.
Everything is written to a folder beside the target; only when the whole has passed its check, and ledger,
consents and entry are committed, does it take its name. Whatever fails before leaves nothing behind.
"""

from __future__ import annotations

import glob
import os
import secrets
import shutil
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import orjson
from sqlalchemy import Connection

from governance.access import Action, Caller
from governance.core.decide import decide
from governance.core.ruling import Effect, Ruling
from governance.deidentify.profile import BaseRules
from governance.errors import ConflictError, FaultError, InputError
from governance.store.consents import recheck_consents
from governance.store.decisions import digest_of, insert_release
from governance.store.facts import Gathered, facts_for
from governance.store.ledger import reserve
from governance.store.rechecks import recheck_evidence
from governance.store.requests import RequestDocument, parse_request
from governance.usecases.decide import (
    Decided,
    Recording,
    earlier_answer,
    line_of,
    people_allowed,
    record_ruling,
)  # fmt: skip
from governance.usecases.ports import House, Kind
from governance.usecases.survey import PartFilter, Survey, registered_parts, survey_records
from governance.usecases.transform import Made, Work, store, transform_records

__all__ = ["Released", "Tick", "release"]

Tick = Callable[[str, int, int | None], None]


def _silent(_what: str, _done: int, _of: int | None) -> None:
    return None


@dataclass(frozen=True, slots=True, kw_only=True)
class Released:
    """A decision and, if it permits, what was handed out.

    Attributes:
        summary: release id, folder, counts and the manifest's digest; None if nothing was handed out.
    """

    decided: Decided
    summary: dict[str, object] | None


def release(house: House, caller: Caller, source: Path, raw: bytes | Mapping[str, object], out: Path, *,
            key: str | None = None, progress: Tick = _silent) -> Released:  # fmt: skip
    """Release FHIR R4 records under a request.

    Args:
        house: the composed house.
        caller: who releases; a custodian.
        source: a Bundle, a folder of Bundles, or NDJSON; also gzip.
        raw: the request.
        out: folder to make: records named by ordinal, ``manifest.json``, ``decision.json``, ``receipt.tlog-proof``.
        key: idempotency key; a release is not repeated under a used key.
        progress: told how far each stage is.

    Returns:
        The decision; a denial or referral hands out nothing.

    Raises:
        InputError: request or records are not usable; nothing was handed out.
        IntegrityError: the output did not pass its check; nothing was handed out.
        ConflictError: consents or ledger changed meanwhile; decide again.
        FaultError: the disk did not take it; nothing was handed out.
    """
    house.access.require(caller, Action.RELEASE)
    if out.exists():
        raise InputError("the target exists already", where="--out", hint="name a folder that does not exist")
    current = house.current()
    request = parse_request(raw, current.policies.vocabulary, profiles=current.policies.profiles)
    if request.carry is not None or request.dry_run:
        raise InputError("a release is neither a dry run nor carried by the caller", where="carry",
                         hint="leave out `carry` and `dry_run`")  # fmt: skip
    if request.subjects.count is not None:
        raise InputError("a release names its people", where="subjects", hint="say `cohort` or `ids`")
    if key is not None and (earlier := earlier_answer(house, caller, key, request)) is not None:
        return _repeated(earlier)
    survey = survey_records(house, caller, source, _base(house), progress)
    gathered, ruling = _rule(house, caller, request, survey)
    if ruling.effect is not Effect.PERMIT:
        recording = Recording(kind=Kind.DECISION, key=key)
        return Released(decided=record_ruling(house, caller, request, gathered, ruling, recording), summary=None)
    with _workshop(out) as folder:
        made = transform_records(Work(
            house=house, caller=caller, source=source, survey=survey, gathered=gathered, ruling=ruling,
            parts=_part_filter(house, caller, gathered), base=_base(house), purpose=request.purpose or "",
            folder=folder, progress=progress,
        ))  # fmt: skip
        return _hand_out(house, caller, request, gathered, ruling, made, folder, out, key=key)


def _repeated(earlier: Decided) -> Released:
    """Repeat a denial or referral; what was permitted is not handed out a second time under one key."""
    if earlier.effect is Effect.PERMIT:
        raise ConflictError(f"this idempotency key was used for permit {earlier.id}; nothing is handed out again",
                            where="Idempotency-Key", hint="to release again, use a fresh key")  # fmt: skip
    return Released(decided=earlier, summary=None)


def _rule(house: House, caller: Caller, request: RequestDocument, survey: Survey) -> tuple[Gathered, Ruling]:
    """Decide for the people whose records are at hand, on what the register and the records say together."""
    policies, now = house.current().policies, house.clock()
    with house.engine.connect() as connection:
        gathered = facts_for(connection, request, policies, tenant=caller.tenant, at=now, sealer=house.keys,
                             index_key=house.keys.index_key(caller.tenant), only=survey.refs)  # fmt: skip
    if not gathered.refs:
        raise InputError("none of these records belongs to a registered patient whom it names", where="subjects",
                         hint="register the patients with the identifiers in their records")  # fmt: skip
    return gathered, decide(policies, gathered.question, gathered.facts, now)


def _base(house: House) -> BaseRules:
    """Return what FHIR R4's elements are; every profile has the same."""
    for plan in house.current().plans.values():
        return plan.profile.base
    raise InputError("the policies have no de-identification profile", where="policies/deidentification")


def _part_filter(house: House, caller: Caller, gathered: Gathered) -> PartFilter:
    current = house.current()
    registered = registered_parts(house, caller, gathered.facts.shared.get("dataset"))
    return PartFilter(current.categories, current.policies.vocabulary, gathered.facts.parts, registered)


def _hand_out(house: House, caller: Caller, request: RequestDocument, gathered: Gathered, ruling: Ruling, made: Made,
              folder: Path, out: Path, *, key: str | None) -> Released:  # fmt: skip
    """Commit ledger, consents re-checked, decision, release and entry; then let the folder take its name."""
    release_id = "r-" + secrets.token_hex(16)
    manifest_digest = digest_of(made.manifest)
    policies, index_key = house.current().policies, house.keys.index_key(caller.tenant)

    def also(connection: Connection, decision: str) -> None:
        recheck_consents(connection, tenant=caller.tenant, refs=gathered.refs, version=gathered.consent_version)
        recheck_evidence(connection, tenant=caller.tenant, items=gathered.facts.evidence)
        reserve(connection, tenant=caller.tenant, gathered=gathered, ruling=ruling, source=release_id, at=ruling.at,
                policies=policies, index_key=index_key, state="sent")  # fmt: skip
        insert_release(connection, tenant=caller.tenant, id=release_id, decision=decision,
                       manifest_digest=manifest_digest, at=ruling.at)  # fmt: skip

    given = frozenset(people_allowed(gathered, ruling))
    recording = Recording(
        kind=Kind.RELEASE, key=key, also=also,
        details={"release": release_id, "manifest": manifest_digest, "records": made.records},
        line=lambda ref, decision: line_of(request, ruling, decision, may_go=ref in given)
        | {"release": release_id, "resources": made.resources_of.get(ref, 0)},
    )  # fmt: skip
    decided = record_ruling(house, caller, request, gathered, ruling, recording)
    assert decided.receipt is not None
    try:
        options = orjson.OPT_INDENT_2 | orjson.OPT_SORT_KEYS
        store(folder / "decision.json", orjson.dumps(decided.document, option=options) + b"\n")
        store(folder / "receipt.tlog-proof", decided.receipt.proof.encode())
        folder.rename(out)
        _sync(out.parent)
    except OSError as error:
        hint = f"release again; tell the compliance officer of entry {decided.receipt.index}"
        raise FaultError("the release is logged but could not be handed out; it counts as sent", where="--out",
                         hint=hint) from error  # fmt: skip
    return Released(decided=decided, summary={
        "id": release_id, "folder": str(out), "records": made.records, "resources": made.resources,
        "left_out": made.left_out, "manifest": manifest_digest,
    })  # fmt: skip


@contextmanager
def _workshop(out: Path) -> Iterator[Path]:
    """Give a folder beside the target that vanishes unless it took the target's name."""
    folder = out.with_name(f".{out.name}.{secrets.token_hex(6)}.partial")
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
        for abandoned in out.parent.glob(f".{glob.escape(out.name)}.????????????.partial"):
            shutil.rmtree(abandoned, ignore_errors=True)  # of a process that was killed
        folder.mkdir(mode=0o700)  # until the commit nobody else may look
        yield folder
    except OSError as error:
        raise FaultError(f"the records could not be written: {error.strerror}; nothing was handed out",
                         hint="is the disk full?") from error  # fmt: skip
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _sync(folder: Path) -> None:
    """See a folder's names on the disk."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
