"""A policy set made ready for deciding: compiled regimes, their index, and where each law reaches.

`engine_for` keeps the last few policy sets, by identity: they are immutable, so what is worked out from one stays
right. Regimes are compiled when first needed.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import date
from functools import cached_property
from typing import Generic, TypeVar

from governance.core.cell import Cell, judge, key_of, related
from governance.core.facts import Value, Vocabulary
from governance.core.formula import Every, InForce, Leaf, Node, formula_of
from governance.core.opposition import Against, Opposing
from governance.core.reads import Reads
from governance.core.regime import CompiledRegime, governing
from governance.core.reliance import Reliance, Relying
from governance.core.rules import Force, PlaceEntry, PolicySet, Regime, Rule
from governance.core.truth import Truth, negate
from governance.core.writer import Question, write

__all__ = ["Engine", "Entry", "engine_for", "next_of"]

_POLICY_SETS_KEPT = 8
_TERMS_KEPT = 256
_REMEMBERED = 4096
_REMEMBERED_UNDER = 16

Input = TypeVar("Input")
Output = TypeVar("Output")


class Entry:
    """One regime as the engine holds it; compiled when first asked.

    Attributes:
        governs: the formula of its governing: it is in force, and its law says so.
        cannot: duty types that the caller cannot fulfil, of those that the regime knows.
        whole: the entry as if every duty could be fulfilled (mostly itself).
    """

    def __init__(
        self, regime: Regime, vocabulary: Vocabulary, whole: Entry | None = None, cannot: frozenset[str] = frozenset()
    ) -> None:
        self.regime = regime
        self.vocabulary = vocabulary
        self.whole = whole or self
        self.cannot = cannot
        self.binds = regime.force is Force.LAW
        self.governs = governing(regime)
        self._reads: dict[str, Reads] = {}
        self._under: dict[frozenset[str], Entry] = {}
        self.note = None if regime.signed_off else f"{regime.title} ({regime.id}): not signed off by a lawyer"

    @cached_property
    def compiled(self) -> CompiledRegime:
        """Formulas and what is written from them."""
        return CompiledRegime(self.regime, self.vocabulary, self.cannot)

    @cached_property
    def _duty_types(self) -> frozenset[str]:
        rules = [rule for kept in self.regime.rules.values() for rule in kept]
        types: set[str] = set()
        while rules:
            rule = rules.pop()
            types.update(duty.type for duty in rule.duties)
            rules.extend(rule.defeated_by)
        return frozenset(types)

    def under(self, cannot: frozenset[str]) -> Entry:
        """Return the regime as it stands for a caller who cannot fulfil some types of duties."""
        concerned = cannot & self._duty_types
        if not concerned:
            return self
        known = self._under.get(concerned)
        if known is None:
            if len(self._under) >= _REMEMBERED_UNDER:
                self._under.clear()
            known = self._under[concerned] = Entry(self.regime, self.vocabulary, self, concerned)
        return known

    def in_force(self, day: date) -> bool:
        """Say whether the regime exists and is in force on a day."""
        return self.regime.existence is Truth.TRUE and self.regime.span.holds(day) is Truth.TRUE

    @cached_property
    def turning_days(self) -> tuple[date, ...]:
        """First days on which a span of the regime, a rule, exception or row may change its answer, sorted."""
        spans = self.compiled.spans
        return tuple(sorted({day for span in spans for day in span.turning_days()}))

    @cached_property
    def _relying(self) -> Relying:
        return Relying(self.compiled, self.vocabulary)

    @cached_property
    def governing(self) -> Reads:
        """What it takes to know whether the regime governs."""
        return Reads(self.governs, None, self.vocabulary)

    def reads(self, rule: Rule) -> Reads:
        """Return what a rule of this regime (or an exception to one) reads."""
        known = self._reads.get(rule.id)
        if known is None:
            known = self._reads[rule.id] = Reads(self.compiled.reading(rule), rule, self.vocabulary)
        return known

    def reliance(self, cell: Cell, *, kept: bool) -> Reliance:
        """Return what a permit in this cell rests on."""
        return self._relying.in_cell(cell, kept=kept)

    @cached_property
    def _opposing(self) -> Opposing:
        return Opposing(self.compiled, self.vocabulary)

    def against(self, cell: Cell, *, denied: bool, kept: bool) -> Against:
        """Return what stands against a permit in this cell, where the regime's value is not true."""
        return self._opposing.in_cell(cell, denied=denied, kept=kept)

    @cached_property
    def means_to_govern(self) -> Question:
        """Whether the regime governs, or may, were it in force."""
        return write(formula_of(self.regime.governs, helps=False), Truth.UNKNOWN, self.vocabulary)

    def reaches(self, place: str) -> bool:
        """Say whether the place lies inside the territory."""
        return related(place, self.regime.territory, self.vocabulary.taxonomies["place"]) is Truth.TRUE


def next_of(days: Iterable[date], day: date) -> tuple[date, ...]:
    """Return the first of some sorted days after a day, or none."""
    known = tuple(days)
    place = bisect_right(known, day)
    return known[place : place + 1]


class _Kept(Generic[Input, Output]):
    """Keeps what was made from the last few immutable values, by identity.

    The value itself is kept too, so that its identity cannot be given to another meanwhile.
    """

    def __init__(self, make: Callable[[Input], Output], limit: int) -> None:
        self._make = make
        self._limit = limit
        self._known: dict[int, tuple[Input, Output]] = {}

    def __call__(self, given: Input) -> Output:
        known = self._known.get(id(given))
        if known is None:
            known = (given, self._make(given))
            while len(self._known) >= self._limit:
                self._known.pop(next(iter(self._known)), None)
            self._known[id(given)] = known
        return known[1]


class Engine:
    """Everything worked out from one policy set."""

    def __init__(self, policies: PolicySet) -> None:
        self.policies = policies
        self.vocabulary = policies.vocabulary
        regimes = sorted(policies.regimes, key=lambda regime: regime.id)
        self.entries = tuple(Entry(regime, policies.vocabulary) for regime in regimes)
        self._guards = _Guards(self.entries, policies.vocabulary)
        self._terms: _Kept[Regime, Entry] = _Kept(lambda r: Entry(r, policies.vocabulary), _TERMS_KEPT)
        self._own: dict[tuple[str, date], frozenset[Entry]] = {}
        self._entries_at: dict[tuple[str, date], bool] = {}
        self._next_covered: dict[tuple[str, date], tuple[date, ...]] = {}

    def candidates(self, get: Callable[[str], Value | None]) -> tuple[Entry, ...]:
        """Return the regimes that may govern as far as single facts tell; the others are certain not to."""
        return self._guards.passing(get)

    def terms(self, regimes: Sequence[Regime]) -> tuple[Entry, ...]:
        """Make a data set's or an agreement's terms ready."""
        return tuple(self._terms(regime) for regime in regimes)

    def own(self, place: str, day: date) -> frozenset[Entry]:
        """Return the laws in force whose territory is at or above a place."""
        own = self._own.get((place, day))
        if own is None:
            own = frozenset(entry for entry in self.laws_at(place) if entry.in_force(day))
            if len(self._own) >= _REMEMBERED:
                self._own.clear()
            self._own[place, day] = own
        return own

    def laws_at(self, place: str) -> list[Entry]:
        """Return the laws, in force or not, whose territory is at or above a place."""
        return [entry for entry in self.entries if entry.binds and entry.reaches(place)]

    def covered(self, place: str, day: date) -> bool:
        """Say whether a law, or a cited entry that there is none, speaks for a place."""
        if self.own(place, day):
            return True
        known = self._entries_at.get((place, day))
        if known is None:
            known = any(entry.span.holds(day) is Truth.TRUE for entry in self.no_regime(place))
            if len(self._entries_at) >= _REMEMBERED:
                self._entries_at.clear()
            self._entries_at[place, day] = known
        return known

    def no_regime(self, place: str) -> list[PlaceEntry]:
        """Return the entries, in force or not, that say a place has no regime."""
        places = self.vocabulary.taxonomies["place"]
        return [e for e in self.policies.no_regime if related(place, frozenset({e.place}), places) is Truth.TRUE]

    @cached_property
    def coverage_turns(self) -> bool:
        """Whether on some day another law, or entry, begins or ceases to speak for a place."""
        spans = [entry.regime.span for entry in self.entries if entry.binds]
        spans += [entry.span for entry in self.policies.no_regime]
        return any(span.turning_days() for span in spans)

    def next_covered(self, place: str, day: date) -> tuple[date, ...]:
        """Return the next day on which who speaks for a place may change (nothing if it never does)."""
        known = self._next_covered.get((place, day))
        if known is None:
            spans = [entry.regime.span for entry in self.laws_at(place) if entry.regime.existence is not Truth.FALSE]
            spans += [entry.span for entry in self.no_regime(place)]
            known = next_of(sorted({turn for span in spans for turn in span.turning_days()}), day)
            if len(self._next_covered) >= _REMEMBERED:
                self._next_covered.clear()
            self._next_covered[place, day] = known
        return known

    @cached_property
    def counts(self) -> bool:
        """Whether some regime reads a count of people."""
        return bool(self.policies.measures) and any(map(self.reads_counts, self.entries))

    def reads_counts(self, entry: Entry) -> bool:
        """Say whether a regime reads a count of people."""
        return not entry.compiled.keys.isdisjoint(self.policies.measures)

    @cached_property
    def within(self) -> Mapping[str, Node]:
        """Measure key to the formula that says whose data count."""
        return {key: formula_of(m.within, helps=False) for key, m in self.policies.measures.items()}


class _Guards:
    """Finds the regimes that single facts do not already exclude.

    A regime whose ``governs`` is a conjunction is excluded as soon as one test of a fact in it is false (its dates
    exclude nothing: they are asked when it is to be asked again). Per fact, a value's answer is one integer with
    a bit for every regime that it leaves in.
    """

    def __init__(self, entries: Sequence[Entry], vocabulary: Vocabulary) -> None:
        self._entries = entries
        self._vocabulary = vocabulary
        self._all = (1 << len(entries)) - 1
        self._tests: dict[str, list[tuple[Leaf, int]]] = {}
        for number, entry in enumerate(entries):
            members = entry.governs.members if isinstance(entry.governs, Every) else (entry.governs,)
            for leaf in members:
                if isinstance(leaf, Leaf) and not isinstance(leaf.atom, InForce):
                    self._tests.setdefault(key_of(leaf.atom), []).append((leaf, 1 << number))
        self._left: dict[str, dict[Value | None, int]] = {key: {} for key in self._tests}
        self._chosen: dict[int, tuple[Entry, ...]] = {}

    def passing(self, get: Callable[[str], Value | None]) -> tuple[Entry, ...]:
        bits = self._all
        for key, left in self._left.items():
            value = get(key)
            known = left.get(value)
            bits &= self._leave(key, value) if known is None else known
        chosen = self._chosen.get(bits)
        if chosen is None:
            chosen = tuple(entry for number, entry in enumerate(self._entries) if bits >> number & 1)
            if len(self._chosen) >= _REMEMBERED:
                self._chosen.clear()
            self._chosen[bits] = chosen
        return chosen

    def _leave(self, key: str, value: Value | None) -> int:
        left = self._all
        for leaf, bit in self._tests[key]:
            answer = judge(leaf.atom, value, self._vocabulary)
            if (negate(answer) if leaf.negated else answer) is Truth.FALSE:
                left &= ~bit
        known = self._left[key]
        if len(known) >= _REMEMBERED:
            known.clear()
        known[value] = left
        return left


engine_for: _Kept[PolicySet, Engine] = _Kept(Engine, _POLICY_SETS_KEPT)
"""Return the engine of a policy set."""
