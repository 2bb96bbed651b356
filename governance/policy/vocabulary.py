"""Read the vocabulary: every fact, term, document, duty and consent word that policies and requests may name.

Guarantees: a vocabulary may be split over any number of files, and neither the files' order nor the order
inside a list changes the result (``strength`` apart, which is an order). Nothing is declared twice.

The files' shape (``policies/vocabulary/*.yaml``):

- ``facts``: list of {id, of, type, taxonomy or values, source, word, absent?, params?, unit?, means}.
- ``taxonomies``: name to a list of terms, or to {broader: [narrower]} nested as deep as wanted, or to the
  word ``open`` (a code system kept elsewhere: terms are compared for equality and not checked).
- ``places``: the same shape, joined into the taxonomy ``place``; subdivisions (ISO 3166-2) need no entry.
- ``consent``: {to, form, told, by}, each a list of words.
- ``consent_purposes``: purpose to v3 PurposeOfUse codes; a purpose without an entry takes its broader one's.
- ``consent_hierarchy``: those codes, broader to narrower, in the shape of a taxonomy.
- ``strength``: parameter to its values, weakest first.
- ``evidence``: list of {id, match, outcome, properties?, max_age?, min_age?, means?}.
- ``duties``: list of {id, by, when, on?, params?, join?, contradicts?, means?}; ``join`` is one word for one
  parameter, ``a, b`` for two in order, or {parameter: word}.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from governance.core.facts import (
    DutyType,
    EvidenceType,
    FactDefinition,
    FactType,
    Holder,
    Taxonomy,
    Vocabulary,
    Word,
)
from governance.policy.read import Mapping as MappingNode
from governance.policy.read import Node, Scalar, Sequence
from governance.policy.shape import Faults, Fields, did_you_mean, period_days, scalars

__all__ = ["CONSENT_WORDS", "SPECIAL_KEYS", "read_vocabulary"]

SPECIAL_KEYS = ("all", "any", "not", "is", "evidence", "consent")
"""Keys of a condition that are no facts."""
CONSENT_WORDS = ("to", "form", "told", "by")
_JOINS = ("shorter", "longer", "sooner", "later", "larger", "stronger", "all", "intersection")
_MATCH = ("exporter", "recipient", "exporter-group", "recipient-group", "dataset", "project", "purpose", "categories",
          "destination", "subjects", "bytes", "request")  # fmt: skip
_PARAMS = ("measure", "group-of-places", "cascade-at")
_SECTIONS = ("version", "facts", "taxonomies", "places", "consent", "consent_purposes", "consent_hierarchy",
             "strength", "evidence", "duties")  # fmt: skip
_FACT_KEYS = ("id", "of", "type", "taxonomy", "values", "source", "word", "absent", "params", "unit", "means", "note")


@dataclass(slots=True)
class _Terms:
    """Terms of one taxonomy with their next broader ones, and where each first stands."""

    above: dict[str, set[str]] = field(default_factory=dict)
    where: dict[str, str] = field(default_factory=dict)

    def add(self, term: Scalar, above: tuple[str, ...]) -> None:
        self.above.setdefault(term.text, set()).update(above)
        self.where.setdefault(term.text, term.where)


@dataclass(slots=True, kw_only=True)
class _Draft:
    """What has been read so far."""

    facts: dict[str, FactDefinition] = field(default_factory=dict)
    taxonomy_of: dict[str, Scalar] = field(default_factory=dict)
    broader: dict[str, _Terms] = field(default_factory=dict)
    evidence: dict[str, EvidenceType] = field(default_factory=dict)
    duties: dict[str, DutyType] = field(default_factory=dict)
    contradicts: list[Scalar] = field(default_factory=list)
    consent: dict[str, set[str]] = field(default_factory=dict)
    purposes: dict[str, tuple[Scalar, frozenset[str]]] = field(default_factory=dict)
    strength: dict[str, tuple[str, ...]] = field(default_factory=dict)
    versions: set[str] = field(default_factory=set)


def read_vocabulary(trees: Iterable[Node], faults: Faults) -> Vocabulary:
    """Join vocabulary files into one vocabulary.

    Args:
        trees: the files, in any order.
        faults: collects what is wrong.

    Returns:
        What could be read; use it only if `faults` has no error.
    """
    draft = _Draft()
    draft.broader["place"] = _Terms()
    for tree in trees:
        if isinstance(tree, MappingNode):
            _file(Fields(tree, faults, known=_SECTIONS, what="vocabulary file"), draft)
        else:
            faults.error(tree, "a vocabulary file must be a mapping", f"sections: {', '.join(_SECTIONS)}")
    taxonomies = {name: Taxonomy(id=name, ancestors=_closure(name, broader, faults))
                  for name, broader in draft.broader.items() if name != "consent_hierarchy"}  # fmt: skip
    for fact, node in draft.taxonomy_of.items():
        if node.text not in taxonomies:
            hint = did_you_mean(node.text, taxonomies)
            faults.error(node, f"unknown taxonomy `{node.text}` of fact `{fact}`", hint or "add it to `taxonomies`")
    for node in draft.contradicts:
        if node.text not in draft.duties:
            faults.error(node, f"unknown duty `{node.text}`", did_you_mean(node.text, draft.duties))
    codes = _closure("consent_hierarchy", draft.broader.get("consent_hierarchy", _Terms()), faults)
    return Vocabulary(
        facts=draft.facts,
        taxonomies=taxonomies,
        evidence=draft.evidence,
        duties=draft.duties,
        consent={word: frozenset(values) for word, values in draft.consent.items()},
        strength=draft.strength,
        version=" ".join(sorted(draft.versions)) or "0",
        consent_purposes=_consent_purposes(draft, taxonomies.get("purpose"), faults),
        purpose_ancestors=codes,
    )


def _file(fields: Fields, draft: _Draft) -> None:
    if version := fields.text("version"):
        draft.versions.add(version)
    for item in fields.items("facts"):
        _fact(item, draft, fields.faults)
    for item in fields.items("evidence"):
        _evidence(item, draft, fields.faults)
    for item in fields.items("duties"):
        _duty(item, draft, fields.faults)
    _words_of(fields, draft)
    _consent_words_of(fields, draft)


def _words_of(fields: Fields, draft: _Draft) -> None:
    """Read taxonomies, places and orders of strength."""
    if taxonomies := fields.mapping("taxonomies"):
        for name, shape in taxonomies.entries:
            if name.text == "condition-of-consent" and isinstance(shape, MappingNode):
                _consent(shape, draft, fields.faults)
            else:
                _taxonomy(name, shape, draft, fields.faults)
    if (places := fields.raw("places")) is not None:
        _terms(places, (), draft.broader["place"], fields.faults)
    if strength := fields.mapping("strength"):
        for name, value in strength.entries:
            draft.strength[name.text] = tuple(word.text for word in scalars(value) or ())


def _consent_words_of(fields: Fields, draft: _Draft) -> None:
    """Read the words of consent conditions and the codes under which consents know a purpose."""
    if consent := fields.mapping("consent"):
        _consent(consent, draft, fields.faults)
    if purposes := fields.mapping("consent_purposes"):
        for name, value in purposes.entries:
            codes = scalars(value)
            if codes is None:
                fields.faults.error(value, f"codes of purpose `{name.text}` must be a word or a list of words")
            draft.purposes[name.text] = (name, frozenset(code.text for code in codes or ()))
    if (hierarchy := fields.raw("consent_hierarchy")) is not None:
        _terms(hierarchy, (), draft.broader.setdefault("consent_hierarchy", _Terms()), fields.faults)


def _opened(
    item: Node, known: tuple[str, ...], what: str, taken: Mapping[str, object], faults: Faults
) -> Fields | None:
    """Open a list item that has an id of its own."""
    if not isinstance(item, MappingNode):
        faults.error(item, f"a {what} must be a mapping")
        return None
    fields = Fields(item, faults, known=known, what=what)
    name = fields.text("id", required=True)
    if name in taken:
        faults.error(item.get("id") or item, f"{what} `{name}` is declared twice")
        return None
    return fields if name else None


def _fact(item: Node, draft: _Draft, faults: Faults) -> None:
    fields = _opened(item, _FACT_KEYS, "fact", draft.facts, faults)
    if fields is None:
        return
    name = fields.text("id")
    if name in SPECIAL_KEYS:
        faults.error(item, f"`{name}` is a key of conditions and cannot be a fact")
    kind = FactType(fields.choice("type", [str(kind) for kind in FactType], "id", required=True))
    taxonomy, values = fields.scalar("taxonomy"), fields.words("values")
    if kind in (FactType.PLACE, FactType.PLACES):
        taxonomy_name: str | None = "place"
    else:
        taxonomy_name = taxonomy.text if taxonomy else None
        if taxonomy:
            draft.taxonomy_of[name] = taxonomy
    if kind in (FactType.TERM, FactType.TERMS) and bool(taxonomy) == bool(values):
        faults.error(item, f"fact `{name}` needs either `taxonomy` or `values`")
    params = tuple(param.text for param in fields.words("params"))
    for param in params:
        if param not in _PARAMS:
            faults.error(item, f"unknown parameter `{param}` of fact `{name}`", f"one of: {', '.join(_PARAMS)}")
    draft.facts[name] = FactDefinition(
        id=name,
        of=Holder(fields.choice("of", [str(holder) for holder in Holder], "request", required=True)),
        type=kind,
        source=fields.choice("source", ("request", "register", "consent", "computed"), "register", required=True),
        word=Word(fields.choice("word", [str(word) for word in Word], "no", required=True)),
        means=fields.text("means", required=True),
        taxonomy=taxonomy_name,
        values=frozenset(value.text for value in values),
        absent_no=fields.choice("absent", ("no", "unknown"), "unknown") == "no",
        params=params,
        unit=fields.text("unit") or None,
    )


def _taxonomy(name: Scalar, shape: Node, draft: _Draft, faults: Faults) -> None:
    if name.text in draft.broader and name.text != "place":
        faults.error(name, f"taxonomy `{name.text}` is declared twice")
    broader = draft.broader.setdefault(name.text, _Terms())
    if isinstance(shape, Scalar) and shape.value == "open":
        return
    _terms(shape, (), broader, faults)
    if not broader.above:
        faults.error(name, f"taxonomy `{name.text}` has no terms", "write `open` if its terms are kept elsewhere")


def _terms(shape: Node, above: tuple[str, ...], broader: _Terms, faults: Faults) -> None:
    """Collect term -> next broader terms."""
    if isinstance(shape, Scalar):
        if shape.value is not None:
            broader.add(shape, above)
            if not isinstance(shape.value, str):
                faults.error(shape, f"term `{shape.text}` must be a word", "put it in quotes")
    elif isinstance(shape, Sequence):
        for item in shape.items:
            _terms(item, above, broader, faults)
    else:
        for term, narrower in shape.entries:
            broader.add(term, above)
            _terms(narrower, (term.text,), broader, faults)


def _closure(name: str, terms: _Terms, faults: Faults) -> dict[str, frozenset[str]]:
    """Return every term with all broader terms; a circle is a fault."""
    done: dict[str, frozenset[str]] = {}
    for start in sorted(terms.above):
        path = [start]
        while path:
            term = path[-1]
            waiting = sorted(above for above in terms.above[term] if above not in done)
            if not waiting:
                done[term] = frozenset(terms.above[term]).union(*(done[above] for above in terms.above[term]))
                path.pop()
            elif waiting[0] in path:
                circle = " below ".join(f"`{step}`" for step in [*path[path.index(waiting[0]) :], waiting[0]])
                faults.error(terms.where[waiting[0]], f"taxonomy `{name}` is a circle: {circle}")
                return dict.fromkeys(terms.above, frozenset())
            else:
                path.append(waiting[0])
    return done


def _consent(shape: MappingNode, draft: _Draft, faults: Faults) -> None:
    fields = Fields(shape, faults, known=CONSENT_WORDS, what="list of consent words")
    for key in CONSENT_WORDS:
        draft.consent.setdefault(key, set()).update(word.text for word in fields.words(key))


def _consent_purposes(draft: _Draft, taxonomy: Taxonomy | None, faults: Faults) -> dict[str, frozenset[str]]:
    """Give every purpose its codes, a narrower one those of the nearest broader one that has any."""
    known = taxonomy.ancestors if taxonomy else {}
    for name, (node, _) in draft.purposes.items():
        if name not in known:
            faults.error(node, f"unknown purpose `{name}`", did_you_mean(name, known))
    found: dict[str, frozenset[str]] = {}
    for term in known:
        if term in draft.purposes:
            found[term] = draft.purposes[term][1]
            continue
        above = [broad for broad in known[term] if broad in draft.purposes]
        nearest = [broad for broad in above if not any(broad in known[other] for other in above)]
        codes = frozenset[str]().union(*(draft.purposes[broad][1] for broad in nearest))
        if codes:
            found[term] = codes
    return found


def _evidence(item: Node, draft: _Draft, faults: Faults) -> None:
    known = ("id", "match", "outcome", "properties", "max_age", "min_age", "means", "note")
    fields = _opened(item, known, "type of evidence", draft.evidence, faults)
    if fields is None:
        return
    name, match = fields.text("id"), fields.words("match", required=True)
    for key in match:
        if key.text not in _MATCH:
            faults.error(key, f"unknown match key `{key.text}`",
                         did_you_mean(key.text, _MATCH) or f"one of: {', '.join(_MATCH)}")  # fmt: skip
    draft.evidence[name] = EvidenceType(
        id=name,
        match=tuple(sorted(key.text for key in match)),
        outcomes=frozenset(word.text for word in fields.words("outcome", required=True)),
        properties=frozenset(word.text for word in fields.words("properties")),
        max_age_days=age(fields, "max_age", longest=False),
        min_age_days=age(fields, "min_age", longest=True),
        means=fields.text("means") or fields.text("note"),
    )


def age(fields: Fields, key: str, *, longest: bool) -> int | None:
    """Read a period as days, rounded to the safe side."""
    node = fields.scalar(key)
    if node is None:
        return None
    days = period_days(node.text, longest=longest)
    if days is None:
        hint = "write it as `30 days`, `12 months` or `10 business days`"
        fields.faults.error(node, f"`{key}` must be a period", hint)
    return days


def _duty(item: Node, draft: _Draft, faults: Faults) -> None:
    known = ("id", "by", "when", "on", "params", "join", "contradicts", "means", "note")
    fields = _opened(item, known, "type of duty", draft.duties, faults)
    if fields is None:
        return
    name, params = fields.text("id"), tuple(word.text for word in fields.words("params"))
    contradicts = fields.words("contradicts")
    draft.contradicts.extend(contradicts)
    draft.duties[name] = DutyType(
        id=name,
        by=fields.choice("by", ("platform", "exporter", "recipient"), "exporter", required=True),
        when=fields.choice("when", ("before", "with", "after"), "after", required=True),
        on=fields.choice("on", ("permit", "deny", "any"), "permit"),
        params=params,
        join=_join(fields, params),
        contradicts=frozenset(word.text for word in contradicts),
        means=fields.text("means") or fields.text("note"),
    )


def _join(fields: Fields, params: tuple[str, ...]) -> dict[str, str]:
    value = fields.raw("join")
    pairs: list[tuple[Node, str, str]] = []
    if isinstance(value, MappingNode):
        for param, rule in value.entries:
            if param.text not in params:
                fields.faults.error(param, f"unknown parameter `{param.text}`", did_you_mean(param.text, params))
            pairs.append((rule, param.text, rule.text if isinstance(rule, Scalar) else ""))
    elif isinstance(value, Scalar):
        rules = [rule.strip() for rule in value.text.split(",")]
        if not params and len(rules) == 1:
            return {}
        if len(rules) != len(params):
            fields.faults.error(value, f"`join` has {len(rules)} rules for {len(params)} parameters",
                                "name the parameter: `join: {within: sooner}`")  # fmt: skip
        pairs.extend((value, param, rule) for param, rule in zip(params, rules, strict=False))
    elif value is not None:
        fields.faults.error(value, "`join` must be a word or a mapping of parameters")
    for place, _, word in pairs:
        if word not in _JOINS:
            fields.faults.error(place, f"unknown joining rule `{word}`", did_you_mean(word, _JOINS))
    return {param: word for _, param, word in pairs}
