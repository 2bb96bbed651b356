"""When to ask again: the next instant at which the same question may be answered differently."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Iterator
from datetime import UTC, date, datetime, time, timedelta

from governance.core.cell import PLACES, Cell
from governance.core.conditions import EvidenceNeed
from governance.core.engine import Engine, Entry
from governance.core.evidence import EvidenceItem
from governance.core.facts import EvidenceType

__all__ = ["check_again_by"]


def check_again_by(
    cells: Iterable[Cell], engine: Engine, terms: tuple[Entry, ...], at: datetime
) -> datetime | None:
    """Return the earliest instant after `at` at which something that was looked at changes, or None.

    Args:
        cells: cells looked at.
        engine: the policy set's.
        terms: terms of data set and agreements.
        at: instant of the decision.
    """
    day = at.astimezone(UTC).date()
    days: set[date] = set()
    instants: set[datetime] = set()
    seen: set[Entry] = set()
    places: set[str] = set()
    for cell in cells:
        for entry in (*engine.candidates(cell.get), *terms):
            fresh = entry not in seen and bool(entry.turning_days)
            if (fresh or cell.evidence) and entry.may_govern(cell.get, cell.fits, cell.said):
                if fresh:
                    seen.add(entry)
                    days.update(_next(entry.turning_days, day))
                if cell.evidence:
                    days.update(_papers(entry, cell, day))
        if engine.policies.no_regime:
            places |= set(_places(cell))
        instants.update(turn for turn in cell.answer.turns if turn > at)
    for place in places:
        for statement in engine.no_regime(place):
            days.update(_next(statement.span.turning_days(), day))
    instants.update(datetime.combine(turn, time(), UTC) for turn in days)
    return min(instants, default=None)


def _next(days: tuple[date, ...], day: date) -> tuple[date, ...]:
    place = bisect_right(days, day)
    return days[place : place + 1]


def _places(cell: Cell) -> Iterator[str]:
    for fact in ("origin", "subject.residence", *PLACES):
        given = cell.get(fact)
        if isinstance(given, str):
            yield given
        elif isinstance(given, frozenset):
            yield from given


def _papers(entry: Entry, cell: Cell, day: date) -> Iterator[date]:
    for kind in cell.evidence:
        declared = cell.vocabulary.evidence.get(kind)
        for need in entry.compiled.needs.get(kind, ()) if declared else ():
            assert declared is not None
            for item in cell.fitting(need):
                yield from (turn for turn in _ends(item, need, declared) if turn > day)


def _ends(item: EvidenceItem, need: EvidenceNeed, kind: EvidenceType) -> Iterator[date]:
    """Yield the first days on which an item no longer fits."""
    if item.valid_until is not None and item.valid_until < date.max:
        yield item.valid_until + timedelta(days=1)
    for most in (need.max_age_days, kind.max_age_days):
        if most is not None and (date.max - item.issued_on).days > most:
            yield item.issued_on + timedelta(days=most + 1)
