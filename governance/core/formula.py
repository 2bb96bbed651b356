"""Formulas: what rules and regimes become before they are evaluated.

A formula is a tree of minima and maxima over leaves, with every negation pushed to the leaves. It is read in
two ways that give the same answer: `value` walks it (exact, used for reasons and rare questions), and
`governance.core.writer` turns it into plain boolean Python, one expression per threshold, for the many
decisions in which nobody asks why. Semantics: docs/semantics.md, sections 2 and 3.

Example:
    >>> all_of((Fixed(Truth.TRUE), Fixed(Truth.UNKNOWN)))
    Fixed(truth=<Truth.UNKNOWN: 1>)
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Protocol, TypeAlias, assert_never

from governance.core.conditions import (
    AllOf,
    AnyOf,
    Condition,
    ConsentTest,
    Constant,
    EvidenceNeed,
    EvidenceTest,
    FactTest,
    Not,
    Operator,
    Row,
    TableTest,
    Timespan,
)
from governance.core.truth import Truth, negate

__all__ = [
    "DAY", "Argued", "Atom", "Every", "Fixed", "Found", "InForce", "LastResort", "Leaf", "Node", "Outside", "Paper",
    "Said", "Situation", "Some", "all_of", "any_of", "formula_of", "in_force", "leaves_of", "may_be_human",
    "needs_of", "opposite", "undecided", "value",
]  # fmt: skip

DAY = "@day"
"""Key under which a cell holds the UTC day of the decision; no fact of a vocabulary starts with ``@``."""


@dataclass(frozen=True, slots=True)
class Outside:
    """The places of a fact lie outside a territory: inside false, beside true, broader or missing unknown."""

    fact: str
    territory: frozenset[str]


@dataclass(frozen=True, slots=True)
class InForce:
    """A span covers the day."""

    span: Timespan


Atom: TypeAlias = FactTest | Outside | InForce


@dataclass(frozen=True, slots=True)
class Fixed:
    """Always the same truth."""

    truth: Truth


@dataclass(frozen=True, slots=True)
class Leaf:
    """A question to one fact (or to the day)."""

    atom: Atom
    negated: bool = False


@dataclass(frozen=True, slots=True)
class Paper:
    """A fitting piece of evidence is on file."""

    need: EvidenceNeed
    negated: bool = False


@dataclass(frozen=True, slots=True)
class Said:
    """The patient's consent covers something."""

    test: ConsentTest
    negated: bool = False


@dataclass(frozen=True, slots=True)
class Every:
    """The minimum."""

    members: tuple[Node, ...]


@dataclass(frozen=True, slots=True)
class Some:
    """The maximum."""

    members: tuple[Node, ...]


@dataclass(frozen=True, slots=True)
class Argued:
    """Human where the member is false, else the member."""

    member: Node


@dataclass(frozen=True, slots=True)
class Found:
    """True where the member is human and a fitting finding is on file, else the member."""

    member: Node
    finding: EvidenceNeed


@dataclass(frozen=True, slots=True)
class LastResort:
    """The ordinary pathways, or, only where all of them are false, the last resorts.

    ``free`` is the ordinary pathways as if every duty could be fulfilled: refusing a duty opens no last resort.
    """

    ordinary: Node
    last: Node
    free: Node


Node: TypeAlias = Fixed | Leaf | Paper | Said | Every | Some | Argued | Found | LastResort

_TRUE = Fixed(Truth.TRUE)
_FALSE = Fixed(Truth.FALSE)


class Situation(Protocol):
    """What a formula is evaluated against: one cell."""

    def atom(self, atom: Atom) -> Truth:
        """Answer one question to one fact."""

    def fits(self, need: EvidenceNeed) -> Truth:
        """Say whether fitting evidence is on file."""

    def said(self, test: ConsentTest) -> Truth:
        """Say whether the patient's consent covers something."""


def all_of(members: Iterable[Node]) -> Node:
    """Join by minimum, flat, without what cannot change it."""
    kept: dict[Node, None] = {}
    for member in members:
        if member == _FALSE:
            return _FALSE
        if isinstance(member, Every):
            kept.update(dict.fromkeys(member.members))
        elif member != _TRUE:
            kept[member] = None
    if not kept:
        return _TRUE
    return next(iter(kept)) if len(kept) == 1 else Every(tuple(kept))


def any_of(members: Iterable[Node]) -> Node:
    """Join by maximum, flat, without what cannot change it."""
    kept: dict[Node, None] = {}
    for member in members:
        if member == _TRUE:
            return _TRUE
        if isinstance(member, Some):
            kept.update(dict.fromkeys(member.members))
        elif member != _FALSE:
            kept[member] = None
    if not kept:
        return _FALSE
    return next(iter(kept)) if len(kept) == 1 else Some(tuple(kept))


def opposite(node: Node) -> Node:  # noqa: PLR0911 - one return a kind of node
    """Negate by pushing the negation to the leaves.

    A finding speaks only for what it was made for: the negation of a found rule ignores it.
    """
    match node:
        case Fixed():
            return Fixed(negate(node.truth))
        case Leaf():
            return Leaf(node.atom, not node.negated)
        case Paper():
            return Paper(node.need, not node.negated)
        case Said():
            return Said(node.test, not node.negated)
        case Every():
            return any_of(map(opposite, node.members))
        case Some():
            return all_of(map(opposite, node.members))
        case Found():
            return opposite(node.member)
        case Argued() | LastResort():
            raise TypeError("an argued rule or a pathway is never negated")
        case _:
            assert_never(node)


def in_force(existence: Truth, span: Timespan) -> Node:
    """Return the formula for existing and being in force on the day."""
    if existence is Truth.FALSE:
        return _FALSE
    return all_of([Fixed(existence), _TRUE if span == Timespan() else Leaf(InForce(span))])


def formula_of(condition: Condition, *, helps: bool, assume_confident: bool = False) -> Node:  # noqa: PLR0911
    """Turn a condition into a formula.

    Args:
        condition: what is asked.
        helps: being true can only move the answer towards permit here; rows of a table that are not known
            well enough then count at most human.
        assume_confident: treat every row as known well enough (to tell `unverified-law` from a judgement).
    """
    match condition:
        case Constant():
            return Fixed(condition.value)
        case FactTest():
            return Leaf(condition)
        case EvidenceTest():
            return Paper(condition.need)
        case ConsentTest():
            return Said(condition)
        case AllOf():
            return all_of(formula_of(c, helps=helps, assume_confident=assume_confident) for c in condition.members)
        case AnyOf():
            return any_of(formula_of(c, helps=helps, assume_confident=assume_confident) for c in condition.members)
        case Not():
            return opposite(formula_of(condition.member, helps=not helps, assume_confident=assume_confident))
        case TableTest():
            return _table(condition, helps=helps, assume_confident=assume_confident)
        case _:
            assert_never(condition)


def _table(table: TableTest, *, helps: bool, assume_confident: bool) -> Node:
    plain: set[str] = set()
    rows: list[Node] = []
    for row in table.rows:
        rest = _row(row, helps=helps, assume_confident=assume_confident)
        if rest == _TRUE:
            plain |= row.terms
        else:
            rows.append(all_of((Leaf(_relation(table, row.terms)), rest)))
    if plain:
        rows.append(Leaf(_relation(table, frozenset(plain))))
    return any_of(rows)


def _row(row: Row, *, helps: bool, assume_confident: bool) -> Node:
    capped = helps and not row.confident and not assume_confident
    return all_of((
        in_force(row.existence, row.span),
        formula_of(row.when, helps=helps, assume_confident=assume_confident),
        opposite(formula_of(row.unless, helps=not helps, assume_confident=assume_confident)),
        Fixed(Truth.HUMAN if capped else Truth.TRUE),
    ))  # fmt: skip


def _relation(table: TableTest, terms: frozenset[str]) -> FactTest:
    return FactTest(
        fact=table.fact, operator=Operator.IN, taxonomy=table.taxonomy, terms=terms, absent_no=table.absent_no
    )


def value(node: Node, situation: Situation) -> Truth:  # noqa: PLR0911 - one return a kind of node
    """Evaluate exactly, member by member.

    Args:
        node: the formula.
        situation: the cell.
    """
    match node:
        case Fixed():
            return node.truth
        case Leaf():
            return _signed(situation.atom(node.atom), negated=node.negated)
        case Paper():
            return _signed(situation.fits(node.need), negated=node.negated)
        case Said():
            return _signed(situation.said(node.test), negated=node.negated)
        case Every():
            return min(value(m, situation) for m in node.members)
        case Some():
            return max(value(m, situation) for m in node.members)
        case Argued():
            return value(node.member, situation) or Truth.HUMAN
        case Found():
            found = value(node.member, situation)
            closed = found is Truth.HUMAN and situation.fits(node.finding) is Truth.TRUE
            return Truth.TRUE if closed else found
        case LastResort():
            return value(node.ordinary if value(node.free, situation) else node.last, situation)
        case _:
            assert_never(node)


def undecided(node: Node, situation: Situation) -> tuple[Truth, list[Leaf | Paper]]:
    """Evaluate, and name the unknown questions to facts and evidence that leave the value open.

    Named is a leaf only if everything that it stands in is unknown or human itself: what a known fact settles
    already, an unknown one beside it cannot change.
    """
    found: list[Leaf | Paper] = []
    match node:
        case Leaf() | Paper():
            answer = value(node, situation)
            found = [node]
        case Every() | Some():
            members = [undecided(m, situation) for m in node.members]
            answer = (min if isinstance(node, Every) else max)(truth for truth, _ in members)
            found = [leaf for _, leaves in members for leaf in leaves]
        case Argued() | Found():
            answer, found = value(node, situation), undecided(node.member, situation)[1]
        case _:
            answer = value(node, situation)
    return answer, found if answer in (Truth.UNKNOWN, Truth.HUMAN) else []


def _signed(answer: Truth, *, negated: bool) -> Truth:
    return negate(answer) if negated else answer


def _inside(node: Node) -> tuple[Node, ...]:
    match node:
        case Every() | Some():
            return node.members
        case Argued() | Found():
            return (node.member,)
        case LastResort():
            return (node.ordinary, node.last, node.free)
        case _:
            return ()


def leaves_of(node: Node) -> Iterator[Leaf | Paper | Said]:
    """Yield every leaf, evidence and consent question of a formula."""
    if isinstance(node, Leaf | Paper | Said):
        yield node
    for member in _inside(node):
        yield from leaves_of(member)


def needs_of(node: Node) -> Iterator[EvidenceNeed]:
    """Yield every kind of evidence that a formula asks for, findings included."""
    if isinstance(node, Paper):
        yield node.need
    if isinstance(node, Found):
        yield node.finding
    for member in _inside(node):
        yield from needs_of(member)


def may_be_human(node: Node) -> bool:
    """Say whether a formula can come out human at all; a finding for one that cannot is idle."""
    match node:
        case Fixed():
            return node.truth is Truth.HUMAN
        case Said() | Argued():
            return True
        case _:
            return any(map(may_be_human, _inside(node)))


