"""Small random worlds: policy sets, facts and questions in which every gate meets every truth and effect.

`make_world` builds from a seeded source; `worlds()` gives them to Hypothesis by seed. A world is one policy set with a few questions about it.
"""

from __future__ import annotations

import random
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import timedelta

from hypothesis import strategies as st

from governance.core.conditions import ALWAYS, NEVER, Condition, ConsentTest, EvidenceNeed, Timespan
from governance.core.consent import Consent, ConsentStatus, Period, Provision
from governance.core.facts import Holder, Value
from governance.core.request import Facts, LegFacts, PartFacts, Question, SubjectClass
from governance.core.rules import (
    Arguable,
    Confidence,
    DutyOwed,
    Force,
    Gate,
    Measure,
    PlaceEntry,
    PolicySet,
    Profile,
    Regime,
    Rule,
)
from governance.core.truth import Truth, negate
from tests.properties.scene import (
    AT,
    Dice,
    F,
    H,
    Scene,
    T,
    U,
    closed_span,
    open_span,
    random_facts,
    random_value,
    uncertain_span,
)
from tests.properties.vocabulary import COUNT, DUTIES, VOCABULARY

SHARED = (Holder.REQUEST, Holder.EXPORTER, Holder.DATASET)
LEG = (Holder.LEG, Holder.RECIPIENT)
SHARED_NAMES = [n for n, d in VOCABULARY.facts.items() if d.of in SHARED and not n.startswith("recipient")]
LEG_NAMES = [n for n, d in VOCABULARY.facts.items() if d.of in LEG or n.startswith("recipient.")]
PART_NAMES = [n for n, d in VOCABULARY.facts.items() if d.of is Holder.PART]
SUBJECT_NAMES = [n for n, d in VOCABULARY.facts.items() if d.of is Holder.SUBJECT and n != "subject.consent_state"]
GATES = (Gate.OUTSIDE_SCOPE, Gate.PROHIBITION, Gate.GROUND, Gate.MECHANISM, Gate.REQUIREMENT, Gate.REVIEW)
HINDERING = (Gate.PROHIBITION, Gate.REVIEW)


@dataclass(frozen=True, kw_only=True)
class Case:
    """One question with its facts."""

    question: Question
    facts: Facts


@dataclass(frozen=True, kw_only=True)
class World:
    """One policy set and a few questions about it, all at the instant `AT`."""

    policies: PolicySet
    cases: tuple[Case, ...]

    def __repr__(self) -> str:
        """Stay short where a test prints a world."""
        return f"World({len(self.policies.regimes)} packs, {len(self.cases)} cases)"


@dataclass(frozen=True, kw_only=True)
class Temper:
    """How a world is steered: how often a gate gets a truth that hinders, and which."""

    bad: float
    kinds: Mapping[Truth, float]
    unknown: float


CALM = Temper(bad=0.0, kinds={F: 1}, unknown=0.0)
TEMPERS = (
    CALM,
    CALM,
    CALM,
    CALM,
    CALM,
    Temper(bad=0.05, kinds={F: 1, U: 1, H: 1}, unknown=0.02),
    Temper(bad=0.12, kinds={F: 1, U: 1, H: 5}, unknown=0.0),
    Temper(bad=0.12, kinds={F: 1, U: 5, H: 1}, unknown=0.05),
    Temper(bad=0.45, kinds={F: 1, U: 1.3, H: 1.2}, unknown=0.03),
    Temper(bad=0.45, kinds={F: 1, U: 1.4, H: 1.2}, unknown=0.0),
    Temper(bad=0.25, kinds={F: 2, U: 1, H: 1}, unknown=0.25),
)


# --- rules -------------------------------------------------------------------------------------------------------


class Author:
    """Writes packs about one scene."""

    def __init__(self, dice: Dice, scene: Scene, temper: Temper, *, domestic: bool = False) -> None:
        self.dice, self.scene, self.temper, self.domestic = dice, scene, temper, domestic
        self.numbers: dict[tuple[str, Gate], int] = {}
        self.exceptions: dict[str, list[Rule]] = {}

    def rule_id(self, pack: str, gate: Gate) -> str:
        self.numbers[pack, gate] = self.numbers.get((pack, gate), 0) + 1
        return f"{pack}/{gate.value}/{gate.value[0]}{self.numbers[pack, gate]}"

    def duties(self, probability: float) -> tuple[DutyOwed, ...]:
        dice = self.dice
        found = []
        for kind in dice.some(tuple(DUTIES), probability):
            params = DUTIES[kind].params
            values = {
                "within": (dice.one(("P3D", "P9D")),), "whom": tuple(dice.some(("board", "public"), 0.7)) or ("board",),
                "purposes": tuple(dice.some(("care", "research", "audit"), 0.6)) or ("care",),
            }  # fmt: skip
            found.append(DutyOwed(type=kind, params=tuple((p, values[p]) for p in params)))
        return tuple(found)

    def consent(self) -> ConsentTest:
        dice = self.dice
        return ConsentTest(
            to=frozenset(dice.some(("transfer", "onward"), 0.4)), form=frozenset(dice.some(("explicit", "written"), 0.3)),
            told=frozenset(dice.some(("risks",), 0.3)), by=frozenset(dice.some(("subject", "parent"), 0.2)),
        )  # fmt: skip

    def rule(self, pack: str, gate: Gate, wanted: Truth) -> Rule:
        """Write a rule whose own base has the wanted truth, by one of several means."""
        dice, scene = self.dice, self.scene
        when: Condition = scene.condition(T) if dice.chance(0.6) else ALWAYS
        unless: Condition = scene.condition(F) if dice.chance(0.35) else NEVER
        needs: list[EvidenceNeed] = [scene.need(T)] if dice.chance(0.25) else []
        consent: ConsentTest | None = None
        existence, span = T, open_span(dice) if dice.chance(0.2) else Timespan()
        means = dice.number(0, 9)
        if wanted is not T:
            if means <= 3:
                when = scene.condition(wanted)
            elif means <= 5:
                unless = scene.condition(negate(wanted))
            elif means == 6 and wanted is not H:
                needs.append(scene.need(wanted))
            elif means == 7 and wanted is not U:
                existence = wanted
            elif means == 8 and wanted is not H:
                span = uncertain_span(dice) if wanted is U else closed_span(dice)
            elif means == 9 and wanted is F:
                consent = self.consent()
            else:
                when = scene.condition(wanted)
        elif dice.chance(0.06):
            consent = self.consent()
        confident = not dice.chance(0.06 if self.temper.bad else 0.0)
        return Rule(
            id=self.rule_id(pack, gate), gate=gate, cite="Art. 1", says="A rule of a random world.", when=when,
            unless=unless, needs=tuple(needs), consent=consent, existence=existence, span=span,
            confident=confident, duties=self.duties(0.08), source="world.yaml:1:1",
            confidence=Confidence.UNVERIFIED if not confident else dice.one((Confidence.KNOWLEDGE, Confidence.VERIFIED)),
        )  # fmt: skip

    def arguable(self) -> Arguable:
        dice = self.dice
        point = self.scene.condition(dice.one((F, U, T))) if dice.chance(0.5) else None
        return Arguable(point=point, who="officer")

    def truth(self, good: Truth, *, others: Mapping[Truth, float] | None = None) -> Truth:
        """Draw a rule's truth: good, or (now and then) one that hinders; kinds are as seen from permit."""
        dice = self.dice
        if not dice.chance(self.temper.bad):
            return good
        bad = dice.weighted(others or self.temper.kinds)
        return bad if good is T else negate(bad)

    def gate(self, pack: str, gate: Gate, names: Mapping[Gate, list[str]]) -> list[Rule]:
        dice = self.dice
        good = F if gate in HINDERING else T
        values = [self.truth(good)]
        if gate is Gate.OUTSIDE_SCOPE:
            values = [dice.weighted({F: 5, U: 1, H: 1, T: 1.3})]
        if gate is Gate.MECHANISM and self.domestic:
            values = [dice.weighted({F: 1, U: 1.6, H: 1.4, T: 0.7})]
        if gate is Gate.OUTSIDE_SCOPE and self.temper is CALM:
            values = [dice.weighted({F: 3, U: 2, H: 1.8, T: 1})]
        if gate is Gate.GROUND and dice.chance(0.5):
            values.append(dice.weighted({F: 5, U: 1, H: 1, T: 2}))
        elif gate is Gate.REQUIREMENT and dice.chance(0.7):
            values.append(dice.weighted({F: 2.2, U: 3, H: 2.4}) if len(names.get(Gate.GROUND, [])) > 1 else T)
        elif gate is not Gate.REQUIREMENT and dice.chance(0.3):
            values.append(good if good is F else dice.one(tuple(Truth)))
        return [self.fitted(pack, gate, v, names, second=i > 0) for i, v in enumerate(values)]

    def fitted(
        self, pack: str, gate: Gate, wanted: Truth, names: Mapping[Gate, list[str]], *, second: bool
    ) -> Rule:
        """Write a rule and give it what only rules of its gate have."""
        dice = self.dice
        if gate is Gate.REQUIREMENT:
            return self.requirement(pack, wanted, names, second=second)
        rule = self.rule(pack, gate, wanted)
        if gate in HINDERING:
            rule = self.defeated(rule, 0.3)
            if wanted is T and dice.chance(0.15):
                rule = replace(rule, defeated_by=(*rule.defeated_by, self.exception(pack, rule.id, T)))
        if gate is Gate.OUTSIDE_SCOPE:
            rule = self.defeated(rule, 0.08)
        if gate is Gate.GROUND and dice.chance(0.25):
            rule = replace(rule, despite_refusal="Art. 2")
        if gate is Gate.MECHANISM:
            grounds = names.get(Gate.GROUND, [])
            if grounds and dice.chance(0.25):
                rule = replace(rule, rests_on=frozenset(dice.some(grounds, 0.6)))
            rule = replace(rule, last_resort=dice.chance(0.2))
        never = gate in (Gate.REVIEW, Gate.OUTSIDE_SCOPE) or self.temper is CALM
        arguable = 0.0 if never else 0.06 + self.temper.bad / 4
        return replace(rule, arguable=self.arguable()) if dice.chance(arguable) else rule

    def requirement(
        self, pack: str, wanted: Truth, names: Mapping[Gate, list[str]], *, second: bool
    ) -> Rule:
        dice, scene = self.dice, self.scene
        applies = T if wanted is not T else dice.one((F, F, U, T))
        rule = self.rule(pack, Gate.REQUIREMENT, applies)
        rule = replace(rule, needs=(), consent=None, must=scene.condition(wanted if wanted is not F else F))
        if wanted in (T, F) and dice.chance(0.3):
            rule = replace(rule, must=scene.condition(T), needs=(scene.need(wanted),))
        rests = [*names.get(Gate.GROUND, []), *names.get(Gate.MECHANISM, [])]
        if second and wanted is not T:
            return replace(rule, rests_on=frozenset(names[Gate.GROUND][1:]))
        if rests and dice.chance(0.35):
            rule = replace(rule, rests_on=frozenset(dice.some(rests, 0.3) or [dice.one(rests)]))
        if self.temper is not CALM and dice.chance(0.08):
            rule = replace(rule, arguable=Arguable(who="officer"))
        return self.defeated(rule, 0.2)

    def defeated(self, rule: Rule, probability: float) -> Rule:
        """Attach exceptions to a rule now and then."""
        dice = self.dice
        found = list(rule.defeated_by)
        while dice.chance(probability) and len(found) < 2:
            pack = rule.id.split("/")[0] if dice.chance(0.7) else "p1"
            found.append(self.exception(pack, rule.id, dice.weighted({F: 2.5, U: 2.8, H: 1.4, T: 1.2})))
        return replace(rule, defeated_by=tuple(found))

    def exception(self, pack: str, defeats: str, wanted: Truth) -> Rule:
        dice = self.dice
        rule = replace(self.rule(pack, Gate.EXCEPTION, wanted), defeats=frozenset({defeats}))
        if not defeats.startswith(f"{pack}/"):
            rule = replace(rule, governed_by=self.scene.condition(dice.weighted({T: 4, F: 1, U: 1})))
        if "/exceptions/" not in defeats:
            rule = self.defeated(rule, 0.2)
        self.exceptions.setdefault(pack, []).append(rule)
        return rule

    # --- packs -----------------------------------------------------------------------------------------------

    def regime(self, pack: str, territory: frozenset[str], force: Force, governs: Condition) -> Regime:
        dice = self.dice
        rules: dict[Gate, tuple[Rule, ...]] = {}
        silent: dict[Gate, str] = {}
        presence = {Gate.OUTSIDE_SCOPE: 0.5, Gate.GROUND: 0.9, Gate.MECHANISM: 0.85, Gate.PROHIBITION: 0.75,
                    Gate.REQUIREMENT: 0.8, Gate.REVIEW: 0.7}  # fmt: skip
        names: dict[Gate, list[str]] = {}
        for gate in GATES:
            if force is Force.GUIDANCE and gate is not Gate.REVIEW:
                continue
            if not dice.chance(presence[gate]):
                silent[gate] = "not in this world"
                continue
            rules[gate] = tuple(self.gate(pack, gate, names))
            names[gate] = [r.id for r in rules[gate]]
        for gate, chance, likely in ((Gate.DUTY, 0.45, 0.5), (Gate.WHEN_DENIED, 0.45, 0.0)):
            if dice.chance(chance):
                kinds = tuple(replace(self.rule(pack, gate, dice.weighted({F: 1, U: 2, H: 1, T: 1})), duties=self.duties(likely / 4)
                              or (DutyOwed(type="report", params=(("within", ("P3D",)),)),)) for _ in "x")  # fmt: skip
                rules[gate] = kinds
        return Regime(
            id=pack, title=pack, territory=territory, force=force, governs=governs, rules=rules, silent_on=silent,
            source="world.yaml:1:1",
        )  # fmt: skip


def with_exceptions(regime: Regime, author: Author) -> Regime:
    found = author.exceptions.get(regime.id, [])
    return replace(regime, rules={**regime.rules, Gate.EXCEPTION: tuple(found)}) if found else regime


# --- facts and questions -----------------------------------------------------------------------------------------


def make_consent(dice: Dice, number: int, given: float) -> Consent:
    """Return one simple consent of some kind."""
    words = {
        "to": frozenset(dice.some(("transfer", "onward"), 0.7)), "forms": frozenset(dice.some(("explicit", "written"), 0.7)),
        "told": frozenset(dice.some(("risks", "destination"), 0.7)),
    }  # fmt: skip
    one = Consent(
        id=f"c{number}", effective=AT - timedelta(days=10), recorded=AT - timedelta(days=10), base=True,
        by=dice.one(("subject", "subject", "parent")), **words,
    )  # type: ignore[arg-type]  # fmt: skip
    kind = 0 if dice.chance(given) else dice.number(1, 9)
    match kind:
        case 1:
            return replace(one, base=False)
        case 2:
            return replace(one, status=ConsentStatus.INACTIVE, withdrawn=True, ended=AT - timedelta(days=1))
        case 3:
            return replace(one, validity=Period(end=AT - timedelta(days=1)))
        case 4:
            return replace(one, ambiguous="two readings")
        case 5:
            return replace(one, review="free text")
        case 6:
            return replace(one, status=ConsentStatus.REJECTED)
        case 7:
            code = dice.one(("TREAT", "HRESCH", "DSRCH"))
            return replace(one, base=False, provisions=(Provision(permit=True, purposes=frozenset({code})),))
        case 8:
            place = dice.one(("US", "EEA", "IN"))
            return replace(one, provisions=(Provision(permit=False, places=frozenset({place})),))
        case 9:
            return replace(one, effective=AT + timedelta(days=1), recorded=AT)
        case _:
            return one


def make_classes(dice: Dice, subject: Mapping[str, Value], unknown: float, legs: int) -> tuple[SubjectClass, ...]:
    count = dice.weighted({1: 8, 2: 2, 3: 0.4})
    consenting = dice.chance(0.3)
    found = []
    for number in range(count):
        facts = dict(subject)
        if number:
            for name in dice.some(SUBJECT_NAMES, 0.5):
                facts.pop(name, None)
                facts |= random_facts(dice, [name], unknown)
        consents = tuple(make_consent(dice, i, 0.45) for i in range(dice.weighted({1: 4, 2: 1}))) if consenting else ()
        size = dice.number(1, 40)
        before = {(leg, COUNT): dice.number(0, size) for leg in range(legs) if dice.chance(0.3)}
        found.append(SubjectClass(facts=facts, consents=consents, size=size, counted_before=before))
    return tuple(found)


def changed(dice: Dice, facts: Mapping[str, Value], names: list[str], probability: float, unknown: float) -> dict[str, Value]:
    """Draw some facts anew."""
    found = dict(facts)
    for name in dice.some(names, probability):
        found.pop(name, None)
        found |= random_facts(dice, [name], unknown)
    return found


def make_facts(dice: Dice, scene: Mapping[str, Value], unknown: float, *, measured: bool, change: float) -> Facts:
    """Build facts whose first cell is (nearly) the scene."""

    def pick(names: list[str]) -> dict[str, Value]:
        return {n: v for n, v in changed(dice, scene, names, change, unknown).items() if n in names}

    legs = []
    for number in range(dice.weighted({1: 8, 2: 1.3})):
        facts = pick(LEG_NAMES)
        if number:
            facts = changed(dice, facts, LEG_NAMES, 0.3, unknown)
        counted = {COUNT: random_value(dice, COUNT)} if measured and not dice.chance(0.1) else {}
        legs.append(LegFacts(facts=facts, counted=counted))  # type: ignore[arg-type]
    parts = []
    for number in range(dice.weighted({1: 7, 2: 2, 3: 0.5})):
        facts = pick(PART_NAMES)
        if number:
            facts = changed(dice, facts, PART_NAMES, 0.4, unknown)
        parts.append(PartFacts(id=f"part-{number}", facts=facts))
    return Facts(
        shared=pick(SHARED_NAMES), legs=tuple(legs), parts=tuple(parts),
        classes=make_classes(dice, pick(SUBJECT_NAMES), unknown, len(legs)),
    )  # fmt: skip


def make_question(dice: Dice) -> Question:
    profiles = dice.one((("as-is",), ("as-is",), ("pseudonymised",), ("as-is", "pseudonymised"), ("pseudonymised", "coarse")))
    cannot = frozenset({dice.one(tuple(DUTIES))}) if dice.chance(0.1) else frozenset()
    return Question(
        profiles=profiles, withhold_subjects=dice.chance(0.4), withhold_parts=dice.chance(0.4), cannot=cannot
    )  # fmt: skip


PROFILES = {
    "as-is": Profile(id="as-is", sets={}),
    "pseudonymised": Profile(id="pseudonymised", sets={"data.form": "pseudonymised", "data.meets": frozenset({"standard-a"})}),
    "coarse": Profile(
        id="coarse", sets={"data.form": "anonymous", "part.flag": True, "data.meets": frozenset({"standard-a", "standard-b"})},
        removes_categories=frozenset({"genomic", "clinical"}),
    ),
}  # fmt: skip


def make_packs(dice: Dice, author: Author, origin: Value | None) -> list[Regime]:
    """Write an own pack of the origin and up to three others."""
    scene, home = author.scene, origin if isinstance(origin, str) and not dice.chance(0.04) else "FR"
    governs = scene.condition(author.truth(T)) if dice.chance(0.4) else ALWAYS
    found = [author.regime("p0", frozenset({home if dice.chance(0.8) else "EEA"}), Force.LAW, governs)]
    for number in range(1, 1 + dice.weighted({0: 3, 1: 5, 2: 2})):
        force = dice.weighted({Force.LAW: 6, Force.HOUSE: 2, Force.GUIDANCE: 1.5})
        territory = frozenset() if force is not Force.LAW else frozenset(dice.some(("DE", "FR", "US", "IN"), 0.4) or ["US"])
        wanted = dice.weighted({T: 4, F: 2, U: 0.4, H: 0.4})
        found.append(author.regime(f"p{number}", territory, force, scene.condition(wanted)))
    return found


def make_scene(dice: Dice, unknown: float, *, measured: bool, domestic: bool) -> Scene:
    names = [*SHARED_NAMES, *LEG_NAMES, *PART_NAMES, *SUBJECT_NAMES]
    facts = random_facts(dice, names, unknown)
    for name in ("origin", "subject.residence"):
        if name not in facts and dice.chance(0.8):
            facts[name] = random_value(dice, name)
    if dice.chance(0.7):
        facts["data.form"] = "identified"
    if domestic:
        facts |= {"origin": "DE", "destination": "DE", "subject.residence": "DE"}
        facts |= dict.fromkeys(("storage.places", "access.places", "onward.places"), frozenset({"DE"}))
    if measured:
        facts[COUNT] = random_value(dice, COUNT)
    return Scene(dice, facts)


def make_world(source: random.Random, cases: int = 3) -> World:
    """Build a world from a random source."""
    dice = Dice(source)
    temper = dice.one(TEMPERS)
    measured = dice.chance(0.2)
    domestic = dice.chance(0.33)
    scene = make_scene(dice, temper.unknown, measured=measured, domestic=domestic)
    author = Author(dice, scene, temper, domestic=domestic)
    packs = make_packs(dice, author, scene.facts.get("origin"))
    terms = [author.regime("t0", frozenset(), Force.HOUSE, ALWAYS)] if dice.chance(0.1) else []
    packs = [with_exceptions(p, author) for p in packs]
    rules = [r.id for p in packs for g in p.rules for r in p.rules[g]]
    findings = tuple(scene.finding(r) for r in dice.some(rules, 0.05 + temper.bad / 4))
    measures = {}
    if measured:
        measures[COUNT] = Measure(key=COUNT, within=scene.condition(dice.weighted({T: 4, U: 1, F: 1})), per=(), window_days=365)
    entries = tuple(
        PlaceEntry(place=p, cite="none", span=dice.one((Timespan(), closed_span(dice))) if dice.chance(0.1) else Timespan())
        for p in dice.some(("US", "IN", "FR", "DE", "EEA"), 0.9)
    )
    policies = PolicySet(
        digest="sha256:world", vocabulary=VOCABULARY, regimes=tuple(packs), profiles=PROFILES, measures=measures,
        no_regime=entries,
    )  # fmt: skip
    made = []
    for number in range(cases):
        facts = make_facts(dice, scene.facts, temper.unknown, measured=measured, change=(0.0, 0.05, 0.1, 0.2)[number % 4])
        facts = replace(facts, evidence=(*scene.evidence, *findings), terms=tuple(terms))
        made.append(Case(question=make_question(dice), facts=facts))
    policies = replace(policies, regimes=tuple(dated(dice, regime) for regime in policies.regimes))
    return World(policies=policies, cases=tuple(made))


def dated(dice: Dice, regime: Regime) -> Regime:
    """Give a pack, now and then, a span or a status of its own."""
    if not dice.chance(0.01 if regime.id == "p0" else 0.08):
        return regime
    spans = (open_span(dice), uncertain_span(dice), closed_span(dice))
    return replace(regime, span=dice.one(spans), existence=dice.weighted({T: 6, H: 1, F: 1}))


def worlds(cases: int = 1) -> st.SearchStrategy[World]:
    """Return worlds by seed: what fails is named by its seed, not by pages of rules."""
    return st.integers(0, 2**40).map(lambda seed: make_world(random.Random(seed), cases))
