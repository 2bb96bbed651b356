"""The grammar of conditions, and its compilation into the core's tree.

Guarantees: every name is known, every value has its fact's type, definitions and tables never lead back to
themselves, and a compiled condition is bounded in size. Where a test stands decides how it is compiled: in a
place where being true *helps* the request, a table row that is known less well than the operator asks is
marked, and counts at most as a person's judgement (docs/semantics.md section 3).

A condition is a mapping; all its lines must hold. A line is one of

==============================  ==================================================================
``fact: value``                 the value, or (for a set) one of its values, is at or below it
``fact: [a, b]``                any of them
``fact: {in: table}``           in a row of a table of this pack, or ``{in: pack/table}``, ``{in: [a, b]}``
``fact: {only: [a, b]}``        every value of the set is one of them
``fact: {none: [a, b]}``        not in them
``fact: {above: n}``            also ``at_least``, ``below``, ``at_most``; several lines: all hold
``fact: {before: day}``         also ``from``
``fact: true``                  of a yes-no fact, or ``false``
``count: {measure: m, above: n}``            people counted by a measure of this pack, or ``pack/m``
``recipient.owned_by: {group: t, cascade_at: 50, at_least: 50}``    share held by a table's places
``all: [..]``  ``any: [..]``  ``not: {..}``  conditions of conditions
``is: name``                    a definition of this pack (or ``pack/name``); a list: any of them
``evidence: need``              documents on file; a list: all of them
``consent: {..}``               what the patient consented to
==============================  ==================================================================
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import date
from typing import TypeVar

from governance.core.conditions import (
    NEVER,
    AllOf,
    AnyOf,
    Condition,
    EvidenceTest,
    FactTest,
    Not,
    Operator,
    Row,
    TableTest,
)
from governance.core.facts import FactDefinition, FactType, Vocabulary
from governance.core.rules import Confidence, OwnershipQuestion
from governance.core.truth import Truth
from governance.policy.clauses import check_term, read_consent, read_needs
from governance.policy.read import Mapping as MappingNode
from governance.policy.read import Node, Scalar, Sequence
from governance.policy.schema import PackDocument, RowDocument
from governance.policy.shape import Faults, did_you_mean, scalars
from governance.policy.vocabulary import SPECIAL_KEYS

__all__ = ["GOVERNS", "HELPING", "HINDERING", "TRIAL", "ConditionCompiler", "Stand"]

_NUMBERS = {"above": Operator.ABOVE, "at_least": Operator.AT_LEAST, "below": Operator.BELOW,
            "at_most": Operator.AT_MOST}  # fmt: skip
_DAYS = {"before": Operator.BEFORE, "from": Operator.FROM}
_SETS = ("in", "only", "none")
_ALLOWED: dict[FactType, tuple[str, ...]] = {
    FactType.NUMBER: tuple(_NUMBERS),
    FactType.DATE: tuple(_DAYS),
    FactType.YES_NO: (),
}
_PARAMS = {"measure": "measure", "group-of-places": "group", "cascade-at": "cascade_at"}
_LARGEST = 5_000
"""Tests in one condition after its definitions are written out."""
_DEEPEST = 20
"""Definitions and tables that name one another."""
_Named = TypeVar("_Named")


@dataclass(frozen=True, slots=True, kw_only=True)
class Stand:
    """Where a condition stands.

    Attributes:
        helps: being true can only move the answer towards permit.
        guarded: being false because a fact is missing would widen what is permitted, so facts that count as
            not proven when absent may not stand here.
        name: how messages call the place.
        trial: compiled only to find unknown names, in a place where nothing can be said about the rest.
    """

    helps: bool
    guarded: bool
    name: str
    trial: bool = False

    def under(self, key: str) -> Stand:
        """Return where the inside of ``not``, ``none`` or ``unless`` stands."""
        return replace(self, helps=not self.helps, guarded=True, name=f"`{key}`")


HELPING = Stand(helps=True, guarded=False, name="`when`")
HINDERING = Stand(helps=False, guarded=True, name="`when`")
TRIAL = Stand(helps=True, guarded=False, name="`when`", trial=True)
GOVERNS = Stand(helps=False, guarded=True, name="`governs`")


class ConditionCompiler:
    """Compiles conditions of packs that may name one another's tables and definitions."""

    def __init__(
        self, vocabulary: Vocabulary, packs: Mapping[str, PackDocument], level: Confidence, faults: Faults
    ) -> None:
        self.vocabulary = vocabulary
        self.faults = faults
        self.ownership: dict[str, OwnershipQuestion] = {}
        self._packs = packs
        self._level = level
        self._memo: dict[tuple[str, ...], tuple[Condition, int]] = {}
        self._path: list[str] = []
        self._size = 0

    def compile(self, node: Node, pack: PackDocument, stand: Stand) -> Condition:
        """Compile a condition.

        Args:
            node: the condition as written.
            pack: whose definitions, tables and measures it may name without a prefix.
            stand: where it stands.

        Returns:
            The core's condition; never-true where it is faulty, which is recorded.
        """
        self._size = 0
        found = self._condition(node, pack, stand)
        if self._size > _LARGEST:
            hint = f"at most {_LARGEST} once definitions are written out"
            self.faults.error(node, f"condition is too large: {self._size} tests", hint)
            return NEVER
        return found

    def _condition(self, node: Node, pack: PackDocument, stand: Stand) -> Condition:
        if not isinstance(node, MappingNode):
            hint = "write `fact: value` lines; for alternatives `any: [{...}, {...}]`"
            self.faults.error(node, "a condition must be a mapping", hint)
            return NEVER
        if not node.entries:
            self.faults.error(node, "condition is empty", "leave it out if it always holds")
            return NEVER
        return _all([self._line(key, value, pack, stand) for key, value in node.entries])

    def _line(self, key: Scalar, value: Node, pack: PackDocument, stand: Stand) -> Condition:
        self._size += 1
        found: Condition
        match key.text:
            case "all":
                found = _all([self._condition(item, pack, stand) for item in self._list(key, value)])
            case "any":
                found = _any([self._condition(item, pack, stand) for item in self._list(key, value)])
            case "not":
                found = Not(member=self._condition(value, pack, stand.under("not")))
            case "is":
                found = _any([self._definition(name, pack, stand) for name in self._names(key, value)])
            case "evidence":
                needs = read_needs(value, self.vocabulary, self.faults)
                found = _all([EvidenceTest(need=need) for need in needs])
            case "consent":
                found = read_consent(value, self.vocabulary, self.faults)
            case _:
                found = self._fact(key, value, pack, stand)
        return found

    def _list(self, key: Scalar, value: Node) -> tuple[Node, ...]:
        if isinstance(value, Sequence) and value.items:
            return value.items
        self.faults.error(value, f"`{key.text}` must be a list of conditions", "begin each with `- `")
        return ()

    def _names(self, key: Scalar, value: Node) -> tuple[Scalar, ...]:
        found = scalars(value)
        if not found:
            self.faults.error(value, f"`{key.text}` must be a name or a list of names")
        return found or ()

    def _fact(self, key: Scalar, value: Node, pack: PackDocument, stand: Stand) -> Condition:
        definition = self.vocabulary.facts.get(key.text)
        if definition is None:
            hint = did_you_mean(key.text, (*self.vocabulary.facts, *SPECIAL_KEYS))
            self.faults.error(key, f"unknown fact `{key.text}`", hint)
            return NEVER
        if definition.absent_no and stand.guarded and not stand.trial:
            self._unproven(key, definition, stand)
        fact = definition.id
        if definition.params:
            fact, value = self._parameters(definition, key, value, pack)
        tests = self._tests(fact, definition, value, pack, stand)
        if definition.id == "count" and not stand.trial:
            self._count_grows(tests, value, stand)
        return _all(tests)

    def _unproven(self, key: Scalar, definition: FactDefinition, stand: Stand) -> None:
        message = f"fact `{definition.id}` counts as not proven when absent and cannot stand under {stand.name} here"
        self.faults.error(key, message, "write an `exceptions` rule, or test another fact")

    def _count_grows(self, tests: list[Condition], value: Node, stand: Stand) -> None:
        """Refuse a count that would help by growing: counts are lower before the request than with it."""
        for test in tests:
            grows = isinstance(test, FactTest) and test.operator in (Operator.ABOVE, Operator.AT_LEAST)
            if isinstance(test, FactTest) and grows == stand.helps:
                self.faults.error(value, "a greater count would help the request here",
                                  "test counts with `above` in prohibitions, requirements and reviews")  # fmt: skip

    def _parameters(
        self, definition: FactDefinition, key: Scalar, value: Node, pack: PackDocument
    ) -> tuple[str, Node]:
        """Fold a fact's parameters into its key; return what is left to test."""
        names = [_PARAMS[param] for param in definition.params if param in _PARAMS]
        if not isinstance(value, MappingNode):
            self.faults.error(value, f"fact `{key.text}` needs {' and '.join(f'`{name}`' for name in names)}",
                              f"write `{key.text}: {{{names[0]}: ..., at_least: ...}}`")  # fmt: skip
            return definition.id, value
        entries = tuple(entry for entry in value.entries if entry[0].text not in names)
        rest = MappingNode(entries=entries, where=value.where)
        if "measure" in names:
            found = self._resolve(value.get("measure"), pack, "measure", lambda other: other.measures, value)
            return f"{definition.id}[{found[0] if found else '?'}]", rest
        return self._ownership(definition, value, pack), rest

    def _ownership(self, definition: FactDefinition, value: MappingNode, pack: PackDocument) -> str:
        found = self._resolve(value.get("group"), pack, "table", lambda other: other.tables, value)
        if found is None:
            return f"{definition.id}[?]"
        name, _, rows = found
        for row in rows:
            if row.own_span or row.when or row.unless or row.standing.existence is not Truth.TRUE:
                hint = "a table that is a group of owners' places holds places only"
                self.faults.error(row.node, "a row of a group may have no dates, status or condition", hint)
        cascade = value.get("cascade_at")
        percent = cascade.value if isinstance(cascade, Scalar) else None
        if cascade is not None and (isinstance(percent, bool) or not isinstance(percent, int | float)):
            self.faults.error(cascade, "`cascade_at` must be a number", "a percentage, such as 50")
            percent = None
        at = float(percent) if isinstance(percent, int | float) else None
        key = f"{definition.id}[{name}" + (f",{at:g}]" if at is not None else "]")
        places = frozenset(term.text for row in rows for term in row.terms)
        self.ownership[key] = OwnershipQuestion(key=key, places=places, cascade_at=at)
        return key

    def _resolve(
        self,
        name: Node | None,
        pack: PackDocument,
        what: str,
        section: Callable[[PackDocument], Mapping[str, _Named]],
        place: Node,
    ) -> tuple[str, PackDocument, _Named] | None:
        """Find what ``name`` or ``pack/name`` stands for: its full name, its pack and itself."""
        if not isinstance(name, Scalar):
            self.faults.error(name or place, f"name a {what} here")
            return None
        owner, slash, rest = name.text.rpartition("/")
        other = self._packs.get(owner) if slash else pack
        if other is None:
            self.faults.error(name, f"unknown pack `{owner}`", did_you_mean(owner, self._packs))
            return None
        found = section(other).get(rest)
        if found is None:
            far = (f"{one.id}/{entry}" for one in self._packs.values() for entry in section(one))
            known = [*section(pack), *far]
            self.faults.error(name, f"unknown {what} `{name.text}`", did_you_mean(name.text, known))
            return None
        return f"{other.id}/{rest}", other, found

    def _tests(
        self, fact: str, definition: FactDefinition, value: Node, pack: PackDocument, stand: Stand
    ) -> list[Condition]:
        if not isinstance(value, MappingNode):
            return [self._plain(fact, definition, value)]
        if not value.entries:
            self.faults.error(value, f"fact `{definition.id}` is not tested", "say what it must be")
        return [self._operator(fact, definition, key, operand, pack, stand) for key, operand in value.entries]

    def _plain(self, fact: str, definition: FactDefinition, value: Node) -> Condition:
        """Read ``fact: value`` and ``fact: [values]``."""
        values = scalars(value)
        if not values:
            self.faults.error(value, f"fact `{definition.id}` needs a value or a list of values")
            return NEVER
        match definition.type:
            case FactType.YES_NO:
                flag = value.value if isinstance(value, Scalar) else None
                if isinstance(flag, bool):
                    return FactTest(fact=fact, operator=Operator.IS, flag=flag, absent_no=definition.absent_no)
                self.faults.error(value, f"fact `{definition.id}` is true or false", "write `true` or `false`")
                return NEVER
            case FactType.NUMBER | FactType.DATE:
                known = "above, at_least, below, at_most" if definition.type is FactType.NUMBER else "before, from"
                hint = f"write `{{operator: value}}`: {known}"
                self.faults.error(value, f"fact `{definition.id}` must be compared", hint)
                return NEVER
            case _:
                return self._within(fact, definition, values, Operator.IN)

    def _within(
        self, fact: str, definition: FactDefinition, values: tuple[Scalar, ...], operator: Operator
    ) -> Condition:
        self._size += len(values)
        terms = frozenset(check_term(node, definition, self.vocabulary, self.faults) for node in values)
        return FactTest(fact=fact, operator=operator, taxonomy=definition.taxonomy, terms=terms,
                        absent_no=definition.absent_no)  # fmt: skip

    def _operator(
        self, fact: str, definition: FactDefinition, key: Scalar, operand: Node, pack: PackDocument, stand: Stand
    ) -> Condition:
        self._size += 1
        allowed = _ALLOWED.get(definition.type, _SETS)
        if key.text not in allowed:
            hint = did_you_mean(key.text, allowed) or f"one of: {', '.join(allowed) or 'true, false'}"
            self.faults.error(key, f"`{key.text}` does not fit fact `{definition.id}`", hint)
            return NEVER
        if definition.type is FactType.NUMBER:
            return self._number(fact, definition, _NUMBERS[key.text], operand)
        if definition.type is FactType.DATE:
            return self._day(fact, definition, _DAYS[key.text], operand)
        if key.text == "only":
            return self._only(fact, definition, operand)
        if key.text == "in":
            return self._in(fact, definition, operand, pack, stand)
        inner = stand.under("none")
        if definition.absent_no and not stand.trial:
            self._unproven(key, definition, inner)
        return Not(member=self._in(fact, definition, operand, pack, inner))

    def _only(self, fact: str, definition: FactDefinition, operand: Node) -> Condition:
        values = scalars(operand)
        if not values:
            self.faults.error(operand, "`only` needs a value or a list of values")
            return NEVER
        return self._within(fact, definition, values, Operator.ONLY)

    def _number(self, fact: str, definition: FactDefinition, operator: Operator, operand: Node) -> Condition:
        number = operand.value if isinstance(operand, Scalar) else None
        if isinstance(number, bool) or not isinstance(number, int | float):
            self.faults.error(operand, f"fact `{definition.id}` is compared with a number")
            return NEVER
        return FactTest(fact=fact, operator=operator, number=float(number), absent_no=definition.absent_no)

    def _day(self, fact: str, definition: FactDefinition, operator: Operator, operand: Node) -> Condition:
        day = operand.value if isinstance(operand, Scalar) else None
        if not isinstance(day, date):
            hint = "write year-month-day, such as 2026-11-22"
            self.faults.error(operand, f"fact `{definition.id}` is compared with a day", hint)
            return NEVER
        return FactTest(fact=fact, operator=operator, day=day, absent_no=definition.absent_no)

    def _in(self, fact: str, definition: FactDefinition, operand: Node, pack: PackDocument, stand: Stand) -> Condition:
        """Read the operand of ``in`` and ``none``: a table, a term or a list of terms."""
        values = scalars(operand)
        if not values:
            self.faults.error(operand, "name a table, a value or a list of values here")
            return NEVER
        if isinstance(operand, Scalar) and not self._is_term(operand, definition):
            found = self._resolve(operand, pack, "table", lambda other: other.tables, operand)
            return self._table(fact, definition, found, operand, stand) if found else NEVER
        return self._within(fact, definition, values, Operator.IN)

    def _is_term(self, node: Scalar, definition: FactDefinition) -> bool:
        if definition.values:
            return node.text in definition.values
        taxonomy = self.vocabulary.taxonomies.get(definition.taxonomy or "")
        return definition.taxonomy is None or (taxonomy is not None and taxonomy.knows(node.text))

    def _table(
        self,
        fact: str,
        definition: FactDefinition,
        found: tuple[str, PackDocument, tuple[RowDocument, ...]],
        node: Scalar,
        stand: Stand,
    ) -> Condition:
        name, owner, rows = found
        if definition.taxonomy is None:
            self.faults.error(node, f"fact `{definition.id}` has no taxonomy and cannot be looked up in a table")
            return NEVER

        def build() -> Condition:
            compiled = tuple(sorted((self._row(row, owner, definition, stand) for row in rows), key=lambda row: row.id))
            return TableTest(fact=fact, taxonomy=definition.taxonomy or "", table=name, rows=compiled,
                             absent_no=definition.absent_no)  # fmt: skip

        return self._once(f"table `{name}`", (fact, str(stand)), node, build)

    def _row(self, row: RowDocument, owner: PackDocument, definition: FactDefinition, stand: Stand) -> Row:
        self._size += 1
        terms = frozenset(check_term(term, definition, self.vocabulary, self.faults) for term in row.terms)
        fields: dict[str, Condition] = {}
        if row.when is not None:
            fields["when"] = self._condition(row.when, owner, stand)
        if row.unless is not None:
            fields["unless"] = self._condition(row.unless, owner, stand.under("unless"))
        return Row(
            id=row.id, terms=terms, cite=row.cite, span=row.standing.span, existence=row.standing.existence,
            confident=not stand.helps or row.standing.level() >= self._level, note=row.note, **fields,
        )  # fmt: skip

    def _definition(self, name: Scalar, pack: PackDocument, stand: Stand) -> Condition:
        found = self._resolve(name, pack, "definition", lambda other: other.definitions, name)
        if found is None:
            return NEVER
        title, owner, node = found
        return self._once(f"definition `{title}`", (str(stand),), name, lambda: self._condition(node, owner, stand))

    def _once(
        self, title: str, variant: tuple[str, ...], place: Scalar, build: Callable[[], Condition]
    ) -> Condition:
        """Build a named thing once per variant, and refuse one that leads back to itself."""
        if title in self._path:
            circle = " -> ".join([*self._path[self._path.index(title) :], title])
            self.faults.error(place, f"{title} leads back to itself: {circle}", "write out one of them")
            return NEVER
        if len(self._path) >= _DEEPEST:
            self.faults.error(place, f"definitions and tables name one another more than {_DEEPEST} deep")
            return NEVER
        known = self._memo.get((title, *variant))
        if known is None:
            before = self._size
            self._path.append(title)
            found = build()
            self._path.pop()
            known = self._memo[title, *variant] = (found, self._size - before)
            return found
        self._size += known[1]
        return known[0]


def _all(members: list[Condition]) -> Condition:
    return members[0] if len(members) == 1 else AllOf(members=tuple(members)) if members else NEVER


def _any(members: list[Condition]) -> Condition:
    return members[0] if len(members) == 1 else AnyOf(members=tuple(members)) if members else NEVER
