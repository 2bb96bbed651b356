"""The one function: `decide` answers a question about facts under policies at an instant.

It guarantees: pure and deterministic (same input, same bytes, whatever the order of packs, rules, evidence);
an unknown never permits; every reason that is not the engine's own names a rule in force. What it answers,
exactly: docs/semantics.md.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import TypeAlias

from governance.core.cell import PLACES
from governance.core.check_again import check_again_by
from governance.core.consent import ConsentState, Filter
from governance.core.docket import CONSENT_STATE, Docket, Place, Standing, Tried, Verdict
from governance.core.duties import conflicts, join_duties
from governance.core.engine import Engine, Entry, engine_for
from governance.core.formula import value
from governance.core.reasons import (
    ENGINE,
    Narrator,
    Ordered,
    engine_reason,
    merge,
    missing_facts,
    of_one_cell,
    order,
    ordered,
)
from governance.core.reliance import Reliance
from governance.core.request import Facts, Question
from governance.core.rules import SEMANTICS_VERSION, DutyOwed, PolicySet
from governance.core.ruling import Allowed, Duty, Effect, Reason, Refer, Ruling
from governance.core.truth import Truth

__all__ = ["decide", "permits"]

_REFER = {
    Verdict.MISSING_FACTS: Refer.MISSING_FACTS, Verdict.NOT_COVERED: Refer.NOT_COVERED,
    Verdict.HUMAN_JUDGEMENT: Refer.HUMAN_JUDGEMENT, Verdict.UNVERIFIED_LAW: Refer.UNVERIFIED_LAW,
}  # fmt: skip


def decide(policies: PolicySet, question: Question, facts: Facts, at: datetime) -> Ruling:
    """Decide whether, in which form and under which duties a request may cross.

    Args:
        policies: all policies in force; what is worked out from them is kept by identity.
        question: the caller's choices.
        facts: everything known about the request, measured at one instant.
        at: that instant, aware.

    Raises:
        ValueError: the instant is naive; there is no leg, part, subject class or profile; or a profile is
            not of the policy set.
    """
    _check(policies, question, facts, at)
    engine = engine_for(policies)
    docket = Docket(engine, question, facts, at)
    hearing = _Hearing(docket)
    for profile in question.profiles:
        tried = docket.attempt(policies.profiles[profile])
        ruling = hearing.hear(tried)
        if ruling is not None:
            return ruling
    return hearing.refuse()


def permits(policies: PolicySet, question: Question, facts: Facts, at: datetime) -> bool:
    """Say only whether `decide` would permit, without the work of saying why.

    Args and errors are those of `decide`.
    """
    _check(policies, question, facts, at)
    docket = Docket(engine_for(policies), question, facts, at)
    for profile in question.profiles:
        tried = docket.attempt(policies.profiles[profile], brief=True)
        if tried.verdict is Verdict.PERMIT:
            _, duties = _resting(docket, tried.deciding())
            if not conflicts(duties, policies.vocabulary):
                return True
    return False


def _check(policies: PolicySet, question: Question, facts: Facts, at: datetime) -> None:
    if at.tzinfo is None:
        raise ValueError("the instant of a decision carries its time zone")
    if not (question.profiles and facts.legs and facts.parts and facts.classes):
        raise ValueError("a request has at least one profile, leg, part and subject class")
    for profile in question.profiles:
        if profile not in policies.profiles:
            raise ValueError(f"the policy set has no profile `{profile}`")


@dataclass(frozen=True, slots=True)
class _Closed:
    """A profile that did not permit.

    Attributes:
        faults: why its duties cannot be fulfilled together, if that is what closed it.
    """

    tried: Tried
    verdict: Verdict
    faults: tuple[str, ...] = ()


_Rest: TypeAlias = tuple[Place, Standing, Entry, Reliance]
"""What a permit rests on in one cell and regime."""


def _resting(docket: Docket, deciding: Iterable[tuple[Place, Standing]]) -> tuple[list[_Rest], tuple[Duty, ...]]:
    """Return what a permit rests on, and the duties that this brings."""
    resting: list[_Rest] = []
    owed: dict[tuple[DutyOwed, str], None] = {}
    for place, standing in deciding:
        kept = standing.refused is not Truth.FALSE
        for entry in docket.regimes(standing.cell):
            reliance = entry.reliance(standing.cell, kept=kept)
            if reliance.rules:
                resting.append((place, standing, entry, reliance))
                owed.update(dict.fromkeys(reliance.owed))
    return resting, join_duties(owed, docket.engine.vocabulary)


def _arguable(reasons: Iterable[Reason]) -> tuple[str, ...]:
    """Return the rules that want a person."""
    return tuple(sorted({r.rule for r in reasons if r.outcome is Truth.HUMAN and r.regime != ENGINE}))


class _Hearing:
    """Hears the profiles one by one and writes the ruling."""

    def __init__(self, docket: Docket) -> None:
        self.docket = docket
        self.engine: Engine = docket.engine
        self.closed: list[_Closed] = []
        personal = frozenset(key for people in docket.facts.classes for key in people.facts)
        self.narrator = Narrator(self.engine.vocabulary, personal | {CONSENT_STATE})

    # --- permit -------------------------------------------------------------------------------------------

    def hear(self, tried: Tried) -> Ruling | None:
        """Return the ruling if the profile permits, else remember why not."""
        if tried.verdict is not Verdict.PERMIT:
            self.closed.append(_Closed(tried, tried.verdict))
            return None
        deciding = tried.deciding()
        resting, duties = _resting(self.docket, deciding)
        faults = conflicts(duties, self.engine.vocabulary)
        if faults:
            self.closed.append(_Closed(tried, Verdict.HUMAN_JUDGEMENT, faults))
            return None
        return self._permit(tried, deciding, resting, duties)

    def _permit(
        self,
        tried: Tried,
        deciding: list[tuple[Place, Standing]],
        resting: list[_Rest],
        duties: tuple[Duty, ...],
    ) -> Ruling:
        facts = self.docket.facts
        raw = [
            (place, reason)
            for place, standing, entry, reliance in resting
            for reason in self.narrator.relied_on(entry, reliance, standing.cell, tried.profile)
        ]
        going = {part for parts in tried.stays.values() for part in parts}
        people = sum(facts.classes[number].size for number in tried.stays)
        return Ruling(
            effect=Effect.PERMIT,
            at=self.docket.at,
            policy=self.engine.policies.digest,
            semantics=SEMANTICS_VERSION,
            profile=tried.profile,
            allowed=tuple(self._allowed(number, tried) for number in tried.stays),
            subjects_in=people,
            subjects_out=sum(c.size for c in facts.classes) - people,
            parts_in=tuple(part.id for n, part in enumerate(facts.parts) if n in going),
            parts_withheld=tuple(part.id for n, part in enumerate(facts.parts) if n not in going),
            duties=duties,
            reasons=self._merged(raw, [place for place, _ in deciding]),
            notes=self._notes(deciding, [entry for _, _, entry, _ in resting]),
            check_again_by=self._check_again([tried]),
        )

    def _allowed(self, number: int, tried: Tried) -> Allowed:
        """Say what of a class may go; its consents filter it if one was given.

        Where two legs came to different filters, nothing passes: a resource must be allowed on every leg, and
        first-match lists cannot be joined without reading the resource.
        """
        parts = tried.stays[number]
        answers = [s.cell.answer for (c, p, _), s in tried.cells.items() if c == number and p in parts]
        lists: set[tuple[tuple[Filter, ...], bool]] = {
            (a.filters, a.otherwise) for a in answers if a.state is ConsentState.GIVEN
        }
        lists.discard(((), True))
        filters, otherwise = ((), True) if not lists else next(iter(lists)) if len(lists) == 1 else ((), False)
        ids = tuple(self.docket.facts.parts[p].id for p in parts)
        return Allowed(subject_class=number, parts=ids, filters=filters, otherwise=otherwise)

    def _merged(self, raw: list[tuple[Place, Ordered]], places: list[Place]) -> tuple[Reason, ...]:
        if len(places) == 1:
            return of_one_cell([reason for _, reason in raw])
        return merge(raw, [part.id for part in self.docket.facts.parts], places)

    def _notes(self, deciding: list[tuple[Place, Standing]], relied_on: Iterable[Entry]) -> tuple[str, ...]:
        """Say which law relied on is not signed off, and which places' law was not examined."""
        notes = {entry.note for entry in relied_on if entry.note is not None}
        places: set[str] = set()
        for _, standing in deciding:
            get = standing.cell.get
            for fact in PLACES:
                given = get(fact)
                if isinstance(given, str):
                    places.add(given)
                elif isinstance(given, frozenset):
                    places |= given
        covered, day = self.engine.covered, self.docket.day
        notes.update(f"{p}: the law of this place was not examined" for p in places if not covered(p, day))
        return tuple(sorted(notes))

    def _check_again(self, tried: Iterable[Tried]) -> datetime | None:
        cells = []
        for one in (*tried, *(closed.tried for closed in self.closed)):
            cells += [standing.cell for standing in one.cells.values()]
            if one.first is not one.cells:
                cells += [standing.cell for standing in one.first.values()]
        return check_again_by(cells, self.engine, self.docket.regimes, self.docket.at)

    # --- deny or refer ------------------------------------------------------------------------------------

    def refuse(self) -> Ruling:
        """Return the ruling where no profile permits."""
        verdict = min((c.verdict for c in self.closed), default=Verdict.DENY)
        deciding = [closed for closed in self.closed if closed.verdict is verdict]
        reasons: list[Reason] = []
        owed: dict[tuple[DutyOwed, str], None] = {}
        missing: set[str] = set()
        for closed in deciding:
            places = closed.tried.deciding()
            if closed.faults or closed.tried.untried:
                reasons += self._stated(closed)
            else:
                raw = [(p, r) for p, standing in places for r in self._against(standing, closed.tried.profile)]
                reasons.extend(self._merged(raw, list({**closed.tried.cells, **dict(places)})))
            for _, standing in places:
                owed.update(dict.fromkeys(self._when_denied(standing)))
                if standing.verdict not in (Verdict.DENY, Verdict.PERMIT):
                    missing |= self._missing(standing)
        facts = self.docket.facts
        return Ruling(
            effect=Effect.DENY if verdict is Verdict.DENY else Effect.REFER,
            at=self.docket.at,
            policy=self.engine.policies.digest,
            semantics=SEMANTICS_VERSION,
            refer=_REFER.get(verdict),
            subjects_out=sum(c.size for c in facts.classes),
            parts_withheld=tuple(part.id for part in facts.parts),
            duties=join_duties(owed, self.engine.vocabulary),
            reasons=tuple(reasons if len(deciding) == 1 else sorted(reasons, key=order)),
            missing=tuple(sorted(missing)),
            arguable=() if verdict is Verdict.DENY else _arguable(reasons),
            check_again_by=self._check_again(()),
        )

    @staticmethod
    def _stated(closed: _Closed) -> list[Reason]:
        """Write why a profile whose cells would each be permitted is not."""
        profile = closed.tried.profile
        if closed.tried.untried:
            says = "Not every choice among so many parts was tried; a person may ask for fewer of them."
            return [engine_reason("parts", says, Truth.HUMAN, profile=profile)]
        return [engine_reason("duties", fault, Truth.HUMAN, profile=profile) for fault in closed.faults]

    def _against(self, standing: Standing, profile: str) -> list[Ordered]:
        """Write why a cell was not permitted."""
        cell = standing.cell
        found: list[Ordered] = []
        if standing.refused is not Truth.FALSE and standing.law is not Truth.TRUE:
            says = (
                "A refusal or withdrawal stands, and no ground that the law lets override it applies."
                if standing.refused is Truth.TRUE
                else "What the patient said must be understood or read by a person first."
            )  # fmt: skip
            found.append(ordered(
                engine_reason("refusal", says, standing.refused, profile=profile, subject_dependent=True,
                              facts=(("consent", cell.answer.state.value),))
            ))  # fmt: skip
        for entry in self.docket.regimes(cell):
            kept = entry.compiled.held(cell, refused=standing.refused)
            found += self.narrator.against(entry, cell, profile, standing.verdict, kept=kept)
        if standing.verdict is not Verdict.DENY:
            found += self._uncovered(standing, profile)
        return found

    def _uncovered(self, standing: Standing, profile: str) -> list[Ordered]:
        """Write what is missing of the places that must be covered."""
        origin, residence = standing.cell.get("origin"), standing.cell.get("subject.residence")
        found = []
        if not isinstance(origin, str):
            found.append(("origin", "The place of origin is not known.", Truth.UNKNOWN, "origin", "unknown", False))
        elif standing.not_covered and not self._affirmed(standing, origin):
            says = f"No law of {origin} that is loaded governs this and opens a way for it."
            found.append(("not-covered", says, Truth.FALSE, "origin", origin, False))
        if not isinstance(residence, str):
            says = "The subject's place of residence is not known."
            found.append(("residence", says, Truth.UNKNOWN, "subject.residence", "unknown", True))
        elif not self.engine.covered(residence, self.docket.day):
            says = "The law of the subject's place of residence was not examined."
            found.append(("not-covered", says, Truth.FALSE, "subject.residence", residence, True))
        return [
            ordered(
                engine_reason(name, says, outcome, profile=profile, facts=((fact, text),), subject_dependent=personal)
            )
            for name, says, outcome, fact, text, personal in found
        ]

    def _affirmed(self, standing: Standing, origin: str) -> bool:
        affirmed = self.docket.affirmed(
            standing.cell, origin, self.docket.regimes(standing.cell), kept=standing.refused is Truth.TRUE
        )
        return affirmed is not Truth.FALSE

    def _when_denied(self, standing: Standing) -> list[tuple[DutyOwed, str]]:
        return [
            (duty, rule.id)
            for entry in self.docket.regimes(standing.cell)
            if entry.compiled.formulas.when_denied and value(entry.governs, standing.cell) is Truth.TRUE
            for rule, node in entry.compiled.formulas.when_denied
            if value(node, standing.cell) is Truth.TRUE
            for duty in rule.duties
        ]

    def _missing(self, standing: Standing) -> set[str]:
        cell = standing.cell
        missing = {fact for fact in ("origin", "subject.residence") if not isinstance(cell.get(fact), str)}
        if cell.answer.state is ConsentState.UNCLEAR:
            missing.add(CONSENT_STATE)
        for entry in self.docket.regimes(cell):
            kept = entry.compiled.held(cell, refused=standing.refused)
            missing |= missing_facts(entry, cell, kept=kept)
        return missing
