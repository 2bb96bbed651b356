"""When to ask again: the next instant at which the same question may be answered differently."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from datetime import UTC, date, datetime, time, timedelta

from governance.core.cell import PLACES, Cell
from governance.core.conditions import EvidenceNeed
from governance.core.engine import Engine, Entry, next_of
from governance.core.evidence import EvidenceItem
from governance.core.facts import EvidenceType
from governance.core.truth import Truth

__all__ = ["check_again_by"]


def check_again_by(
    cells: Iterable[Cell], engine: Engine, regimes: Callable[[Cell], Iterable[Entry]], at: datetime
) -> datetime | None:
    """Return the earliest instant after `at` at which something that was looked at changes, or None.

    Args:
        cells: cells looked at.
        engine: the policy set's.
        regimes: which of them, terms included, may govern a cell.
        at: instant of the decision.
    """
    day = at.astimezone(UTC).date()
    days: set[date] = set()
    instants: set[datetime] = set()
    seen: set[Entry] = set()
    places: set[str] = set()
    for cell in cells:
        for entry in regimes(cell):
            fresh = entry not in seen and bool(entry.turning_days)
            if (fresh or cell.evidence) and entry.means_to_govern(cell.get, cell.fits, cell.said):
                if fresh:
                    seen.add(entry)
                    days.update(_turns(entry, day))
                if cell.evidence and entry.regime.span.holds(day) is not Truth.FALSE:
                    days.update(_papers(entry, cell, day))
        if engine.coverage_turns:
            places.update(_places(cell))
        instants.update(turn for turn in cell.answer.turns if turn > at)
    for place in places:
        days.update(engine.next_covered(place, day))
    instants.update(datetime.combine(turn, time(), UTC) for turn in days)
    return min(instants, default=None)


def _turns(entry: Entry, day: date) -> tuple[date, ...]:
    """Return the next day on which something of a regime changes: outside its span only the span itself."""
    span = entry.regime.span
    days = span.turning_days() if span.holds(day) is Truth.FALSE else entry.turning_days
    return next_of(days, day)


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
