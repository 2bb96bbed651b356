"""Compile packs into the core's regimes.

Guarantees: a compiled set knows no name that is not declared; an exception stands inside every rule it
defeats, whichever pack it comes from; what is less well known than the operator asks is marked wherever
relying on it would help a request; and nothing depends on the order of files, packs, rules or rows.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace

from governance.core.conditions import (
    ALWAYS,
    NEVER,
    AllOf,
    AnyOf,
    Condition,
    ConsentTest,
    EvidenceNeed,
    EvidenceTest,
    FactTest,
    Not,
    TableTest,
)
from governance.core.facts import Holder, Vocabulary
from governance.core.rules import (
    Arguable,
    Confidence,
    Force,
    Gate,
    Measure,
    OwnershipQuestion,
    Regime,
    Rule,
)
from governance.policy.clauses import check_word, read_consent, read_duties, read_needs
from governance.policy.conditions import GOVERNS, HELPING, HINDERING, TRIAL, ConditionCompiler, Stand
from governance.policy.read import Scalar
from governance.policy.schema import MeasureDocument, PackDocument, RowDocument, RuleDocument
from governance.policy.shape import Faults, did_you_mean, period_days

__all__ = ["Compiled", "compile_packs"]

_HELPING_GATES = (Gate.OUTSIDE_SCOPE, Gate.GROUND, Gate.MECHANISM, Gate.EXCEPTION)
_DEFEATABLE = (Gate.PROHIBITION, Gate.REQUIREMENT, Gate.REVIEW, Gate.EXCEPTION)


@dataclass(frozen=True, slots=True, kw_only=True)
class Compiled:
    """What packs compile to."""

    regimes: tuple[Regime, ...]
    measures: Mapping[str, Measure]
    ownership: tuple[OwnershipQuestion, ...]


@dataclass(slots=True, kw_only=True)
class _Work:
    """Everything that compiling one set shares."""

    vocabulary: Vocabulary
    packs: Mapping[str, PackDocument]
    level: Confidence
    faults: Faults
    conditions: ConditionCompiler
    rules: Mapping[str, PackDocument]
    """Every rule's id with its pack."""
    measures: dict[str, Measure] = field(default_factory=dict)
    governs: dict[str, Condition] = field(default_factory=dict)
    helping_governs: dict[str, Condition] = field(default_factory=dict)


def compile_packs(
    packs: Mapping[str, PackDocument], vocabulary: Vocabulary, level: Confidence, faults: Faults
) -> Compiled:
    """Compile every pack.

    Args:
        packs: pack id to document.
        vocabulary: what they may name.
        level: how well law must be known for a permit to rest on it.
        faults: collects what is wrong; use the result only if it has no error.

    Returns:
        Regimes by id, measures by fact key, questions about ownership.
    """
    conditions = ConditionCompiler(vocabulary, packs, level, faults)
    owners = {document.id: pack for pack in packs.values() for document in _rules_of(pack)}
    work = _Work(
        vocabulary=vocabulary, packs=packs, level=level, faults=faults, conditions=conditions, rules=owners
    )  # fmt: skip
    for name in sorted(packs):
        _pack_parts(packs[name], work)
    plain = {document.id: _rule(document, packs[name], work)
             for name in sorted(packs) for document in _rules_of(packs[name])}  # fmt: skip
    rules = _defeats(plain, work)
    regimes = tuple(_regime(packs[name], rules, work) for name in sorted(packs))
    ownership = tuple(conditions.ownership[key] for key in sorted(conditions.ownership))
    return Compiled(regimes=regimes, measures=dict(sorted(work.measures.items())), ownership=ownership)


def _rules_of(pack: PackDocument) -> Iterator[RuleDocument]:
    for gate in Gate:
        yield from pack.rules.get(gate, ())


def _pack_parts(pack: PackDocument, work: _Work) -> None:
    """Compile what belongs to no single rule, so that faults in unused definitions are found too."""
    for place in pack.territory:
        check_word(place, "place", work.vocabulary, work.faults)
    if pack.governs is not None:
        work.governs[pack.id] = work.conditions.compile(pack.governs, pack, GOVERNS)
        work.helping_governs[pack.id] = work.conditions.compile(pack.governs, pack, replace(GOVERNS, helps=True))
    for node in pack.definitions.values():
        work.conditions.compile(node, pack, TRIAL)
    for rows in pack.tables.values():
        for row in rows:
            _try_row(row, pack, work)
    for measure in pack.measures.values():
        compiled = _measure(measure, pack, work)
        work.measures[compiled.key] = compiled


def _try_row(row: RowDocument, pack: PackDocument, work: _Work) -> None:
    """Find unknown names in a row that no rule may look at."""
    if row.node.get("place") or row.node.get("places"):
        for term in row.terms:
            check_word(term, "place", work.vocabulary, work.faults)
    for node in (row.when, row.unless):
        if node is not None:
            work.conditions.compile(node, pack, TRIAL)


def _measure(measure: MeasureDocument, pack: PackDocument, work: _Work) -> Measure:
    stand = replace(HINDERING, name="`in` of a measure")
    known = (*work.vocabulary.facts, "exporter.id", "recipient.id")
    for fact in measure.per:
        if fact.text not in known:
            work.faults.error(fact, f"unknown fact `{fact.text}`", did_you_mean(fact.text, known))
    closing = measure.complete_by
    if closing is not None and closing.text not in work.vocabulary.evidence:
        hint = did_you_mean(closing.text, work.vocabulary.evidence)
        work.faults.error(closing, f"unknown evidence `{closing.text}`", hint)
    return Measure(
        key=f"count[{pack.id}/{measure.name}]",
        within=work.conditions.compile(measure.within, pack, stand) if measure.within else ALWAYS,
        per=tuple(sorted({fact.text for fact in measure.per})),
        window_days=_window(measure.window, work.faults),
        complete_by=closing.text if closing else None,
    )


def _window(node: Scalar | None, faults: Faults) -> int | None:
    if node is None or node.text == "calendar year":
        return None
    days = period_days(node.text, longest=True)
    if days is None:
        faults.error(node, "`window` must be a period", "write it as `12 months` or `calendar year`")
    return days


def _rule(document: RuleDocument, pack: PackDocument, work: _Work) -> Rule:
    """Compile one rule, its exceptions apart."""
    compiler, faults = work.conditions, work.faults
    helps = document.gate in _HELPING_GATES
    stand = HELPING if helps else HINDERING
    must = replace(HELPING, name="`must`")
    consent = read_consent(document.consent, work.vocabulary, faults) if document.consent is not None else None
    denied = document.gate is Gate.WHEN_DENIED
    rule = Rule(
        id=document.id, gate=document.gate, cite=document.cite, says=document.says,
        when=compiler.compile(document.when, pack, _open(stand, document.gate)) if document.when else ALWAYS,
        unless=compiler.compile(document.unless, pack, stand.under("unless")) if document.unless else NEVER,
        must=compiler.compile(document.must, pack, must) if document.must else ALWAYS,
        needs=read_needs(document.needs, work.vocabulary, faults) if document.needs is not None else (),
        consent=consent,
        rests_on=_rests_on(document, pack, work),
        defeats=_defeated(document, pack, work),
        last_resort=document.last_resort,
        arguable=_arguable(document, pack, compiler),
        duties=read_duties(document.duties, work.vocabulary, faults, denied=denied) if document.duties else (),
        span=document.standing.span, existence=document.standing.existence,
        confidence=document.standing.level(), confident=document.standing.level() >= work.level,
        despite_refusal=document.despite_refusal, source=document.node.where,
    )  # fmt: skip
    dependent = _reads_subject(rule, work) or reads_subject(work.governs.get(pack.id, ALWAYS), work)
    return replace(rule, subject_dependent=dependent)


def _open(stand: Stand, gate: Gate) -> Stand:
    """In ``duties`` and ``when_denied`` a missing fact leaves out a duty only; nothing is permitted by it."""
    return replace(stand, guarded=False) if gate in (Gate.DUTY, Gate.WHEN_DENIED) else stand


def _arguable(document: RuleDocument, pack: PackDocument, compiler: ConditionCompiler) -> Arguable | None:
    argued = document.arguable
    if argued is None:
        return None
    point = compiler.compile(argued.point, pack, replace(HELPING, name="`point`")) if argued.point else None
    return Arguable(point=point, who=argued.who, within=argued.within, break_glass=argued.break_glass, says=argued.says)


def _find(name: Scalar, pack: PackDocument, gates: tuple[Gate, ...], work: _Work) -> str | None:
    """Find a rule of the same pack by ``name`` or ``section/name``."""
    section, _, rest = name.text.rpartition("/")
    tried = [f"{pack.id}/{gate}/{rest}" for gate in gates if section in ("", str(gate))]
    found = [one for one in tried if one in work.rules]
    if len(found) == 1:
        return found[0]
    if found:
        choices = ", ".join(f"`{one.removeprefix(pack.id + '/')}`" for one in found)
        work.faults.error(name, f"`{name.text}` names several rules", f"write one of {choices}")
        return None
    rules = [rule for gate in gates for rule in pack.rules.get(gate, ())]
    known = [*(rule.name for rule in rules), *(f"{rule.gate}/{rule.name}" for rule in rules)]
    where = " or ".join(f"`{gate}`" for gate in gates)
    work.faults.error(name, f"no rule `{name.text}` in {where} of this pack", did_you_mean(name.text, known))
    return None


def _rests_on(document: RuleDocument, pack: PackDocument, work: _Work) -> frozenset[str]:
    gates = (Gate.GROUND,) if document.gate is Gate.MECHANISM else (Gate.GROUND, Gate.MECHANISM)
    found = (_find(name, pack, gates, work) for name in document.rests_on)
    return frozenset(name for name in found if name)


def _defeated(document: RuleDocument, pack: PackDocument, work: _Work) -> frozenset[str]:
    found = {_find(name, pack, _DEFEATABLE, work) for name in document.exception_to}
    for name in document.sets_aside:
        owner = work.rules.get(name.text)
        if owner is not None and owner.id != pack.id and name.text.split("/")[1] in _DEFEATABLE:
            found.add(name.text)
            if pack.force is not Force.LAW and owner.force is Force.LAW:
                hint = "house rules may only ask for more than the law does"
                work.faults.error(name, f"law `{name.text}` cannot be set aside by a pack that is no law", hint)
            continue
        near = did_you_mean(name.text, (rule for rule in work.rules if rule.split("/")[1] in _DEFEATABLE))
        if owner is not None and owner.id == pack.id:
            near = "for a rule of the same pack write `exception_to`"
        work.faults.error(name, f"no rule `{name.text}` in another pack that could be set aside", near)
    return frozenset(name for name in found if name)


def _defeats(plain: Mapping[str, Rule], work: _Work) -> dict[str, Rule]:
    """Put every exception into the rules it defeats; exceptions that defeat one another in a circle are faults."""
    naming: dict[str, list[str]] = {name: [] for name in plain}
    for name in sorted(plain):
        for target in plain[name].defeats:
            if target in naming:
                naming[target].append(name)
    done: dict[str, Rule] = {}
    for start in sorted(plain):
        path = [start]
        while path:
            name = path[-1]
            waiting = [other for other in naming[name] if other not in done]
            if not waiting:
                done[name] = _with_exceptions(plain[name], [done[other] for other in naming[name]], work)
                path.pop()
            elif waiting[0] in path:
                circle = " -> ".join(f"`{step}`" for step in [*path[path.index(waiting[0]) :], waiting[0]])
                work.faults.error(plain[name].source, f"exceptions defeat one another in a circle: {circle}")
                return dict(plain)
            else:
                path.append(waiting[0])
    return done


def _with_exceptions(rule: Rule, exceptions: list[Rule], work: _Work) -> Rule:
    if not exceptions:
        return rule
    own = rule.id.partition("/")[0]
    inside = tuple(
        one if one.id.partition("/")[0] == own else _from_elsewhere(one, work)
        for one in sorted(exceptions, key=lambda one: one.id)
    )
    dependent = rule.subject_dependent or any(one.subject_dependent for one in inside)
    return replace(rule, defeated_by=inside, subject_dependent=dependent)


def _from_elsewhere(rule: Rule, work: _Work) -> Rule:
    """Let an exception count in another pack only where its own governs and is known to be in force."""
    pack = rule.id.partition("/")[0]
    existence = min(rule.existence, work.packs[pack].standing.existence)
    return replace(rule, governed_by=work.helping_governs.get(pack, ALWAYS), existence=existence)


def _reads_subject(rule: Rule, work: _Work) -> bool:
    conditions = [rule.when, rule.unless, rule.must]
    if rule.arguable and rule.arguable.point:
        conditions.append(rule.arguable.point)
    return (
        rule.consent is not None
        or any(_need_of_subjects(need, work.vocabulary) for need in rule.needs)
        or any(reads_subject(condition, work) for condition in conditions)
    )


def _need_of_subjects(need: EvidenceNeed, vocabulary: Vocabulary) -> bool:
    kind = vocabulary.evidence.get(need.type)
    return kind is not None and "subjects" in kind.match


def reads_subject(condition: Condition, work: _Work) -> bool:
    """Say whether a condition reads the patient's facts or consent, also through a count of people."""
    inside: tuple[Condition, ...] = ()
    found = False
    match condition:
        case ConsentTest():
            found = True
        case EvidenceTest(need=need):
            found = _need_of_subjects(need, work.vocabulary)
        case AllOf(members=members) | AnyOf(members=members):
            inside = members
        case Not(member=member):
            inside = (member,)
        case TableTest(fact=fact, rows=rows):
            found = _of_subject(fact, work)
            inside = tuple(part for row in rows for part in (row.when, row.unless))
        case FactTest(fact=fact):
            found = _of_subject(fact, work)
        case _:
            pass
    return found or any(reads_subject(part, work) for part in inside)


def _of_subject(fact: str, work: _Work) -> bool:
    definition = work.vocabulary.facts.get(fact.partition("[")[0])
    measure = work.measures.get(fact)
    if measure is not None:
        return reads_subject(measure.within, work)
    return definition is not None and (definition.of is Holder.SUBJECT or definition.source == "consent")


def _regime(pack: PackDocument, rules: Mapping[str, Rule], work: _Work) -> Regime:
    compiled = {gate: tuple(sorted((rules[document.id] for document in documents), key=lambda rule: rule.id))
                for gate, documents in sorted(pack.rules.items())}  # fmt: skip
    return Regime(
        id=pack.id,
        title=pack.title,
        territory=frozenset(place.text for place in pack.territory),
        force=Force(pack.force),
        governs=work.governs.get(pack.id, ALWAYS),
        rules=compiled,
        silent_on=dict(sorted(pack.silent_on.items())),
        signed_off=pack.standing.signed_off,
        source=pack.node.where,
        span=pack.standing.span,
        existence=pack.standing.existence,
    )
