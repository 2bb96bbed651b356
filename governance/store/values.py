"""Values of facts between JSON and the core, and names with a suggestion.

Guarantees: a value that does not fit its fact's definition is a fault with its place, never guessed; faults
are values, all at once. In JSON a number is a number or ``[low, high]`` (``high`` null: no upper bound), a
date is ISO 8601, a set is a list (or one word).

Example:
    >>> suggestion("purpos", ["purpose", "project"])
    'did you mean `purpose`?'
"""

from __future__ import annotations

import difflib
import math
from collections.abc import Iterable, Mapping
from datetime import date

from governance.core.facts import FactDefinition, FactType, Holder, Interval, Value, Vocabulary
from governance.errors import Diagnostic

__all__ = [
    "PREFIXES", "Faults", "convert", "fact_of", "json_value", "names_of", "shown", "suggestion",
]  # fmt: skip

PREFIXES: Mapping[Holder, str] = {
    Holder.EXPORTER: "exporter.", Holder.RECIPIENT: "recipient.", Holder.DATASET: "dataset.", Holder.PART: "data.",
    Holder.SUBJECT: "subject.",
}  # fmt: skip
"""What register documents leave out in front of their facts' names."""

_SHOWN = 80
_MAX_TERMS = 2_000
_MAX_ID = 200
_LARGEST = 2**53
_REMEMBERED = 64
_names: dict[tuple[int, tuple[Holder, ...]], tuple[Vocabulary, dict[str, list[FactDefinition]]]] = {}


class Faults:
    """Collects diagnostics; ``where`` is a path such as ``legs[0].destination``."""

    def __init__(self) -> None:
        self.found: list[Diagnostic] = []

    def add(self, where: str, message: str, hint: str | None = None) -> None:
        """Note one fault."""
        self.found.append(Diagnostic(where=where, message=message, hint=hint))


def shown(text: object) -> str:
    """Render a user's word in backticks, cut to a bearable length."""
    word = str(text)
    return f"`{word if len(word) <= _SHOWN else word[:_SHOWN] + '...'}`"


def suggestion(word: str, known: Iterable[str]) -> str | None:
    """Return ``did you mean ...?`` if something known is close, else None."""
    names = {name.lower(): name for name in known}
    close = difflib.get_close_matches(str(word)[:_SHOWN].lower(), names, n=1, cutoff=0.6)
    return f"did you mean `{names[close[0]]}`?" if close else None


def fact_of(vocabulary: Vocabulary, key: str) -> FactDefinition | None:
    """Return the definition of a fact key, with or without parameters in brackets."""
    return vocabulary.facts.get(key.partition("[")[0])


def names_of(vocabulary: Vocabulary, holders: Iterable[Holder]) -> dict[str, list[FactDefinition]]:
    """Return the names that a register document may use for facts of these holders: short and full.

    A party's ``place`` stands for ``exporter.place`` and ``recipient.place``, so a name may have two
    definitions.
    """
    wanted = tuple(holders)
    known = _names.get((id(vocabulary), wanted))
    if known is not None and known[0] is vocabulary:
        return known[1]
    names: dict[str, list[FactDefinition]] = {}
    for definition in vocabulary.facts.values():
        if definition.of in wanted and not definition.params:
            prefix = PREFIXES.get(definition.of, "")
            short = definition.id.removeprefix(prefix)
            for name in {short, definition.id}:
                names.setdefault(name, []).append(definition)
    if len(_names) >= _REMEMBERED:
        _names.clear()
    # The vocabulary itself is kept, so that its identity cannot be given to another meanwhile.
    _names[id(vocabulary), wanted] = (vocabulary, names)
    return names


def convert(
    vocabulary: Vocabulary, definition: FactDefinition, value: object, faults: Faults, where: str, *,
    secret: bool = False,
) -> Value | None:
    """Turn a JSON value into a fact's value.

    Args:
        vocabulary: where words and places are known.
        definition: the fact's definition.
        value: what the document says.
        faults: receives what is wrong.
        where: path of the value.
        secret: the value is a patient's: messages never quote it.

    Returns:
        The value, or None after a fault.
    """
    if definition.type in (FactType.TERM, FactType.PLACE):
        if isinstance(value, str):
            return value if _known(vocabulary, definition, value, faults, where, secret=secret) else None
    elif definition.type in (FactType.TERMS, FactType.PLACES):
        words = _words(value)
        if words is not None:
            places = [where] if isinstance(value, str) else [f"{where}[{n}]" for n in range(len(words))]
            known = [_known(vocabulary, definition, word, faults, place, secret=secret)
                     for word, place in zip(words, places, strict=True)]  # fmt: skip
            return frozenset(words) if all(known) else None
    else:
        plain = _plain_value(definition.type, value)
        if plain is not None:
            return plain
    faults.add(where, f"`{definition.id}` has to be {_EXPECTED[definition.type]}")
    return None


_EXPECTED: Mapping[FactType, str] = {
    FactType.YES_NO: "true or false", FactType.NUMBER: "a number or [low, high]", FactType.DATE: "a date, YYYY-MM-DD",
    FactType.ID: "an id of at most 200 characters", FactType.TERM: "one word", FactType.PLACE: "one place",
    FactType.TERMS: "a list of words", FactType.PLACES: "a list of places",
}  # fmt: skip


def _plain_value(kind: FactType, value: object) -> Value | None:
    """Read a value that needs no taxonomy, or return None."""
    if kind is FactType.YES_NO:
        return value if isinstance(value, bool) else None
    if kind is FactType.NUMBER:
        return _number(value)
    if kind is FactType.DATE:
        return _day(value)
    return value if isinstance(value, str) and 0 < len(value) <= _MAX_ID else None


def _words(value: object) -> list[str] | None:
    words = [value] if isinstance(value, str) else value
    if not isinstance(words, list) or len(words) > _MAX_TERMS:
        return None
    return words if all(isinstance(word, str) for word in words) else None


def _number(value: object) -> Interval | None:
    if isinstance(value, list) and len(value) == 2:
        low, high = value[0], math.inf if value[1] is None else value[1]
    else:
        low = high = value
    for end in (low, high):
        if isinstance(end, bool) or not isinstance(end, int | float):
            return None
        if end != math.inf and not -_LARGEST <= end <= _LARGEST:  # also refuses NaN
            return None
    return Interval(float(low), float(high)) if low != math.inf and low <= high else None


def _day(value: object) -> date | None:
    if isinstance(value, date):
        return value
    if not isinstance(value, str) or len(value) != 10:
        return None
    try:
        return date.fromisoformat(value)
    except ValueError:
        return None


def _known(
    vocabulary: Vocabulary, definition: FactDefinition, term: str, faults: Faults, where: str, *, secret: bool
) -> bool:
    """Say whether a word exists for this fact; note a fault if not."""
    is_place = definition.type in (FactType.PLACE, FactType.PLACES)
    taxonomy = vocabulary.taxonomies.get("place" if is_place else definition.taxonomy or "")
    known: Iterable[str] = ()
    if definition.values and not is_place:
        known = definition.values
    if term in known or (taxonomy is not None and taxonomy.knows(term)):
        return True
    if not known and taxonomy is None:
        # A taxonomy that is plugged in elsewhere (diseases): the word stands as it is.
        return bool(term)
    known = known or (taxonomy.ancestors if taxonomy is not None else ())
    kind = "place" if is_place else "word"
    if definition.id == "purpose":
        kind = "purpose"
    if secret:
        faults.add(where, f"unknown {kind} for `{definition.id}`")
        return False
    hint = suggestion(term, known) or (
        "places are ISO 3166-1 alpha-2 codes, or ISO 3166-2 for subdivisions" if is_place else _choices(known)
    )
    faults.add(where, f"unknown {kind} {shown(term)}", hint)
    return False


def _choices(known: Iterable[str]) -> str | None:
    words = sorted(known)
    return f"known: {', '.join(words)}" if 0 < len(words) <= 12 else None


def json_value(value: Value) -> object:
    """Turn a fact's value into its JSON form."""
    match value:
        case bool() | str():
            return value
        case Interval(low=low, high=high):
            ends = [_plain(low), None if math.isinf(high) else _plain(high)]
            return ends[0] if low == high else ends
        case frozenset():
            return sorted(value)
        case date():
            return value.isoformat()


def _plain(number: float) -> float | int:
    return int(number) if number.is_integer() else number
