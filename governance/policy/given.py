"""Read what a case states into the inputs of `decide`.

Guarantees: facts go where the vocabulary says they belong; what a case does not state stays unknown, ids of
the parties, the data set and the project apart; evidence fits the case unless its scope says otherwise.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta

from governance.core.consent import Consent, ConsentStatus, Period
from governance.core.evidence import EvidenceItem, EvidenceState
from governance.core.facts import EvidenceType, FactDefinition, Holder, Interval, Value, Vocabulary
from governance.core.request import Facts, LegFacts, PartFacts, Question, SubjectClass
from governance.core.rules import PolicySet
from governance.policy.clauses import plain_text
from governance.policy.load import read_value
from governance.policy.read import Mapping as MappingNode
from governance.policy.read import Node, Scalar, Sequence
from governance.policy.shape import Faults, Fields, did_you_mean, scalars

__all__ = ["Situation", "instant", "read_situation"]

_RESERVED = ("legs", "parts", "people", "size", "evidence", "consent", "counted", "profiles", "withhold", "cannot")
_IDS = {"exporter.id": "case-exporter", "dataset": "case-dataset", "project": "case-project"}
_SHARED = (Holder.REQUEST, Holder.EXPORTER, Holder.DATASET)
_STATES = ("given", "refused", "withdrawn", "expired", "asked", "not-asked", "unclear")
_MATCHED = {"exporter": "exporter.id", "recipient": "recipient.id", "exporter-group": "exporter.group",
            "recipient-group": "recipient.group", "dataset": "dataset", "project": "project", "purpose": "purpose",
            "destination": "destination", "categories": "data.categories"}  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class Situation:
    """The inputs of `decide` for one case."""

    question: Question
    facts: Facts
    at: datetime


@dataclass(slots=True, kw_only=True)
class _Held:
    """Facts of one scope, by where they belong."""

    shared: dict[str, Value] = field(default_factory=dict)
    leg: dict[str, Value] = field(default_factory=dict)
    part: dict[str, Value] = field(default_factory=dict)
    subject: dict[str, Value] = field(default_factory=dict)
    counted: dict[str, Interval] = field(default_factory=dict)

    def of(self, holder: Holder) -> dict[str, Value]:
        if holder in _SHARED:
            return self.shared
        if holder is Holder.PART:
            return self.part
        return self.subject if holder is Holder.SUBJECT else self.leg


@dataclass(frozen=True, slots=True, kw_only=True)
class _Reader:
    pack: str
    policies: PolicySet
    faults: Faults
    at: datetime

    @property
    def vocabulary(self) -> Vocabulary:
        return self.policies.vocabulary


def instant(fields: Fields) -> datetime | None:
    """Read ``at``: a day (noon UTC) or an instant with its offset."""
    node = fields.scalar("at", required=True)
    if node is None:
        return None
    if isinstance(node.value, date):
        return datetime.combine(node.value, time(12), UTC)
    try:
        read = datetime.fromisoformat(node.text)
    except ValueError:
        read = None
    if read is None or read.tzinfo is None:
        fields.faults.error(node, "`at` must be a day or an instant", "write 2026-11-22 or 2026-11-22T12:00:00Z")
        return None
    return read.astimezone(UTC)


def read_situation(
    given: MappingNode, pack: str, at: datetime, policies: PolicySet, faults: Faults
) -> Situation:
    """Read what a case states.

    Args:
        given: the facts and what goes with them.
        pack: pack whose measures and tables may be named without a prefix.
        at: when the case is decided.
        policies: the set it is decided by.
        faults: collects what is wrong.

    Returns:
        The inputs of `decide`; use them only if `faults` has no error.
    """
    reader = _Reader(pack=pack, policies=policies, faults=faults, at=at)
    fields = Fields(given, faults, known=(*_RESERVED, *_fact_names(reader)), what="case")
    held = _Held(shared=dict(_IDS), leg={"recipient.id": "case-recipient"})
    _read_facts(given, held, reader)
    _counted(fields, held, reader)
    legs = _legs(fields, held, reader)
    parts = _parts(fields, held, reader)
    facts = Facts(
        shared=held.shared,
        legs=legs,
        parts=parts,
        classes=_classes(fields, held, reader),
        evidence=tuple(_evidence(fields, (held.shared, *(leg.facts for leg in legs), *(part.facts for part in parts)),
                                 reader)),
    )  # fmt: skip
    return Situation(question=_question(fields, reader), facts=facts, at=at)


def _fact_names(reader: _Reader) -> tuple[str, ...]:
    return (*reader.vocabulary.facts, "exporter.id", "recipient.id")


def _read_facts(node: MappingNode, held: _Held, reader: _Reader) -> None:
    """Put every fact of a mapping where it belongs; a null takes a supplied id away."""
    for key, value in node.entries:
        if key.text in ("exporter.id", "recipient.id"):
            holder = Holder.EXPORTER if key.text == "exporter.id" else Holder.RECIPIENT
            definition: FactDefinition | None = None
        elif (definition := reader.vocabulary.facts.get(key.text)) is None:
            continue
        else:
            holder = definition.of
        target = held.of(holder)
        if isinstance(value, Scalar) and value.value is None:
            target.pop(key.text, None)
        elif key.text == "subject.consent_state":
            reader.faults.error(key, "the state of consent follows from the consent", "write `consent: refused`")
        elif definition is None:
            target[key.text] = value.text if isinstance(value, Scalar) else ""
        elif definition.params:
            _with_parameters(definition, value, held, reader)
        elif (read := read_value(definition, value, reader.vocabulary, reader.faults)) is not None:
            target[key.text] = read


def _with_parameters(definition: FactDefinition, node: Node, held: _Held, reader: _Reader) -> None:
    for item in node.items if isinstance(node, Sequence) else (node,):
        if not isinstance(item, MappingNode):
            reader.faults.error(item, f"fact `{definition.id}` has parameters", "write `{measure: m, is: n}`")
            continue
        known = ("measure", "is") if "measure" in definition.params else ("group", "cascade_at", "is")
        fields = Fields(item, reader.faults, known=known, what=f"fact `{definition.id}`")
        name, cascade = fields.scalar(known[0], required=True), fields.scalar("cascade_at")
        value = fields.raw("is", required=True)
        read = read_value(definition, value, reader.vocabulary, reader.faults) if value is not None else None
        if name is None or not isinstance(read, Interval):
            continue
        percent = cascade.value if cascade is not None else None
        at = f",{percent:g}" if isinstance(percent, int | float) else ""
        key = f"{definition.id}[{name.text if '/' in name.text else f'{reader.pack}/{name.text}'}{at}]"
        known_keys = {*reader.policies.measures, *(question.key for question in reader.policies.ownership)}
        if "group" in known and key not in known_keys:
            reader.faults.error(name, f"no pack asks for `{key}`", did_you_mean(key, known_keys))
        if definition.id == "count":
            held.counted[key] = read
        else:
            held.leg[key] = read


def _counted(fields: Fields, held: _Held, reader: _Reader) -> None:
    section = fields.mapping("counted")
    definition = reader.vocabulary.facts.get("count")
    for name, value in section.entries if section and definition else ():
        key = f"count[{name.text if '/' in name.text else f'{reader.pack}/{name.text}'}]"
        if key not in reader.policies.measures:
            hint = did_you_mean(key, reader.policies.measures)
            reader.faults.error(name, f"unknown measure `{name.text}`", hint)
        read = read_value(definition, value, reader.vocabulary, reader.faults) if definition else None
        if isinstance(read, Interval):
            held.counted[key] = read


def _several(fields: Fields, key: str, known: tuple[str, ...], what: str) -> list[tuple[MappingNode, Fields]]:
    found = []
    for item in fields.items(key):
        if isinstance(item, MappingNode):
            found.append((item, Fields(item, fields.faults, known=known, what=what)))
        else:
            fields.faults.error(item, f"a {what} must be a mapping")
    return found


def _legs(fields: Fields, held: _Held, reader: _Reader) -> tuple[LegFacts, ...]:
    found = []
    for item, _ in _several(fields, "legs", _fact_names(reader), "leg"):
        own = _Held(leg=dict(held.leg), counted=dict(held.counted))
        _read_facts(item, own, reader)
        _only(item, own.shared or own.part or own.subject, "leg", reader)
        found.append(LegFacts(facts=own.leg, counted=own.counted))
    return tuple(found) or (LegFacts(facts=held.leg, counted=held.counted),)


def _parts(fields: Fields, held: _Held, reader: _Reader) -> tuple[PartFacts, ...]:
    found = []
    for item, inner in _several(fields, "parts", ("id", *_fact_names(reader)), "part"):
        own = _Held(part=dict(held.part))
        _read_facts(item, own, reader)
        _only(item, own.shared or own.leg or own.subject, "part", reader)
        found.append(PartFacts(id=inner.text("id", required=True), facts=own.part))
    return tuple(found) or (PartFacts(id="all", facts=held.part),)


def _only(item: MappingNode, strange: Mapping[str, Value], what: str, reader: _Reader) -> None:
    for name in strange:
        reader.faults.error(item.key(name) or item, f"fact `{name}` is not of a {what}")


def _classes(fields: Fields, held: _Held, reader: _Reader) -> tuple[SubjectClass, ...]:
    consent = fields.raw("consent")
    found = []
    for item, inner in _several(fields, "people", ("size", "consent", *_fact_names(reader)), "group of people"):
        own = _Held(subject=dict(held.subject))
        _read_facts(item, own, reader)
        _only(item, own.shared or own.leg or own.part, "person", reader)
        said = inner.raw("consent")
        found.append(SubjectClass(facts=own.subject, size=_size(inner),
                                  consents=_consents(said if said is not None else consent, reader)))  # fmt: skip
    return tuple(found) or (
        SubjectClass(facts=held.subject, size=_size(fields), consents=_consents(consent, reader)),
    )


def _size(fields: Fields) -> int:
    node = fields.scalar("size")
    if node is None:
        return 1
    if isinstance(node.value, bool) or not isinstance(node.value, int) or node.value < 1:
        fields.faults.error(node, "`size` must be a number of people")
        return 1
    return node.value


def _consents(node: Node | None, reader: _Reader) -> tuple[Consent, ...]:
    """Make the document that leaves a patient in the state that the case names."""
    if node is None:
        return ()
    words: dict[str, frozenset[str]] = {}
    by, state = "subject", node.text if isinstance(node, Scalar) else ""
    if isinstance(node, MappingNode):
        fields = Fields(node, reader.faults, known=("state", "to", "form", "told", "by"), what="consent")
        state = fields.text("state", required=True)
        by = fields.text("by") or by
        for key in ("to", "form", "told"):
            words[key] = frozenset(_word(word, key, reader) for word in fields.words(key))
    if state not in _STATES:
        hint = did_you_mean(state, _STATES) or f"one of: {', '.join(_STATES)}"
        reader.faults.error(node, f"unknown state of consent `{state}`", hint)
    if state == "not-asked":
        return ()
    said, ended = reader.at - timedelta(days=60), reader.at - timedelta(days=1)
    base = Consent(id="case-consent", effective=said, recorded=said, base=True, by=by, to=words.get("to", frozenset()),
                   forms=words.get("form", frozenset()), told=words.get("told", frozenset()))  # fmt: skip
    return (_in_state(base, state, ended),)


def _in_state(consent: Consent, state: str, ended: datetime) -> Consent:
    fields = {name: getattr(consent, name) for name in ("id", "effective", "recorded", "by", "to", "forms", "told")}
    match state:
        case "refused":
            return Consent(**fields, base=False, status=ConsentStatus.REJECTED)
        case "withdrawn":
            return Consent(**fields, base=True, status=ConsentStatus.INACTIVE, ended=ended, withdrawn=True)
        case "expired":
            return Consent(**fields, base=True, validity=Period(end=ended))
        case "asked":
            return Consent(**fields, status=ConsentStatus.PROPOSED)
        case "unclear":
            return Consent(**fields, base=None, ambiguous="stated by the case")
        case _:
            return consent


def _word(node: Scalar, key: str, reader: _Reader) -> str:
    known = reader.vocabulary.consent.get(key, frozenset())
    if node.text not in known:
        hint = did_you_mean(node.text, known) or f"one of: {', '.join(sorted(known))}"
        reader.faults.error(node, f"unknown word `{node.text}` in `{key}` of a consent", hint)
    return node.text


def _evidence(fields: Fields, held: tuple[Mapping[str, Value], ...], reader: _Reader) -> list[EvidenceItem]:
    found: list[EvidenceItem] = []
    known = ("type", "outcome", "state", "issued_on", "valid_from", "valid_until", "properties", "scope")
    for item, inner in _several(fields, "evidence", known, "piece of evidence"):
        name = inner.scalar("type", required=True)
        kind = reader.vocabulary.evidence.get(name.text) if name is not None else None
        if name is not None and kind is None:
            hint = did_you_mean(name.text, reader.vocabulary.evidence)
            reader.faults.error(name, f"unknown evidence `{name.text}`", hint)
        if kind is not None:
            found.append(_item(kind, item, inner, held, reader, len(found)))
    return found


def _item(
    kind: EvidenceType,
    item: MappingNode,
    fields: Fields,
    held: tuple[Mapping[str, Value], ...],
    reader: _Reader,
    number: int,
) -> EvidenceItem:
    issued = fields.day("issued_on") or reader.at.date() - timedelta(days=_age(kind))
    properties = fields.mapping("properties")
    for key, _ in properties.entries if properties else ():
        if key.text not in kind.properties:
            hint = did_you_mean(key.text, kind.properties)
            reader.faults.error(key, f"unknown property `{key.text}` of evidence `{kind.id}`", hint)
    return EvidenceItem(
        id=f"case-evidence-{number}",
        type=kind.id,
        state=EvidenceState(fields.choice("state", [str(state) for state in EvidenceState], "verified")),
        scope=_scope(kind, fields, held),
        issued_on=issued,
        valid_from=fields.day("valid_from") or issued,
        valid_until=fields.day("valid_until"),
        outcome=_outcome(kind, item, fields),
        properties={key.text: plain_text(value) for key, value in properties.entries
                    if isinstance(value, Scalar)} if properties else {},
    )  # fmt: skip


def _age(kind: EvidenceType) -> int:
    """Choose an age in days that the type itself accepts."""
    age = max(30, kind.min_age_days or 0)
    return age if kind.max_age_days is None or age <= kind.max_age_days else (kind.min_age_days or 0)


def _outcome(kind: EvidenceType, item: MappingNode, fields: Fields) -> str | None:
    """Read the outcome; ``outcome: null`` is a document without one, another word one that opens nothing."""
    if item.get("outcome") is None:
        if len(kind.outcomes) == 1:
            return next(iter(kind.outcomes))
        hint = f"one of: {', '.join(sorted(kind.outcomes))}, or another word for one that opens nothing"
        fields.faults.error(item, f"evidence `{kind.id}` has several outcomes", hint)
    return fields.text("outcome") or None


def _scope(
    kind: EvidenceType, fields: Fields, held: tuple[Mapping[str, Value], ...]
) -> dict[str, frozenset[str]]:
    said = fields.mapping("scope")
    scope: dict[str, frozenset[str]] = {}
    for key, value in said.entries if said else ():
        if key.text not in kind.match:
            hint = did_you_mean(key.text, kind.match) or f"it is matched by: {', '.join(kind.match)}"
            fields.faults.error(key, f"unknown match key `{key.text}` of evidence `{kind.id}`", hint)
        scope[key.text] = frozenset(word.text for word in scalars(value) or ())
    for match in kind.match:
        if match not in scope and match in _MATCHED:
            values = [facts[_MATCHED[match]] for facts in held if _MATCHED[match] in facts]
            words = [frozenset({value}) if isinstance(value, str) else value for value in values]
            scope[match] = frozenset[str]().union(*(word for word in words if isinstance(word, frozenset)))
    return {match: values for match, values in scope.items() if values}


def _question(fields: Fields, reader: _Reader) -> Question:
    profiles = fields.words("profiles")
    for profile in profiles:
        if profile.text not in reader.policies.profiles:
            hint = did_you_mean(profile.text, reader.policies.profiles)
            reader.faults.error(profile, f"unknown profile `{profile.text}`", hint)
    cannot = fields.words("cannot")
    for duty in cannot:
        if duty.text not in reader.vocabulary.duties:
            hint = did_you_mean(duty.text, reader.vocabulary.duties)
            reader.faults.error(duty, f"unknown duty `{duty.text}`", hint)
    withhold = fields.mapping("withhold")
    inner = Fields(withhold, reader.faults, known=("subjects", "parts"), what="`withhold`") if withhold else None
    return Question(
        profiles=tuple(profile.text for profile in profiles) or ("as-is",),
        withhold_subjects=inner.flag("subjects") if inner else False,
        withhold_parts=inner.flag("parts") if inner else False,
        cannot=frozenset(duty.text for duty in cannot),
    )
