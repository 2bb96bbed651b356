"""A subject while its record is transformed: keys, what is known to identify it, and what was already done.

Guarantees: everything here belongs to one subject and one release; two subjects share nothing.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import date
from functools import lru_cache
from typing import NamedTuple, TypeAlias

from governance.deidentify.known import Known, squeezed, words_of
from governance.deidentify.methods import Json
from governance.deidentify.nodes import Program
from governance.deidentify.profile import Codes, Profile
from governance.deidentify.pseudonyms import SubjectKeys

__all__ = ["Coding", "CodingFacts", "Subject", "TextScrubber"]

TextScrubber = Callable[[str], str]
"""Takes the identifying words out of a text."""

_LONGEST_CODE = 256
_CODE = re.compile(r"[^\s@]+(?: [^\s@]+)*")


@lru_cache(maxsize=20_000)
def _squeezed_code(text: str) -> str | None:
    """Return the letters and digits of what has the shape of a code; codes repeat from record to record."""
    return squeezed(text) if _CODE.fullmatch(text) else None


class CodingFacts(NamedTuple):
    """What is true of a coding whoever's record it stands in.

    Attributes:
        bare: the letters and digits of its code; None if it is no code of a public system.
        words: the words of its printed form.
        digits: how many digits its printed form has.
    """

    bare: str | None
    words: frozenset[str]
    digits: int


Coding: TypeAlias = tuple[str, str, str | None]
"""System, code, printed form."""

_MOST_CODINGS = 20_000
_LABEL = 160
"""Longer printed forms are not remembered from record to record: they may be notes."""


class Subject:
    """One subject in one release.

    Attributes:
        references: a reference as written in the input, to the new Reference; shared, never changed.
        local: the same for contained resources of the resource at hand (``#id``).
        used: contained resources that something referred to.
        last_hidden_year: years up to this one show an age above the highest.
        is_over_age: the subject is (or may be) older than the highest age that may be told.
        done: what was done to objects, to how many of them.
        removed: slot of the plan to how many values a method removed.
        scrub: cleans free text, or None where text may not cross.
        text_scrubbed: how many texts went through the scrubber.
    """

    __slots__ = (
        "_codings", "_last", "_ordinals", "_public", "address_country", "codes", "concepts", "dates", "days", "done",
        "highest_age", "is_over_age", "keys", "known", "last_hidden_year", "local", "media_type",
        "references", "removed", "safe_codes", "safe_labels", "scrub", "states", "text_scrubbed", "used",
    )  # fmt: skip

    def __init__(
        self,
        *,
        profile: Profile,
        keys: SubjectKeys,
        known: Known,
        states: dict[str, str],
        codings: dict[Coding, CodingFacts],
        at: date,
        birth_year: int | None,
        death_year: int | None,
        scrub: TextScrubber | None,
    ) -> None:
        self.keys = keys
        self.known = known
        self.scrub = scrub
        self.codes = profile.codes
        self.states = states
        self.address_country: Json = None
        self.media_type: Json = None
        self.references: dict[str, dict[str, str]] = {}
        self.local: dict[str, dict[str, str]] = {}
        self.used: set[str] = set()
        self.safe_codes: set[str] = set()
        self.safe_labels: set[str] = set()
        self.dates: dict[str, str | None] = {}
        self.concepts: dict[tuple[Json, ...], Json] = {}
        self.done: dict[Program, int] = {}
        self.removed: dict[int, int] = {}
        self.days: dict[str, str | None] = {}
        self.text_scrubbed = 0
        self._codings = codings
        self._ordinals: dict[tuple[str, str], int] = {}
        self._last: dict[str, int] = {}
        self._public = profile.base.public_systems
        self.highest_age = profile.ages.highest if profile.ages else 10**6
        last = death_year if death_year is not None else at.year
        self.last_hidden_year = last - self.highest_age - 1
        self.is_over_age = birth_year is not None and birth_year <= self.last_hidden_year

    def code(self, field: str, value: str) -> str:
        """Return the pseudonym of a value: from the value itself, or from its running number in the field."""
        return self.keys.pseudonym(field, self._source(field, value))

    def resource_id(self, resource_type: str, resource_id: str) -> str:
        """Return the new id of a resource."""
        return self.keys.resource_id(resource_type, self._source(f"id/{resource_type}", resource_id))

    def _source(self, field: str, value: str) -> str:
        if self.codes is Codes.FROM_VALUES:
            return value
        key = (field, value)
        number = self._ordinals.get(key)
        if number is None:
            number = self._ordinals[key] = self._last[field] = self._last.get(field, 0) + 1
        return str(number)

    def is_public(self, system: str) -> bool:
        """Say whether a code system is one that anybody can look up."""
        return system.startswith(self._public)

    def keeps(self, coding: Coding) -> tuple[bool, bool]:
        """Say whether a coding stays, and whether its printed form does.

        What is true of it in every record is worked out once for all subjects of a plan.
        """
        facts = self._codings.get(coding) or self._facts(coding)
        _, code, display = coding
        if facts.bare is None or self.known.is_value(code, facts.bare):
            return False, False
        if display is None or len(display) > 4 * _LONGEST_CODE:
            return True, False
        searched = self.known.may_appear_among(facts.words, facts.digits)
        return True, not (searched and self.known.appears_in(display))

    def _facts(self, coding: Coding) -> CodingFacts:
        system, code, display = coding
        if not self.is_public(system) or len(code) > _LONGEST_CODE:
            return CodingFacts(None, frozenset(), 0)
        facts = CodingFacts(_squeezed_code(code), *words_of(display or ""))
        if len(display or "") < _LABEL and len(self._codings) < _MOST_CODINGS:
            self._codings[coding] = facts
        return facts

    def is_safe_code(self, text: str) -> bool:
        """Say whether a code is no value of the subject's own, and remember it."""
        bare = _squeezed_code(text) if len(text) <= _LONGEST_CODE else None
        if bare is None or self.known.is_value(text, bare):
            return False
        self.safe_codes.add(text)
        return True

    def is_safe_label(self, text: str) -> bool:
        """Say whether the printed form of a code holds nothing of the subject's own, and remember it."""
        if len(text) > 4 * _LONGEST_CODE or self.known.appears_in(text):
            return False
        self.safe_labels.add(text)
        return True
