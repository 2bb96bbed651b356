"""Consent as events: what a patient said is recorded, and the very next decision knows.

A FHIR Consent is read as leniently as is safe; every repair and every part that could not be expressed is
reported back. A withdrawal ends one consent or all of them, and binds even if we never saw the consent.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection

from governance.access import Action, Caller
from governance.consent.fhir import import_consent
from governance.core.consent import ConsentStatus
from governance.errors import InputError
from governance.store.consents import ConsentEvent, ConsentEventKind, record_consent_event
from governance.store.sealing import subject_ref
from governance.usecases.ports import Draft, House, Kind, Receipt

__all__ = ["Recorded", "record_consents", "withdraw_consent"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Recorded:
    """What became of one consent document.

    Attributes:
        number: its place in the input, from 1.
        dialect: how it was read.
        repairs: what was mended while reading.
        not_expressed: parts that the model cannot carry; they never widen.
        unclear: why it cannot be read in one way, if so: it then never permits.
    """

    number: int
    dialect: str
    repairs: tuple[str, ...]
    not_expressed: tuple[str, ...]
    unclear: str | None


def record_consents(house: House, caller: Caller, documents: Sequence[Mapping[str, object]], *,
                    subject: str | None = None) -> tuple[tuple[Recorded, ...], Receipt]:  # fmt: skip
    """Record FHIR Consents as events of their patients.

    Args:
        house: the composed house.
        caller: who records.
        documents: FHIR Consent resources.
        subject: the patient's register id; by default the last segment of ``patient.reference``.

    Raises:
        InputError: a document is no Consent or names no patient; nothing of the batch is recorded.
        ConflictError: a patient was erased.
    """
    house.access.require(caller, Action.RECORD_CONSENT)
    now = house.clock()
    events: list[tuple[str, ConsentEvent]] = []
    recorded: list[Recorded] = []
    for number, document in enumerate(documents, start=1):
        understood = import_consent(document, recorded=now)
        consent = understood.consent
        ref = _ref(house, caller, subject or _patient(document, number))
        events.append((ref, ConsentEvent(kind=ConsentEventKind.RECORDED, effective=min(consent.effective, now),
                                         recorded=now, consent=consent.id, content=consent)))  # fmt: skip
        if consent.status is ConsentStatus.INACTIVE and consent.withdrawn:
            events.append((ref, ConsentEvent(kind=ConsentEventKind.WITHDRAWN, effective=consent.ended or now,
                                             recorded=now, consent=consent.id)))  # fmt: skip
        recorded.append(Recorded(number=number, dialect=str(understood.dialect), repairs=tuple(understood.repairs),
                                 not_expressed=tuple(understood.not_expressed), unclear=consent.ambiguous))  # fmt: skip
    receipt = _write(house, caller, Kind.CONSENT, events)
    return tuple(recorded), receipt


def withdraw_consent(house: House, caller: Caller, subject: str, *, consent: str | None = None,
                     effective: datetime | None = None) -> Receipt:  # fmt: skip
    """Withdraw one consent of a patient, or all.

    Args:
        house: the composed house.
        caller: who records it.
        subject: the patient's register id.
        consent: id of the consent; None: everything the patient consented to.
        effective: from when; by default now.
    """
    house.access.require(caller, Action.RECORD_CONSENT)
    now = house.clock()
    event = ConsentEvent(kind=ConsentEventKind.WITHDRAWN, effective=effective or now, recorded=now, consent=consent)
    return _write(house, caller, Kind.WITHDRAWAL, [(_ref(house, caller, subject), event)])


def _write(house: House, caller: Caller, kind: Kind, events: Sequence[tuple[str, ConsentEvent]]) -> Receipt:
    """Append all events and one entry in one commit; keys are made and synced first."""
    refs = sorted({ref for ref, _ in events})
    house.keys.create_subjects(caller.tenant, refs)

    def work(connection: Connection) -> int:
        for ref, event in events:
            record_consent_event(connection, tenant=caller.tenant, ref=ref, event=event, sealer=house.keys)
        return len(events)

    lines: dict[str, dict[str, object]] = {
        ref: {"events": [str(event.kind) for owner, event in events if owner == ref]} for ref in refs
    }
    draft: Draft[int] = Draft(
        kind=kind, tenant=caller.tenant, shared=lambda count: {"events": count, "user": caller.user},
        subjects=lambda _: lines,
    )  # fmt: skip
    return house.log.record(draft, work)[1]


def _ref(house: House, caller: Caller, subject: str) -> str:
    return subject_ref(house.keys.index_key(caller.tenant), caller.tenant, subject)


def _patient(document: Mapping[str, object], number: int) -> str:
    """Return the register id that ``patient.reference`` (R5: ``subject.reference``) ends in."""
    patient = document.get("patient") or document.get("subject")
    reference = patient.get("reference") if isinstance(patient, Mapping) else None
    if not isinstance(reference, str) or not reference.rpartition("/")[2]:
        raise InputError("this consent names no patient", where=f"{number}/Consent/patient.reference",
                         hint="write `Patient/ID` with the register id, or say --subject")  # fmt: skip
    return reference.rpartition("/")[2]
