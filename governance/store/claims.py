"""Joining what a caller says with what the register knows.

Guarantees: a caller's word never replaces or fills a fact for which the vocabulary says that nobody's word is
enough: where the register is silent the fact stays unknown and a note says so; where the two contradict, the
request is refused. Where a caller's word is enough, the more precise of two agreeing statements stands.

In a dry run every claim counts where the register is silent; nothing real follows from it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from governance.core.facts import FactDefinition, FactType, Holder, Interval, Taxonomy, Value, Vocabulary, Word
from governance.core.truth import Truth
from governance.store.values import Faults, convert, fact_of, names_of

__all__ = ["Claims", "registered_values"]


def registered_values(
    vocabulary: Vocabulary, facts: Mapping[str, object], holder: Holder, notes: set[str] | None = None
) -> dict[str, Value]:
    """Read a register document's facts as facts of one holder.

    A party's document serves it as exporter and as recipient: what does not fit here is left out, and so is
    what a newer vocabulary no longer knows.
    """
    names = names_of(vocabulary, [holder])
    values: dict[str, Value] = {}
    for name, raw in facts.items():
        for definition in names.get(name, ()):
            faults = Faults()
            value = convert(vocabulary, definition, raw, faults, name)
            if value is not None:
                values[definition.id] = value
            elif notes is not None and holder not in (Holder.EXPORTER, Holder.RECIPIENT):
                notes.add(f"the register's `{definition.id}` is not in the vocabulary any more: unknown")
    return values


class Claims:
    """What a caller says, settled fact by fact; collects notes and faults.

    Attributes:
        notes: statements for the ruling's reader, without any patient's value.
        faults: contradictions; if there are any, the request is refused.
    """

    def __init__(self, vocabulary: Vocabulary, *, attested: bool, dry_run: bool) -> None:
        self._vocabulary = vocabulary
        self._attested = attested
        self._dry_run = dry_run
        self.notes: set[str] = set()
        self.faults = Faults()

    def values(self, facts: Mapping[str, object], holders: Iterable[Holder]) -> dict[str, Value]:
        """Convert the claims that belong to these holders; names and values were checked before."""
        wanted = tuple(holders)
        found: dict[str, Value] = {}
        for key, raw in facts.items():
            definition = fact_of(self._vocabulary, key)
            if definition is not None and definition.of in wanted:
                value = convert(self._vocabulary, definition, raw, self.faults, f"facts.{key}",
                                secret=definition.of is Holder.SUBJECT)  # fmt: skip
                if value is not None:
                    found[key] = value
        return found

    def trusts(self, definition: FactDefinition | None) -> bool:
        """Say whether the caller's word is enough for a fact."""
        if definition is None:
            return False
        return definition.word is Word.CALLER or (definition.word is Word.CLINICIAN and self._attested)

    def join(self, registered: Mapping[str, Value], claimed: Mapping[str, Value], where: str) -> dict[str, Value]:
        """Settle claims against registered facts of the same holder.

        Args:
            registered: facts of the register; win.
            claimed: what the caller says.
            where: path for faults, such as ``legs[0]``.
        """
        settled = dict(registered)
        for key, claim in claimed.items():
            value = self._settle(key, registered.get(key), claim, where)
            if value is not None:
                settled[key] = value
        return settled

    def of_subjects(self, claimed: Mapping[str, Value]) -> dict[str, Value]:
        """Return the claims about patients that count; the register wins silently, so that nothing is revealed."""
        counting: dict[str, Value] = {}
        for key, claim in claimed.items():
            if self._dry_run or self.trusts(fact_of(self._vocabulary, key)):
                counting[key] = claim
            else:
                self._ignored(key)
        return counting

    def _settle(self, key: str, registered: Value | None, claim: Value, where: str) -> Value | None:
        definition = fact_of(self._vocabulary, key)
        trusted = self.trusts(definition)
        if registered is None:
            if trusted or self._dry_run:
                return claim
            self._ignored(key)
            return None
        taxonomy = self._taxonomy(definition)
        if claim == registered or _at_or_below(registered, claim, taxonomy):
            return registered
        if _at_or_below(claim, registered, taxonomy):
            if trusted:
                return claim
            self._ignored(key)
            return registered
        self.faults.add(f"{where}.{key}", "contradicts the register", "leave it out, or have the register corrected")
        return registered

    def _ignored(self, key: str) -> None:
        definition = fact_of(self._vocabulary, key)
        clinical = definition is not None and definition.word is Word.CLINICIAN
        needs = "a named clinician (`attested_by`)" if clinical else "the register"
        self.notes.add(f"the caller's word is not enough for `{key}`: it has to come from {needs}")

    def _taxonomy(self, definition: FactDefinition | None) -> Taxonomy | None:
        if definition is None:
            return None
        places = definition.type in (FactType.PLACE, FactType.PLACES)
        return self._vocabulary.taxonomies.get("place" if places else definition.taxonomy or "")


def _at_or_below(narrow: Value, broad: Value, taxonomy: Taxonomy | None) -> bool:
    """Say whether one value says the same more precisely; closed sets are never more precise than each other."""
    if isinstance(narrow, Interval) and isinstance(broad, Interval):
        return broad.low <= narrow.low and narrow.high <= broad.high
    if isinstance(narrow, str) and isinstance(broad, str) and taxonomy is not None:
        return taxonomy.relation(narrow, broad) is Truth.TRUE
    return False
