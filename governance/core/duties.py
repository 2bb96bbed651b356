"""Duties, joined over every rule that brings them (docs/semantics.md section 8).

Per parameter the duty's type says how two values join: the shorter period, the later date, the stronger method,
all of them, or what they have in common. Values that no rule can compare are all kept.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from datetime import date

from governance.core.facts import DutyType, Vocabulary
from governance.core.rules import DutyOwed
from governance.core.ruling import Duty

__all__ = ["conflicts", "join_duties"]

_SMALLEST = frozenset({"shorter", "sooner", "smaller"})
_LARGEST = frozenset({"longer", "later", "larger"})
_PERIOD = re.compile(
    r"P(?:(\d+(?:\.\d+)?)Y)?(?:(\d+(?:\.\d+)?)M)?(?:(\d+(?:\.\d+)?)W)?(?:(\d+(?:\.\d+)?)D)?"
    r"(?:T(?:(\d+(?:\.\d+)?)H)?(?:(\d+(?:\.\d+)?)M)?(?:(\d+(?:\.\d+)?)S)?)?"
)
_SECONDS = (365.2425 * 86400, 30.436875 * 86400, 7 * 86400, 86400, 3600, 60, 1)
"""Seconds of year, month (both Gregorian means), week, day, hour, minute, second."""
_NAMED = re.compile(r"(\d+(?:\.\d+)?) (year|month|week|day|hour|minute|second)s?")
_NAMES = dict(zip(("year", "month", "week", "day", "hour", "minute", "second"), _SECONDS, strict=True))


def join_duties(owed: Iterable[tuple[DutyOwed, str]], vocabulary: Vocabulary) -> tuple[Duty, ...]:
    """Join duties by type.

    Args:
        owed: duties with the id of the rule that brings each.
        vocabulary: says how parameters join, who owes a duty and when.

    Returns:
        One duty per type, sorted; a parameter whose values have nothing in common is empty.
    """
    by_type: dict[str, tuple[dict[str, list[tuple[str, ...]]], set[str]]] = {}
    for duty, rule in owed:
        params, because = by_type.setdefault(duty.type, ({}, set()))
        because.add(rule)
        for name, values in duty.params:
            params.setdefault(name, []).append(values)
    return tuple(
        _joined(kind, params, because, vocabulary) for kind, (params, because) in sorted(by_type.items())
    )


def _joined(
    kind: str, params: Mapping[str, list[tuple[str, ...]]], because: set[str], vocabulary: Vocabulary
) -> Duty:
    declared = vocabulary.duties.get(kind) or DutyType(id=kind, by="platform", when="before")
    return Duty(
        type=kind,
        by=declared.by,
        when=declared.when,
        params=tuple(
            (name, _join(declared.join.get(name), values, vocabulary.strength.get(name, ())))
            for name, values in sorted(params.items())
        ),
        because=tuple(sorted(because)),
    )


def _join(how: str | None, values: list[tuple[str, ...]], order: tuple[str, ...]) -> tuple[str, ...]:
    pooled = sorted({value for several in values for value in several})
    if how == "intersection":
        return tuple(value for value in pooled if all(value in several for several in values))
    if how in _SMALLEST | _LARGEST:
        sizes = [_size(value) for value in pooled]
        if any(size is None for size in sizes) or len({size[0] for size in sizes if size}) > 1:
            return tuple(pooled)
        ranked = sorted(pooled, key=lambda value: (_size(value) or ("", 0.0), value))
        return (ranked[0] if how in _SMALLEST else ranked[-1],) if ranked else ()
    if how == "stronger" and pooled and all(value in order for value in pooled):
        return (max(pooled, key=order.index),)
    return tuple(pooled)


def _size(text: str) -> tuple[str, float] | None:
    """Return what a period, date or number measures and how much, or None if it is none of them."""
    period = _PERIOD.fullmatch(text)
    if period and any(period.groups()):
        return "period", sum(float(n or 0) * s for n, s in zip(period.groups(), _SECONDS, strict=True))
    named = _NAMED.fullmatch(text)
    if named:
        return "period", float(named[1]) * _NAMES[named[2]]
    try:
        return "date", float(date.fromisoformat(text).toordinal())
    except ValueError:
        pass
    try:
        return "number", float(text)
    except ValueError:
        return None


def conflicts(duties: tuple[Duty, ...], vocabulary: Vocabulary) -> tuple[str, ...]:
    """Say why duties cannot all be fulfilled together, as sentences, sorted; nothing if they can."""
    faults: list[str] = []
    types = {duty.type for duty in duties}
    for duty in duties:
        declared = vocabulary.duties.get(duty.type)
        if declared is None:
            continue
        faults.extend(
            f"The rules that bring the duty {duty.type} agree on no value of {name}."
            for name, values in duty.params
            if not values and declared.join.get(name) == "intersection"
        )
        faults.extend(
            f"The duties {first} and {second} contradict each other."
            for first, second in (sorted((duty.type, other)) for other in declared.contradicts & types)
        )
    return tuple(sorted(set(faults)))
