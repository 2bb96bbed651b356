"""What a rule reads: the facts, evidence and consent that its reason quotes."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from operator import itemgetter
from typing import TypeAlias

from governance.core.cell import key_of
from governance.core.facts import Holder, Vocabulary
from governance.core.formula import Leaf, Node, Paper, Said, leaves_of
from governance.core.rules import Gate, Rule
from governance.core.ruling import Reason
from governance.core.truth import Truth

__all__ = ["Reads", "Step", "Told", "of_subject"]

_GATE_ORDER = {gate: number for number, gate in enumerate(Gate)}
_REMEMBERED = 64


class Reads:
    """What a formula reads.

    Attributes:
        regime: pack of the rule.
        keys: facts, sorted.
        needs: evidence.
        consent: the patient's consent is read.
        personal: a fact of the subject, or consent, is read.
        plain: only facts are read, and `quote` takes them from a cell's quotations.
        reasons: reasons already made for the rule, by all that they say but facts, then by these: the same ones
            recur, and are immutable.
        order: where a reason for the rule stands among others.
    """

    __slots__ = ("_depends", "consent", "keys", "needs", "order", "personal", "plain", "quote", "reasons", "regime")

    def __init__(self, node: Node, rule: Rule | None, vocabulary: Vocabulary) -> None:
        leaves = list(leaves_of(node))
        tested = {key_of(leaf.atom) for leaf in leaves if isinstance(leaf, Leaf)}
        self.regime = rule.id.partition("/")[0] if rule else ""
        self.order = (self.regime, _GATE_ORDER[rule.gate] if rule else -1, rule.id if rule else "")
        self.keys = tuple(sorted(key for key in tested if not key.startswith("@")))
        self.needs = tuple({leaf.need: None for leaf in leaves if isinstance(leaf, Paper)})
        self.consent = any(isinstance(leaf, Said) for leaf in leaves)
        self.personal = (
            self.consent
            or (rule is not None and rule.subject_dependent)
            or any(of_subject(key, vocabulary) for key in self.keys)
        )
        self.plain = not self.needs and not self.consent
        self.quote: Callable[[Mapping[str, tuple[str, str]]], tuple[tuple[str, str], ...]] = _quoting(self.keys)
        self.reasons: dict[tuple[object, ...], dict[tuple[tuple[str, str], ...], Reason]] = {}
        self._depends: dict[frozenset[str], bool] = {}

    def depends(self, personal: frozenset[str]) -> bool:
        """Say whether the subject is read, given the keys that subject classes carry themselves."""
        known = self._depends.get(personal)
        if known is None:
            if len(self._depends) >= _REMEMBERED:
                self._depends.clear()
            known = self._depends[personal] = self.personal or not personal.isdisjoint(self.keys)
        return known


Step: TypeAlias = tuple[
    tuple[str, int, str], Reads, dict[tuple[tuple[str, str], ...], Reason],
    Callable[[tuple[tuple[str, str], ...]], Reason],
]  # fmt: skip
"""How one reason is made: where it stands, what it reads, those made before, and how to make another."""


class Told:
    """Rules with their truths as one regime's reasons name them, and what was prepared for writing them."""

    __slots__ = ("_rules", "steps")

    def __init__(self, rules: Iterable[tuple[Rule, Truth]]) -> None:
        self._rules = tuple(rules)
        self.steps: dict[tuple[frozenset[str], bool, str, bool], list[Step]] = {}

    def __iter__(self) -> Iterator[tuple[Rule, Truth]]:
        return iter(self._rules)


def _quoting(keys: tuple[str, ...]) -> Callable[[Mapping[str, tuple[str, str]]], tuple[tuple[str, str], ...]]:
    """Return what picks the quotations of some facts (`itemgetter` makes a tuple of two and more)."""
    if len(keys) > 1:
        return itemgetter(*keys)
    return lambda quoted: tuple(quoted[key] for key in keys)


def of_subject(key: str, vocabulary: Vocabulary) -> bool:
    """Say whether a fact is the subject's."""
    definition = vocabulary.facts.get(key.partition("[")[0])
    return key.startswith("subject.") or (definition is not None and definition.of is Holder.SUBJECT)
