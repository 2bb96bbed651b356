"""Decide a request: read what is known once, rule, and have it in the log before the answer leaves.

A permit is for a release by us, or, with ``"carry": "self"``, a *grant*: its people are counted in the ledger
when it is issued, it lapses, and it is closed by reporting what was sent (unclosed, it counts as sent).
"""

from __future__ import annotations

import secrets
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from sqlalchemy import Connection
from sqlalchemy.exc import SQLAlchemyError

from governance.access import Action, Caller
from governance.core.decide import decide
from governance.core.explain import sentences
from governance.core.remedies import remedies
from governance.core.rules import PolicySet
from governance.core.ruling import Effect, Refer, Ruling
from governance.errors import InputError
from governance.logs import get_log
from governance.store.consents import recheck_consents
from governance.store.database import writing
from governance.store.decisions import (
    SEALED_DECISION,
    StoredDecision,
    decision_by_id,
    decision_by_key,
    digest_of,
    grant_by_id,
    insert_decision,
    insert_grant,
    open_reviews,
    set_receipt,
)  # fmt: skip
from governance.store.facts import Gathered, facts_for
from governance.store.ledger import close_grant, reserve
from governance.store.rechecks import recheck_evidence
from governance.store.requests import RequestDocument, parse_request
from governance.usecases.documents import decision_document, instant, view_for_stranger
from governance.usecases.ports import Draft, House, Kind, Receipt

__all__ = [
    "Decided", "Recording", "decide_request", "earlier_answer", "line_of", "people_allowed", "read_decision",
    "record_ruling", "report_outcome",
]  # fmt: skip

_OPENS_REVIEW = (Refer.HUMAN_JUDGEMENT, Refer.UNVERIFIED_LAW)
EQUIVALENT_TOOL = "equivalent-tool"
"""Evidence that a party transforms data as well as we do; without it a lesser form is released by us only."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Decided:
    """A decision as the caller may see it.

    Attributes:
        document: the decision document with receipt.
        receipt: None only for a repeated answer whose entry could not be noted at the time.
    """

    id: str
    effect: Effect
    document: dict[str, object]
    receipt: Receipt | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Recording:
    """What goes into the log and the database with a ruling.

    Attributes:
        kind: decision, grant or release.
        key: idempotency key.
        notes: statements that go first.
        as_of: decided as of another instant than now.
        also: what else is written in the same commit, given connection and decision id.
        details: further details for the officer.
        line: makes a person's line from reference and decision id.
    """

    kind: Kind
    key: str | None = None
    notes: tuple[str, ...] = ()
    as_of: bool = False
    also: Callable[[Connection, str], None] | None = None
    details: Mapping[str, object] = field(default_factory=dict)
    line: Callable[[str, str], dict[str, object]] | None = None


def decide_request(house: House, caller: Caller, raw: bytes | Mapping[str, object], *, key: str | None = None,
                   at: datetime | None = None) -> Decided:  # fmt: skip
    """Decide one request and record it.

    Args:
        house: the composed house.
        caller: who asks.
        raw: the request as JSON bytes or a parsed object.
        key: idempotency key; the same key and request give the same decision again.
        at: decide as of this instant instead of now; such a decision is never granted.

    Raises:
        AccessDeniedError: the caller may not.
        InputError: the request is not usable; every fault is in its diagnostics.
        ConflictError: the idempotency key was used for another request, or the ledger moved meanwhile.
        UnknownOutcomeError: the log could not be written for certain.
    """
    house.access.require(caller, Action.DECIDE)
    current = house.current().policies
    request = parse_request(raw, current.vocabulary, profiles=current.profiles)
    if request.carry == "self":
        house.access.require(caller, Action.CARRY)
        if at is not None:
            raise InputError("a decision as of another day cannot be granted", where="carry", hint="leave out `carry`")
    if key is not None and (earlier := earlier_answer(house, caller, key, request)) is not None:
        return earlier
    now = at or house.clock()
    with house.engine.connect() as connection:
        gathered = _gather(house, caller, connection, request, current, now)
    ruling = decide(current, gathered.question, gathered.facts, now)
    recording = _recording(house, caller, request, gathered, ruling, key=key, as_of=at is not None)
    return record_ruling(house, caller, request, gathered, ruling, recording)


def read_decision(house: House, caller: Caller, decision: str) -> dict[str, object]:
    """Read a decision again, as much of it as the caller may see."""
    mine_only = not house.access.allows(caller.role, Action.READ_DECISION, same_tenant=True)
    house.access.require(caller, Action.READ_OWN_DECISION if mine_only else Action.READ_DECISION)
    with house.engine.connect() as connection:
        stored = decision_by_id(connection, tenant=caller.tenant, decision=decision,
                                unseal=lambda b: house.keys.open_shared(caller.tenant, b, SEALED_DECISION))  # fmt: skip
    if mine_only and stored.content["user"] != caller.user:
        house.access.require(caller, Action.READ_DECISION)
    return _seen(caller, _document(stored.content))


def report_outcome(house: House, caller: Caller, decision: str, *, sent: bool, people: int | None = None) -> Receipt:
    """Close a grant by saying what was sent.

    Args:
        house: the composed house.
        caller: who carried the data.
        decision: id of the permit that the grant belongs to.
        sent: whether anything was sent; if not, its people are taken out of the ledger again.
        people: how many people's data were sent, if the platform counts them.

    Raises:
        NotFoundError: the decision has no grant.
        ConflictError: the grant is closed already, or lapsed before anything was sent.
    """
    house.access.require(caller, Action.REPORT_OUTCOME)
    now = house.clock()

    def work(connection: Connection) -> str:
        grant, _, _ = grant_by_id(connection, tenant=caller.tenant, decision=decision)
        close_grant(connection, tenant=caller.tenant, grant=grant, sent=sent, at=now)
        return grant

    draft: Draft[str] = Draft(kind=Kind.OUTCOME, tenant=caller.tenant, shared=lambda grant: {
        "grant": grant, "decision": decision, "sent": sent, "people": people, "user": caller.user})  # fmt: skip
    return house.log.record(draft, work)[1]


def _recording(house: House, caller: Caller, request: RequestDocument, gathered: Gathered, ruling: Ruling, *,
               key: str | None, as_of: bool) -> Recording:  # fmt: skip
    """Say what goes with a decision: a grant where one is due, and the statements that go first."""
    given = frozenset(people_allowed(gathered, ruling))

    def line(ref: str, decision: str) -> dict[str, object]:
        return line_of(request, ruling, decision, may_go=ref in given)

    notes: list[str] = []
    if request.dry_run:
        notes.append("this answer rests on claims: nothing in the register was touched")
    if as_of:
        notes.append("decided as of another instant: not a permit to use")
    wanted = ruling.effect is Effect.PERMIT and request.carry == "self" and not request.dry_run
    if wanted and _may_carry(ruling, gathered):
        return Recording(kind=Kind.GRANT, key=key, line=line, also=lambda connection, decision: _grant(
            house, caller, connection, gathered, ruling, decision))  # fmt: skip
    if wanted:
        notes.append(f"no grant: making a lesser form oneself needs verified `{EQUIVALENT_TOOL}` evidence")
    return Recording(kind=Kind.DECISION, key=key, notes=tuple(notes), as_of=as_of, line=line)


def _gather(house: House, caller: Caller, connection: Connection, request: RequestDocument, policies: PolicySet,
            now: datetime) -> Gathered:  # fmt: skip
    return facts_for(connection, request, policies, tenant=caller.tenant, at=now, sealer=house.keys,
                     index_key=house.keys.index_key(caller.tenant))  # fmt: skip


def _digest(house: House, caller: Caller, request: RequestDocument) -> str:
    """Keyed by the tenant's index key through the stored form: a bare hash of a few facts can be guessed."""
    return digest_of({"user": caller.user, "key": house.keys.index_key(caller.tenant).hex(),
                      "request": request.document()})  # fmt: skip


def earlier_answer(house: House, caller: Caller, key: str, request: RequestDocument) -> Decided | None:
    """Repeat the answer that this idempotency key already had, if it had one.

    Raises:
        ConflictError: the key was used for another request.
    """
    def unseal(sealed: bytes) -> bytes:
        return house.keys.open_shared(caller.tenant, sealed, SEALED_DECISION)

    digest = _digest(house, caller, request)
    with house.engine.connect() as connection:
        found = decision_by_key(connection, tenant=caller.tenant, key=key, digest=digest, unseal=unseal)
        if found is None:
            return None
        stored = decision_by_id(connection, tenant=caller.tenant, decision=found, unseal=unseal)
    receipt = None if stored.receipt_index is None else house.log.receipt(caller.tenant, stored.receipt_index)
    document = _seen(caller, _document(stored.content))
    document["receipt"] = None if receipt is None else {"index": receipt.index, "proof": receipt.proof}
    return Decided(id=stored.id, effect=Effect(stored.effect), document=document, receipt=receipt)


def record_ruling(house: House, caller: Caller, request: RequestDocument, gathered: Gathered, ruling: Ruling,
                  recording: Recording) -> Decided:  # fmt: skip
    """Write a ruling, its reviews and whatever goes with it, and the entry, in one commit.

    Args:
        house: the composed house.
        caller: who asked.
        request: what was asked.
        gathered: what it was decided on.
        ruling: the answer.
        recording: what goes with it.
    """
    policies = house.current().policies
    id = "d-" + secrets.token_hex(16)  # noqa: A001 - the document's word
    document = decision_document(
        ruling, id=id, notes=[*gathered.notes, *recording.notes], says=sentences(ruling, policies),
        dry_run=request.dry_run or recording.as_of,
        remedies=() if ruling.effect is Effect.PERMIT
        else remedies(policies, gathered.question, gathered.facts, ruling.at),
    )  # fmt: skip
    if recording.kind is Kind.GRANT:
        lapses = ruling.at + timedelta(minutes=house.settings.grant_minutes)
        document["grant"] = {"id": "g-" + id[2:], "lapses": instant(lapses)}

    def work(connection: Connection) -> None:
        insert_decision(
            connection, tenant=caller.tenant, key=recording.key,
            seal=lambda b: house.keys.seal_shared(caller.tenant, b, SEALED_DECISION),
            decision=StoredDecision(
                id=id, effect=str(ruling.effect), policy=ruling.policy, at=ruling.at, receipt_index=None,
                request_digest=_digest(house, caller, request),
                content={"user": caller.user, "request": gathered.stored_request, "document": document},
            ),
        )  # fmt: skip
        if ruling.refer in _OPENS_REVIEW and not request.dry_run and not recording.as_of:
            open_reviews(connection, tenant=caller.tenant, decision=id, rules=ruling.arguable, at=ruling.at)
        if recording.also is not None:
            recording.also(connection, id)

    line = recording.line or (lambda _, decision: line_of(request, ruling, decision, may_go=False))
    draft: Draft[None] = Draft(
        kind=recording.kind, tenant=caller.tenant, policy=ruling.policy,
        shared=lambda _: {"decision": view_for_stranger(document), "user": caller.user, **recording.details},
        subjects=lambda _: {ref: line(ref, id) for ref in gathered.refs},
    )  # fmt: skip
    _, receipt = house.log.record(draft, work)
    if recording.key is not None:
        _remember_receipt(house, caller, id, receipt)
    document["receipt"] = {"index": receipt.index, "proof": receipt.proof}
    return Decided(id=id, effect=ruling.effect, receipt=receipt, document=_seen(caller, document))


def _remember_receipt(house: House, caller: Caller, decision: str, receipt: Receipt) -> None:
    """Note which entry a decision is, so that a repeated answer can prove it; the log itself is the truth."""
    try:
        with writing(house.engine) as connection:
            set_receipt(connection, tenant=caller.tenant, decision=decision, index=receipt.index)
    except SQLAlchemyError:
        get_log().warning("receipt not noted", decision=decision, index=receipt.index)


def _grant(house: House, caller: Caller, connection: Connection, gathered: Gathered, ruling: Ruling,
           decision: str) -> None:  # fmt: skip
    """Count the people when the grant is issued, and write it down."""
    assert ruling.profile is not None
    grant = "g-" + decision[2:]
    recheck_consents(connection, tenant=caller.tenant, refs=gathered.refs, version=gathered.consent_version)
    recheck_evidence(connection, tenant=caller.tenant, items=gathered.facts.evidence)
    reserve(connection, tenant=caller.tenant, gathered=gathered, ruling=ruling, source=grant, at=ruling.at,
            policies=house.current().policies, index_key=house.keys.index_key(caller.tenant))  # fmt: skip
    insert_grant(connection, tenant=caller.tenant, id=grant, decision=decision,
                 recipient=gathered.recipients[-1] if gathered.recipients else None, profile=ruling.profile,
                 policy=ruling.policy, issued=ruling.at,
                 lapses=ruling.at + timedelta(minutes=house.settings.grant_minutes))  # fmt: skip


def _may_carry(ruling: Ruling, gathered: Gathered) -> bool:
    """As it is, anybody may carry; in a lesser form only a party whose equivalent tool is on file and verified."""
    if ruling.profile == "as-is":
        return True
    exporter = gathered.facts.shared.get("exporter.id")
    day = ruling.at.date()
    return any(
        item.type == EQUIVALENT_TOOL and item.state == "verified" and item.outcome == "verified"
        and exporter in item.scope.get("exporter", frozenset()) and item.properties.get("profile") == ruling.profile
        and item.valid_from <= day and (item.valid_until is None or day <= item.valid_until)
        for item in gathered.facts.evidence
    )  # fmt: skip


def people_allowed(gathered: Gathered, ruling: Ruling) -> Sequence[str]:
    """Return the references of everybody whose data may go."""
    return [ref for allowed in ruling.allowed for ref in gathered.facts.classes[allowed.subject_class].members]


def line_of(request: RequestDocument, ruling: Ruling, decision: str, *, may_go: bool) -> dict[str, object]:
    """Make one patient's line: who asked for what, for whom, when, and whether this patient's data may go."""
    return {"decision": decision, "purpose": request.purpose, "profile": ruling.profile, "at": instant(ruling.at),
            "may_go": may_go, "effect": str(ruling.effect),
            "recipients": [leg.recipient if isinstance(leg.recipient, str) else None for leg in request.legs],
            "destinations": [leg.destination for leg in request.legs]}  # fmt: skip


def _seen(caller: Caller, document: dict[str, object]) -> dict[str, object]:
    return document if caller.holds_data else view_for_stranger(document)


def _document(content: Mapping[str, object]) -> dict[str, object]:
    document = content["document"]
    assert isinstance(document, dict)
    return dict(document)
