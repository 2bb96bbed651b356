"""The shape of a pack (DESIGN.md section 6), read into documents whose conditions are still trees.

Guarantees: a key that is not part of the format is a fault, never ignored; each of the six gates has rules or
stands in ``silent_on`` with a reason, never both and never neither; rules inherit status, confidence and
dates from their pack, and are never in force outside the pack's own span. Names that point elsewhere are
resolved by `governance.policy.compile`; the grammar of conditions is told in `governance.policy.conditions`.

A pack is a mapping of

- ``pack``, ``title``, ``law``, ``source``, ``territory`` (a place or a list), ``force`` (law, house, guidance),
  ``in_force``, ``status``, ``confidence``, ``as_of``, ``review_by``, ``sign_off: {by, on}``, ``note``;
- ``governs`` (a condition), ``definitions`` (name to condition), ``measures``, ``tables`` (name to rows
  {place|places|term|terms, cite, id?, from?, until?, when?, unless?, status?, confidence?, note?});
- the gates ``outside_scope``, ``prohibitions``, ``grounds``, ``mechanisms``, ``requirements``, ``reviews``, and
  ``silent_on`` (gate to reason);
- ``exceptions`` (each with ``exception_to``: rules of this pack, or ``sets_aside``: full ids of others'),
  ``duties`` and ``when_denied``.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from datetime import date

from governance.core.conditions import Timespan
from governance.core.rules import Confidence, Force, Gate
from governance.core.truth import Truth
from governance.policy.read import Mapping, Node, Scalar
from governance.policy.shape import Faults, Fields, duration, timespan

__all__ = [
    "ASKED", "GUIDANCE", "MEASURE_KEYS", "PACK_KEYS",
    "ROW_KEYS", "RULE_KEYS", "STATUSES", "ArguableDocument", "MeasureDocument",
    "PackDocument", "RowDocument", "RuleDocument", "read_pack",
]  # fmt: skip

ASKED = (Gate.OUTSIDE_SCOPE, Gate.PROHIBITION, Gate.GROUND, Gate.MECHANISM, Gate.REQUIREMENT, Gate.REVIEW)
"""Gates that a pack asks or declares itself silent on."""
GUIDANCE = (Gate.REVIEW, Gate.DUTY)
"""The only sections of a pack with ``force: guidance``."""
PACK_KEYS = ("pack", "title", "law", "source", "territory", "force", "in_force", "status", "confidence", "as_of",
             "review_by", "sign_off", "note", "governs", "definitions", "tables", "measures", "silent_on",
             *(str(gate) for gate in Gate))  # fmt: skip
_COMMON = ("id", "cite", "says", "when", "unless", "needs", "consent", "duties", "in_force", "status", "confidence",
           "as_of", "review_by", "note")  # fmt: skip
RULE_KEYS: dict[Gate, tuple[str, ...]] = {
    Gate.OUTSIDE_SCOPE: _COMMON,
    Gate.PROHIBITION: (*_COMMON, "arguable"),
    Gate.GROUND: (*_COMMON, "arguable", "despite_refusal"),
    Gate.MECHANISM: (*_COMMON, "arguable", "rests_on", "last_resort"),
    Gate.REQUIREMENT: (*_COMMON, "arguable", "rests_on", "must"),
    Gate.REVIEW: _COMMON,
    Gate.EXCEPTION: (*_COMMON, "exception_to", "sets_aside"),
    Gate.DUTY: _COMMON,
    Gate.WHEN_DENIED: _COMMON,
}
ROW_KEYS = ("id", "place", "places", "term", "terms", "cite", "from", "until", "when", "unless", "status",
            "confidence", "note")  # fmt: skip
MEASURE_KEYS = ("count", "in", "per", "window", "complete_by", "cite", "note")
STATUSES = {
    "in-force": Truth.TRUE,
    "enacted": Truth.TRUE,
    "proposed": Truth.FALSE,
    "suspended": Truth.FALSE,
    "repealed": Truth.FALSE,
    "unknown": Truth.HUMAN,
}
_CONFIDENCE = {
    "verified": Confidence.VERIFIED,
    "knowledge": Confidence.KNOWLEDGE,
    "unverified": Confidence.UNVERIFIED,
}
_NAME = re.compile(r"[a-z0-9]+(?:-[a-z0-9]+)*\Z")


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """How a piece of law stands: inherited from the pack, narrowed by the rule or row."""

    span: Timespan = Timespan()
    existence: Truth = Truth.TRUE
    confidence: Confidence = Confidence.UNVERIFIED
    signed_off: bool = False

    def level(self) -> Confidence:
        """Return the confidence after sign-off, which raises only what is verified."""
        if self.signed_off and self.confidence is Confidence.VERIFIED:
            return Confidence.SIGNED_OFF
        return self.confidence


@dataclass(frozen=True, slots=True, kw_only=True)
class ArguableDocument:
    """A rule whose last word is a person's."""

    who: str
    point: Node | None = None
    within: str | None = None
    break_glass: bool = False
    says: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class RuleDocument:
    """One rule; ``id`` is ``pack/section/name``."""

    id: str
    name: str
    gate: Gate
    node: Mapping
    cite: str
    says: str
    standing: Standing
    when: Node | None = None
    unless: Node | None = None
    must: Node | None = None
    needs: Node | None = None
    consent: Node | None = None
    duties: Node | None = None
    rests_on: tuple[Scalar, ...] = ()
    exception_to: tuple[Scalar, ...] = ()
    sets_aside: tuple[Scalar, ...] = ()
    last_resort: bool = False
    arguable: ArguableDocument | None = None
    despite_refusal: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class RowDocument:
    """One row of a table; ``id`` is ``pack/tables/table/name``."""

    id: str
    node: Mapping
    terms: tuple[Scalar, ...]
    cite: str
    standing: Standing
    own_span: bool
    when: Node | None = None
    unless: Node | None = None
    note: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class MeasureDocument:
    """A count of distinct people."""

    name: str
    node: Mapping
    within: Node | None
    per: tuple[Scalar, ...]
    window: Scalar | None
    complete_by: Scalar | None


@dataclass(frozen=True, slots=True, kw_only=True)
class PackDocument:
    """One pack as written, its sections checked for shape."""

    id: str
    title: str
    node: Mapping
    force: Force
    territory: tuple[Scalar, ...]
    standing: Standing
    governs: Node | None
    definitions: dict[str, Node] = field(default_factory=dict)
    tables: dict[str, tuple[RowDocument, ...]] = field(default_factory=dict)
    measures: dict[str, MeasureDocument] = field(default_factory=dict)
    rules: dict[Gate, tuple[RuleDocument, ...]] = field(default_factory=dict)
    silent_on: dict[Gate, str] = field(default_factory=dict)


def read_pack(tree: Node, faults: Faults) -> PackDocument | None:
    """Check the shape of a pack.

    Args:
        tree: the file.
        faults: collects what is wrong.

    Returns:
        The pack, or None where not even its name could be read.
    """
    if not isinstance(tree, Mapping):
        faults.error(tree, "a pack must be a mapping", "begin with `pack: name`")
        return None
    fields = Fields(tree, faults, known=PACK_KEYS, what="pack")
    name = fields.text("pack", required=True)
    if not name:
        return None
    if not _NAME.match(name):
        faults.error(tree.get("pack") or tree, f"`{name}` is no name", "use small letters, digits and hyphens")
    force = Force(fields.choice("force", [str(force) for force in Force], "law", required=True))
    fields.day("as_of", required=True)
    fields.day("review_by")
    fields.text("law", required=force is Force.LAW)
    for key in ("source", "note"):
        fields.text(key)
    standing = _standing(fields, Standing(signed_off=_signed_off(fields)))
    if fields.raw("confidence") is None:
        faults.error(tree, "missing key `confidence` in a pack", "one of: verified, knowledge, unverified")
    rules = {gate: _rules(fields, gate, name, standing) for gate in Gate if tree.key(gate) is not None}
    return PackDocument(
        id=name,
        title=fields.text("title", required=True),
        node=tree,
        force=force,
        territory=fields.words("territory", required=force is Force.LAW),
        standing=standing,
        governs=fields.raw("governs", required=True),
        definitions={key.text: value for key, value in _named(fields, "definitions")},
        tables={key.text: _table(value, key, name, standing, faults) for key, value in _named(fields, "tables")},
        measures={key.text: found for key, value in _named(fields, "measures")
                  if (found := _measure(key, value, faults)) is not None},
        rules={gate: found for gate, found in rules.items() if found},
        silent_on=_silent_on(fields, force),
    )  # fmt: skip


def _named(fields: Fields, key: str) -> tuple[tuple[Scalar, Node], ...]:
    section = fields.mapping(key)
    return section.entries if section else ()


def _signed_off(fields: Fields) -> bool:
    section = fields.mapping("sign_off")
    if section is None:
        fields.faults.warn(fields.node, "no `sign_off`", "write `sign_off: {by: null, on: null}` until a lawyer signs")
        return False
    inner = Fields(section, fields.faults, known=("by", "on"), what="`sign_off`")
    by, on = inner.text("by"), inner.day("on")
    if bool(by) != bool(on):
        fields.faults.error(section, "a sign-off needs both `by` and `on`")
    elif not by:
        fields.faults.warn(section, "not signed off by a lawyer", "every decision that rests on this pack will say so")
    return bool(by and on)


def _standing(fields: Fields, above: Standing, span: Timespan | None = None) -> Standing:
    """Narrow what stands above by a pack's, rule's or row's own status, confidence and dates."""
    if span is None:
        section = fields.mapping("in_force")
        span = Timespan()
        if section:
            span = timespan(Fields(section, fields.faults, known=("from", "until"), what="`in_force`"))
    status = fields.choice("status", tuple(STATUSES), "")
    if status == "enacted" and span.from_earliest is None:
        place = fields.node.get("status") or fields.node
        fields.faults.error(place, "enacted law without a start", "say from when: `in_force: {from: ...}`")
    existence = STATUSES[status] if status else above.existence
    if above.existence is Truth.FALSE:
        existence = Truth.FALSE
    confidence = fields.choice("confidence", tuple(_CONFIDENCE), "")
    return Standing(
        span=_both(above.span, span),
        existence=existence,
        confidence=_CONFIDENCE[confidence] if confidence else above.confidence,
        signed_off=above.signed_off,
    )


def _both(one: Timespan, other: Timespan) -> Timespan:
    """Return when both spans hold."""

    def last(*days: date | None) -> date | None:
        return max((day for day in days if day), default=None)

    def first(*days: date | None) -> date | None:
        return min((day for day in days if day), default=None)

    return Timespan(
        from_earliest=last(one.from_earliest, other.from_earliest),
        from_latest=last(one.from_latest, other.from_latest),
        until_earliest=first(one.until_earliest, other.until_earliest),
        until_latest=first(one.until_latest, other.until_latest),
    )


def _rules(fields: Fields, gate: Gate, pack: str, above: Standing) -> tuple[RuleDocument, ...]:
    found: list[RuleDocument] = []
    taken: dict[str, str] = {}
    items = fields.items(gate)
    if not items and (key := fields.node.key(gate)) is not None:
        hint = "add a rule, or say why not in `silent_on`" if gate in ASKED else "leave it out"
        fields.faults.error(key, f"section `{gate}` is empty", hint)
    for item in items:
        if not isinstance(item, Mapping):
            fields.faults.error(item, "a rule must be a mapping", "write `- {id: ..., cite: ..., when: {...}}`")
            continue
        rule = _rule(item, gate, pack, above, fields.faults)
        if rule.name in taken and item.get("id") is not None:
            hint = f"it stands already at {taken[rule.name]}"
            fields.faults.error(item.get("id") or item, f"two rules `{rule.name}` in `{gate}`", hint)
            continue
        taken[rule.name] = item.where
        found.append(rule)
    return tuple(found)


def _rule(item: Mapping, gate: Gate, pack: str, above: Standing, faults: Faults) -> RuleDocument:
    fields = Fields(item, faults, known=RULE_KEYS[gate], what=f"rule of `{gate}`")
    name = fields.text("id", required=True) or "unnamed"
    if not _NAME.match(name):
        faults.error(item.get("id") or item, f"`{name}` is no name", "use small letters, digits and hyphens")
    fields.day("as_of")
    fields.day("review_by")
    fields.text("note")
    rule = RuleDocument(
        id=f"{pack}/{gate}/{name}", name=name, gate=gate, node=item,
        cite=fields.text("cite", required=True), says=fields.text("says"),
        standing=_standing(fields, above),
        when=fields.raw("when"), unless=fields.raw("unless"), must=_known(fields, "must", gate),
        needs=fields.raw("needs"), consent=fields.raw("consent"),
        duties=fields.raw("duties", required=gate in (Gate.DUTY, Gate.WHEN_DENIED)),
        rests_on=fields.words("rests_on"), exception_to=fields.words("exception_to"),
        sets_aside=fields.words("sets_aside"), last_resort=fields.flag("last_resort"),
        arguable=_arguable(fields, gate), despite_refusal=fields.text("despite_refusal") or None,
    )  # fmt: skip
    if gate is Gate.EXCEPTION and not (rule.exception_to or rule.sets_aside):
        hint = "add `exception_to: [rule]` or `sets_aside: [pack/section/rule]`"
        faults.error(item, "an exception names no rule", hint)
    if gate is Gate.REQUIREMENT and rule.must is None and rule.needs is None and rule.consent is None:
        faults.error(item, "a requirement asks for nothing", "add `must`, `needs` or `consent`")
    return rule


def _known(fields: Fields, key: str, gate: Gate) -> Node | None:
    return fields.raw(key) if key in RULE_KEYS[gate] else None


def _arguable(fields: Fields, gate: Gate) -> ArguableDocument | None:
    section = fields.mapping("arguable") if "arguable" in RULE_KEYS[gate] else None
    if section is None:
        return None
    known = ("who", "within", "break_glass", "says", *(("point",) if gate in (Gate.GROUND, Gate.MECHANISM) else ()))
    inner = Fields(section, fields.faults, known=known, what="`arguable`")
    within = inner.scalar("within")
    if within is not None and duration(within.text) is None:
        fields.faults.error(within, "`within` must be a period", "write it as `72 hours` or `14 days`")
    return ArguableDocument(
        who=inner.text("who", required=True),
        point=inner.raw("point") if "point" in known else None,
        within=duration(within.text) if within is not None else None,
        break_glass=inner.flag("break_glass"),
        says=inner.text("says") or None,
    )


def _table(value: Node, key: Scalar, pack: str, above: Standing, faults: Faults) -> tuple[RowDocument, ...]:
    holder = Fields(Mapping(entries=((key, value),), where=key.where), faults, known=(key.text,), what="table")
    rows: list[RowDocument] = []
    taken: set[str] = set()
    items = holder.items(key.text)
    if not items:
        faults.error(key, f"table `{key.text}` is empty")
    for item in items:
        if not isinstance(item, Mapping):
            faults.error(item, "a row must be a mapping", "write `- {place: JP, cite: ..., from: 2019-01-23}`")
            continue
        row = _row(item, f"{pack}/tables/{key.text}", above, faults)
        if row.id in taken:
            faults.error(item, f"two rows `{row.id}`", "give each an `id`")
        taken.add(row.id)
        rows.append(row)
    return tuple(rows)


def _row(item: Mapping, table: str, above: Standing, faults: Faults) -> RowDocument:
    fields = Fields(item, faults, known=ROW_KEYS, what="row")
    terms = tuple(word for key in ("place", "places", "term", "terms") for word in fields.words(key))
    if not terms:
        faults.error(item, "a row names nothing", "add `place`, `places`, `term` or `terms`")
    span = timespan(fields)
    name = fields.text("id") or "+".join(sorted(word.text for word in terms))
    if not fields.text("id") and span.from_earliest:
        name += f"@{span.from_earliest.isoformat()}"
    return RowDocument(
        id=f"{table}/{name}", node=item, terms=terms, cite=fields.text("cite", required=True),
        standing=_standing(fields, above, span), own_span=span != Timespan(),
        when=fields.raw("when"), unless=fields.raw("unless"), note=fields.text("note") or None,
    )  # fmt: skip


def _measure(key: Scalar, value: Node, faults: Faults) -> MeasureDocument | None:
    if not isinstance(value, Mapping):
        hint = "write `{count: persons, in: {...}, per: [...], window: 12 months}`"
        faults.error(value, "a measure must be a mapping", hint)
        return None
    fields = Fields(value, faults, known=MEASURE_KEYS, what="measure")
    fields.choice("count", ("persons",), "persons", required=True)
    for prose in ("cite", "note"):
        fields.text(prose)
    return MeasureDocument(
        name=key.text, node=value, within=fields.raw("in", required=True), per=fields.words("per", required=True),
        window=fields.scalar("window", required=True), complete_by=fields.scalar("complete_by"),
    )  # fmt: skip


def _silent_on(fields: Fields, force: Force) -> dict[Gate, str]:
    asked = (Gate.REVIEW,) if force is Force.GUIDANCE else ASKED
    section = fields.mapping("silent_on")
    silent: dict[Gate, str] = {}
    named = {key.text for key, _ in section.entries} if section else set()
    if section is not None:
        inner = Fields(section, fields.faults, known=tuple(str(gate) for gate in asked), what="`silent_on`")
        silent = {gate: reason for gate in asked if (reason := inner.text(gate))}
        for gate in silent:
            if (key := fields.node.key(gate)) is not None:
                hint = "keep the rules, or the silence"
                fields.faults.error(key, f"section `{gate}` is asked and also in `silent_on`", hint)
    for gate in asked:
        if gate not in named and fields.node.key(gate) is None:
            hint = f"add rules, or write `silent_on: {{{gate}: why the law does not ask}}`"
            fields.faults.error(fields.node, f"section `{gate}` is missing", hint)
    if force is Force.GUIDANCE:
        for gate in Gate:
            if gate not in GUIDANCE and (key := fields.node.key(gate)) is not None:
                hint = "guidance may only add reviews and duties"
                fields.faults.error(key, f"section `{gate}` in a pack with `force: guidance`", hint)
    return silent
