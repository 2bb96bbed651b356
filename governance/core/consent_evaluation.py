"""Many consents of one patient become one answer for one movement at one instant.

Guarantees: the order of consents never matters; adding a refusal or a withdrawal never widens; an unknown
attribute never satisfies a permit and never escapes a deny. Where attributes are unknown the answer is formed
twice, once with every doubtful deny and no doubtful permit, once the other way round; only where both agree is
it an answer, otherwise it is *unclear*.

Numbers in comments are the steps of the specification of consent reading (DESIGN.md section 7). How:
each consent becomes a list of clauses over data, first match wins; lists are laid over each other by time inside
a group and joined by deny-overrides across groups.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from enum import Enum
from functools import reduce

from governance.core.consent_matching import covers, data_scope, holds, intersect, match_provision
from governance.core.consent_model import (
    Consent,
    ConsentAnswer,
    ConsentContext,
    ConsentState,
    ConsentStatus,
    DataScope,
    Filter,
    Period,
    Provision,
)
from governance.core.truth import Truth

__all__ = ["evaluate_consents"]

EVERYTHING = DataScope()
LARGEST_PRODUCT = 400
"""Clauses of a joined list beyond which exceptions inside refusals are given up (towards refusing)."""


class _Effect(Enum):
    PERMIT = "permit"
    DENY = "deny"
    REJECTED = "rejected"
    """The whole document was refused when asked."""
    WITHDRAWN = "withdrawn"
    """The whole document was withdrawn."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Clause:
    """An effect over some data; ``sources`` are documents each of which supports it on its own."""

    effect: _Effect
    scope: DataScope
    sources: tuple[Consent, ...]

    @property
    def permits(self) -> bool:
        return self.effect is _Effect.PERMIT


_Clauses = tuple[_Clause, ...]


@dataclass(slots=True, kw_only=True)
class _Reader:
    """One way of reading: what is doubtful counts against the movement (strict) or for it.

    Attributes:
        missing: attributes of the movement that were asked for and not known.
        doubt: something was doubtful; without doubt both ways of reading are one.
    """

    context: ConsentContext
    at: datetime
    strict: bool
    missing: set[str] = field(default_factory=set)
    doubt: bool = False

    def match(self, node: Provision) -> Truth:
        match = match_provision(node, self.context, self.at)
        self.missing |= match.missing
        return match.value

    def counts(self, value: Truth, *, permit: bool) -> bool:
        """Say whether a clause of this truth is read: if doubtful, a deny when strict, a permit when not."""
        if value is Truth.UNKNOWN:
            self.doubt = True
            return self.strict != permit
        return value is Truth.TRUE


def evaluate_consents(consents: Sequence[Consent], context: ConsentContext, at: datetime) -> ConsentAnswer:
    """Combine a patient's consents into one answer for one movement at one instant.

    Args:
        consents: every consent known for the patient, in any order.
        context: the movement.
        at: decision time, aware, UTC.

    Returns:
        The state with residual filters and what it rests on. The filters bind in every state.
    """
    known = [c for c in consents if c.status is not ConsentStatus.ENTERED_IN_ERROR]
    turns = _turns(known, at)
    # Bitemporal: what was recorded or takes effect later does not count yet (step 1).
    speaking = [c for c in known if c.recorded <= at and c.effective <= at]
    strict, lenient = (_Reader(context=context, at=at, strict=s) for s in (True, False))
    against = _answer(speaking, strict)
    if not strict.doubt:
        return replace(against, turns=turns)
    towards = _answer(speaking, lenient)
    if replace(against, relied_on=()) == replace(towards, relied_on=()):
        return replace(against, turns=turns)
    if against.state in _BINDING and towards.state in _BINDING:
        # Refused either way; doubt about one more refusal must not weaken it.
        return replace(towards, turns=turns)
    return ConsentAnswer(
        state=ConsentState.UNCLEAR,
        filters=tuple(f for f in against.filters if not f.permit),
        missing=tuple(sorted(strict.missing | lenient.missing)),
        relied_on=tuple(sorted({*against.relied_on, *towards.relied_on})),
        turns=turns,
    )


_BINDING = frozenset({ConsentState.REFUSED, ConsentState.WITHDRAWN})


def _answer(consents: Sequence[Consent], reader: _Reader) -> ConsentAnswer:
    """Form the answer of one way of reading."""
    groups: dict[str, list[Consent]] = {}
    for consent in consents:
        # A consent without a group may not overlay a stranger's refusal: it is a group of its own (step 8).
        groups.setdefault(f"g:{consent.group}" if consent.group else f"c:{consent.id}", []).append(consent)
    clauses = _join([_overlay(members, reader) for members in groups.values()])
    permits = [c for c in clauses if c.permits]
    if permits:
        return _given(clauses, permits, consents, reader)
    return _not_given(clauses, consents, reader)


def _overlay(members: Sequence[Consent], reader: _Reader) -> _Clauses:
    """Lay the consents of a group over each other: the last word wins where it speaks, a tie refuses (step 8)."""
    spoken: dict[datetime, list[_Clauses]] = {}
    for consent in members:
        spoken.setdefault(_spoke_at(consent, reader.at), []).append(_read(consent, reader))
    return _reachable(clause for when in sorted(spoken, reverse=True) for clause in _join(spoken[when]))


def _spoke_at(consent: Consent, at: datetime) -> datetime:
    if _ended(consent, at) and consent.ended is not None:
        return max(consent.ended, consent.effective)
    return consent.effective


def _ended(consent: Consent, at: datetime) -> bool:
    """Say whether an inactive consent has ended; without an end it ended as soon as it began."""
    return consent.status is ConsentStatus.INACTIVE and (consent.ended is None or consent.ended <= at)


def _read(consent: Consent, reader: _Reader) -> _Clauses:
    """Turn one consent into clauses, first match wins: lifecycle, validity, then its tree (steps 1 to 4)."""
    if consent.status is ConsentStatus.PROPOSED:
        return ()
    if _ended(consent, reader.at):
        return _refusing(consent, reader, _Effect.WITHDRAWN) if consent.withdrawn else ()
    if consent.status is ConsentStatus.REJECTED:
        return _refusing(consent, reader, _Effect.REJECTED)
    if not holds(consent.validity, reader.at):
        return ()
    if consent.ambiguous is not None or consent.base is None:
        # It may say anything (step 3).
        reader.doubt = True
        effect = _Effect.DENY if reader.strict else _Effect.PERMIT
        return (_Clause(effect=effect, scope=EVERYTHING, sources=(consent,)),)
    return _tree(consent, reader)


def _refusing(consent: Consent, reader: _Reader, effect: _Effect) -> _Clauses:
    """Read a rejected or withdrawn consent: all it spoke about is refused, its exceptions too."""
    if consent.ambiguous is not None:
        return (_Clause(effect=effect, scope=EVERYTHING, sources=(consent,)),)
    refused = replace(
        consent,
        base=False,
        root=None if consent.root is None else _denying(consent.root),
        provisions=tuple(_denying(node) for node in consent.provisions),
    )
    return tuple(replace(c, effect=effect, sources=(consent,)) for c in _tree(refused, reader))


def _denying(node: Provision) -> Provision:
    return replace(node, permit=False, provisions=tuple(_denying(child) for child in node.provisions))


def _tree(consent: Consent, reader: _Reader) -> _Clauses:
    """Read base, root and provisions; explicit provisions stand beside the root's limits, not under them."""
    assert consent.base is not None
    children = _join([_node(node, EVERYTHING, Truth.TRUE, reader, consent) for node in consent.provisions])
    root = replace(consent.root or Provision(permit=consent.base), permit=consent.base)
    value, scope = reader.match(root), data_scope(root)
    if scope is None:
        value, scope = min(value, Truth.UNKNOWN), EVERYTHING
    effect = _Effect.PERMIT if consent.base else _Effect.DENY
    own: list[_Clause] = []
    if reader.counts(value, permit=consent.base):
        own.append(_Clause(effect=effect, scope=scope, sources=(consent,)))
    if consent.base and scope != EVERYTHING and reader.counts(value, permit=False):
        # A permit over some data is nothing but these data (step 4).
        own.append(_Clause(effect=_Effect.DENY, scope=EVERYTHING, sources=(consent,)))
    return _reachable((*children, *own))


def _node(node: Provision, within: DataScope, above: Truth, reader: _Reader, consent: Consent) -> _Clauses:
    """Read a provision: its exceptions first, then itself, all inside its parent's data (steps 5 and 7).

    Args:
        node: the provision.
        within: data of its parents.
        above: truth of its parents: an exception is no surer than what it is an exception to.
        reader: the way of reading.
        consent: the document.
    """
    value = min(above, reader.match(node))
    if value is Truth.FALSE:
        return ()
    effect = _Effect.PERMIT if node.permit else _Effect.DENY
    own = data_scope(node)
    if own is None:
        value, own = min(value, Truth.UNKNOWN), EVERYTHING
    # A label reads "at most" on a permit and "at least" on a deny: two of them have no common scope.
    scope = None if within.labels and own.labels else intersect(within, own)
    if scope is None:
        # The overlap cannot be said exactly: permit nothing, refuse all that the node names.
        if node.permit or not reader.counts(value, permit=False):
            return ()
        return (_Clause(effect=effect, scope=own, sources=(consent,)),)
    children = _join([_node(child, scope, value, reader, consent) for child in node.provisions])
    if not reader.counts(value, permit=node.permit):
        return children
    return _reachable((*children, _Clause(effect=effect, scope=scope, sources=(consent,))))


def _reachable(clauses: Iterable[_Clause]) -> _Clauses:
    """Drop clauses that an earlier one covers."""
    kept: list[_Clause] = []
    for clause in clauses:
        if not any(covers(k.scope, clause.scope, same_effect=k.permits == clause.permits) for k in kept):
            kept.append(clause)
    return tuple(kept)


def _join(lists: Iterable[_Clauses]) -> _Clauses:
    """Join branches that speak at the same rank: a datum that any branch denies is denied.

    Denies at the head of a branch hold whatever the others say. A branch with a permit before a deny (an
    exception inside a refusal) is multiplied out with the others of its kind.
    """
    heads: list[_Clause] = []
    pure: list[_Clause] = []
    mixed: list[_Clauses] = []
    for clauses in lists:
        first = next((i for i, c in enumerate(clauses) if c.permits), len(clauses))
        heads += clauses[:first]
        rest = clauses[first:]
        if all(c.permits for c in rest):
            pure += rest
        else:
            mixed.append(rest)
    mixed.sort(key=lambda clauses: [_clause_key(c) for c in clauses])
    size = reduce(lambda product, clauses: product * (len(clauses) + 1), mixed, 1)
    if size > LARGEST_PRODUCT:
        heads += [c for clauses in mixed for c in clauses if not c.permits]
        pure += [c for clauses in mixed for c in clauses if c.permits]
        mixed = []
    nothing: _Clauses = ()
    middle = reduce(_multiply, mixed, nothing)
    return _reachable((*_same_scope(heads), *middle, *_same_scope(pure)))


def _multiply(one: _Clauses, other: _Clauses) -> _Clauses:
    """Lay two first-match lists beside each other: one clause for each pair, deny-overrides in each."""
    if not one:
        return other
    cells: list[_Clause] = []
    for a in (*one, None):
        for b in (*other, None):
            if a is None or b is None:
                cells += [c for c in (a, b) if c is not None]
            elif not a.permits:
                cells.append(a)
            elif not b.permits:
                cells.append(b)
            else:
                both = intersect(a.scope, b.scope)
                # Each of them permits it by itself.
                cells.append(
                    replace(a, effect=_Effect.DENY)
                    if both is None
                    else replace(a, scope=both, sources=_united(a.sources, b.sources))
                )
    return tuple(cells)


def _same_scope(clauses: Sequence[_Clause]) -> list[_Clause]:
    """Unite clauses over the same data, in an order that does not depend on the input's."""
    by_scope: dict[DataScope, _Clause] = {}
    for clause in sorted(clauses, key=_clause_key):
        key = clause.scope
        seen = by_scope.get(key)
        if seen is None:
            by_scope[key] = clause
            continue
        ranked = sorted((seen.effect, clause.effect), key=_RANK.index)
        by_scope[key] = replace(seen, effect=ranked[0], sources=_united(seen.sources, clause.sources))
    return list(by_scope.values())


def _clause_key(clause: _Clause) -> tuple[object, ...]:
    """Order clauses by what they say, the same on every machine (a set's own order is not)."""
    scope = clause.scope
    period = scope.data_period or Period()
    return (
        sorted(scope.labels),
        sorted(scope.classes),
        sorted(scope.codes),
        sorted(f"{r.meaning} {r.reference}" for r in scope.related),
        [str(period.start), str(period.end)],
        clause.effect.value,
        [c.id for c in clause.sources],
    )


_RANK = (_Effect.REJECTED, _Effect.DENY, _Effect.WITHDRAWN, _Effect.PERMIT)
"""Which name a refusal goes by where several refuse the same data: a standing one before a withdrawal."""


def _united(one: tuple[Consent, ...], other: tuple[Consent, ...]) -> tuple[Consent, ...]:
    return tuple(sorted({c.id: c for c in (*one, *other)}.values(), key=lambda c: c.id))


def _given(
    clauses: _Clauses, permits: Sequence[_Clause], consents: Sequence[Consent], reader: _Reader
) -> ConsentAnswer:
    """Answer for a movement that a permit covers, wholly or in part."""
    last = clauses[-1]
    filters = [Filter(permit=c.permits, data=c.scope) for c in clauses if c.scope != EVERYTHING]
    otherwise = last.permits and last.scope == EVERYTHING
    while filters and filters[-1].permit == otherwise:
        filters.pop()
    review = any(c.review is not None and _read(c, reader) for c in consents)
    carrying = _carrying(permits)
    by = {c.by for c in carrying}
    return ConsentAnswer(
        state=ConsentState.REVIEW if review else ConsentState.GIVEN,
        filters=tuple(filters),
        otherwise=otherwise,
        relied_on=tuple(sorted({c.id for clause in clauses for c in clause.sources})),
        to=frozenset.intersection(*(c.to for c in carrying)),
        forms=frozenset.intersection(*(c.forms for c in carrying)),
        told=frozenset.intersection(*(c.told for c in carrying)),
        by=by.pop() if len(by) == 1 else None,
    )


def _carrying(permits: Sequence[_Clause]) -> list[Consent]:
    """Choose the ONE document that permits all that goes; where none does, all of them (what they share)."""
    ids = frozenset.intersection(*(frozenset(c.id for c in clause.sources) for clause in permits))
    sources = {c.id: c for clause in permits for c in clause.sources}
    if not ids:
        return [sources[i] for i in sorted(sources)]
    alone = [sources[i] for i in sorted(ids)]
    return [max(alone, key=lambda c: (len(c.to) + len(c.told) + len(c.forms), c.effective, c.id))]


def _not_given(clauses: _Clauses, consents: Sequence[Consent], reader: _Reader) -> ConsentAnswer:
    """Answer for a movement that no permit covers: refused, withdrawn, or nothing said about it (step 9)."""
    relied_on = tuple(sorted({c.id for clause in clauses for c in clause.sources}))
    effects = {c.effect for c in clauses}
    whole = {c.effect for c in clauses if c.scope == EVERYTHING}
    if _Effect.REJECTED in effects or _Effect.DENY in whole:
        return ConsentAnswer(state=ConsentState.REFUSED, relied_on=relied_on)
    if _Effect.WITHDRAWN in effects:
        return ConsentAnswer(state=ConsentState.WITHDRAWN, relied_on=relied_on)
    filters = tuple(Filter(permit=False, data=c.scope) for c in clauses)
    if any(c.review is not None and _read(c, reader) for c in consents):
        return ConsentAnswer(state=ConsentState.REVIEW, filters=filters, relied_on=relied_on)
    asked = [c.id for c in consents if c.status is ConsentStatus.PROPOSED and _might_permit(c, reader)]
    expired = [c.id for c in consents if _expired(c, reader)]
    state = ConsentState.ASKED if asked else ConsentState.EXPIRED if expired else ConsentState.NOT_ASKED
    return ConsentAnswer(state=state, filters=filters, relied_on=tuple(sorted({*relied_on, *(asked or expired)})))


def _expired(consent: Consent, reader: _Reader) -> bool:
    over = consent.validity is not None and consent.validity.end is not None and consent.validity.end <= reader.at
    live = consent.status is ConsentStatus.ACTIVE or (
        consent.status is ConsentStatus.INACTIVE and not _ended(consent, reader.at)
    )
    return over and live and _might_permit(consent, reader)


def _might_permit(consent: Consent, reader: _Reader) -> bool:
    """Say whether a consent would permit some of this movement if it were active and valid."""
    if consent.ambiguous is not None or consent.base is None:
        # Neither expired nor proposed documents give or refuse: what this one meant need not be known.
        return True
    return any(c.permits for c in _tree(consent, reader))


def _turns(consents: Iterable[Consent], at: datetime) -> tuple[datetime, ...]:
    """Collect the instants after ``at`` at which the answer may change."""
    instants: set[datetime] = set()
    for consent in consents:
        instants |= {consent.effective, consent.recorded}
        if consent.ended is not None:
            instants.add(consent.ended)
        nodes = [*consent.provisions, *([] if consent.root is None else [consent.root])]
        periods = [consent.validity]
        while nodes:
            node = nodes.pop()
            periods.append(node.period)
            nodes += node.provisions
        instants |= _ends(periods)
    return tuple(sorted(i for i in instants if i > at))


def _ends(periods: Iterable[Period | None]) -> set[datetime]:
    return {i for p in periods if p is not None for i in (p.start, p.end) if i is not None}
