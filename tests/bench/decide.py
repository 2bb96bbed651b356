"""`decide` beside its peers, and with many laws loaded; reasons and duties included, requests built beforehand.

The peers' workload lies in the shared folder (``SAFE_CONDUCT_SHARED/bench/peers.py``) and is read from there; its
rules become one regime per place of origin: a ``permit`` is a ground, a ``forbid`` a prohibition, and a rule for any
origin stands in every regime. All engines must agree on every answer.
"""

import gc
import importlib.util
import os
import random
import statistics
import sys
import time
from collections.abc import Callable, Sequence
from datetime import UTC, date, datetime
from pathlib import Path
from types import ModuleType

from governance.core.conditions import AllOf, Condition, EvidenceNeed, FactTest, Operator, Timespan
from governance.core.decide import decide
from governance.core.facts import DutyType, EvidenceType, Interval, Taxonomy, Value, Vocabulary
from governance.core.request import Facts, LegFacts, PartFacts, Question, SubjectClass
from governance.core.rules import DutyOwed, Force, Gate, PolicySet, Profile, Regime, Rule
from governance.core.ruling import Effect
from tests.bench.rows import Row

AT = datetime(2026, 11, 22, 12, tzinfo=UTC)
AS_IS = Question(profiles=("as-is",))
_FIELDS = ("origin", "destination", "data.categories", "purpose", "safeguard")
_SILENT = "not asked in this benchmark"


def run(quick: bool) -> list[Row]:  # noqa: FBT001 - the harness calls every benchmark so
    """Measure everything that this machine has."""
    rows = [*_many_laws(300 if quick else 2000)]
    shared = os.environ.get("SAFE_CONDUCT_SHARED")
    if shared:
        for size in (200,) if quick else (200, 2000):
            rows += _beside_peers(_load(Path(shared) / "bench" / "peers.py"), size, 300 if quick else 2000)
    else:
        print("SAFE_CONDUCT_SHARED is not set: the peers' workload is left out", file=sys.stderr)
    return rows


def _load(path: Path) -> ModuleType:
    spec = importlib.util.spec_from_file_location("peers", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def _percentiles(call: Callable[[int], object], count: int) -> tuple[float, float]:
    """Return p50 and p99 in microseconds over `count` different calls, after three to warm up."""
    for number in range(min(3, count)):
        call(number)
    gc.collect()
    gc.disable()
    try:
        taken = []
        for number in range(count):
            begun = time.perf_counter_ns()
            call(number)
            taken.append(time.perf_counter_ns() - begun)
    finally:
        gc.enable()
    taken.sort()
    return statistics.median(taken) / 1000, taken[int(len(taken) * 0.99)] / 1000


def _taxonomy(name: str, terms: Sequence[str]) -> Taxonomy:
    return Taxonomy(id=name, ancestors=dict.fromkeys(terms, frozenset()))


def _policy_set(regimes: Sequence[Regime], vocabulary: Vocabulary) -> PolicySet:
    profiles = {"as-is": Profile(id="as-is", sets={})}
    return PolicySet(digest="sha256:bench", vocabulary=vocabulary, regimes=tuple(regimes), profiles=profiles)


# --- the peers' workload ----------------------------------------------------------------------------------------


def _beside_peers(peers: ModuleType, size: int, count: int) -> list[Row]:
    places, rules = peers.world(size)
    requests = peers.requests(places, rules, count)
    policies = _policy_set(_regimes_of(places, rules), _peer_vocabulary(places))
    asked = [_facts_of(request) for request in requests]
    truth = [bool(answer) for answer in map(peers.ENG["naive"](places, rules), requests)]
    answers = [decide(policies, AS_IS, facts, AT).effect is Effect.PERMIT for facts in asked]
    if answers != truth:
        raise AssertionError("decide disagrees with the peers' own naive engine")
    fresh = [_facts_of(request) for request in peers.requests(places, rules, 2 * count)[count:]]
    p50, p99 = _percentiles(lambda n: decide(policies, AS_IS, fresh[n], AT), count)
    cedar = _peer(peers, "cedar", "cedarpy", places, rules, requests, truth)
    bounds = {"must": "at most 1/10 of cedarpy", "aim": "1/40"} if size == 200 else {}
    holds = None if cedar is None or not bounds else p50 <= cedar / 40
    rows = [
        Row(measure=f"decide, peers' workload, {size} rules, p50", ours=p50, unit="us", peer=cedar,
            peer_name="cedarpy" if cedar else None, ratio=p50 / cedar if cedar else None, holds=holds, **bounds),
        Row(measure=f"decide, peers' workload, {size} rules, p99", ours=p99, unit="us"),
    ]  # fmt: skip
    for engine, name in (("casbin", "pycasbin Enforcer"), ("naive", "naive loop, no reasons")):
        figure = _peer(peers, engine, name, places, rules, requests[:300], truth[:300])
        if figure is not None:
            rows.append(Row(measure=f"decide beside {name}, {size} rules, p50", ours=p50, unit="us", peer=figure,
                            peer_name=name, ratio=p50 / figure))  # fmt: skip
    return rows


def _peer(
    peers: ModuleType, engine: str, name: str, places: Sequence[str], rules: Sequence[object],
    requests: Sequence[object], truth: Sequence[bool],
) -> float | None:  # fmt: skip
    """Return a peer's p50 in microseconds, or None if it is not installed; it must agree with everybody."""
    try:
        answer = peers.ENG[engine](places, rules)
    except ImportError:
        print(f"{name} is not importable in this run: left out", file=sys.stderr)
        return None
    requests = requests[:400]
    if [bool(answer(request)) for request in requests] != list(truth[:400]):
        raise AssertionError(f"{name} disagrees")
    return _percentiles(lambda n: answer(requests[n]), len(requests))[0]


def _peer_vocabulary(places: Sequence[str]) -> Vocabulary:
    return Vocabulary(
        facts={}, evidence={}, taxonomies={"place": _taxonomy("place", places)},
        duties={"record": DutyType(id="record", by="platform", when="with")},
    )  # fmt: skip


def _regimes_of(places: Sequence[str], rules: Sequence[dict[str, object]]) -> list[Regime]:
    by_place: dict[str, list[dict[str, object]]] = {place: [] for place in places}
    for rule in rules:
        origins = rule["origin"]
        for place in places if origins is None else origins:  # type: ignore[attr-defined]
            by_place[place].append(rule)
    return [_peer_regime(place, found) for place, found in by_place.items()]


def _peer_regime(place: str, rules: Sequence[dict[str, object]]) -> Regime:
    gates: dict[Gate, list[Rule]] = {Gate.GROUND: [], Gate.PROHIBITION: []}
    for rule in rules:
        gate = Gate.GROUND if rule["effect"] == "permit" else Gate.PROHIBITION
        tests: list[Condition] = [
            FactTest(fact=fact, operator=Operator.IN, terms=frozenset(rule[key]))  # type: ignore[arg-type]
            for fact, key in zip(_FIELDS[1:], ("dest", "cat", "purpose", "safeguard"), strict=True)
            if rule[key] is not None
        ]
        gates[gate].append(
            Rule(id=f"{place}/{gate.value}/{rule['id']}", gate=gate, cite="peers", says="A rule of the workload.",
                 when=AllOf(members=tuple(tests)),
                 duties=(DutyOwed(type="record"),) if gate is Gate.GROUND else ())
        )  # fmt: skip
    others = (Gate.OUTSIDE_SCOPE, Gate.MECHANISM, Gate.REQUIREMENT, Gate.REVIEW)
    return Regime(
        id=place, title=place, territory=frozenset({place}), force=Force.LAW,
        governs=FactTest(fact="origin", operator=Operator.IN, taxonomy="place", terms=frozenset({place})),
        rules={gate: tuple(found) for gate, found in gates.items()}, silent_on=dict.fromkeys(others, _SILENT),
    )  # fmt: skip


def _facts_of(request: Sequence[str]) -> Facts:
    origin, destination, category, purpose, safeguard = request
    return Facts(
        shared={"origin": origin, "purpose": purpose, "safeguard": safeguard},
        legs=(LegFacts(facts={"destination": destination}),),
        parts=(PartFacts(id="data", facts={"data.categories": category}),),
        classes=(SubjectClass(facts={"subject.residence": origin}),),
    )


# --- many laws --------------------------------------------------------------------------------------------------

_LAWS, _TERMS = 80, 12


def _many_laws(count: int) -> list[Row]:
    """Measure 80 laws of 30 rules over 80 facts: requests that are permitted, and all outcomes mixed."""
    chance = random.Random(80)
    places = [f"P{n:02d}" for n in range(_LAWS)]
    names = [f"fact.{n:02d}" for n in range(72)]
    vocabulary = Vocabulary(
        facts={}, taxonomies={"place": _taxonomy("place", places)},
        evidence={"contract": EvidenceType(id="contract", match=("recipient",), outcomes=frozenset({"signed"}))},
        duties={f"duty-{n}": DutyType(id=f"duty-{n}", by="recipient", when="after") for n in range(6)},
    )  # fmt: skip
    policies = _policy_set([_law(place, names, chance) for place in places], vocabulary)
    begun = time.perf_counter()
    asked = [_request(places, names, chance, sparse=n % 4 == 0) for n in range(count)]
    effects = [decide(policies, AS_IS, facts, AT).effect for facts in asked]
    first = time.perf_counter() - begun
    permitted = [facts for facts, effect in zip(asked, effects, strict=True) if effect is Effect.PERMIT]
    permit, _ = _percentiles(lambda n: decide(policies, AS_IS, permitted[n], AT), len(permitted))
    mixed, worst = _percentiles(lambda n: decide(policies, AS_IS, asked[n], AT), count)
    share = {effect.value: round(effects.count(effect) / count, 2) for effect in Effect}
    return [
        Row(measure=f"decide, {_LAWS} laws x 30 rules, permits ({len(permitted)}), p50", ours=permit, unit="us",
            must="80", aim="30", holds=permit <= 30),
        Row(measure=f"decide, {_LAWS} laws x 30 rules, mixed {share}, p50", ours=mixed, unit="us",
            must="150", aim="50", holds=mixed <= 50),
        Row(measure=f"decide, {_LAWS} laws x 30 rules, mixed, p99", ours=worst, unit="us"),
        Row(measure=f"first pass over {count} requests, compiling {_LAWS} laws", ours=first, unit="s"),
    ]  # fmt: skip


def _law(place: str, names: Sequence[str], chance: random.Random) -> Regime:
    def test() -> FactTest:
        terms = frozenset(chance.sample([f"t{n}" for n in range(_TERMS)], chance.randint(2, 5)))
        return FactTest(fact=chance.choice(names), operator=Operator.IN, terms=terms)

    def rule(gate: Gate, number: int, tests: int, **more: object) -> Rule:
        when = AllOf(members=tuple(test() for _ in range(tests)))
        span = Timespan(from_earliest=date(2018, 5, 25), from_latest=date(2018, 5, 25)) if number % 5 == 0 else Timespan()
        return Rule(id=f"{place}/{gate.value}/{number}", gate=gate, cite=f"Art. {number}", says="One plain sentence.",
                    when=when, span=span, duties=(DutyOwed(type=f"duty-{number % 6}"),), **more)  # type: ignore[arg-type]  # fmt: skip

    rules = {
        Gate.OUTSIDE_SCOPE: tuple(rule(Gate.OUTSIDE_SCOPE, n, 4) for n in range(1)),
        Gate.PROHIBITION: tuple(rule(Gate.PROHIBITION, n, 4) for n in range(6)),
        Gate.GROUND: tuple(rule(Gate.GROUND, n, 1) for n in range(8)),
        Gate.MECHANISM: (
            *(rule(Gate.MECHANISM, n, 1) for n in range(6)),
            rule(Gate.MECHANISM, 6, 0, needs=(EvidenceNeed(type="contract", outcomes=frozenset({"signed"})),)),
        ),
        Gate.REQUIREMENT: tuple(rule(Gate.REQUIREMENT, n, 4, must=test()) for n in range(6)),
        Gate.REVIEW: tuple(rule(Gate.REVIEW, n, 5) for n in range(2)),
    }
    fact = chance.choice(("origin", "origin", "destination", "subject.residence"))
    return Regime(
        id=place, title=place, territory=frozenset({place}), force=Force.LAW,
        governs=FactTest(fact="origin" if chance.random() < 0.5 else fact, operator=Operator.IN, taxonomy="place",
                         terms=frozenset({place, *chance.sample([f"P{n:02d}" for n in range(_LAWS)], 2)})),
        rules=rules, silent_on={},
    )  # fmt: skip


def _request(places: Sequence[str], names: Sequence[str], chance: random.Random, *, sparse: bool) -> Facts:
    known = [name for name in names if not sparse or chance.random() > 0.33]
    values: dict[str, Value] = {name: f"t{chance.randrange(_TERMS)}" for name in known}
    destination = chance.choice(places)
    leg: dict[str, Value] = {
        "destination": destination, "storage.places": frozenset({destination}), "onward.places": frozenset(),
        "access.places": frozenset({destination}), "recipient.id": "r",
    }  # fmt: skip
    subject: dict[str, Value] = {"subject.residence": chance.choice(places), "subject.age": Interval(40, 40)}
    return Facts(
        shared={"origin": chance.choice(places), **values},
        legs=(LegFacts(facts=leg),), parts=(PartFacts(id="data", facts={}),), classes=(SubjectClass(facts=subject),),
    )  # fmt: skip
