"""Laws of consent evaluation, tried on invented consents against a slow and obvious reading datum by datum."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta

from hypothesis import given, settings
from hypothesis import strategies as st

from governance.core.consent import (
    Actor,
    Consent,
    ConsentAnswer,
    ConsentContext,
    ConsentState,
    ConsentStatus,
    DataScope,
    Period,
    Provision,
    evaluate_consents,
)

NOW = datetime(2026, 11, 22, tzinfo=UTC)
DAYS = [NOW - timedelta(days=d) for d in (1, 2, 3)]
HIERARCHY = {"HRESCH": frozenset(), "CLINTRCH": frozenset({"HRESCH"}), "TREAT": frozenset()}
CLASSES, CODES = ("Observation", "Condition"), ("loinc|1", "loinc|2")
ATOMS = tuple(itertools.product(CLASSES, CODES))
BINDING = {ConsentState.REFUSED, ConsentState.WITHDRAWN}


@dataclass(frozen=True)
class World:
    purpose: str | None
    recipient: str | None

    @property
    def context(self) -> ConsentContext:
        return ConsentContext(
            purposes=frozenset({self.purpose} - {None}), recipients=frozenset({self.recipient} - {None}),
            custodian="hospital", action="disclose", places=frozenset({"DE"}), purpose_ancestors=HIERARCHY,
        )  # fmt: skip


KNOWN = [World(p, r) for p in HIERARCHY for r in ("a", "b", "c")]

scopes = st.builds(
    DataScope,
    classes=st.sampled_from([frozenset(), frozenset({"Observation"}), frozenset(CLASSES)]),
    codes=st.sampled_from([frozenset(), frozenset({"loinc|1"}), frozenset({"loinc|2"})]),
)
actors = st.sampled_from([(), (), (Actor(role="IRCP", reference="a"),), (Actor(role="IRCP", reference="b"),)])
purposes = st.sampled_from([frozenset(), frozenset(), *(frozenset({p}) for p in HIERARCHY)])
periods = st.sampled_from([None, None, Period(end=DAYS[0]), Period(start=DAYS[1])])


def provisions(children) -> st.SearchStrategy[Provision]:
    return st.builds(Provision, permit=st.booleans(), actors=actors, purposes=purposes, data=scopes, period=periods,
                     provisions=children)  # fmt: skip


leaves = provisions(st.just(()))
trees = provisions(st.lists(leaves, max_size=2).map(tuple))
roots = st.none() | provisions(st.just(()))
words = st.frozensets(st.sampled_from(["processing", "transfer"]))


@st.composite
def documents(draw, *, clear: bool = False) -> Consent:
    status = draw(st.sampled_from([ConsentStatus.ACTIVE] * 5 + [ConsentStatus.INACTIVE, ConsentStatus.REJECTED,
                                                               ConsentStatus.PROPOSED, ConsentStatus.ENTERED_IN_ERROR]))  # fmt: skip
    effective = draw(st.sampled_from(DAYS))
    return Consent(
        id=str(draw(st.integers(0, 10**9))), effective=effective, recorded=effective, status=status,
        ended=draw(st.sampled_from([None, *DAYS])) if status is ConsentStatus.INACTIVE else None,
        withdrawn=status is ConsentStatus.INACTIVE and draw(st.booleans()),
        group=draw(st.sampled_from(["", "g", "h"])),
        base=draw(st.booleans()) if clear else draw(st.sampled_from([True, True, False, False, None])),
        root=draw(roots), provisions=tuple(draw(st.lists(trees, max_size=2))),
        validity=draw(st.sampled_from([None, None, None, Period(end=DAYS[0])])),
        to=draw(words), forms=draw(words), told=draw(words),
        ambiguous=None if clear else draw(st.sampled_from([None] * 9 + ["?"])),
        review=None if clear else draw(st.sampled_from([None] * 9 + ["read"])),
    )  # fmt: skip


def unique(consents: Iterable[Consent]) -> list[Consent]:
    return [replace(c, id=f"{i}") for i, c in enumerate(consents)]


many = st.lists(documents(), max_size=4).map(unique)
many_clear = st.lists(documents(clear=True), max_size=4).map(unique)


def within(scope: DataScope, atom: tuple[str, str]) -> bool:
    return (not scope.classes or atom[0] in scope.classes) and (not scope.codes or atom[1] in scope.codes)


def going(answer: ConsentAnswer) -> frozenset[tuple[str, str]]:
    """Data that the answer lets go."""
    if answer.state is not ConsentState.GIVEN:
        return frozenset()
    return frozenset(
        atom for atom in ATOMS
        if next((f.permit for f in answer.filters if within(f.data, atom)), answer.otherwise)
    )  # fmt: skip


# --- the slow and obvious reading: one datum, everything known -------------------------------------------------------

def fits(node: Provision, world: World) -> bool:
    period = node.period or Period()
    return (
        (not node.purposes or bool(node.purposes & ({world.purpose} | HIERARCHY[world.purpose])))
        and (not node.actors or any(a.reference == world.recipient for a in node.actors))
        and (period.start is None or period.start <= NOW) and (period.end is None or period.end > NOW)
    )  # fmt: skip


def spoken(node: Provision, world: World, atom: tuple[str, str]) -> bool | None:
    if not fits(node, world) or not within(node.data, atom):
        return None
    said = [s for s in (spoken(child, world, atom) for child in node.provisions) if s is not None]
    return all(said) if said else node.permit


def denying(node: Provision) -> Provision:
    return replace(node, permit=False, provisions=tuple(denying(c) for c in node.provisions))


def says(consent: Consent, world: World, atom: tuple[str, str]) -> bool | None:
    gone = consent.status is ConsentStatus.INACTIVE
    if consent.status is ConsentStatus.REJECTED or (gone and consent.withdrawn):
        consent = replace(consent, base=False, root=consent.root and denying(consent.root),
                          provisions=tuple(denying(p) for p in consent.provisions))  # fmt: skip
    elif consent.status is not ConsentStatus.ACTIVE or (consent.validity and consent.validity.end <= NOW):
        return None
    said = [s for s in (spoken(p, world, atom) for p in consent.provisions) if s is not None]
    if said:
        return all(said)
    root = consent.root or Provision(permit=True)
    if not fits(root, world):
        return None
    return consent.base if within(root.data, atom) else (False if consent.base else None)


def slowly(consents: Sequence[Consent], world: World, atom: tuple[str, str]) -> bool:
    verdicts = []
    keys = {c.group or f"only {c.id}" for c in consents}
    for key in keys:
        said: dict[datetime, list[bool]] = {}
        for c in consents:
            word = says(c, world, atom) if (c.group or f"only {c.id}") == key else None
            if word is not None:
                when = max(c.ended or c.effective, c.effective) if c.status is ConsentStatus.INACTIVE else c.effective
                said.setdefault(when, []).append(word)
        if said:
            verdicts.append(all(said[max(said)]))
    return bool(verdicts) and all(verdicts)


# --- the laws ----------------------------------------------------------------------------------------------------------

def ask(consents: Sequence[Consent], world: World) -> ConsentAnswer:
    return evaluate_consents(consents, world.context, NOW)


def same(one: ConsentAnswer, other: ConsentAnswer) -> bool:
    if one.state in BINDING and other.state in BINDING:
        return True
    parts = [(a.state, going(a), a.to, a.forms, a.told, a.by) for a in (one, other)]
    return parts[0] == parts[1]


@given(many_clear, st.sampled_from(KNOWN))
@settings(max_examples=100, deadline=None)
def test_nothing_goes_that_the_slow_reading_keeps(consents, world) -> None:
    answer = ask(consents, world)
    if any(p.purposes and p.purposes == {"CLINTRCH"} for c in consents for p in _nodes(c)) and world.purpose == "HRESCH":
        return  # asking more broadly than the consent speaks: the slow reading knows no doubt
    assert going(answer) <= {atom for atom in ATOMS if slowly(consents, world, atom)}


def _nodes(consent: Consent) -> list[Provision]:
    nodes = [*consent.provisions, *([consent.root] if consent.root else [])]
    return nodes + [child for node in nodes for child in node.provisions]


def _plain(consent: Consent) -> Consent:
    def bare(node: Provision) -> Provision:
        return replace(node, data=DataScope(), provisions=tuple(bare(c) for c in node.provisions))
    return replace(consent, root=consent.root and bare(consent.root), provisions=tuple(bare(p) for p in consent.provisions))


@given(many_clear, st.sampled_from([w for w in KNOWN if w.purpose != "HRESCH"]))
@settings(max_examples=80, deadline=None)
def test_without_limits_on_data_both_readings_agree(consents, world) -> None:
    plain = [_plain(c) for c in consents]
    assert bool(going(ask(plain, world))) == slowly(plain, world, ATOMS[0])


@given(many, st.sampled_from(KNOWN), st.randoms(use_true_random=False))
@settings(max_examples=40, deadline=None)
def test_the_order_of_consents_never_matters(consents, world, random) -> None:
    shuffled = list(consents)
    random.shuffle(shuffled)
    assert ask(consents, world) == ask(shuffled, world)


@given(many, documents(), st.sampled_from([*KNOWN, World(None, "a"), World("HRESCH", None), World(None, None)]), st.booleans())
@settings(max_examples=100, deadline=None)
def test_adding_a_refusal_or_a_withdrawal_never_widens(consents, added, world, withdrawal) -> None:
    refusal = replace(
        added, id="added", base=False, root=added.root and denying(added.root), ambiguous=None, review=None,
        provisions=tuple(denying(p) for p in added.provisions), validity=None,
        status=ConsentStatus.INACTIVE if withdrawal else ConsentStatus.ACTIVE, withdrawn=withdrawal,
    )  # fmt: skip
    before, after = ask(consents, world), ask([*consents, refusal], world)
    assert going(after) <= going(before)
    if before.state in BINDING:
        assert after.state in BINDING


@given(st.lists(documents(), min_size=1, max_size=4).map(unique), st.sampled_from(KNOWN), st.data())
@settings(max_examples=80, deadline=None)
def test_withdrawing_a_consent_never_widens(consents, world, data) -> None:
    chosen = data.draw(st.integers(0, len(consents) - 1))
    gone = replace(consents[chosen], status=ConsentStatus.INACTIVE, withdrawn=True, ended=NOW)
    if consents[chosen].status is not ConsentStatus.ACTIVE:
        return
    assert going(ask([*consents[:chosen], gone, *consents[chosen + 1 :]], world)) <= going(ask(consents, world))


@given(many, st.sampled_from([World(None, "a"), World("TREAT", None), World("HRESCH", None), World(None, None)]))
@settings(max_examples=100, deadline=None)
def test_learning_an_attribute_changes_only_what_was_unclear(consents, world) -> None:
    vague = ask(consents, world)
    if vague.state is ConsentState.UNCLEAR:
        return
    for learnt in KNOWN:
        if world.purpose in (None, learnt.purpose) and world.recipient in (None, learnt.recipient):
            assert same(vague, ask(consents, learnt))


@given(many, st.sampled_from(KNOWN))
@settings(max_examples=50, deadline=None)
def test_what_is_given_rests_on_documents_in_force_and_claims_no_more_than_one_of_them(consents, world) -> None:
    answer = ask(consents, world)
    if answer.state is not ConsentState.GIVEN:
        return
    relied = [c for c in consents if c.id in answer.relied_on]
    assert any(answer.to <= c.to and answer.told <= c.told and answer.forms <= c.forms for c in relied)
