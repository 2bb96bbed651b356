"""Formulas written as plain boolean Python, one expression per threshold.

A formula's four values are three questions: at least unknown (*may*), at least human, true (*must*). Minimum
and maximum keep thresholds, so each question is one expression of ``and`` and ``or`` over bits; a permit asks
only *must*. Per fact, the answers of all its leaves at a threshold are one integer, worked out once for each
value seen (`_Answers`).

The source contains only integers and names made here; whatever comes from a pack (keys, terms, needs) is handed
in as objects, never as text.

Example (what is written for "purpose is care, and the destination lies inside or a contract is on file")::

    def f(get, fits, said):
        v0 = m0[get(k0)]
        v1 = m1[get(k1)]
        return v0 & 1 and (v1 & 1 or (fits(n0) >= 3))
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Protocol, TypeAlias, assert_never

from governance.core.cell import judge, key_of
from governance.core.conditions import ConsentTest, EvidenceNeed, FactTest, Operator
from governance.core.facts import Taxonomy, Value, Vocabulary
from governance.core.formula import (
    Argued,
    Atom,
    Every,
    Fixed,
    Found,
    LastResort,
    Leaf,
    Node,
    Paper,
    Said,
    Some,
)
from governance.core.truth import Truth, negate

__all__ = ["Bits", "Question", "write", "write_bits"]

Get: TypeAlias = Callable[[str], Value | None]
Fits: TypeAlias = Callable[[EvidenceNeed], Truth]
Consented: TypeAlias = Callable[[ConsentTest], Truth]


class Question(Protocol):
    """A written formula at one threshold."""

    def __call__(self, get: Get, fits: Fits, said: Consented, /) -> object:
        """Answer; only the truthiness means something."""


class Bits(Protocol):
    """Several written formulas, the answer to the n-th in bit n."""

    def __call__(self, get: Get, fits: Fits, said: Consented, /) -> int:
        """Answer all of them."""


_REMEMBERED = 4096
"""Values of one fact whose answers are kept; dates of birth and shares would otherwise pile up for ever."""

_YES, _NO = "1", "0"


class _Terms:
    """Leaves that compare a fact with terms of one taxonomy, answered together for a single term.

    Each is a bit: set in ``at`` under its terms, and in ``above`` under every term broader than one of them.
    """

    __slots__ = ("above", "at", "every", "negated", "taxonomy")

    def __init__(self, taxonomy: Taxonomy | None, leaves: Sequence[tuple[int, frozenset[str], bool]]) -> None:
        self.taxonomy = taxonomy
        self.at: dict[str, int] = {}
        self.above: dict[str, int] = {}
        self.negated = sum(1 << bit for bit, _, negated in leaves if negated)
        self.every = sum(1 << bit for bit, _, _ in leaves)
        for bit, terms, _ in leaves:
            for term in terms:
                self.at[term] = self.at.get(term, 0) | 1 << bit
                for broader in taxonomy.ancestors_of(term) if taxonomy else ():
                    self.above[broader] = self.above.get(broader, 0) | 1 << bit

    def reaching(self, value: str, level: Truth) -> int:
        """Return the leaves whose answer (negated where they are) reaches a threshold."""
        true = self.at.get(value, 0)
        for broader in self.taxonomy.ancestors_of(value) if self.taxonomy else ():
            true |= self.at.get(broader, 0)
        unknown = self.above.get(value, 0) & ~true
        if level is Truth.UNKNOWN:
            return (true | unknown) & ~self.negated | ~true & self.negated
        return true & ~self.negated | self.every & ~true & ~unknown & self.negated


class _Answers(dict[Value | None, int]):
    """A fact's value to the answers of its leaves at one threshold, bit by bit; filled as values are seen."""

    __slots__ = ("_others", "_terms", "leaves", "level", "vocabulary")

    def __init__(self, leaves: Sequence[tuple[Atom, bool]], level: Truth, vocabulary: Vocabulary) -> None:
        super().__init__()
        self.leaves = leaves
        self.level = level
        self.vocabulary = vocabulary
        self._terms: list[_Terms] | None = None
        self._others: list[tuple[int, Atom, bool]] = []

    def _sort(self) -> list[_Terms]:
        """Set the comparisons with terms apart from the other leaves."""
        by_taxonomy: dict[str, list[tuple[int, frozenset[str], bool]]] = {}
        for bit, (atom, negated) in enumerate(self.leaves):
            if isinstance(atom, FactTest) and atom.operator in (Operator.IN, Operator.ONLY):
                by_taxonomy.setdefault(atom.taxonomy or "", []).append((bit, atom.terms, negated))
            else:
                self._others.append((bit, atom, negated))
        taxonomies = self.vocabulary.taxonomies
        self._terms = [_Terms(taxonomies.get(name), leaves) for name, leaves in by_taxonomy.items()]
        return self._terms

    def __missing__(self, value: Value | None) -> int:
        answers = 0
        if isinstance(value, str):
            for terms in self._sort() if self._terms is None else self._terms:
                answers |= terms.reaching(value, self.level)
            leaves = self._others
        else:
            leaves = [(bit, atom, negated) for bit, (atom, negated) in enumerate(self.leaves)]
        for bit, atom, negated in leaves:
            given = judge(atom, value, self.vocabulary)
            if (negate(given) if negated else given) >= self.level:
                answers |= 1 << bit
        if len(self) >= _REMEMBERED:
            self.clear()
        self[value] = answers
        return answers


class _Writer:
    """Collects what an expression names while it is written."""

    def __init__(self) -> None:
        self.leaves: dict[tuple[str, Truth], dict[tuple[Atom, bool], int]] = {}
        self.slots: dict[tuple[str, Truth], int] = {}
        self.needs: dict[EvidenceNeed, int] = {}
        self.tests: dict[ConsentTest, int] = {}

    def expression(self, node: Node, level: Truth) -> str:  # noqa: PLR0911 - one return a kind of node
        """Return an expression that is truthy exactly where the formula's value is at least `level`."""
        match node:
            case Fixed():
                return _YES if node.truth >= level else _NO
            case Leaf():
                return self._leaf(node, level)
            case Paper():
                name = f"fits(n{self.needs.setdefault(node.need, len(self.needs))})"
                return f"({_signed(name, level) if node.negated else f'{name} >= {int(level)}'})"
            case Said():
                name = f"said(c{self.tests.setdefault(node.test, len(self.tests))})"
                return f"({_signed(name, level) if node.negated else f'{name} >= {int(level)}'})"
            case Every():
                return _and([self.expression(m, level) for m in node.members])
            case Some():
                return _or([self.expression(m, level) for m in node.members])
            case Argued():
                return self._argued(node, level)
            case Found():
                return self._found(node, level)
            case LastResort():
                ordinary, last = self.expression(node.ordinary, level), self.expression(node.last, level)
                closed = _not(self.expression(node.free, Truth.UNKNOWN))
                return _or([ordinary, _and([closed, last])])
            case _:
                assert_never(node)

    def _leaf(self, node: Leaf, level: Truth) -> str:
        slot = (key_of(node.atom), level)
        bits = self.leaves.setdefault(slot, {})
        bit = bits.setdefault((node.atom, node.negated), len(bits))
        return f"v{self.slots.setdefault(slot, len(self.slots))} & {1 << bit}"

    def _argued(self, node: Argued, level: Truth) -> str:
        if level is Truth.UNKNOWN:
            return _YES
        inner = self.expression(node.member, level)
        if level is Truth.TRUE:
            return inner
        return _or([inner, _not(self.expression(node.member, Truth.UNKNOWN))])

    def _found(self, node: Found, level: Truth) -> str:
        inner = self.expression(node.member, level)
        if level is not Truth.TRUE:
            return inner
        finding = f"fits(n{self.needs.setdefault(node.finding, len(self.needs))}) == 3"
        return _or([inner, _and([finding, self.expression(node.member, Truth.HUMAN)])])

    def function(self, result: str, vocabulary: Vocabulary) -> Callable[..., int]:
        """Compile a function that loads the facts an expression reads and returns it."""
        names: dict[str, object] = {}
        lines = ["def f(get, fits, said):"]
        for (key, level), slot in self.slots.items():
            names[f"k{slot}"] = key
            names[f"m{slot}"] = _Answers(tuple(self.leaves[key, level]), level, vocabulary)
            lines.append(f" v{slot} = m{slot}[get(k{slot})]")
        names.update({f"n{number}": need for need, number in self.needs.items()})
        names.update({f"c{number}": test for test, number in self.tests.items()})
        lines.append(f" return {result}")
        exec(compile("\n".join(lines), "<regime>", "exec"), names)  # noqa: S102 - integers and names made here
        function = names["f"]
        assert callable(function)
        return function


def _and(parts: list[str]) -> str:
    kept = [p for p in dict.fromkeys(parts) if p != _YES]
    if _NO in kept:
        return _NO
    return _YES if not kept else kept[0] if len(kept) == 1 else f"({' and '.join(kept)})"


def _or(parts: list[str]) -> str:
    kept = [p for p in dict.fromkeys(parts) if p != _NO]
    if _YES in kept:
        return _YES
    return _NO if not kept else kept[0] if len(kept) == 1 else f"({' or '.join(kept)})"


def _not(part: str) -> str:
    return {_YES: _NO, _NO: _YES}.get(part, f"(not {part})")


def _signed(name: str, level: Truth) -> str:
    """Write that the negation of a truth reaches a threshold; negation swaps false and true only."""
    return {
        Truth.UNKNOWN: f"{name} < 3",
        Truth.HUMAN: f"{name} in (0, 2)",
        Truth.TRUE: f"{name} < 1",
    }[level]


def write(node: Node, level: Truth, vocabulary: Vocabulary) -> Question:
    """Write the question whether a formula's value is at least `level`."""
    writer = _Writer()
    return writer.function(writer.expression(node, level), vocabulary)


def write_bits(nodes: Sequence[tuple[Node, Truth]], vocabulary: Vocabulary) -> Bits:
    """Write many such questions as one function; bit n of its answer is the n-th."""
    writer = _Writer()
    parts = [
        f"({1 << bit} if {expression} else 0)"
        for bit, expression in enumerate(writer.expression(node, level) for node, level in nodes)
        if expression != _NO
    ]
    return writer.function(" | ".join(parts) or "0", vocabulary)
