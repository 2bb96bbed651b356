"""A tiny world for tests: a small vocabulary, and builders whose defaults make one lawful request."""

from collections.abc import Iterable, Mapping
from datetime import UTC, date, datetime

from governance.core.conditions import (
    ALWAYS,
    NEVER,
    AllOf,
    AnyOf,
    Condition,
    ConsentTest,
    EvidenceNeed,
    FactTest,
    Operator,
    Row,
    TableTest,
    Timespan,
)
from governance.core.evidence import EvidenceItem, EvidenceState
from governance.core.facts import (
    DutyType,
    EvidenceType,
    FactDefinition,
    FactType,
    Holder,
    Interval,
    Taxonomy,
    Value,
    Vocabulary,
    Word,
)
from governance.core.request import Facts, LegFacts, PartFacts, Question, SubjectClass
from governance.core.rules import Arguable, DutyOwed, Force, Gate, Measure, PlaceEntry, PolicySet, Profile, Regime, Rule
from governance.core.truth import Truth

NOON = datetime(2026, 11, 22, 12, tzinfo=UTC)
DAY = NOON.date()

_PLACES = {
    "EEA": (), "DE": ("EEA",), "FR": ("EEA",), "US": (), "US-TX": ("US",), "CN": (), "JP": (),
}  # fmt: skip
_PURPOSES = {
    "care": (), "research": (), "genetic-research": ("research",), "disease-research": ("research",), "marketing": (),
}  # fmt: skip
_CATEGORIES = {
    "health": (), "genetic": ("health",), "genomic": ("genetic", "health"), "laboratory": ("health",),
    "notes": ("health",),
}  # fmt: skip


def _taxonomy(name: str, terms: Mapping[str, tuple[str, ...]]) -> Taxonomy:
    return Taxonomy(id=name, ancestors={term: frozenset(above) for term, above in terms.items()})


def _fact(name: str, of: Holder, kind: FactType, taxonomy: str | None = None, *, absent_no: bool = False) -> FactDefinition:
    return FactDefinition(
        id=name, of=of, type=kind, source="register", word=Word.NO, means=name, taxonomy=taxonomy, absent_no=absent_no
    )


FACTS = {
    f.id: f
    for f in (
        _fact("purpose", Holder.REQUEST, FactType.TERM, "purpose"),
        _fact("project", Holder.REQUEST, FactType.ID),
        _fact("emergency", Holder.REQUEST, FactType.YES_NO),
        _fact("repetition", Holder.REQUEST, FactType.TERM),
        _fact("origin", Holder.DATASET, FactType.PLACE, "place"),
        _fact("dataset", Holder.DATASET, FactType.ID),
        _fact("exporter.id", Holder.EXPORTER, FactType.ID),
        _fact("exporter.role", Holder.EXPORTER, FactType.TERM),
        _fact("recipient.id", Holder.RECIPIENT, FactType.ID),
        _fact("recipient.group", Holder.RECIPIENT, FactType.ID),
        _fact("recipient.type", Holder.RECIPIENT, FactType.TERM),
        _fact("recipient.secrecy", Holder.RECIPIENT, FactType.YES_NO),
        _fact("recipient.certifications", Holder.RECIPIENT, FactType.TERMS, absent_no=True),
        _fact("destination", Holder.LEG, FactType.PLACE, "place"),
        _fact("storage.places", Holder.LEG, FactType.PLACES, "place"),
        _fact("access.places", Holder.LEG, FactType.PLACES, "place"),
        _fact("onward.places", Holder.LEG, FactType.PLACES, "place"),
        _fact("data.categories", Holder.PART, FactType.TERMS, "category"),
        _fact("data.form", Holder.PART, FactType.TERM),
        _fact("data.meets", Holder.PART, FactType.TERMS, absent_no=True),
        _fact("subject.residence", Holder.SUBJECT, FactType.PLACE, "place"),
        _fact("subject.age", Holder.SUBJECT, FactType.NUMBER),
        _fact("subject.consent_state", Holder.SUBJECT, FactType.TERM),
        _fact("subject.scope", Holder.SUBJECT, FactType.TERM),
        _fact("subject.born", Holder.SUBJECT, FactType.DATE),
        _fact("count", Holder.LEDGER, FactType.NUMBER),
    )
}

VOCABULARY = Vocabulary(
    facts=FACTS,
    taxonomies={
        "place": _taxonomy("place", _PLACES),
        "purpose": _taxonomy("purpose", _PURPOSES),
        "category": _taxonomy("category", _CATEGORIES),
    },
    evidence={
        e.id: e
        for e in (
            EvidenceType(id="contract", match=("exporter", "recipient"), outcomes=frozenset({"signed"}),
                         properties=frozenset({"module"})),
            EvidenceType(id="ethics", match=("project",), outcomes=frozenset({"approved"}), max_age_days=365),
            EvidenceType(id="review-finding", match=("recipient",), outcomes=frozenset({"lawful"}),
                         properties=frozenset({"rule"})),
        )
    },
    duties={
        d.id: d
        for d in (
            DutyType(id="delete", by="recipient", when="after", params=("within",), join={"within": "shorter"}),
            DutyType(id="keep", by="recipient", when="after", params=("until",), join={"until": "later"},
                     contradicts=frozenset({"delete"})),
            DutyType(id="encrypt", by="platform", when="with", params=("with",), join={"with": "stronger"}),
            DutyType(id="store-in", by="recipient", when="after", params=("places",), join={"places": "intersection"}),
            DutyType(id="report", by="exporter", when="after", on="deny"),
            DutyType(id="label", by="platform", when="with"),
        )
    },
    strength={"with": ("aes-128", "aes-256")},
    consent_purposes={"care": frozenset({"TREAT"}), "research": frozenset({"HRESCH"})},
)  # fmt: skip


def fact(name: str, *terms: str, operator: Operator = Operator.IN) -> FactTest:
    definition = FACTS.get(name)
    return FactTest(
        fact=name, operator=operator, terms=frozenset(terms),
        taxonomy=definition.taxonomy if definition else None,
        absent_no=bool(definition and definition.absent_no),
    )  # fmt: skip


def yes(name: str, *, flag: bool = True) -> FactTest:
    return FactTest(fact=name, operator=Operator.IS, flag=flag)


def number(name: str, operator: Operator, bound: float) -> FactTest:
    return FactTest(fact=name, operator=operator, number=bound)


def table(name: str, *rows: Row) -> TableTest:
    definition = FACTS[name]
    return TableTest(fact=name, taxonomy=definition.taxonomy or "", table="law/tables/list", rows=rows, absent_no=definition.absent_no)


def row(*terms: str, **more: object) -> Row:
    return Row(id=f"law/tables/list/{'-'.join(terms)}", terms=frozenset(terms), cite="Annex", **more)  # type: ignore[arg-type]


def need(kind: str, *outcomes: str, **more: object) -> EvidenceNeed:
    return EvidenceNeed(type=kind, outcomes=frozenset(outcomes) or VOCABULARY.evidence[kind].outcomes, **more)  # type: ignore[arg-type]


def rule(gate: Gate, name: str = "it", *, pack: str = "law", duties: Iterable[str | DutyOwed] = (), **more: object) -> Rule:
    """Make a rule; `duties` may be plain types."""
    return Rule(
        id=f"{pack}/{gate.value}/{name}", gate=gate, cite=f"Art. {name}", says=f"Says {name}.",
        duties=tuple(DutyOwed(type=d) if isinstance(d, str) else d for d in duties), **more,  # type: ignore[arg-type]
    )  # fmt: skip


_GATES = (Gate.OUTSIDE_SCOPE, Gate.PROHIBITION, Gate.GROUND, Gate.MECHANISM, Gate.REQUIREMENT, Gate.REVIEW)


def regime(
    *rules: Rule,
    pack: str = "law",
    territory: str | None = "DE",
    force: Force = Force.LAW,
    governs: Condition | None = None,
    silent: Iterable[Gate] = (),
    signed_off: bool = True,
    **more: object,
) -> Regime:
    """Make a regime: it governs what comes from its territory, and is silent on gates without rules.

    Grounds and mechanisms are never silent unless asked: an absent ground closes.
    """
    by_gate: dict[Gate, tuple[Rule, ...]] = {}
    for one in rules:
        by_gate[one.gate] = (*by_gate.get(one.gate, ()), one)
    quiet = {g for g in _GATES if g not in by_gate and g not in (Gate.GROUND, Gate.MECHANISM)} | set(silent)
    if governs is None:
        governs = fact("origin", territory) if territory else ALWAYS
    return Regime(
        id=pack, title=f"The {pack}", territory=frozenset({territory} if territory else ()), force=force,
        governs=governs, rules=by_gate, silent_on=dict.fromkeys(quiet, "not asked"), signed_off=signed_off,
        **more,
    )  # type: ignore[arg-type]  # fmt: skip


def ground(name: str = "ground", **more: object) -> Rule:
    return rule(Gate.GROUND, name, **more)  # type: ignore[arg-type]


def mechanism(name: str = "mechanism", **more: object) -> Rule:
    return rule(Gate.MECHANISM, name, **more)  # type: ignore[arg-type]


AS_IS = Profile(id="as-is", sets={})
PSEUDONYMISED = Profile(id="pseudonymised", sets={"data.form": "pseudonymised"}, removes_categories=frozenset({"notes"}))


def policy_set(
    *regimes: Regime,
    profiles: Iterable[Profile] = (AS_IS, PSEUDONYMISED),
    measures: Iterable[Measure] = (),
    no_regime: Iterable[PlaceEntry] = (),
    vocabulary: Vocabulary = VOCABULARY,
) -> PolicySet:
    """Make a policy set; an open law (one ground, no mechanism asked) for DE if none is given."""
    return PolicySet(
        digest="sha256:test", vocabulary=vocabulary, regimes=regimes or (open_law(),),
        profiles={p.id: p for p in profiles}, measures={m.key: m for m in measures}, no_regime=tuple(no_regime),
    )  # fmt: skip


def open_law(*rules: Rule, **more: object) -> Regime:
    """Make a law of DE with one ground that always holds and no mechanism asked, and further rules."""
    return regime(ground(pack=more.get("pack", "law")), *rules, silent=(Gate.MECHANISM,), **more)  # type: ignore[arg-type]


SHARED: Mapping[str, Value] = {
    "origin": "DE", "purpose": "research", "exporter.id": "hospital", "exporter.role": "controller",
    "dataset": "cardio", "project": "trial",
}  # fmt: skip
LEG: Mapping[str, Value] = {
    "destination": "US", "recipient.id": "biobank", "recipient.type": "academic",
    "storage.places": frozenset({"US"}), "access.places": frozenset({"US"}), "onward.places": frozenset(),
}  # fmt: skip
PART: Mapping[str, Value] = {"data.categories": frozenset({"laboratory"}), "data.form": "identified"}
SUBJECT: Mapping[str, Value] = {"subject.residence": "DE", "subject.age": Interval(40, 40)}


def _with(base: Mapping[str, Value], changes: Mapping[str, Value | None]) -> dict[str, Value]:
    merged: dict[str, Value | None] = {**base, **changes}
    return {key: value for key, value in merged.items() if value is not None}


def leg(counted: Mapping[str, Interval] | None = None, /, **changes: Value | None) -> LegFacts:
    """Make a leg; keyword names write ``_`` for ``.`` only through `dotted`."""
    return LegFacts(facts=_with(LEG, dotted(changes)), counted=counted or {})


def part(name: str = "clinical", /, **changes: Value | None) -> PartFacts:
    return PartFacts(id=name, facts=_with(PART, dotted(changes)))


def people(size: int = 1, /, *, consents: tuple[object, ...] = (), before: Mapping[tuple[int, str], int] | None = None, **changes: Value | None) -> SubjectClass:
    return SubjectClass(
        facts=_with(SUBJECT, dotted(changes)), consents=consents, size=size, counted_before=before or {}  # type: ignore[arg-type]
    )


def dotted(changes: Mapping[str, Value | None]) -> dict[str, Value | None]:
    """Turn ``recipient__type`` into ``recipient.type``; None takes a fact away."""
    return {key.replace("__", "."): value for key, value in changes.items()}


def facts(
    *,
    legs: Iterable[LegFacts] | None = None,
    parts: Iterable[PartFacts] | None = None,
    classes: Iterable[SubjectClass] | None = None,
    evidence: Iterable[EvidenceItem] = (),
    terms: Iterable[Regime] = (),
    **changes: Value | None,
) -> Facts:
    """Make the facts of a lawful request; keywords change shared facts (``exporter__role=...``)."""
    return Facts(
        shared=_with(SHARED, dotted(changes)),
        legs=tuple(legs or (leg(),)),
        parts=tuple(parts or (part(),)),
        classes=tuple(classes or (people(),)),
        evidence=tuple(evidence),
        terms=tuple(terms),
    )


def question(*profiles: str, subjects: bool = False, parts: bool = False, cannot: Iterable[str] = ()) -> Question:
    return Question(
        profiles=profiles or ("as-is",), withhold_subjects=subjects, withhold_parts=parts, cannot=frozenset(cannot)
    )


def paper(kind: str, outcome: str | None = None, **more: object) -> EvidenceItem:
    """Make a verified, fitting document."""
    declared = VOCABULARY.evidence[kind]
    scope = {"exporter": {"hospital"}, "recipient": {"biobank"}, "project": {"trial"}}
    values: dict[str, object] = {
        "id": f"{kind}-1", "type": kind, "state": EvidenceState.VERIFIED,
        "scope": {key: frozenset(scope[key]) for key in declared.match},
        "issued_on": date(2026, 1, 1), "valid_from": date(2026, 1, 1),
        "outcome": outcome or min(declared.outcomes),
    }  # fmt: skip
    return EvidenceItem(**{**values, **more})  # type: ignore[arg-type]


__all__ = [
    "ALWAYS", "AS_IS", "DAY", "FACTS", "NEVER", "NOON", "PSEUDONYMISED", "VOCABULARY", "AllOf", "AnyOf", "Arguable",
    "ConsentTest", "DutyOwed", "Force", "Gate", "Interval", "Measure", "Operator", "PlaceEntry", "Profile",
    "Timespan", "Truth", "dotted", "fact", "facts", "ground", "leg", "mechanism", "need", "number", "open_law",
    "paper", "part", "people", "policy_set", "question", "regime", "row", "rule", "table", "yes",
]  # fmt: skip
