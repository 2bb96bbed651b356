"""Rules and regimes in one cell, straight from docs/semantics.md, sections 3 and 4."""

from __future__ import annotations

from dataclasses import dataclass, replace
from itertools import product

from governance.core.facts import Value
from governance.core.rules import DutyOwed, Force, Gate, Regime, Rule
from governance.core.truth import Truth
from tests.reference.answers import (
    FALSE,
    HUMAN,
    TRUE,
    Answer,
    Cell,
    F,
    H,
    T,
    U,
    both,
    capped,
    condition,
    either,
    every,
    found_lawful,
    lifted,
    need_met,
    opposite_leaf,
    some,
    turned,
)
from tests.reference.answers import consent_test as consent_leaf

# --- rules -------------------------------------------------------------------------------------------------------


def confident(cell: Cell, rule: Rule) -> bool:
    return rule.confident or cell.all_confident or found_lawful(cell, rule.id)


def cannot_fulfil(cell: Cell, rule: Rule) -> bool:
    return any(duty.type in cell.cannot for duty in rule.duties)


def settled(cell: Cell, rule: Rule, answer: Answer) -> Answer:
    """Let a finding answer what is human (in the form in which being true helps)."""
    return TRUE if answer.value is H and found_lawful(cell, rule.id) else answer


def exists(cell: Cell, rule: Rule) -> Answer:
    return both(Answer(rule.existence), Answer(rule.span.holds(cell.day)))


def consent(cell: Cell, rule: Rule) -> Answer:
    if rule.consent is None:
        return TRUE
    value = consent_leaf(cell, rule.consent)
    return Answer(value, frozenset({"subject.consent_state"}) if value is U else frozenset())


def documents(cell: Cell, rule: Rule) -> Answer:
    return every([*(need_met(cell, need) for need in rule.needs), consent(cell, rule)])


def base(cell: Cell, rule: Rule, *, helps: bool) -> Answer:
    return both(
        exists(cell, rule),
        condition(cell, rule.when, helps=helps),
        condition(cell, rule.unless, negated=True, helps=not helps),
        documents(cell, rule),
    )


def not_base(cell: Cell, rule: Rule, *, helps: bool, unless: Answer | None = None) -> Answer:
    """Negate `base`, every `not` at the leaves."""
    documents_absent = [opposite_leaf(need_met(cell, need)) for need in rule.needs]
    return either(
        opposite_leaf(Answer(rule.existence)),
        opposite_leaf(Answer(rule.span.holds(cell.day))),
        condition(cell, rule.when, negated=True, helps=helps),
        unless if unless is not None else condition(cell, rule.unless, helps=not helps),
        *documents_absent,
        opposite_leaf(consent(cell, rule)),
    )


def sure_unless(cell: Cell, rule: Rule) -> Answer:
    """Answer the `unless` of a rule that hinders: human at most if the rule is not known well enough."""
    answer = condition(cell, rule.unless, helps=True)
    return answer if confident(cell, rule) else both(answer, HUMAN)


def governed_by(cell: Cell, rule: Rule, *, negated: bool) -> Answer:
    if rule.governed_by is None:
        return turned(TRUE, negated=negated)
    return condition(cell, rule.governed_by, negated=negated, helps=True)


def exception(cell: Cell, rule: Rule) -> Answer:
    answer = both(
        base(cell, rule, helps=True),
        governed_by(cell, rule, negated=False),
        *(not_exception(cell, other) for other in rule.defeated_by),
    )
    if not confident(cell, rule):
        answer = capped(answer, negated=False)
    answer = settled(cell, rule, answer)
    return FALSE if cannot_fulfil(cell, rule) else answer


def not_exception(cell: Cell, rule: Rule) -> Answer:
    """Negate an exception that defeats another one: every `not` at the leaves, no finding or duty looked at."""
    answer = either(
        not_base(cell, rule, helps=True),
        governed_by(cell, rule, negated=True),
        *(exception(cell, other) for other in rule.defeated_by),
    )
    known = rule.confident or cell.all_confident
    return answer if known else capped(answer, negated=True)


def outside_scope(cell: Cell, rule: Rule) -> Answer:
    """Answer a rule of outside_scope: the same formula as an exception's."""
    return exception(cell, rule)


def ground_or_mechanism(cell: Cell, rule: Rule) -> Answer:
    answer = base(cell, rule, helps=True)
    if rule.arguable is not None:
        if rule.arguable.point is None:
            answer = both(answer, HUMAN)
        else:
            answer = both(answer, lifted(condition(cell, rule.arguable.point, helps=True)))
    if not confident(cell, rule):
        answer = capped(answer, negated=False)
    answer = settled(cell, rule, answer)
    return FALSE if cannot_fulfil(cell, rule) else answer


def ground(cell: Cell, rule: Rule) -> Answer:
    if cell.kept and rule.despite_refusal is None:
        return FALSE
    return ground_or_mechanism(cell, rule)


def not_prohibited(cell: Cell, rule: Rule) -> Answer:
    answer = either(
        not_base(cell, rule, helps=False, unless=sure_unless(cell, rule)),
        *(exception(cell, e) for e in rule.defeated_by),
    )
    if rule.arguable is not None:
        answer = lifted(answer)
    return settled(cell, rule, answer)


def not_applying(cell: Cell, rule: Rule) -> Answer:
    """Say whether a requirement does not apply."""
    return either(
        opposite_leaf(Answer(rule.existence)),
        opposite_leaf(Answer(rule.span.holds(cell.day))),
        condition(cell, rule.when, negated=True, helps=False),
        sure_unless(cell, rule),
    )


def requirement(cell: Cell, rule: Rule, *, with_exceptions: bool = True) -> Answer:
    free = not_applying(cell, rule)
    held = both(condition(cell, rule.must, helps=True), documents(cell, rule))
    defeated = [exception(cell, e) for e in rule.defeated_by] if with_exceptions else []
    answer = either(free, held, *defeated)
    if rule.arguable is not None:
        answer = lifted(answer)
    answer = settled(cell, rule, answer)
    return both(answer, free) if cannot_fulfil(cell, rule) else answer


def review_cap(cell: Cell, rule: Rule) -> Answer:
    """Cap of a review: not asked true, unknown unknown, human or asked human; a finding answers it."""
    answer = either(
        not_base(cell, rule, helps=False, unless=sure_unless(cell, rule)),
        *(exception(cell, e) for e in rule.defeated_by),
    )
    return settled(cell, rule, lifted(answer))


# --- a regime ----------------------------------------------------------------------------------------------------


@dataclass(frozen=True, kw_only=True)
class Path:
    """One lawful way: a ground (None: silent) with a mechanism (None: none needed or silent)."""

    ground: Rule | None
    mechanism: Rule | None
    requirements: tuple[Rule, ...]
    value: Truth


@dataclass(frozen=True, kw_only=True)
class RegimeAnswer:
    """One regime in one cell."""

    value: Answer
    affirms: Answer
    asks: Answer


def rules_of(regime: Regime, gate: Gate) -> tuple[Rule, ...]:
    return tuple(regime.rules.get(gate, ()))


def inside(cell: Cell, regime: Regime) -> list[Answer]:
    """For every place the data may be, say whether it lies inside the territory."""
    place = cell.vocabulary.taxonomies["place"]
    answers: list[Answer] = []
    for fact in ("destination", "storage.places", "access.places", "onward.places"):
        value: Value | None = cell.facts.get(fact)
        if value is None:
            answers.append(Answer(U, frozenset({fact})))
            continue
        places = value if isinstance(value, frozenset) else {str(value)}
        for one in sorted(places):
            found = max((place.relation(one, term) for term in regime.territory), default=F)
            answers.append(Answer(found, frozenset({fact}) if found is U else frozenset()))
    return answers


def stays(cell: Cell, regime: Regime) -> Answer:
    """Answer `not leaves`: nothing lies outside the territory."""
    return every(inside(cell, regime)) if regime.territory else TRUE


def goes_with(rule: Rule, name: str | None) -> bool:
    return not rule.rests_on or (name is not None and name in rule.rests_on)


def demands(cell: Cell, regime: Regime, name: str | None) -> Answer:
    """Answer Q(x), or Q0 where no name is given."""
    asked = [
        r
        for r in rules_of(regime, Gate.REQUIREMENT)
        if (name is None and not r.rests_on) or (name is not None and name in r.rests_on)
    ]
    return every(requirement(cell, r) for r in asked)


def grounds_of(regime: Regime) -> list[Rule | None]:
    return [None] if Gate.GROUND in regime.silent_on else list(rules_of(regime, Gate.GROUND))


def tier(cell: Cell, regime: Regime, *, last_resort: bool) -> Answer:
    """Return the maximum over grounds of path(g, tier)."""
    at_home, general = stays(cell, regime), demands(cell, regime, None)
    mechanisms = [m for m in rules_of(regime, Gate.MECHANISM) if m.last_resort is last_resort]
    ways = [(m, both(ground_or_mechanism(cell, m), demands(cell, regime, m.id))) for m in mechanisms]
    paths = []
    for basis in grounds_of(regime):
        name = None if basis is None else basis.id
        stands = TRUE if basis is None else ground(cell, basis)
        own = TRUE if name is None else demands(cell, regime, name)
        carried = either(at_home, *(value for m, value in ways if goes_with(m, name)))
        if Gate.MECHANISM in regime.silent_on:
            carried = TRUE
        paths.append(both(stands, general, own, carried))
    return some(paths)


def last_resort_opens(cell: Cell, regime: Regime) -> bool:
    """Only if every ordinary way is false, and not only because a duty was refused."""
    return tier(replace(cell, cannot=frozenset()), regime, last_resort=False).value is F


def best(cell: Cell, regime: Regime) -> Answer:
    ordinary = tier(replace(cell, cannot=frozenset()), regime, last_resort=False)
    if ordinary.value is F:
        return tier(cell, regime, last_resort=True)
    return tier(cell, regime, last_resort=False) if cell.cannot else ordinary


def outside(cell: Cell, regime: Regime) -> Answer:
    return some(outside_scope(cell, rule) for rule in rules_of(regime, Gate.OUTSIDE_SCOPE))


def governing(cell: Cell, regime: Regime) -> Answer:
    """Say whether the regime is in force and its law says that it governs."""
    span = Answer(regime.span.holds(cell.day))
    return both(Answer(regime.existence), span, condition(cell, regime.governs, helps=False))


def not_governing(cell: Cell, regime: Regime) -> Answer:
    return either(
        opposite_leaf(Answer(regime.existence)),
        opposite_leaf(Answer(regime.span.holds(cell.day))),
        condition(cell, regime.governs, negated=True, helps=False),
    )


def answer_regime(cell: Cell, regime: Regime) -> RegimeAnswer:
    governs, governs_not = governing(cell, regime), not_governing(cell, regime)
    cap = every(review_cap(cell, rule) for rule in rules_of(regime, Gate.REVIEW))
    refused = [not_base(cell, rule, helps=False) for rule in rules_of(regime, Gate.DUTY) if cannot_fulfil(cell, rule)]
    if regime.force is Force.GUIDANCE:
        return RegimeAnswer(value=either(governs_not, every([cap, *map(lifted, refused)])), affirms=FALSE, asks=FALSE)
    beyond, beyond_anyway = outside(cell, regime), outside(replace(cell, cannot=frozenset()), regime)
    prohibited_not = [not_prohibited(cell, rule) for rule in rules_of(regime, Gate.PROHIBITION)] + refused
    value = either(governs_not, beyond, every([*prohibited_not, both(best(cell, regime), cap)]))
    affirms = both(governs, either(beyond, *(ground(cell, g) for g in rules_of(regime, Gate.GROUND))))
    asks = FALSE if Gate.GROUND in regime.silent_on else both(governs, opposite_leaf(beyond_anyway))
    return RegimeAnswer(value=value, affirms=affirms, asks=asks)


# --- what a permitted cell relies on -----------------------------------------------------------------------------


def owed_requirements(cell: Cell, regime: Regime, names: list[str]) -> list[Rule]:
    """Return requirements of a path that apply (not false)."""
    return [
        r
        for r in rules_of(regime, Gate.REQUIREMENT)
        if (not r.rests_on or r.rests_on & set(names)) and not_applying(cell, r).value is not T
    ]


def paths(cell: Cell, regime: Regime) -> list[Path]:
    """Return every path of the deciding tier that is not false."""
    last = last_resort_opens(cell, regime)
    free = stays(cell, regime).value is T or Gate.MECHANISM in regime.silent_on
    found = []
    mechanisms: list[Rule | None] = [None]
    if not free:
        mechanisms = [m for m in rules_of(regime, Gate.MECHANISM) if m.last_resort is last]
    for basis, way in product(grounds_of(regime), mechanisms):
        name = None if basis is None else basis.id
        if way is not None and not goes_with(way, name):
            continue
        names = [r.id for r in (basis, way) if r is not None]
        value = every(
            [
                *([] if basis is None else [ground(cell, basis)]),
                *([] if way is None else [ground_or_mechanism(cell, way)]),
                demands(cell, regime, None),
                *(demands(cell, regime, n) for n in names),
            ]
        ).value
        if value is not F:
            owed = tuple(owed_requirements(cell, regime, names))
            found.append(Path(ground=basis, mechanism=way, requirements=owed, value=value))
    return found


def duty_types(rules: list[Rule]) -> set[str]:
    return {d.type for rule in rules for d in rule.duties}


def chosen_path(candidates: list[Path]) -> Path:
    def rank(one: Path) -> tuple[int, int, tuple[str, str]]:
        own = [r for r in (one.ground, one.mechanism) if r is not None]
        known = min((int(r.confidence) for r in own), default=9)
        kinds = duty_types([*own, *(r for r in one.requirements if r.rests_on)])
        ids = (one.ground.id if one.ground else "", one.mechanism.id if one.mechanism else "")
        return (-known, len(kinds), ids)

    return min(candidates, key=rank)


def defeating(cell: Cell, rule: Rule, *, free: Truth) -> list[Rule]:
    """Return true exceptions, if without them the rule would have stood in the way."""
    if free is T:
        return []
    return [e for e in rule.defeated_by if exception(cell, e).value is T]


@dataclass(frozen=True, kw_only=True)
class Owed:
    """A duty that a rule brings in one cell."""

    duty: DutyOwed
    rule: str


def owed(cell: Cell, regime: Regime) -> list[Owed]:
    """Return the duties that a regime brings in a permitted cell."""
    if governing(cell, regime).value is F:
        return []
    exits = [r for r in rules_of(regime, Gate.OUTSIDE_SCOPE) if outside_scope(cell, r).value is T]
    if exits and regime.force is not Force.GUIDANCE:
        brought = [min(exits, key=lambda r: (-int(r.confidence), len(duty_types([r])), r.id))]
    else:
        brought = [r for r in rules_of(regime, Gate.DUTY) if base(cell, r, helps=False).value is not F]
        brought += relied_on(cell, regime)
    return [Owed(duty=d, rule=rule.id) for rule in brought for d in rule.duties]


def relied_on(cell: Cell, regime: Regime) -> list[Rule]:
    """Return the path relied on, its requirements and the exceptions that opened it."""
    if regime.force is Force.GUIDANCE:
        return []
    ways = [way for way in paths(cell, regime) if way.value is T]
    if not ways:
        return []
    way = chosen_path(ways)
    found = [rule for rule in (way.ground, way.mechanism) if rule is not None]
    for rule in way.requirements:
        found.append(rule)
        found += defeating(cell, rule, free=requirement(cell, rule, with_exceptions=False).value)
    for gate in (Gate.PROHIBITION, Gate.REVIEW):
        for rule in rules_of(regime, gate):
            free = not_base(cell, rule, helps=False, unless=sure_unless(cell, rule)).value
            found += defeating(cell, rule, free=free)
    return found


def rule_value(cell: Cell, rule: Rule) -> Truth:
    """Return a rule's own truth (a prohibition that is true prohibits), for tables of what was tried."""
    match rule.gate:
        case Gate.OUTSIDE_SCOPE:
            return outside_scope(cell, rule).value
        case Gate.GROUND:
            return ground_or_mechanism(cell, rule).value
        case Gate.MECHANISM:
            return ground_or_mechanism(cell, rule).value
        case Gate.REQUIREMENT:
            return requirement(cell, rule).value
        case Gate.EXCEPTION:
            return exception(cell, rule).value
        case Gate.PROHIBITION:
            return opposite_leaf(not_prohibited(cell, rule)).value
        case Gate.REVIEW:
            free = either(
                not_base(cell, rule, helps=False, unless=sure_unless(cell, rule)),
                *(exception(cell, e) for e in rule.defeated_by),
            )
            return F if review_cap(cell, rule).value is T else opposite_leaf(free).value
        case Gate.DUTY | Gate.WHEN_DENIED:
            return base(cell, rule, helps=False).value
