"""Read the small clauses of rules: terms, needs, consent, duties.

Guarantees: every word is looked up in the vocabulary, and what is not there is a fault with a "did you mean";
periods become days or ISO 8601 durations on the side that is safe.

- ``needs``: an evidence type, or {type: {outcome, max_age, min_age, <property>: value}}, or a list of them (all
  are needed). Without ``outcome`` every outcome that the type declares opens.
- ``consent``: {to, form, told, by}, words of the vocabulary; every ``to`` and ``told``, any ``form`` and ``by``.
- ``duties``: a duty type, or {type: {parameter: value or values}}, or a list of them.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date

from governance.core.conditions import ConsentTest, EvidenceNeed
from governance.core.facts import DutyType, EvidenceType, FactDefinition, Vocabulary
from governance.core.rules import DutyOwed
from governance.policy.read import Mapping, Node, Scalar, Sequence
from governance.policy.shape import Faults, Fields, did_you_mean, duration
from governance.policy.vocabulary import CONSENT_WORDS, age

__all__ = ["check_term", "check_word", "plain_text", "read_consent", "read_duties", "read_needs"]

_TIMES = ("shorter", "longer", "sooner", "later")


def check_term(node: Scalar, definition: FactDefinition, vocabulary: Vocabulary, faults: Faults) -> str:
    """Check one term of a fact.

    Args:
        node: the term as written.
        definition: the fact it is a value of.
        vocabulary: where its taxonomy lies.
        faults: collects what is wrong.

    Returns:
        The term.
    """
    name = definition.taxonomy or definition.id
    if not isinstance(node.value, str):
        hint = "put it in quotes if it is one"
        faults.error(node, f"`{node.text}` is no word, and `{definition.id}` takes words", hint)
        return node.text
    if definition.values:
        if node.text not in definition.values:
            hint = did_you_mean(node.text, definition.values) or f"one of: {', '.join(sorted(definition.values))}"
            faults.error(node, f"unknown value `{node.text}` of fact `{definition.id}`", hint)
    elif definition.taxonomy:
        check_word(node, name, vocabulary, faults)
    return node.text


def check_word(node: Scalar, taxonomy: str, vocabulary: Vocabulary, faults: Faults) -> None:
    """Check that a taxonomy knows a term; one without terms is kept elsewhere and knows all."""
    terms = vocabulary.taxonomies.get(taxonomy)
    if terms is None or (not terms.ancestors and taxonomy != "place") or terms.knows(node.text):
        return
    hint = did_you_mean(node.text, terms.ancestors)
    faults.error(node, f"unknown {taxonomy} `{node.text}`", hint or f"add it to taxonomy `{taxonomy}` if it is right")


def plain_text(node: Scalar) -> str:
    """Write a value as evidence properties and duty parameters hold it: days ISO 8601, true and false yes and no."""
    if isinstance(node.value, bool):
        return "yes" if node.value else "no"
    if isinstance(node.value, date):
        return node.value.isoformat()
    return node.text


def _clauses(node: Node, what: str, faults: Faults) -> Iterator[tuple[Scalar, Mapping | None]]:
    """Take apart ``word``, ``{word: {...}}`` and lists of them."""
    for item in node.items if isinstance(node, Sequence) else (node,):
        if isinstance(item, Scalar) and item.value is not None:
            yield item, None
        elif isinstance(item, Mapping):
            for key, value in item.entries:
                if isinstance(value, Mapping):
                    yield key, value
                elif isinstance(value, Scalar) and value.value is None:
                    yield key, None
                else:
                    hint = "write `{type: {key: value}}`"
                    faults.error(value, f"what {what} `{key.text}` asks must be a mapping", hint)
        else:
            faults.error(item, f"a {what} must be a type, or a mapping of a type to what it asks")
    if isinstance(node, Sequence) and not node.items:
        faults.error(node, f"an empty list of {what}s", "leave it out")


def read_needs(node: Node, vocabulary: Vocabulary, faults: Faults) -> tuple[EvidenceNeed, ...]:
    """Read the documents that must be on file, all of them."""
    found: list[EvidenceNeed] = []
    for key, asked in _clauses(node, "need", faults):
        kind = vocabulary.evidence.get(key.text)
        if kind is None:
            faults.error(key, f"unknown evidence `{key.text}`", did_you_mean(key.text, vocabulary.evidence))
        else:
            found.append(_need(kind, asked, faults))
    return tuple(sorted(found, key=repr_of_need))


def repr_of_need(need: EvidenceNeed) -> str:
    """Return a text that orders needs the same way however they are listed."""
    ages = (need.max_age_days, need.min_age_days)
    properties = [(name, sorted(values)) for name, values in need.properties]
    return f"{need.type} {sorted(need.outcomes)} {properties} {ages}"


def _need(kind: EvidenceType, asked: Mapping | None, faults: Faults) -> EvidenceNeed:
    if asked is None:
        return EvidenceNeed(type=kind.id, outcomes=kind.outcomes)
    known = ("outcome", "max_age", "min_age", *sorted(kind.properties))
    fields = Fields(asked, faults, known=known, what=f"need of `{kind.id}`")
    outcomes = fields.words("outcome")
    for outcome in outcomes:
        if outcome.text not in kind.outcomes:
            hint = did_you_mean(outcome.text, kind.outcomes) or f"one of: {', '.join(sorted(kind.outcomes))}"
            faults.error(outcome, f"unknown outcome `{outcome.text}` of evidence `{kind.id}`", hint)
    properties = [(name, fields.words(name)) for name in sorted(kind.properties) if asked.get(name) is not None]
    return EvidenceNeed(
        type=kind.id,
        outcomes=frozenset(outcome.text for outcome in outcomes) or kind.outcomes,
        properties=tuple((name, frozenset(map(plain_text, values))) for name, values in properties),
        max_age_days=age(fields, "max_age", longest=False),
        min_age_days=age(fields, "min_age", longest=True),
    )


def read_consent(node: Node, vocabulary: Vocabulary, faults: Faults) -> ConsentTest:
    """Read what a patient must have consented to."""
    if not isinstance(node, Mapping):
        faults.error(node, "`consent` must be a mapping", "write `{to: transfer, form: explicit}`")
        return ConsentTest()
    fields = Fields(node, faults, known=CONSENT_WORDS, what="consent condition")
    words = {key: fields.words(key) for key in CONSENT_WORDS}
    if not any(words.values()):
        faults.error(node, "`consent` asks for nothing", "say what it must be to, such as `{to: transfer}`")
    for key, values in words.items():
        known = vocabulary.consent.get(key, frozenset())
        for value in values:
            if value.text not in known:
                hint = did_you_mean(value.text, known) or f"one of: {', '.join(sorted(known))}"
                faults.error(value, f"unknown word `{value.text}` in `{key}` of a consent", hint)
    sets = {key: frozenset(value.text for value in values) for key, values in words.items()}
    return ConsentTest(to=sets["to"], form=sets["form"], told=sets["told"], by=sets["by"])


def read_duties(node: Node, vocabulary: Vocabulary, faults: Faults, *, denied: bool) -> tuple[DutyOwed, ...]:
    """Read the duties that a rule brings; ``denied``: they are owed on a non-permit."""
    found: list[DutyOwed] = []
    for key, given in _clauses(node, "duty", faults):
        kind = vocabulary.duties.get(key.text)
        if kind is None:
            faults.error(key, f"unknown duty `{key.text}`", did_you_mean(key.text, vocabulary.duties))
            continue
        if kind.on == ("permit" if denied else "deny"):
            faults.error(key, f"duty `{kind.id}` is owed on a {kind.on} only",
                         "move it out of `when_denied`" if denied else "move it to `when_denied`")  # fmt: skip
        found.append(DutyOwed(type=kind.id, params=_params(kind, given, vocabulary, faults)))
    return tuple(sorted(found, key=lambda duty: (duty.type, duty.params)))


def _params(
    kind: DutyType, given: Mapping | None, vocabulary: Vocabulary, faults: Faults
) -> tuple[tuple[str, tuple[str, ...]], ...]:
    if given is None:
        return ()
    fields = Fields(given, faults, known=kind.params, what=f"duty `{kind.id}`")
    found: list[tuple[str, tuple[str, ...]]] = []
    for name in sorted(kind.params):
        values = fields.words(name)
        if given.get(name) is None:
            continue
        for value in values:
            _joins(kind, name, value, vocabulary, faults)
        found.append((name, tuple(sorted({duration(value.text) or plain_text(value) for value in values}))))
    return tuple(found)


def _joins(kind: DutyType, name: str, value: Scalar, vocabulary: Vocabulary, faults: Faults) -> None:
    """Check that two values of a parameter can be joined by its rule."""
    rule = kind.join.get(name)
    is_number = isinstance(value.value, int | float) and not isinstance(value.value, bool)
    if rule in _TIMES and duration(value.text) is None and not isinstance(value.value, date):
        hint = "write it as `14 days` or `3 years`"
        faults.error(value, f"`{name}` of duty `{kind.id}` must be a period or a day", hint)
    elif rule == "larger" and not is_number:
        faults.error(value, f"`{name}` of duty `{kind.id}` must be a number")
    elif rule == "stronger" and value.text not in (order := vocabulary.strength.get(name, ())):
        hint = did_you_mean(value.text, order) or f"`strength` of `{name}` orders: {', '.join(order) or 'nothing'}"
        faults.error(value, f"unknown strength `{value.text}` of `{name}`", hint)

