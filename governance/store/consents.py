"""Consents at rest: an append-only list of sealed events, folded into what was in force and known.

Guarantees: an event is never changed or removed; kind and content are readable only with the patient's key; a
patient whose events can no longer be opened is *unclear*, never "not asked". What is recorded after the
decision's instant (clock differences of a few minutes apart) was not known then and does not count.

Events: ``recorded`` carries a whole consent (a refusal is a consent that denies); ``withdrawn``, ``ended`` and
``entered-in-error`` speak of an earlier consent by its id, or of all of the patient's if they name none.

Example:
    >>> known_consents([], datetime.now(UTC))
    ()
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, fields, is_dataclass, replace
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from functools import lru_cache
from typing import Any

import orjson
from pydantic import TypeAdapter, ValidationError
from sqlalchemy import Connection, func, insert, select

from governance.core.consent import Consent, ConsentStatus
from governance.errors import ConflictError, InputError, IntegrityError
from governance.store.sealing import SEALED_CONSENT, Sealer
from governance.store.tables import consent_events

__all__ = [
    "CLOCK_TOLERANCE", "ConsentEvent", "ConsentEventKind", "consent_events_of", "consent_version", "known_consents",
    "recheck_consents", "record_consent_event",
]  # fmt: skip

CLOCK_TOLERANCE = timedelta(minutes=5)
"""How far clocks of replicas may differ: what is on file this little ahead counts as known and in force."""

_CHUNK = 500
_CONSENT = TypeAdapter(Consent)


class ConsentEventKind(StrEnum):
    """What happened."""

    RECORDED = "recorded"
    WITHDRAWN = "withdrawn"
    ENDED = "ended"
    ENTERED_IN_ERROR = "entered-in-error"


@dataclass(frozen=True, slots=True, kw_only=True)
class ConsentEvent:
    """One thing a patient said.

    Attributes:
        effective: instant from which it speaks.
        recorded: instant we learnt it.
        consent: id of the consent spoken of; None: all of the patient's (not for RECORDED).
        content: the consent, for RECORDED.
    """

    kind: ConsentEventKind
    effective: datetime
    recorded: datetime
    consent: str | None = None
    content: Consent | None = None


def record_consent_event(
    connection: Connection, *, tenant: str, ref: str, event: ConsentEvent, sealer: Sealer
) -> int:
    """Append an event inside the caller's transaction.

    Args:
        connection: the writer's connection.
        tenant: tenant id.
        ref: reference of the patient (`governance.store.sealing.subject_ref`); need not be registered.
        event: what happened.
        sealer: seals it under the patient's key.

    Returns:
        The event's number; grows with every event of any tenant.

    Raises:
        InputError: if kind and content do not go together.
        ConflictError: if the patient has no key.
    """
    if (event.kind is ConsentEventKind.RECORDED) != (event.content is not None):
        raise InputError("a recorded consent has a content, other consent events have none", where="consent")
    if event.content is not None and event.consent not in (None, event.content.id):
        raise InputError("the event names another consent than its content", where="consent")
    document: dict[str, object] = {"kind": event.kind.value, "consent": event.consent}
    if event.content is not None:
        document |= _envelope(event.content)
    sealed = sealer.seal(tenant, ref, orjson.dumps(document), SEALED_CONSENT)
    result = connection.execute(insert(consent_events).values(
        tenant=tenant, subject=ref, effective=event.effective, recorded=event.recorded, sealed=sealed
    ))  # fmt: skip
    key = result.inserted_primary_key
    assert key is not None
    return int(key[0])


def consent_events_of(
    connection: Connection, *, tenant: str, refs: Sequence[str], sealer: Sealer
) -> Iterator[tuple[str, ConsentEvent | None]]:
    """Yield every event of these patients, oldest record first; None for one whose key is gone."""
    columns = (consent_events.c.subject, consent_events.c.effective, consent_events.c.recorded, consent_events.c.sealed)
    for start in range(0, len(refs), _CHUNK):
        rows = connection.execute(
            select(*columns)
            .where(consent_events.c.tenant == tenant, consent_events.c.subject.in_(refs[start : start + _CHUNK]))
            .order_by(consent_events.c.seq)
        )
        for ref, effective, recorded, sealed in rows:
            plain = sealer.open(tenant, ref, sealed, SEALED_CONSENT)
            yield ref, None if plain is None else _read(plain, effective, recorded)


def consent_version(connection: Connection, tenant: str) -> int:
    """Return the number of the tenant's latest consent event (0: none), to be checked again at release."""
    latest = connection.scalar(select(func.max(consent_events.c.seq)).where(consent_events.c.tenant == tenant))
    return int(latest or 0)


def recheck_consents(connection: Connection, *, tenant: str, refs: Iterable[str], version: int) -> None:
    """Refuse to go on if one of these patients has said anything since the decision.

    Call it inside the release's transaction. Any new event counts, since its kind is sealed.

    Raises:
        ConflictError: if there is a newer event; decide again.
    """
    newer = connection.scalars(
        select(consent_events.c.subject).where(consent_events.c.tenant == tenant, consent_events.c.seq > version)
    ).all()
    if newer and not set(newer).isdisjoint(refs):
        raise ConflictError("a patient's consent changed after the decision; nothing was released", hint="decide again")


def known_consents(
    events: Iterable[ConsentEvent | None], at: datetime, *, known_at: datetime | None = None
) -> tuple[Consent, ...]:
    """Fold a patient's events into consents as known at one instant.

    Args:
        events: the patient's events in the order of their recording; None for one that cannot be opened.
        at: instant asked about; aware.
        known_at: what was recorded later does not count; by default `at`.

    Returns:
        Consents in the order recorded. One that was superseded under its own id stays, ended.
    """
    horizon = (at if known_at is None else known_at) + CLOCK_TOLERANCE
    found = list(events)
    known = [event for event in found if event is not None and event.recorded <= horizon]
    if not known:
        return (_unreadable(at),) if found and None in found else ()
    folded = _versions(known, at)
    later = sorted((event for event in known if event.content is None), key=_order)
    refusals = [_refusal(event, at) for event in later if not _bring_to_an_end(folded, event, at)]
    unreadable = [_unreadable(at)] if None in found else []
    return (*(consent for _, consent in folded), *refusals, *unreadable)


def _order(event: ConsentEvent) -> tuple[bool, datetime]:
    """Corrections first, then by the day they speak from: the order of arrival does not matter."""
    return event.kind is not ConsentEventKind.ENTERED_IN_ERROR, event.effective


def _in_force_from(event: ConsentEvent, at: datetime) -> datetime:
    """Return the effective instant; what was not dated ahead and is on file is not in the future."""
    if event.effective <= event.recorded and at < event.effective <= at + CLOCK_TOLERANCE:
        return at
    return event.effective


def _versions(known: Sequence[ConsentEvent], at: datetime) -> list[tuple[datetime, Consent]]:
    """Return every consent with the instant it was dated; one is ended by the next under its own id."""
    folded: list[tuple[datetime, Consent]] = []
    latest: dict[str, int] = {}
    # Python's sort is stable: of one instant the later recorded comes last and stands.
    for event in sorted((e for e in known if e.content is not None), key=lambda e: e.effective):
        assert event.content is not None
        effective = _in_force_from(event, at)
        entry = event.effective, replace(event.content, effective=effective, recorded=min(event.recorded, at))
        before = latest.get(event.content.id)
        if before is not None and folded[before][0] == event.effective:
            folded[before] = entry
            continue
        if before is not None:
            folded[before] = folded[before][0], _end(folded[before][1], effective, withdrawn=False)
        latest[event.content.id] = len(folded)
        folded.append(entry)
    return folded


def _bring_to_an_end(folded: list[tuple[datetime, Consent]], event: ConsentEvent, at: datetime) -> bool:
    """Apply a withdrawal, an end or a correction to what it speaks of; what was said later is not touched.

    Returns:
        False for a withdrawal that found nothing to withdraw: of something never received, or ended before.
    """
    effective = _in_force_from(event, at)
    withdrawn = event.kind is ConsentEventKind.WITHDRAWN
    meant = [n for n, (_, old) in enumerate(folded) if event.consent in (None, old.id)]
    binds = not withdrawn or any(folded[n][0] > event.effective for n in meant)
    for number in meant:
        dated, old = folded[number]
        if event.kind is ConsentEventKind.ENTERED_IN_ERROR:
            folded[number] = dated, replace(old, status=ConsentStatus.ENTERED_IN_ERROR)
        elif dated <= event.effective:
            ended = _end(old, effective, withdrawn=withdrawn)
            folded[number] = dated, ended
            binds = binds or ended.withdrawn
    return binds


def _refusal(event: ConsentEvent, at: datetime) -> Consent:
    """Let a withdrawal of what is not on file bind as a refusal."""
    return Consent(id=event.consent or "withdrawal", group="withdrawal", base=False, recorded=min(event.recorded, at),
                   effective=_in_force_from(event, at))  # fmt: skip


def _end(old: Consent, effective: datetime, *, withdrawn: bool) -> Consent:
    """End an active consent; whatever ended earlier stays ended then."""
    if old.status not in (ConsentStatus.ACTIVE, ConsentStatus.INACTIVE):
        return old
    if old.ended is not None and (old.ended < effective or (old.ended == effective and old.withdrawn)):
        return old
    if old.status is ConsentStatus.INACTIVE and old.ended is None:
        return replace(old, withdrawn=old.withdrawn or withdrawn)
    return replace(old, status=ConsentStatus.INACTIVE, ended=effective, withdrawn=withdrawn)


def _unreadable(at: datetime) -> Consent:
    return Consent(id="unreadable", effective=at, recorded=at, ambiguous="the patient's key was destroyed")


def _envelope(consent: Consent) -> dict[str, object]:
    """Split what differs from patient to patient from the terms, whose text many patients share."""
    terms = replace(consent, id="", effective=_EPOCH, recorded=_EPOCH, ended=None)
    text = orjson.dumps(_document(terms), option=orjson.OPT_SORT_KEYS).decode()
    ended = None if consent.ended is None else consent.ended.astimezone(UTC).isoformat()
    return {"consent": consent.id, "ended": ended, "terms": text}


_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def _document(value: object) -> object:
    """Render a consent as JSON values: sets sorted, what is left at its default left out."""
    if is_dataclass(value) and not isinstance(value, type):
        present = {f.name: getattr(value, f.name) for f in fields(value)}
        return {name: _document(part) for name, part in present.items() if part not in (None, (), frozenset())}
    if isinstance(value, frozenset):
        return sorted(value)
    if isinstance(value, tuple):
        return [_document(part) for part in value]
    if isinstance(value, datetime):
        return value.astimezone(UTC).isoformat()
    return value


@lru_cache(maxsize=10_000)
def _terms(text: str) -> Consent:
    return _CONSENT.validate_json(text)


def _read(plain: bytes, effective: datetime, recorded: datetime) -> ConsentEvent:
    try:
        document: Mapping[str, Any] = orjson.loads(plain)
        kind, named, text = ConsentEventKind(document["kind"]), document["consent"], document.get("terms")
        content = None
        if kind is ConsentEventKind.RECORDED:
            ended = document["ended"]
            content = replace(
                _terms(text or ""), id=named or "", effective=effective, recorded=recorded,
                ended=None if ended is None else datetime.fromisoformat(ended),
            )  # fmt: skip
    except (ValueError, KeyError, TypeError, ValidationError):
        raise IntegrityError("a consent event on file cannot be read") from None
    return ConsentEvent(kind=kind, effective=effective, recorded=recorded, consent=named, content=content)
