"""Reasons: which rules decided, with the facts they read.

A permit names the rules it rests on; a deny the rules that are violated or the pathway that is missing; a refer
what is unknown or wants a person. What the engine itself has to say carries the regime ``safe-conduct``.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from datetime import date

from governance.core.cell import Cell, key_of
from governance.core.docket import Place, Verdict
from governance.core.engine import Entry
from governance.core.facts import Interval, Value, Vocabulary
from governance.core.formula import InForce, Leaf, Node, in_force, leaves_of, value
from governance.core.reads import Reads, of_subject
from governance.core.reliance import Reliance
from governance.core.rules import Gate, Rule
from governance.core.ruling import Reason
from governance.core.truth import Truth, negate

__all__ = ["ENGINE", "Narrator", "engine_reason", "fact_text", "merge", "missing_facts", "order"]

ENGINE = "safe-conduct"
"""Regime of the engine's own statements."""

_GATE_ORDER = {gate: number for number, gate in enumerate(Gate)}
_MIDDLE = (Truth.UNKNOWN, Truth.HUMAN)


def engine_reason(
    name: str, says: str, outcome: Truth, *, profile: str, subject_dependent: bool = False,
    facts: tuple[tuple[str, str], ...] = (),
) -> Reason:  # fmt: skip
    """Make a statement of the engine."""
    return Reason(
        regime=ENGINE, gate=None, rule=f"{ENGINE}/{name}", cite="", says=says, outcome=outcome, facts=facts,
        profile=profile, subject_dependent=subject_dependent,
    )  # fmt: skip


def fact_text(given: Value | None) -> str:
    """Write a fact's value as text; a missing one reads ``unknown``."""
    if isinstance(given, str):
        return given
    if given is None:
        return "unknown"
    if isinstance(given, bool):
        return "yes" if given else "no"
    if isinstance(given, date):
        return given.isoformat()
    if isinstance(given, Interval):
        return _number(given.low) if given.low == given.high else f"{_number(given.low)} to {_number(given.high)}"
    return ", ".join(sorted(given)) or "none"


def _number(number: float) -> str:
    return f"{number:.12g}"


class Narrator:
    """Writes the reasons of one request.

    Args:
        vocabulary: says which facts are the subject's.
        personal: keys that some subject class of the request carries itself.
    """

    def __init__(self, vocabulary: Vocabulary, personal: frozenset[str]) -> None:
        self._vocabulary = vocabulary
        self._personal = personal

    def relied_on(self, entry: Entry, reliance: Reliance, cell: Cell, profile: str) -> Iterator[Reason]:
        """Yield the rules that a permit rests on in a regime, and the alternatives that are true as well."""
        for rule in reliance.rules:
            yield self._reason(entry, rule, Truth.TRUE, cell, profile, relied_on=True)
        for rule in reliance.also:
            yield self._reason(entry, rule, Truth.TRUE, cell, profile, relied_on=False)

    def against(self, entry: Entry, cell: Cell, profile: str, verdict: Verdict, *, kept: bool) -> Iterator[Reason]:
        """Yield the rules of a regime that keep a cell from being permitted."""
        worth = entry.compiled.value(cell, kept=kept)
        if worth is Truth.TRUE or (verdict is Verdict.DENY) is not (worth is Truth.FALSE):
            return
        if worth is Truth.FALSE:
            blocking = self._violated(entry, cell, kept=kept)
        else:
            if value(entry.governs, cell) in _MIDDLE:
                yield self._engine_reads(entry, cell, profile, "may-govern", entry.governs)
            blocking = self._open(entry, cell, kept=kept)
        for rule, outcome in blocking:
            yield self._reason(entry, rule, outcome, cell, profile, relied_on=False)
        leaves = entry.compiled.formulas.leaves
        if (
            worth is not Truth.FALSE
            and value(leaves, cell) is Truth.UNKNOWN
            and entry.compiled.pathway(cell, kept=kept) is not Truth.TRUE
        ):
            yield self._engine_reads(entry, cell, profile, "may-leave", leaves)

    def _violated(self, entry: Entry, cell: Cell, *, kept: bool) -> Iterator[tuple[Rule, Truth]]:
        """Yield true prohibitions, failed requirements and, if no pathway is open, what each lacks."""
        formulas = entry.compiled.formulas
        for rule, node in formulas.prohibitions:
            if value(node, cell) is Truth.FALSE:
                yield rule, Truth.TRUE
        if entry.compiled.pathway(cell, kept=kept) is not Truth.FALSE:
            return
        general = [r for r, n in formulas.requirements if not r.rests_on and value(n, cell) is Truth.FALSE]
        yield from ((rule, Truth.FALSE) for rule in general)
        candidates = [(r, n) for r, n in formulas.grounds if not kept or r.despite_refusal is not None]
        alive = {r.id for r, n in (*candidates, *formulas.mechanisms) if value(n, cell) is not Truth.FALSE}
        yield from (
            (rule, Truth.FALSE) for rule, node in formulas.requirements
            if not alive.isdisjoint(rule.rests_on) and value(node, cell) is Truth.FALSE
        )  # fmt: skip
        if general:
            return
        leaves = value(formulas.leaves, cell) is not Truth.FALSE
        for rule, _ in (*candidates, *(formulas.mechanisms if leaves else ())):
            if rule.id not in alive and _exists(rule, cell):
                yield rule, Truth.FALSE

    def _open(self, entry: Entry, cell: Cell, *, kept: bool) -> Iterator[tuple[Rule, Truth]]:
        """Yield rules that are unknown or want a person."""
        formulas = entry.compiled.formulas
        clears = [(rule, negate(value(node, cell))) for rule, node in formulas.prohibitions]
        reviews = [
            (rule, negate(value(clear, cell)))
            for (rule, cap), (_, clear) in zip(formulas.reviews, formulas.reviewed, strict=True)
            if value(cap, cell) is not Truth.TRUE
        ]
        exits = [(rule, value(node, cell)) for rule, node in formulas.outside]
        yield from ((rule, outcome) for rule, outcome in (*exits, *clears) if outcome in _MIDDLE)
        yield from reviews
        if entry.compiled.pathway(cell, kept=kept) is Truth.TRUE:
            return
        for rule, node in (*formulas.grounds, *formulas.mechanisms, *formulas.requirements):
            outcome = value(node, cell)
            if outcome in _MIDDLE and not (kept and rule.gate is Gate.GROUND and rule.despite_refusal is None):
                yield rule, outcome

    def _engine_reads(self, entry: Entry, cell: Cell, profile: str, name: str, node: Node) -> Reason:
        says = {
            "may-govern": f"It is not known whether {entry.regime.id} governs.",
            "may-leave": f"It is not known whether the data leave the territory of {entry.regime.id}.",
        }[name]
        reads = Reads(node, None, self._vocabulary)
        return engine_reason(
            f"{name}/{entry.regime.id}", says, Truth.UNKNOWN, profile=profile, facts=self._facts(reads, cell),
            subject_dependent=self._depends(reads),
        )  # fmt: skip

    def _reason(self, entry: Entry, rule: Rule, outcome: Truth, cell: Cell, profile: str, *, relied_on: bool) -> Reason:
        reads = entry.reads(rule)
        return Reason(
            regime=reads.regime,
            gate=rule.gate,
            rule=rule.id,
            cite=rule.cite,
            says=rule.says,
            outcome=outcome,
            facts=self._facts(reads, cell),
            profile=profile,
            subject_dependent=self._depends(reads) or self._governs_by_patient(entry, cell),
            relied_on=relied_on,
        )

    def _depends(self, reads: Reads) -> bool:
        return reads.personal or not self._personal.isdisjoint(reads.keys)

    def _governs_by_patient(self, entry: Entry, cell: Cell) -> bool:
        """Say whether it takes the patient's facts to know that the regime governs here."""
        if not self._depends(entry.governing):
            return False
        others = {
            key: given for key, given in cell.facts.items()
            if key not in self._personal and not of_subject(key, self._vocabulary)
        }  # fmt: skip
        return value(entry.governs, Cell(others, cell.answer, cell.evidence, self._vocabulary)) is not Truth.TRUE

    @staticmethod
    def _facts(reads: Reads, cell: Cell) -> tuple[tuple[str, str], ...]:
        get = cell.get
        facts = [(key, fact_text(get(key))) for key in reads.keys]
        if reads.needs:
            facts += [(f"evidence {n.type}", "on file" if cell.fits(n) else "not on file") for n in reads.needs]
        if reads.consent:
            facts.append(("consent", cell.answer.state.value))
        if reads.needs or reads.consent:
            facts = sorted(dict.fromkeys(facts))
        return tuple(facts)


def _exists(rule: Rule, cell: Cell) -> bool:
    return value(in_force(rule.existence, rule.span), cell) is not Truth.FALSE


def missing_facts(entry: Entry, cell: Cell, *, kept: bool) -> set[str]:
    """Name the facts that left a regime's answer open (docs/semantics.md section 8)."""
    if entry.compiled.value(cell, kept=kept) not in _MIDDLE:
        return set()
    formulas = entry.compiled.formulas
    nodes = [entry.governs, formulas.leaves]
    for ruled in (formulas.outside, formulas.prohibitions, formulas.grounds, formulas.mechanisms,
                  formulas.requirements, formulas.reviews):  # fmt: skip
        nodes.extend(node for rule, node in ruled if _exists(rule, cell))
    return {
        key_of(leaf.atom)
        for node in nodes if value(node, cell) is Truth.UNKNOWN
        for leaf in leaves_of(node)
        if isinstance(leaf, Leaf) and not isinstance(leaf.atom, InForce) and cell.atom(leaf.atom) is Truth.UNKNOWN
    }  # fmt: skip


def merge(raw: Iterable[tuple[Place, Reason]], parts: Sequence[str], places: Iterable[Place]) -> tuple[Reason, ...]:
    """Join the reasons of many cells: one for each rule, leg and part, then one for all legs or parts if equal.

    Args:
        raw: reasons with the cell they come from.
        parts: ids of the parts.
        places: every cell that decided.
    """
    texts: dict[tuple[Reason, int, int], dict[str, set[str]]] = {}
    for (_, part, leg), reason in raw:
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
