"""Patients in classes: everybody for whom every fact that a policy reads, and every consent, is the same.

Guarantees: one pass over the patients; a patient who is not registered, or whose key is gone, has no facts
and is not told from others who have none. Ids and past dates of consents do not split classes: within a class
a consent stands under its rank, in the order of what the patients said.

Example:
    >>> subject_classes(connection, refs, ...)         # doctest: +SKIP
    (SubjectClass(facts={'subject.residence': 'XA'}, size=412, ...), ...)
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from functools import lru_cache
from typing import Any

import orjson
from sqlalchemy import Connection, select

from governance.core.consent import Consent
from governance.core.facts import FactDefinition, Holder, Interval, Value, Vocabulary
from governance.core.request import SubjectClass
from governance.store.consents import ConsentEvent, consent_events_of, known_consents
from governance.store.documents import BIRTH_DATE, partial_date
from governance.store.sealing import SEALED_SUBJECT, Sealer
from governance.store.tables import subjects
from governance.store.values import Faults, convert

__all__ = ["age_in_years", "subject_classes"]

_CHUNK = 5_000
_IN_ONE_STATEMENT = 500
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
AGE = "subject.age"

_Key = tuple[bytes, Interval | None]
_NOTHING: _Key = (b"[]", None)


def subject_classes(
    connection: Connection,
    refs: Sequence[str],
    *,
    tenant: str,
    vocabulary: Vocabulary,
    read: frozenset[str],
    at: datetime,
    sealer: Sealer,
    said: Mapping[str, Value] | None = None,
    known_at: datetime | None = None,
) -> tuple[SubjectClass, ...]:
    """Group patients.

    Args:
        connection: any connection; one snapshot is read.
        refs: distinct references, in any order.
        tenant: tenant id.
        vocabulary: definitions of the subjects' facts.
        read: ids of the facts that the policies read.
        at: instant of the decision, aware.
        sealer: opens facts and consents.
        said: facts of every patient for which the caller's word is enough; the register's win.
        known_at: consents recorded later do not count; by default `at`.

    Returns:
        Classes with their members' references, in an order that does not depend on that of `refs`.
    """
    asked = _Asked(vocabulary, read, at.astimezone(UTC).date())
    found: dict[tuple[_Key, tuple[Consent, ...]], list[str]] = defaultdict(list)
    for start in range(0, len(refs), _CHUNK):
        chunk = refs[start : start + _CHUNK]
        events: dict[str, list[ConsentEvent | None]] = defaultdict(list)
        for ref, event in consent_events_of(connection, tenant=tenant, refs=chunk, sealer=sealer):
            events[ref].append(event)
        facts = dict(_facts(connection, chunk, tenant=tenant, sealer=sealer))
        for ref in chunk:
            consents = known_consents(events[ref], at, known_at=known_at) if ref in events else ()
            found[asked.key(facts.get(ref, {})), _ranked(consents, at)].append(ref)
    classes = [
        SubjectClass(facts={**(said or {}), **asked.values(key)}, consents=consents, size=len(members),
                     members=tuple(sorted(members)))
        for (key, consents), members in found.items()
    ]  # fmt: skip
    return tuple(sorted(classes, key=lambda one: one.members[0]))


def _facts(
    connection: Connection, refs: Sequence[str], *, tenant: str, sealer: Sealer
) -> Iterator[tuple[str, dict[str, Any]]]:
    for start in range(0, len(refs), _IN_ONE_STATEMENT):
        rows = connection.execute(
            select(subjects.c.ref, subjects.c.sealed)
            .where(subjects.c.tenant == tenant, subjects.c.ref.in_(refs[start : start + _IN_ONE_STATEMENT]))
        )  # fmt: skip
        for ref, sealed in rows:
            plain = sealer.open(tenant, ref, sealed, SEALED_SUBJECT)
            if plain is not None:
                yield ref, orjson.loads(plain)


class _Asked:
    """Turns a patient's document into the key of a class, and a key into facts."""

    def __init__(self, vocabulary: Vocabulary, read: frozenset[str], day: date) -> None:
        self._vocabulary = vocabulary
        self._day = day
        self._age = AGE in read and AGE in vocabulary.facts
        self._definitions: list[tuple[str, FactDefinition]] = [
            (definition.id.removeprefix("subject."), definition)
            for _, definition in sorted(vocabulary.facts.items())
            if definition.of is Holder.SUBJECT and definition.id in read and definition.id != AGE
        ]

    def key(self, document: Mapping[str, Any]) -> _Key:
        """Return what a patient's class is told by; as JSON, which tells yes from 1, unlike Python."""
        if not document:
            return _NOTHING
        told = orjson.dumps([document.get(name) for name, _ in self._definitions])
        return told, age_in_years(document.get(BIRTH_DATE), self._day) if self._age else None

    def values(self, key: _Key) -> dict[str, Value]:
        """Return the facts of a class; what the vocabulary no longer knows is unknown."""
        facts: dict[str, Value] = {}
        told, age = key
        for (_, definition), raw in zip(self._definitions, orjson.loads(told), strict=key != _NOTHING):
            if raw is None:
                continue
            value = convert(self._vocabulary, definition, raw, Faults(), definition.id, secret=True)
            if value is not None:
                facts[definition.id] = value
        if age is not None:
            facts[AGE] = age
        return facts


@lru_cache(maxsize=50_000)
def age_in_years(birth_date: str | None, day: date) -> Interval | None:
    """Return completed years on a day, as an interval if only the year or month of birth is known."""
    span = partial_date(birth_date)
    if span is None:
        return None
    earliest, latest = span
    oldest, youngest = _years(earliest, day), _years(latest, day)
    return None if oldest < 0 else Interval(float(max(0, youngest)), float(oldest))


def _years(birth: date, day: date) -> int:
    return day.year - birth.year - ((day.month, day.day) < (birth.month, birth.day))


def _ranked(consents: tuple[Consent, ...], at: datetime) -> tuple[Consent, ...]:
    """Replace ids and past instants by their rank, so that patients who said the same are one class.

    Only the order of past instants matters to the evaluation; future ones, and the validity written in the
    document, stay as they are. A consent keeps one id over its versions.
    """
    if not consents:
        return ()
    ordered = sorted(consents, key=lambda one: (one.effective, one.recorded, one.id))
    names: dict[str, str] = {}
    for one in ordered:
        names.setdefault(one.id, f"consent-{len(names) + 1:04}")
    past = sorted({
        instant for one in consents for instant in (one.effective, one.recorded, one.ended)
        if instant is not None and instant <= at
    })  # fmt: skip
    rank = {instant: _EPOCH + timedelta(days=number) for number, instant in enumerate(past)}
    return tuple(
        replace(one, id=names[one.id], effective=rank.get(one.effective, one.effective),
                recorded=rank.get(one.recorded, one.recorded),
                ended=None if one.ended is None else rank.get(one.ended, one.ended))
        for one in ordered
    )  # fmt: skip
