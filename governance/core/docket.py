"""The docket of one request: its cells under each profile, and the verdict of each.

Here stand sections 1, 5, 6 and 7 of docs/semantics.md; `governance.core.decide` makes the ruling from what the
docket found.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import UTC, date, datetime
from enum import IntEnum
from itertools import combinations
from typing import NamedTuple

from governance.core.cell import PLACES, Cell, consent_context, related
from governance.core.consent import ConsentAnswer, ConsentState, evaluate_consents
from governance.core.engine import Engine, Entry
from governance.core.evidence import EvidenceItem
from governance.core.facts import Interval, Value
from governance.core.formula import DAY, value
from governance.core.request import Facts, PartFacts, Question
from governance.core.rules import Profile
from governance.core.truth import Truth

__all__ = ["CONSENT_STATE", "Docket", "Place", "Standing", "Stays", "Tried", "Verdict"]

CONSENT_STATE = "subject.consent_state"
_NOT_ASKED = ConsentAnswer(state=ConsentState.NOT_ASKED)
_REFUSED = {
    ConsentState.REFUSED: Truth.TRUE, ConsentState.WITHDRAWN: Truth.TRUE,
    ConsentState.UNCLEAR: Truth.UNKNOWN, ConsentState.REVIEW: Truth.HUMAN,
}  # fmt: skip
_CONSENT_READS = ("purpose", "exporter.id", "recipient.id", "recipient.group", "recipient.type", *PLACES)
_MOST_PARTS_TRIED = 6
"""With more staying parts than this only one part at a time is left out to satisfy a count."""


class Verdict(IntEnum):
    """A cell's or a profile's verdict; among the refers the lowest is the strongest."""

    PERMIT = 0
    MISSING_FACTS = 1
    NOT_COVERED = 2
    HUMAN_JUDGEMENT = 3
    UNVERIFIED_LAW = 4
    DENY = 5


Place = tuple[int, int, int]
"""Where a cell stands: numbers of subject class, part and leg."""
Stays = dict[int, tuple[int, ...]]
"""Subject class to the parts of it that may go."""


class Standing(NamedTuple):
    """A cell and how it stands.

    Attributes:
        refused: how far a refusal or withdrawal is on record.
        law: the law's answer (section 5), before coverage.
        not_covered: no own law affirms, or the residence's law is not known.
    """

    cell: Cell
    verdict: Verdict
    refused: Truth
    law: Truth
    not_covered: bool = False


class Tried(NamedTuple):
    """What one profile came to.

    Attributes:
        cells: every cell as it was looked at last: in the first pass, or in the second where counts were read.
        stays: what may go, if permitted.
        first: every cell as the first pass saw it.
        tried: cells of a second pass that failed, if others brought the verdict than `cells` has.
        untried: not every choice of parts was tried, and that is why the verdict is no deny.
    """

    profile: str
    verdict: Verdict
    cells: Mapping[Place, Standing]
    stays: Stays
    first: Mapping[Place, Standing]
    tried: tuple[tuple[Place, Standing], ...] | None = None
    untried: bool = False

    def deciding(self) -> list[tuple[Place, Standing]]:
        """Return the cells that brought the verdict, in order; where only duties did, those that stayed."""
        if self.tried is not None:
            return [(place, standing) for place, standing in self.tried if standing.verdict is self.verdict]
        if len(self.cells) == 1:
            return list(self.cells.items())
        if self.stays:
            return [(p, s) for p, s in sorted(self.cells.items(), key=_first) if p[1] in self.stays.get(p[0], ())]
        return [(p, s) for p, s in sorted(self.cells.items(), key=_first) if s.verdict is self.verdict]


def _first(item: tuple[Place, Standing]) -> Place:
    return item[0]


def strongest(verdicts: Iterable[Verdict]) -> Verdict:
    """Join verdicts that must all permit: deny if any denies, else the strongest refer, else permit."""
    left = {v for v in verdicts if v is not Verdict.PERMIT}
    if Verdict.DENY in left:
        return Verdict.DENY
    return min(left, default=Verdict.PERMIT)


class Docket:
    """Looks at a request under one profile after the other."""

    def __init__(self, engine: Engine, question: Question, facts: Facts, at: datetime) -> None:
        self.engine = engine
        self.question = question
        self.facts = facts
        self.at = at
        self.day: date = at.astimezone(UTC).date()
        self.terms = engine.terms(facts.terms) if facts.terms else ()
        self.counts = engine.counts or any(engine.reads_counts(entry) for entry in self.terms)
        evidence: dict[str, list[EvidenceItem]] = {}
        for item in facts.evidence:
            evidence.setdefault(item.type, []).append(item)
        self.evidence: Mapping[str, Sequence[EvidenceItem]] = evidence
        self._answers: dict[tuple[object, ...], ConsentAnswer] = {}

    def regimes(self, cell: Cell) -> tuple[Entry, ...]:
        """Return the regimes that may govern a cell, terms included."""
        entries: tuple[Entry, ...] | None = cell.entries
        if entries is None:
            entries = self.engine.candidates(cell.get)
            if self.terms:
                entries += self.terms
            cannot = self.question.cannot
            if cannot:
                entries = tuple(entry.under(cannot) for entry in entries)
            cell.entries = entries
        return entries

    # --- one cell -----------------------------------------------------------------------------------------

    def stand(self, cell: Cell) -> Standing:
        """Say how a cell stands."""
        refused = _REFUSED.get(cell.answer.state, Truth.FALSE)
        standing = self._stand(cell, refused, assumed=False)
        if standing.verdict is Verdict.HUMAN_JUDGEMENT:
            supposed = self._stand(cell, refused, assumed=True)
            if supposed.verdict is Verdict.PERMIT:
                return Standing(cell, Verdict.UNVERIFIED_LAW, refused, standing.law)
        return standing

    def _stand(self, cell: Cell, refused: Truth, *, assumed: bool) -> Standing:
        entries = self.regimes(cell)
        law = self._law(cell, entries, refused, assumed=assumed)
        if law is Truth.FALSE:
            return Standing(cell, Verdict.DENY, refused, law)
        origin, residence = cell.get("origin"), cell.get("subject.residence")
        answer, not_covered = law, False
        if isinstance(origin, str):
            affirmed = self.affirmed(cell, origin, entries, kept=refused is Truth.TRUE, assumed=assumed)
            if affirmed is Truth.FALSE:
                not_covered = True
            else:
                answer = min(answer, affirmed)
        else:
            answer = min(answer, Truth.UNKNOWN)
        if not isinstance(residence, str):
            answer = min(answer, Truth.UNKNOWN)
        elif not self.engine.covered(residence, self.day):
            not_covered = True
        if answer is Truth.UNKNOWN:
            verdict = Verdict.MISSING_FACTS
        elif not_covered:
            verdict = Verdict.NOT_COVERED
        else:
            verdict = Verdict.HUMAN_JUDGEMENT if answer is Truth.HUMAN else Verdict.PERMIT
        return Standing(cell, verdict, refused, law, not_covered)

    def _law(self, cell: Cell, entries: Iterable[Entry], refused: Truth, *, assumed: bool) -> Truth:
        """Join the regimes' answers, with a refusal in mind (section 5)."""
        law = Truth.TRUE
        get, fits, said = cell.get, cell.fits, cell.said
        for entry in entries:
            compiled = entry.compiled
            if assumed:
                law = min(law, compiled.value(cell, assumed=True))
            elif not compiled.must(get, fits, said):
                law = min(law, compiled.less(cell))
            if law is Truth.FALSE:
                return law
        if refused is Truth.FALSE:
            return law
        bound = min(law, self._bound(cell, entries, assumed=assumed))
        if refused is Truth.TRUE or law is bound:
            return bound
        return min(law, refused)

    @staticmethod
    def _bound(cell: Cell, entries: Iterable[Entry], *, assumed: bool) -> Truth:
        """Return what grounds kept against a refusal leave of the law, where it is asked for a ground at all."""
        kept, asks = Truth.TRUE, Truth.FALSE
        for entry in entries:
            kept = min(kept, entry.compiled.value(cell, kept=True, assumed=assumed))
            asks = max(asks, entry.compiled.asks(cell, assumed=assumed))
        return min(kept, asks)

    def affirmed(
        self, cell: Cell, origin: str, entries: Iterable[Entry], *, kept: bool, assumed: bool = False
    ) -> Truth:
        """Say how far the origin's own law governs and opens a way (section 6)."""
        best = Truth.FALSE
        own = self.engine.own(origin, self.day)
        for entry in entries:
            if entry.whole in own or self._own_terms(entry, origin):
                best = max(best, entry.compiled.affirms(cell, kept=kept, assumed=assumed))
                if best is Truth.TRUE:
                    break
        return best

    def _own_terms(self, entry: Entry, origin: str) -> bool:
        return entry.whole in self.terms and entry.binds and entry.in_force(self.day) and entry.reaches(origin)

    def _answer(self, number: int, facts: Mapping[str, Value]) -> ConsentAnswer:
        """Return what the patients of a class said about the movement that a cell's facts describe."""
        consents = self.facts.classes[number].consents
        if not consents:
            return _NOT_ASKED
        key = (number, *map(facts.get, _CONSENT_READS))
        answer = self._answers.get(key)
        if answer is None:
            answer = evaluate_consents(consents, consent_context(facts, self.engine.vocabulary), self.at)
            self._answers[key] = answer
        return answer

    # --- one profile --------------------------------------------------------------------------------------

    def cells(self, profile: Profile, counted: Sequence[Mapping[str, Interval]]) -> Iterator[tuple[Place, Cell]]:
        """Yield every cell under a profile.

        Args:
            profile: what is made of the data.
            counted: per leg, counts of people by measure key.
        """
        facts, vocabulary = self.facts, self.engine.vocabulary
        parts = [self._part(part, profile) for part in facts.parts]
        for leg, leg_facts in enumerate(facts.legs):
            for part, part_facts in enumerate(parts):
                common = {**facts.shared, **leg_facts.facts, **counted[leg], **part_facts}
                for number, people in enumerate(facts.classes):
                    merged: dict[str, Value] = {**common, **people.facts, DAY: self.day}
                    answer = self._answer(number, merged)
                    if answer.state in (ConsentState.UNCLEAR, ConsentState.REVIEW):
                        merged.pop(CONSENT_STATE, None)
                    else:
                        merged[CONSENT_STATE] = answer.state.value
                    yield (number, part, leg), Cell(merged, answer, self.evidence, vocabulary)

    def _part(self, part: PartFacts, profile: Profile) -> Mapping[str, Value]:
        """Return a part's facts after a profile."""
        if not profile.sets and not profile.removes_categories:
            return part.facts
        after = {**part.facts, **profile.sets}
        categories = after.get("data.categories")
        if isinstance(categories, frozenset) and profile.removes_categories:
            definition = self.engine.vocabulary.facts.get("data.categories")
            taxonomy = self.engine.vocabulary.taxonomies.get((definition and definition.taxonomy) or "")
            after["data.categories"] = frozenset(
                c for c in categories if related(c, profile.removes_categories, taxonomy) is not Truth.TRUE
            )
        return after

    def attempt(self, profile: Profile, *, brief: bool = False) -> Tried:
        """Look at the request under one profile: two passes, the second with everybody counted.

        Args:
            profile: what is made of the data.
            brief: only whether it is permitted will be asked, so stop at the first cell that settles that.
        """
        counted = [leg.counted for leg in self.facts.legs]
        settling = brief and not self.question.withhold_parts and not self.question.withhold_subjects
        cells: dict[Place, Standing] = {}
        for place, cell in self.cells(profile, counted):
            standing = cells[place] = self.stand(cell)
            if settling and standing.verdict is not Verdict.PERMIT:
                return Tried(profile.id, standing.verdict, cells, {}, cells)
        stays, verdict = self._first_pass(cells)
        if verdict is not Verdict.PERMIT or not self.counts:
            return Tried(profile.id, verdict, cells, stays, cells)
        return self._second_pass(profile, cells, stays)

    def _first_pass(self, cells: Mapping[Place, Standing]) -> tuple[Stays, Verdict]:
        if len(cells) == 1:
            verdict = cells[0, 0, 0].verdict
            return ({0: (0,)} if verdict is Verdict.PERMIT else {}), verdict
        numbers, parts = range(len(self.facts.classes)), range(len(self.facts.parts))
        legs = range(len(self.facts.legs))
        pairs = {
            (c, p): strongest(cells[c, p, leg].verdict for leg in legs) for c in numbers for p in parts
        }  # fmt: skip
        whole = strongest(pairs.values())
        if whole is Verdict.PERMIT:
            return {c: tuple(parts) for c in numbers}, whole
        question = self.question
        if not question.withhold_parts and not question.withhold_subjects:
            return {}, whole
        stays = self._staying({pair for pair, verdict in pairs.items() if verdict is Verdict.PERMIT})
        if stays:
            return stays, Verdict.PERMIT
        referred = {s.verdict for s in cells.values()} - {Verdict.PERMIT, Verdict.DENY}
        return {}, min(referred, default=Verdict.DENY)

    def _staying(self, fine: set[tuple[int, int]]) -> Stays:
        """Return what stays of the pairs of class and part that are fine, as far as the caller withholds."""
        numbers, parts = range(len(self.facts.classes)), range(len(self.facts.parts))
        if not self.question.withhold_subjects:
            fine = {(c, p) for c, p in fine if all((other, p) in fine for other in numbers)}
        if not self.question.withhold_parts:
            fine = {(c, p) for c, p in fine if all((c, other) in fine for other in parts)}
        return {c: kept for c in numbers if (kept := tuple(p for p in parts if (c, p) in fine))}

    def _second_pass(self, profile: Profile, first: Mapping[Place, Standing], stays: Stays) -> Tried:
        """Decide the staying cells again with everybody counted, leaving out parts if that helps."""
        again = self._recount(profile, first, stays)
        verdict = strongest(standing.verdict for standing in again.values())
        if verdict is Verdict.PERMIT:
            return Tried(profile.id, verdict, again, stays, first)
        if not self.question.withhold_parts:
            return Tried(profile.id, verdict, again, {}, first)
        trials = [again]
        for kept in self._smaller(stays):
            fewer = {c: left for c, parts in stays.items() if (left := tuple(p for p in parts if p in kept))}
            cells = self._recount(profile, first, fewer)
            if all(standing.verdict is Verdict.PERMIT for standing in cells.values()):
                return Tried(profile.id, Verdict.PERMIT, cells, fewer, first)
            trials.append(cells)
        return self._second_pass_failed(profile, first, stays, trials)

    def _second_pass_failed(
        self, profile: Profile, first: Mapping[Place, Standing], stays: Stays, trials: list[dict[Place, Standing]]
    ) -> Tried:
        """Refer while something that is only referred could yet let some parts go, else deny."""
        could = self._could_stay(first)
        left_out = [
            (place, standing) for place, standing in first.items()
            if place[1] in could.get(place[0], ()) and place[1] not in stays.get(place[0], ())
        ]  # fmt: skip
        hopeful = [cells for cells in trials if all(s.verdict is not Verdict.DENY for s in cells.values())]
        open_ = [item for cells in hopeful for item in cells.items()] + left_out
        verdict = strongest(standing.verdict for _, standing in open_ if standing.verdict is not Verdict.DENY)
        if verdict is not Verdict.PERMIT:
            return Tried(profile.id, verdict, trials[0], {}, first, tuple(sorted(open_, key=_first)))
        if len({part for parts in stays.values() for part in parts}) > _MOST_PARTS_TRIED:
            return Tried(profile.id, Verdict.HUMAN_JUDGEMENT, trials[0], {}, first, (), untried=True)
        return Tried(profile.id, Verdict.DENY, trials[0], {}, first)

    @staticmethod
    def _smaller(stays: Stays) -> Iterator[frozenset[int]]:
        parts = sorted({part for kept in stays.values() for part in kept})
        least = len(parts) - 1 if len(parts) > _MOST_PARTS_TRIED else 1
        for size in range(len(parts) - 1, max(least, 1) - 1, -1):
            yield from map(frozenset, combinations(parts, size))

    def _recount(self, profile: Profile, first: Mapping[Place, Standing], stays: Stays) -> dict[Place, Standing]:
        counted = [self._count(leg, first, stays) for leg in range(len(self.facts.legs))]
        return {
            place: self.stand(cell)
            for place, cell in self.cells(profile, counted)
            if place[1] in stays.get(place[0], ())
        }  # fmt: skip

    def _count(self, leg: int, first: Mapping[Place, Standing], stays: Stays) -> dict[str, Interval]:
        """Return a leg's counts with the people of this request (section 7)."""
        counts: dict[str, Interval] = {}
        open_ = self._could_stay(first)
        settled = self._first_pass(first)[0]
        given_up = {part for kept in settled.values() for part in kept} - {p for kept in stays.values() for p in kept}
        for key, before in self.facts.legs[leg].counted.items():
            within = self.engine.within.get(key)
            if within is None:
                counts[key] = before
                continue
            sure = possible = 0
            for number, people in enumerate(self.facts.classes):
                kept = stays.get(number, ())
                best = Truth.FALSE
                for part in range(len(self.facts.parts)):
                    if part in kept:
                        best = max(best, value(within, first[number, part, leg].cell))
                    elif part in open_.get(number, ()) and part not in given_up:
                        best = max(best, min(Truth.UNKNOWN, value(within, first[number, part, leg].cell)))
                newcomers = people.size - people.counted_before.get((leg, key), 0)
                if best is Truth.TRUE:
                    sure += newcomers
                elif best is not Truth.FALSE:
                    possible += newcomers
            counts[key] = Interval(before.low + sure, before.high + sure + possible)
        return counts

    def _could_stay(self, first: Mapping[Place, Standing]) -> Stays:
        """Return what would stay if everything referred were permitted: those people may yet come in."""
        denied = {(c, p) for (c, p, _), standing in first.items() if standing.verdict is Verdict.DENY}
        return self._staying({(c, p) for c, p, _ in first} - denied)
