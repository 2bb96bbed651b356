"""Reasons: which rules decided, with the facts they read.

A permit names the rules it rests on; a deny the rules that are violated or the pathway that is missing; a refer
what is unknown or wants a person. What the engine itself has to say carries the regime ``safe-conduct``.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from functools import partial
from operator import itemgetter
from typing import TypeAlias

from governance.core.cell import Cell, key_of
from governance.core.docket import Place, Verdict
from governance.core.engine import Entry
from governance.core.facts import Vocabulary
from governance.core.formula import DAY, InForce, Node, Paper, undecided, value
from governance.core.reads import Reads, Step, Told, of_subject
from governance.core.reliance import Reliance
from governance.core.rules import Gate
from governance.core.ruling import Reason, reason_of
from governance.core.truth import Truth

__all__ = [
    "ENGINE", "Narrator", "Ordered", "engine_reason", "merge", "missing_facts", "of_one_cell", "order", "ordered",
]  # fmt: skip

ENGINE = "safe-conduct"
"""Regime of the engine's own statements."""

Ordered: TypeAlias = tuple[tuple[str, int, str], Reason]
"""A reason with where it stands among those of one cell: regime, gate, rule."""

_ON_FILE = {
    Truth.TRUE: "on file", Truth.UNKNOWN: "on file, but it is not known whether it fits", Truth.FALSE: "not on file",
}  # fmt: skip
_REMEMBERED, _WAYS_REMEMBERED = 64, 16
_place_of = itemgetter(0)
_GATE_ORDER = {gate: number for number, gate in enumerate(Gate)}


def engine_reason(
    name: str, says: str, outcome: Truth, *, profile: str, subject_dependent: bool = False,
    facts: tuple[tuple[str, str], ...] = (),
) -> Reason:  # fmt: skip
    """Make a statement of the engine."""
    return Reason(
        regime=ENGINE, gate=None, rule=f"{ENGINE}/{name}", cite="", says=says, outcome=outcome, facts=facts,
        profile=profile, subject_dependent=subject_dependent,
    )  # fmt: skip


class Narrator:
    """Writes the reasons of one request.

    Args:
        vocabulary: says which facts are the subject's.
        personal: keys that some subject class of the request carries itself.
    """

    def __init__(self, vocabulary: Vocabulary, personal: frozenset[str]) -> None:
        self._vocabulary = vocabulary
        self._personal = personal

    def relied_on(self, entry: Entry, reliance: Reliance, cell: Cell, profile: str) -> list[Ordered]:
        """Return the rules that a permit rests on in a regime, and the alternatives that are true as well."""
        found = self._reasons(entry, reliance.told, cell, profile, relied_on=True)
        if reliance.also:
            found += self._reasons(entry, reliance.told_also, cell, profile, relied_on=False)
        return found

    def against(self, entry: Entry, cell: Cell, profile: str, verdict: Verdict, *, kept: bool) -> list[Ordered]:
        """Return the rules of a regime that keep a cell from being permitted."""
        worth = entry.compiled.value(cell, kept=kept)
        if worth is Truth.TRUE or (verdict is Verdict.DENY) is not (worth is Truth.FALSE):
            return []
        against = entry.against(cell, denied=worth is Truth.FALSE, kept=kept)
        found = self._reasons(entry, against.told, cell, profile, relied_on=False)
        if entry.cannot and entry.whole.compiled.value(cell, kept=kept) > worth:
            found += [
                ordered(engine_reason(f"cannot/{kind}", f"The caller cannot fulfil the duty {kind}.", Truth.FALSE,
                                      profile=profile))
                for kind in sorted(entry.cannot)
            ]  # fmt: skip
        if against.may_govern:
            says = f"It is not known whether {entry.regime.id} governs."
            found.append(self._asks(entry, cell, profile, "may-govern", entry.governs, says))
        if against.may_leave:
            says = f"It is not known whether the data leave the territory of {entry.regime.id}."
            found.append(self._asks(entry, cell, profile, "may-leave", entry.compiled.formulas.leaves, says))
        return found

    def _asks(self, entry: Entry, cell: Cell, profile: str, name: str, node: Node, says: str) -> Ordered:
        reads = Reads(node, None, self._vocabulary)
        return ordered(engine_reason(
            f"{name}/{entry.regime.id}", says, Truth.UNKNOWN, profile=profile, facts=_facts(reads, cell),
            subject_dependent=reads.depends(self._personal),
        ))  # fmt: skip

    def _reasons(
        self, entry: Entry, rules: Told, cell: Cell, profile: str, *, relied_on: bool
    ) -> list[Ordered]:
        """Make reasons of one regime; a ruling may need dozens, so what is the same for all is looked up once."""
        hidden = self._governs_by_patient(entry, cell)
        key = (self._personal, hidden, profile, relied_on)
        steps = rules.steps.get(key)
        if steps is None:
            if len(rules.steps) >= _WAYS_REMEMBERED:
                rules.steps.clear()
            steps = rules.steps[key] = self._steps(entry, rules, *key)
        quoted = cell.quoted
        found: list[Ordered] = []
        for place, reads, known, make in steps:
            facts = reads.quote(quoted) if reads.plain else _facts(reads, cell)
            reason = known.get(facts)
            if reason is None:
                if len(known) >= _REMEMBERED:
                    known.clear()
                reason = known[facts] = make(facts)
            found.append((place, reason))
        return found

    @staticmethod
    def _steps(
        entry: Entry, rules: Told, personal: frozenset[str], hidden: bool, profile: str, relied_on: bool  # noqa: FBT001
    ) -> list[Step]:
        """Prepare what reasons for the same rules need again and again, in the order in which they stand."""
        steps: list[Step] = []
        for rule, outcome in rules:
            reads = entry.reads(rule)
            depends = hidden or reads.depends(personal)
            known = reads.reasons.setdefault((outcome, profile, depends, relied_on), {})
            make = partial(
                reason_of, rule, reads.regime, outcome, profile=profile, subject_dependent=depends, relied_on=relied_on
            )
            steps.append((reads.order, reads, known, make))
        return sorted(steps, key=_place_of)

    def _governs_by_patient(self, entry: Entry, cell: Cell) -> bool:
        """Say whether it takes the patient's facts to know that the regime governs here."""
        if not entry.governing.depends(self._personal):
            return False
        if entry.governing.plain:
            read = {key: cell.facts[key] for key in (DAY, *entry.governing.keys) if key in cell.facts}
        else:
            read = cell.facts
        others = {
            key: given for key, given in read.items()
            if key not in self._personal and not of_subject(key, self._vocabulary)
        }  # fmt: skip
        return value(entry.governs, Cell(others, cell.answer, cell.evidence, self._vocabulary)) is not Truth.TRUE


def _facts(reads: Reads, cell: Cell) -> tuple[tuple[str, str], ...]:
    """Quote what a rule read."""
    quoted = cell.quoted
    facts = [quoted[key] for key in reads.keys]
    if reads.needs:
        facts += [(f"evidence {n.type}", _ON_FILE[cell.fits(n)]) for n in reads.needs]
    if reads.consent:
        facts.append(("consent", cell.answer.state.value))
    return tuple(sorted(set(facts)) if reads.needs or reads.consent else facts)


def missing_facts(entry: Entry, cell: Cell, *, kept: bool) -> set[str]:
    """Name the facts that left a regime's answer open (docs/semantics.md section 8)."""
    if entry.compiled.value(cell, kept=kept) not in (Truth.UNKNOWN, Truth.HUMAN):
        return set()
    missing: set[str] = set()
    for node in entry.against(cell, denied=False, kept=kept).open:
        for leaf in undecided(node, cell)[1]:
            if isinstance(leaf, Paper):
                missing |= cell.unmatched(leaf.need)
            elif not isinstance(leaf.atom, InForce):
                missing.add(key_of(leaf.atom))
    return missing


def merge(raw: Iterable[tuple[Place, Ordered]], parts: Sequence[str], places: Iterable[Place]) -> tuple[Reason, ...]:
    """Join the reasons of many cells: one for each rule, leg and part, then one for all legs or parts if equal.

    Args:
        raw: reasons with the cell they come from.
        parts: ids of the parts.
        places: every cell that decided.
    """
    texts: dict[tuple[Reason, int, int], dict[str, set[str]]] = {}
    for (_, part, leg), (_order, reason) in raw:
        known = texts.setdefault((replace(reason, facts=()), part, leg), {})
        for key, text in reason.facts:
            known.setdefault(key, set()).add(text)
    joined: dict[Reason, set[tuple[int, int]]] = {}
    for (reason, part, leg), known in texts.items():
        facts = tuple((key, _several(known[key])) for key in sorted(known))
        joined.setdefault(replace(reason, facts=facts), set()).add((part, leg))
    everywhere = {(part, leg) for _, part, leg in places}
    reasons: list[Reason] = []
    for reason, where in joined.items():
        if where == everywhere:
            reasons.append(reason)
        else:
            reasons.extend(replace(reason, part=parts[part], leg=leg) for part, leg in where)
    return tuple(sorted(reasons, key=order))


def _several(texts: set[str]) -> str:
    return " or ".join(sorted(texts)) if len(texts) <= 3 else "several values"


def order(reason: Reason) -> tuple[str, int, str, int, str, str, int]:
    """Return where a reason stands among others."""
    gate = -1 if reason.gate is None else _GATE_ORDER[reason.gate]
    leg = -1 if reason.leg is None else reason.leg
    return (reason.regime, gate, reason.rule, leg, reason.part or "", reason.profile, int(reason.outcome))


def ordered(reason: Reason) -> Ordered:
    """Return a reason with where it stands among those of one cell."""
    return (reason.regime, -1 if reason.gate is None else _GATE_ORDER[reason.gate], reason.rule), reason


def of_one_cell(found: list[Ordered]) -> tuple[Reason, ...]:
    """Sort the reasons of one cell; an exception that several regimes rest on is named once."""
    found.sort(key=_place_of)
    reasons = tuple(reason for _, reason in found)
    if len({place for place, _ in found}) == len(found):
        return reasons
    return tuple(dict.fromkeys(reasons))
